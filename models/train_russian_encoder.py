"""Train the encoder for Russian: the second step of ``tocsin train ru``."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from models import lora
from models.encoder import ToneNetwork, network_of
from models.evaluate import Figures, figures
from models.fit import certain, learned, logits_of
from models.halves import halves
from models.joining import Time, best_joint, shift_of_frequencies, usual_weights
from models.labelled import LabelledTexts, joined
from models.multilingual import PAD, base_arrays, encoder_file, kept_pieces, read_image, tokenizer_of
from models.patience import Judge, Patience
from models.recipe import Course
from models.russian_encoder import pieces_as_bits, save_encoder, written
from models.tokeniser import Tokeniser
from models.training_part import Part, texts_sha256

FIRST: Final = Course(learning_rate=1e-4, layer_decay=0.93, epochs=3)
"""How the encoder learns from the earlier halves."""

THEN: Final = Course(learning_rate=5e-5, layer_decay=0.93, epochs=1)
"""How it goes on with all texts, once it has been judged."""


@dataclass(frozen=True)
class EncoderRecipe:
    """How the encoder is trained; ``rank`` is that of the corrections kept: 20 fill a file of 3.8 MB. ``share`` is what
    it counts beside the n-grams. With ``patience`` what learns from the earlier halves is judged by the later ones on
    the way, and stops early if that helps; for what follows nothing is left to judge by.
    """

    seed: int = 1
    rank: int = 20
    share: float = 0.5
    first: Course = field(default_factory=lambda: FIRST)
    then: Course = field(default_factory=lambda: THEN)
    patience: Patience | None = None

    def to_config(self) -> dict[str, Any]:
        """As plain numbers and dictionaries; without ``patience`` nothing is said of it, as before there was any."""
        config = asdict(self)
        if self.patience is None:
            del config["patience"]
        return config


Tensors = dict[str, torch.Tensor]


@dataclass(frozen=True)
class Tokenised:
    """Token ids of each text and their labels, (n,) int64."""

    ids: list[list[int]]
    labels: NDArray[np.int64]


class EncoderTraining:
    """Trains networks on the base encoder, each a part of the training that is kept in ``out``: what is done is not
    done again. ``judged`` is what the judge found of each part that had one; ``beside``, how the n-grams were trained
    whose answers a judge goes by too.
    """

    def __init__(self, recipe: EncoderRecipe, out: Path, beside: Mapping[str, float] | None = None) -> None:
        self.recipe, self._out, self._beside = recipe, out, dict(beside or {})
        self.judged: dict[str, dict[str, Any]] = {}
        image = read_image(encoder_file())
        self.pieces = kept_pieces(image)
        self.vocabulary = len(image.scores)
        self._base = base_arrays(image, self.pieces)
        self._tokenise = Tokeniser(tokenizer_of(image, self.pieces), pad=PAD)

    def tokenised(self, data: LabelledTexts) -> Tokenised:
        """Texts as serving sees them."""
        return Tokenised(self._tokenise([written(text) for text in data.texts]), data.labels)

    def distinct(self, data: LabelledTexts) -> Tokenised:
        """The same, each text once with each of its labels: retweets and copies teach nothing new, and cost time."""
        texts = [written(text) for text in data.texts]
        first = {(text, label): row for row, (text, label) in enumerate(zip(texts, data.labels.tolist(), strict=True))}
        rows = sorted(first.values())
        return Tokenised(self._tokenise([texts[row] for row in rows]), data.labels[rows])

    def trained(
        self,
        data: Tokenised,
        course: Course,
        name: str,
        start: Tensors | None = None,
        judge: Judge | None = None,
        judged_by: Sequence[Tokenised] = (),
    ) -> Tensors:
        """What was learned (:func:`models.fit.learned`) from ``data``, beginning where ``start`` had come to; a
        ``judge`` goes by the texts ``judged_by``.
        """
        purpose: dict[str, Any] = {"recipe": self.recipe.to_config(), "texts": len(data.ids), "name": name}
        if judge is not None:
            purpose["judged_by"] = [texts_sha256(some.ids, some.labels) for some in judged_by]
            purpose["beside"] = self._beside
        torch.manual_seed(self.recipe.seed)
        network = self.network(start, course.dropout)
        part = Part(name, self._out, purpose, judge)
        part.run(network, data.ids, certain(data.labels), course, self.recipe.seed)
        if part.judged is not None:
            self.judged[name] = part.judged
        return {parameter: value.detach() for parameter, value in learned(network).items()}

    def network(self, start: Tensors | None = None, dropout: float = 0.0) -> ToneNetwork:
        """The base encoder, or where a training had come to."""
        network = network_of(self._base, dropout)
        if start is not None:
            network.load_state_dict(start, strict=False)
        return network

    def corrections(self, trained: Tensors) -> dict[str, NDArray[Any]]:
        """What was learned, cut as it is shipped."""
        tensors = lora.corrections(self.network(trained), self.network(), self.recipe.rank)
        return {name: tensor.numpy() for name, tensor in tensors.items()}

    def forget(self) -> None:
        """Remove what was kept for going on."""
        for file in self._out.glob("encoder-*.pt"):
            file.unlink()

    def logits(self, corrections: dict[str, NDArray[Any]], data: LabelledTexts) -> NDArray[np.float32]:
        """What the base encoder with ``corrections`` says of ``data``, (n, 3)."""
        network = self.network()
        lora.merge(network, {name: torch.from_numpy(array) for name, array in corrections.items()})
        return logits_of(network, self.tokenised(data).ids)


@dataclass(frozen=True)
class JudgedPart:
    """A part of the texts, and what the n-grams that learned from the earlier halves say of its ``later`` half: their
    probabilities ``beside`` the encoder's (m, 3).
    """

    data: LabelledTexts
    beside: NDArray[np.floating]

    @property
    def earlier(self) -> LabelledTexts:
        """The half to learn from."""
        return self.data.subset(halves(len(self.data))[0])

    @property
    def later(self) -> LabelledTexts:
        """The half to be judged by."""
        return self.data.subset(halves(len(self.data))[1])


def _times(parts: Sequence[JudgedPart], logits: Sequence[NDArray[np.float32]]) -> list[Time]:
    """The later half of each part, of which a network says these ``logits``."""
    return [
        Time(part.later.labels, some, part.beside, usual_weights(part.later.labels, part.data.labels))
        for part, some in zip(parts, logits, strict=True)
    ]


def _later_halves(times: Sequence[Time], share: float) -> tuple[NDArray[np.float64], float, list[Figures]]:
    """Offsets and temperature chosen by the later halves, and what comes of them there."""
    offsets, temperature = best_joint(times, share)
    found = [figures(some.labels, some.mean(share, offsets, temperature).astype(np.float32)) for some in times]
    return offsets, temperature, found


def _judge(
    parts: Sequence[JudgedPart], later: Sequence[Tokenised], training: EncoderTraining, patience: Patience
) -> Judge:
    """Judges a network as the whole is reported: F1 of negative and positive (per cent) beside the n-grams, mean over
    the later halves, whose token ids are ``later``.
    """

    def figure(network: ToneNetwork) -> float:
        times = _times(parts, [logits_of(network, some.ids) for some in later])
        found = _later_halves(times, training.recipe.share)[2]
        return round(100 * float(np.mean([one.f1_negative_positive for one in found])), 2)

    return Judge(patience, figure, "F1 of negative and positive on the later halves")


def learn(parts: Sequence[JudgedPart], training: EncoderTraining, out: Path) -> list[Figures]:
    """Learn from the earlier half of each part; judge it, beside the n-grams, by the later halves, and choose offsets
    and temperature by them; go on with all texts. Writes adapter and configuration to ``out`` and returns the figures
    of the later halves.
    """
    began, processor = time.monotonic(), time.process_time()
    recipe = training.recipe
    earlier = joined([part.earlier for part in parts])
    later = [] if recipe.patience is None else [training.tokenised(part.later) for part in parts]
    judge = None if recipe.patience is None else _judge(parts, later, training, recipe.patience)
    first = training.trained(training.tokenised(earlier), recipe.first, "encoder-earlier", None, judge, later)
    judged = training.corrections(first)
    times = _times(parts, [training.logits(judged, part.later) for part in parts])
    offsets, temperature, found = _later_halves(times, recipe.share)

    whole = training.distinct(joined([part.data for part in parts]))
    then = training.trained(whole, recipe.then, "encoder-all", first)
    tensors = training.corrections(then)
    added = offsets + shift_of_frequencies(whole.labels, earlier.labels)
    tensors["head_output.bias"] = (tensors["head_output.bias"].astype(np.float64) + added).astype(np.float16)
    about = {
        "temperature": temperature,
        "share": recipe.share,
        "recipe": {**recipe.to_config(), "offsets": offsets.tolist(), "added": np.round(added, 4).tolist()},
        "training": {
            "texts": [len(earlier), len(whole.ids)],
            "seconds": round(time.monotonic() - began, 1),
            "processor_seconds": round(time.process_time() - processor, 1),
            **({"judged": training.judged} if training.judged else {}),
        },
        "later_halves": [one.as_dict() for one in found],
    }
    save_encoder(tensors, pieces_as_bits(training.pieces, training.vocabulary), out, about)
    return found

"""Train the encoder for Russian: the second step of ``tocsin train ru``."""

from __future__ import annotations

import time
from collections.abc import Sequence
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
from models.recipe import Course
from models.russian_encoder import pieces_as_bits, save_encoder, written
from models.tokeniser import Tokeniser
from models.training_part import Part

FIRST: Final = Course(learning_rate=1e-4, layer_decay=0.93, epochs=3)
"""How the encoder learns from the earlier halves."""

THEN: Final = Course(learning_rate=5e-5, layer_decay=0.93, epochs=1)
"""How it goes on with all texts, once it has been judged."""


@dataclass(frozen=True)
class EncoderRecipe:
    """How the encoder is trained; ``rank`` is that of the corrections kept: 20 fill a file of 3.8 MB. ``share`` is what
    it counts beside the n-grams.
    """

    seed: int = 1
    rank: int = 20
    share: float = 0.5
    first: Course = field(default_factory=lambda: FIRST)
    then: Course = field(default_factory=lambda: THEN)


Tensors = dict[str, torch.Tensor]


@dataclass(frozen=True)
class Tokenised:
    """Token ids of each text and their labels, (n,) int64."""

    ids: list[list[int]]
    labels: NDArray[np.int64]


class EncoderTraining:
    """Trains networks on the base encoder, each a part of the training that is kept in ``out``: what is done is not
    done again.
    """

    def __init__(self, recipe: EncoderRecipe, out: Path) -> None:
        self.recipe, self._out = recipe, out
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

    def trained(self, data: Tokenised, course: Course, name: str, start: Tensors | None = None) -> Tensors:
        """What was learned (:func:`models.fit.learned`) from ``data``, beginning where ``start`` had come to."""
        purpose = {"recipe": asdict(self.recipe), "texts": len(data.ids), "name": name}
        torch.manual_seed(self.recipe.seed)
        network = self.network(start, course.dropout)
        Part(name, self._out, purpose).run(network, data.ids, certain(data.labels), course, self.recipe.seed)
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


def learn(parts: Sequence[JudgedPart], training: EncoderTraining, out: Path) -> list[Figures]:
    """Learn from the earlier half of each part; judge it, beside the n-grams, by the later halves, and choose offsets
    and temperature by them; go on with all texts. Writes adapter and configuration to ``out`` and returns the figures
    of the later halves.
    """
    began, processor = time.monotonic(), time.process_time()
    recipe = training.recipe
    earlier = joined([part.earlier for part in parts])
    first = training.trained(training.tokenised(earlier), recipe.first, "encoder-earlier")
    judged = training.corrections(first)
    times = [
        Time(
            part.later.labels,
            training.logits(judged, part.later),
            part.beside,
            usual_weights(part.later.labels, part.data.labels),
        )
        for part in parts
    ]
    offsets, temperature = best_joint(times, recipe.share)
    found = [figures(some.labels, some.mean(recipe.share, offsets, temperature).astype(np.float32)) for some in times]

    whole = training.distinct(joined([part.data for part in parts]))
    then = training.trained(whole, recipe.then, "encoder-all", first)
    tensors = training.corrections(then)
    added = offsets + shift_of_frequencies(whole.labels, earlier.labels)
    tensors["head_output.bias"] = (tensors["head_output.bias"].astype(np.float64) + added).astype(np.float16)
    about = {
        "temperature": temperature,
        "share": recipe.share,
        "recipe": {**asdict(recipe), "offsets": offsets.tolist(), "added": np.round(added, 4).tolist()},
        "training": {
            "texts": [len(earlier), len(whole.ids)],
            "seconds": round(time.monotonic() - began, 1),
            "processor_seconds": round(time.process_time() - processor, 1),
        },
        "later_halves": [one.as_dict() for one in found],
    }
    save_encoder(tensors, pieces_as_bits(training.pieces, training.vocabulary), out, about)
    return found

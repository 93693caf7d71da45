"""The n-grams of the bundled model for Russian: a linear model on hashed n-grams and a lexicon, served by numpy alone.

The score of a class is a sum over three blocks of features: n-grams of characters, n-grams of words, entries of the
lexicon. In each block it is a sum of integers over what the text has, divided by the text's norm (TF-IDF with cosine
normalisation, each feature counted once). Sums of integers are exact in any order, so a text's tone is the same bit for
bit in any company, and no self-check is needed.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from models.base import sha256_of, verify
from models.cache import DEFAULT_CACHE_SIZE, CachedModel
from models.errors import ModelFileError
from models.lexicon import Lexicon
from models.model_config import finite, read_config
from models.ngrams import BITS, BLOCKS, FOLDING, features, fold
from models.normalise import NORMALISATION
from models.tone import LABELS, ModelId
from models.version import version_of
from models.whole_file import whole_file

NAME: Final = "tocsin-ru-ngrams"
FORMAT: Final = 1
BUNDLED_RU: Final = Path(__file__).parent / "weights_ru"
"""Folder of the weights that ship with Tocsin."""

# Texts whose features are counted in one go; bounds memory (some 20,000 features of 8 bytes in a few arrays).
_WINDOW: Final = 256


@dataclass(frozen=True)
class NgramWeights:
    """What was learned, as integers.

    ``keys`` (f,) int32: block and bucket of each n-gram, ``block << BITS | bucket``, ascending. ``idf`` (f,) uint8: its
    inverse document frequency in some unit. ``weights`` (f, 3) int16: its weight in each class, idf included, in units
    of ``scale``. ``word_keys`` (e,) uint32, ``word_idf``, ``word_weights``, ``word_scale``: the same of the entries of
    the lexicon (:mod:`models.lexicon`). ``bias`` (3,): added to the scores. ``temperature`` divides the scores.
    """

    keys: NDArray[np.int32]
    idf: NDArray[np.uint8]
    weights: NDArray[np.int16]
    scale: float
    word_keys: NDArray[np.uint32]
    word_idf: NDArray[np.uint8]
    word_weights: NDArray[np.int16]
    word_scale: float
    bias: tuple[float, ...]
    temperature: float = 1.0

    def tensors(self) -> dict[str, NDArray[Any]]:
        """What goes into the safetensors file."""
        return {name: value for name, value in vars(self).items() if isinstance(value, np.ndarray)}

    def numbers(self) -> dict[str, Any]:
        """What goes into the configuration."""
        return {name: value for name, value in vars(self).items() if not isinstance(value, np.ndarray)}


class NgramScorer:
    """Scores of folded texts, from :class:`NgramWeights` laid out for looking up."""

    def __init__(self, learned: NgramWeights) -> None:
        size = BLOCKS << BITS
        # First idf squared, then one row per class.
        self._ngrams = np.zeros((1 + len(LABELS), size), dtype=np.int32)
        self._ngrams[0, learned.keys] = learned.idf.astype(np.int32) ** 2
        self._ngrams[1:, learned.keys] = learned.weights.T
        self._words = np.concatenate([[learned.word_idf.astype(np.int32) ** 2], learned.word_weights.T])
        self._lexicon = Lexicon(learned.word_keys)
        self._scale, self._word_scale, self._bias = learned.scale, learned.word_scale, learned.bias

    def __call__(self, folded: Sequence[str]) -> NDArray[np.float64]:
        """Scores (n, 3) before the temperature, float64."""
        count = len(folded)
        rows, blocks, buckets = features(folded)
        ngrams = _cosines(self._ngrams, rows * BLOCKS + blocks, (blocks << BITS) | buckets, count * BLOCKS)
        words = _cosines(self._words, *self._lexicon.entries(folded), count)
        scores = np.empty((count, len(LABELS)))
        for index, bias in enumerate(self._bias):
            both = ngrams[index].reshape(count, BLOCKS)
            scores[:, index] = (both[:, 0] + both[:, 1]) * self._scale + words[index] * self._word_scale + bias
        return scores


def _cosines(
    table: NDArray[np.int32], groups: NDArray[np.int64], keys: NDArray[np.int64], count: int
) -> list[NDArray[np.float64]]:
    """For each class the sum of the weights of each group's features over the group's norm, (count,) each."""
    # bincount sums in float64, in which integers of this size are exact.
    squares, *sums = (np.bincount(groups, weights=row[keys], minlength=count) for row in table)
    norms = np.sqrt(np.maximum(squares, 1.0))
    return [one / norms for one in sums]


def probabilities(scores: NDArray[np.float64], temperature: float) -> NDArray[np.float32]:
    """Softmax of scores (n, 3) over ``temperature``, row by row."""
    shifted = scores / temperature
    shifted = np.exp(shifted - shifted.max(axis=1, keepdims=True))
    result: NDArray[np.float32] = (shifted / (shifted[:, :1] + shifted[:, 1:2] + shifted[:, 2:])).astype(np.float32)
    return result


class NgramModel(CachedModel):
    """A :class:`models.tone.ToneModel` for Russian without an encoder; safe to call from several threads."""

    threads: Final = 1

    def __init__(self, model_id: ModelId, learned: NgramWeights, *, cache_size: int = DEFAULT_CACHE_SIZE) -> None:
        super().__init__(model_id, cache_size)
        self._temperature = learned.temperature
        self._scorer = NgramScorer(learned)

    def predict(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """See :meth:`models.tone.ToneModel.predict`."""
        if isinstance(texts, str):
            raise TypeError("predict takes a sequence of texts, not one text; put it in a list")
        folded = [fold(text) for text in texts]
        slots: dict[str, int] = {}
        slot_of = [slots.setdefault(text, len(slots)) for text in folded]
        unique = list(slots)
        tones = np.empty((len(unique), len(LABELS)), dtype=np.float32)
        missing: list[int] = []
        for slot, tone in enumerate(self._cache.get(unique)):
            if tone is None:
                missing.append(slot)
            else:
                tones[slot] = tone
        self._cache.count(hits=len(texts) - len(missing), misses=len(missing))
        for start in range(0, len(missing), _WINDOW):
            window = missing[start : start + _WINDOW]
            some = [unique[slot] for slot in window]
            computed = probabilities(self._scorer(some), self._temperature)
            tones[window] = computed
            self._cache.put(some, computed)
        result: NDArray[np.float32] = tones[np.asarray(slot_of, dtype=np.int64)]
        return result

    def close(self) -> None:
        """Nothing to stop."""


def save_russian(learned: NgramWeights, directory: Path, about: dict[str, Any]) -> None:
    """Write weights and configuration to ``directory``; ``about`` is kept in the configuration (recipe, figures)."""
    directory.mkdir(parents=True, exist_ok=True)
    file = directory / "ngrams.safetensors"
    with whole_file(file) as part:
        save_file(learned.tensors(), part)
    config = {
        "format": FORMAT,
        "name": NAME,
        "weights_sha256": sha256_of(file),
        "labels": list(LABELS),
        "normalisation": NORMALISATION,
        "folding": FOLDING,
        "bits": BITS,
        **learned.numbers(),
        **about,
    }
    (directory / "config.json").write_text(json.dumps(config, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def load_ngrams(directory: Path = BUNDLED_RU) -> NgramWeights:
    """Read and verify what :func:`save_russian` wrote.

    Raises ``ModelFileError`` when a file is missing, has another checksum than its configuration states, or was made
    for another folding, normalisation or label order than this version of Tocsin has.
    """
    file = directory / "config.json"
    expected = {
        "format": FORMAT,
        "labels": list(LABELS),
        "normalisation": NORMALISATION,
        "folding": FOLDING,
        "bits": BITS,
    }
    config = read_config(file, expected, use="weights")
    weights = directory / "ngrams.safetensors"
    verify(weights, str(config.get("weights_sha256")))
    try:
        tensors = load_file(weights)
        return NgramWeights(
            tensors["keys"],
            tensors["idf"],
            tensors["weights"],
            finite(config["scale"], "scale"),
            tensors["word_keys"],
            tensors["word_idf"],
            tensors["word_weights"],
            finite(config["word_scale"], "word_scale"),
            _bias(config["bias"]),
            finite(config["temperature"], "temperature", 0),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ModelFileError(f"{file} lacks or misstates a field ({error}); reinstall tocsin") from error


def _bias(told: Any) -> tuple[float, ...]:
    """Raises ``TypeError`` or ``ValueError``."""
    bias = tuple(finite(value, "bias") for value in told)
    if len(bias) != len(LABELS):
        raise ValueError(f"bias is {told!r}, not {len(LABELS)} numbers")
    return bias


def load_ngrams_model(directory: Path = BUNDLED_RU, *, cache_size: int = DEFAULT_CACHE_SIZE) -> NgramModel:
    """Load the n-gram model, or another of its kind for a trial. Raises ``ModelFileError``."""
    learned = load_ngrams(directory)
    parts = {
        "weights": sha256_of(directory / "ngrams.safetensors"),
        "config": sha256_of(directory / "config.json"),
        "folding": str(FOLDING),
    }
    version = version_of(parts, f"integer n-grams, numpy {np.__version__}")
    return NgramModel(ModelId(NAME, version), learned, cache_size=cache_size)

"""What a tone model is to the rest of Tocsin: texts in, three probabilities each out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

LABELS: Final = ("negative", "neutral", "positive")
"""Order of the columns of every array of tones."""


@dataclass(frozen=True)
class ModelId:
    """Which model gave a tone.

    ``version`` changes with everything that can change a tone by even one bit: base weights, adapter, configuration,
    normalisation, and the numeric backend (precision, processor capability, library version). Two tones of the same
    text and the same ``ModelId`` are equal bit for bit.
    """

    name: str
    version: str

    def __str__(self) -> str:
        return f"{self.name}@{self.version}"


class ToneModel(Protocol):
    """Gives texts a tone."""

    @property
    def id(self) -> ModelId:
        """Name and version of what decides the tones."""

    def predict(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Tone of each text: (n, 3) probabilities, columns ``LABELS``, each row summing to 1 (within 1e-6).

        A text's row is the same bit for bit whatever else is in ``texts``, whichever thread or process asks and however
        many threads work. Any ``str`` gets a tone: empty, huge, emoji only, control characters, lone surrogates. Safe
        to call from several threads at once.
        """

    def knows(self, text: str, lang: str | None = None) -> bool:
        """Whether the model knows the language of ``text``, as far as script and ``lang`` (BCP 47, as the feed declares
        it) tell. Where it does not, the tone is a guess: count the mention, but do not believe its tone.
        """

"""Two models of one language as one: the mean of what they say, which is right more often than either."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.routed import Reading
from models.tone import ModelId
from models.version import version_of

NAME: Final = "tocsin-ru"


class JoinedModel:
    """A :class:`models.tone.ToneModel`: ``share`` of the first model's probabilities and the rest of the second's.

    Both are added number by number, so a text's tone is as constant as theirs.
    """

    def __init__(self, first: Reading, second: Reading, share: float, name: str = NAME) -> None:
        self._first, self._second = first, second
        self._share, self._rest = np.float32(share), np.float32(1 - share)
        parts = {"first": str(first.id), "second": str(second.id)}
        self._id = ModelId(name, version_of(parts, f"mean, {share} of the first"))

    @property
    def id(self) -> ModelId:
        """Name and version of what decides the tones."""
        return self._id

    @property
    def backend(self) -> str:
        """What computes the first model."""
        return str(getattr(self._first, "backend", ""))

    @property
    def threads(self) -> int:
        """Batches computed at once."""
        return self._first.threads

    @property
    def cache_hits(self) -> int:
        """Texts that the first model, the slower one, answered without computing."""
        return self._first.cache_hits

    @property
    def cache_misses(self) -> int:
        """Texts that the first model computed."""
        return self._first.cache_misses

    def predict(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """See :meth:`models.tone.ToneModel.predict`."""
        tones: NDArray[np.float32] = self._share * self._first.predict(texts) + self._rest * self._second.predict(texts)
        return tones

    def close(self) -> None:
        """Stop what runs."""
        self._first.close()
        self._second.close()

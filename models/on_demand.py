"""A model that is loaded when it is first needed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from models.routed import Reading
from models.tone import ModelId


class OnDemand:
    """The :class:`models.routed.Reading` that ``load`` returns, once a text or its ``id`` is asked for; whoever asks
    gets what it raises. ``threads`` is what to tell of it.
    """

    def __init__(self, load: Callable[[], Reading], threads: int) -> None:
        self._load = load
        self._loaded: Reading | None = None
        self._loading = threading.Lock()
        self.threads = threads

    @property
    def _model(self) -> Reading:
        with self._loading:
            if self._loaded is None:
                self._loaded = self._load()
            return self._loaded

    @property
    def id(self) -> ModelId:
        """Name and version."""
        return self._model.id

    @property
    def backend(self) -> str | None:
        """What computes, where the model tells."""
        return getattr(self._model, "backend", None)

    @property
    def cache_hits(self) -> int:
        """Texts answered without computing."""
        return 0 if self._loaded is None else self._loaded.cache_hits

    @property
    def cache_misses(self) -> int:
        """Texts computed."""
        return 0 if self._loaded is None else self._loaded.cache_misses

    def predict(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """See :meth:`models.tone.ToneModel.predict`."""
        return self._model.predict(texts)

    def close(self) -> None:
        """Stop what runs."""
        if self._loaded is not None:
            self._loaded.close()

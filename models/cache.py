"""Tones of texts seen lately: reposts and copied headlines are read once."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.tone import ModelId

DEFAULT_CACHE_SIZE: Final = 50_000
"""Texts whose tones a model remembers where nobody says otherwise."""

# Longer texts are remembered by checksum: posts of thousands of characters must not fill the memory.
_LONGEST_KEY: Final = 280


def _key(text: str) -> str | bytes:
    return text if len(text) <= _LONGEST_KEY else hashlib.blake2b(text.encode(), digest_size=32).digest()


class ToneCache:
    """The ``size`` most recently used texts and their tones; thread-safe. About 400 bytes an entry; 0 keeps nothing.

    Safe for "one text, one tone": the key is all that the model reads of a text, or its checksum, and the cache lives
    no longer than the model.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self.hits = 0
        self.misses = 0
        self._tones: OrderedDict[str | bytes, bytes] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._tones)

    def get(self, texts: Sequence[str]) -> list[NDArray[np.float32] | None]:
        """Tone (3,) of each text, or ``None``; does not count."""
        keys = [*map(_key, texts)]
        with self._lock:
            found = [*map(self._tones.get, keys)]
            for key, tone in zip(keys, found, strict=True):
                if tone is not None:
                    self._tones.move_to_end(key)
        return [None if tone is None else np.frombuffer(tone, dtype=np.float32) for tone in found]

    def put(self, texts: Sequence[str], tones: NDArray[np.float32]) -> None:
        """Remember ``tones`` (n, 3) of ``texts``, forgetting the longest unused."""
        if self.size <= 0:
            return
        whole, width = tones.tobytes(), tones.itemsize * tones.shape[1]
        rows = [whole[start : start + width] for start in range(0, len(whole), width)]
        with self._lock:
            for key, tone in zip(map(_key, texts), rows, strict=True):
                self._tones[key] = tone
                self._tones.move_to_end(key)
            while len(self._tones) > self.size:
                self._tones.popitem(last=False)

    def count(self, hits: int, misses: int) -> None:
        """Add to the counters."""
        with self._lock:
            self.hits += hits
            self.misses += misses


class CachedModel:
    """What tone models with a cache have in common: their name and version, and what the cache saved them."""

    def __init__(self, model_id: ModelId, cache_size: int) -> None:
        self._id = model_id
        self._cache = ToneCache(cache_size)

    @property
    def id(self) -> ModelId:
        """Name and version of what decides the tones."""
        return self._id

    @property
    def cache_hits(self) -> int:
        """Texts answered without computing: remembered, or equal to another in the same call."""
        return self._cache.hits

    @property
    def cache_misses(self) -> int:
        """Texts computed."""
        return self._cache.misses

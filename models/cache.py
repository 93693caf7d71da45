"""Tones of texts seen lately: reposts and copied headlines are read once."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

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
        found: list[NDArray[np.float32] | None] = []
        with self._lock:
            for text in texts:
                key = _key(text)
                tone = self._tones.get(key)
                if tone is None:
                    found.append(None)
                else:
                    self._tones.move_to_end(key)
                    found.append(np.frombuffer(tone, dtype=np.float32))
        return found

    def put(self, texts: Sequence[str], tones: NDArray[np.float32]) -> None:
        """Remember ``tones`` (n, 3) of ``texts``, forgetting the longest unused."""
        if self.size <= 0:
            return
        with self._lock:
            for text, tone in zip(texts, tones, strict=True):
                key = _key(text)
                self._tones[key] = tone.tobytes()
                self._tones.move_to_end(key)
            while len(self._tones) > self.size:
                self._tones.popitem(last=False)

    def count(self, hits: int, misses: int) -> None:
        """Add to the counters."""
        with self._lock:
            self.hits += hits
            self.misses += misses

"""The cache forgets the right texts and stays small."""

from __future__ import annotations

import numpy as np

from models.cache import ToneCache

TONE = np.array([[0.2, 0.3, 0.5]], dtype=np.float32)


def _put(cache: ToneCache, text: str) -> None:
    cache.put([text], TONE)


def test_the_longest_unused_is_forgotten() -> None:
    cache = ToneCache(2)
    _put(cache, "a")
    _put(cache, "b")
    cache.get(["a"])
    _put(cache, "c")
    assert [tone is not None for tone in cache.get(["a", "b", "c"])] == [True, False, True]
    assert len(cache) == 2


def test_tones_come_back_bit_for_bit_and_cannot_be_changed() -> None:
    cache = ToneCache(2)
    text = "long " * 400
    _put(cache, text)
    (found,) = cache.get([text])
    assert found is not None
    assert found.tobytes() == TONE.tobytes()
    assert not found.flags.writeable


def test_size_zero_keeps_nothing() -> None:
    cache = ToneCache(0)
    _put(cache, "a")
    assert cache.get(["a"]) == [None]

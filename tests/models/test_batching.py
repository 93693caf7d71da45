"""Texts become the rows of batches in their order, whichever form their ids have."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.batching import Packed, padded

PAD = 7
IDS = st.lists(st.integers(0, 30_000), min_size=1, max_size=12)


@given(st.lists(IDS, min_size=1, max_size=9), st.integers(0, 3), st.integers(0, 4), st.booleans())
def test_a_row_is_a_text_filled_up(texts: list[list[int]], dummies: int, wider: int, as_arrays: bool) -> None:
    width = max(map(len, texts)) + wider
    tokenised = [(3 * row, np.asarray(ids) if as_arrays else ids) for row, ids in enumerate(texts)]
    batch = padded(tokenised, len(texts) + dummies, width, PAD)
    assert batch.slots == [3 * row for row in range(len(texts))]
    assert batch.lengths.tolist() == [*map(len, texts), *[1] * dummies]
    assert batch.ids.tolist() == [ids + [PAD] * (width - len(ids)) for ids in (*texts, *[[]] * dummies)]
    assert batch.ids.dtype == batch.lengths.dtype == np.int64


@pytest.mark.parametrize("window", [1, 4, 100])
def test_a_batch_leaves_with_the_text_that_fills_it(window: int) -> None:
    lengths = [3, 3, 4, 10, 1, 1, 1, 7, 2, 9, 1]
    texts = [(slot, [slot] * length) for slot, length in enumerate(lengths)]
    batching = Packed(budget=10, threads=1, pad=PAD)
    windows = [texts[start : start + window] for start in range(0, len(texts), window)]
    full = [batch.slots for some in windows for batch in batching.add(some)]
    assert full == [[0, 1, 2], [3], [4, 5, 6, 7], [8, 9]]
    assert [batch.slots for batch in batching.rest()] == [[10]]
    assert not list(batching.rest())

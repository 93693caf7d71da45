"""Mentions leave the windows when they should, and a storm takes no more memory than its minutes."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.columns import Ints
from detectors.last_minutes import WIDTHS, Changes
from detectors.mention_rows import MentionRows

START = 60_000


def advance(rows: MentionRows, first: int, last: int, brand: Ints, minute: Ints) -> Changes:
    changes = Changes(first, np.zeros((len(WIDTHS), 1, last + 1 - first), np.int64))
    rows.advance(first, last, brand, minute, minute, changes)
    return changes


def test_a_storm_takes_no_more_memory_than_its_minutes() -> None:
    rows = MentionRows()
    for hour in range(3):
        first = START + 60 * hour
        minute = np.repeat(np.arange(first, first + 60), 9000)
        advance(rows, first, first + 59, np.zeros(len(minute), np.int64), minute)
        rows.forget(first + 59)
    at, count = rows.of(0)
    np.testing.assert_array_equal(at, np.arange(START, START + 180))
    assert set(count.tolist()) == {9000}
    assert rows.nbytes() == 180 * 3 * 6, "4,095 mentions of a minute are a row of six bytes"
    changes = advance(rows, START + 180, START + 239, np.zeros(0, np.int64), np.zeros(0, np.int64))
    assert changes.moved[WIDTHS.index(60)].sum() == -9000 * 60, "what is packed leaves whole"


@settings(max_examples=50, deadline=None)
@given(
    mentions=st.lists(
        st.tuples(st.integers(0, 2), st.integers(START - 1600, START + 59), st.sampled_from([1, 7, 4095, 4096, 9000])),
        max_size=12,
    ),
    again=st.booleans(),
)
def test_packing_keeps_the_counts(mentions: list[tuple[int, int, int]], again: bool) -> None:
    times = [count for _, _, count in mentions]
    brand = np.repeat(np.array([b for b, _, _ in mentions], np.int64), times)
    minute = np.repeat(np.array([m for _, m, _ in mentions], np.int64), times)
    rows = MentionRows()
    changes = Changes(START, np.zeros((len(WIDTHS), 3, 60), np.int64))
    rows.advance(START, START + 59, brand, np.maximum(minute, START), minute, changes)
    expected = rows.counts(START + 59, 3)
    by_hand = [[int(((brand == b) & (minute > START + 59 - width)).sum()) for b in range(3)] for width in WIDTHS]
    np.testing.assert_array_equal(expected, by_hand)
    rows.forget(START + 59)
    if again:
        whose, when, count = rows.rows()
        rows = MentionRows()
        rows.load(START + 59, whose, when, count)
    np.testing.assert_array_equal(rows.counts(START + 59, 3), expected)

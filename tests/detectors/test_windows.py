"""Counts of windows are exact: against counting by hand, with late mentions and repeated authors, however ticks are
grouped."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.columns import Ints
from detectors.windows import AUTHORS, MENTIONS, NEGATIVES, WIDTHS, Windows

Member = tuple[int, int, int, int, bool]
"""Effective tick, delay, brand, author, negative."""

members = st.lists(
    st.tuples(
        st.integers(5000, 5100) | st.integers(5000, 8000),
        st.sampled_from([0, 0, 0, 1, 5, 9, 10, 11, 59, 60, 300, 1439, 1440, 3000]),
        st.integers(0, 2),
        st.integers(1, 4),
        st.booleans(),
    ),
    max_size=40,
)


def by_hand(rows: list[Member], tick: int, brands: int) -> Ints:
    counts = np.zeros((3, len(WIDTHS), brands), np.int64)
    for w, width in enumerate(WIDTHS):
        for b in range(brands):
            inside = [r for r in rows if r[2] == b and r[0] <= tick and tick - width < r[0] - r[1] <= tick]
            counts[MENTIONS, w, b] = len(inside)
            counts[AUTHORS, w, b] = len({r[3] for r in inside})
            counts[NEGATIVES, w, b] = len({r[3] for r in inside if r[4]})
    return counts


def feed(windows: Windows, rows: list[Member], first: int, last: int) -> Ints:
    part = [r for r in rows if first <= r[0] <= last]
    tick = np.array([r[0] for r in part], np.int64)
    author = np.array([r[3] for r in part], np.uint64)
    counts, _, _ = windows.advance(
        first,
        last,
        np.array([r[2] for r in part], np.int64),
        tick,
        tick - np.array([r[1] for r in part], np.int64),
        author,
        author,
        np.array([r[4] for r in part], np.bool_),
    )
    return counts


@settings(max_examples=60, deadline=None)
@given(rows=members, cuts=st.lists(st.integers(5000, 9600), max_size=8))
def test_counts_are_exact(rows: list[Member], cuts: list[int]) -> None:
    rows = sorted(rows, key=lambda r: r[0])
    windows = Windows(np.arange(3))
    first = 5000
    for cut in [*sorted(cuts), 9700]:
        if cut < first:
            continue
        counts = feed(windows, rows, first, cut)
        for tick in {first, cut, (first + cut) // 2}:
            np.testing.assert_array_equal(counts[..., tick - first], by_hand(rows, tick, 3))
        windows.forget(cut)
        first = cut + 1
    assert len(windows.authors) == len(windows.mentions) == 0, (
        "memory is bounded: nothing is kept of a brand that is quiet for a day"
    )


@settings(max_examples=30, deadline=None)
@given(rows=members, cut=st.integers(5000, 8000), brands=st.permutations([0, 1, 2]))
def test_dump_load_and_merge(rows: list[Member], cut: int, brands: list[int]) -> None:
    """Windows made again from a dump, or joined from parts, count on alike."""
    rows = sorted(rows, key=lambda r: r[0])
    whole = Windows(np.arange(3))
    feed(whole, rows, 5000, cut)
    again = Windows(np.arange(3))
    dumps = [(b, *whole.dump(b)) for b in brands]
    again.load(
        cut,
        np.concatenate([np.full(len(m), b, np.int64) for b, m, _, _ in dumps]),
        np.concatenate([m for _, m, _, _ in dumps]),
        np.concatenate([a for _, _, a, _ in dumps]),
        np.concatenate([f for _, _, _, f in dumps]),
    )
    parts = []
    for b in brands:
        part = Windows(np.array([b]))
        feed(part, [(t, d, 0, a, n) for t, d, brand, a, n in rows if brand == b], 5000, cut)
        parts.append(part)
    joined = Windows.merge(parts, np.arange(3), cut)
    expected = feed(whole, rows, cut + 1, 9000)
    np.testing.assert_array_equal(feed(again, rows, cut + 1, 9000), expected)
    np.testing.assert_array_equal(feed(joined, rows, cut + 1, 9000), expected)


def test_an_author_counts_once_however_loud() -> None:
    windows = Windows(np.arange(1))
    rows: list[Member] = [(5000 + i % 60, 0, 0, 7, True) for i in range(600)]
    counts = feed(windows, sorted(rows), 5000, 5059)
    assert counts[MENTIONS, 1, 0, -1] == 600
    assert counts[AUTHORS, 1, 0, -1] == counts[NEGATIVES, 1, 0, -1] == 1

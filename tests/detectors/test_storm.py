"""In a storm of millions memory is bounded and counts are close; nothing else changes."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors import Engine
from detectors.last_minutes import LAST_EXACT, WIDTHS
from detectors.storm import STANDARD_ERROR, Storm
from detectors.windows import AUTHORS, NEGATIVES, Windows
from tests.detectors.test_windows import Member, by_hand, feed, members
from tests.detectors.worlds import QUICK, START, profiles, run, span, world

STORMY = replace(QUICK, exact_authors=40)
END = START + 30 * 60


@pytest.mark.parametrize("each", [3, 40, 400])
def test_the_error_is_what_is_promised(each: int) -> None:
    rng = np.random.default_rng(each)
    storm = Storm(0)
    minutes = np.repeat(np.arange(2000, 2000 + 1440), each)
    authors = rng.integers(0, 500 * each, len(minutes))
    storm.add(minutes.tolist(), authors.tolist())
    for width in WIDTHS:
        inside = len(set(authors[minutes > 3439 - width].tolist()))
        assert storm.count(3439, width) == pytest.approx(inside, rel=4 * STANDARD_ERROR, abs=2)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 1000), each=st.integers(1, 30), cut=st.integers(0, 300))
def test_order_and_nesting_do_not_matter(seed: int, each: int, cut: int) -> None:
    """The same people in the same minutes give the same number, saved and loaded or not."""
    rng = np.random.default_rng(seed)
    minutes = np.sort(rng.integers(1000, 1300, 20 * each))
    authors = rng.integers(0, 300, len(minutes))
    first, second, third = Storm(0), Storm(0), Storm(0)
    first.add(minutes.tolist(), authors.tolist())
    order = rng.permutation(len(minutes))
    for part in (order[:cut], order[cut:]):
        second.add(minutes[part].tolist(), authors[part].tolist())
        second.count(1299, 360)  # what is kept of it must not become stale
    third.add(minutes[order[cut:]].tolist(), authors[order[cut:]].tolist())
    fourth = Storm(0)
    fourth.add(minutes[order[:cut]].tolist(), authors[order[:cut]].tolist())
    third.load(fourth.dump())
    third.load(second.dump())
    for one in (first, second, third):
        one.add([1295, 1298], [7, 5000])  # who is loaded goes on
    for tick, width in itertools.product((1299, 1310, 1400), WIDTHS):
        assert first.count(tick, width) == second.count(tick, width) == third.count(tick, width)


@settings(max_examples=8, deadline=None)
@given(rows=members)
def test_short_windows_stay_exact(rows: list[Member]) -> None:
    rows = sorted(rows, key=lambda r: r[0])
    windows = Windows(np.arange(3), exact=1)
    for first in range(4980, 8400, 60):
        counts = feed(windows, rows, first, first + 59)
        for tick in (first, first + 30, first + 59):
            expected = by_hand(rows, tick, 3)
            exact = slice(0, LAST_EXACT + 1)
            np.testing.assert_array_equal(counts[:, exact, :, tick - first], expected[:, exact])
            assert np.abs(counts[..., tick - first] - expected).max() <= 1, "a handful is counted well by a sketch too"
        windows.forget(first + 59)


def test_after_a_storm_counts_are_exact_again_and_nothing_is_left() -> None:
    windows = Windows(np.arange(1), exact=50)
    storm: list[Member] = [(6000 + i % 60, 0, 0, i, True) for i in range(300)]
    calm: list[Member] = [(6060 + 20 * i, 0, 0, 1000 + i % 7, False) for i in range(200)]
    rows = sorted(storm + calm)
    was = []
    for first in range(6000, 10_020, 60):
        counts = feed(windows, rows, first, first + 59)
        was.append(bool(windows.authors.storms))
        windows.forget(first + 59)
    assert was[1]
    assert not was[-1]
    np.testing.assert_array_equal(counts[..., -1], by_hand(rows, 10_019, 1))
    assert not windows.negatives.storms


def test_memory_is_bounded() -> None:
    """A quarter of a million authors with a limit of ten thousand: the names of an hour or two, and sketches."""
    rng = np.random.default_rng(0)
    windows = Windows(np.arange(1), exact=10_000)
    most = 0
    for hour in range(26):
        first = 6000 + 60 * hour
        minute = np.sort(rng.integers(first, first + 60, 10_000))
        author = rng.integers(0, 2**44, len(minute), dtype=np.uint64)
        zero, negative = np.zeros(len(minute), np.int64), np.ones(len(minute), np.bool_)
        windows.advance(first, first + 59, zero, minute, minute, author, author, negative)
        windows.forget(first + 59)
        most = max(most, windows.nbytes())
    for kind in (AUTHORS, NEGATIVES):
        assert windows.counts[kind, -1, 0] == pytest.approx(240_000, rel=4 * STANDARD_ERROR)
        assert windows.counts[kind, 1, 0] == pytest.approx(10_000, abs=2)
    assert most < 2 * (1500 * 2200 + 30_000 * 10) + 1_000_000
    assert len(windows.authors) < 21_000


@settings(max_examples=2, deadline=None)
@given(seed=st.integers(0, 500), data=st.data())
def test_decisions_stay_the_same_however_the_engine_is_driven(seed: int, data: st.DataObject) -> None:
    """Grouping, company, snapshots and whole states, with storms that begin and end."""
    observations = world(seed, hours=30, rate=20.0)
    whole = Engine(profiles(3), STORMY)
    expected = run(whole, observations, END)
    cuts = sorted(set(data.draw(st.lists(st.integers(START, END), min_size=1, max_size=3))))
    pieces = Engine(profiles(3), STORMY)
    assert run(pieces, observations, END, cuts) == expected
    assert pieces.state_dict() == whole.state_dict()
    stored: dict[bytes, bytes] = {}
    engine, got, at = Engine(profiles(3), STORMY), [], START - 1
    for cut in [*cuts, END]:
        got += engine.advance(cut, span(observations, at, cut))
        at = cut
        for key, value in engine.changes().items():
            if value is None:
                stored.pop(key, None)
            else:
                stored[key] = value
        engine = Engine(profiles(3), STORMY)
        engine.restore(stored.items())
    assert got == expected
    cut = cuts[0]
    first = Engine(profiles(3), STORMY)
    got = first.advance(cut, span(observations, START - 1, cut))
    second, third = Engine(profiles(3), STORMY), Engine(profiles(3), STORMY)
    second.load_state_dict(first.state_dict())
    third.restore([(k, v) for k, v in second.changes().items() if v is not None])
    for engine in (second, third):
        assert got + engine.advance(END, span(observations, cut, END)) == expected


def test_the_worlds_have_storms() -> None:
    engine = Engine(profiles(3), STORMY)
    observations = world(1, hours=30, rate=20.0)
    seen = set()
    for cut in range(START + 59, END, 60):
        engine.advance(cut, span(observations, cut - 60 if cut > START + 59 else START - 1, cut))
        core = engine._cores[0]
        seen.add((len(core.windows.authors.storms), len(core.windows.negatives.storms)))
    assert len(seen) >= 3, seen

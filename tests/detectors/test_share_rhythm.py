"""The share of negatives has a rhythm where it plainly has one, and none elsewhere."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from detectors import share_rhythm
from detectors.baseline import Baseline
from detectors.columns import Floats
from detectors.exposure import ALL, NEGATIVE
from tests.detectors.worlds import learn

RATE, SHARE = 40, 0.2
WEEK = 168


def _monday(hour: int) -> bool:
    return hour // 24 % 7 == 4  # the epoch began on a Thursday


def _taught(
    weeks: int,
    share: Callable[[int], float],
    seed: int = 1,
    rate: float = RATE,
    wander: float = 0.2,
    skip: Callable[[int], bool] = lambda _: False,
) -> Baseline:
    """A brand whose share has this rhythm and wanders from day to day."""
    rng = np.random.default_rng(seed)
    baseline, day = Baseline.of(1), 0.0
    for hour in range(weeks * WEEK):
        if hour % 24 == 0:
            day = float(rng.normal(0.0, wander))
        authors = int(rng.poisson(rate))
        negative = int(rng.binomial(authors, min(share(hour) * np.exp(day), 0.95)))
        learn(baseline, hour, authors, negative, skip=skip(hour))
        if hour % 24 == 23:
            baseline.set_share_rhythm(np.array([hour]))
    return baseline


def _factors(baseline: Baseline, hours: range) -> Floats:
    """By how much the share of these hours of a week is taken to differ."""
    shapes = baseline.shapes(np.array([hours]))
    return np.asarray(shapes[NEGATIVE, 0] / shapes[ALL, 0])


@pytest.mark.parametrize(("rate", "share", "weeks"), [(5, SHARE, 8), (40, SHARE, 8), (300, SHARE, 8), (300, 0.005, 2)])
def test_a_share_without_a_rhythm_gets_none(rate: float, share: float, weeks: int) -> None:
    off = [np.abs(_factors(_taught(weeks, lambda _: share, seed, rate), range(WEEK)) - 1) for seed in range(2)]
    assert np.mean(off) < 0.02
    assert np.mean(np.array(off) > 0.1) < 0.05


@pytest.mark.parametrize("weeks", [1, 2])
@pytest.mark.parametrize(("rate", "share"), [(0.3, 0.02), (1, 0.1)])
def test_a_single_negative_of_a_tiny_brand_is_no_rhythm(rate: float, share: float, weeks: int) -> None:
    off = [np.abs(_factors(_taught(weeks, lambda _: share, seed, rate), range(WEEK)) - 1) for seed in range(4)]
    assert np.mean(np.array(off) > 0.25) < 0.01


def test_mondays_of_twice_the_share_are_expected_within_weeks() -> None:
    def share(hour: int) -> float:
        return SHARE * (2 if _monday(hour) else 1)

    mondays, others = range(96, 120), range(120, 240)
    # Each Monday opens an incident, in which nothing else is learned.
    found = {weeks: _taught(weeks, share, skip=_monday) for weeks in (2, 4, 12)}
    factors = [float(_factors(baseline, mondays).mean()) for baseline in found.values()]
    assert factors[0] < factors[1] < factors[2]
    assert factors[1] > 1.25
    assert factors[2] == pytest.approx(2.0, abs=0.3)
    assert _factors(found[12], others) == pytest.approx(1.0, abs=0.15)


def test_nights_of_half_the_share_are_expected() -> None:
    baseline = _taught(8, lambda hour: SHARE / (2 if hour % 24 < 6 else 1))
    assert _factors(baseline, range(6)).mean() < 0.85
    assert _factors(baseline, range(6, 24)) == pytest.approx(1.0, abs=0.25)


@pytest.mark.parametrize("rate", [5, 20])
@pytest.mark.parametrize(("week", "hours"), [(0, 6), (2, 20)])
def test_one_crisis_is_no_rhythm(week: int, hours: int, rate: float) -> None:
    begin = week * WEEK + 58

    def in_crisis(hour: int) -> bool:
        return begin <= hour < begin + hours

    off = []
    for seed in range(3):
        baseline = _taught(week + 1, lambda hour: 0.8 if in_crisis(hour) else SHARE, seed, rate, skip=in_crisis)
        off.append(np.abs(_factors(baseline, range(begin, begin + hours)) - 1))
    assert np.mean(off) < 0.1


def test_counts_beyond_half_precision_keep_their_ratio() -> None:
    count, expected = np.zeros((2, 3), np.float16), np.zeros((2, 3), np.float16)
    at = np.array([1, 4])
    for _ in range(100):
        more = np.array([30_000.0, 3.0])
        share_rhythm.add(count, expected, at, np.full(2, 0.95), 1.5 * more, more)
    assert np.isfinite(count).all()
    assert count[:, 1] / expected[:, 1] == pytest.approx(1.5, rel=0.01)
    assert not count[:, [0, 2]].any()


def test_a_cell_that_differs_by_chance_is_not_believed() -> None:
    expected = np.full((1, share_rhythm.CELLS), 100.0)
    count = expected.copy()
    count[0, :4] *= [1.0, 1.3, 1.6, 0.5]
    count[0, -1] *= 1.6
    factors = share_rhythm.factors(count, expected, np.array([0.1]), np.array([5.0]))[0]
    # A standard error is sqrt(1.6 / 100 + (0.1 + 0.3^2) / 4) = 0.252 of the third.
    assert factors[:2].tolist() == [1.0, 1.0]
    assert factors[2] == pytest.approx(1 + (1 - (share_rhythm.Z * 0.252 / 0.6) ** 2) * 0.6, abs=0.01)
    assert 0.5 < factors[3] < 1
    assert factors[-1] == 1.0, "five days hold at most one visit to a cell of the week"


def test_what_was_there_once_is_not_believed() -> None:
    expected = np.full((1, share_rhythm.CELLS), 100.0)
    once = share_rhythm.factors(4 * expected, expected, np.array([0.1]), np.array([1.0]))
    assert (once == 1.0).all()


def test_an_hour_teaches_what_chance_may_do() -> None:
    expected = np.array([0.01, 1.0, 9.0, 100.0])
    assert share_rhythm.most(expected, np.ones(4)).tolist() == [1.0, 3.0, 15.0, 120.0]


def test_cells_follow_the_clock() -> None:
    day, week = share_rhythm.cells(np.array([0, 5, 6, 23, 24, WEEK - 1, WEEK]))
    assert day.tolist() == [0, 5, 6, 23, 0, 23, 0]
    assert (week - share_rhythm.DAY_CELLS).tolist() == [0, 0, 1, 3, 4, 27, 0]

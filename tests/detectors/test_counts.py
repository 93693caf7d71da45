"""Counts: nothing looks ahead, one alarm for one surge, and the same meaning on a quiet and a loud series."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.columns import Floats, Ints
from detectors.counts import ALARM, HOUR, LARGEST_COUNT, CountsConfig, ladder, log_ratios, score_counts
from detectors.counts.return_period import CAP, DAY, LEAST_SCALE, SCALE, gumbel, standardised

WIDTH = 300
PER_DAY = DAY // WIDTH
START = 1_767_225_600


def _series(days: float, mean: float = 5.0, seed: int = 0, width: int = WIDTH) -> tuple[Ints, Floats]:
    """Counts with a rhythm of the day and some over-dispersion."""
    rng = np.random.default_rng(seed)
    times = START + width * np.arange(int(days * DAY / width), dtype=np.int64)
    rhythm = 1 + 0.6 * np.sin(2 * np.pi * (times % DAY) / DAY)
    counts = rng.poisson(mean * width / WIDTH * rhythm * rng.gamma(8, 1 / 8, len(times)))
    return times, counts.astype(np.float64)


def _alarms(scores: Floats) -> list[int]:
    return [int(i) for i in np.nonzero(scores >= ALARM)[0]]


@given(
    seed=st.integers(0, 1000),
    cut=st.integers(0, 4 * PER_DAY),
    width=st.sampled_from([60, 300, 420, 3600]),
    gap=st.integers(0, 3 * PER_DAY),
    weekdays=st.booleans(),
)
@settings(max_examples=40, deadline=None)
def test_the_future_never_changes_the_past(seed: int, cut: int, width: int, gap: int, weekdays: bool) -> None:
    config = CountsConfig(weekdays=weekdays)
    times, counts = _series(4, seed=seed, width=width)
    rng = np.random.default_rng(seed)
    counts[rng.random(len(counts)) < 0.02] *= 20
    counts[rng.random(len(counts)) < 0.02] = np.nan
    cut = min(cut, len(times))
    times[cut // 2 :] += gap * WIDTH
    counts[len(counts) // 2 : len(counts) // 2 + int(rng.integers(0, DAY // width))] = 0
    whole = score_counts(times, counts, width, config)
    np.testing.assert_array_equal(score_counts(times[:cut], counts[:cut], width, config), whole[:cut])
    other, later = counts.copy(), times.copy()
    other[cut:] = rng.poisson(500, len(other) - cut)
    later[cut:] += 7 * width
    np.testing.assert_array_equal(score_counts(later, other, width, config)[:cut], whole[:cut])


@given(seed=st.integers(0, 1000), days=st.floats(0.1, 3), mean=st.sampled_from([0.0, 0.02, 3.0, 1e6]))
@settings(max_examples=20, deadline=None)
def test_scores_are_on_the_ladder(seed: int, days: float, mean: float) -> None:
    times, counts = _series(days, mean, seed)
    before = counts.copy()
    scores = score_counts(times, counts, WIDTH)
    assert set(scores.tolist()) <= {0.0, *ladder(CountsConfig().budget)[1].tolist()}
    assert np.all((scores >= 0) & (scores <= 1))
    assert not np.any(scores[times < START + DAY])
    np.testing.assert_array_equal(counts, before)


def test_the_ladder_is_return_periods() -> None:
    """0.5 is once in 15 days for two alarms a month, each rung three times as rare."""
    levels, scores = ladder(2.0)
    days = 1 / (1 - np.exp(-np.exp(-levels)))
    at = int(np.argmin(np.abs(scores - 0.5)))
    np.testing.assert_allclose(days[at : at + 3], [15.0, 45.0, 135.0], rtol=1e-9)
    np.testing.assert_allclose(scores[at - 2 : at + 4], [0.1, 0.25, 0.5, 0.75, 0.9, 27 / 28])


@pytest.mark.parametrize("mean", [0.3, 3.0, 80.0])
def test_a_surge_is_one_alarm_at_its_beginning(mean: float) -> None:
    times, counts = _series(20, mean)
    at = 17 * PER_DAY + 100
    surge = slice(at, at + 3 * 12)
    counts[surge] = counts[surge] * 8 + 10
    quiet = _alarms(score_counts(times[:at], counts[:at], WIDTH))
    alarms = [i for i in _alarms(score_counts(times, counts, WIDTH)) if i >= at]
    assert len(quiet) <= 2
    assert len(alarms) == 1
    assert alarms[0] - at <= 3


def test_a_second_surge_is_not_masked_by_the_first() -> None:
    times, counts = _series(20)
    for at in (15 * PER_DAY, 15 * PER_DAY + 36 * 12):
        counts[at : at + 36] += 60
    first, second = (i for i in _alarms(score_counts(times, counts, WIDTH)) if i >= 15 * PER_DAY)
    assert first - 15 * PER_DAY <= 2
    assert second - (15 * PER_DAY + 36 * 12) <= 2


def test_a_new_level_stops_being_an_alarm() -> None:
    times, counts = _series(45)
    counts[15 * PER_DAY :] *= 4
    alarms = [i // PER_DAY for i in _alarms(score_counts(times, counts, WIDTH))]
    assert 15 in alarms
    assert sum(day >= 25 for day in alarms) <= 3


@pytest.mark.parametrize("factor", [3, 10, 30])
def test_a_new_level_is_an_alarm_for_three_days(factor: int) -> None:
    times, counts = _series(45)
    counts[15 * PER_DAY :] *= factor
    days = [i // PER_DAY - 15 for i in _alarms(score_counts(times, counts, WIDTH))]
    assert {day for day in days if 0 <= day < 14} <= {0, 1, 2, 3}
    assert 0 in days


@pytest.mark.parametrize("lasted", [5, 10])
def test_after_a_level_that_lasted_surges_are_seen_again(lasted: int) -> None:
    """The old level is taken up again: counts that were usual before the crisis are usual after it."""
    times, counts = _series(45)
    counts[15 * PER_DAY : (15 + lasted) * PER_DAY] *= 10
    at = (18 + lasted) * PER_DAY
    counts[at : at + 24] = counts[at : at + 24] * 6 + 10
    assert [i for i in _alarms(score_counts(times, counts, WIDTH)) if at <= i < at + HOUR // WIDTH]


@pytest.mark.parametrize("days", [0.3, 4])
@pytest.mark.parametrize("seed", range(2))
def test_a_run_of_zeros_in_a_busy_series_is_a_gap(days: float, seed: int) -> None:
    times, counts = _series(40, seed=seed)
    begin = 20 * PER_DAY + 100
    end = begin + int(days * PER_DAY)
    counts[begin:end] = 0
    assert not [i for i in _alarms(score_counts(times, counts, WIDTH)) if begin <= i < end + 3 * PER_DAY]
    missing = counts.copy()
    missing[begin:end] = np.nan
    x, y = (log_ratios(times, c, WIDTH)[0][3, end + 12 : end + PER_DAY] for c in (counts, missing))
    assert np.mean(np.abs(x - y)) < 0.05, "zeros teach as little as rows that are missing"


def test_zeros_of_a_quiet_series_are_counts() -> None:
    times, counts = _series(40, 0.03)
    counts[20 * PER_DAY : 20 * PER_DAY + 40] = 0
    x, _ = log_ratios(times, counts, WIDTH)
    assert np.all(np.isfinite(x[:, 2 * PER_DAY :]))


def test_a_weekend_is_expected_where_asked_for() -> None:
    """A calm series whose weekends are quiet: surges that its own week hides are found."""
    found = {}
    times, counts = _series(112, 20.0)
    rng = np.random.default_rng(3)
    weekend = (times // DAY + 4) % 7 >= 5
    counts = rng.binomial(counts.astype(int), np.where(weekend, 0.4, 1.0)).astype(np.float64)
    begins = [day * PER_DAY + int(rng.integers(0, PER_DAY - 24)) for day in range(58, 112, 4)]
    for at in begins:
        counts[at : at + 12] = rng.poisson(4.0 * counts[at - 144 : at].mean(), 12)
    for weekdays in (False, True):
        alarms = np.array(_alarms(score_counts(times, counts, WIDTH, CountsConfig(weekdays=weekdays))))
        found[weekdays] = sum(bool(((alarms >= at) & (alarms < at + 14)).any()) for at in begins)
    assert found[True] >= found[False] + 2
    assert found[True] >= 0.7 * len(begins)


@pytest.mark.parametrize("budget", [1.0, 2.0, 4.0])
def test_calm_series_have_as_many_alarms_as_were_asked_for(budget: float) -> None:
    days, n = 180, 6
    found = 0
    for seed in range(n):
        times, counts = _series(days, (0.5, 5.0, 50.0)[seed % 3], seed, 600)
        alarms = _alarms(score_counts(times, counts, 600, CountsConfig(budget)))
        found += sum(times[i] >= START + 56 * DAY for i in alarms)
    assert 0.5 <= found / (budget * n * (days - 56) / 30) <= 1.5


@pytest.mark.parametrize(("opens", "closes"), [(8, 18), (9, 15)])
@pytest.mark.parametrize("bursty", [False, True])
def test_a_series_of_opening_hours_is_calibrated_too(opens: int, closes: int, bursty: bool) -> None:
    """Less than half of a day is observed, every day. Uncalibrated, a calm one is deaf and a bursty one cries wolf."""
    days, n, found = 180, 4, 0
    for seed in range(n):
        times, counts = _series(days, 20.0, seed, 600)
        if bursty:
            # Bursts of half an hour, one in two days, of any size.
            rng = np.random.default_rng(seed)
            for at in np.nonzero(rng.random(len(times)) < 1 / 288)[0]:
                counts[at : at + 3] *= 2 + rng.pareto(2.0)
        hour = times % DAY // HOUR
        keep = (hour >= opens) & (hour < closes)
        alarms = _alarms(score_counts(times[keep], np.floor(counts[keep]), 600, CountsConfig(2.0)))
        found += sum(times[keep][i] >= START + 56 * DAY for i in alarms)
    assert 0.5 <= found / (2.0 * n * (days - 56) / 30) <= 1.5


def test_a_day_that_was_cut_short_teaches_no_lower_maximum() -> None:
    """A third of a day where whole ones are usual does not count, whatever was in it."""
    times, counts = _series(20)
    x, hours = log_ratios(times, counts, WIDTH)
    x[:, 10 * PER_DAY + PER_DAY // 3 : 11 * PER_DAY] = np.nan
    lower = x.copy()
    lower[:, 10 * PER_DAY : 11 * PER_DAY] -= 5.0
    y, other = (standardised(times, one, hours, WIDTH)[11 * PER_DAY :] for one in (x, lower))
    np.testing.assert_array_equal(y, other)


def test_a_gap_is_neither_calm_nor_the_beginning_of_a_surge() -> None:
    times, counts = _series(20)
    keep = np.ones(len(times), np.bool_)
    keep[15 * PER_DAY : 16 * PER_DAY + 77] = False
    left_out = score_counts(times[keep], counts[keep], WIDTH)
    after = slice(15 * PER_DAY, 15 * PER_DAY + PER_DAY)
    assert not _alarms(left_out[after])
    missing = score_counts(times, np.where(keep, counts, np.nan), WIDTH)
    assert not np.any(missing[~keep])
    np.testing.assert_array_equal(missing[keep], left_out)


def test_windows_across_a_gap_expect_only_what_was_observed() -> None:
    times, counts = _series(10, 20.0)
    keep = np.ones(len(times), np.bool_)
    keep[5 * PER_DAY : 5 * PER_DAY + 8] = False
    x, hours = log_ratios(times[keep], counts[keep], WIDTH)
    np.testing.assert_allclose(hours, [1 / 12, 0.25, 0.5, 1.0])
    assert np.all(np.abs(x[3, 5 * PER_DAY : 5 * PER_DAY + 12]) < 0.5)


@pytest.mark.parametrize("width", [10, 60, 600, 900, 3600])
def test_other_bins(width: int) -> None:
    days = 6 if width < 60 else 14
    times, counts = _series(days, 20.0, width=width)
    at = int((days - 1.5) * DAY / width)
    surge = slice(at, at + 2 * HOUR // width)
    counts[surge] *= 10
    alarms = [i for i in _alarms(score_counts(times, counts, width)) if i >= at]
    assert alarms
    assert (times[alarms[0]] - times[at]) <= HOUR


def test_heavy_bursts_earn_a_larger_scale_and_one_outlier_does_not() -> None:
    rng = np.random.default_rng(1)
    location, scale = gumbel(rng.gumbel(0.8, 0.8, 56), 0.8)
    assert scale == pytest.approx(0.7, abs=0.15)
    calm = rng.gumbel(0.8, 0.35, 14)
    location, scale = gumbel(calm, 0.8)
    hit = calm.copy()
    hit[3] = location + CAP * scale
    assert gumbel(hit, 0.8)[1] < 1.6 * scale
    assert gumbel(np.zeros(0), 0.8) == (0.8, SCALE)
    assert gumbel(np.full(1, 0.8), 0.8)[1] == pytest.approx(SCALE)
    assert gumbel(np.full(56, 0.8), 0.8)[1] == pytest.approx(LEAST_SCALE)


@pytest.mark.parametrize(
    ("times", "counts", "width", "why"),
    [
        ([0, 300, 300], [1, 1, 1], 300, "increase"),
        ([0, 600, 300], [1, 1, 1], 300, "increase"),
        ([0, 300, 600], [1, -1, 1], 300, "negative"),
        ([0, 300, 600], [1, np.inf, 1], 300, "above 1e"),
        ([0, 300, 600], [1, 1.1e12, 1], 300, "above 1e"),
        ([0, 300], [1, 1, 1], 300, "length"),
        ([0, 7200], [1, 1], 7200, "hour"),
        ([0, 300], [1, 1], 0, "hour"),
    ],
)
def test_what_is_not_a_series_is_refused(times: list[int], counts: list[float], width: int, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        score_counts(np.array(times, np.int64), np.array(counts, np.float64), width)


@pytest.mark.parametrize("budget", [0.0, -1.0, 30.0, float("nan")])
def test_a_budget_is_alarms_a_month(budget: float) -> None:
    with pytest.raises(ValueError, match="budget"):
        CountsConfig(budget)


def test_the_largest_count_ruins_no_later_row() -> None:
    times, counts = _series(20)
    at = 15 * PER_DAY
    counts[at] = LARGEST_COUNT
    counts[at + 2 * PER_DAY : at + 2 * PER_DAY + 12] += 60
    alarms = _alarms(score_counts(times, counts, WIDTH))
    assert at in alarms
    assert [i for i in alarms if 0 <= i - at - 2 * PER_DAY <= 2]


def test_empty_and_tiny() -> None:
    assert score_counts(np.zeros(0, np.int64), np.zeros(0), 300).shape == (0,)
    assert score_counts(np.array([5], np.int64), np.array([1e9]), 300).tolist() == [0.0]
    nothing = np.full(3 * PER_DAY, np.nan)
    times = START + WIDTH * np.arange(len(nothing), dtype=np.int64)
    assert not np.any(score_counts(times, nothing, WIDTH))

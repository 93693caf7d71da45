"""The baseline learns a brand's rhythm, and neither a crisis nor silence."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from detectors.baseline import DELAY, Baseline, LevelSums
from detectors.config import EngineConfig
from detectors.score import CORRELATION_IN, correlations
from detectors.windows import SIX_HOURS
from tests.detectors.worlds import learn

CONFIG = EngineConfig()


def rhythm(hour: int) -> float:
    return 20.0 * (1.0 + 0.8 * math.sin(2 * math.pi * (hour % 24) / 24)) * (0.5 if hour // 24 % 7 >= 5 else 1.0)


def taught(days: int, seed: int = 0) -> Baseline:
    rng = np.random.default_rng(seed)
    baseline = Baseline.of(1)
    for hour in range(24 * days):
        c = rng.poisson(rhythm(hour))
        learn(baseline, hour, c, rng.binomial(c, 0.3))
    return baseline


def expected(baseline: Baseline, hour: int) -> float:
    return float(baseline.level()[0][0] * baseline.shapes(np.array([[hour]]))[0, 0, 0])


def test_learns_day_and_week() -> None:
    baseline = taught(35)
    week = range(24 * 35, 24 * 42)
    error = [abs(expected(baseline, h) - rhythm(h)) / rhythm(h) for h in week]
    flat = [abs(20.0 - rhythm(h)) / rhythm(h) for h in week]
    assert np.median(error) < 0.2
    assert np.median(error) < np.median(flat) / 2
    level, negative = baseline.level()
    np.testing.assert_allclose(negative / level, 0.3, atol=0.03)


def test_a_crisis_does_not_become_normal() -> None:
    """Masking: a six-hour crisis of twenty times the volume moves what is expected afterwards by less than half, even
    where no incident is open."""
    baseline = taught(21)
    hour = 24 * 21
    before = expected(baseline, hour + 48)
    for h in range(hour, hour + 6):
        learn(baseline, h, 400, 300)
    assert expected(baseline, hour + 48) < 1.5 * before
    calm = taught(21)
    for h in range(hour, hour + 6):
        learn(calm, h, 400, 300, skip=True)
    assert expected(calm, hour + 48) == before, "an hour with an open incident teaches nothing"


def test_an_unobserved_hour_teaches_nothing() -> None:
    baseline = taught(10)
    for h in range(240, 240 + DELAY):
        learn(baseline, h, 0, 0, observed=0.0)  # until nothing observed is held
    before = [expected(baseline, h) for h in range(240, 264)]
    for h in range(240 + DELAY, 270):
        learn(baseline, h, 0, 0, observed=0.0)
    assert [expected(baseline, h) for h in range(240, 264)] == before


def test_half_an_hour_counts_as_half() -> None:
    baseline = taught(7)
    for h in range(168, 240):
        learn(baseline, h, rhythm(h) / 2, rhythm(h) * 0.15, observed=0.5)
    ratio = [expected(baseline, h) / rhythm(h) for h in range(240, 264)]
    assert 0.8 < np.mean(ratio) < 1.3


def test_absorbs_a_new_level() -> None:
    baseline = taught(21)
    hour = 24 * 21
    for h in range(hour, hour + 72):
        learn(baseline, h, 10 * rhythm(h), 3 * rhythm(h), skip=True)
    baseline.absorb(np.array([True]), CONFIG)
    ratio = [expected(baseline, h) / (10 * rhythm(h)) for h in range(hour + 72, hour + 96)]
    assert 0.5 < np.mean(ratio) < 1.7


def test_a_level_that_halves_is_followed() -> None:
    baseline = taught(21)
    hour = 24 * 21
    for h in range(hour, hour + 24 * 9):
        learn(baseline, h, rhythm(h) / 2, 0)
    assert 0.7 < expected(baseline, hour + 24 * 9) / (rhythm(hour + 24 * 9) / 2) < 1.4


def test_an_hour_is_learned_three_hours_later() -> None:
    """Or a crisis of hours would be compared with itself."""
    baseline = taught(10)
    for h in range(240, 240 + DELAY):
        learn(baseline, h, 0, 0, observed=0.0)
    before = baseline.level()[0][0]
    learn(baseline, 240 + DELAY, 10 * rhythm(240 + DELAY), 0)
    for h in range(241 + DELAY, 240 + 2 * DELAY - 1):
        learn(baseline, h, 0, 0, observed=0.0)
        assert baseline.level()[0][0] == before
    learn(baseline, 240 + 2 * DELAY - 1, 0, 0, observed=0.0)
    assert baseline.level()[0][0] > before


def test_hours_read_by_the_old_model_do_not_teach_the_new_share() -> None:
    """A change of the tone model comes between the hour that was counted and the hour in which it is learned."""
    baseline = taught(10)
    baseline.hold(np.array([20.0]), np.array([18.0]), np.array([1.0]))
    baseline.take_share(0, 0.1)
    for h in range(240, 240 + DELAY):
        learn(baseline, h, 0, 0, observed=0.0)
    level, negative = baseline.level()
    np.testing.assert_allclose(negative / level, 0.1, atol=0.01)


def lasting(rate: float, hours: int, share: Callable[[int], float], crisis: int = 0, quiet: bool = True) -> float:
    """What is left in six hours of the correlation of a brand with this share, which may end in a crisis of tone."""
    rng = np.random.default_rng(5)
    baseline, authors, negative = Baseline.of(1), [], []
    for hour in range(hours + crisis):
        authors.append(int(rng.poisson(rate)))
        negative.append(int(rng.binomial(authors[-1], share(hour) if hour < hours else 0.7)))
        level, level_negative = baseline.level()
        six = np.array([sum(authors[-6:])]), np.array([sum(negative[-6:])])
        told = np.array([quiet or hour < hours])
        expected = level_negative / np.maximum(level, 1e-9)
        levels, rho = LevelSums.in_order([baseline.level_sums()]), baseline.correlation()
        baseline.learn_lasting(six[0][None], six[1][None], expected[None], told[None], levels, rho[None], CONFIG)
        learn(baseline, hour, authors[-1], negative[-1])
    return float(baseline.lasting()[0])


def wandering(hours: float) -> Callable[[int], float]:
    """A share of a quarter or so whose wandering fades by e in so many hours."""
    rng, keep = np.random.default_rng(1), math.exp(-1.0 / hours)
    log_odds = [0.0]
    for shock in rng.normal(0.0, 0.35 * math.sqrt(1.0 - keep * keep), 24 * 80):
        log_odds.append(keep * log_odds[-1] + shock)
    return lambda hour: 1.0 / (1.0 + 3.0 * math.exp(log_odds[hour]))


USUAL_LEFT = CORRELATION_IN[SIX_HOURS]


def test_what_is_left_of_the_correlation_in_six_hours() -> None:
    """What is usual where hours know nothing of each other, more where the share wanders slowly, unless the brand is
    hardly mentioned."""
    quick, slow = wandering(0.2), wandering(12.0)
    assert Baseline.of(1).lasting() == [USUAL_LEFT]
    assert lasting(200, 24 * 60, quick) == USUAL_LEFT
    assert 0.6 < lasting(200, 24 * 60, slow) < 1.0
    assert abs(lasting(1, 24 * 60, slow) - USUAL_LEFT) < 0.05


def test_a_crisis_does_not_widen_what_is_usual() -> None:
    slow = wandering(12.0)
    before = lasting(200, 24 * 60, slow)
    assert lasting(200, 24 * 60, slow, crisis=9) < 1.2 * before, "not even one that nobody noticed"
    assert lasting(200, 24 * 60, slow, crisis=9, quiet=False) <= before * 1.02


def test_six_hours_that_vary_more_than_usual_make_longer_windows_vary_more_too() -> None:
    usual, more = correlations(np.full(1, 0.03), np.array([USUAL_LEFT])), correlations(np.full(1, 0.03), np.ones(1))
    np.testing.assert_allclose(usual[:, 0], 0.03 * np.array(CORRELATION_IN))
    np.testing.assert_allclose((more / usual)[:, 0], [1.0, 1.0, 2.0, 2.0, 2.0])

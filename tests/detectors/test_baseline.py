"""The baseline learns a brand's rhythm, and neither a crisis nor silence."""

from __future__ import annotations

import math

import numpy as np

from detectors.baseline import DELAY, Baseline
from detectors.config import EngineConfig
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

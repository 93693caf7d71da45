"""By how much more than chance a brand's share varies is learned from its hours and from six hours together."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors import share_correlation
from detectors.baseline import Baseline
from detectors.config import EngineConfig
from detectors.level_sums import LevelSums
from detectors.score import CORRELATION, CORRELATION_IN, correlations
from detectors.share_correlation import RANGE, MoreThanChance
from detectors.windows import SIX_HOURS
from tests.detectors.worlds import learn

CONFIG = EngineConfig()


def correlation(rate: float, rho: float, days: int = 40, crisis: int = 0) -> float:
    """What is learned of a brand whose hours have this correlation, the last ones in a crisis of tone."""
    rng, baseline = np.random.default_rng(3), Baseline.of(1)
    size = 1.0 / rho - 1.0 if rho else 0.0
    for hour in range(24 * days + crisis):
        authors = int(rng.poisson(rate))
        share = rng.beta(0.25 * size, 0.75 * size) if rho else 0.25
        learn(baseline, hour, authors, rng.binomial(authors, share if hour < 24 * days else 0.9))
    return float(baseline.correlation()[0])


@pytest.mark.parametrize("rho", [0.0, 0.03, 0.08])
def test_the_correlation_of_hours_is_learned(rho: float) -> None:
    assert correlation(60, rho) == pytest.approx(rho, abs=0.012)


def test_a_brand_that_is_hardly_mentioned_keeps_the_usual_correlation() -> None:
    assert Baseline.of(1).correlation() == [CORRELATION]
    assert correlation(0.2, 0.08) == pytest.approx(CORRELATION, abs=0.01)


def test_hours_that_have_nothing_in_common_are_out_of_range() -> None:
    assert correlation(200, 0.5) == RANGE[1]


def test_a_crisis_of_hours_hardly_raises_the_correlation() -> None:
    assert correlation(60, 0.03, crisis=6) < 1.5 * correlation(60, 0.03)


@settings(max_examples=50, deadline=None)
@given(hours=st.integers(1, 30), brands=st.integers(0, 4), seed=st.integers(0, 1000))
def test_a_few_brands_learn_as_many_do(hours: int, brands: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    authors = rng.poisson(rng.choice([0.5, 5.0, 80.0]), (hours, brands))
    share, tells = rng.uniform(0.02, 0.98, (hours, brands)), rng.random((hours, brands)) < 0.8
    negative, expected = rng.binomial(authors, share).astype(np.float64), rng.uniform(0.02, 0.98, (hours, brands))
    fades, before = np.where(tells, 0.99, 1.0), (rng.normal(0, 50, brands), rng.uniform(0, 5000, brands))
    rho = rng.uniform(*RANGE, (hours, brands))
    more_of_hours = MoreThanChance.of_hours(authors.astype(np.float64), negative, expected, tells)
    more_of_six = MoreThanChance.of_six_hours(authors, negative.astype(np.int64), expected, tells)

    def learned() -> list[Any]:
        of_hours = share_correlation.learn_hours(*before, fades, more_of_hours)
        return [*of_hours, *share_correlation.learn_six_hours(*before, fades, more_of_six, rho)]

    few = learned()
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(share_correlation, "FEW", -1)
        many = learned()
    for one, other in zip(few, many, strict=True):
        assert one.shape == other.shape
        np.testing.assert_array_equal(one, other)


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

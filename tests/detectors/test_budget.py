"""Thresholds are return levels: a quiet day exceeds them as often as the budget allows."""

from __future__ import annotations

import numpy as np
import pytest

from detectors.budget import DAYS, NEVER, TAIL, TAIL_AT, Budget, gumbel, return_period
from detectors.config import EngineConfig
from detectors.detector_set import BUILT_IN_SET
from detectors.score import DAY, DETECTORS, FAST, SLOW, SURGE, TONE, TOPIC

D = len(DETECTORS)
CONFIG = EngineConfig()


def filled(n: int, days: int, rng: np.random.Generator, loc: float = 1.5, scale: float = 0.4) -> Budget:
    budget = Budget.of(n)
    everyone = np.ones(n, np.bool_)
    for _ in range(days):
        maxima = loc + scale * rng.gumbel(size=(n, D))
        maxima[:, TONE] = 5.0 + rng.gumbel(size=n)
        budget.keep_day(everyone, maxima)
    return budget


def test_a_least_scale_leaves_the_location() -> None:
    """Of maxima that are mostly 0 the usual ones stand at 0, whatever the scale of the others."""
    maxima = np.zeros((1, 1, DAYS))
    maxima[..., ::14] = 4.0
    days, none = np.array([[DAYS]]), np.full((1, 1), np.nan)
    loc, own = gumbel(maxima, days, none, np.full((1, 1), 0.8))
    same, scale = gumbel(maxima, days, none, np.full((1, 1), 0.8), 1.15)
    assert own < 1.15
    assert scale == 1.15
    assert same == loc
    assert abs(float(loc[0, 0])) < 0.1


def test_one_that_may_not_page_yet_takes_no_part_of_the_budget() -> None:
    """`topic` pages after 14 days: until then the others have all of it."""
    rng = np.random.default_rng(3)
    young, old = (filled(200, days, rng) for days in (13, 27))
    for budget in (young, old):
        budget.set_thresholds(np.ones(200), CONFIG)
    assert np.all(young.page[:, TOPIC] == NEVER)
    assert np.all(old.page[:, TOPIC] < NEVER)
    alone = filled(200, 13, np.random.default_rng(3))
    alone.maxima[:, TOPIC, :13] = 60.0
    other = filled(200, 13, np.random.default_rng(3))
    for budget in (alone, other):
        budget.set_thresholds(np.ones(200), CONFIG)
    np.testing.assert_array_equal(alone.page[:, FAST], other.page[:, FAST])


def test_gumbel_finds_location_and_scale() -> None:
    rng = np.random.default_rng(1)
    budget = filled(2000, DAYS, rng)
    loc, scale = gumbel(
        budget.maxima.astype(np.float64), budget.own_days(), np.full((2000, D), np.nan), np.full((2000, D), 0.4)
    )
    assert abs(np.mean(loc[:, FAST]) - 1.5) < 0.03
    assert abs(np.mean(scale[:, FAST]) - 0.4) < 0.02


@pytest.mark.parametrize("pages", [0.5, 1.0, 2.0, 4.0])
def test_a_month_of_quiet_days_exceeds_the_threshold_as_often_as_agreed(pages: float) -> None:
    rng = np.random.default_rng(2)
    n = 4000
    budget = filled(n, DAYS, rng)
    budget.set_thresholds(np.full(n, pages), CONFIG)
    over = []
    for _ in range(30):
        day = 1.5 + 0.4 * rng.gumbel(size=(n, D))
        day[:, TONE] = 5.0 + rng.gumbel(size=n)
        over.append((day >= budget.page)[:, [FAST, SLOW, TONE]].any(axis=1))
    realised = np.mean(over) * 30
    assert 0.75 * pages < realised < 1.35 * pages


def test_before_a_brand_is_known_what_is_usual_decides() -> None:
    """A page far above what is usual for brands of its size, a ticket where their days reach a few times a month."""
    budget = Budget.of(3)
    budget.negative = np.array([0.3, 4.0, 60.0])
    budget.set_thresholds(np.ones(3), CONFIG)
    usual, scale = BUILT_IN_SET.usual(budget.negative)
    for d in (FAST, SLOW, TONE):
        assert (budget.page[:, d] > usual[:, d] + 5.0 * scale[:, d]).all()
        assert (budget.ticket[:, d] < np.maximum(usual[:, d] + 4.0 * scale[:, d], 2.6)).all()
    assert (budget.page[:, DAY] == NEVER).all()
    assert (budget.ticket[:, SURGE] == NEVER).all()


def test_a_bursty_brand_is_known_to_be_early() -> None:
    """A brand whose quiet days reach more than ten times is not paged at ten times, even on its fifth day."""
    budget = filled(1, 5, np.random.default_rng(0), loc=3.0)
    budget.set_thresholds(np.ones(1), CONFIG)
    assert budget.page[0, FAST] > 3.3


def test_a_larger_budget_never_raises_a_threshold() -> None:
    for days in (0, 2, 5, 20, 30, 56):
        budget = filled(50, days, np.random.default_rng(days))
        last = np.full((50, D), np.inf)
        for pages in (0.1, 0.5, 1, 2, 4, 10, 29, 100):
            budget.set_thresholds(np.full(50, float(pages)), CONFIG)
            assert (budget.page <= last + 1e-9).all()
            assert (budget.ticket <= np.where(np.arange(D) == SURGE, NEVER, budget.page)).all()
            assert np.isfinite(budget.page).all()
            last = budget.page


def test_return_period_reads_as_days() -> None:
    for days in (10.0, 30.0, 1000.0):
        level = TAIL_AT - TAIL * np.log(-np.log(1 - 1 / days))
        assert return_period(1.5 + 0.4 * level, 1.5, 0.4) == pytest.approx(days), "as thresholds reckon"
    assert return_period(-5.0, 1.5, 0.4) == pytest.approx(1.0)
    assert return_period(80.0, 1.5, 0.4) == 3650.0

"""The controller keeps the rate where it can, moves nothing on confirmed crises, and forgets nobody's silence."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.budget import DAYS, Budget
from detectors.casebook import Casebook
from detectors.commands import Command
from detectors.config import EngineConfig
from detectors.controller import GAMMA, HIGHEST, LOWEST, SILENT_AIM, moved
from detectors.ledger import account, render, render_cases
from detectors.score import DETECTORS

YES, NO = np.array([True]), np.array([False])


def offsets(false_pages: float, budget: float, days: int, heard: bool) -> float:
    offset = np.zeros(1)
    for _ in range(days):
        offset = moved(offset, np.array([false_pages]), np.array([budget]), YES, YES if heard else NO)
    return float(offset[0])


@pytest.mark.parametrize("budget", [0.5, 1.0, 4.0])
def test_pages_at_the_agreed_rate_move_nothing_more_or_fewer_do(budget: float) -> None:
    assert offsets(budget / 30, budget, 300, heard=True) == pytest.approx(0.0, abs=1e-3)
    assert offsets(0.0, budget, 30, heard=True) == pytest.approx(-GAMMA * np.sqrt(budget), rel=1e-3)
    assert offsets(0.0, budget, 30, heard=False) == pytest.approx(-SILENT_AIM * GAMMA * np.sqrt(budget), rel=1e-3)
    assert offsets(0.0, budget, 5000, heard=True) == LOWEST
    assert offsets(3 * budget / 30, budget, 5000, heard=True) == HIGHEST


def test_without_a_verdict_nobody_becomes_harder_to_page() -> None:
    assert offsets(1.0, 1.0, 100, heard=False) == 0.0
    assert offsets(SILENT_AIM / 30, 1.0, 100, heard=False) == pytest.approx(0.0, abs=1e-3)
    given_once = moved(np.array([1.5]), np.zeros(1), np.ones(1), YES, NO)
    assert 1.3 < given_once[0] < 1.5, "what was learned from verdicts fades when they stop"


def test_days_that_do_not_count_move_nothing() -> None:
    assert moved(np.array([0.3]), np.ones(1), np.ones(1), NO, YES)[0] == 0.3


def test_the_rate_comes_to_the_budget_from_either_side() -> None:
    """A brand whose days exceed its thresholds too rarely or too often by a factor, as Gumbel days do."""
    rng = np.random.default_rng(5)
    n, budget = 400, 2.0
    for factor in (0.55, 2.5):
        offset, pages = np.zeros(n), np.zeros((720, n))
        for day in range(720):
            pages[day] = rng.random(n) < factor * budget / 30 * np.exp(-offset)
            offset = moved(offset, pages[day], np.full(n, budget), np.ones(n, np.bool_), np.ones(n, np.bool_))
        settled = pages[360:].mean() * 30 / budget
        assert 0.9 < settled < 1.1
        quarters = pages[360:].reshape(4, 90, n).mean(axis=(1, 2)) * 30 / budget
        assert quarters.max() < 1.2 * quarters.min(), "no oscillation"


def budget_of(days: int, seed: int = 1) -> Budget:
    rng = np.random.default_rng(seed)
    made = Budget.of(1)
    for _ in range(days):
        made.keep_day(YES, np.round(rng.gumbel(0.5, 0.4, (1, len(DETECTORS))), 3))
    made.set_thresholds(np.ones(1), EngineConfig())
    return made


def test_an_offset_moves_the_thresholds_that_page_only() -> None:
    made, usual = budget_of(50), budget_of(50)
    made.offset[:] = 0.5
    made.set_thresholds(np.ones(1), EngineConfig())
    np.testing.assert_allclose(made.page[:, :2], usual.page[:, :2] + 0.5 * usual.scale[:, :2], atol=1e-5)
    np.testing.assert_array_equal(made.page[:, 4], usual.page[:, 4])


@settings(max_examples=40, deadline=None)
@given(quiet=st.lists(st.booleans(), min_size=1, max_size=90), forgotten=st.sets(st.integers(0, 63), max_size=8))
def test_a_forgotten_day_is_as_if_it_had_not_been_quiet(quiet: list[bool], forgotten: set[int]) -> None:
    last = len(quiet) - 1
    made, never = Budget.of(1), Budget.of(1)
    for day, was in enumerate(quiet):
        maxima = np.full((1, len(DETECTORS)), float(day))
        made.keep_day(np.array([was]), maxima)
        never.keep_day(np.array([was and last - day not in forgotten]), maxima)
    for ago in sorted(forgotten, reverse=True):
        made.forget_day(0, ago)
    assert made.kept[0] == never.kept[0]
    count = min(int(made.days[0]), DAYS)
    np.testing.assert_array_equal(made.maxima[0, :, :count], never.maxima[0, :, :count])
    assert np.isnan(made.maxima[0, :, count:]).all()
    if sum(quiet) <= DAYS:
        assert made.days[0] == never.days[0]


# -- what counts as false


def verdict(kind: str, at: int, incident: str) -> Command:
    return Command(id=f"{kind}{at}", brand="b", kind=kind, at=at, incident=incident)  # type: ignore[arg-type]


def test_a_page_counts_as_false_after_a_day_or_at_once_and_a_late_verdict_takes_it_back() -> None:
    book = Casebook()
    book.file("i", 100, 100, 3, page=True, closed=False)
    assert book.newly_false(100 + 1439) == 0
    assert book.newly_false(100 + 1440) == 1
    assert book.newly_false(100 + 9999) == 0
    book.apply(verdict("confirm", 20_000, "i"), 20_005)
    assert book.newly_false(21_000) == -1
    book.apply(verdict("false", 22_000, "i"), 22_005)
    assert book.newly_false(22_010) == 1
    book.file("j", 30_000, 30_000, 3, page=True, closed=False)
    book.apply(verdict("false", 30_010, "j"), 30_015)
    assert book.newly_false(30_020) == 1, "a page that was marked counts at once"


def test_the_ledger_adds_up() -> None:
    book = Casebook()
    for number in range(4):
        book.file(f"i{number}", 1000 * number, 1000 * number, 3, page=True, closed=True)
    book.file("t", 4500, 4500, 2, page=False, closed=False)
    book.apply(verdict("confirm", 10, "i0"), 15)
    book.apply(verdict("false", 3100, "i3"), 3105)
    one = account("b", 1.0, 0, 3200, book, -0.25)
    assert (one.pages, one.confirmed, one.false, one.marked, one.waiting) == (4, 1, 2, 1, 1)
    assert one.rate is None
    later = account("b", 1.0, 0, 90 * 1440 - 1, book, -0.25)
    assert (later.months, later.false, later.rate) == (3.0, 3, 1.0)
    low, high = later.interval or (0.0, 0.0)
    assert low < 1.0 < high
    assert "1.00" in render([later])
    assert "false alarm" in render_cases(later)


def test_a_brand_that_was_never_heard_has_no_rate() -> None:
    one = account("b", 1.0, None, 10**6, None, 0.0)
    assert (one.months, one.pages, one.rate, one.interval) == (0.0, 0, None, None)
    assert "b" in render([one])

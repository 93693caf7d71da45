"""The table: pages against the budget with an honest interval."""

from __future__ import annotations

from dataclasses import fields

import pytest

from detectors import Engine
from detectors.backtest import BrandReport, render, report
from detectors.brand_counts import MINUTES_PER_DAY, BrandCounts, count
from detectors.incidents import Decision
from tests.detectors.worlds import QUICK, START, profiles, run, span, world

END = START + 60 * 60


def test_report_counts_pages_and_reads() -> None:
    found = run(Engine(profiles(3), QUICK), span(world(5), 0, END), END)
    counts = count(span(world(5), 0, END), profiles(3))
    lines = report(found, counts)
    assert [r.brand for r in lines] == [c.brand for c in counts]
    assert sum(r.pages for r in lines) == sum(d.pages for d in found)
    assert sum(r.mentions for r in lines) == len(span(world(5), 0, END))
    text = render(lines)
    assert all(r.brand in text for r in lines)


def _watched(days: float, pages: int = 0, budget: float = 1.0) -> BrandReport:
    counts = BrandCounts("B", 100, START, START + round(days * MINUTES_PER_DAY) - 1, budget)
    page = Decision(
        **{one.name: None for one in fields(Decision)}  # type: ignore[arg-type]
        | {"brand": "B", "type": "opened", "notify": "page", "pages": True, "tick": START}
    )
    return report([page] * pages, [counts])[0]


@pytest.mark.parametrize("pages", [0, 3])
def test_less_than_a_day_tells_no_rate_and_no_verdict(pages: int) -> None:
    for days in (1 / MINUTES_PER_DAY, 0.99):
        line = _watched(days, pages)
        assert (line.pages, line.pages_per_month, line.interval) == (pages, None, None)
        assert line.verdict == "too short to say"
        assert "under a day" in render([line])
        assert "within" not in render([line])
    assert _watched(1.0, pages).interval is not None


@pytest.mark.parametrize(
    ("days", "pages", "budget", "verdict"),
    [
        (10, 0, 1.0, "too short to say"),  # a third of a page was to be expected
        (16, 0, 1.0, "within budget"),
        (3, 0, 4.0, "too short to say"),
        (4, 0, 4.0, "within budget"),
        (2, 0, 60.0, "within budget"),
        (30, 1, 1.0, "within budget"),
        (10, 1, 1.0, "too short to say"),
        (10, 5, 1.0, "above budget"),
    ],
)
def test_a_verdict_needs_time_in_which_pages_were_to_be_expected(
    days: float, pages: int, budget: float, verdict: str
) -> None:
    assert _watched(days, pages, budget).verdict == verdict

"""The table: pages against the budget with an honest interval."""

from __future__ import annotations

from detectors import Engine
from detectors.backtest import render, report
from detectors.brand_counts import BrandCounts, count
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


def test_a_brand_seen_once_is_reported() -> None:
    lines = report([], [BrandCounts("rare", 1, START, START)])
    assert lines[0].first_event is None
    assert lines[0].pages == 0

"""Other budgets: each row is what a run at that budget decides, not a guess from one run."""

from __future__ import annotations

from dataclasses import replace

import pytest

from detectors import Engine
from detectors.brand_counts import count
from detectors.incidents import instant
from detectors.known_events import read_known_events
from detectors.what_if import WhatIf, budget_rows, capped
from tests.detectors.worlds import QUICK, START, profiles, run, span, world

END = START + 60 * 60
CUTS = [START + 333, START + 1999]


def test_each_budget_decides_as_a_run_of_its_own() -> None:
    observations = span(world(5), 0, END)
    together = WhatIf(profiles(3), [0.5, 4.0], QUICK)
    own = run(together, observations, END, CUTS)
    assert own == run(Engine(profiles(3), QUICK), observations, END, CUTS)
    for budget, decisions in together.decisions.items():
        alone = Engine([replace(p, budget=budget) for p in profiles(3)], QUICK)
        made = run(alone, observations, END, CUTS)
        assert made
        assert sorted(decisions, key=lambda d: (d.tick, d.brand)) == made
        assert {d.budget for d in decisions} == {budget}
    assert list(together.decisions) == [0.5, 4.0]


def test_the_budget_that_all_have_is_not_run_twice() -> None:
    same = [replace(p, budget=2.0) for p in profiles(3)]
    together = WhatIf(same, [2.0], QUICK)
    assert together.decisions[2.0] == run(together, span(world(5), 0, END), END, CUTS)
    assert not together._others


def test_a_portfolios_budget_holds_at_any_budget_of_its_brands() -> None:
    alone, *shops = [replace(p, budget=1.0) for p in profiles(3)]
    brands = [alone, *(replace(p, portfolio="shops", portfolio_budget=3.0) for p in shops)]
    together = WhatIf(brands, [0.5, 1.0, 4.0], QUICK)
    assert set(together._others) == {0.5, 4.0}
    assert [b.budget for b in together._others[0.5].brands] == [0.5, 0.5, 0.5]
    assert [b.budget for b in together._others[4.0].brands] == [4.0, 1.5, 1.5]
    assert capped(brands, [0.5, 1.0, 4.0]) == [
        "what if: portfolio shops may cost 3 pages a month in all, so no budget gives its 2 brands more than 1.5 each"
    ]
    assert capped(brands, [0.5, 1.0]) == []


def test_rows_count_pages_crises_and_controls() -> None:
    observations = span(world(5), 0, END)
    together = WhatIf(profiles(3), [1.0, 4.0], QUICK)
    decisions = run(together, observations, END)
    first = next(d for d in decisions if d.type == "opened" and d.notify != "info")
    page = next(d for d in together.decisions[4.0] if d.pages)
    known = read_known_events(
        "brand,event,kind,onset_utc,window_start,window_end\n"
        f"{first.brand},it,crisis,{instant(first.tick - 10)},{instant(first.tick - 10)},{instant(first.tick + 100)}\n"
        f"{page.brand},no,control,{instant(page.tick)},{instant(page.tick)},{instant(page.tick + 60)}\n"
        f"{first.brand},never,crisis,{instant(START - 9000)},{instant(START - 9000)},{instant(START - 8000)}\n"
    )
    counts = count(observations, profiles(3))
    low, high = budget_rows(together.decisions, counts, known)
    assert (low.budget, high.budget) == (1.0, 4.0)
    assert high.pages == sum(d.pages for d in together.decisions[4.0])
    assert high.crises == 1, "an event outside of the time that was read says nothing"
    assert (high.found, high.controls, high.controls_paged) == (1, 1, 1)
    assert high.rate == pytest.approx(high.pages / high.brand_months)
    assert high.rate is not None
    assert high.interval is not None
    assert high.interval[0] <= high.rate <= high.interval[1]

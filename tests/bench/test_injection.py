"""The injection suite measures what it says: crises are as large as named, the same wherever they are put, and judged
alike."""

from __future__ import annotations

import argparse
import io

import numpy as np
import pytest
from rich.console import Console

from bench.crisis_shapes import SHAPES, SHARP, STANDARD, TONE_ONLY
from bench.injection.__main__ import seeds_of
from bench.injection.outcome import CENSORED, Outcome, second_ratio
from bench.injection.report import report, wilson
from bench.injection.result import Result
from bench.injection.suite import Plan, Suite
from bench.product_rules import RULES, pages
from bench.synthetic_tone import SENSITIVITY, SPECIFICITY, Brand
from bench.volumes import DAY_BINS, HOUR_BINS, START, Volume, simulated, thinned


def flat(per_bin: int, days: int = 20) -> Volume:
    return Volume("flat", START, np.full(days * DAY_BINS, per_bin), ())


def test_a_crisis_has_the_size_and_tone_of_its_name() -> None:
    brand = Brand.of(flat(20), 1)
    onset = START + 10 * 1440
    calm, hot = (brand.between(onset, onset + 180, crises) for crises in ((), ((onset, STANDARD),)))
    extra = len(hot.minute) - len(calm.minute)
    assert extra == pytest.approx(2 * 20 * 36, rel=0.1), "+2x"
    seen = 0.7 * SENSITIVITY + 0.3 * (1 - SPECIFICITY)
    assert (hot.negative.sum() - calm.negative.sum()) / extra == pytest.approx(seen, abs=0.05)


def test_tone_only_adds_no_mention_and_raises_the_share() -> None:
    brand = Brand.of(flat(20), 2)
    onset = START + 10 * 1440 + 7
    calm = brand.between(onset - 60, onset + 420)
    hot = brand.between(onset - 60, onset + 420, ((onset, TONE_ONLY),))
    assert np.array_equal(calm.minute, hot.minute)
    inside = (calm.minute >= onset) & (calm.minute < onset + 360)
    assert np.array_equal(calm.negative[~inside], hot.negative[~inside])
    assert hot.negative[inside].mean() > calm.negative[inside].mean() + 0.1


def test_a_second_crisis_is_the_same_with_and_without_a_first() -> None:
    brand = Brand.of(flat(5), 3)
    first, second = START + 8 * 1440, START + 8 * 1440 + 2160
    alone = brand.between(second, second + 300, ((second, SHARP),), seed=4)
    after = brand.between(first, second + 300, ((first, SHARP), (second, SHARP)), seed=4)
    here = after.minute >= second
    assert np.array_equal(alone.minute, after.minute[here])
    assert np.array_equal(alone.author, after.author[here])
    assert np.array_equal(alone.negative, after.negative[here])


def test_few_accounts_and_copied_texts() -> None:
    brand = Brand.of(flat(5), 3)
    at = START + 9 * 1440
    bots, copies = (next(s for s in SHAPES if s.name.startswith(name)) for name in ("bots", "copies"))
    calm = {int(a) for a in brand.between(at, at + 120).author}
    assert len({int(a) for a in brand.between(at, at + 120, ((at, bots),)).author} - calm) <= 6
    texts = brand.between(at, at + 120, ((at, copies),)).text
    assert texts is not None
    assert len({t for t in texts if t}) > 1


def test_thinning_keeps_bursts() -> None:
    counts = np.full(10 * DAY_BINS, 40)
    counts[500:520] = 400
    thin = thinned(Volume("busy", START, counts, ()), 8.0)
    assert np.mean(thin.counts) == pytest.approx(8.0, rel=0.05)
    assert np.mean(thin.counts[500:520]) / np.median(thin.counts) == pytest.approx(10, rel=0.15)


def test_simulated_volumes_are_the_same_each_time() -> None:
    for one, two in zip(simulated(5, 3, 8.0), simulated(5, 3, 8.0), strict=True):
        assert np.array_equal(one.counts, two.counts)


def test_rules_page_for_a_surge_and_not_twice_within_six_hours() -> None:
    mentions = np.full(9 * DAY_BINS, 10)
    mentions[8 * DAY_BINS : 8 * DAY_BINS + HOUR_BINS] = 50
    negatives = mentions // 5
    surge = [pages(rule(mentions, negatives)).tolist() for rule in RULES.values()]
    assert [len(s) for s in surge] == [1, 1, 0]
    assert all(8 * DAY_BINS <= s[0] < 8 * DAY_BINS + HOUR_BINS for s in surge[:2])
    condition = np.zeros(400, np.bool_)
    condition[[0, 50, 100, 300]] = True
    assert pages(condition).tolist() == [0, 300]


def test_a_page_after_the_crisis_does_not_find_it() -> None:
    one = Outcome()
    onset = 1000
    one.add(0, onset, "a", [onset - 1, onset + 30, onset + 500], SHARP)
    one.add(0, onset, "a", [onset + 60 + 61], SHARP)
    assert one.found == 1
    assert one.delay(0.0) == 30
    assert one.delay(1.0) == CENSORED
    assert one.pages_after == 1


def test_interval_of_a_share() -> None:
    low, high = wilson(5, 10)
    assert low == pytest.approx(0.2366, abs=1e-3)
    assert high == pytest.approx(0.7634, abs=1e-3)
    assert wilson(0, 10)[0] == 0.0


def test_the_whole_suite_on_a_small_world() -> None:
    """It runs the engine: a large crisis in a calm world is found, nothing is not."""
    rng = np.random.default_rng(0)
    volumes = [Volume("calm", START, rng.poisson(1.0, 21 * DAY_BINS), ((START, START + 60),))]
    suite = Suite([Brand.of(v, 1) for v in volumes], Plan(4.0, 1, 1), 1, (1.0,))
    done: list[float] = []
    suite.run(done.append)
    assert sum(done) == pytest.approx(suite.runs, rel=0.1)
    ramp = suite.outcomes["ramp to +4x in 3 h, 70 %, 6 h", 1.0]
    assert ramp.recall == 1.0
    assert 0 < ramp.delay(0.5) < 420
    assert suite.outcomes["nothing", 1.0].found == 0
    assert suite.months(14) == pytest.approx(7 / 30)
    out = io.StringIO()
    report([suite.result()], Console(file=out, width=150), by_volume=True)
    assert "of nominal" in out.getvalue()
    assert "seeds at 1" not in out.getvalue()
    report([suite.result()] * 4, Console(file=out, width=150), by_volume=True)
    assert "seeds at 1" in out.getvalue()


def _result(found: int, missed: int, pages: int, name: str) -> Result:
    """A world with so many trials of each shape, each page of which comes back once, and `pages` for nothing in the
    first of two months, one in the second."""

    def trials() -> Outcome:
        one = Outcome(open_already=1)
        for i in range(found + missed):
            one.add(0, 1000 * i, name, [1000 * i + 30, 1000 * i + 40] if i < found else [], SHARP)
        return one

    shapes, budgets = [shape.name for shape in SHAPES], (1.0, 2.0)
    false = {(budget, days): (pages if days == 14 else 1, int(budget)) for budget in budgets for days in (14, 28)}
    return Result(
        budgets,
        ("a", "b"),
        {(shape, budget): trials() for shape in shapes for budget in budgets},
        {(shape, budget): trials() for shape in shapes for budget in budgets},
        {(rule, shape): trials() for rule in RULES for shape in shapes},
        {(rule, shape): trials() for rule in RULES for shape in shapes},
        dict.fromkeys(RULES, pages),
        false,
        {14: 2.0, 28: 1.0},
    )


def test_seeds_together_are_all_their_trials_and_months() -> None:
    results = [_result(3, 1, 6, "a"), _result(1, 3, 0, "b")]
    both = Result.together(results)
    for part in (both.outcomes[SHARP.name, 1.0], both.rule_outcomes["share > 40 %", SHARP.name]):
        assert (part.recall, part.open_already, part.pages_after) == (0.5, 2, 4)
        assert part.where == ["a"] * 4 + ["b"] * 4
    one, second = (part[SHARP.name, 1.0] for part in (both.outcomes, both.seconds))
    assert second_ratio(one, second) == (4, 4, 8), "trials of one brand and minute, but of two worlds"
    assert both.false_events == {(1.0, 14): (6, 2), (1.0, 28): (2, 2), (2.0, 14): (6, 4), (2.0, 28): (2, 4)}
    assert both.months == {14: 4.0, 28: 2.0}
    assert set(both.rule_pages.values()) == {6}
    out = io.StringIO()
    report(results, Console(file=out, width=150), by_volume=True)
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in out.getvalue().splitlines()]
    sharp = [row for row in rows if row and row[0] == SHARP.name]
    assert sharp[0][:6] == [SHARP.name, "8", "50%", "50%", "22% to 78%", "25% to 75%"]
    assert sharp[-1][1:] == ["75%", "25%"]
    nothing = next(row for row in rows if row and row[0] == "1")
    assert nothing[1] == "1.50"
    assert nothing[3:] == ["1.50", "1.00", "0.5"]
    many = [_result(150, 51, 0, "a")]
    report(many, Console(file=out, width=150), by_volume=False)
    assert "74.6%" in out.getvalue(), "of two hundred and more a decimal"


def test_seeds_are_one_or_a_range() -> None:
    assert seeds_of("9") == [9]
    assert seeds_of("9-11") == [9, 10, 11]
    for nonsense in ("", "x", "11-9", "-3", "9-", "9,10"):
        with pytest.raises(argparse.ArgumentTypeError, match="9-20"):
            seeds_of(nonsense)


def test_series_that_are_too_short_are_refused() -> None:
    with pytest.raises(ValueError, match="longer than"):
        Suite([Brand.of(flat(1, 10), 1)], Plan(4.0, 1, 1), 1)

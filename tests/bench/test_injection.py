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


def _result(found: int, missed: int, pages: int) -> Result:
    """A world of one brand with so many trials of a sharp crisis and its second, and pages for nothing in a month."""
    one, second = Outcome(), Outcome()
    for i in range(found + missed):
        at = [1000 * i + 30] if i < found else []
        one.add(0, 1000 * i, "a", at, SHARP)
        second.add(0, 1000 * i, "a", at, SHARP)
    key = (SHARP.name, 1.0)
    false = {(1.0, days): (pages, 2) for days in (14, 28)}
    return Result((1.0,), ("a",), {key: one}, {key: second}, {}, {}, {"rule": 3}, false, {14: 1.0, 28: 0.5})


def test_seeds_together_are_all_their_trials_and_months() -> None:
    both = Result.together([_result(3, 1, 1), _result(1, 3, 0)])
    one, second = (part[SHARP.name, 1.0] for part in (both.outcomes, both.seconds))
    assert one.recall == 0.5
    assert second_ratio(one, second) == (4, 4, 8), "trials of one brand and minute, but of two worlds"
    assert both.false_events[1.0, 14] == (1, 4)
    assert both.months == {14: 2.0, 28: 1.0}
    assert both.rule_pages == {"rule": 6}


def test_seeds_are_one_or_a_range() -> None:
    assert seeds_of("9") == [9]
    assert seeds_of("9-11") == [9, 10, 11]
    for nonsense in ("", "x", "11-9", "-3", "9-", "9,10"):
        with pytest.raises(argparse.ArgumentTypeError, match="9-20"):
            seeds_of(nonsense)


def test_series_that_are_too_short_are_refused() -> None:
    with pytest.raises(ValueError, match="longer than"):
        Suite([Brand.of(flat(1, 10), 1)], Plan(4.0, 1, 1), 1)

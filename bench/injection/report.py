"""The tables of what the suite found."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from rich.console import Console
from rich.table import Table

from bench.crisis_shapes import SHAPES, SHARP, STANDARD, TONE_ONLY
from bench.injection.outcome import Outcome, second_ratio
from bench.injection.result import Result
from bench.injection.suite import PAIRED, SETTLED_DAYS, WARM_DAYS
from bench.product_rules import RULES
from detectors.poisson import poisson_interval

TARGETS = {STANDARD.name: 0.65, SHARP.name: 0.85, TONE_ONLY.name: 0.60}
"""Recall to reach at one false page a month."""
MANY = 200
"""Trials from which recall is told with a decimal."""


def report(results: Sequence[Result], console: Console, by_volume: bool) -> None:
    """All tables, of the seeds together."""
    result = Result.together(results)
    _false_pages(result, console)
    _recall(result, console, results)
    _rules(result, console)
    _masking(result, console)
    _flaps(result, console)
    if by_volume:
        _by_volume(result, console)


def _false_pages(result: Result, console: Console) -> None:
    """Pages and tickets for nothing, of the engine at each budget and of the rules."""
    table = Table(
        "budget",
        "false pages a month",
        "95 %",
        "of nominal",
        "after day 28",
        "tickets a month",
        title="Pages for nothing",
    )
    for budget in result.budgets:
        k, tickets = result.false_events[budget, WARM_DAYS]
        months = result.months[WARM_DAYS]
        low, high = poisson_interval(k, months)
        later, _ = result.false_events[budget, SETTLED_DAYS]
        table.add_row(
            f"{budget:g}", f"{k / months:.2f}", f"{low:.2f} to {high:.2f}", f"{k / months / budget:.2f}",
            f"{later / result.months[SETTLED_DAYS] / budget:.2f}", f"{tickets / months:.1f}",
        )  # fmt: skip
    for name, k in result.rule_pages.items():
        months = result.months[WARM_DAYS]
        low, high = poisson_interval(k, months)
        table.add_row(name, f"{k / months:.1f}", f"{low:.1f} to {high:.1f}", "", "", "")
    console.print(table)
    console.print(
        f"{result.months[WARM_DAYS]:.1f} brand-months after the first {WARM_DAYS} days outside of labelled events"
    )


def _recall(result: Result, console: Console, seeds: Sequence[Result]) -> None:
    """What was found at each budget, and how soon; of several seeds also by the least and the most fortunate one."""
    heads = [f"{b:g} a month" for b in result.budgets]
    table = Table(
        "shape",
        "trials",
        *heads,
        "95 % at 1",
        *(["seeds at 1"] if len(seeds) > 1 else []),
        "target",
        "median",
        "p90",
        title="Recall by budget; delay in minutes at 1",
    )
    for shape in SHAPES:
        one = result.outcomes[shape.name, 1.0]
        low, high = wilson(one.found, len(one.delays))
        target = f"{TARGETS[shape.name]:.0%}" if shape.name in TARGETS else ("" if shape.crisis else "few")
        cells = [_percent(result.outcomes[shape.name, b]) for b in result.budgets]
        cells.append(f"{low:.0%} to {high:.0%}")
        if len(seeds) > 1:
            every = [seed.outcomes[shape.name, 1.0].recall for seed in seeds]
            cells.append(f"{min(every):.0%} to {max(every):.0%}")
        table.add_row(
            shape.name, str(len(one.delays)), *cells, target,
            f"{one.delay(0.5):.0f}", f"{one.delay(0.9):.0f}", end_section=shape in {SHAPES[5], SHAPES[-1]},
        )  # fmt: skip
    console.print(table)


def _rules(result: Result, console: Console) -> None:
    """The same crises by the rules that products document."""
    table = Table(
        "shape",
        *(f"{name}" for name in RULES),
        title="The same crises by rules that products document (recall, median delay)",
    )
    for shape in SHAPES:
        cells = [
            f"{result.rule_outcomes[r, shape.name].recall:.0%}, {result.rule_outcomes[r, shape.name].delay(0.5):.0f}"
            for r in RULES
        ]
        table.add_row(shape.name, *cells)
    console.print(table)


def _masking(result: Result, console: Console) -> None:
    """Second crises after a first."""
    table = Table(
        "second crisis, 36 h after a first", "by", "found after a first", "found without it", "of it", title="Masking"
    )
    for budget in result.budgets:
        totals = np.zeros(3, np.int64)
        for shape in PAIRED:
            numbers = second_ratio(result.outcomes[shape.name, budget], result.seconds[shape.name, budget])
            totals += numbers
            if budget == 1.0:
                table.add_row(shape.name, "1 a month", *_second(*numbers))
        table.add_row("all three", f"{budget:g} a month", *_second(*totals.tolist()))
    for name in RULES:
        totals = np.zeros(3, np.int64)
        for shape in PAIRED:
            totals += second_ratio(result.rule_outcomes[name, shape.name], result.rule_seconds[name, shape.name])
        table.add_row("all three", name, *_second(*totals.tolist()))
    console.print(table)


def _flaps(result: Result, console: Console) -> None:
    """Pages beyond the first."""
    crises = [s for s in SHAPES if s.crisis]
    found = sum(result.outcomes[s.name, 1.0].found for s in crises)
    again = sum(result.outcomes[s.name, 1.0].pages_after for s in crises)
    skipped = result.outcomes[STANDARD.name, 1.0].open_already
    console.print(
        f"flap rate at 1 a month: {again / max(found, 1):.2f} more pages per crisis found, within 30 h of its onset; "
        f"no trial for an open page: {skipped} of {skipped + len(result.outcomes[STANDARD.name, 1.0].delays)}"
    )


def _by_volume(result: Result, console: Console) -> None:
    """Recall of each volume."""
    table = Table("shape", *result.volumes, title="Recall at 1 a month by volume")
    for shape in SHAPES:
        one = result.outcomes[shape.name, 1.0]
        cells = []
        for name in result.volumes:
            mine = [d for d, w in zip(one.delays, one.where, strict=True) if w == name]
            cells.append(f"{np.mean(~np.isnan(mine)):.0%}" if mine else "")
        table.add_row(shape.name, *cells)
    console.print(table)


def _second(after: int, without: int, trials: int) -> tuple[str, str, str]:
    return f"{after} of {trials}", f"{without} of {trials}", f"{after / without:.0%}" if without else ""


def _percent(outcome: Outcome) -> str:
    """Recall; of many trials with a decimal, to compare versions on the same ones."""
    return f"{outcome.recall:.1%}" if len(outcome.delays) >= MANY else f"{outcome.recall:.0%}"


def wilson(found: int, trials: int) -> tuple[float, float]:
    """95 % interval of a share (Wilson 1927)."""
    if not trials:
        return 0.0, 1.0
    z, p = 1.96, found / trials
    middle = (p + z * z / (2 * trials)) / (1 + z * z / trials)
    half = z / (1 + z * z / trials) * np.sqrt(p * (1 - p) / trials + z * z / (4 * trials * trials))
    return max(middle - half, 0.0), min(middle + half, 1.0)

"""Crises put into real volumes: what the engine finds at a budget, how soon, and how often it pages for nothing.

usage: python -m bench.injection [--full] [--volumes FOLDER | --simulated SEED] [--seed N] [--by-volume]

Volumes are NAB's realTweets (../shared/data/nab; real mentions per five minutes of 55 days) or simulated ones where
these are absent. Each gets a synthetic tone (bench/synthetic_tone.py); the shapes are bench/crisis_shapes.py. The
real engine (detectors.Engine) runs over the whole series; at each onset its state is copied, and every shape is tried
from there, so all shapes meet the same hours.

found: a page from the onset until one hour after the crisis is over. Everything else is a miss, however soon a page
comes later, and whatever ticket was opened. A delay is from the onset; misses count as 24 h. Trials begin after the
first 14 days, at times of day that are as likely as people then talk, never near an event that NAB labelled; where a
page was open already, there is no trial. Pages of the series as they are, outside of labelled events, are false: the
tone is synthetic, so no burst of volume is a crisis.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from bench.crisis_shapes import SECOND_AFTER, SHAPES, SHARP, STANDARD, TONE_ONLY, Shape
from bench.detectors import Same
from bench.product_rules import RULES, pages
from bench.synthetic_tone import Brand, Mentions
from bench.volumes import BIN, DAY_BINS, Ints, read_nab, simulated
from detectors import BrandProfile, Decision, Engine, Observations
from detectors.poisson import poisson_interval

ROOT = Path(__file__).resolve().parents[1]
NAB = ROOT.parent / "shared" / "data" / "nab"
BUDGETS = (0.5, 1.0, 2.0, 4.0)
WARM_DAYS = 14
SETTLED_DAYS = 28
CENSORED = 24 * 60
HORIZON = 30 * 60
"""Minutes that a trial is followed."""
GRACE = 60
MONTH = 30 * 1440
PAIRED = (STANDARD, SHARP, TONE_ONLY)
"""Shapes tried again 36 h after a first of the same kind."""
TARGETS = {STANDARD.name: 0.65, SHARP.name: 0.85, TONE_ONLY.name: 0.60}
"""Recall to reach at one false page a month."""
TEXT = "the queue again"


@dataclass(frozen=True)
class Plan:
    """How much is tried."""

    most: float
    """Mentions per five minutes that a busy series is thinned to."""
    tones: int
    """Synthetic tones per volume."""
    pairs: int
    """Pairs of onsets 36 h apart."""


QUICK, FULL = Plan(8.0, 1, 6), Plan(20.0, 2, 16)


@dataclass
class Outcome:
    """Trials of one shape at one budget."""

    delays: list[float] = field(default_factory=list)
    """Minutes to the page; nan: missed."""
    open_already: int = 0
    pages_after: int = 0
    """Pages beyond the first within the horizon, of crises found."""
    where: list[str] = field(default_factory=list)
    key: list[tuple[int, int]] = field(default_factory=list)
    """Brand and onset."""

    @property
    def found(self) -> int:
        return int(np.sum(~np.isnan(self.delays)))

    @property
    def recall(self) -> float:
        return self.found / max(len(self.delays), 1)

    def delay(self, part: float) -> float:
        """A quantile of the delay, misses censored."""
        if not self.delays:
            return float("nan")
        return float(np.quantile(np.nan_to_num(self.delays, nan=CENSORED), part, method="higher"))

    def add(self, brand: int, onset: int, name: str, at: Sequence[int], shape: Shape) -> None:
        """Add a trial in which pages came at these minutes."""
        last = onset + shape.minutes + GRACE
        inside = [t for t in at if onset <= t <= last]
        self.delays.append(inside[0] - onset if inside else float("nan"))
        self.where.append(name)
        self.key.append((brand, onset))
        if inside:
            self.pages_after += sum(t > inside[0] for t in at)


class Suite:
    """The worlds, the engine's pass over them, and the trials."""

    def __init__(self, brands: list[Brand], plan: Plan, seed: int, budgets: Sequence[float] = BUDGETS) -> None:
        self.brands, self.plan, self.seed, self.budgets = brands, plan, seed, tuple(budgets)
        self.start = max(b.volume.start for b in brands)
        self.end = min(b.volume.start + BIN * len(b.volume.counts) for b in brands)
        self.profiles = [
            BrandProfile(f"{b.volume.name} {i} at {budget:g}", budget=budget)
            for budget in self.budgets
            for i, b in enumerate(brands)
        ]
        rng = np.random.default_rng([seed, 1])
        low, high = self.start + WARM_DAYS * 1440, self.end - SECOND_AFTER - HORIZON
        if high <= low:
            raise ValueError("the series are too short: they must be longer than 17 days")
        # Spread over the days, at any time of day.
        edges = np.linspace(low, high, plan.pairs + 1)
        firsts = [self._hour_of_talk(rng, int(a), int(b)) for a, b in itertools.pairwise(edges)]
        self.onsets = sorted({(t, True) for t in firsts} | {(t + SECOND_AFTER, False) for t in firsts})
        self.decisions: list[Decision] = []
        self.outcomes = {(s.name, b): Outcome() for s in SHAPES for b in self.budgets}
        self.seconds = {(s.name, b): Outcome() for s in PAIRED for b in self.budgets}
        self.rule_outcomes = {(r, s.name): Outcome() for r in RULES for s in SHAPES}
        self.rule_seconds = {(r, s.name): Outcome() for r in RULES for s in PAIRED}
        self.rule_pages = dict.fromkeys(RULES, 0)

    def _hour_of_talk(self, rng: np.random.Generator, begin: int, end: int) -> int:
        """A minute in between, as likely as people then usually talk about the brands: few crises begin at night."""
        bins = np.arange(begin, end, BIN)
        talk = np.mean([b.usual[b.bin(bins)] / np.mean(b.usual) for b in self.brands], axis=0)
        return int(rng.choice(bins, p=talk / np.sum(talk)))

    @property
    def runs(self) -> int:
        """Runs of an engine for the progress bar: a day of all brands each."""
        days = (self.end - self.start) // 1440
        per_trial = len(SHAPES) * HORIZON / 1440
        return int(days + len(self.onsets) * per_trial + self.plan.pairs * len(PAIRED) * SECOND_AFTER / 1440)

    def observations(self, parts: Sequence[Mentions]) -> Observations:
        """Mentions of each brand, told to each of its budgets."""
        n, copies = len(self.brands), len(self.budgets)
        minute = np.concatenate([m.minute for m in parts])
        index = np.repeat(np.arange(n), [len(m.minute) for m in parts])
        author = np.concatenate([m.author for m in parts]).astype(np.uint64)
        negative = np.concatenate([m.negative for m in parts])
        text: Sequence[str] = Same(TEXT, len(minute) * copies)
        order = np.argsort(minute, kind="stable")
        if any(m.text is not None for m in parts):
            texts = [t for m in parts for t in (m.text or [""] * len(m.minute))]
            text = [texts[i] for i in order.tolist() for _ in range(copies)]
        minute, author, negative = (np.repeat(c[order], copies) for c in (minute, author, negative))
        brand = (index[order][:, None] + n * np.arange(copies)).reshape(-1).astype(np.int32)
        m = len(minute)
        label = negative.astype(np.float32)
        ids = Same(TEXT, m)
        nothing = np.full(m, np.nan)
        kind = np.zeros(m, np.uint8)
        return Observations(minute, minute, brand, author, negative, label, kind, nothing, ids, text, Same("", m))

    def run(self, tick: Callable[[float], None]) -> None:
        """Everything; calls `tick` with the days that were run."""
        base = Engine(self.profiles)
        at = self.start
        for onset, is_first in self.onsets:
            self._advance(base, at, onset, tick)
            at = onset
            self._trials(base, onset, is_first, tick)
        self._advance(base, at, self.end, tick)
        self._rules()

    def _advance(self, engine: Engine, begin: int, end: int, tick: Callable[[float], None]) -> None:
        for a in range(begin, end, 1440):
            b = min(a + 1440, end)
            parts = [brand.between(a, b) for brand in self.brands]
            self.decisions += engine.advance(b - 1, self.observations(parts))
            tick((b - a) / 1440)

    def _trials(self, base: Engine, onset: int, is_first: bool, tick: Callable[[float], None]) -> None:
        state = base.state_dict()
        levels = base.levels()
        paged = levels.open & (levels.notify == 3)
        for shape in SHAPES:
            pair = is_first and shape in PAIRED
            second = onset + SECOND_AFTER
            end = onset + HORIZON + (SECOND_AFTER if pair else 0)
            crises = ((onset, shape), (second, shape)) if pair else ((onset, shape),)
            engine = Engine(self.profiles)
            engine.load_state_dict(state)
            parts = [brand.between(onset, end, crises, self.seed) for brand in self.brands]
            at = self._pages(engine.advance(end - 1, self.observations(parts)))
            for b, brand in enumerate(self.brands):
                if brand.volume.is_labelled(onset - GRACE, onset + shape.minutes + GRACE):
                    continue
                for budget_at, budget in enumerate(self.budgets):
                    i = budget_at * len(self.brands) + b
                    outcome = self.outcomes[shape.name, budget]
                    if paged[i]:
                        outcome.open_already += 1
                    else:
                        first = [t for t in at[i] if t < onset + HORIZON and (not pair or t < second)]
                        outcome.add(b, onset, brand.volume.name, first, shape)
                    if pair and not brand.volume.is_labelled(second - GRACE, second + shape.minutes + GRACE):
                        self.seconds[shape.name, budget].add(b, second, brand.volume.name, at[i], shape)
            for b, brand in enumerate(self.brands):
                self._rule_trial(b, brand, onset, shape, crises, parts[b])
            tick((end - onset) / 1440)

    def _pages(self, decisions: Sequence[Decision]) -> list[list[int]]:
        place = {p.name: i for i, p in enumerate(self.profiles)}
        out: list[list[int]] = [[] for _ in self.profiles]
        for d in decisions:
            if d.pages:
                out[place[d.brand]].append(d.tick)
        return out

    # -- rules to compare with

    def _rule_trial(
        self, b: int, brand: Brand, onset: int, shape: Shape, crises: tuple[tuple[int, Shape], ...], there: Mentions
    ) -> None:
        if brand.volume.is_labelled(onset - GRACE, onset + shape.minutes + GRACE):
            return
        begin = onset - 9 * 1440
        mentions, negatives = _binned(brand.between(begin, onset), there, begin)
        for name, rule in RULES.items():
            at = (begin + BIN * (pages(rule(mentions, negatives)) + 1)).tolist()
            self.rule_outcomes[name, shape.name].add(b, onset, brand.volume.name, at, shape)
            if len(crises) > 1:
                self.rule_seconds[name, shape.name].add(b, crises[1][0], brand.volume.name, at, shape)

    def _rules(self) -> None:
        for brand in self.brands:
            whole = brand.between(self.start, self.end)
            mentions, negatives = _binned(whole, brand.between(self.end, self.end), self.start)
            for name, rule in RULES.items():
                at = self.start + BIN * (pages(rule(mentions, negatives)) + 1)
                self.rule_pages[name] += sum(self._counts(brand, t, WARM_DAYS) for t in at.tolist())

    # -- what came out

    def _counts(self, brand: Brand, tick: int, days: int) -> bool:
        return tick >= self.start + days * 1440 and not brand.volume.is_labelled(tick, tick + 1)

    def months(self, days: int) -> float:
        """Brand-months after the first `days` outside of labelled events."""
        begin, total = self.start + days * 1440, 0
        for brand in self.brands:
            total += self.end - begin
            total -= sum(max(min(b, self.end) - max(a, begin), 0) for a, b in brand.volume.labelled)
        return total / MONTH

    def false_events(self, budget: float, days: int) -> tuple[int, int]:
        """False pages and tickets of the series as they are."""
        place = {p.name: i for i, p in enumerate(self.profiles)}
        n = len(self.brands)
        mine = [d for d in self.decisions if place[d.brand] // n == self.budgets.index(budget)]
        mine = [d for d in mine if self._counts(self.brands[place[d.brand] % n], d.tick, days)]
        tickets = sum(d.notify == "ticket" and d.type in {"opened", "reopened"} for d in mine)
        return sum(d.pages for d in mine), tickets

    def second_ratio(self, outcomes: Outcome, seconds: Outcome) -> tuple[int, int, int]:
        """Second crises found after a first, those found without the first, and trials: the same crises."""
        alone = dict(zip(outcomes.key, outcomes.delays, strict=True))
        both = [(d, alone[k]) for k, d in zip(seconds.key, seconds.delays, strict=True) if k in alone]
        return sum(not np.isnan(d) for d, _ in both), sum(not np.isnan(a) for _, a in both), len(both)


def _binned(first: Mentions, then: Mentions, begin: int) -> tuple[Ints, Ints]:
    """Mentions and negatives per five minutes."""
    minute = np.concatenate([first.minute, then.minute])
    negative = np.concatenate([first.negative, then.negative])
    at = (minute - begin) // BIN
    n = int(at[-1]) + 1 if len(at) else 0
    return np.bincount(at, minlength=n), np.bincount(at[negative], minlength=n)


def wilson(found: int, trials: int) -> tuple[float, float]:
    """95 % interval of a share (Wilson 1927)."""
    if not trials:
        return 0.0, 1.0
    z, p = 1.96, found / trials
    middle = (p + z * z / (2 * trials)) / (1 + z * z / trials)
    half = z / (1 + z * z / trials) * np.sqrt(p * (1 - p) / trials + z * z / (4 * trials * trials))
    return max(middle - half, 0.0), min(middle + half, 1.0)


def report(suite: Suite, console: Console, by_volume: bool) -> None:
    """All tables."""
    table = Table(
        "budget",
        "false pages a month",
        "95 %",
        "of nominal",
        "after day 28",
        "tickets a month",
        title="Pages for nothing",
    )
    for budget in suite.budgets:
        k, tickets = suite.false_events(budget, WARM_DAYS)
        months = suite.months(WARM_DAYS)
        low, high = poisson_interval(k, months)
        later, _ = suite.false_events(budget, SETTLED_DAYS)
        table.add_row(
            f"{budget:g}", f"{k / months:.2f}", f"{low:.2f} to {high:.2f}", f"{k / months / budget:.2f}",
            f"{later / suite.months(SETTLED_DAYS) / budget:.2f}", f"{tickets / months:.1f}",
        )  # fmt: skip
    for name, k in suite.rule_pages.items():
        months = suite.months(WARM_DAYS)
        low, high = poisson_interval(k, months)
        table.add_row(name, f"{k / months:.1f}", f"{low:.1f} to {high:.1f}", "", "", "")
    console.print(table)
    console.print(
        f"{suite.months(WARM_DAYS):.1f} brand-months after the first {WARM_DAYS} days outside of labelled events"
    )

    heads = [f"{b:g} a month" for b in suite.budgets]
    table = Table(
        "shape",
        "trials",
        *heads,
        "95 % at 1",
        "target",
        "median",
        "p90",
        title="Recall by budget; delay in minutes at 1",
    )
    for shape in SHAPES:
        one = suite.outcomes[shape.name, 1.0]
        low, high = wilson(one.found, len(one.delays))
        target = f"{TARGETS[shape.name]:.0%}" if shape.name in TARGETS else ("" if shape.crisis else "few")
        cells = [f"{suite.outcomes[shape.name, b].recall:.0%}" for b in suite.budgets]
        table.add_row(
            shape.name, str(len(one.delays)), *cells, f"{low:.0%} to {high:.0%}", target,
            f"{one.delay(0.5):.0f}", f"{one.delay(0.9):.0f}", end_section=shape in {SHAPES[5], SHAPES[-1]},
        )  # fmt: skip
    console.print(table)
    table = Table(
        "shape",
        *(f"{name}" for name in RULES),
        title="The same crises by rules that products document (recall, median delay)",
    )
    for shape in SHAPES:
        cells = [
            f"{suite.rule_outcomes[r, shape.name].recall:.0%}, {suite.rule_outcomes[r, shape.name].delay(0.5):.0f}"
            for r in RULES
        ]
        table.add_row(shape.name, *cells)
    console.print(table)

    table = Table(
        "second crisis, 36 h after a first", "by", "found after a first", "found without it", "of it", title="Masking"
    )
    for budget in suite.budgets:
        totals = np.zeros(3, np.int64)
        for shape in PAIRED:
            numbers = suite.second_ratio(suite.outcomes[shape.name, budget], suite.seconds[shape.name, budget])
            totals += numbers
            if budget == 1.0:
                table.add_row(shape.name, "1 a month", *_second(*numbers))
        table.add_row("all three", f"{budget:g} a month", *_second(*totals.tolist()))
    for name in RULES:
        totals = np.zeros(3, np.int64)
        for shape in PAIRED:
            totals += suite.second_ratio(suite.rule_outcomes[name, shape.name], suite.rule_seconds[name, shape.name])
        table.add_row("all three", name, *_second(*totals.tolist()))
    console.print(table)

    crises = [s for s in SHAPES if s.crisis]
    found = sum(suite.outcomes[s.name, 1.0].found for s in crises)
    again = sum(suite.outcomes[s.name, 1.0].pages_after for s in crises)
    skipped = suite.outcomes[STANDARD.name, 1.0].open_already
    console.print(
        f"flap rate at 1 a month: {again / max(found, 1):.2f} more pages per crisis found, within 30 h of its onset; "
        f"no trial for an open page: {skipped} of {skipped + len(suite.outcomes[STANDARD.name, 1.0].delays)}"
    )
    if by_volume:
        names = list(dict.fromkeys(b.volume.name for b in suite.brands))
        table = Table("shape", *names, title="Recall at 1 a month by volume")
        for shape in SHAPES:
            one = suite.outcomes[shape.name, 1.0]
            cells = []
            for name in names:
                mine = [d for d, w in zip(one.delays, one.where, strict=True) if w == name]
                cells.append(f"{np.mean(~np.isnan(mine)):.0%}" if mine else "")
            table.add_row(shape.name, *cells)
        console.print(table)


def _second(after: int, without: int, trials: int) -> tuple[str, str, str]:
    return f"{after} of {trials}", f"{without} of {trials}", f"{after / without:.0%}" if without else ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full", action="store_true", help="more trials, busier series (about a quarter of an hour)")
    parser.add_argument("--volumes", type=Path, default=NAB, help="folder with Twitter_volume_*.csv and windows.json")
    parser.add_argument("--simulated", type=int, metavar="SEED", help="simulated volumes instead")
    parser.add_argument("--seed", type=int, default=1, help="of tone, onsets and crises")
    parser.add_argument("--by-volume", action="store_true", help="recall of each volume too")
    parser.add_argument("--budgets", default="0.5,1,2,4", help="1 must be among them")
    asked = parser.parse_args()
    plan = FULL if asked.full else QUICK
    console = Console(width=150)
    if asked.simulated is None and not asked.volumes.is_dir():
        console.print(f"no folder {asked.volumes}: simulated volumes instead")
        asked.simulated = 1
    if asked.simulated is None:
        volumes = read_nab(asked.volumes, plan.most)
    else:
        volumes = simulated(asked.simulated, 55, plan.most)
    brands = [Brand.of(v, 1000 * asked.seed + tone) for tone in range(plan.tones) for v in volumes]
    suite = Suite(brands, plan, asked.seed, [float(b) for b in asked.budgets.split(",")])
    many = ", ".join(f"{v.name} {np.mean(v.counts) * DAY_BINS:.0f}" for v in volumes)
    console.print(f"mentions a day: {many}; {plan.tones} tones each; seed {asked.seed}")
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("days run", total=suite.runs)
        suite.run(lambda days: progress.advance(task, days))
    report(suite, console, asked.by_volume)


if __name__ == "__main__":
    main()

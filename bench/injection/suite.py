"""The worlds, the engine's pass over them, and the trials that start from it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from bench.crisis_shapes import SECOND_AFTER, SHAPES, SHARP, STANDARD, TONE_ONLY, Shape
from bench.detectors import Same
from bench.injection.outcome import GRACE, Outcome
from bench.injection.result import Result
from bench.product_rules import RULES, pages
from bench.synthetic_tone import Brand, Mentions
from bench.volumes import BIN, Ints
from detectors import BrandProfile, Decision, Engine, Observations

BUDGETS = (0.5, 1.0, 2.0, 4.0)
WARM_DAYS, SETTLED_DAYS = 14, 28
"""Days after which pages count, and after which thresholds are a brand's own."""
HORIZON = 30 * 60
"""Minutes that a trial is followed."""
MONTH = 30 * 1440
PAIRED = (STANDARD, SHARP, TONE_ONLY)
"""Shapes tried again 36 h after a first of the same kind."""
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

    def result(self) -> Result:
        """What it came to, without the worlds."""
        counted = (WARM_DAYS, SETTLED_DAYS)
        return Result(
            self.budgets,
            tuple(dict.fromkeys(brand.volume.name for brand in self.brands)),
            self.outcomes,
            self.seconds,
            self.rule_outcomes,
            self.rule_seconds,
            self.rule_pages,
            {(budget, days): self.false_events(budget, days) for budget in self.budgets for days in counted},
            {days: self.months(days) for days in counted},
        )

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


def _binned(first: Mentions, then: Mentions, begin: int) -> tuple[Ints, Ints]:
    """Mentions and negatives per five minutes."""
    minute = np.concatenate([first.minute, then.minute])
    negative = np.concatenate([first.negative, then.negative])
    at = (minute - begin) // BIN
    n = int(at[-1]) + 1 if len(at) else 0
    return np.bincount(at, minlength=n), np.bincount(at[negative], minlength=n)

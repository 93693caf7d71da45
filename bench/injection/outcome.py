"""Trials of one shape of crisis at one budget, or by one rule."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from bench.crisis_shapes import Shape

CENSORED = 24 * 60
"""Minutes that a miss counts as a delay."""
GRACE = 60
"""Minutes after a crisis within which a page has still found it."""


@dataclass
class Outcome:
    """Trials of one shape at one budget."""

    delays: list[float] = field(default_factory=list)
    """Minutes to the page; nan: missed."""
    open_already: int = 0
    pages_after: int = 0
    """Pages beyond the first within the horizon, of crises found."""
    where: list[str] = field(default_factory=list)
    key: list[tuple[int, ...]] = field(default_factory=list)
    """Brand and onset; of several together which of them before."""

    @staticmethod
    def together(outcomes: Sequence[Outcome]) -> Outcome:
        """Trials of several worlds as one."""
        return Outcome(
            delays=[delay for one in outcomes for delay in one.delays],
            open_already=sum(one.open_already for one in outcomes),
            pages_after=sum(one.pages_after for one in outcomes),
            where=[name for one in outcomes for name in one.where],
            key=[(world, *key) for world, one in enumerate(outcomes) for key in one.key],
        )

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


def second_ratio(outcomes: Outcome, seconds: Outcome) -> tuple[int, int, int]:
    """Second crises found after a first, those found without the first, and trials: the same crises."""
    alone = dict(zip(outcomes.key, outcomes.delays, strict=True))
    both = [(d, alone[k]) for k, d in zip(seconds.key, seconds.delays, strict=True) if k in alone]
    return sum(not np.isnan(d) for d, _ in both), sum(not np.isnan(a) for _, a in both), len(both)

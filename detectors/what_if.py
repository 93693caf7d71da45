"""What if the budget were another? Engines with other budgets, given the same observations at the same time.

A budget changes thresholds, these change which hours an incident keeps from being learned and which days count as
quiet, and so all that follows. Nothing short of running detection again is an answer; only the tone, which costs most
by far, need not be read again.
"""

from __future__ import annotations

import statistics
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

from detectors.backtest import DAYS_PER_MONTH, LEAST_DAYS
from detectors.brand_counts import BrandCounts
from detectors.commands import Command
from detectors.config import BrandProfile, EngineConfig
from detectors.detector import Detector
from detectors.engine import Engine
from detectors.incidents import Decision
from detectors.known_events import KnownEvent, Match, compare
from detectors.observations import Observations
from detectors.poisson import poisson_interval
from detectors.portfolio.budgets import scaled
from detectors.recording import Recorder

BUDGETS = (0.5, 1.0, 2.0, 4.0)


class WhatIf(Engine):
    """An engine that lets others of the same brands, each with another budget for all of them, go along.

    A portfolio's own budget holds at any of them: where its brands' would add up to more, they are lowered to it.
    Its own decisions are those of an `Engine`; those of the others are in `decisions`, by budget.
    """

    def __init__(
        self,
        brands: Sequence[BrandProfile],
        budgets: Sequence[float] = BUDGETS,
        config: EngineConfig | None = None,
        model_version: str = "",
        recorder: Recorder | None = None,
        detectors: Sequence[Detector] = (),
        saves: bool = True,
    ) -> None:
        super().__init__(brands, config, model_version, recorder, detectors, saves)
        self.decisions: dict[float, list[Decision]] = {}
        self._others: dict[float, Engine] = {}
        for budget in sorted(set(budgets)):
            self.decisions[budget] = []
            others = scaled([replace(brand, budget=budget) for brand in brands])
            # An engine with the same budgets would decide the same.
            if others != list(brands):
                self._others[budget] = Engine(others, config, model_version, detectors=detectors, saves=False)

    def tell(self, commands: Iterable[Command]) -> None:
        """As `Engine.tell`, and the same for the others: what was planned was planned at any budget."""
        told = list(commands)
        super().tell(told)
        for other in self._others.values():
            other.tell(told)

    def advance(self, upto: int, observations: Observations, clock_ticks: Collection[int] = ()) -> list[Decision]:
        """As `Engine.advance`, and the same for the others."""
        own = super().advance(upto, observations, clock_ticks)
        for budget, made in self.decisions.items():
            other = self._others.get(budget)
            made.extend(own if other is None else other.advance(upto, observations, clock_ticks))
        return own

    def forget_changes(self) -> None:
        """As `Engine.forget_changes`, and the same for the others."""
        super().forget_changes()
        for other in self._others.values():
            other.forget_changes()


@dataclass(frozen=True)
class BudgetRow:
    """What came of one budget, over all brands."""

    budget: float
    pages: int
    tickets: int
    """Opened or opened again."""
    brand_months: float
    rate: float | None
    """Pages per brand and month, with its exact interval (95 %); None below a day of data."""
    interval: tuple[float, float] | None
    crises: int
    """Known ones that the data can show."""
    found: int
    """Opened or raised within three hours, or open already."""
    paged: int
    """Of the found: how many were paged, not only ticketed."""
    delay_minutes: float | None
    """Median over those found that were not open already."""
    controls: int
    controls_paged: int


def capped(brands: Sequence[BrandProfile], budgets: Sequence[float] = BUDGETS) -> list[str]:
    """For each portfolio whose own budget lowers its brands' at some of these budgets, a sentence that says so."""
    own: dict[str, list[BrandProfile]] = {}
    for brand in brands:
        if brand.portfolio is not None and brand.portfolio_budget is not None:
            own.setdefault(brand.portfolio, []).append(brand)
    told = []
    for name, members in sorted(own.items()):
        whole = members[0].portfolio_budget or 0.0
        if whole < max(budgets) * len(members):
            told.append(
                f"what if: portfolio {name} may cost {whole:g} pages a month in all, so no budget gives its "
                f"{len(members)} brands more than {whole / len(members):.4g} each"
            )
    return told


def budget_rows(
    decisions: dict[float, list[Decision]], counts: Sequence[BrandCounts], known: Iterable[KnownEvent]
) -> list[BudgetRow]:
    """A row per budget, the smallest first."""
    events = list(known)
    return [
        budget_row(budget, made, counts, compare(made, counts, events)) for budget, made in sorted(decisions.items())
    ]


def budget_row(
    budget: float, decisions: Sequence[Decision], counts: Sequence[BrandCounts], matches: Sequence[Match]
) -> BudgetRow:
    """What came of a budget."""
    months = brand_months(counts)
    pages = sum(d.pages for d in decisions)
    enough = months * DAYS_PER_MONTH >= LEAST_DAYS
    tickets = sum(d.notify == "ticket" and d.type in ("opened", "reopened") for d in decisions)
    crises = [m for m in matches if m.known.crisis and m.outcome != "no data"]
    found = [m for m in crises if m.outcome in ("found", "open already")]
    delays = [m.delay_minutes for m in found if m.delay_minutes is not None]
    controls = [m for m in matches if not m.known.crisis and m.outcome != "no data"]
    return BudgetRow(
        budget=budget,
        pages=pages,
        tickets=tickets,
        brand_months=months,
        rate=pages / months if enough else None,
        interval=poisson_interval(pages, months) if enough else None,
        crises=len(crises),
        found=len(found),
        paged=sum(m.notify == "page" for m in found),
        delay_minutes=statistics.median(delays) if delays else None,
        controls=len(controls),
        controls_paged=sum(m.outcome == "paged" for m in controls),
    )


def brand_months(counts: Sequence[BrandCounts]) -> float:
    """Time watched, summed over brands, in months of 30 days; not 0 where nothing was."""
    return max(sum(c.days for c in counts if not c.of) / DAYS_PER_MONTH, 1e-6)

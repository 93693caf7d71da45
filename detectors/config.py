"""What can be set about detection. A user sets the budget (in `BrandProfile`); the rest has reasons to be as it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from detectors.storm import EXACT_AUTHORS


@dataclass(frozen=True)
class BrandProfile:
    """A brand as detection knows it."""

    name: str
    budget: float = 1.0
    """At most this many false pages a month (of 30 days)."""
    time_zone: str = "UTC"
    """IANA name; the daily and weekly rhythm is learned in it."""
    ignore_terms: tuple[str, ...] = ()
    """The brand's own keywords, never shown as terms of an incident."""
    runbook_url: str | None = None
    portfolio: str | None = None
    """Brands of one portfolio that alarm together are one incident (detectors/portfolio)."""
    portfolio_budget: float | None = None
    """Pages a month of all brands of the portfolio; None: what their own budgets add up to."""
    portfolio_runbook_url: str | None = None
    """Of the portfolio's own incidents."""


def budget_of_portfolio(brands: Sequence[BrandProfile]) -> float:
    """Pages a month that a portfolio of these brands may have: its own budget, or what theirs add up to."""
    return brands[0].portfolio_budget or sum(brand.budget for brand in brands)


@dataclass(frozen=True)
class EngineConfig:
    """Constants of the method (docs/detection.md says where each comes from)."""

    share_weight: float = 0.4
    """lambda = 1/alpha: how much evidence of a moved share adds to the log ratio. 0.15 to 0.7 has nearly the same
    power."""
    level_half_lives_hours: tuple[float, float] = (6.0, 96.0)
    """Of the two levels whose mean is expected. Volume and share of a brand wander from hour to hour and from day to
    day; what is not followed is noise in every score."""
    profile_half_life_visits: float = 14.0
    recent_half_life_hours: float = 12.0
    """Of the ungated level that takes over when an episode is absorbed."""
    warm_hours: float = 6.0
    """Hours learned before anything can page."""
    settled_hours: float = 34.0
    """Weight of the hours learned before tickets are opened, silence is called and daily maxima are kept. Older hours
    weigh less (half after the longer half-life): 34 are reached after some 40 hours, with a day's rhythm in them."""
    absorb_after_hours: int = 72
    """An episode open for longer is the new normal."""
    cold_days: int = 14
    """Quiet days before return levels may page below the cold-start ratio."""
    cold_page_ratio: float = 10.0
    """Of negative authors to expected ones, both plus 2: unusual for nearly every brand."""
    cold_ticket_ratio: float = 5.0
    min_page_authors: int = 8
    """Negative authors in the window that pages; nobody is woken for fewer."""
    min_ticket_authors: int = 5
    min_surge_authors: int = 10
    ticket_budget_factor: float = 4.0
    """Tickets are opened at the level exceeded this many times as often as the page level."""
    patience_minutes: int = 5
    """A ticket or an info is opened once its evidence has stood this many minutes more than it has not; a page at
    once."""
    resolve_minutes: int = 30
    reopen_minutes: int = 360
    exact_authors: int = EXACT_AUTHORS
    """Authors of a brand within 24 hours from which those of 6 and 24 hours are counted in sketches, to 1.6 %."""
    update_minutes: int = 15
    update_factor: float = 2.0

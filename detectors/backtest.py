"""What a backtest tells: pages against the budget per brand, and what became of known events. Pure.

Rates come with their exact Poisson interval (poisson.py): a few weeks of data say little about a page a month, and the
report should show that.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from detectors.brand_counts import BrandCounts
from detectors.incidents import Decision, instant
from detectors.known_events import Match
from detectors.poisson import poisson_interval
from detectors.tables import table

DAYS_PER_MONTH = 30.0
LEAST_DAYS = 1.0
"""Of data, below which there is no rate and no verdict."""
LEAST_EXPECTED = 0.5
"""Pages that the budget must have allowed in the time watched before none of them is a good sign."""

Verdict = Literal["within budget", "above budget", "too short to say"]


@dataclass(frozen=True)
class BrandReport:
    """A line of the table."""

    brand: str
    mentions: int
    days: float
    pages: int
    tickets: int
    infos: int
    budget: float
    pages_per_month: float | None
    """None below a day of data."""
    interval: tuple[float, float] | None
    """95 % of the rate, pages a month; None as the rate. Pages for real crises are among them."""
    first_event: str | None
    verdict: Verdict


def report(decisions: Iterable[Decision], counts: Sequence[BrandCounts]) -> list[BrandReport]:
    """Per brand: pages against the budget. Brands in the order of `counts`."""
    own: dict[str, list[Decision]] = {}
    for d in decisions:
        own.setdefault(d.brand, []).append(d)
    out = []
    for c in counts:
        # A portfolio's budget is for all that its brands cost, its own pages among them.
        mine = [d for name in (c.brand, *c.of) for d in own.get(name, [])]
        mine.sort(key=lambda d: (d.tick, d.brand))
        begins = [d for d in mine if d.type in ("opened", "reopened")]
        pages = sum(d.pages for d in mine)
        months = c.days / DAYS_PER_MONTH
        rate, interval = None, None
        if c.days >= LEAST_DAYS:
            low, high = poisson_interval(pages, months)
            rate, interval = round(pages / months, 2), (round(low, 2), round(high, 2))
        out.append(
            BrandReport(
                brand=c.brand,
                mentions=c.mentions,
                days=round(c.days, 1),
                pages=pages,
                tickets=sum(d.notify == "ticket" for d in begins),
                infos=sum(d.notify == "info" for d in begins),
                budget=c.budget,
                pages_per_month=rate,
                interval=interval,
                first_event=instant(mine[0].tick) if mine else None,
                verdict=_verdict(pages, months, c.budget),
            )
        )
    return out


def _verdict(pages: int, months: float, budget: float) -> Verdict:
    if months * DAYS_PER_MONTH < LEAST_DAYS:
        return "too short to say"
    low, high = poisson_interval(pages, months)
    if low > budget:
        return "above budget"
    # As many as the budget allows is within it, but none at all tells nothing where none was to be expected.
    telling = pages > 0 or budget * months >= LEAST_EXPECTED
    if high <= budget or (telling and pages <= budget * months):
        return "within budget"
    return "too short to say"


def render(reports: Sequence[BrandReport], matches: Sequence[Match] = ()) -> str:
    """The report as plain text."""
    head = ["brand", "mentions", "days", "pages", "tickets", "info", "a month", "95 %", "budget", "first event", ""]
    rows = [head]
    for r in reports:
        month, interval = "", "under a day"
        if r.pages_per_month is not None and r.interval is not None:
            month, interval = f"{r.pages_per_month:g}", f"{r.interval[0]:g} to {r.interval[1]:g}"
        rows.append(
            [
                r.brand,
                f"{r.mentions:,}",
                f"{r.days:g}",
                str(r.pages),
                str(r.tickets),
                str(r.infos),
                month,
                interval,
                f"{r.budget:.3g}",
                r.first_event or "none",
                r.verdict,
            ]
        )
    text = table(rows)
    if matches:
        rows = [["brand", "known event", "outcome", "notify", "after", "note"]]
        for m in matches:
            kind = "" if m.known.crisis else "control: "
            after = "" if m.delay_minutes is None else f"{m.delay_minutes} min"
            rows.append([m.known.brand, kind + m.known.event[:60], m.outcome, m.notify or "nothing", after, m.note])
        text += "\n\n" + table(rows)
    return text

"""All that a backtest has to tell, in one place: for the page, for a terminal, for machines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from detectors.backtest import BrandReport, render
from detectors.brand_counts import BrandCounts
from detectors.engine import DETECTOR_VERSION
from detectors.incident_log import IncidentLog
from detectors.incidents import NOTIFY, instant
from detectors.known_events import Match
from detectors.tables import table
from detectors.what_if import BudgetRow

SHOWN = 25
"""Incidents that a terminal lists, the most urgent ones."""


@dataclass(frozen=True)
class Report:
    """What a backtest came to.

    Parameters
    ----------
    files : what was read, as it was named
    command : what to type to have it again
    brands, counts : a row per brand that was read, in the same order
    summary : of all brands together, at their own budgets
    what_if : at other budgets; empty where nobody asked
    notes : what was left out and why, a sentence each
    """

    files: Sequence[str]
    command: str
    tone: str
    model_version: str
    release: str
    brands: Sequence[BrandReport]
    counts: Sequence[BrandCounts]
    incidents: Sequence[IncidentLog]
    matches: Sequence[Match]
    summary: BudgetRow
    what_if: Sequence[BudgetRow] = ()
    notes: Sequence[str] = ()
    detector_version: str = DETECTOR_VERSION
    totals: Mapping[str, int] = field(default_factory=dict)

    @property
    def first(self) -> int:
        """Tick of the first mention."""
        return min(c.first for c in self.counts)

    @property
    def last(self) -> int:
        """Tick of the last mention."""
        return max(c.last for c in self.counts)

    @property
    def watched(self) -> int:
        """How many brands were read; portfolios are none."""
        return sum(not c.of for c in self.counts)

    @property
    def mentions(self) -> int:
        """How many mentions of them."""
        return sum(c.mentions for c in self.counts if not c.of)

    def incidents_of(self, brand: str) -> list[IncidentLog]:
        """Incidents of a brand in order of time."""
        return [log for log in self.incidents if log.brand == brand]

    def plain(self) -> dict[str, Any]:
        """JSON-able; ``report_version`` changes when a field goes or changes its meaning."""
        return {
            "report_version": 1,
            "files": list(self.files),
            "period": {"first": instant(self.first), "last": instant(self.last)},
            "tone": self.tone,
            "versions": {"tocsin": self.release, "detector": self.detector_version, "model": self.model_version},
            "command": self.command,
            "totals": dict(self.totals),
            "notes": list(self.notes),
            "summary": asdict(self.summary),
            "brands": [asdict(one) for one in self.brands],
            "known_events": [_known(one) for one in self.matches],
            "what_if": [asdict(one) for one in self.what_if],
            "incidents": [one.plain() for one in self.incidents],
        }

    def text(self) -> str:
        """For a terminal."""
        parts = [render(self.brands, self.matches)]
        if self.incidents:
            parts.append(_incidents(self.incidents))
        if self.what_if:
            parts.append(_what_if(self.what_if))
        return "\n\n".join(parts)


def _known(match: Match) -> dict[str, Any]:
    event = match.known
    return {
        "brand": event.brand,
        "event": event.event,
        "kind": "crisis" if event.crisis else "control",
        "onset": instant(event.onset),
        "window_start": instant(event.start),
        "window_end": instant(event.end),
        "outcome": match.outcome,
        "notify": match.notify,
        "delay_minutes": match.delay_minutes,
        "note": match.note,
    }


def _incidents(incidents: Sequence[IncidentLog]) -> str:
    urgent = sorted(incidents, key=lambda log: (-NOTIFY.index(log.notify), log.opened))[:SHOWN]
    rows = [["incident", "brand", "asks for", "severity", "lasts", "why"]]
    rows += [
        [
            instant(log.opened)[:16] + "Z",
            log.brand[:30],
            "PAGE" if log.pages else log.notify,
            log.severity,
            lasting(log.minutes) + again(log),
            log.telling.reason,
        ]
        for log in sorted(urgent, key=lambda log: (log.opened, log.brand))
    ]
    text = table(rows)
    left = len(incidents) - len(urgent)
    return text + (f"\n… and {left} more that ask for less" if left else "")


def _what_if(rows: Sequence[BudgetRow]) -> str:
    known = any(row.crises or row.controls for row in rows)
    head = ["budget", "pages", "a brand-month", "95 %", "tickets"]
    cells = [[*head, "crises found", "paged", "median delay", "controls paged"] if known else head]
    for row in rows:
        cell = [
            f"{row.budget:g}",
            str(row.pages),
            "" if row.rate is None else f"{row.rate:.2f}",
            "under a day" if row.interval is None else f"{row.interval[0]:.2f} to {row.interval[1]:.2f}",
            str(row.tickets),
        ]
        if known:
            delay = "" if row.delay_minutes is None else f"{row.delay_minutes:g} min"
            cell += [
                f"{row.found} of {row.crises}",
                str(row.paged),
                delay,
                f"{row.controls_paged} of {row.controls}",
            ]
        cells.append(cell)
    return "What if the budget were another, for all brands:\n" + table(cells)


def again(log: IncidentLog) -> str:
    """That an incident was opened more than once, each time a ticket or an info of its own."""
    return f", opened {len(log.spans)} times" if len(log.spans) > 1 else ""


def lasting(minutes: int | None) -> str:
    """A length of time in two units at most."""
    if minutes is None:
        return "still open"
    if minutes < 60:
        return f"{minutes} min"
    if minutes < 48 * 60:
        return f"{minutes // 60} h" + (f" {minutes % 60:02d}" if minutes % 60 else "")
    return f"{minutes // 1440} d {minutes % 1440 // 60} h"

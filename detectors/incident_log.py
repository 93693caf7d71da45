"""Incidents as they went: the decisions about each, from the first to the last."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from detectors.incidents import NOTIFY, SEVERITY, Decision, instant


@dataclass(frozen=True)
class IncidentLog:
    """One incident; a re-opening within six hours belongs to it."""

    id: str
    brand: str
    events: tuple[Decision, ...]
    """In order of time, at least one."""
    spans: tuple[tuple[int, int | None], ...]
    """First and last tick of each stretch in which it was open; None where the data end before it does."""

    @property
    def opened(self) -> int:
        """Tick at which it opened."""
        return self.events[0].tick

    @property
    def ended(self) -> int | None:
        """Tick at which it was resolved for good; None where it is still open."""
        return self.spans[-1][1] if self.spans else self.events[-1].tick

    @property
    def notify(self) -> str:
        """The most urgent thing that was asked: page, ticket or info."""
        return max((d.notify for d in self.events), key=NOTIFY.index)

    @property
    def severity(self) -> str:
        """The worst it was."""
        return max((d.severity for d in self.events), key=SEVERITY.index)

    @property
    def pages(self) -> int:
        """How many pages were sent about it."""
        return sum(d.pages for d in self.events)

    @property
    def telling(self) -> Decision:
        """The event to read first: the first page, else the one that asked for most."""
        return next((d for d in self.events if d.pages), max(self.events, key=lambda d: NOTIFY.index(d.notify)))

    @property
    def minutes(self) -> int | None:
        """From the beginning to the end; None while it is open."""
        return None if self.ended is None else self.ended - self.opened

    def plain(self) -> dict[str, object]:
        """JSON-able, with the data of the most telling event."""
        return {
            "incident_id": self.id,
            "brand": self.brand,
            "opened": instant(self.opened),
            "ended": None if self.ended is None else instant(self.ended),
            "minutes": self.minutes,
            "notify": self.notify,
            "severity": self.severity,
            "pages": self.pages,
            "events": [
                {"event": d.type, "at": instant(d.tick), "notify": d.notify, "severity": d.severity, "reason": d.reason}
                for d in self.events
            ],
            "told": self.telling.data(),
        }


def incident_logs(decisions: Iterable[Decision]) -> list[IncidentLog]:
    """Incidents in order of their first events."""
    grouped: dict[str, list[Decision]] = {}
    for d in decisions:
        grouped.setdefault(d.incident_id, []).append(d)
    out = []
    for identity, events in grouped.items():
        spans: list[tuple[int, int | None]] = []
        begun: int | None = None
        for d in events:
            if d.type == "resolved":
                spans.append((d.tick if begun is None else begun, d.tick))
                begun = None
            elif begun is None and d.type != "amended":
                begun = d.tick
        if begun is not None:
            spans.append((begun, None))
        out.append(IncidentLog(identity, events[0].brand, tuple(events), tuple(spans)))
    return out

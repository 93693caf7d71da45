"""The incident of a portfolio: when it opens, what it asks for, when it is resolved."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence

from detectors.incidents import EventType
from detectors.portfolio.state import LEVEL, State, Together

LEAST_BRANDS = 3
LEAST_SHARE = 0.3
WITHIN = 60
"""Minutes within which brands alarm together."""
REOPEN = 360
"""Minutes within which a return is the same incident, as with brands."""


def incident_id(portfolio: str, tick: int) -> str:
    """Twelve hex digits from portfolio and first tick; never those of a brand's incident."""
    return hashlib.blake2b(f"{portfolio}\0{tick}".encode(), digest_size=6, person=b"portfolio").hexdigest()


def least(brands: int) -> int:
    """How many of a portfolio's brands that alarm make an incident of the portfolio."""
    return max(LEAST_BRANDS, math.ceil(LEAST_SHARE * brands))


def move(name: str, state: State, tick: int, many: int) -> tuple[EventType, bool] | None:
    """Move the portfolio's incident by a tick in which something was decided; the event and whether it pages.

    `many` of its brands that alarm make an incident (`least`).
    """
    incident = state.incident
    if incident is not None and incident.closed is not None and tick - incident.closed > REOPEN:
        incident = state.incident = None
    hot = sorted(
        brand
        for brand, m in state.members.items()
        if m.open and LEVEL[m.notify] >= LEVEL["ticket"] and tick - m.alarm < WITHIN
    )
    if incident is None or incident.closed is not None:
        if len(hot) < many:
            return None
        event: EventType = "opened" if incident is None else "reopened"
        if incident is None:
            incident = state.incident = Together(incident_id(name, tick), tick, 0, "ticket", 0, hot, 0)
        incident.closed, incident.brands = None, hot
        incident.notify, incident.severity = _asked(state, hot), _usual_severity(state, hot)
        return _told(incident, event, incident.notify == "page")
    incident.brands = sorted({*incident.brands, *hot})
    still = state.still_open()
    if 2 * len(still) < len(incident.brands):
        incident.closed = tick
        return _told(incident, "resolved", False)
    asked, severity = _asked(state, still), _usual_severity(state, still)
    if LEVEL[asked] > LEVEL[incident.notify] or severity > incident.severity:
        pages = asked == "page" and incident.notify != "page"
        incident.notify = "page" if asked == "page" else incident.notify
        incident.severity = max(severity, incident.severity)
        return _told(incident, "escalated", pages)
    if len(incident.brands) >= 2 * incident.told:
        return _told(incident, "updated", False)
    return None


def _asked(state: State, brands: Sequence[str]) -> str:
    return max((state.members[b].notify for b in brands), key=LEVEL.__getitem__, default="ticket")


def _usual_severity(state: State, brands: Sequence[str]) -> int:
    """The lower median: of half of the brands at least it is as bad."""
    return sorted(state.members[b].severity for b in brands)[(len(brands) - 1) // 2] if brands else 0


def _told(incident: Together, event: EventType, pages: bool) -> tuple[EventType, bool]:
    incident.revision += 1
    incident.told = len(incident.brands)
    return event, pages

"""What is made of a brand's decision while its portfolio is in an incident: its page may become a ticket."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import replace

from detectors.incidents import Decision
from detectors.portfolio.state import Member, State, Verdict

FAR_ABOVE = 3.0
"""A brand whose ratio is so many times the median of the others', each in its strongest window, has a crisis of its
own."""
_SAYS_MORE = ("opened", "reopened", "escalated", "updated")


def judged(state: State, d: Decision) -> Decision:
    """What is sent for a decision, now that the portfolio's incident is where this tick has brought it."""
    if d.notify != "page":
        return d
    member, incident = state.members[d.brand], state.incident
    if member.paged and not d.pages:
        return d
    covered = (
        incident is not None
        and incident.closed is None
        and d.brand in incident.brands
        and not _far_above(state, d.brand)
    )
    if covered and incident is not None:
        member.muted_by = incident.id
    elif d.type in _SAYS_MORE:
        member.paged = True
        if d.pages:
            return d
        # Its page was muted; now nothing mutes it any more.
        state.verdicts[_key(d)] = Verdict(d.tick, "page", True, None)
        return replace(d, pages=True)
    if member.muted_by is None:
        return d
    member.paged = False
    state.verdicts[_key(d)] = Verdict(d.tick, "ticket", False, member.muted_by)
    return replace(d, notify="ticket", pages=False, muted_by=member.muted_by)


def again(d: Decision, verdicts: Mapping[str, Verdict]) -> Decision:
    """The same as was made of it the first time."""
    verdict = verdicts.get(_key(d))
    if verdict is None:
        return d
    return replace(d, notify=verdict.notify, pages=verdict.pages, muted_by=verdict.muted_by)


def _far_above(state: State, brand: str) -> bool:
    own = state.members[brand]
    others = [_strongest(state.members[b]) for b in state.still_open() if b != brand]
    return bool(others) and own.severity >= 1 and _strongest(own) >= FAR_ABOVE * statistics.median(others)


def _strongest(member: Member) -> float:
    """Its ratio in the window in which it stands out most: events of one outage tell different windows, and the same
    brand's ratio of an hour and of six are far apart."""
    told = [(float(w["negative_authors"]) + 2.0) / (float(w["negative_expected"]) + 2.0) for w in member.windows]
    return max([*told, member.size["ratio"]])


def _key(d: Decision) -> str:
    return f"{d.incident_id}-{d.revision}"

"""Late mentions: what comes for a window that an event has already told of, and when it is worth telling again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from detectors.columns import Ints
from detectors.incidents import EventType, Incident
from detectors.members import Came
from detectors.windows import WIDTHS

AMEND_MINUTES = 10
"""At least so long between two amendments."""
NOTICEABLE = 0.05
"""Part of the authors told that must have come late before they are told again."""


class LateMention(NamedTuple):
    """A mention whose own minute is before the tick that counted it."""

    minute: int
    author_before: int
    """The newest minute of its author before it came."""
    negative: bool
    negative_before: int
    """The newest minute of a negative mention of its author."""


Late = Mapping[tuple[int, int], Sequence[LateMention]]
"""By row of the brand and tick."""


@dataclass(frozen=True, slots=True)
class TakenIn:
    """Members (m,) with what the windows say of them."""

    came: Came
    before: Ints
    """The newest minute of its author just before it, among all mentions."""
    before_negative: Ints
    """The same among negative ones."""

    def rows(self, begin: int, end: int) -> TakenIn:
        """Some of them."""
        return TakenIn(self.came.rows(begin, end), self.before[begin:end], self.before_negative[begin:end])

    def late(self) -> Late:
        """Those that came late."""
        members = self.came.members
        out: dict[tuple[int, int], list[LateMention]] = {}
        for i in np.nonzero(members.minute < members.tick)[0].tolist():
            mention = LateMention(
                int(members.minute[i]), int(self.before[i]), bool(members.negative[i]), int(self.before_negative[i])
            )
            out.setdefault((int(members.row[i]), int(members.tick[i])), []).append(mention)
        return out


def amend(incident: Incident, tick: int, late: Sequence[LateMention]) -> EventType | None:
    """Count late mentions that belong into the window of the last event; tell when they change its numbers
    noticeably."""
    begin = incident.event_tick - WIDTHS[incident.event_window]
    for mention in late:
        if begin < mention.minute <= incident.event_tick < tick:
            incident.late_mentions += 1
            incident.late_authors += mention.author_before <= begin
            incident.late_negative += mention.negative and mention.negative_before <= begin
    changed = max(
        incident.late_authors - NOTICEABLE * incident.event_authors,
        incident.late_negative - NOTICEABLE * incident.event_negative,
    )
    if changed <= 0 or tick - incident.amended_tick < AMEND_MINUTES:
        return None
    incident.amended_tick = tick
    incident.revision += 1
    return "amended"

"""Incidents: from levels per tick to events with a beginning, an end and one page.

An incident opens when a score stands at its threshold on two ticks (or at once, far above it), is resolved when every
score has been below half its threshold for 30 observed minutes, and a return within six hours re-opens the same
incident. `notify` only rises while it is open (info < ticket < page); severity rises at once and falls after an hour.
What flaps is told ever more rarely: each return doubles the calm that resolves the incident, each further rise of its
severity the time after which that falls, each update the time to the next, all to six hours at most.
Everything here is a pure function of what a tick says.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import msgspec

from detectors.config import EngineConfig
from detectors.score import FAST, MID, SLOW

EventType = Literal["opened", "updated", "escalated", "deescalated", "resolved", "reopened", "amended", "model_changed"]
NOTIFY = ("none", "info", "ticket", "page")
SEVERITY = ("minor", "major", "critical")
DEESCALATE_MINUTES = 60
ALWAYS_WATCHED = 1 << FAST | 1 << MID | 1 << SLOW
"""Detectors that must be calm before any incident is resolved; others only if they had a part in it."""
SLOWEST = 360
"""Minutes at most between plain updates, before severity falls and before an incident is resolved: each doubles, so
that a long or flapping incident stays readable and does not page again and again."""


class Incident(msgspec.Struct, array_like=True):
    """The incident of a brand, open or closed less than six hours ago."""

    id: str
    opened: int
    revision: int
    notify: int
    severity: int
    since: int
    since_earliest: int
    closed: int | None = None
    below: int = 0
    calmer: int = 0
    spacing: int = 15
    event_tick: int = 0
    event_ratio: float = 1.0
    event_window: int = 1
    """Index in windows.WIDTHS of the window the last event was about, and its numbers."""
    event_mentions: int = 0
    event_authors: int = 0
    event_negative: int = 0
    event_authors_expected: float = 0.0
    event_negative_expected: float = 0.0
    late_mentions: int = 0
    late_authors: int = 0
    late_negative: int = 0
    """What came late for the window of the last event and was not in an amendment yet."""
    amended_tick: int = 0
    peak: float = 0.0
    """Largest excess over a page threshold so far, in scales of the daily maxima."""
    detectors: int = 0
    """Bits of the detectors that have agreed so far."""
    absorb_from: int = 0
    """Tick from which the hours until absorption are counted."""
    absorbed: bool = False
    returns: int = 0
    """How often it was re-opened."""
    fell: bool = False
    """Its severity fell and has not risen since."""
    calming: int = DEESCALATE_MINUTES
    """Minutes of lower severity after which its own falls."""

    def resolve_minutes(self, config: EngineConfig) -> int:
        """Calm minutes after which it is resolved."""
        return max(min(config.resolve_minutes << min(self.returns, 16), SLOWEST), config.resolve_minutes)


def incident_id(brand: str, tick: int) -> str:
    """Twelve hex digits from brand and first tick."""
    return hashlib.blake2b(f"{brand}\0{tick}".encode(), digest_size=6).hexdigest()


@dataclass(frozen=True)
class Decision:
    """What a crisis event says. Plain values; floats are rounded so that they print short and alike everywhere."""

    type: EventType
    brand: str
    tick: int
    """Event time: the minute that decided, since 1970-01-01T00:00Z."""
    incident_id: str
    revision: int
    notify: str
    """What the recipient is asked to do: page, ticket or info."""
    pages: bool
    """Whether this event is a page: the first of its incident, or a re-opening."""
    severity: str
    kind: str
    since: int
    """Estimated onset, minute; it is not before `since_earliest`."""
    since_earliest: int
    window_minutes: int
    """The window the numbers below are about."""
    ratio: float
    """Negative authors against expected, both plus 2."""
    volume_ratio: float
    """Authors against expected, both plus 4."""
    mentions: int
    authors: int
    authors_expected: float
    negative_authors: int
    negative_expected: float
    share: float
    """Negative authors among authors."""
    share_expected: float
    detector: str
    """The detector that decided; score, threshold and return period are its."""
    score: float
    threshold: float
    return_period_days: float | None
    """About once in how many quiet days; None while there are too few to say."""
    budget: float
    detectors: tuple[str, ...]
    windows: tuple[dict[str, Any], ...]
    reason: str
    resolves_when: str
    amends: int | None
    """Of an amendment: the revision whose numbers are told again, with the late mentions in them."""
    closed_by: str
    """"event", or "clock" where the wall clock closed the tick of a quiet brand."""
    top_mentions: tuple[dict[str, Any], ...]
    top_terms: tuple[dict[str, Any], ...]
    runbook_url: str | None
    detector_version: str
    model_version: str
    opened: int = 0
    """When the incident was opened."""
    budget_offset: float = 0.0
    """By how many scales of the daily maxima the controller has moved the page thresholds."""
    months: float = 0.0
    """Of 30 days, over which the pages before this event are remembered, and how many of them were false."""
    false_pages: int = 0
    planned: dict[str, Any] | None = None
    """The planned event or the mute that this event is in."""
    response: dict[str, Any] | None = None
    """What people have said about the incident so far."""
    muted_by: str | None = None
    """Incident of its portfolio for which this is a ticket and no page."""
    portfolio: tuple[str, ...] = ()
    """Of a portfolio's incident, whose name stands for the brand: the brands that took part."""

    def data(self) -> dict[str, Any]:
        """The `data` of the CloudEvent: JSON-able, keys in fixed order."""
        return {
            "incident_id": self.incident_id,
            "revision": self.revision,
            "brand": self.brand,
            "event": self.type,
            "notify": self.notify,
            "pages": self.pages,
            "severity": self.severity,
            "kind": {"first": self.kind, "second": None},
            "decided_at": instant(self.tick),
            "opened_at": instant(self.opened),
            "amends": self.amends,
            "since": instant(self.since),
            "since_earliest": instant(self.since_earliest),
            "closed_by": self.closed_by,
            "size": {
                "window_minutes": self.window_minutes,
                "ratio": self.ratio,
                "volume_ratio": self.volume_ratio,
                "mentions": self.mentions,
                "authors": self.authors,
                "authors_expected": self.authors_expected,
                "negative_authors": self.negative_authors,
                "negative_expected": self.negative_expected,
                "share": self.share,
                "share_expected": self.share_expected,
            },
            "why": {
                "detector": self.detector,
                "score": self.score,
                "threshold": self.threshold,
                "return_period_days": self.return_period_days,
                "budget_pages_per_month": self.budget,
                "detectors": list(self.detectors),
                "windows": [dict(w) for w in self.windows],
                "reason": self.reason,
                "budget_offset": self.budget_offset,
                "ledger": {"months": self.months, "false_pages": self.false_pages},
                "planned": self.planned,
            },
            "response": self.response,
            "resolves_when": self.resolves_when,
            "top_mentions": [dict(m) for m in self.top_mentions],
            "top_terms": [dict(t) for t in self.top_terms],
            "links": {"runbook": self.runbook_url},
            "versions": {"detector": self.detector_version, "model": self.model_version},
            **({"muted_by": self.muted_by} if self.muted_by is not None else {}),
            **({"portfolio": list(self.portfolio)} if self.portfolio else {}),
        }


def instant(tick: int) -> str:
    """RFC 3339 of a minute."""
    return (dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(minutes=tick)).strftime("%Y-%m-%dT%H:%M:%SZ")


class TickView(NamedTuple):
    """What the lifecycle needs of one brand's tick."""

    tick: int
    level: int
    """Index of NOTIFY: what the evidence of this tick is worth."""
    severity: int
    excess: float
    active: int
    """Bits of the detectors whose score has not fallen below half their threshold."""
    heard: bool
    """The feed is heard: a tick of silence is no sign of calm."""
    ratio: float
    detectors: int


def step(
    incident: Incident | None, view: TickView, name: str, config: EngineConfig
) -> tuple[Incident | None, EventType | None]:
    """Move a brand's incident by one tick; returns it with the event that makes, if any. `incident` is changed in
    place.

    A new incident has `since` still to be set. A closed one is forgotten after the time in which it may re-open.
    """
    if incident is not None and incident.closed is not None:
        if view.tick - incident.closed > config.reopen_minutes:
            incident = None
        elif view.level == 0:
            return incident, None
        else:
            incident.closed = None
            incident.notify = max(incident.notify, view.level) if view.level == 3 else view.level
            incident.severity, incident.peak = view.severity, view.excess
            incident.detectors |= view.detectors
            incident.returns += 1
            return _say(incident, view, "reopened", config)
    if incident is None:
        if view.level == 0:
            return None, None
        made = Incident(incident_id(name, view.tick), view.tick, 0, view.level, view.severity, view.tick, view.tick)
        made.detectors, made.peak, made.absorb_from = view.detectors, view.excess, view.tick
        return _say(made, view, "opened", config)

    incident.detectors |= view.detectors
    below = view.active & (incident.detectors | ALWAYS_WATCHED) == 0
    if not below:
        incident.below = 0
    elif view.heard:
        incident.below += 1
    incident.peak = max(incident.peak, view.excess)
    if incident.below >= incident.resolve_minutes(config):
        incident.closed = view.tick
        return _say(incident, view, "resolved", config)
    if view.level > incident.notify or (view.level == incident.notify and view.severity > incident.severity):
        if view.level > incident.notify:
            incident.spacing = config.update_minutes
            # What began as a ticket has not been known as what it is now for that long.
            incident.absorb_from, incident.absorbed = view.tick, False
        if view.severity > incident.severity and incident.fell:
            incident.fell, incident.calming = False, min(2 * incident.calming, SLOWEST)
        incident.notify = view.level
        incident.severity = max(view.severity, incident.severity)
        return _say(incident, view, "escalated", config)
    incident.calmer = incident.calmer + 1 if view.severity < incident.severity else 0
    if incident.calmer >= incident.calming:
        incident.severity -= 1
        incident.fell = True
        return _say(incident, view, "deescalated", config)
    quiet_for = view.tick - incident.event_tick
    if quiet_for >= incident.spacing and not below:
        moved = view.ratio / max(incident.event_ratio, 1e-9)
        if moved >= config.update_factor or moved <= 1.0 / config.update_factor:
            spacing = min(2 * incident.spacing, SLOWEST)
            event = _say(incident, view, "updated", config)
            incident.spacing = spacing
            return event
    return incident, None


def give_up(incident: Incident, view: TickView, config: EngineConfig) -> EventType:
    """Resolve an incident of a brand of which nothing is heard any more."""
    incident.closed = view.tick
    return _say(incident, view, "resolved", config)[1]


def _say(incident: Incident, view: TickView, type_: EventType, config: EngineConfig) -> tuple[Incident, EventType]:
    incident.revision += 1
    if type_ in ("opened", "reopened"):
        incident.below = 0
    if type_ == "opened":
        incident.spacing = config.update_minutes
    if type_ not in ("updated", "resolved"):
        incident.calmer = 0
    incident.event_tick, incident.event_ratio = view.tick, view.ratio
    incident.late_mentions = incident.late_authors = incident.late_negative = 0
    return incident, type_

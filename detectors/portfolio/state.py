"""Where a portfolio stands: what is known of its brands' incidents and of its own, and how that is saved."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import msgspec

from detectors.casebook import Casebook
from detectors.incidents import NOTIFY, SEVERITY, Decision
from detectors.records import StateVersionError

KEY = b"portfolio\0"
"""Of the record of a portfolio's state; its name follows."""
VERSION = 1
LEVEL = {name: level for level, name in enumerate(NOTIFY)}
"""What is asked for, as a number: more is more urgent."""
SUMS = ("mentions", "authors", "authors_expected", "negative_authors", "negative_expected")
"""What a portfolio's brands add up to."""


class Verdict(msgspec.Struct, array_like=True):
    """What was made of a decision: the fields that were changed."""

    tick: int
    notify: str
    pages: bool
    muted_by: str | None


class Member(msgspec.Struct):
    """A brand's incident, as its last decision told it."""

    incident: str
    open: bool
    alarm: int
    """Tick at which it was last opened or raised."""
    notify: str
    severity: int
    since: int
    since_earliest: int
    size: dict[str, float]
    windows: list[dict[str, Any]]
    detectors: list[str]
    top_mentions: list[dict[str, Any]]
    top_terms: list[dict[str, Any]]
    paged: bool = False
    """A page has been sent for it."""
    muted_by: str | None = None


class Together(msgspec.Struct):
    """The portfolio's incident, open or resolved less than six hours ago."""

    id: str
    opened: int
    revision: int
    notify: str
    severity: int
    brands: list[str]
    """That took part, in order of their names."""
    told: int
    """How many took part when it was last told."""
    closed: int | None = None


class State(msgspec.Struct):
    """Where a portfolio stands; what is saved."""

    version: int = VERSION
    closed: int = -1
    """Decisions up to this tick are in it."""
    members: dict[str, Member] = {}
    incident: Together | None = None
    verdicts: dict[str, Verdict] = {}
    """By incident and revision."""
    book: Casebook = msgspec.field(default_factory=Casebook)
    """Of the portfolio's own incidents."""

    @property
    def begun(self) -> bool:
        """Whether anything was decided or said about the portfolio."""
        return self.closed >= 0 or bool(self.book.keys)

    def note(self, d: Decision) -> None:
        """Keep what a brand's decision tells of its incident."""
        before = self.members.get(d.brand)
        same = before is not None and before.incident == d.incident_id
        alarms = d.type in ("opened", "reopened", "escalated")
        self.members[d.brand] = Member(
            incident=d.incident_id,
            open=d.type != "resolved",
            alarm=d.tick if alarms or before is None or not same else before.alarm,
            notify=d.notify,
            severity=SEVERITY.index(d.severity),
            since=d.since,
            since_earliest=d.since_earliest,
            size={key: float(getattr(d, key)) for key in (*SUMS, "ratio", "volume_ratio")},
            windows=[dict(w) for w in d.windows],
            detectors=list(d.detectors),
            top_mentions=[dict(m) for m in d.top_mentions],
            top_terms=[dict(t) for t in d.top_terms],
            paged=before.paged if before is not None and same else False,
            muted_by=before.muted_by if before is not None and same else None,
        )

    def still_open(self) -> list[str]:
        """The brands that take part in the portfolio's incident and are in an incident of their own."""
        assert self.incident is not None
        return [brand for brand in self.incident.brands if brand in self.members and self.members[brand].open]


def restored(name: str, value: bytes, brands: Collection[str]) -> State:
    """The state that was saved as `value`, of the `brands` that the portfolio has now.

    Raises
    ------
    StateVersionError
        It was written by another version, or is damaged.
    """
    try:
        version = msgspec.msgpack.decode(value, type=dict[str, Any]).get("version")
        if version != VERSION:
            raise StateVersionError(
                f"the state of portfolio {name} has version {version}, this release reads version {VERSION}: "
                "delete the state and replay the mentions, or run the release that wrote it"
            )
        state = msgspec.msgpack.decode(value, type=State)
    except msgspec.DecodeError as error:
        raise StateVersionError(f"the state of portfolio {name} is damaged: {error}") from error
    state.members = {brand: m for brand, m in state.members.items() if brand in brands}
    if state.incident is not None:
        state.incident.brands = [b for b in state.incident.brands if b in brands]
        if not state.incident.brands:
            state.incident = None
    return state

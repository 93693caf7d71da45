"""Events that are known to have happened, and what became of them: found, missed, wrongly paged. Pure."""

from __future__ import annotations

import csv
import datetime as dt
import difflib
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from detectors.brand_counts import BrandCounts
from detectors.incidents import NOTIFY, Decision, instant

FOUND_WITHIN = 180
"""Minutes from the first bad hour within which a crisis counts as found."""
LATE_WITHIN = 1440
"""Minutes after which an event is no answer to the crisis any more."""
EARLY = 60
"""Minutes before the given onset from which an event may be about it: onsets are rounded to hours."""


@dataclass(frozen=True)
class KnownEvent:
    """Something that is known to have happened."""

    brand: str
    event: str
    crisis: bool
    """False: a control, nobody should be paged."""
    onset: int
    start: int
    """Tick of the first bad hour; of a control its beginning."""
    end: int


_INSTANT = re.compile(r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d)(?::\d\d(?:\.\d+)?)?)?\s*(Z|[+-]\d\d:?\d\d)?(?=\s|\(|$)")


def _tick(text: str | None, where: str) -> int:
    found = _INSTANT.match((text or "").strip())
    if found is None:
        raise ValueError(f"{where}: {text or ''!r} is no time like 2017-04-10T22:00Z")
    day, minute, zone = found.groups()
    try:
        at = dt.datetime.fromisoformat(f"{day}T{minute or '00:00'}{zone or 'Z'}")
    except ValueError as error:
        raise ValueError(f"{where}: {text!r} is no time: {error}") from None
    return int(at.timestamp()) // 60


def read_known_events(text: str) -> list[KnownEvent]:
    """From CSV text with columns brand, event, kind ("crisis..." or "control..."), onset_utc, window_start, window_end.

    Times without an offset are UTC; what follows a time, as in "2017-04-26 (first press)", is passed over. The same
    row twice is one event. Raises ValueError naming line and column where one is missing or not a time.
    """
    rows = csv.DictReader(io.StringIO(text))
    try:
        return list(dict.fromkeys(_events(rows)))
    except csv.Error as error:
        where = f"known events, line {rows.line_num + 1}"
        raise ValueError(f"{where}: {error}; is a quote opened and never closed?") from None


def _events(rows: csv.DictReader[str]) -> Iterator[KnownEvent]:
    needed = ("brand", "event", "kind", "onset_utc", "window_start", "window_end")
    missing = [name for name in needed if name not in (rows.fieldnames or ())]
    if missing:
        raise ValueError(
            f"known events lack the columns {', '.join(missing)}; the first line must name {','.join(needed)}"
        )
    for row in rows:
        where = f"known events, line {rows.line_num}"
        kind = (row["kind"] or "").strip().lower()
        if not kind.startswith(("crisis", "control")):
            raise ValueError(f"{where}: kind must begin with crisis or control, not {row['kind'] or ''!r}")
        brand = (row["brand"] or "").strip()
        if not brand:
            raise ValueError(f"{where}: it names no brand")
        start, end = (
            _tick(row["window_start"], f"{where}, window_start"),
            _tick(row["window_end"], f"{where}, window_end"),
        )
        if end <= start:
            raise ValueError(f"{where}: the window ends before it begins")
        onset = _tick(row["onset_utc"], f"{where}, onset_utc")
        yield KnownEvent(brand, row["event"] or "", kind.startswith("crisis"), onset, start, end)


def not_compared(known: Iterable[KnownEvent], counts: Sequence[BrandCounts]) -> list[str]:
    """Why known events have no outcome, a sentence each: of a brand that was not read, or of another time."""
    have = {c.brand: c for c in counts}
    unknown: dict[str, int] = {}
    outside = 0
    for event in known:
        c = have.get(event.brand)
        if c is None:
            unknown[event.brand] = unknown.get(event.brand, 0) + 1
        elif event.end < c.first or event.start > c.last:
            outside += 1
    out = []
    for brand, events in unknown.items():
        near = difflib.get_close_matches(brand, have, 1)
        meant = f"; did you mean {near[0]!r}?" if near else ""
        out.append(f"known events of {brand!r}: {events}, a brand with no mention in these files{meant}")
    if outside:
        out.append(f"known events outside of the time that was read: {outside}")
    return out


Outcome = Literal["found", "open already", "late", "missed", "not paged", "paged", "no data"]


@dataclass(frozen=True)
class Match:
    """What became of a known event."""

    known: KnownEvent
    outcome: Outcome
    """Crises: found (opened or raised within 3 h of the first bad hour), open already, late (within a day), missed.
    Controls: paged, not paged. Both: no data."""
    notify: str | None
    """The most urgent thing that was sent about it."""
    delay_minutes: int | None
    """From the first bad hour, or from where data begin in it, to the event."""
    note: str


def compare(decisions: Sequence[Decision], counts: Sequence[BrandCounts], known: Iterable[KnownEvent]) -> list[Match]:
    """What became of the known events of brands that were read; events outside the time that was read are left out."""
    have = {c.brand: c for c in counts}
    out = []
    for event in known:
        c = have.get(event.brand)
        if c is None or event.end < c.first or event.start > c.last:
            continue
        mine = [d for d in decisions if d.brand == event.brand]
        out.append(_match(event, c, mine))
    return out


def _match(event: KnownEvent, counts: BrandCounts, mine: Sequence[Decision]) -> Match:
    hours = range(event.start // 60, (event.end - 1) // 60 + 1)
    heard = [h for h in hours if counts.per_hour.get(h, 0) > 0]
    note = "" if len(heard) == len(hours) else f"data in {len(heard)} of {len(hours)} hours"
    if counts.per_hour and not heard:
        return Match(event, "no data", None, None, note)
    begin = max(event.start, 60 * heard[0]) if heard else event.start
    raised = [d for d in mine if d.type in ("opened", "reopened", "escalated")]
    if not event.crisis:
        inside = [d for d in raised if event.start <= d.tick <= event.end]
        pages = [d for d in inside if d.pages]
        most = max((d.notify for d in inside), key=NOTIFY.index, default=None)
        if pages:
            return Match(event, "paged", "page", pages[0].tick - begin, note)
        return Match(event, "not paged", most, None, note)
    earliest = min(event.onset, event.start) - EARLY
    inside = [d for d in raised if earliest <= d.tick <= begin + LATE_WITHIN and d.notify in ("ticket", "page")]
    in_time = [d for d in inside if d.tick <= begin + FOUND_WITHIN]
    if in_time:
        most = max((d.notify for d in in_time), key=NOTIFY.index)
        first = in_time[0]
        return Match(event, "found", most, max(first.tick - begin, 0), note)
    before = [d for d in mine if d.tick < earliest]
    if before and before[-1].type != "resolved":
        since = f"incident {before[-1].incident_id} open since {instant(before[-1].since)}"
        return Match(event, "open already", before[-1].notify, None, f"{since}; {note}" if note else since)
    if inside:
        return Match(event, "late", inside[0].notify, inside[0].tick - begin, note)
    return Match(event, "missed", None, None, note)

"""What a backtest tells: pages against the budget per brand, and known events found, missed or wrongly paged. Pure.

Rates come with their exact Poisson interval (poisson.py): a few weeks of data say little about a page a month, and the
report should show that.
"""

from __future__ import annotations

import csv
import datetime as dt
import difflib
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from detectors.config import BrandProfile, budget_of_portfolio
from detectors.incidents import NOTIFY, Decision, instant
from detectors.observations import Observations
from detectors.poisson import poisson_interval
from detectors.tables import table

MINUTES_PER_DAY = 1440
DAYS_PER_MONTH = 30.0
FOUND_WITHIN = 180
"""Minutes from the first bad hour within which a crisis counts as found."""
LATE_WITHIN = 1440
"""Minutes after which an event is no answer to the crisis any more."""
EARLY = 60
"""Minutes before the given onset from which an event may be about it: onsets are rounded to hours."""


@dataclass(frozen=True)
class BrandCounts:
    """What was read of a brand."""

    brand: str
    mentions: int
    first: int
    """Tick of the first mention; with `last` it spans the time that was watched."""
    last: int
    budget: float = 1.0
    per_hour: Mapping[int, int] = field(default_factory=dict)
    """Mentions per hour since 1970 (tick // 60), hours without any left out; tells gaps in the data from calm."""
    of: tuple[str, ...] = ()
    """Of a portfolio: its brands. It has incidents and pages of its own, but no time and mentions beside theirs."""

    @property
    def days(self) -> float:
        """Days watched."""
        return (self.last - self.first + 1) / MINUTES_PER_DAY


def count(observations: Observations, brands: Sequence[BrandProfile]) -> list[BrandCounts]:
    """Counts of all brands that have a mention."""
    out = []
    for i, profile in enumerate(brands):
        minute = observations.minute[observations.brand == i]
        if len(minute):
            hours, mentions = np.unique(minute // 60, return_counts=True)
            per_hour = dict(zip(hours.tolist(), mentions.tolist(), strict=True))
            first, last = int(minute.min()), int(minute.max())
            out.append(BrandCounts(profile.name, len(minute), first, last, profile.budget, per_hour))
    return out


def portfolio_counts(counts: Sequence[BrandCounts], brands: Sequence[BrandProfile]) -> list[BrandCounts]:
    """Counts of the portfolios of brands that were read."""
    members: dict[str, list[BrandProfile]] = {}
    for brand in brands:
        if brand.portfolio is not None:
            members.setdefault(brand.portfolio, []).append(brand)
    out = []
    for name, own in members.items():
        names = {brand.name for brand in own}
        if read := [c for c in counts if c.brand in names]:
            per_hour: dict[int, int] = {}
            for c in read:
                for hour, mentions in c.per_hour.items():
                    per_hour[hour] = per_hour.get(hour, 0) + mentions
            out.append(
                BrandCounts(
                    brand=name,
                    mentions=sum(c.mentions for c in read),
                    first=min(c.first for c in read),
                    last=max(c.last for c in read),
                    budget=budget_of_portfolio(own),
                    per_hour=per_hour,
                    of=tuple(c.brand for c in read),
                )
            )
    return out


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
    pages_per_month: float
    interval: tuple[float, float]
    """95 % of the rate, pages a month. Pages for real crises are among them."""
    first_event: str | None
    verdict: Literal["within budget", "above budget", "too short to say"]


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
        months = max(c.days, 1.0 / MINUTES_PER_DAY) / DAYS_PER_MONTH
        low, high = poisson_interval(pages, months)
        verdict: Literal["within budget", "above budget", "too short to say"] = "too short to say"
        if low > c.budget:
            verdict = "above budget"
        elif pages <= c.budget * months or high <= c.budget:
            verdict = "within budget"
        out.append(
            BrandReport(
                brand=c.brand,
                mentions=c.mentions,
                days=round(c.days, 1),
                pages=pages,
                tickets=sum(d.notify == "ticket" for d in begins),
                infos=sum(d.notify == "info" for d in begins),
                budget=c.budget,
                pages_per_month=round(pages / months, 2),
                interval=(round(low, 2), round(high, 2)),
                first_event=instant(mine[0].tick) if mine else None,
                verdict=verdict,
            )
        )
    return out


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
    needed = ("brand", "event", "kind", "onset_utc", "window_start", "window_end")
    missing = [name for name in needed if name not in (rows.fieldnames or ())]
    if missing:
        raise ValueError(f"known events lack the columns {', '.join(missing)}")
    out: dict[KnownEvent, None] = {}
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
        out[KnownEvent(brand, row["event"] or "", kind.startswith("crisis"), onset, start, end)] = None
    return list(out)


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


def render(reports: Sequence[BrandReport], matches: Sequence[Match] = ()) -> str:
    """The report as plain text."""
    head = ["brand", "mentions", "days", "pages", "tickets", "info", "a month", "95 %", "budget", "first event", ""]
    rows = [head]
    for r in reports:
        low, high = r.interval
        rows.append(
            [
                r.brand,
                f"{r.mentions:,}",
                f"{r.days:g}",
                str(r.pages),
                str(r.tickets),
                str(r.infos),
                f"{r.pages_per_month:g}",
                f"{low:g} to {high:g}",
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

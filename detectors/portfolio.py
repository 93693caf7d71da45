"""Portfolios: many brands of one source that alarm together are one incident of that source, and one page.

A layer over the decisions about brands. It sees those of a whole tick at once, in order of time, and nothing else: so
it is a pure function of them, and they of the mentions. When at least three of a portfolio's brands, and 30 % of them,
have opened or raised an incident within an hour, an incident of the portfolio opens. It asks for a page as soon as one
of its brands does, and while it is open their pages become tickets that name it; a brand that stands far above the
others still pages. It is resolved when fewer than half of the brands that took part are still in an incident.

A page that was muted is none in its brand's casebook either: at the start of each UTC day the brands are told what was
made of their events of the day before (`made`), which is before any of them can count as false for want of a
verdict. Verdicts on the portfolio's own incidents are kept in a casebook of its own; they change no decision.

A crash may leave a state in which some brands stand before the portfolio and decide some ticks again. What was made of
each decision is kept for a day, so that it is made the same again.
"""

from __future__ import annotations

import hashlib
import math
import statistics
from bisect import insort
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import msgspec

from detectors.casebook import TOLD_OF, Casebook
from detectors.commands import ABOUT_INCIDENTS, Applied, Command
from detectors.config import BrandProfile, budget_of_portfolio
from detectors.incidents import NOTIFY, SEVERITY, Decision, EventType
from detectors.ledger import Account, account
from detectors.records import StateVersionError
from detectors.why import response, short

KEY = b"portfolio\0"
"""Of the record of a portfolio's state; its name follows."""
VERSION = 1
LEAST_BRANDS = 3
LEAST_SHARE = 0.3
WITHIN = 60
"""Minutes within which brands alarm together."""
REOPEN = 360
"""Minutes within which a return is the same incident, as with brands."""
FAR_ABOVE = 3.0
"""A brand whose ratio is so many times the median of the others', each in its strongest window, has a crisis of its
own."""
KEPT = 1440
"""Minutes for which verdicts are kept after they are saved."""
_LEVEL = {name: level for level, name in enumerate(NOTIFY)}
_SAYS_MORE = ("opened", "reopened", "escalated", "updated")


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


class Portfolios:
    """The portfolios of an engine's brands.

    Parameters
    ----------
    brands : of the engine; all brands of a portfolio must be among them
    versions : of detectors and model, told in events
    """

    def __init__(self, brands: Sequence[BrandProfile], versions: tuple[str, str]) -> None:
        self._versions = versions
        self._of = {b.name: b.portfolio for b in brands if b.portfolio is not None}
        self._brands: dict[str, list[BrandProfile]] = {}
        for b in brands:
            if b.portfolio is not None:
                self._brands.setdefault(b.portfolio, []).append(b)
        if names := sorted(set(self._brands) & {b.name for b in brands}):
            raise ValueError(f"a portfolio must not be named as a brand: {', '.join(names)}")
        self._states = {name: State() for name in self._brands}
        self._told: dict[str, dict[str, Command]] = {name: {} for name in self._brands}
        self._waiting: dict[str, list[tuple[tuple[int, int, str], Command]]] = {name: [] for name in self._brands}
        self._applied: list[Applied] = []
        self._dirty: set[str] = set()
        self._upto: int | None = None
        self._saved: int | None = None

    def __bool__(self) -> bool:
        return bool(self._brands)

    def tell(self, command: Command) -> None:
        """Let a command on a portfolio's own incident wait for its tick; others than of these portfolios are passed
        over, as are those known already."""
        told = self._told.get(command.brand)
        if told is not None and command.id not in told:
            told[command.id] = command
            insort(self._waiting[command.brand], (command.order, command))

    def applied(self) -> list[Applied]:
        """What became of commands since the last call."""
        out, self._applied = self._applied, []
        return out

    def ledger(self, started: Callable[[str], int | None], tick: int | None) -> list[Account]:
        """How the portfolios' own pages turned out, in order of their names.

        Parameters
        ----------
        started : tells the tick of the first mention of any of a portfolio's brands
        tick : closed last
        """
        return [self._account(name, started(name), 0 if tick is None else tick) for name in sorted(self._brands)]

    def made(self, day: int | None = None) -> dict[str, dict[str, list[tuple[int, bool]]]]:
        """What was made of brands' events, where it was not what the brand asked for: by portfolio and incident the
        ticks, and whether each was a page.

        Parameters
        ----------
        day : since 1970, to be asked for once it is over; None: all that is kept, the day that is not over included
        """
        out: dict[str, dict[str, list[tuple[int, bool]]]] = {}
        for name, state in self._states.items():
            for key, verdict in state.verdicts.items():
                if day is None or verdict.tick // 1440 == day:
                    incident = key.rpartition("-")[0]
                    out.setdefault(name, {}).setdefault(incident, []).append((verdict.tick, verdict.pages))
        return out

    def _budget(self, name: str) -> float:
        return budget_of_portfolio(self._brands[name])

    def _account(self, name: str, started: int | None, tick: int) -> Account:
        return account(name, self._budget(name), started, tick, self._states[name].book, 0.0)

    def _many(self, name: str) -> int:
        """How many brands that alarm make an incident of the portfolio."""
        return max(LEAST_BRANDS, math.ceil(LEAST_SHARE * len(self._brands[name])))

    def apply(self, decisions: Sequence[Decision], upto: int, started: Callable[[str], int | None]) -> list[Decision]:
        """Decisions of whole ticks up to `upto`, in (tick, brand) order, and what is made of them in the same order.

        `started` as in `ledger`.
        """
        out = [d for d in decisions if d.brand not in self._of]
        own: dict[str, list[Decision]] = {}
        for d in decisions:
            if d.brand in self._of:
                own.setdefault(self._of[d.brand], []).append(d)
        for name, mine in own.items():
            out += self._apply(name, mine, upto, started)
        for name, waiting in self._waiting.items():
            if waiting:
                self._apply_due(name, upto)
        self._upto = upto
        out.sort(key=lambda d: (d.tick, d.brand))
        return out

    def _apply_due(self, name: str, tick: int) -> None:
        """Apply the commands that are due at this tick or before it."""
        waiting, state = self._waiting[name], self._states[name]
        while waiting and waiting[0][1].due <= tick:
            _, command = waiting.pop(0)
            if state.book.knows(command):
                continue
            decided = state.closed if self._upto is None else max(self._upto, state.closed)
            late = command.due <= decided
            if command.kind in ABOUT_INCIDENTS:
                problem = state.book.apply(command, command.due)
            else:
                problem = "a portfolio takes words on its incidents only; plan and mute its brands"
            self._applied.append(Applied(command, decided + 1 if late else command.due, late, problem))
            self._dirty.add(name)

    def _apply(
        self, name: str, decisions: Sequence[Decision], upto: int, started: Callable[[str], int | None]
    ) -> list[Decision]:
        state = self._states[name]
        self._dirty.add(name)
        out = [_again(d, state.verdicts) for d in decisions if d.tick <= state.closed]
        new = [d for d in decisions if d.tick > state.closed]
        for tick in sorted({d.tick for d in new}):
            of_tick = [d for d in new if d.tick == tick]
            for d in of_tick:
                _note(state, d)
            self._apply_due(name, tick)
            event = self._move(name, state, tick)
            if event is not None:
                _file(state, tick, event)
                out.append(self._decision(name, state, tick, event, of_tick, started(name)))
            out += [_judged(state, d) for d in of_tick]
        state.closed = max(state.closed, upto)
        return out

    def _move(self, name: str, state: State, tick: int) -> tuple[EventType, bool] | None:
        """Move the portfolio's incident by a tick in which something was decided; the event and whether it pages."""
        incident = state.incident
        if incident is not None and incident.closed is not None and tick - incident.closed > REOPEN:
            incident = state.incident = None
        hot = sorted(
            brand
            for brand, m in state.members.items()
            if m.open and _LEVEL[m.notify] >= _LEVEL["ticket"] and tick - m.alarm < WITHIN
        )
        if incident is None or incident.closed is not None:
            if len(hot) < self._many(name):
                return None
            event: EventType = "opened" if incident is None else "reopened"
            if incident is None:
                incident = state.incident = Together(incident_id(name, tick), tick, 0, "ticket", 0, hot, 0)
            incident.closed, incident.brands = None, hot
            incident.notify, incident.severity = _asked(state, hot), _usual_severity(state, hot)
            return _told(incident, event, incident.notify == "page")
        incident.brands = sorted({*incident.brands, *hot})
        still = _open(state, incident)
        if 2 * len(still) < len(incident.brands):
            incident.closed = tick
            return _told(incident, "resolved", False)
        asked, severity = _asked(state, still), _usual_severity(state, still)
        if _LEVEL[asked] > _LEVEL[incident.notify] or severity > incident.severity:
            pages = asked == "page" and incident.notify != "page"
            incident.notify = "page" if asked == "page" else incident.notify
            incident.severity = max(severity, incident.severity)
            return _told(incident, "escalated", pages)
        if len(incident.brands) >= 2 * incident.told:
            return _told(incident, "updated", False)
        return None

    def _decision(
        self,
        name: str,
        state: State,
        tick: int,
        event: tuple[EventType, bool],
        of_tick: Sequence[Decision],
        started: int | None,
    ) -> Decision:
        incident = state.incident
        assert incident is not None
        kind, pages = event
        still = _open(state, incident)
        shown = [state.members[b] for b in (still if kind != "resolved" else incident.brands) or incident.brands]
        sums = {key: sum(m.size[key] for m in shown) for key in _SUMS}
        authors, negative = sums["authors"], sums["negative_authors"]
        expected = sums["negative_expected"] / max(sums["authors_expected"], 1e-9)
        profiles = self._brands[name]
        ledger = self._account(name, started, tick)
        named = ", ".join(incident.brands[:8]) + (" and others" if len(incident.brands) > 8 else "")
        if kind == "resolved":
            rest = f"; still in an incident of their own: {', '.join(still)}" if still else ""
            reason = f"fewer than half of {len(incident.brands)} brands are still in an incident{rest}"
        else:
            reason = (
                f"{len(incident.brands)} of {len(profiles)} brands alarm together: {named}; "
                f"{negative:.0f} negative authors against {sums['negative_expected']:.3g} expected"
            )
        return Decision(
            type=kind,
            brand=name,
            tick=tick,
            incident_id=incident.id,
            revision=incident.revision,
            notify=incident.notify,
            pages=pages,
            severity=SEVERITY[incident.severity],
            kind="unknown",
            since=min(m.since for m in shown),
            since_earliest=min(m.since_earliest for m in shown),
            window_minutes=WITHIN,
            ratio=short(statistics.median(m.size["ratio"] for m in shown)),
            volume_ratio=short(statistics.median(m.size["volume_ratio"] for m in shown)),
            mentions=round(sums["mentions"]),
            authors=round(authors),
            authors_expected=short(sums["authors_expected"]),
            negative_authors=round(negative),
            negative_expected=short(sums["negative_expected"]),
            share=short(negative / authors if authors else 0.0),
            share_expected=short(min(expected, 1.0)),
            detector="portfolio",
            score=float(len(incident.brands)),
            threshold=float(self._many(name)),
            return_period_days=None,
            budget=ledger.budget,
            detectors=tuple(sorted({d for m in shown for d in m.detectors})),
            windows=tuple(_summed(m.windows for m in shown)),
            reason=reason,
            resolves_when="fewer than half of the brands that took part are still in an incident",
            amends=None,
            closed_by="clock" if all(d.closed_by == "clock" for d in of_tick) else "event",
            top_mentions=tuple(_mentions(shown)),
            top_terms=tuple(_terms(shown)),
            runbook_url=profiles[0].portfolio_runbook_url,
            detector_version=self._versions[0],
            model_version=self._versions[1],
            opened=incident.opened,
            months=round(ledger.months, 3),
            false_pages=ledger.false,
            response=response(state.book, incident.id),
            portfolio=tuple(incident.brands),
        )

    # -- state

    def changes(self) -> dict[bytes, bytes | None]:
        """Records changed since the last call. To be written before those of the brands: a brand that stands before
        its portfolio is told again what was made of its decisions, one that stands after it could not be."""
        out: dict[bytes, bytes | None] = {}
        for name in sorted(self._dirty):
            state = self._states[name]
            if self._saved is not None:
                # No brand of a state that was saved whole stands before the tick at which it was saved.
                old = self._saved - KEPT
                state.verdicts = {key: verdict for key, verdict in state.verdicts.items() if verdict.tick > old}
            # Keys in the order they have: it is that of the numbers in events.
            out[KEY + name.encode()] = msgspec.msgpack.encode(state)
        self._saved = self._upto
        self._dirty.clear()
        return out

    def whole(self) -> list[list[bytes]]:
        """Records of all portfolios that anything was decided about."""
        return [
            [KEY + name.encode(), msgspec.msgpack.encode(state)]
            for name, state in sorted(self._states.items())
            if _begun(state)
        ]

    def restore(self, items: Iterable[tuple[bytes, bytes]]) -> None:
        """Replace the state by what `changes` gave; portfolios that are not there any more are left out.

        Raises
        ------
        StateVersionError
            A record was written by another version.
        """
        self._states = {name: State() for name in self._brands}
        self._waiting = {
            name: sorted((command.order, command) for command in told.values()) for name, told in self._told.items()
        }
        self._applied = []
        self._dirty.clear()
        self._upto = self._saved = None
        for key, value in items:
            name = key.removeprefix(KEY).decode()
            if name not in self._brands:
                continue
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
            left = {b.name for b in self._brands[name]}
            state.members = {brand: m for brand, m in state.members.items() if brand in left}
            if state.incident is not None:
                state.incident.brands = [b for b in state.incident.brands if b in left]
                if not state.incident.brands:
                    state.incident = None
            self._states[name] = state

    def everything_is_new(self) -> None:
        """Let the next `changes` hold everything."""
        self._dirty.update(name for name, state in self._states.items() if _begun(state))


_SUMS = ("mentions", "authors", "authors_expected", "negative_authors", "negative_expected")


def incident_id(portfolio: str, tick: int) -> str:
    """Twelve hex digits from portfolio and first tick; never those of a brand's incident."""
    return hashlib.blake2b(f"{portfolio}\0{tick}".encode(), digest_size=6, person=b"portfolio").hexdigest()


def scaled(brands: Sequence[BrandProfile]) -> list[BrandProfile]:
    """Brands whose budgets fit into their portfolio's: where they add up to more, each is lowered in proportion."""
    total: dict[str, float] = {}
    for b in brands:
        if b.portfolio is not None:
            total[b.portfolio] = total.get(b.portfolio, 0.0) + b.budget
    out = []
    for b in brands:
        whole = b.portfolio_budget
        if b.portfolio is not None and whole is not None and total[b.portfolio] > whole:
            out.append(replace(b, budget=b.budget * whole / total[b.portfolio]))
        else:
            out.append(b)
    return out


def _begun(state: State) -> bool:
    return state.closed >= 0 or bool(state.book.keys)


def _file(state: State, tick: int, event: tuple[EventType, bool]) -> None:
    incident, (kind, pages) = state.incident, event
    if incident is not None and kind in TOLD_OF:
        level = _LEVEL[incident.notify]
        state.book.file(incident.id, incident.opened, tick, level, page=pages, closed=kind == "resolved")


def _note(state: State, d: Decision) -> None:
    before = state.members.get(d.brand)
    same = before is not None and before.incident == d.incident_id
    alarms = d.type in ("opened", "reopened", "escalated")
    state.members[d.brand] = Member(
        incident=d.incident_id,
        open=d.type != "resolved",
        alarm=d.tick if alarms or before is None or not same else before.alarm,
        notify=d.notify,
        severity=SEVERITY.index(d.severity),
        since=d.since,
        since_earliest=d.since_earliest,
        size={key: float(getattr(d, key)) for key in (*_SUMS, "ratio", "volume_ratio")},
        windows=[dict(w) for w in d.windows],
        detectors=list(d.detectors),
        top_mentions=[dict(m) for m in d.top_mentions],
        top_terms=[dict(t) for t in d.top_terms],
        paged=before.paged if before is not None and same else False,
        muted_by=before.muted_by if before is not None and same else None,
    )


def _judged(state: State, d: Decision) -> Decision:
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
        and not _far_above(state, incident, d.brand)
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


def _again(d: Decision, verdicts: Mapping[str, Verdict]) -> Decision:
    """The same as was made of it the first time."""
    verdict = verdicts.get(_key(d))
    if verdict is None:
        return d
    return replace(d, notify=verdict.notify, pages=verdict.pages, muted_by=verdict.muted_by)


def _key(d: Decision) -> str:
    return f"{d.incident_id}-{d.revision}"


def _open(state: State, incident: Together) -> list[str]:
    return [brand for brand in incident.brands if brand in state.members and state.members[brand].open]


def _far_above(state: State, incident: Together, brand: str) -> bool:
    own = state.members[brand]
    others = [_strongest(state.members[b]) for b in _open(state, incident) if b != brand]
    return bool(others) and own.severity >= 1 and _strongest(own) >= FAR_ABOVE * statistics.median(others)


def _strongest(member: Member) -> float:
    """Its ratio in the window in which it stands out most: events of one outage tell different windows, and the same
    brand's ratio of an hour and of six are far apart."""
    told = [(float(w["negative_authors"]) + 2.0) / (float(w["negative_expected"]) + 2.0) for w in member.windows]
    return max([*told, member.size["ratio"]])


def _asked(state: State, brands: Sequence[str]) -> str:
    return max((state.members[b].notify for b in brands), key=_LEVEL.__getitem__, default="ticket")


def _usual_severity(state: State, brands: Sequence[str]) -> int:
    """The lower median: of half of the brands at least it is as bad."""
    return sorted(state.members[b].severity for b in brands)[(len(brands) - 1) // 2] if brands else 0


def _told(incident: Together, event: EventType, pages: bool) -> tuple[EventType, bool]:
    incident.revision += 1
    incident.told = len(incident.brands)
    return event, pages


def _summed(windows: Iterable[Sequence[Mapping[str, Any]]]) -> list[dict[str, Any]]:
    out: list[dict[str, Any]] = []
    for one in windows:
        for at, window in enumerate(one):
            if at == len(out):
                out.append(dict.fromkeys(window, 0) | {"minutes": window["minutes"]})
            for key, value in window.items():
                if key != "minutes":
                    out[at][key] = out[at][key] + value
    return [{k: short(v) if isinstance(v, float) else v for k, v in window.items()} for window in out]


def _mentions(members: Sequence[Member]) -> list[dict[str, Any]]:
    """The first mention of each of the three brands with the most negative authors."""
    loudest = sorted(members, key=lambda m: -m.size["negative_authors"])
    return [dict(m.top_mentions[0]) for m in loudest if m.top_mentions][:3]


def _terms(members: Sequence[Member]) -> list[dict[str, Any]]:
    """Terms that brands have in common first."""
    found: dict[str, tuple[int, int, float]] = {}
    for m in members:
        for term in m.top_terms:
            brands, authors, times = found.get(term["term"], (0, 0, 0.0))
            found[term["term"]] = (brands + 1, authors + term["authors"], max(times, term["times_normal"]))
    ranked = sorted(found.items(), key=lambda one: (-one[1][0], -one[1][1], one[0]))[:8]
    return [{"term": term, "authors": authors, "times_normal": times} for term, (_, authors, times) in ranked]

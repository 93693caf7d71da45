"""Casebook: what is remembered of a brand's incidents and of what people said about them. Only brands that have
anything have one, and it is bounded: `CASES` incidents of at most a year, `PLANS` planned events and mutes."""

from __future__ import annotations

import itertools
from bisect import insort
from collections.abc import Iterator, Mapping, Sequence

import msgspec
from msgspec.structs import replace

from detectors.commands import Command

Made = Mapping[str, Sequence[tuple[int, bool]]]
"""What a portfolio made of a brand's events: by incident the ticks, and whether each was a page in the end."""

CASES = 64
KEEP_CASES = 365 * 1440
PLANS = 16
PLAN_REACH = 26 * 60
"""Minutes after its end in which a planned event is still in a window (24 h) or in an hour to be learned."""
KEYS = 64
VERDICT_AFTER = 1440
"""Minutes after which a page that nobody has confirmed counts as a false one."""
TOLD_OF = frozenset({"opened", "escalated", "reopened", "resolved"})
"""Events of an incident that its case is told of."""
UNKNOWN, CRISIS, FALSE = 0, 1, -1


class Case(msgspec.Struct, array_like=True):
    """An incident that asked for a ticket or a page."""

    id: str
    opened: int
    closed: int | None
    notify: int
    """Index of incidents.NOTIFY, the most urgent so far."""
    pages: list[int]
    """Ticks of its pages: the first, and re-openings."""
    verdict: int = UNKNOWN
    verdict_at: int | None = None
    acknowledged: int | None = None
    statement: int | None = None
    counted: int = 0
    """How many of its pages the controller has counted as false so far."""

    def false_pages(self, tick: int, after: int = -(2**62)) -> int:
        """How many of its pages later than `after` count as false at this tick."""
        if self.verdict == CRISIS:
            return 0
        limit = tick if self.verdict == FALSE else tick - VERDICT_AFTER
        return sum(after < page <= limit for page in self.pages)

    def open_pages(self, tick: int, after: int = -(2**62)) -> int:
        """How many of its pages still wait for a verdict at this tick."""
        return sum(max(after, tick - VERDICT_AFTER) < page for page in self.pages) if self.verdict == UNKNOWN else 0


class Plan(msgspec.Struct, array_like=True):
    """A time in which more is expected than usual, or (`factor` 0) nobody wants to be told."""

    id: str
    begin: int
    until: int
    factor: float
    note: str | None = None

    @property
    def mutes(self) -> bool:
        """Whether it is a mute."""
        return self.factor == 0.0


class Casebook(msgspec.Struct, array_like=True):
    """One brand's."""

    cases: list[Case] = msgspec.field(default_factory=list)
    """Oldest first."""
    plans: list[Plan] = msgspec.field(default_factory=list)
    keys: list[tuple[int, int]] = msgspec.field(default_factory=list)
    """Due tick and key of the commands applied last, sorted."""
    forgotten: int | None = None
    """Commands due at or before this tick are known to be applied, though their keys are gone."""
    complete_from: int | None = None
    """Tick from which on no page has been dropped; None: none ever was."""
    last_verdict: int | None = None

    def case(self, incident: str) -> Case | None:
        """The case of an incident."""
        return next((one for one in reversed(self.cases) if one.id == incident), None)

    def file(self, incident: str, opened: int, tick: int, notify: int, *, page: bool, closed: bool) -> None:
        """Note an event of an incident that asks, or has asked, for a ticket or a page."""
        case = self.case(incident)
        if case is None:
            case = Case(incident, opened, None, notify, [])
            self.cases.append(case)
        case.notify = max(case.notify, notify)
        case.closed = tick if closed else None
        if page:
            case.pages.append(tick)
        while self.cases and (len(self.cases) > CASES or self.cases[0].opened <= tick - KEEP_CASES):
            gone = self.cases.pop(0)
            if gone.pages:
                self.complete_from = gone.pages[-1] + 1

    def correct(self, incident: str, tick: int, *, page: bool) -> bool:
        """Note that this event of an incident was a page after all, or was none; returns whether that is news."""
        case = self.case(incident)
        if case is None or page == (tick in case.pages):
            return False
        if page:
            insort(case.pages, tick)
        else:
            case.pages.remove(tick)
        return True

    def corrected(self, made: Made) -> Casebook:
        """A copy that knows already what will be noted by `correct`."""
        copy = replace(self, cases=[replace(case, pages=list(case.pages)) for case in self.cases])
        for case in copy.cases:
            for tick, page in made.get(case.id, ()):
                copy.correct(case.id, tick, page=page)
        return copy

    def newly_false(self, tick: int, last: int | None = None) -> int:
        """How many more pages count as false than when this was last asked; fewer, where a verdict came later.

        Pages later than `last` do not count yet: a portfolio may still make tickets of them.
        """
        more = 0
        for case in self.cases:
            count = case.false_pages(tick) - (0 if last is None else case.false_pages(tick, last))
            more += count - case.counted
            case.counted = count
        return more

    def knows(self, command: Command) -> bool:
        """Whether a command was applied already."""
        if self.forgotten is not None and command.due <= self.forgotten:
            return True
        return (command.due, command.key) in self.keys

    def apply(self, command: Command, tick: int) -> str | None:
        """Apply a command at the first tick that knows of it; returns why it has no effect, where it has none."""
        insort(self.keys, (command.due, command.key))
        # Commands are applied in the order of their ticks, so whatever is forgotten lies before all that still come.
        while len(self.keys) > KEYS and self.keys[0][0] < command.due:
            self.forgotten = self.keys.pop(0)[0]
        if command.kind in ("plan", "mute"):
            return self._plan(command, tick)
        if command.kind in ("unmute", "cancel"):
            return self._end_plans(command, tick)
        case = self.case(command.incident or "")
        if case is None:
            return f"no ticket or page of an incident {command.incident} is remembered"
        if command.kind == "ack":
            case.acknowledged = command.at if case.acknowledged is None else min(case.acknowledged, command.at)
        elif command.kind == "statement":
            case.statement = command.at if case.statement is None else min(case.statement, command.at)
        else:
            case.verdict, case.verdict_at = (CRISIS if command.kind == "confirm" else FALSE), command.at
            self.last_verdict = max(command.at, self.last_verdict or command.at)
        return None

    def _plan(self, command: Command, tick: int) -> str | None:
        assert command.begin is not None
        assert command.until is not None
        if command.until <= tick - PLAN_REACH:
            return "it is over"
        self.forget(tick)
        if len(self.plans) >= PLANS:
            return f"the brand has {PLANS} planned events and mutes already, which is all that is kept"
        factor = 0.0 if command.kind == "mute" else command.factor or 1.0
        self.plans.append(Plan(command.id, command.begin, command.until, factor, command.note))
        return None

    def _end_plans(self, command: Command, tick: int) -> str | None:
        ends = [
            plan
            for plan in self.plans
            if plan.until > tick and (plan.id == command.cancels if command.kind == "cancel" else plan.mutes)
        ]
        for plan in ends:
            plan.until = max(tick, plan.begin)
        self.plans = [plan for plan in self.plans if plan.until > plan.begin]
        if not ends:
            return "there is no such plan or mute to end" if command.kind == "cancel" else "nothing is muted"
        return None

    def forget(self, tick: int) -> None:
        """Drop plans that are in no window any more."""
        if self.plans:
            self.plans = [plan for plan in self.plans if plan.until > tick - PLAN_REACH]

    def plan_at(self, tick: int) -> Plan | None:
        """The planned event of a tick: of several the one with the largest factor."""
        inside = [plan for plan in self.plans if not plan.mutes and plan.begin <= tick < plan.until]
        return max(inside, key=lambda plan: (plan.factor, plan.id), default=None)

    def mute_at(self, tick: int) -> Plan | None:
        """The mute of a tick: of several the one that lasts longest."""
        inside = [plan for plan in self.plans if plan.mutes and plan.begin <= tick < plan.until]
        return max(inside, key=lambda plan: (plan.until, plan.id), default=None)

    def stretches(self) -> Iterator[tuple[int, int, float]]:
        """Times without overlap in which the expectation is multiplied: first tick, tick after the last, factor."""
        plans = [plan for plan in self.plans if not plan.mutes]
        edges = sorted({edge for plan in plans for edge in (plan.begin, plan.until)})
        for begin, until in itertools.pairwise(edges):
            factor = max((plan.factor for plan in plans if plan.begin <= begin < plan.until), default=1.0)
            if factor != 1.0:
                yield begin, until, factor

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

from bisect import insort
from collections.abc import Callable, Iterable, Sequence

import msgspec

from detectors.casebook import TOLD_OF
from detectors.commands import ABOUT_INCIDENTS, Applied, Command
from detectors.config import BrandProfile, budget_of_portfolio
from detectors.incidents import Decision, EventType
from detectors.ledger import Account, account
from detectors.portfolio.event import event_of
from detectors.portfolio.incident import least, move
from detectors.portfolio.state import KEY, LEVEL, State, restored
from detectors.portfolio.verdict import again, judged

KEPT = 1440
"""Minutes for which verdicts are kept after they are saved."""


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
        out = [again(d, state.verdicts) for d in decisions if d.tick <= state.closed]
        new = [d for d in decisions if d.tick > state.closed]
        for tick in sorted({d.tick for d in new}):
            of_tick = [d for d in new if d.tick == tick]
            for d in of_tick:
                state.note(d)
            self._apply_due(name, tick)
            event = move(name, state, tick, least(len(self._brands[name])))
            if event is not None:
                _file(state, tick, event)
                by_clock = all(d.closed_by == "clock" for d in of_tick)
                ledger = self._account(name, started(name), tick)
                told = event_of(
                    name,
                    self._brands[name],
                    state,
                    tick,
                    event,
                    by_clock=by_clock,
                    ledger=ledger,
                    versions=self._versions,
                )
                out.append(told)
            out += [judged(state, d) for d in of_tick]
        state.closed = max(state.closed, upto)
        return out

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
            if state.begun
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
            self._states[name] = restored(name, value, {b.name for b in self._brands[name]})

    def everything_is_new(self) -> None:
        """Let the next `changes` hold everything."""
        self._dirty.update(name for name, state in self._states.items() if state.begun)


def _file(state: State, tick: int, event: tuple[EventType, bool]) -> None:
    incident, (kind, pages) = state.incident, event
    if incident is not None and kind in TOLD_OF:
        level = LEVEL[incident.notify]
        state.book.file(incident.id, incident.opened, tick, level, page=pages, closed=kind == "resolved")

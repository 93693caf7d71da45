"""The engine: mentions of closed ticks in, decisions out, for any number of brands.

Decisions are a pure function of the mentions: not of how ticks are grouped into calls, of which brands share an
engine, of snapshots taken and restored in between, nor of any clock.
"""

from __future__ import annotations

import zoneinfo
from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np

from detectors import records, snapshots
from detectors.blocks import advance
from detectors.catching_up import catch_up
from detectors.columns import Ints
from detectors.commands import Applied, Command
from detectors.config import BrandProfile, EngineConfig
from detectors.core import Core
from detectors.detector import Detector
from detectors.detector_set import DetectorSet
from detectors.incidents import Decision
from detectors.ledger import Account
from detectors.levels import Levels, ledger, levels
from detectors.observations import Observations
from detectors.portfolio import Portfolios
from detectors.portfolio.state import KEY as PORTFOLIO
from detectors.recording import Recorder
from detectors.telling import settle, tell
from detectors.unsaved import Unsaved
from detectors.windows import LONG_AGO

DETECTOR_VERSION = "1.9"
"""Changes with anything that can change a decision; it is in every event."""


class Engine:
    """Detection for `brands`.

    Parameters
    ----------
    brands : names must differ
    config : constants of the method
    model_version : of the tone model, told in every event
    detectors : a user's own, which judge beside the built-in ones
    recorder : called with the numbers of every block of ticks, for plots; costs memory and time
    saves : False where nobody will ask for `changes`, so that nothing is kept for them

    Raises
    ------
    ValueError
        Two brands of one name, a budget that is not positive, an unknown time zone, or a portfolio named as a brand.
    DetectorError
        A detector that cannot be used (see detector_set).
    """

    def __init__(
        self,
        brands: Sequence[BrandProfile],
        config: EngineConfig | None = None,
        model_version: str = "",
        recorder: Recorder | None = None,
        detectors: Sequence[Detector] = (),
        saves: bool = True,
    ) -> None:
        names = [b.name for b in brands]
        twice = sorted({n for n in names if names.count(n) > 1}) if len(set(names)) != len(names) else []
        if twice:
            raise ValueError(f"brands of the same name: {', '.join(twice)}")
        for b in brands:
            if not b.budget > 0:
                raise ValueError(f"budget of {b.name} must be above 0 pages a month, not {b.budget}")
            try:
                zoneinfo.ZoneInfo(b.time_zone)
            except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:
                raise ValueError(f"time zone of {b.name}: {b.time_zone!r} is not known") from error
        self.brands: tuple[BrandProfile, ...] = tuple(brands)
        self.config = EngineConfig() if config is None else config
        self.model_version = model_version
        self.recorder = recorder
        self._saves = saves
        self.detectors = DetectorSet(detectors)
        self.version = DETECTOR_VERSION + self.detectors.version
        """Of the detectors, told in every event: the built-in ones', and name and version of each other one."""
        self._position = {name: i for i, name in enumerate(names)}
        self._commands: dict[int, dict[str, Command]] = {}
        self._cores = [self._core(np.arange(len(self.brands)))]
        self._written = snapshots.Written()
        self._portfolios = Portfolios(self.brands, (self.version, model_version))

    def _core(self, index: Ints) -> Core:
        core = Core(self.brands, index, self.config, (self.version, self.model_version), self.detectors)
        core.recorder, core.unsaved = self.recorder, Unsaved(self._saves)
        for position in index.tolist():
            for command in self._commands.get(position, {}).values():
                tell(core, position, command)
        return core

    def tell(self, commands: Iterable[Command]) -> None:
        """Let commands be known, each to be applied at its tick; those that are known already change nothing.

        Tell all that there are before the first `advance`, and new ones before the tick in which they are due: then
        decisions are a pure function of mentions and commands. One that comes later is applied at the next tick. The
        state does not hold commands that are still to be applied: tell them again after a restart. Commands for
        brands or portfolios that this engine does not have are passed over.
        """
        for command in commands:
            position = self._position.get(command.brand)
            if position is None:
                self._portfolios.tell(command)
            if position is None or command.id in self._commands.setdefault(position, {}):
                continue
            self._commands[position][command.id] = command
            for core in self._cores:
                if position in core.index:
                    tell(core, position, command)

    def applied(self) -> list[Applied]:
        """What became of commands since the last call, in the order in which they were applied."""
        out = [*self._portfolios.applied(), *(one for core in self._cores for one in core.applied)]
        for core in self._cores:
            core.applied = []
        return sorted(out, key=lambda one: (one.tick, one.command.order))

    def ledger(self) -> list[Account]:
        """How pages turned out: of each brand in the engine's order, then of each portfolio's own incidents.

        A page that a portfolio muted is in no account, also before its brand is told at the end of the UTC day.
        """
        return ledger(self.brands, self._cores, self._portfolios.made()) + self._portfolio_ledger()

    def _portfolio_ledger(self) -> list[Account]:
        closed = max((core.closed for core in self._cores if core.closed is not None), default=None)
        return self._portfolios.ledger(partial(self._portfolio_started, self._starts()), closed)

    def _starts(self) -> Ints:
        """The tick of each brand's first mention; LONG_AGO before."""
        starts = np.full(len(self.brands), LONG_AGO, np.int64)
        for core in self._cores:
            starts[core.index] = core.track.start
        return starts

    def _portfolio_started(self, starts: Ints, portfolio: str) -> int | None:
        """The tick of the first mention of any of a portfolio's brands; `starts` as of `_starts`."""
        own = [start for brand, start in zip(self.brands, starts.tolist(), strict=True) if brand.portfolio == portfolio]
        return min((start for start in own if start != LONG_AGO), default=None)

    def advance(self, upto: int, observations: Observations, clock_ticks: Collection[int] = ()) -> list[Decision]:
        """Process every tick t with closed < t <= upto, in order, empty ones included.

        Parameters
        ----------
        upto : last tick to close, minutes since 1970
        observations : the members of these ticks; those of ticks that a brand has closed already are skipped
        clock_ticks : ticks that the wall clock closed; a decision made in one says so

        Returns
        -------
        Decisions in (tick, brand name) order.

        Raises
        ------
        ValueError
            Columns of different length, not sorted by tick, an unknown brand, or a member later than `upto`.
        """
        observations.validate(len(self.brands))
        if len(observations) and int(observations.tick[-1]) > upto:
            raise ValueError(f"an observation of tick {int(observations.tick[-1])} in a call up to {upto}")
        if not self._portfolios:
            return self._advance(upto, observations, clock_ticks)
        out: list[Decision] = []
        begin = 0
        for stop in self._stops(upto, observations):
            self._settle(stop)
            end = int(np.searchsorted(observations.tick, stop, "right"))
            rows = observations if end - begin == len(observations) else observations.rows(np.arange(begin, end))
            # Brands begin anew at the ends of days, after all that is decided in them.
            before = self._starts()
            decided = self._advance(stop, rows, clock_ticks)
            starts = np.where(before == LONG_AGO, self._starts(), before)
            out += self._portfolios.apply(decided, stop, partial(self._portfolio_started, starts))
            begin = end
        return out

    def _stops(self, upto: int, observations: Observations) -> Iterator[int]:
        """The last ticks of days on the way to `upto`, and it. There brands are told what their portfolio has made of
        the day: with longer steps the layer would see decisions only after the brands had gone on without it. Days in
        which nothing can be decided are one step."""
        standing = [core.closed for core in self._cores if core.closed is not None]
        begin = min([*standing, *(int(tick) - 1 for tick in observations.tick[:1])], default=upto)
        stop = _days_end(begin + 1)
        while stop < upto:
            yield stop
            if all(core.asleep for core in self._cores):
                place = int(np.searchsorted(observations.tick, stop, "right"))
                wakes = min((int(tick) for tick in observations.tick[place : place + 1]), default=upto)
                stop = max(stop, _days_end(wakes) - 1440)
            stop += 1440
        yield upto

    def _settle(self, stop: int) -> None:
        """Before brands that stand at the end of a day go on: let them know how its pages ended."""
        for core in self._cores:
            if core.closed is None or core.closed >= stop or (core.closed + 1) % 1440:
                continue
            made = self._portfolios.made(core.closed // 1440)
            for position in list(core.casebooks) if made else ():
                portfolio = self.brands[position].portfolio
                if portfolio in made:
                    settle(core, position, made[portfolio])

    def _advance(self, upto: int, observations: Observations, clock_ticks: Collection[int]) -> list[Decision]:
        if len(self._cores) == 1:
            core = self._cores[0]
            if core.closed is not None and len(observations) and int(observations.tick[0]) <= core.closed:
                observations = observations.rows(np.nonzero(observations.tick > core.closed)[0])
            out = advance(core, upto, observations, observations.brand.astype(np.int64), clock_ticks)
        else:
            self._cores, out = catch_up(self._cores, upto, observations, clock_ticks)
        out.sort(key=lambda d: (d.tick, d.brand))
        return out

    def forget_changes(self) -> None:
        """For who saves nothing: drop what the next `changes` would give."""
        self._portfolios.changes()
        for core in self._cores:
            core.unsaved = Unsaved(self._saves)
            core.dirty.clear()
            core.relearned.clear()

    def changes(self) -> dict[bytes, bytes | None]:
        """State changed since the last call as keys and values (None: delete), to be written whole and in this order.

        Only brands that had members or decisions are in it; a brand that was quiet since is caught up through empty
        ticks after `restore`, which gives the same bits. A writer that dies half way leaves a state from which the
        brand goes on a little earlier.

        Raises
        ------
        RuntimeError
            The engine was made not to save.
        """
        if not self._saves:
            raise RuntimeError("this engine was made with saves=False: it has kept nothing to save")
        return {**self._portfolios.changes(), **snapshots.changes(self._cores, self.brands, self._written)}

    def restore(self, items: Iterable[tuple[bytes, bytes]]) -> None:
        """Replace the state by what `changes` gave, in any order.

        Brands may stand at different ticks; `advance` lets those behind catch up. Records of brands that this engine
        does not have are ignored, brands without a record begin anew.

        Raises
        ------
        StateVersionError
            A record was written by another version, a brand's hourly record is missing, or one is damaged.
        """
        saved = list(items)
        self._portfolios.restore(one for one in saved if one[0].startswith(PORTFOLIO))
        brands = (one for one in saved if not one[0].startswith(PORTFOLIO))
        self._cores, self._written = snapshots.restore(brands, self.brands, self._core)

    def state_dict(self) -> dict[str, Any]:
        """Everything, as one versioned dictionary of plain values."""
        items = self._portfolios.whole() + snapshots.whole(self._cores, self.brands, self._written)
        return {"version": records.VERSION, "detector": self.version, "items": items}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Replace the state by what `state_dict` gave. Raises StateVersionError for a foreign version."""
        records.check_version(state.get("version"))
        self.restore((bytes(key), bytes(value)) for key, value in state["items"])
        # Whoever saves by `changes` has none of this yet.
        self._written.panes.clear()
        self._portfolios.everything_is_new()
        for core in self._cores:
            core.everything_is_new()

    def levels(self) -> Levels:
        """Where each brand stands."""
        return levels(self.brands, self._cores, self.detectors, self.ledger())

    def nbytes(self) -> int:
        """Bytes of the arrays of the state (not of kept texts)."""
        return sum(c.nbytes() for c in self._cores)


def _days_end(tick: int) -> int:
    """The last tick of the UTC day of a tick."""
    return tick - tick % 1440 + 1439


__all__ = ["DETECTOR_VERSION", "BrandProfile", "Decision", "Engine", "EngineConfig", "Levels"]

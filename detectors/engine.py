"""The engine: mentions of closed ticks in, decisions out, for any number of brands.

Decisions are a pure function of the mentions: not of how ticks are grouped into calls, of which brands share an
engine, of snapshots taken and restored in between, nor of any clock.
"""

from __future__ import annotations

import itertools
import zoneinfo
from array import array
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors import records
from detectors.budget import NEVER
from detectors.columns import Floats, Ints
from detectors.config import BrandProfile, EngineConfig
from detectors.copies import LIVES
from detectors.core import UNSCORED, Core, Recorder
from detectors.evidence import KEEP_MINUTES, NormalTerms
from detectors.incidents import SEVERITY, Decision
from detectors.observations import Observations
from detectors.score import DETECTORS
from detectors.windows import AUTHORS, LONGEST, MENTIONS, NEGATIVES

DETECTOR_VERSION = "1.0"
"""Changes with anything that can change a decision; it is in every event."""


@dataclass(frozen=True)
class Levels:
    """Where each brand stands after its last closed tick, for metrics and plots. Rows are brands in the engine's
    order."""

    brands: tuple[str, ...]
    detectors: tuple[str, ...]
    closed: NDArray[np.float64]
    """(n,) last closed tick; nan before the first."""
    score: Floats
    """(n, detectors); nan where there is none: cold start, or the feed is silent."""
    threshold: Floats
    """(n, detectors) page thresholds (of `day` the ticket's, of `surge` the info's); nan where a detector cannot yet
    reach one."""
    ticket_threshold: Floats
    ratio: Floats
    """(n,) negative authors of the last hour against expected, both plus 2."""
    mentions: Ints
    """(n,) in the last hour, as the following."""
    authors: Ints
    negative_authors: Ints
    authors_expected: Floats
    negative_expected: Floats
    open: NDArray[np.bool_]
    """(n,) an incident is open."""
    notify: Ints
    """(n,) 0 none, 1 info, 2 ticket, 3 page."""
    severity: tuple[str | None, ...]
    silent: NDArray[np.bool_]
    """(n,) the feed is improbably silent."""
    quiet_days: Ints
    """(n,) days the thresholds rest on."""


class Engine:
    """Detection for `brands`.

    Parameters
    ----------
    brands : names must differ
    config : constants of the method
    model_version : of the tone model, told in every event
    recorder : called with the numbers of every block of ticks, for plots; costs memory and time

    Raises
    ------
    ValueError
        Two brands of one name, a budget that is not positive, or an unknown time zone.
    """

    version: str = DETECTOR_VERSION

    def __init__(
        self,
        brands: Sequence[BrandProfile],
        config: EngineConfig | None = None,
        model_version: str = "",
        recorder: Recorder | None = None,
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
            except (zoneinfo.ZoneInfoNotFoundError, ValueError) as error:
                raise ValueError(f"time zone of {b.name}: {b.time_zone!r} is not known") from error
        self.brands: tuple[BrandProfile, ...] = tuple(brands)
        self.config = EngineConfig() if config is None else config
        self.model_version = model_version
        self.recorder = recorder
        self._position = {n: i for i, n in enumerate(names)}
        self._reset()

    def _reset(self) -> None:
        self._cores = [self._core(np.arange(len(self.brands)))]
        self._hourly: dict[int, int] = {}
        self._panes: dict[int, array[int]] = {}

    def _core(self, index: Ints) -> Core:
        core = Core(self.brands, index, self.config, (self.version, self.model_version))
        core.recorder = self.recorder
        return core

    # -- moving on
    # ---------------------------------------------------------------------------------------------------------

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
        out: list[Decision] = []
        if len(self._cores) == 1:
            core = self._cores[0]
            if core.closed is not None and len(observations) and int(observations.tick[0]) <= core.closed:
                observations = observations.rows(np.nonzero(observations.tick > core.closed)[0])
            brand = observations.brand.astype(np.int64)
            out = core.advance(upto, observations, brand, clock_ticks)
        else:
            self._catch_up(upto, observations, clock_ticks, out)
        out.sort(key=lambda d: (d.tick, d.brand))
        return out

    def _catch_up(
        self, upto: int, observations: Observations, clock_ticks: Collection[int], out: list[Decision]
    ) -> None:
        """Advance cores that stand at different ticks, the one behind first, and join them where they meet."""
        for core in self._cores:
            if core.closed is None:
                own = observations.tick[np.isin(observations.brand, core.index)]
                core.closed = int(own[0]) - 1 if len(own) else upto
        while True:
            behind = [c for c in self._cores if c.closed is not None and c.closed < upto]
            if not behind:
                break
            low = min(c.closed for c in behind if c.closed is not None)
            core = self._join(low)
            target = upto if len(behind) == 1 else min(upto, low + 1 - (low + 1) % 60 + 59)
            inside = (observations.tick > low) & (observations.tick <= target) & np.isin(observations.brand, core.index)
            own_rows = observations.rows(np.nonzero(inside)[0])
            out.extend(core.advance(target, own_rows, np.searchsorted(core.index, own_rows.brand), clock_ticks))
        for closed in sorted({c.closed for c in self._cores if c.closed is not None}):
            self._join(closed)

    def _join(self, closed: int) -> Core:
        """The cores that stand at this tick, made one."""
        same = [c for c in self._cores if c.closed == closed]
        if len(same) == 1:
            return same[0]
        whole = Core.merge(same)
        self._cores = [c for c in self._cores if c.closed != closed] + [whole]
        return whole

    # -- state
    # -------------------------------------------------------------------------------------------------------------

    def changes(self) -> dict[bytes, bytes | None]:
        """State changed since the last call as keys and values (None: delete), to be written whole and in this order.

        Only brands that had members or decisions are in it; a brand that was quiet since is caught up through empty
        ticks after `restore`, which gives the same bits. A writer that dies half way leaves a state from which the
        brand goes on a little earlier.
        """
        out: dict[bytes, bytes | None] = {}
        tail: dict[bytes, bytes | None] = {}
        for core in self._cores:
            self._write_panes(core, out)
            for name in sorted(core.dirty):
                self._write_brand(core, name, out, tail)
            core.dirty.clear()
        return out | tail

    def _write_panes(self, core: Core, out: dict[bytes, bytes | None]) -> None:
        chunks, samples, firsts = core.unsaved.chunks, core.unsaved.samples, core.unsaved.firsts
        if not chunks:
            return
        name, tick, minute, author, flags = (np.concatenate(c) for c in zip(*chunks, strict=True))
        core.unsaved.chunks, core.unsaved.samples, core.unsaved.firsts = [], {}, {}
        if len(name) > 1:
            order = np.lexsort((tick, name))
            name, tick, minute, author, flags = name[order], tick[order], minute[order], author[order], flags[order]
        edge = np.nonzero((np.diff(name) != 0) | (np.diff(tick) != 0))[0] + 1
        bounds = [0, *edge.tolist(), len(name)]
        for a, b in itertools.pairwise(bounds):
            brand, t = int(name[a]), int(tick[a])
            shown, texts = samples.get((brand, t), []), firsts.get((brand, t), [])
            record = records.pane(t, minute[a:b], author[a:b], flags[a:b], shown, texts)
            out[records.pane_key(self.brands[brand].name, t)] = records.encode(record)
            self._panes.setdefault(brand, array("q")).append(t)

    def _write_brand(
        self, core: Core, name: int, out: dict[bytes, bytes | None], tail: dict[bytes, bytes | None]
    ) -> None:
        i = int(np.searchsorted(core.index, name))
        brand = self.brands[name].name
        closed = 0 if core.closed is None else core.closed
        if name in core.relearned or name not in self._hourly:
            number = self._hourly[name] = self._hourly.get(name, 0) + 1
            out[records.HOURLY[number % 2] + brand.encode()] = records.encode(
                self._hourly_record(core, i, name, number)
            )
            core.relearned.discard(name)
        tail[records.BRAND + brand.encode()] = records.encode(self._brand_record(core, i, name, self._hourly[name]))
        panes = self._panes.get(name)
        if panes is not None and panes[0] <= closed - LONGEST:
            gone = [t for t in panes if t <= closed - LONGEST]
            for t in gone:
                tail[records.pane_key(brand, t)] = None
            del panes[: len(gone)]
            if not panes:
                del self._panes[name]

    def _brand_record(self, core: Core, i: int, name: int, number: int) -> records.BrandRecord:
        closed = 0 if core.closed is None else core.closed
        return records.BrandRecord(
            records.VERSION, closed, number, core.gaps.row(i), core.track.row(i), core.incidents.get(name)
        )

    def _hourly_record(self, core: Core, i: int, name: int, number: int) -> records.HourlyRecord:
        normal = core.evidence.normal.get(name)
        return records.HourlyRecord(
            records.VERSION,
            number,
            core.baseline.row(i),
            core.budget.row(i),
            None if normal is None else normal.counts.astype("<f4").tobytes(),
            core.evidence.learned.get(name),
        )

    def restore(self, items: Iterable[tuple[bytes, bytes]]) -> None:
        """Replace the state by what `changes` gave, in any order.

        Brands may stand at different ticks; `advance` lets those behind catch up. Records of brands that this engine
        does not have are ignored, brands without a record begin anew.

        Raises
        ------
        StateVersionError
            A record was written by another version, or a brand's hourly record is missing.
        """
        brands: dict[int, records.BrandRecord] = {}
        hourly: dict[int, list[records.HourlyRecord]] = {}
        panes: dict[int, list[tuple[int, bytes]]] = {}
        for key, value in items:
            head, _, rest = key.partition(b"\0")
            if head + b"\0" == records.PANE:
                name, tick = records.parse_pane_key(key)
                if name in self._position:
                    panes.setdefault(self._position[name], []).append((tick, value))
                continue
            name = rest.decode()
            if name not in self._position:
                continue
            if head + b"\0" == records.BRAND:
                brands[self._position[name]] = records.decode(value, records.BrandRecord)
            elif head + b"\0" in records.HOURLY:
                hourly.setdefault(self._position[name], []).append(records.decode(value, records.HourlyRecord))
            else:
                raise records.StateVersionError(f"unknown kind of state record {head!r}")
        self._reset()
        cores = []
        at: dict[int, list[int]] = {}
        for position, record in brands.items():
            at.setdefault(record.closed, []).append(position)
        for closed, positions in sorted(at.items()):
            index = np.array(sorted(positions), np.int64)
            core = self._core(index)
            core.closed = closed
            for i, position in enumerate(index.tolist()):
                record = brands[position]
                belongs = [h for h in hourly.get(position, []) if h.number == record.hourly]
                if not belongs:
                    raise records.StateVersionError(
                        f"the hourly record {record.hourly} of {self.brands[position].name} is missing"
                    )
                self._load(core, i, position, record, belongs[0])
            core.refresh_thresholds()
            self._load_panes(core, panes)
            cores.append(core)
        rest_of = np.array([i for i in range(len(self.brands)) if i not in brands], np.int64)
        if len(rest_of):
            cores.append(self._core(rest_of))
        if cores:
            self._cores = cores

    def _load(
        self, core: Core, i: int, position: int, record: records.BrandRecord, hourly: records.HourlyRecord
    ) -> None:
        core.gaps.set_row(i, record.gaps)
        core.track.set_row(i, record.track)
        core.baseline.set_row(i, hourly.baseline)
        core.budget.set_row(i, hourly.budget)
        if record.incident is not None:
            core.incidents[position] = record.incident
        if hourly.normal is not None:
            core.evidence.normal[position] = NormalTerms(np.frombuffer(hourly.normal, "<f4").astype(np.float32))
        if hourly.learned is not None:
            core.evidence.learned[position] = hourly.learned
        self._hourly[position] = record.hourly

    def _load_panes(self, core: Core, panes: dict[int, list[tuple[int, bytes]]]) -> None:
        closed = 0 if core.closed is None else core.closed
        brand, minute, author, flags = [], [], [], []
        for i, position in enumerate(core.index.tolist()):
            known = array("q")
            for tick, value in sorted(panes.get(position, [])):
                if tick > closed:
                    continue
                known.append(tick)
                record = records.decode(value, records.PaneRecord)
                m, a, f = records.members(record, tick)
                brand.append(np.full(len(m), i, np.int64))
                minute.append(m)
                author.append(a)
                flags.append(f)
                core.copies.load((position, *first) for first in record.firsts if first[0] > closed - LIVES)
                for sample in record.samples:
                    if sample.tick > closed - KEEP_MINUTES:
                        core.evidence.keep(position, sample)
            if known:
                self._panes[position] = known
        if brand:
            core.windows.load(
                closed, np.concatenate(brand), np.concatenate(minute), np.concatenate(author), np.concatenate(flags)
            )

    def state_dict(self) -> dict[str, Any]:
        """Everything, as one versioned dictionary of plain values."""
        items: list[list[bytes]] = []
        for core in self._cores:
            for i, position in enumerate(core.index.tolist()):
                if core.closed is None or not core.started(i):
                    continue
                brand = self.brands[position].name
                number = self._hourly.get(position, 1)
                minute, author, flags = core.windows.dump(i)
                firsts = core.copies.of(position)
                pane = records.pane(core.closed, minute, author, flags, core.samples(position), firsts)
                items.append([records.pane_key(brand, core.closed), records.encode(pane)])
                hourly = self._hourly_record(core, i, position, number)
                items.append([records.HOURLY[number % 2] + brand.encode(), records.encode(hourly)])
                items.append(
                    [records.BRAND + brand.encode(), records.encode(self._brand_record(core, i, position, number))]
                )
        return {"version": records.VERSION, "detector": self.version, "items": items}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Replace the state by what `state_dict` gave. Raises StateVersionError for a foreign version."""
        if state.get("version") != records.VERSION:
            raise records.StateVersionError(
                f"detector state has version {state.get('version')}, this release reads version {records.VERSION}: "
                "delete the state and replay the mentions, or run the release that wrote it"
            )
        self.restore((bytes(key), bytes(value)) for key, value in state["items"])
        # Whoever saves by `changes` has none of this yet.
        self._panes.clear()
        for core in self._cores:
            core.everything_is_new()

    def levels(self) -> Levels:
        """Where each brand stands."""
        n = len(self.brands)
        closed = np.full(n, np.nan)
        score, threshold, ticket = (np.full((n, len(DETECTORS)), np.nan) for _ in range(3))
        ratio, mu, nu = np.ones(n), np.zeros(n), np.zeros(n)
        mentions, authors, negative = (np.zeros(n, np.int64) for _ in range(3))
        is_open, silent = np.zeros(n, np.bool_), np.zeros(n, np.bool_)
        notify, days = np.zeros(n, np.int64), np.zeros(n, np.int64)
        severity: list[str | None] = [None] * n
        for core in self._cores:
            at = core.index
            if core.closed is None:
                continue
            closed[at] = core.closed
            score[at] = np.where(core.track.score > UNSCORED, core.track.score, np.nan)
            page = core.budget.page
            ticket[at] = np.where(core.budget.ticket < NEVER, core.budget.ticket, np.nan)
            threshold[at] = np.where(page < NEVER, page, ticket[at])
            mu[at], nu[at] = core.expected(1)
            counts = core.windows.counts[:, 1]
            mentions[at], authors[at], negative[at] = (
                counts[MENTIONS],
                counts[AUTHORS],
                np.minimum(counts[NEGATIVES], counts[AUTHORS]),
            )
            ratio[at] = (negative[at] + 2.0) / (nu[at] + 2.0)
            silent[at] = core.gaps.down
            days[at] = core.budget.days
            for position, incident in core.incidents.items():
                if incident.closed is None:
                    is_open[position] = True
                    notify[position] = incident.notify
                    severity[position] = SEVERITY[incident.severity]
        return Levels(
            tuple(b.name for b in self.brands),
            DETECTORS,
            closed,
            score,
            threshold,
            ticket,
            ratio,
            mentions,
            authors,
            negative,
            mu,
            nu,
            is_open,
            notify,
            tuple(severity),
            silent,
            days,
        )

    def nbytes(self) -> int:
        """Bytes of the arrays of the state (not of kept texts)."""
        return sum(c.nbytes() for c in self._cores)


__all__ = ["DETECTOR_VERSION", "BrandProfile", "Decision", "Engine", "EngineConfig", "Levels"]

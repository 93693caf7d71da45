"""Snapshots: what to write after some ticks, and the state made of it again (the records: records.py)."""

from __future__ import annotations

import itertools
from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from detectors import records
from detectors.budget import Budget
from detectors.columns import Ints
from detectors.config import BrandProfile
from detectors.copies import LIVES, First
from detectors.core import Core
from detectors.evidence import KEEP_MINUTES, NormalTerms
from detectors.other_detectors import carried, carried_bits
from detectors.track import Track
from detectors.unsaved import Unsaved
from detectors.windows import LONGEST

Changes = dict[bytes, bytes | None]
"""Keys and values to write; None deletes."""
NewCore = Callable[[Ints], Core]
"""Makes a core that knows nothing yet, of the brands at these positions."""


class Written:
    """Which records of each brand are written: the number of its hourly record, the ticks that have panes.

    Both by the brand's position in the engine.
    """

    def __init__(self) -> None:
        self.hourly: dict[int, int] = {}
        self.panes: dict[int, array[int]] = {}


def changes(cores: Iterable[Core], brands: Sequence[BrandProfile], written: Written) -> Changes:
    """What has changed since the last call, in the order in which it is to be written."""
    out: Changes = {}
    tail: Changes = {}
    for core in cores:
        _write_panes(core, brands, written, out)
        for name in sorted(core.dirty):
            _write_brand(core, name, brands[name].name, written, out, tail)
        core.dirty.clear()
    return out | tail


def _write_panes(core: Core, brands: Sequence[BrandProfile], written: Written, out: Changes) -> None:
    chunks, samples, firsts = core.unsaved.chunks, core.unsaved.samples, core.unsaved.firsts
    sketches = core.unsaved.sketches
    if not chunks:
        return
    name, tick, minute, author, flags = (np.concatenate(c) for c in zip(*chunks, strict=True))
    core.unsaved = Unsaved()
    if len(name) > 1:
        order = np.lexsort((tick, name))
        name, tick, minute, author, flags = name[order], tick[order], minute[order], author[order], flags[order]
    edge = np.nonzero((np.diff(name) != 0) | (np.diff(tick) != 0))[0] + 1
    bounds = [0, *edge.tolist(), len(name)]
    for a, b in itertools.pairwise(bounds):
        brand, t = int(name[a]), int(tick[a])
        shown, texts = samples.get((brand, t), []), firsts.get((brand, t), [])
        sketched = sketches.get((brand, t))
        record = records.pane(t, minute[a:b], author[a:b], flags[a:b], shown, texts, sketched)
        out[records.pane_key(brands[brand].name, t)] = records.encode(record)
        written.panes.setdefault(brand, array("q")).append(t)


def _write_brand(core: Core, name: int, brand: str, written: Written, out: Changes, tail: Changes) -> None:
    i = core.row(name)
    closed = 0 if core.closed is None else core.closed
    if name in core.relearned or name not in written.hourly:
        number = written.hourly[name] = written.hourly.get(name, 0) + 1
        out[records.HOURLY[number % 2] + brand.encode()] = records.encode(_hourly_record(core, i, name, number))
        core.relearned.discard(name)
    tail[records.BRAND + brand.encode()] = records.encode(_brand_record(core, i, name, written.hourly[name]))
    panes = written.panes.get(name)
    if panes is not None and panes[0] <= closed - LONGEST:
        gone = [t for t in panes if t <= closed - LONGEST]
        for t in gone:
            tail[records.pane_key(brand, t)] = None
        del panes[: len(gone)]
        if not panes:
            del written.panes[name]


def _brand_record(core: Core, i: int, name: int, number: int) -> records.BrandRecord:
    closed = 0 if core.closed is None else core.closed
    return records.BrandRecord(
        records.VERSION,
        closed,
        number,
        core.detectors.keys,
        core.gaps.row(i),
        core.track.row(i),
        core.models.row(i),
        {code: core.model_names[code] for code in core.models.codes(i) if code in core.model_names},
        core.incidents.get(name),
    )


def _hourly_record(core: Core, i: int, name: int, number: int) -> records.HourlyRecord:
    normal = core.evidence.normal.get(name)
    return records.HourlyRecord(
        records.VERSION,
        number,
        core.detectors.keys,
        core.baseline.row(i),
        core.budget.row(i),
        None if normal is None else normal.packed(),
        None if normal is None else normal.day,
        {d.key: core.learned[d.name].row(i) for d in core.detectors.learners},
        core.casebooks.get(name),
    )


def whole(cores: Iterable[Core], brands: Sequence[BrandProfile], written: Written) -> list[list[bytes]]:
    """Everything as pairs of key and value, for `restore`; each brand's members as one pane."""
    items: list[list[bytes]] = []
    for core in cores:
        for i, position in enumerate(core.index.tolist()):
            if core.closed is None or not core.remembered(i):
                continue
            brand = brands[position].name
            number = written.hourly.get(position, 1)
            minute, author, flags = core.windows.dump(i)
            firsts = core.copies.of(position)
            samples, sketches = core.samples(position), core.windows.sketches(i)
            pane = records.pane(core.closed, minute, author, flags, samples, firsts, sketches)
            items.append([records.pane_key(brand, core.closed), records.encode(pane)])
            hourly = _hourly_record(core, i, position, number)
            items.append([records.HOURLY[number % 2] + brand.encode(), records.encode(hourly)])
            items.append([records.BRAND + brand.encode(), records.encode(_brand_record(core, i, position, number))])
    return items


def restore(
    items: Iterable[tuple[bytes, bytes]], brands: Sequence[BrandProfile], new_core: NewCore
) -> tuple[list[Core], Written]:
    """The cores that stand where the records say, one per tick, and one of the brands without a record.

    Raises
    ------
    StateVersionError
        A record was written by another version, or a brand's hourly record is missing.
    """
    found = _Found.sort({b.name: i for i, b in enumerate(brands)}, items)
    written = Written()
    cores = []
    at: dict[int, list[int]] = {}
    for position, record in found.brands.items():
        at.setdefault(record.closed, []).append(position)
    for closed, positions in sorted(at.items()):
        core = new_core(np.array(sorted(positions), np.int64))
        core.closed = closed
        for i, position in enumerate(core.index.tolist()):
            record = found.brands[position]
            belongs = [h for h in found.hourly.get(position, []) if h.number == record.hourly]
            if not belongs:
                raise records.StateVersionError(
                    f"the hourly record {record.hourly} of {brands[position].name} is missing"
                )
            try:
                _load(core, i, position, record, belongs[0])
            except records.StateVersionError:
                raise
            except ValueError as error:
                raise _damaged(brands[position].name, error) from error
            written.hourly[position] = record.hourly
        core.set_thresholds()
        _load_panes(core, found.panes, written)
        cores.append(core)
    new = np.array([i for i in range(len(brands)) if i not in found.brands], np.int64)
    if len(new) or not cores:
        cores.append(new_core(new))
    return cores, written


def _damaged(brand: str, error: ValueError) -> records.StateVersionError:
    return records.StateVersionError(
        f"the detector state of {brand} is damaged: {error}; delete the state and replay the mentions"
    )


class _Found:
    """Records by the brand's position."""

    def __init__(self) -> None:
        self.brands: dict[int, records.BrandRecord] = {}
        self.hourly: dict[int, list[records.HourlyRecord]] = {}
        self.panes: dict[int, list[tuple[int, bytes]]] = {}

    @staticmethod
    def sort(position_of: Mapping[str, int], items: Iterable[tuple[bytes, bytes]]) -> _Found:
        """Read the records of these brands; others are left out."""
        found = _Found()
        for key, value in items:
            head, _, rest = key.partition(b"\0")
            if head + b"\0" == records.PANE:
                name, tick = records.parse_pane_key(key)
                if name in position_of:
                    found.panes.setdefault(position_of[name], []).append((tick, value))
                continue
            name = rest.decode()
            if name not in position_of:
                continue
            position = position_of[name]
            if head + b"\0" == records.BRAND:
                found.brands[position] = records.decode(value, records.BrandRecord)
            elif head + b"\0" in records.HOURLY:
                found.hourly.setdefault(position, []).append(records.decode(value, records.HourlyRecord))
            else:
                raise records.StateVersionError(f"unknown kind of state record {head!r}")
        return found


def _load(core: Core, i: int, position: int, record: records.BrandRecord, hourly: records.HourlyRecord) -> None:
    now = core.detectors.keys
    core.gaps.set_row(i, record.gaps)
    core.track.set_row(i, carried(Track, record.track, record.detectors, now))
    core.models.set_row(i, record.models)
    core.model_names.update(record.model_names)
    core.baseline.set_row(i, hourly.baseline)
    core.budget.set_row(i, carried(Budget, hourly.budget, hourly.detectors, now))
    if record.incident is not None:
        core.incidents[position] = record.incident
        record.incident.detectors = carried_bits(record.incident.detectors, record.detectors, now)
    for detector in core.detectors.learners:
        if detector.key in hourly.detectors_learned:
            try:
                core.learned[detector.name].set_row(i, hourly.detectors_learned[detector.key])
            except ValueError as error:
                raise records.StateVersionError(
                    f"what detector {detector.name} has learned was saved in another form under the same version "
                    f"{detector.version} ({error}): give the detector another version"
                ) from error
    if hourly.normal is not None and hourly.learned is not None:
        core.evidence.normal[position] = NormalTerms.unpacked(hourly.normal, hourly.learned)
    if hourly.casebook is not None:
        core.casebooks[position] = hourly.casebook
        core.note_plans(position)


def _load_panes(core: Core, panes: Mapping[int, list[tuple[int, bytes]]], written: Written) -> None:
    closed = 0 if core.closed is None else core.closed
    members: list[tuple[Any, ...]] = []
    sketches: list[tuple[int, int, int, bytes]] = []
    for i, position in enumerate(core.index.tolist()):
        known = array("q")
        for tick, value in sorted(panes.get(position, [])):
            if tick > closed:
                continue
            known.append(tick)
            record = records.decode(value, records.PaneRecord)
            try:
                minute, author, flags = records.members(record, tick)
            except ValueError as error:
                raise _damaged(core.profiles[position].name, error) from error
            members.append((np.full(len(minute), i, np.int64), minute, author, flags))
            sketches += [(i, *one) for one in record.sketches]
            core.copies.load(First(position, *first) for first in record.firsts if first[0] > closed - LIVES)
            for sample in record.samples:
                if sample.tick > closed - KEEP_MINUTES and core.evidence.keep(position, sample):
                    core.topics.add([position], [sample])
        if known:
            written.panes[position] = known
    if members:
        brand, minute, author, flags = (np.concatenate(column) for column in zip(*members, strict=True))
        since = core.track.known_since.T.astype(np.int64)
        core.windows.load(closed, brand, minute, author, flags, since, sketches)

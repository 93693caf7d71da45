"""State as small records: what `Engine.changes` gives and `Engine.restore` takes.

Three kinds of key, all ending in the brand's name (and, for panes, 8 bytes of tick):

* ``brand``: where the brand stands, with its closed tick and the number of the hourly record that belongs to it;
* ``hourly0``/``hourly1``: what changes at the ends of hours only, written alternately, so that the record that
  belongs to the ``brand`` record is still there if a writer dies between the two;
* ``pane``: the members of one tick. A pane later than the brand's closed tick is ignored: its writer died before the
  brand was written.

Numbers are stored bit by bit. `VERSION` changes with any of it; the version before is read (older_state.py), and any
other refused.
"""

from __future__ import annotations

import struct
from typing import Any, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from detectors import older_state
from detectors.casebook import Casebook
from detectors.columns import Ints
from detectors.copies import First
from detectors.evidence import Sample
from detectors.incidents import Incident

R = TypeVar("R", "BrandRecord", "HourlyRecord", "PaneRecord")

VERSION = 8
BRAND, PANE = b"brand\0", b"pane\0"
HOURLY = (b"hourly0\0", b"hourly1\0")


class StateVersionError(ValueError):
    """The state was written by another version of the detectors, or is not theirs at all."""


class BrandRecord(msgspec.Struct):
    """Where a brand stands after its closed tick."""

    version: int
    closed: int
    hourly: int
    detectors: tuple[str, ...]
    """Name and version of each, in the order in which they stand in arrays and bits (see other_detectors)."""
    gaps: dict[str, bytes]
    track: dict[str, bytes]
    models: dict[str, bytes]
    model_names: dict[int, str]
    """Of the codes in `models`."""
    incident: Incident | None


class HourlyRecord(msgspec.Struct):
    """What a brand learns at the ends of hours and days."""

    version: int
    number: int
    detectors: tuple[str, ...]
    baseline: dict[str, bytes]
    budget: dict[str, bytes]
    normal: bytes | None
    """Of evidence.NormalTerms: `usual` and `today`, 16 bits a number."""
    learned: int | None
    """Its `day`."""
    detectors_learned: dict[str, dict[str, bytes]]
    """What detectors have learned, by name and version."""
    casebook: Casebook | None = None


class PaneRecord(msgspec.Struct):
    """The members of a brand's tick."""

    version: int
    ago: bytes
    """Per member: tick less own minute, unsigned 16 bits."""
    author: bytes
    flags: bytes
    """Per member: see windows.COUNTS_AS_MENTION and its neighbours."""
    samples: list[Sample]
    firsts: list[tuple[int, int, int, int]]
    """Tick, key of the text, author and SimHash of first posts (see copies.First)."""
    sketches: list[tuple[int, int, bytes]] = []
    """Kind, minute and sketch of what is known by sketches alone (see windows.Windows.sketches)."""


def encode(record: BrandRecord | HourlyRecord | PaneRecord) -> bytes:
    """The value of a record."""
    return msgspec.msgpack.encode(record)


def decode(value: bytes, kind: type[R]) -> R:
    """Raises StateVersionError for anything but a record of this kind, of this version or of the one before."""
    try:
        found = msgspec.msgpack.decode(value, type=dict[str, Any]).get("version")
    except msgspec.DecodeError as error:
        raise StateVersionError(f"not a detector state record: {error}") from error
    check_version(found)
    try:
        record = msgspec.msgpack.decode(value, type=kind)
        if found == older_state.VERSION:
            _renew(record)
    except (msgspec.DecodeError, ValueError) as error:
        raise StateVersionError(f"detector state record is damaged: {error}") from error
    return record


def _renew(record: BrandRecord | HourlyRecord | PaneRecord) -> None:
    """Make a record of the release before this one's. Panes are as they were."""
    if isinstance(record, BrandRecord):
        record.track = older_state.columns("Track", record.track)
    elif isinstance(record, HourlyRecord):
        record.baseline = older_state.baseline(record.baseline)
        record.budget = older_state.columns("Budget", record.budget)
        if record.normal is not None and record.learned is not None:
            record.normal, record.learned = older_state.normal_terms(record.normal, record.learned)


def check_version(found: object) -> None:
    """Raises StateVersionError for what this release cannot read."""
    if found not in (older_state.VERSION, VERSION):
        raise StateVersionError(
            f"detector state has version {found}, this release reads versions {older_state.VERSION} and {VERSION}: "
            "delete the state and replay the mentions, or run the release that wrote it"
        )


def pane_key(name: str, tick: int) -> bytes:
    """The key of a pane."""
    return PANE + name.encode() + b"\0" + struct.pack(">q", tick)


def parse_pane_key(key: bytes) -> tuple[str, int]:
    """Brand and tick of a pane's key."""
    (tick,) = struct.unpack(">q", key[-8:])
    return key[len(PANE) : -9].decode(), tick


def pane(
    tick: int,
    minute: Ints,
    author: NDArray[np.uint64],
    flags: NDArray[np.uint8],
    samples: list[Sample],
    firsts: list[First],
    sketches: list[tuple[int, int, bytes]] | None = None,
) -> PaneRecord:
    """The record of a tick's members."""
    ago = np.minimum(tick - minute, 65535).astype("<u2")
    who = author.astype("<u8").tobytes()
    texts = [(f.tick, f.key, f.author, f.simhash) for f in firsts]
    return PaneRecord(VERSION, ago.tobytes(), who, flags.tobytes(), samples, texts, sketches or [])


def members(record: PaneRecord, tick: int) -> tuple[Ints, NDArray[np.uint64], NDArray[np.uint8]]:
    """Minute, author and flags of a pane's members. Raises ValueError for one that is damaged."""
    ago = np.frombuffer(record.ago, "<u2").astype(np.int64)
    author, flags = np.frombuffer(record.author, "<u8").astype(np.uint64), np.frombuffer(record.flags, np.uint8)
    if not len(ago) == len(author) == len(flags):
        raise ValueError(f"a pane has {len(ago)} minutes, {len(author)} authors and {len(flags)} flags")
    return tick - ago, author, flags

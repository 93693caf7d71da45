"""Mentions of the last 24 hours per brand and minute, to know when they leave a window. Six bytes a row.

Once their hour is over, the mentions of a brand's minute are one row (two from 4,096 on), so that memory is bounded
however large a storm is.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from detectors.columns import Ints
from detectors.last_minutes import LONGEST, MOST_TICKS, WIDTHS, Changes, Offsets, leaving

_COUNT_BITS = 12
_MOST = (1 << _COUNT_BITS) - 1

Packed = NDArray[np.uint32]
"""Brand's row in the upper 20 bits, how many mentions in the lower 12."""

_W = np.array(WIDTHS, np.int64)


def _pack(brand: Ints, count: Ints) -> Packed:
    return np.asarray((brand << _COUNT_BITS) | count, np.uint32)


class MentionRows:
    """When mentions came, by brand's row."""

    def __init__(self) -> None:
        self.base = 0
        self.packed: Packed = np.zeros(0, np.uint32)
        self.minute: Offsets = np.zeros(0, np.uint16)
        self.new_packed: Packed = np.zeros(0, np.uint32)
        self.new_minute: Offsets = np.zeros(0, np.uint16)
        """Of the running hour, a row per mention."""

    def __len__(self) -> int:
        return len(self.packed) + len(self.new_packed)

    def advance(self, first: int, last: int, brand: Ints, tick: Ints, minute: Ints, changes: Changes) -> None:
        """Take the members of ticks first..last and note how the counts change."""
        if not len(self):
            self.base = first - first % 60 - 1 - LONGEST
        if last - self.base > MOST_TICKS:
            raise ValueError(f"ticks {first} to {last} in one call; at most {MOST_TICKS - LONGEST}")
        for packed, offset in ((self.packed, self.minute), (self.new_packed, self.new_minute)):
            window, row = leaving(offset, self.base, first, last)
            if len(row):
                out = offset[row].astype(np.int64) + self.base + _W[window]
                whose = packed[row].astype(np.int64)
                changes.note(window, whose >> _COUNT_BITS, out, -(whose & _MOST))
        if len(brand):
            ends = minute + _W[:, None]
            changes.add(ends > tick, brand, tick, +1)
            changes.add((ends > tick) & (ends <= last), brand, ends, -1)
            self.new_packed = np.concatenate([self.new_packed, _pack(brand, np.ones(len(brand), np.int64))])
            offset = np.maximum(minute - self.base, 0).astype(np.uint16)
            self.new_minute = np.concatenate([self.new_minute, offset])

    def forget(self, closed: int) -> None:
        """Drop what is in no window any more after tick `closed`, and put the new ones with the others."""
        if not len(self):
            return
        by = closed - LONGEST - self.base
        keep = self.minute > by
        packed, minute = self.packed[keep], self.minute[keep]
        keep = self.new_minute > by
        if keep.any():
            more, more_minute = _together(self.new_packed[keep], self.new_minute[keep])
            packed, minute = np.concatenate([packed, more]), np.concatenate([minute, more_minute])
        self.packed, self.minute = packed, minute - np.uint16(by)
        self.new_packed, self.new_minute = np.zeros(0, np.uint32), np.zeros(0, np.uint16)
        self.base += by

    def load(self, closed: int, brand: Ints, minute: Ints, count: Ints) -> None:
        """Replace everything by members of panes."""
        self.base = closed - LONGEST
        keep = minute > self.base
        brand, minute, count = brand[keep], minute[keep], count[keep]
        times = -(-count // _MOST)
        brand, minute = np.repeat(brand, times), np.repeat(minute, times)
        part = np.full(len(brand), _MOST, np.int64)
        ends = np.cumsum(times) - 1
        some = times > 0
        part[ends[some]] = count[some] - (times[some] - 1) * _MOST
        self.packed, self.minute = _pack(brand, part), (minute - self.base).astype(np.uint16)
        self.new_packed, self.new_minute = np.zeros(0, np.uint32), np.zeros(0, np.uint16)

    def rows(self) -> tuple[Ints, Ints, Ints]:
        """Brand's row, minute and how many."""
        packed = np.concatenate([self.packed, self.new_packed]).astype(np.int64)
        minute = np.concatenate([self.minute, self.new_minute]).astype(np.int64)
        return packed >> _COUNT_BITS, minute + self.base, packed & _MOST

    def of(self, brand: int) -> tuple[Ints, Ints]:
        """Minutes of one brand, ascending, and how many mentions each had."""
        whose, minute, count = self.rows()
        own = whose == brand
        at, inverse = np.unique(minute[own], return_inverse=True)
        return at, np.bincount(inverse, count[own], len(at)).astype(np.int64)

    def counts(self, closed: int, brands: int) -> Ints:
        """Mentions in each window at tick `closed`: (windows, brands)."""
        whose, minute, count = self.rows()
        inside = [minute > closed - width for width in WIDTHS]
        return np.array([np.bincount(whose[i], count[i], brands) for i in inside]).astype(np.int64)

    def nbytes(self) -> int:
        """Bytes of what is remembered."""
        return self.packed.nbytes + self.minute.nbytes + self.new_packed.nbytes + self.new_minute.nbytes


def _together(packed: Packed, minute: Offsets) -> tuple[Packed, Offsets]:
    """A row per brand and minute instead of one per mention."""
    both, count = np.unique((packed.astype(np.int64) >> _COUNT_BITS << 16) | minute, return_counts=True)
    times = -(-count // _MOST)
    if times.max() > 1:
        # As many full rows as needed, and one for the rest.
        rest = count - (times - 1) * _MOST
        both = np.repeat(both, times)
        ends = np.cumsum(times) - 1
        count = np.full(len(both), _MOST, np.int64)
        count[ends] = rest
    return _pack(both >> 16, count), (both & 0xFFFF).astype(np.uint16)

"""The newest minute per author and brand: all there is to know of the authors in sliding windows.

An author is in a window of w minutes at tick t while the newest of their mentions lies in (t - w, t], so a count of
distinct authors changes only when an author arrives who was not inside (+1) or when a newest minute falls out at
minute + w (-1). Ten bytes an author seen within 24 hours: a key of 64 bits and a minute of 16.

A brand with more authors in 24 hours than are worth that is in a storm: the authors of the last hour are still known,
so windows up to an hour stay exact, and those of longer ones are counted in sketches (storm.py), until they have been
few enough for 24 hours.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from detectors.columns import Ints
from detectors.storm import EXACT_AUTHORS, Storm

WIDTHS = (10, 60, 180, 360, 1440)
"""Minutes: confirmation, fast, middle, slow, ticket (DESIGN.md, "Time, order and state", has all but the middle)."""
LONGEST = WIDTHS[-1]
LAST_EXACT = 1
"""Index of the longest window that is exact even in a storm."""
SKETCHED = range(LAST_EXACT + 1, len(WIDTHS))
MOST_TICKS = 60_000
"""Ticks of one call at most; minutes are kept as 16 bits."""
AUTHOR_BITS = 44
"""Of an author's hash; the other 20 bits of a key are the brand's row. Among a hundred thousand authors of a brand two
share their bits with a probability of one in 3,500."""
MOST_BRANDS = 1 << (64 - AUTHOR_BITS)
NEVER_SEEN = -(1 << 40)

Keys = NDArray[np.uint64]
Offsets = NDArray[np.uint16]

_W = np.array(WIDTHS, np.int64)
_EACH = np.arange(len(WIDTHS))[:, None]
_SHIFT = np.uint64(AUTHOR_BITS)
AUTHOR_MASK = np.uint64((1 << AUTHOR_BITS) - 1)
"""Of a hash, what a key holds."""
_OUT_OF_THE_WAY = np.uint16(65535)


def author_key(author: Keys, brand: Ints) -> Keys:
    """One key for author and brand's row, in order of brands."""
    return np.asarray((brand.astype(np.uint64) << _SHIFT) | (author & AUTHOR_MASK), np.uint64)


@dataclass
class Changes:
    """Changes of counts of ticks from `first` on, added up."""

    first: int
    moved: Ints
    """(windows, brands, ticks), contiguous."""

    def note(self, window: Ints, brand: Ints, tick: Ints, by: Ints | int) -> None:
        """One entry per row; `window` is an index of WIDTHS."""
        self._add_at(self._places(window, brand, tick), by)

    def add(self, keep: NDArray[np.bool_], brand: Ints, tick: Ints, by: int) -> None:
        """`keep` is (windows, rows), `brand` (rows,), `tick` either."""
        self._add_at(self._places(_EACH, brand, tick)[keep], by)

    def _places(self, window: Ints, brand: Ints, tick: Ints) -> Ints:
        """Counted from the first one of the first window on: a flat index is several times as fast."""
        _, brands, ticks = self.moved.shape
        return np.asarray(window * (brands * ticks) + (brand * ticks + (tick - self.first)), np.int64)

    def _add_at(self, places: Ints, by: Ints | int) -> None:
        np.add.at(self.moved.reshape(-1, copy=False), places, by)


def leaving(minute: Offsets, base: int, first: int, last: int) -> tuple[Ints, Ints]:
    """Which window each minute leaves in ticks first..last: (windows, rows), a row once per window that it leaves."""
    windows, rows = [], []
    for w, width in enumerate(WIDTHS):
        low, high = first - width - base, last - width - base
        if high < 0 or not len(minute):
            continue
        # One comparison of unsigned numbers: what lies below `low` wraps around to far above.
        least = max(low, 0)
        row = np.nonzero(minute - np.uint16(least) <= np.uint16(high - least))[0]
        if len(row):
            windows.append(np.full(len(row), w, np.int64))
            rows.append(row)
    if not rows:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    return np.concatenate(windows), np.concatenate(rows)


@dataclass
class Table:
    """Authors, sorted by key, with the offset of their newest minute from a base."""

    key: Keys = field(default_factory=lambda: np.zeros(0, np.uint64))
    minute: Offsets = field(default_factory=lambda: np.zeros(0, np.uint16))

    def __len__(self) -> int:
        return len(self.key)

    def find(self, key: Keys) -> tuple[Ints, NDArray[np.bool_]]:
        """Where these keys stand or would stand, and whether they are there."""
        place = np.searchsorted(self.key, key)
        if not len(self.key):
            return place, np.zeros(len(key), np.bool_)
        return place, self.key[np.minimum(place, len(self.key) - 1)] == key

    def range(self, brand: int) -> tuple[int, int]:
        """Where a brand's rows begin and end."""
        ends = author_key(np.array([0, int(AUTHOR_MASK)], np.uint64), np.array([brand, brand]))
        return int(np.searchsorted(self.key, ends[0])), int(np.searchsorted(self.key, ends[1], "right"))

    def insert(self, place: Ints, key: Keys, minute: Offsets) -> None:
        """Put rows where `find` said."""
        if not len(self.key):
            self.key, self.minute = key, minute
            return
        self.key = np.insert(self.key, place, key)
        self.minute = np.insert(self.minute, place, minute)


class LastMinutes:
    """The newest minute per (brand, author). Those of the running hour stand apart, so that a tick over many brands
    does not move the table of a whole day."""

    def __init__(self, exact: int = EXACT_AUTHORS) -> None:
        self.exact = exact
        self.base = 0
        self.storms: dict[int, Storm] = {}
        """By brand's row."""
        self.tables = (Table(), Table())
        """Of the hours before, and of those first seen in this hour."""

    def __len__(self) -> int:
        return len(self.tables[0]) + len(self.tables[1])

    def advance(
        self, first: int, last: int, key: Keys, brand: Ints, tick: Ints, minute: Ints, changes: Changes
    ) -> Ints:
        """Take the members of ticks first..last (rows in tick order) and note how the counts change.

        Returns per row the author's newest minute just before it (`NEVER_SEEN` if not within a day).
        """
        if not len(self):
            self.base = first - first % 60 - 1 - LONGEST
        if last - self.base > MOST_TICKS:
            raise ValueError(f"ticks {first} to {last} in one call; at most {MOST_TICKS - LONGEST}")
        m = len(key)
        before = np.full(m, NEVER_SEEN, np.int64)
        put: list[tuple[Table, Ints, Offsets]] = []
        if m:
            order = np.argsort(key, kind="stable")
            key, brand, tick, minute = key[order], brand[order], tick[order], minute[order]
            fresh = np.ones(m, np.bool_)
            fresh[1:] = key[1:] != key[:-1]
            group = np.cumsum(fresh) - 1
            head = key[fresh]
            known_minute = np.full(len(head), NEVER_SEEN, np.int64)
            found = [table.find(head) for table in self.tables]
            for table, (place, there) in zip(self.tables, found, strict=True):
                if there.any():
                    known_minute[there] = table.minute[place[there]].astype(np.int64) + self.base
            previous = _running(fresh, group, known_minute, minute, first - 2 * LONGEST, last)
            previous[previous <= self.base] = NEVER_SEEN
            # Whether it is still in the table depends on how ticks are grouped, whether it is within a day does not.
            before[order] = np.where(previous > tick - LONGEST, previous, NEVER_SEEN)
            newer = minute > previous
            if newer.any():
                g, b, e, mi, pm = group[newer], brand[newer], tick[newer], minute[newer], previous[newer]
                opens = np.ones(len(g), np.bool_)
                opens[1:] = g[1:] != g[:-1]
                closes = np.ones(len(g), np.bool_)
                closes[:-1] = opens[1:]
                e_before = np.empty_like(e)
                e_before[1:] = e[:-1]
                e_before[opens] = NEVER_SEEN
                ends, left = mi + _W[:, None], pm + _W[:, None]
                changes.add((left <= e) & (ends > e), b, e, +1)
                changes.add((left <= e) & (left >= first) & (left > e_before), b, left, -1)
                changes.add(closes & (ends > e) & (ends <= last), b, ends, -1)
                touched = g[closes]
                offset = np.maximum(mi[closes] - self.base, 0).astype(np.uint16)
                unknown = np.ones(len(touched), np.bool_)
                for table, (place, there) in zip(self.tables, found, strict=True):
                    here = there[touched]
                    at = place[touched[here]]
                    # What these leave is noted above already.
                    table.minute[at] = _OUT_OF_THE_WAY
                    put.append((table, at, offset[here]))
                    unknown &= ~here
        for table in self.tables:
            window, row = leaving(table.minute, self.base, first, last)
            if len(row):
                out = table.minute[row].astype(np.int64) + self.base + _W[window]
                changes.note(window, (table.key[row] >> _SHIFT).astype(np.int64), out, -1)
        if put:
            for table, at, to in put:
                table.minute[at] = to
            if unknown.any():
                made = touched[unknown]
                self.tables[1].insert(found[1][0][made], head[made], offset[unknown])
        return before

    def estimate(self, first: int, last: int, key: Keys, brand: Ints, tick: Ints, minute: Ints, counts: Ints) -> None:
        """Put the counts of brands in a storm right where they come from sketches.

        Rows as in `advance`; `counts` is (windows, n, ticks), and must be asked for after each `advance`.
        """
        for row, storm in self.storms.items():
            own = np.nonzero(brand == row)[0]
            when, minutes, authors = tick[own], minute[own].tolist(), (key[own] & AUTHOR_MASK).tolist()
            ends = np.searchsorted(when, np.arange(first, last + 1), "right").tolist()
            begin = 0
            for j, end in enumerate(ends):
                storm.add(minutes[begin:end], authors[begin:end])
                begin = end
                for w in SKETCHED:
                    counts[w, row, j] = storm.count(first + j, WIDTHS[w])

    def weather(self, closed: int, counts: Ints) -> bool:
        """After the last tick of an hour: let storms begin and end; `counts` (n,) are the authors of 24 hours.

        Says whether one ended: counts have to be made anew.
        """
        base = closed - LONGEST
        ended = False
        for row in [r for r, storm in self.storms.items() if storm.since <= base]:
            del self.storms[row]
            ended = True
        many = set(np.nonzero(counts > self.exact)[0].tolist())
        for row in many - self.storms.keys():
            storm = self.storms[row] = Storm(closed)
            authors, minutes = self.of(row)
            storm.add(minutes.tolist(), authors.tolist())
        for row, storm in self.storms.items():
            storm.forget(base)
            if row in many or counts[row] > self.exact // 2:
                storm.since = closed - WIDTHS[LAST_EXACT]
                self._drop(row, storm.since)
        return ended

    def _drop(self, row: int, upto: int) -> None:
        """Forget the names of a brand's authors whose newest minute is not after `upto`."""
        for table in self.tables:
            begin, end = table.range(row)
            keep = np.ones(len(table), np.bool_)
            keep[begin:end] = table.minute[begin:end].astype(np.int64) + self.base > upto
            table.key, table.minute = table.key[keep], table.minute[keep]

    def storm_of(self, row: int, since: int) -> Storm:
        """The storm of a brand that was in one when its state was saved."""
        return self.storms.setdefault(row, Storm(since))

    def forget(self, closed: int) -> None:
        """Drop authors who are in no window any more after tick `closed`, and make one table of the two."""
        if not len(self):
            return
        old, new = self.tables
        by = closed - LONGEST - self.base
        for table in self.tables:
            keep = table.minute > by
            if not keep.all():
                table.key, table.minute = table.key[keep], table.minute[keep]
            table.minute = table.minute - np.uint16(by)
        self.base += by
        if len(new):
            old.insert(old.find(new.key)[0], new.key, new.minute)
            self.tables = (old, Table())

    def load(self, closed: int, key: Keys, minute: Ints) -> None:
        """Replace everything by members of panes: the newest minute of each author."""
        self.base = closed - LONGEST
        order = np.lexsort((minute, key))
        key, minute = key[order], minute[order]
        newest = np.ones(len(key), np.bool_)
        newest[:-1] = key[1:] != key[:-1]
        newest &= minute > self.base
        self.tables = (Table(key[newest], (minute[newest] - self.base).astype(np.uint16)), Table())

    def rows(self) -> tuple[Ints, Keys, Ints]:
        """Brand's row, author (its lower 44 bits) and newest minute of each, in order of keys."""
        key = np.concatenate([t.key for t in self.tables])
        minute = np.concatenate([t.minute for t in self.tables])
        order = np.argsort(key)
        key = key[order]
        return (key >> _SHIFT).astype(np.int64), key & AUTHOR_MASK, minute[order].astype(np.int64) + self.base

    def of(self, brand: int) -> tuple[Keys, Ints]:
        """Authors (the lower 44 bits) of one brand, ascending, and their newest minutes."""
        key, minute = [], []
        for table in self.tables:
            begin, end = table.range(brand)
            key.append(table.key[begin:end] & AUTHOR_MASK)
            minute.append(table.minute[begin:end].astype(np.int64) + self.base)
        author = np.concatenate(key)
        order = np.argsort(author)
        return author[order], np.concatenate(minute)[order]

    def counts(self, closed: int, brands: int) -> Ints:
        """Authors in each window at tick `closed`: (windows, brands)."""
        brand, _, minute = self.rows()
        counts = np.array([np.bincount(brand[minute > closed - width], minlength=brands) for width in WIDTHS], np.int64)
        for row, storm in self.storms.items():
            for w in SKETCHED:
                counts[w, row] = storm.count(closed, WIDTHS[w])
        return counts

    def nbytes(self) -> int:
        """Bytes of what is remembered."""
        tables = sum(t.key.nbytes + t.minute.nbytes for t in self.tables)
        return tables + sum(storm.nbytes() for storm in self.storms.values())


def _running(fresh: NDArray[np.bool_], group: Ints, known: Ints, minute: Ints, low: int, last: int) -> Ints:
    """Newest minute of a row's author before the row: a running maximum within each author.

    Every author gets a range of numbers above the last one's, so that one running maximum does for all. Minutes at or
    before `low` count as never.
    """
    span = last - low + 2
    offset = group * span - low
    level = np.maximum(minute, low) + offset
    previous = np.maximum(known, low)[group] + offset
    previous[1:] = np.where(fresh[1:], previous[1:], np.maximum(previous[1:], np.maximum.accumulate(level)[:-1]))
    previous -= offset
    previous[previous <= low] = NEVER_SEEN
    return np.asarray(previous, np.int64)

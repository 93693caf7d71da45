"""Sliding windows: mentions, distinct authors and distinct negative authors per brand, exact, each author once per
window.

A window of w minutes at tick t holds the minutes (t - w, t]. An author is in it while the newest of their mentions
is; so the newest minute per (brand, author) is all there is to remember, and the number of distinct authors changes
only when an author arrives who was not inside (+1) or when a newest minute falls out at minute + w (-1). A late
mention (own minute before its effective tick) counts from its effective tick on, in the minute where it belongs.
Everything is an integer, so the counts do not depend on how ticks are grouped.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detectors.columns import Ints

WIDTHS = (10, 60, 360, 1440)
"""Minutes: confirmation, fast, slow, ticket (DESIGN.md, "Time, order and state")."""
LONGEST = WIDTHS[-1]
MENTIONS, AUTHORS, NEGATIVES = 0, 1, 2
"""First axis of the counts."""

COUNTS_AS_MENTION, IS_NEGATIVE, HAS_AUTHOR = 1, 2, 4
"""Flags of a row in a snapshot. An ordinary member has the first and the last; of a copy the negative voice is a row of
its own; a whole dump tells mentions, authors and negative voices apart."""

_W = np.array(WIDTHS, np.int64)
_NEVER = -(1 << 40)


def author_key(author: NDArray[np.uint64], brand: Ints) -> NDArray[np.uint64]:
    """One key for author and brand: the hash shifted by an odd multiple of the brand, modulo 2**64."""
    salt = (brand.astype(np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    return np.asarray(author + salt, np.uint64)


def member_flags(negative: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Flags of ordinary members."""
    return np.where(negative, COUNTS_AS_MENTION | HAS_AUTHOR | IS_NEGATIVE, COUNTS_AS_MENTION | HAS_AUTHOR).astype(
        np.uint8
    )


@dataclass
class _Changes:
    """Changes of counts: window (index of WIDTHS), brand, tick, +1 or -1."""

    window: list[Ints]
    brand: list[Ints]
    tick: list[Ints]
    sign: list[Ints]

    @staticmethod
    def none() -> _Changes:
        return _Changes([], [], [], [])

    def add(self, keep: NDArray[np.bool_], brand: Ints, tick: Ints, sign: int) -> None:
        """`keep` and `tick` are (windows, rows), `brand` (rows,)."""
        window, row = np.nonzero(keep)
        if len(row):
            self.window.append(window)
            self.brand.append(brand[row])
            self.tick.append(tick[window, row])
            self.sign.append(np.full(len(row), sign, np.int64))


class LastMinutes:
    """The newest minute per (brand, author), as arrays sorted by key. Memory: 20 bytes an author seen within 24
    hours."""

    def __init__(self) -> None:
        self.key: NDArray[np.uint64] = np.zeros(0, np.uint64)
        self.brand: NDArray[np.int32] = np.zeros(0, np.int32)
        self.minute: Ints = np.zeros(0, np.int64)

    def advance(
        self, first: int, last: int, key: NDArray[np.uint64], brand: Ints, tick: Ints, minute: Ints, changes: _Changes
    ) -> Ints:
        """Take the members of ticks first..last (rows in tick order) and note how the counts change.

        Returns per row the author's newest minute just before it (`_NEVER` if not within a day).
        """
        m = len(key)
        before = np.full(m, _NEVER, np.int64)
        alive = None
        if m:
            order = np.argsort(key, kind="stable")
            key, brand, tick, minute = key[order], brand[order], tick[order], minute[order]
            fresh = np.ones(m, np.bool_)
            fresh[1:] = key[1:] != key[:-1]
            group = np.cumsum(fresh) - 1
            head = np.nonzero(fresh)[0]
            place = np.searchsorted(self.key, key[head])
            known = np.zeros(len(head), np.bool_)
            inside = place < len(self.key)
            known[inside] = self.key[place[inside]] == key[head][inside]
            known_minute = np.full(len(head), _NEVER, np.int64)
            known_minute[known] = self.minute[place[known]]
            # Running maximum of the minute within each author, by giving every author a range of numbers above the
            # last one's.
            base = first - 2 * LONGEST
            span = last - base + 2
            offset = group * span - base
            level = np.maximum(minute, base) + offset
            start = np.maximum(known_minute, base)[group] + offset
            previous = start.copy()
            previous[1:] = np.where(fresh[1:], start[1:], np.maximum(start[1:], np.maximum.accumulate(level)[:-1]))
            previous -= offset
            previous[previous <= base] = _NEVER
            before[order] = previous
            newer = minute > previous
            if newer.any():
                g, b, e, mi, pm = group[newer], brand[newer], tick[newer], minute[newer], previous[newer]
                opens = np.ones(len(g), np.bool_)
                opens[1:] = g[1:] != g[:-1]
                closes = np.ones(len(g), np.bool_)
                closes[:-1] = opens[1:]
                e_before = np.empty_like(e)
                e_before[1:] = e[:-1]
                e_before[opens] = _NEVER
                ends, left = mi + _W[:, None], pm + _W[:, None]
                changes.add((left <= e) & (ends > e), b, np.broadcast_to(e, ends.shape), +1)
                changes.add((left <= e) & (left >= first) & (left > e_before), b, left, -1)
                changes.add(closes & (ends > e) & (ends <= last), b, ends, -1)
                touched = g[closes]
                at, old = place[touched], known[touched]
                alive = np.ones(len(self.key), np.bool_)
                alive[at[old]] = False
        for w, width in enumerate(WIDTHS):
            gone = (self.minute >= first - width) & (self.minute <= last - width)
            if alive is not None:
                gone &= alive
            row = np.nonzero(gone)[0]
            if len(row):
                changes.window.append(np.full(len(row), w, np.int64))
                changes.brand.append(self.brand[row].astype(np.int64))
                changes.tick.append(self.minute[row] + width)
                changes.sign.append(np.full(len(row), -1, np.int64))
        if alive is not None:
            self.minute[at[old]] = mi[closes][old]
            fresh_at = at[~old]
            if len(fresh_at):
                self.key = np.insert(self.key, fresh_at, key[head][touched][~old])
                self.brand = np.insert(self.brand, fresh_at, b[closes][~old].astype(np.int32))
                self.minute = np.insert(self.minute, fresh_at, mi[closes][~old])
        return before

    def forget(self, closed: int) -> None:
        """Drop authors who are in no window any more after tick `closed`."""
        keep = self.minute > closed - LONGEST
        if not keep.all():
            self.key, self.brand, self.minute = self.key[keep], self.brand[keep], self.minute[keep]

    def load(self, closed: int, key: NDArray[np.uint64], brand: Ints, minute: Ints) -> None:
        """From the members of panes: the newest minute of each author."""
        order = np.lexsort((minute, key))
        key, brand, minute = key[order], brand[order], minute[order]
        newest = np.ones(len(key), np.bool_)
        newest[:-1] = key[1:] != key[:-1]
        newest &= minute > closed - LONGEST
        self.key, self.brand, self.minute = key[newest], brand[newest].astype(np.int32), minute[newest]

    def nbytes(self) -> int:
        """Bytes of what is remembered."""
        return self.key.nbytes + self.brand.nbytes + self.minute.nbytes


class Windows:
    """Counts over all windows for n brands, moved on from tick to tick.

    counts : (3, 4, n) int64, [MENTIONS | AUTHORS | NEGATIVES, window of WIDTHS, brand], at the tick moved to last.
    """

    def __init__(self, names: Ints) -> None:
        self.names = names  # what tells brands apart in author keys: the position in the whole engine
        self.counts = np.zeros((3, len(WIDTHS), len(names)), np.int64)
        self.authors, self.negatives = LastMinutes(), LastMinutes()
        self.mention_brand: NDArray[np.int32] = np.zeros(0, np.int32)
        self.mention_minute: Ints = np.zeros(0, np.int64)

    def advance(
        self,
        first: int,
        last: int,
        brand: Ints,
        tick: Ints,
        minute: Ints,
        author: NDArray[np.uint64],
        voice: NDArray[np.uint64],
        negative: NDArray[np.bool_],
    ) -> tuple[Ints, Ints, Ints]:
        """Counts at each tick first..last, (3, 4, n, ticks), and per member row the newest minute of its author before.

        That minute is given among all mentions, and among negative ones (`_NEVER` for members that are not negative).
        `voice` is for whom a negative member counts: its author, unless it is a copy.
        """
        n, k = len(self.names), last - first + 1
        changes = [_Changes.none() for _ in range(3)]
        width = _W[:, None]
        for w in range(len(WIDTHS)):
            gone = (self.mention_minute >= first - WIDTHS[w]) & (self.mention_minute <= last - WIDTHS[w])
            row = np.nonzero(gone)[0]
            if len(row):
                changes[MENTIONS].window.append(np.full(len(row), w, np.int64))
                changes[MENTIONS].brand.append(self.mention_brand[row].astype(np.int64))
                changes[MENTIONS].tick.append(self.mention_minute[row] + WIDTHS[w])
                changes[MENTIONS].sign.append(np.full(len(row), -1, np.int64))
        key, voice_key = author_key(author, self.names[brand]), author_key(voice, self.names[brand])
        if len(brand):
            ends = minute + width
            changes[MENTIONS].add(ends > tick, brand, np.broadcast_to(tick, ends.shape), +1)
            changes[MENTIONS].add((ends > tick) & (ends <= last), brand, ends, -1)
            self.mention_brand = np.concatenate([self.mention_brand, brand.astype(np.int32)])
            self.mention_minute = np.concatenate([self.mention_minute, minute])
        before = self.authors.advance(first, last, key, brand, tick, minute, changes[AUTHORS])
        which = np.nonzero(negative)[0]
        before_negative = np.full(len(brand), _NEVER, np.int64)
        before_negative[which] = self.negatives.advance(
            first, last, voice_key[which], brand[which], tick[which], minute[which], changes[NEGATIVES]
        )
        flat, sign = [], []
        for kind, c in enumerate(changes):
            for w_, b_, t_, s_ in zip(c.window, c.brand, c.tick, c.sign, strict=True):
                flat.append(((kind * len(WIDTHS) + w_) * n + b_) * k + (t_ - first))
                sign.append(s_)
        size = 3 * len(WIDTHS) * n * k
        if flat:
            moved = np.bincount(np.concatenate(flat), np.concatenate(sign), size).astype(np.int64)
        else:
            moved = np.zeros(size, np.int64)
        moved = moved.reshape(3, len(WIDTHS), n, k)
        moved[..., 0] += self.counts
        if k > 1:
            moved = np.cumsum(moved, axis=-1)
        self.counts = moved[..., -1].copy()
        return moved, before, before_negative

    def forget(self, closed: int) -> None:
        """Drop what is in no window any more after tick `closed`."""
        self.authors.forget(closed)
        self.negatives.forget(closed)
        keep = self.mention_minute > closed - LONGEST
        if not keep.all():
            self.mention_brand, self.mention_minute = self.mention_brand[keep], self.mention_minute[keep]

    def load(
        self, closed: int, brand: Ints, minute: Ints, author: NDArray[np.uint64], flags: NDArray[np.uint8]
    ) -> None:
        """Replace everything by the members of the panes of the last 24 hours, seen from tick `closed`."""
        key = author_key(author, self.names[brand])
        has_author, negative = flags & HAS_AUTHOR != 0, flags & IS_NEGATIVE != 0
        self.authors.load(closed, key[has_author], brand[has_author], minute[has_author])
        self.negatives.load(closed, key[negative], brand[negative], minute[negative])
        keep = (minute > closed - LONGEST) & (flags & COUNTS_AS_MENTION != 0)
        self.mention_brand, self.mention_minute = brand[keep].astype(np.int32), minute[keep]
        self.recount(closed)

    def dump(self, brand: int) -> tuple[Ints, NDArray[np.uint64], NDArray[np.uint8]]:
        """Minute, author and flags from which `load` makes brand's windows again."""
        minute, author, flags = [], [], []
        salt = author_key(np.zeros(1, np.uint64), self.names[brand : brand + 1])
        for table, flag in ((self.authors, HAS_AUTHOR), (self.negatives, IS_NEGATIVE)):
            own = table.brand == brand
            minute.append(table.minute[own])
            author.append(table.key[own] - salt)
            flags.append(np.full(int(own.sum()), flag, np.uint8))
        own = self.mention_brand == brand
        minute.append(self.mention_minute[own])
        author.append(np.zeros(int(own.sum()), np.uint64))
        flags.append(np.full(int(own.sum()), COUNTS_AS_MENTION, np.uint8))
        return np.concatenate(minute), np.concatenate(author), np.concatenate(flags)

    def recount(self, closed: int) -> None:
        """Set the counts from what is remembered."""
        n = len(self.names)
        tables = (
            (self.mention_brand, self.mention_minute),
            (self.authors.brand, self.authors.minute),
            (self.negatives.brand, self.negatives.minute),
        )
        for kind, (brand, minute) in enumerate(tables):
            for w, width in enumerate(WIDTHS):
                self.counts[kind, w] = np.bincount(brand[minute > closed - width], minlength=n)

    @staticmethod
    def merge(parts: list[Windows], names: Ints, closed: int) -> Windows:
        """One Windows over the brands `names`, from several that stand at the same tick."""
        whole = Windows(names)
        place = {int(name): i for i, name in enumerate(names)}

        def moved(part: Windows, brand: NDArray[np.int32]) -> NDArray[np.int32]:
            to = np.array([place[int(name)] for name in part.names], np.int32)
            return to[brand]

        for table in ("authors", "negatives"):
            key = np.concatenate([getattr(p, table).key for p in parts])
            order = np.argsort(key, kind="stable")
            into: LastMinutes = getattr(whole, table)
            into.key = key[order]
            into.brand = np.concatenate([moved(p, getattr(p, table).brand) for p in parts])[order]
            into.minute = np.concatenate([getattr(p, table).minute for p in parts])[order]
        whole.mention_brand = np.concatenate([moved(p, p.mention_brand) for p in parts])
        whole.mention_minute = np.concatenate([p.mention_minute for p in parts])
        whole.recount(closed)
        return whole

    def nbytes(self) -> int:
        """Bytes of what is remembered."""
        own = self.counts.nbytes + self.mention_brand.nbytes + self.mention_minute.nbytes
        return own + self.authors.nbytes() + self.negatives.nbytes()

"""Sliding windows: mentions, distinct authors and distinct negative authors per brand, each author once per window.

A window of w minutes at tick t holds the minutes (t - w, t]. A late mention (own minute before its effective tick)
counts from its effective tick on, in the minute where it belongs. Everything is an integer, so the counts do not depend
on how ticks are grouped. They are exact, but for the authors of windows above an hour of a brand in a storm (storm.py).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from detectors.columns import Ints
from detectors.last_minutes import (
    AUTHOR_MASK,
    LONGEST,
    MOST_BRANDS,
    NEVER_SEEN,
    WIDTHS,
    Changes,
    LastMinutes,
    author_key,
)
from detectors.mention_rows import MentionRows
from detectors.storm import EXACT_AUTHORS

LONG_AGO = -(1 << 30)
"""No tick: before all that there are."""
MENTIONS, AUTHORS, NEGATIVES = 0, 1, 2
"""First axis of the counts."""
SIX_HOURS = WIDTHS.index(360)

COUNTS_AS_MENTION, IS_NEGATIVE, HAS_AUTHOR = 1, 2, 4
"""Flags of a row in a snapshot. An ordinary member has the first and the last; of a copy the negative voice is a row of
its own; a whole dump tells mentions, authors and negative voices apart."""


def member_flags(negative: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Flags of ordinary members."""
    return np.where(negative, COUNTS_AS_MENTION | HAS_AUTHOR | IS_NEGATIVE, COUNTS_AS_MENTION | HAS_AUTHOR).astype(
        np.uint8
    )


class Windows:
    """Counts over all windows for n brands, moved on from tick to tick.

    counts : (3, 5, n) int64, [MENTIONS | AUTHORS | NEGATIVES, window of WIDTHS, brand], at the tick moved to last.
    """

    def __init__(self, names: Ints, exact: int = EXACT_AUTHORS) -> None:
        if len(names) > MOST_BRANDS:
            raise ValueError(f"{len(names):,} brands in one engine; at most {MOST_BRANDS:,}: share them among workers")
        self.names = names  # what tells brands apart between several Windows: the position in the whole engine
        self.counts = np.zeros((3, len(WIDTHS), len(names)), np.int64)
        self.exact = exact
        self.mentions, self.authors, self.negatives = MentionRows(), LastMinutes(exact), LastMinutes(exact)

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
        """Counts at each tick first..last, (3, 5, n, ticks), and per member row the newest minute of its author before.

        That minute is given among all mentions, and among negative ones (NEVER_SEEN for members that are not negative).
        `voice` is for whom a negative member counts: its author, unless it is a copy.
        """
        n, k = len(self.names), last - first + 1
        moved = np.zeros((3, len(WIDTHS), n, k), np.int64)
        changes = [Changes(first, kind) for kind in moved]
        self.mentions.advance(first, last, brand, tick, minute, changes[MENTIONS])
        key = author_key(author, brand)
        before = self.authors.advance(first, last, key, brand, tick, minute, changes[AUTHORS])
        which = np.nonzero(negative)[0]
        voices = (author_key(voice[which], brand[which]), brand[which], tick[which], minute[which])
        before_negative = np.full(len(brand), NEVER_SEEN, np.int64)
        before_negative[which] = self.negatives.advance(first, last, *voices, changes[NEGATIVES])
        moved[..., 0] += self.counts
        if k > 1:
            np.cumsum(moved, axis=-1, out=moved)
        self.authors.estimate(first, last, key, brand, tick, minute, moved[AUTHORS])
        self.negatives.estimate(first, last, *voices, moved[NEGATIVES])
        self.counts = moved[..., -1].copy()
        return moved, before, before_negative

    def forget(self, closed: int) -> None:
        """After the last tick of an hour: drop what is in no window any more, let storms begin and end."""
        self.authors.forget(closed)
        self.negatives.forget(closed)
        self.mentions.forget(closed)
        ended = self.authors.weather(closed, self.counts[AUTHORS, -1])
        ended |= self.negatives.weather(closed, self.counts[NEGATIVES, -1])
        if ended:
            self.recount(closed)

    def calm(self, members: int) -> bool:
        """Whether no storm can begin or end within so many more members, so that `forget` may wait."""
        if self.authors.storms or self.negatives.storms:
            return False
        return int(self.counts[AUTHORS:, -1].max(initial=0)) + members <= self.exact

    def storms(self) -> Ints:
        """Since when the authors of each brand are known by name, all and the negative ones: (2, n); LONG_AGO where no
        storm is."""
        since = np.full((2, len(self.names)), LONG_AGO, np.int64)
        for kind, table in enumerate((self.authors, self.negatives)):
            for row, storm in table.storms.items():
                since[kind, row] = storm.since
        return since

    def load(
        self,
        closed: int,
        brand: Ints,
        minute: Ints,
        author: NDArray[np.uint64],
        flags: NDArray[np.uint8],
        since: Ints | None = None,
        sketches: Sequence[tuple[int, int, int, bytes]] = (),
    ) -> None:
        """Replace everything by the members of the panes of the last 24 hours, seen from tick `closed`.

        `since` is what `storms` gave; `sketches` are brand's row and what `sketches` gave.
        """
        key = author_key(author, brand)
        parts = ((self.authors, flags & HAS_AUTHOR != 0), (self.negatives, flags & IS_NEGATIVE != 0))
        for kind, (table, own) in enumerate(parts):
            table.storms = {}
            known = own
            if since is not None:
                for row in np.nonzero(since[kind] != LONG_AGO)[0].tolist():
                    storm = table.storm_of(row, int(since[kind, row]))
                    mine = own & (brand == row) & (minute > closed - LONGEST)
                    storm.add(minute[mine].tolist(), (author[mine] & AUTHOR_MASK).tolist())
                    storm.load((s[2], s[3]) for s in sketches if s[:2] == (row, kind))
                known = own & (minute > since[kind][brand])
            table.load(closed, key[known], minute[known])
        counts = flags & COUNTS_AS_MENTION != 0
        self.mentions.load(closed, brand[counts], minute[counts], np.ones(int(counts.sum()), np.int64))
        self.recount(closed)

    def dump(self, brand: int) -> tuple[Ints, NDArray[np.uint64], NDArray[np.uint8]]:
        """Minute, author and flags from which `load` makes brand's windows again."""
        minute, author, flags = [], [], []
        for table, flag in ((self.authors, HAS_AUTHOR), (self.negatives, IS_NEGATIVE)):
            who, when = table.of(brand)
            minute.append(when)
            author.append(who)
            flags.append(np.full(len(who), flag, np.uint8))
        when, times = self.mentions.of(brand)
        minute.append(np.repeat(when, times))
        author.append(np.zeros(int(times.sum()), np.uint64))
        flags.append(np.full(int(times.sum()), COUNTS_AS_MENTION, np.uint8))
        return np.concatenate(minute), np.concatenate(author), np.concatenate(flags)

    def sketches(self, brand: int) -> list[tuple[int, int, bytes]]:
        """What of brand's windows is in sketches, not in `dump`: kind (0 all, 1 negative), minute, sketch."""
        return [
            (kind, minute, saved)
            for kind, table in enumerate((self.authors, self.negatives))
            if brand in table.storms
            for minute, saved in table.storms[brand].dump()
        ]

    def recount(self, closed: int) -> None:
        """Set the counts from what is remembered."""
        n = len(self.names)
        self.counts[MENTIONS] = self.mentions.counts(closed, n)
        self.counts[AUTHORS] = self.authors.counts(closed, n)
        self.counts[NEGATIVES] = self.negatives.counts(closed, n)

    @staticmethod
    def merge(parts: list[Windows], names: Ints, closed: int) -> Windows:
        """One Windows over the brands `names`, ascending, from several that stand at the same tick."""
        whole = Windows(names, parts[0].exact)
        for table in ("authors", "negatives"):
            keys, minutes = [], []
            for p in parts:
                brand, author, minute = getattr(p, table).rows()
                keys.append(author_key(author, np.searchsorted(names, p.names)[brand]))
                minutes.append(minute)
            into: LastMinutes = getattr(whole, table)
            into.load(closed, np.concatenate(keys), np.concatenate(minutes))
            for p in parts:
                place = np.searchsorted(names, p.names)
                into.storms.update({int(place[row]): s for row, s in getattr(p, table).storms.items()})
        rows = [p.mentions.rows() for p in parts]
        brands = [np.searchsorted(names, p.names)[r[0]] for p, r in zip(parts, rows, strict=True)]
        whole.mentions.load(
            closed, np.concatenate(brands), np.concatenate([r[1] for r in rows]), np.concatenate([r[2] for r in rows])
        )
        whole.recount(closed)
        return whole

    def nbytes(self) -> int:
        """Bytes of what is remembered."""
        return self.counts.nbytes + self.mentions.nbytes() + self.authors.nbytes() + self.negatives.nbytes()


__all__ = ["AUTHORS", "LONGEST", "MENTIONS", "NEGATIVES", "SIX_HOURS", "WIDTHS", "Windows", "member_flags"]

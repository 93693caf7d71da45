"""Distinct authors of one brand in a storm: sketches instead of names, so that millions of authors take megabytes.

A HyperLogLog sketch (Flajolet et al. 2007; the library is Apache DataSketches) per minute; a window is the union of
its minutes. The standard error of a count is 1.04 / sqrt(4096) = 1.6 % and does not grow with it. A pane takes two
kilobytes, a day three megabytes; the names of a day take as much from 300,000 authors on, so up to `EXACT_AUTHORS`
exact counting is cheaper as well.

The estimate depends on who is in the window alone, not on the order in which they came or on how unions are nested:
every sketch is in HLL mode from the start, and every union has at least two members, so that the library's order-free
estimator answers (its other one, for a single stream, depends on the order).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from datasketches import HLL_4, hll_sketch, hll_union

EXACT_AUTHORS = 250_000
"""Authors of a brand within 24 hours up to which they are counted exactly."""
LG_K = 12
STANDARD_ERROR = 1.04 / 2 ** (LG_K / 2)

Pane = tuple[int, bytes]
"""Minute and what its sketch is made of again."""


def _sketch(of: Iterable[int] = ()) -> hll_sketch:
    made = hll_sketch(LG_K, HLL_4, True)
    for one in of:
        made.update(one)
    return made


def _union(first: hll_sketch | None, second: hll_sketch | None) -> hll_sketch | None:
    if first is None or second is None:
        return second if first is None else first
    union = hll_union(LG_K)
    union.update(first)
    union.update(second)
    return union.get_result(HLL_4)


_SOMEBODY = _sketch([-1])
"""A member of every union; taken off again. Keys of authors are not negative."""


class Storm:
    """Authors of one brand by minute.

    Parameters
    ----------
    since : the authors of later minutes are known by name as well (see last_minutes)
    """

    def __init__(self, since: int) -> None:
        self.since = since
        self._panes: dict[int, hll_sketch] = {}
        self._hours: dict[int, hll_sketch] = {}
        self._ends: dict[int, list[hll_sketch | None]] = {}
        """Of an hour: unions of its last minutes, from each minute on."""
        self._between: dict[tuple[int, int], hll_sketch | None] = {}
        """Unions of hours from a first to a last one, both included."""

    def add(self, minutes: Sequence[int], authors: Sequence[int]) -> None:
        """Authors who wrote in these minutes."""
        for minute, author in zip(minutes, authors, strict=True):
            pane = self._panes.get(minute)
            if pane is None:
                pane = self._panes[minute] = _sketch()
            pane.update(author)
            hour = self._hours.get(minute // 60)
            if hour is None:
                hour = self._hours[minute // 60] = _sketch()
            hour.update(author)
        self._outdated({minute // 60 for minute in minutes})

    def _outdated(self, hours: set[int]) -> None:
        for hour in hours & self._ends.keys():
            del self._ends[hour]
        for first, last in [pair for pair in self._between if any(pair[0] <= hour <= pair[1] for hour in hours)]:
            del self._between[first, last]

    def count(self, tick: int, width: int) -> int:
        """Distinct authors of the minutes after tick - width, about; there must be none after `tick` yet."""
        begin, hour = tick - width + 1, tick // 60
        if begin // 60 == hour:
            parts = [self._panes.get(minute) for minute in range(begin, tick + 1)]
        else:
            parts = [self._end_of_hour(begin), self._union_of(begin // 60 + 1, hour - 1), self._hours.get(hour)]
        union = hll_union(LG_K)
        union.update(_SOMEBODY)
        for part in parts:
            if part is not None:
                union.update(part)
        return max(round(float(union.get_estimate())) - 1, 0)

    def _end_of_hour(self, begin: int) -> hll_sketch | None:
        """The minutes from this one to the end of its hour."""
        hour = begin // 60
        if hour not in self._ends:
            ends: list[hll_sketch | None] = []
            for minute in reversed(range(60 * hour, 60 * hour + 60)):
                ends.append(_union(ends[-1] if ends else None, self._panes.get(minute)))
            self._ends[hour] = ends[::-1]
        return self._ends[hour][begin - 60 * hour]

    def _union_of(self, first: int, last: int) -> hll_sketch | None:
        """Whole hours."""
        if (first, last) not in self._between:
            made = None
            for hour in range(first, last + 1):
                made = _union(made, self._hours.get(hour))
            self._between[first, last] = made
        return self._between[first, last]

    def forget(self, upto: int) -> None:
        """Drop the minutes up to this one, the last of an hour."""
        for minute in [m for m in self._panes if m <= upto]:
            del self._panes[minute]
        for hour in [h for h in self._hours if 60 * h <= upto]:
            del self._hours[hour]
        self._ends.clear()
        self._between.clear()

    def dump(self) -> list[Pane]:
        """All minutes, for `load`."""
        return [(minute, pane.serialize_compact()) for minute, pane in sorted(self._panes.items())]

    def load(self, panes: Iterable[Pane]) -> None:
        """Add what `dump` gave."""
        hours = set()
        for minute, saved in panes:
            pane = hll_sketch.deserialize(saved)
            self._panes[minute] = _union(self._panes.get(minute), pane)
            # An hour is a sketch of its own, since it is written to.
            self._hours[minute // 60] = _union(self._hours.get(minute // 60, _sketch()), pane)
            hours.add(minute // 60)
        self._outdated(hours)

    def nbytes(self) -> int:
        """Bytes of the sketches."""
        ends = [one for some in self._ends.values() for one in some]
        sketches = [*self._panes.values(), *self._hours.values(), *ends, *self._between.values()]
        return sum(one.get_compact_serialization_bytes() for one in sketches if one is not None)

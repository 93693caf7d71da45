"""Ticks of a single origin that is read once, in arrays: what lies between classify and the engine, for a backtest.

The worker takes records one by one, from many origins, again after a crash, and saves what it knows; a file needs none
of that, and arrays are several times as fast. Which tick a mention belongs to, the order within a tick, what is too
late and what is a duplicate are the same (``tests/streams/test_one_origin.py`` holds one against the other).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detectors.commands import Command
from detectors.engine import Engine
from detectors.observations import KINDS, Observations
from streams.crisis_events import Links, crisis_event
from streams.detection import DUPLICATE_TICKS, TOO_LATE_TICKS, Closing, Counts
from streams.records import MINUTE_US, Mention, author_numbers

_KIND_CODES: dict[str | None, int] = {None: KINDS.index("post")} | {kind: code for code, kind in enumerate(KINDS)}


@dataclass(slots=True)
class Batch:
    """Mentions of the origin in the order in which they were read, all that name a brand or none."""

    #: Event times of all mentions read, microseconds since 1970, those without a brand included.
    read_us: NDArray[np.int64]
    #: Per mention that names a brand: which of `read_us` it is.
    place: NDArray[np.int64]
    mentions: list[Mention]
    #: The brand of each; a mention that names several is there several times in a row.
    brands: list[str]
    #: Whether its tone is negative, and how much.
    negative: NDArray[np.bool_]
    p_negative: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class _Rows:
    """Mentions that wait for their tick to close, as columns (m,)."""

    tick: NDArray[np.int64]
    us: NDArray[np.int64]
    #: Where in the origin each stands.
    offset: NDArray[np.int64]
    brand: NDArray[np.int32]
    author: NDArray[np.uint64]
    negative: NDArray[np.bool_]
    p_negative: NDArray[np.float32]
    mentions: NDArray[np.object_]

    def at(self, which: NDArray[np.intp] | NDArray[np.bool_]) -> _Rows:
        return _Rows(*(getattr(self, name)[which] for name in _COLUMNS))

    @staticmethod
    def joined(first: _Rows, second: _Rows) -> _Rows:
        return _Rows(*(np.concatenate([getattr(first, name), getattr(second, name)]) for name in _COLUMNS))


_COLUMNS = tuple(_Rows.__dataclass_fields__)


class OneOrigin:
    """Detect's work on one origin that is read once.

    Parameters
    ----------
    engine : Engine
        With the brands that mentions name.
    lateness_us : int
        How far behind the newest event time a mention may come and still count in its own tick.
    author_key : bytes
        The key of the authors' hashes.
    links : Links
        What an event links to.
    """

    def __init__(self, engine: Engine, *, lateness_us: int, author_key: bytes, links: Links | None = None) -> None:
        self._engine, self._links = engine, links or Links()
        self._lateness_us, self._author_key = lateness_us, author_key
        self._brands = {brand.name: index for index, brand in enumerate(engine.brands)}
        self._names = [brand.name for brand in engine.brands]
        self._waiting: _Rows | None = None
        self._newest_us: int | None = None
        self._offset = 0
        self._closed: int | None = None
        self._seen: dict[int, dict[str, int]] = {}
        self._seen_since: int | None = None
        self._seen_before: dict[int, dict[str, int]] = {}
        #: A mention counts for each brand it names.
        self.counts = Counts()
        #: Mentions that came before, in a later minute than their own, and too late, however many brands each names.
        self.duplicates = self.late = self.too_late = 0
        #: Duplicates of each brand.
        self.repeated: Counter[str] = Counter()

    def tell(self, commands: Iterable[Command]) -> None:
        """Take what people said meanwhile; see `Engine.tell`."""
        self._engine.tell(commands)

    def take(self, batch: Batch) -> Closing | None:
        """Take mentions and close the hours that they have passed; None where there is none."""
        us = batch.read_us
        if not len(us):
            return None
        newest = np.maximum.accumulate(us if self._newest_us is None else np.maximum(us, self._newest_us))
        self._newest_us = int(newest[-1])
        reached = (newest - self._lateness_us) // MINUTE_US
        if batch.mentions:
            place = batch.place
            rows = _Rows(
                tick=np.maximum(us[place] // MINUTE_US, reached[place]),
                us=us[place],
                offset=self._offset + place,
                brand=np.array([self._brands.get(name, -1) for name in batch.brands], np.int32),
                author=author_numbers(batch.mentions, self._author_key),
                negative=batch.negative,
                p_negative=batch.p_negative,
                # Not array(), which would look into each whether it is a sequence.
                mentions=np.fromiter(batch.mentions, np.object_, len(batch.mentions)),
            )
            self._waiting = rows if self._waiting is None else _Rows.joined(self._waiting, rows)
            self.counts.received += len(place)
        self._offset += len(us)
        # Where a batch ends in an hour, its minutes wait for the others: the engine takes whole hours many at once.
        return self._close(int(reached[-1]) // 60 * 60 - 1)

    def end(self) -> Closing | None:
        """Nothing follows: close what is left."""
        return None if self._newest_us is None else self._close(self._newest_us // MINUTE_US)

    def _close(self, upto: int) -> Closing | None:
        if self._closed is not None and upto <= self._closed:
            return None
        self._closed = upto
        decisions = self._engine.advance(upto, self._members(upto))
        self._engine.forget_changes()
        events = [crisis_event(decision, self._links) for decision in decisions]
        self.counts.events.update(event.type for event in events)
        return Closing(upto, decisions, events, {}, self._engine.applied())

    def _members(self, upto: int) -> Observations:
        """Take out the members of the ticks up to `upto`, in order, without what is too late or came before."""
        waiting = self._waiting
        if waiting is None:
            return Observations.empty()
        due = waiting.tick <= upto
        rows = waiting.at(due)
        self._waiting = None if len(rows.tick) == len(due) else waiting.at(~due)
        order = np.lexsort((rows.us, rows.tick))
        rows = self._by_id(rows.at(order))
        known = rows.brand >= 0
        self.counts.unconfigured += len(known) - int(known.sum())
        in_time = rows.tick - rows.us // MINUTE_US < TOO_LATE_TICKS
        self.counts.too_late += int((known & ~in_time).sum())
        self.too_late += _distinct(rows.offset[known & ~in_time])
        rows = rows.at(known & in_time)
        new = self._new(rows)
        self.counts.duplicate += len(new) - int(new.sum())
        if not new.all():
            self.duplicates += _distinct(rows.offset[~new])
            self.repeated.update(self._names[brand] for brand in rows.brand[~new].tolist())
            rows = rows.at(new)
        minute = rows.us // MINUTE_US
        self.counts.counted += len(minute)
        self.counts.late += int((minute < rows.tick).sum())
        self.late += _distinct(rows.offset[minute < rows.tick])
        mentions: list[Mention] = rows.mentions.tolist()
        reach = [one.reach for one in mentions]
        return Observations(
            tick=rows.tick,
            minute=minute,
            brand=rows.brand,
            author=rows.author,
            negative=rows.negative,
            p_negative=rows.p_negative,
            kind=np.array([_KIND_CODES[one.kind] for one in mentions], np.uint8),
            reach=np.array(reach, np.float64),  # None becomes nan
            id=[one.id for one in mentions],
            text=[one.text for one in mentions],
            url=[one.url for one in mentions],
        )

    def _by_id(self, rows: _Rows) -> _Rows:
        """Rows in order of tick and time: where these are equal, by id, then by place, then by brand."""
        same = (np.diff(rows.tick) == 0) & (np.diff(rows.us) == 0)
        if not same.any():
            return rows
        order = np.arange(len(rows.tick))
        for begin, end in _runs(same):
            run = slice(begin, end)
            names = [self._names[brand] if brand >= 0 else "" for brand in rows.brand[run].tolist()]
            ids = [one.id for one in rows.mentions[run].tolist()]
            keys = list(zip(ids, rows.offset[run].tolist(), names, range(begin, end), strict=True))
            order[run] = [key[-1] for key in sorted(keys)]
        return rows.at(order)

    def _new(self, rows: _Rows) -> NDArray[np.bool_]:
        """Whether each row's id was not there within a day before, for its brand."""
        brands, ticks = rows.brand.tolist(), rows.tick.tolist()
        if ticks and (self._seen_since is None or ticks[0] - self._seen_since > DUPLICATE_TICKS):
            # What was seen before a day that is over: twice a day's ids at most.
            self._seen_before, self._seen, self._seen_since = self._seen, {}, ticks[0]
        new = np.ones(len(ticks), np.bool_)
        ids = [one.id for one in rows.mentions.tolist()]
        for brand in set(brands):
            own = np.nonzero(rows.brand == brand)[0].tolist()
            seen, before = self._seen.setdefault(brand, {}), self._seen_before.get(brand, {})
            met = {ids[i]: ticks[i] for i in own}
            if len(met) == len(own) and seen.keys().isdisjoint(met) and before.keys().isdisjoint(met):
                seen.update(met)
                continue
            for i in own:
                last = seen.get(ids[i], before.get(ids[i]))
                if last is None or ticks[i] - last > DUPLICATE_TICKS:
                    seen[ids[i]] = ticks[i]
                else:
                    new[i] = False
        return new


def _distinct(places: NDArray[np.int64]) -> int:
    return len(np.unique(places))


def _runs(same: NDArray[np.bool_]) -> Iterable[tuple[int, int]]:
    """Runs of rows that are each the same as the one before, as begin and end."""
    edge = np.diff(np.concatenate([[False], same, [False]]).astype(np.int8))
    begins, ends = np.nonzero(edge == 1)[0].tolist(), np.nonzero(edge == -1)[0].tolist()
    return [(begin, end + 1) for begin, end in zip(begins, ends, strict=True)]

"""Which tick a record belongs to, and when a tick closes ("Time, order and state" in the design).

Knows no Kafka and no clock. A tick is a set whose members depend on the log of mentions alone: not on how its
partitions interleave, not on batches, not on crashes. `Watermark` is classify's half, one per origin; `TickOrder` is
detect's half, one per partition of scored mentions.

Unlike the first form of the algorithm, an advance is not sent at the very record that enters a new tick but once per
batch of an origin, behind the batch's records; in between, each scored record carries the tick its origin had reached.
The effective tick comes out the same: what a record does not carry (its reader started later than the tick was
entered), an earlier advance in the log says. Tried against random interleavings, redeliveries and crashes in
``tests/streams/test_ordering.py``.

The clock may advance an origin only where nothing is left to read in it: a record further on that an earlier reader
has already sent would otherwise belong to two ticks.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeVar

from streams.records import tick_of

Cause = Literal["event", "end", "clock"]
Member = TypeVar("Member")


class Watermark:
    """The newest event time of one origin less the allowed lateness, as a tick that never falls.

    It needs no state across a crash: started anew at the acknowledged offset it understates, never overstates.
    """

    def __init__(self, lateness_us: int) -> None:
        self._lateness_us = lateness_us
        self._newest_us: int | None = None
        self._announced: int | None = None
        #: The tick entered so far; None before the first record.
        self.reached: int | None = None
        #: Why the latest tick was entered.
        self.cause: Cause = "event"

    @property
    def newest_us(self) -> int | None:
        """The newest event time seen, in microseconds; None before the first record."""
        return self._newest_us

    def observe(self, created_us: int, written_us: int | None = None) -> int:
        """Take one record's event time; returns the tick that the origin has reached with it.

        Parameters
        ----------
        written_us : int, optional
            When the broker wrote it: a source whose clock runs ahead does not take the others of its origin with it.
        """
        if written_us is not None:
            created_us = min(created_us, written_us)
        if self._newest_us is None or created_us > self._newest_us:
            self._newest_us = created_us
        return self.enter(tick_of(self._newest_us - self._lateness_us), "event")

    def enter(self, tick: int, cause: Cause) -> int:
        """Enter a tick for another reason than a mention: the end of a replay, or the clock."""
        if self.reached is None or tick > self.reached:
            self.reached, self.cause = tick, cause
        return self.reached

    def announce(self) -> int | None:
        """The tick to announce behind a batch, or None where everyone has been told."""
        if self.reached is None or self.reached == self._announced:
            return None
        self._announced = self.reached
        return self.reached


@dataclass(slots=True)
class _Held(Generic[Member]):
    position: int
    order: tuple[Any, ...]
    member: Member


@dataclass(frozen=True, slots=True)
class Closed(Generic[Member]):
    """What closed at once: every tick up to ``upto``; the members of the ticks that have any, in order."""

    upto: int
    ticks: list[tuple[int, list[Member]]]
    #: Ticks that only the wall clock closed: some origin's part of them was never confirmed by a mention.
    clock_ticks: list[int]


@dataclass(slots=True)
class _Advances:
    """What one origin has announced: offsets and ticks, both rising, and why."""

    offsets: list[int] = field(default_factory=list)
    ticks: list[int] = field(default_factory=list)
    causes: list[Cause] = field(default_factory=list)

    def add(self, offset: int, tick: int, cause: Cause) -> bool:
        if self.ticks and tick <= self.ticks[-1]:
            return False
        self.offsets.append(offset)
        self.ticks.append(tick)
        self.causes.append(cause)
        return True

    def reached(self, offset: int) -> int | None:
        """The tick entered before the record at ``offset``."""
        i = bisect_right(self.offsets, offset)
        return self.ticks[i - 1] if i else None

    def clock_ticks(self, first: int, last: int) -> Iterator[int]:
        """The ticks from first to last that this origin left by the clock; no matter when they are closed."""
        entered = first
        for tick, cause in zip(self.ticks, self.causes, strict=True):
            if cause == "clock":
                yield from range(max(entered, first), min(tick - 1, last) + 1)
            entered = tick

    def prune(self, closed: int) -> None:
        """Keep what lies beyond the closed tick and the last before it: records yet to come need no more."""
        keep = max(bisect_right(self.ticks, closed) - 1, 0)
        if keep:
            del self.offsets[:keep], self.ticks[:keep], self.causes[:keep]


class TickOrder(Generic[Member]):
    """The ticks of one partition of scored mentions.

    Parameters
    ----------
    origins : int
        How many partitions the topic of mentions has; a tick closes when all of them have advanced beyond it.
    """

    def __init__(self, origins: int) -> None:
        if origins < 1:
            raise ValueError(f"origins: {origins}; a topic has at least one partition")
        self._advances = [_Advances() for _ in range(origins)]
        self._pending: dict[int, dict[tuple[int, int, str], _Held[Member]]] = {}
        self._keys: set[tuple[int, int, str]] = set()
        #: The last closed tick; None before the first.
        self.closed: int | None = None
        #: The position in the log after the last record taken.
        self.position = 0
        # The position up to which the log must be read again after a restart before anything may close: until then the
        # saved advances know more than the pending records.
        self._read = 0

    @property
    def origins(self) -> int:
        """How many origins there are."""
        return len(self._advances)

    def __len__(self) -> int:
        """How many records wait for their tick to close."""
        return len(self._keys)

    def advance(self, origin: int, offset: int, tick: int, cause: Cause, position: int) -> bool:
        """Take an advance found at ``position`` of the log; returns whether it says something new."""
        self._passed(position)
        if not 0 <= origin < len(self._advances):
            raise ValueError(
                f"an advance of mentions partition {origin}, but only {len(self._advances)} are known: "
                "the topic has grown; restart every worker after changing topics.partitions"
            )
        return self._advances[origin].add(offset, tick, cause)

    def add(
        self,
        origin: int,
        offset: int,
        brand: str,
        minute: int,
        reached: int | None,
        order: tuple[Any, ...],
        member: Member,
        position: int,
    ) -> bool:
        """Take a scored record found at ``position`` of the log.

        Parameters
        ----------
        origin, offset, brand
            What makes it the same record when it comes again.
        minute : int
            The tick of its own event time.
        reached : int or None
            The tick its reader had reached in the origin.
        order : tuple
            Its place among the members of a tick.

        Returns
        -------
        bool
            False if it came before (its tick is closed, or it is pending already).
        """
        self._passed(position)
        tick = self.effective_tick(origin, offset, minute, reached)
        key = (origin, offset, brand)
        if (self.closed is not None and tick <= self.closed) or key in self._keys:
            return False
        self._keys.add(key)
        self._pending.setdefault(tick, {})[key] = _Held(position, (*order, origin, offset, brand), member)
        return True

    def effective_tick(self, origin: int, offset: int, minute: int, reached: int | None) -> int:
        """The later of the record's own minute and the tick its origin had entered before it."""
        if not 0 <= origin < len(self._advances):
            raise ValueError(f"a record of mentions partition {origin}, but only {len(self._advances)} are known")
        announced = self._advances[origin].reached(offset)
        return max(minute, minute if reached is None else reached, minute if announced is None else announced)

    def _passed(self, position: int) -> None:
        self.position = max(self.position, position + 1)

    def slowest(self) -> int | None:
        """The tick that every origin has entered; None while one has announced nothing."""
        ticks = [advances.ticks[-1] for advances in self._advances if advances.ticks]
        return min(ticks) if len(ticks) == len(self._advances) else None

    def holding(self, ticks: int) -> list[tuple[int, int]]:
        """The origins that are more than so many ticks behind the newest, with the tick that each has entered."""
        newest = self.newest()
        if newest is None:
            return []
        entered = [(origin, advances.ticks[-1]) for origin, advances in enumerate(self._advances) if advances.ticks]
        return [(origin, tick) for origin, tick in entered if newest - tick > ticks]

    def silent(self) -> list[int]:
        """The origins that have announced nothing yet: no tick closes before they do."""
        return [origin for origin, advances in enumerate(self._advances) if not advances.ticks]

    def newest(self) -> int | None:
        """The last tick that any origin has entered."""
        return max((advances.ticks[-1] for advances in self._advances if advances.ticks), default=None)

    def base(self) -> int | None:
        """Where the ticks stand: the last closed, before the first close the first that has a member."""
        return min(self._pending, default=None) if self.closed is None else self.closed

    def skip(self, position: int) -> None:
        """Pass over a record that is neither."""
        self._passed(position)

    def closable(self) -> int | None:
        """The last tick that can close now, or None."""
        slowest = self.slowest()
        if slowest is None or self.position < self._read or (self.closed is not None and slowest - 1 <= self.closed):
            return None
        return slowest - 1

    def close(self, most: int | None = None) -> Closed[Member] | None:
        """Close the ticks that all origins have passed, at most so many at once; None if there is none."""
        upto = self.closable()
        if upto is None:
            return None
        base = self.base()
        if most is not None and base is not None:
            upto = min(upto, base + most)
        # Before the first close nobody was there to see an earlier tick than that of the first member.
        first = min(self._pending, default=upto) if self.closed is None else self.closed + 1
        ticks = []
        for tick in sorted(tick for tick in self._pending if tick <= upto):
            held = self._pending.pop(tick)
            self._keys.difference_update(held)
            ticks.append((tick, [one.member for one in sorted(held.values(), key=lambda one: one.order)]))
        clock = {tick for advances in self._advances for tick in advances.clock_ticks(first, upto)}
        closed = Closed(upto, ticks, sorted(clock))
        self.closed = upto
        for advances in self._advances:
            advances.prune(upto)
        return closed

    def acknowledgeable(self) -> int:
        """The position below which every record has been decided: what may be acknowledged."""
        firsts = (next(iter(held.values())) for held in self._pending.values())  # each tick's oldest was put in first
        return min((held.position for held in firsts), default=self.position)

    def snapshot(self) -> dict[str, Any]:
        """The state to save at a close: plain values."""
        return {
            "closed": self.closed,
            "read": self.position,
            "advances": [
                [list(row) for row in zip(advances.offsets, advances.ticks, advances.causes, strict=True)]
                for advances in self._advances
            ],
        }

    def restore(self, snapshot: dict[str, Any]) -> None:
        """Start from a saved state; the log is then read again from the acknowledged position."""
        saved = snapshot["advances"]
        if len(saved) != len(self._advances):
            raise ValueError(
                f"the saved state knows {len(saved)} partitions of mentions, the topic has {len(self._advances)}: "
                "a topic cannot be repartitioned under a running state; start with a new topics.prefix and kafka.group"
            )
        self.closed, self._read = snapshot["closed"], snapshot["read"]
        self._advances = [_Advances(*(list(column) for column in zip(*rows, strict=True))) for rows in saved]

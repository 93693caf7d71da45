"""Scored mentions in, crisis events out, for one partition: order of ticks, duplicates, engine, snapshots.

Knows no Kafka. The detect agent, the backtest and the tests drive the same class, so that they decide alike.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import msgspec
import numpy as np

from detectors.commands import Applied, Command
from detectors.engine import Engine
from detectors.incidents import Decision
from detectors.observations import KINDS, Observations
from streams.crisis_events import CrisisEvent, Links, crisis_event
from streams.ordering import TickOrder
from streams.records import Advance, Model, ScoredMention, hash64, microseconds, tick_of
from streams.reliable_tone import counted

#: The same mention id within a day is a duplicate. Minutes.
DUPLICATE_TICKS = 24 * 60

#: A mention whose own minute is further back than the longest window cannot count anywhere. Minutes.
TOO_LATE_TICKS = 24 * 60

_KIND_CODES = {kind: code for code, kind in enumerate(KINDS)}
_ORDER_KEY = b"order"
_SEEN_PREFIX = b"seen/"
_ENGINE_PREFIX = b"engine/"


@dataclass(slots=True)
class Counts:
    """received = counted + redelivered + duplicate + too_late + unconfigured + rejected + what is pending, always."""

    received: int = 0
    counted: int = 0
    redelivered: int = 0
    duplicate: int = 0
    too_late: int = 0
    #: Of a brand that the settings no longer name.
    unconfigured: int = 0
    #: Not readable: written by somebody else.
    rejected: int = 0
    #: Among the counted: those that take effect in a later tick than their own.
    late: int = 0
    events: Counter[str] = field(default_factory=Counter)
    #: What became of commands: applied, late, without effect.
    commands: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class Closing:
    """What closing ticks came to: the events to send first, then the state to save, in order."""

    upto: int
    decisions: list[Decision]
    #: One for each decision.
    events: list[CrisisEvent]
    changes: dict[bytes, bytes | None]
    #: What became of commands that were due.
    applied: list[Applied]


class _Seen:
    """The ids of the last day's mentions, with the tick in which each took effect."""

    def __init__(self) -> None:
        self._tick_of: dict[int, int] = {}
        self._ticks: deque[tuple[int, list[int]]] = deque()

    def is_new(self, key: int, tick: int) -> bool:
        seen = self._tick_of.get(key)
        if seen is not None and tick - seen <= DUPLICATE_TICKS:
            return False
        self._tick_of[key] = tick
        if not self._ticks or self._ticks[-1][0] != tick:
            self._ticks.append((tick, []))
        self._ticks[-1][1].append(key)
        return True

    def changes(self, after: int | None, upto: int) -> Iterator[tuple[bytes, bytes | None]]:
        """The records of the ticks after ``after``, and the removal of those that have grown too old."""
        for tick, keys in reversed(self._ticks):
            if after is not None and tick <= after:
                break
            yield _SEEN_PREFIX + str(tick).encode(), np.array(keys, np.uint64).tobytes()
        while self._ticks and upto - self._ticks[0][0] > DUPLICATE_TICKS:
            tick, keys = self._ticks.popleft()
            for key in keys:
                if self._tick_of.get(key) == tick:
                    del self._tick_of[key]
            yield _SEEN_PREFIX + str(tick).encode(), None

    def restore(self, ticks: dict[int, list[int]]) -> None:
        self._ticks = deque(sorted(ticks.items()))
        self._tick_of = {key: tick for tick, keys in self._ticks for key in keys}


class Detection:
    """Detect's work on one partition of scored mentions.

    Parameters
    ----------
    engine : Engine
        With the brands whose mentions come to this partition.
    origins : int
        How many partitions the topic of mentions has.
    links : Links
        What an event links to.
    counts : Counts
        To go on counting across a rebalance.
    """

    def __init__(
        self, engine: Engine, *, origins: int, links: Links | None = None, counts: Counts | None = None
    ) -> None:
        self._engine = engine
        self._links = links or Links()
        self._brands = {brand.name: index for index, brand in enumerate(engine.brands)}
        self._order: TickOrder[ScoredMention] = TickOrder(origins)
        self._seen = _Seen()
        self._models: dict[Model, tuple[int, str]] = {}
        self.counts = counts or Counts()

    @property
    def order(self) -> TickOrder[ScoredMention]:
        """What is pending and closed."""
        return self._order

    @property
    def engine(self) -> Engine:
        """The statistics."""
        return self._engine

    def receive(self, record: ScoredMention | Advance, position: int) -> None:
        """Take the record at ``position`` of the partition; records come in rising positions."""
        if isinstance(record, Advance):
            self._order.advance(record.partition, record.offset, record.tick, record.cause, position)
            return
        self.counts.received += 1
        us = microseconds(record.created_at)
        origin = record.origin
        order = (us, record.id)
        new = self._order.add(
            origin.partition, origin.offset, record.brand, tick_of(us), origin.reached, order, record, position
        )
        if not new:
            self.counts.redelivered += 1

    def tell(self, commands: Iterable[Command]) -> None:
        """Take commands; see `Engine.tell`. Those for brands of other partitions are passed over."""
        self._engine.tell(commands)

    def skip(self, position: int) -> None:
        """Pass over a record that cannot be read."""
        self.counts.received += 1
        self.counts.rejected += 1
        self._order.skip(position)

    def abandon(self) -> None:
        """Give up what is pending: the partition goes to another worker, or is read again; it all comes once more."""
        self.counts.redelivered += len(self._order)
        self._order = TickOrder(self._order.origins)

    def close(self, most: int | None = None) -> Closing | None:
        """Close every tick that can be; None where there is none. However ticks are grouped, the bytes are the same."""
        before = self._order.closed
        closed = self._order.close(most)
        if closed is None:
            return None
        members = [(tick, one) for tick, ones in closed.ticks for one in ones if self._counts(tick, one)]
        decisions = self._engine.advance(closed.upto, self._observations(members), frozenset(closed.clock_ticks))
        events = [crisis_event(decision, self._links) for decision in decisions]
        self.counts.events.update(event.type for event in events)
        changes: dict[bytes, bytes | None] = {}
        for key, value in self._engine.changes().items():
            changes[_ENGINE_PREFIX + key] = value
        changes.update(self._seen.changes(before, closed.upto))
        changes[_ORDER_KEY] = msgspec.json.encode(self._order.snapshot())
        applied = self._engine.applied()
        for one in applied:
            self.counts.commands["without effect" if one.problem else "late" if one.late else "applied"] += 1
        return Closing(closed.upto, decisions, events, changes, applied)

    def _counts(self, tick: int, mention: ScoredMention) -> bool:
        minute = tick_of(microseconds(mention.created_at))
        if mention.brand not in self._brands:
            self.counts.unconfigured += 1
            return False
        if tick - minute >= TOO_LATE_TICKS:
            self.counts.too_late += 1
            return False
        if not self._seen.is_new(hash64(f"{mention.brand}\0{mention.id}"), tick):
            self.counts.duplicate += 1
            return False
        self.counts.counted += 1
        self.counts.late += minute < tick
        return True

    def _observations(self, members: Sequence[tuple[int, ScoredMention]]) -> Observations:
        mentions = [one for _, one in members]
        negative, p_negative = counted(
            [one.tone.label == "negative" for one in mentions],
            [one.tone.negative for one in mentions],
            [one.tone_reliable for one in mentions],
        )
        return Observations(
            tick=np.array([tick for tick, _ in members], np.int64),
            minute=np.array([tick_of(microseconds(one.created_at)) for one in mentions], np.int64),
            brand=np.array([self._brands[one.brand] for one in mentions], np.int32),
            # Who is unknown counts as somebody else each time.
            author=np.array([int(one.author, 16) if one.author else hash64(one.id) for one in mentions], np.uint64),
            negative=negative,
            p_negative=p_negative,
            kind=np.array([_KIND_CODES[one.kind or "post"] for one in mentions], np.uint8),
            reach=np.array([np.nan if one.reach is None else one.reach for one in mentions], np.float64),
            id=[one.id for one in mentions],
            text=[one.text for one in mentions],
            url=[one.url for one in mentions],
            model=np.array([self._code(one.model) for one in mentions], np.uint64),
            models=dict(self._models.values()),
        )

    def _code(self, model: Model) -> int:
        """The code by which the engine knows a version of the tone model."""
        found = self._models.get(model)
        if found is None:
            name = f"{model.name}@{model.version}"
            found = self._models[model] = (hash64(name) or 1, name)
        return found[0]

    def acknowledgeable(self) -> int:
        """The position below which everything has been decided and saved."""
        return self._order.acknowledgeable()

    def restore(self, items: Iterable[tuple[bytes, bytes]]) -> None:
        """Start from saved state; the partition is then read again from the acknowledged position.

        Where a crash cut a save short, some records are newer than the partition's own: the engine skips the ticks that
        a brand has already, and ids of ticks that have not closed are forgotten, to be seen again.
        """
        saved = dict(items)
        order = saved.pop(_ORDER_KEY, None)
        if order is None:
            return
        self._order.restore(msgspec.json.decode(order))
        closed = self._order.closed
        assert closed is not None
        ticks: dict[int, list[int]] = {}
        engine: list[tuple[bytes, bytes]] = []
        for key, value in saved.items():
            if key.startswith(_ENGINE_PREFIX):
                engine.append((key.removeprefix(_ENGINE_PREFIX), value))
            elif key.startswith(_SEEN_PREFIX):
                tick = int(key.removeprefix(_SEEN_PREFIX))
                if tick <= closed:
                    ticks[tick] = np.frombuffer(value, np.uint64).tolist()
        self._seen.restore(ticks)
        self._engine.restore(engine)


#: Makes the `Detection` of a partition; the agent calls it at start and after each rebalance.
DetectionFactory = Callable[[int], Detection]

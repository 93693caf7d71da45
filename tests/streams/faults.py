"""A world of faults for the ordering of ticks: two logs, readers that crash, redelivery, partitions read at any pace.

`run` drives classify's and detect's halves as the agents do, without Kafka, and returns what each partition of
scored mentions decided, each decision possibly several times. It is the model to try a change of the algorithm on.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from streams.ordering import Cause, Watermark

LATENESS_US = 10_000_000


@dataclass(frozen=True)
class Row:
    """A mention as the tests need it."""

    created_us: int
    id: str
    brand: str
    negative: bool = False
    author: str = ""


@dataclass(frozen=True)
class Scored:
    """What classify wrote: a mention (row) with its origin, or an advance (tick)."""

    origin: int
    offset: int
    row: Row | None
    tick: int | None  # reached, or the tick advanced to
    cause: Cause = "event"


class Detector(Protocol):
    """Detect's half for one partition, as the agent uses it."""

    def receive(self, record: Scored, position: int) -> None: ...
    def close(self) -> tuple[list[Any], dict[bytes, bytes | None]] | None: ...
    def acknowledgeable(self) -> int: ...


@dataclass
class Store:
    """What survives a crash of detect: its snapshots, and how far the log is acknowledged."""

    items: dict[bytes, bytes] = field(default_factory=dict)
    acknowledged: int = 0


def out_partition(brand: str, partitions: int) -> int:
    return sum(brand.encode()) % partitions


class Reader:
    """Classify: sends a batch's records in offset order, then one advance to every partition, then acknowledges."""

    def __init__(
        self, origins: Sequence[Sequence[Row]], scored: list[list[Scored]], committed: list[int], high: list[int]
    ) -> None:
        self.origins, self.scored, self.committed, self.high = origins, scored, committed, high
        self.at = list(committed)
        self.marks = [Watermark(LATENESS_US) for _ in origins]

    def step(self, rng: random.Random, crashes: float) -> bool:
        p = rng.choice([p for p in range(len(self.origins)) if self.at[p] < len(self.origins[p])])
        for _ in range(rng.randint(1, 9)):
            j = self.at[p]
            if j >= len(self.origins[p]):
                break
            row = self.origins[p][j]
            reached = self.marks[p].observe(row.created_us)
            self.scored[out_partition(row.brand, len(self.scored))].append(Scored(p, j, row, reached))
            self.at[p] += 1
            self.high[p] = max(self.high[p], self.at[p])
            if rng.random() < crashes:
                return False  # sent, neither announced nor acknowledged
        tick = self.marks[p].announce()
        if tick is not None:
            for q in rng.sample(range(len(self.scored)), len(self.scored)):
                self.scored[q].append(Scored(p, self.at[p], None, tick))
                if rng.random() < crashes:
                    return False  # some partitions know, others do not
        if rng.random() < 0.9:  # the commit comes some batches later
            self.committed[p] = self.at[p]
        return True

    def quiet(self, p: int, tick: int) -> None:
        """The clock: nothing to read, all acknowledged."""
        if self.at[p] < self.high[p]:
            return  # something is left to read; a reader before this one has sent it already, without the clock's tick
        self.committed[p] = self.at[p]
        self.marks[p].enter(tick, "clock")
        told = self.marks[p].announce()
        if told is not None:
            for log in self.scored:
                log.append(Scored(p, self.at[p], None, told, self.marks[p].cause))


def run(
    rng: random.Random,
    origins: Sequence[Sequence[Row]],
    outputs: int,
    detector: Callable[[int, dict[bytes, bytes]], Detector],
    *,
    crashes: float = 0.02,
    quiet: bool = False,
) -> tuple[list[list[Any]], list[list[Scored]]]:
    """Drive both halves to the end; returns the decisions of each partition as sent, and the log of scored records."""
    scored: list[list[Scored]] = [[] for _ in range(outputs)]
    committed, high = [0] * len(origins), [0] * len(origins)
    stores = [Store() for _ in range(outputs)]
    sent: list[list[Any]] = [[] for _ in range(outputs)]
    reader = Reader(origins, scored, committed, high)
    running = [detector(q, {}) for q in range(outputs)]
    at = [0] * outputs

    def restart(q: int) -> None:
        running[q] = detector(q, dict(stores[q].items))
        at[q] = stores[q].acknowledged

    def close(q: int) -> None:
        closing = running[q].close()
        if closing is None:
            return
        decisions, changes = closing
        for decision in decisions:
            sent[q].append(decision)
            if rng.random() < crashes:
                restart(q)  # sent, nothing saved: they will be decided again, alike
                return
        for key, value in changes.items():
            if value is None:
                stores[q].items.pop(key, None)
            else:
                stores[q].items[key] = value
            if rng.random() < crashes / 2:
                restart(q)  # saved in part
                return
        stores[q].acknowledged = running[q].acknowledgeable()

    def unread() -> bool:
        return any(done < len(log) for done, log in zip(committed, origins, strict=True))

    while unread() or any(at[q] < len(scored[q]) for q in range(outputs)):
        if unread() and rng.random() < 0.4:
            if all(done >= len(log) for done, log in zip(reader.at, origins, strict=True)) or not reader.step(
                rng, crashes
            ):
                reader = Reader(origins, scored, committed, high)
            elif quiet and rng.random() < 0.05:
                p = rng.randrange(len(origins))
                reader.quiet(p, (reader.marks[p].reached or 0) + rng.randint(0, 3))
        q = rng.randrange(outputs)
        for _ in range(rng.randint(1, 8)):
            if at[q] < len(scored[q]):
                running[q].receive(scored[q][at[q]], at[q])
                at[q] += 1
        if rng.random() < 0.5:
            close(q)
        if rng.random() < crashes:
            restart(q)
    for q in range(outputs):
        while at[q] < len(scored[q]):
            running[q].receive(scored[q][at[q]], at[q])
            at[q] += 1
        close(q)
        for _ in range(20):  # a crash in the last close: once more, to the end
            if at[q] >= len(scored[q]) and running[q].close() is None:
                break
            while at[q] < len(scored[q]):
                running[q].receive(scored[q][at[q]], at[q])
                at[q] += 1
            close(q)
    return sent, scored


def random_origins(rng: random.Random, brands: int = 5) -> list[list[Row]]:
    """One to four origins of mentions, some late, some ids twice (in one origin or in two)."""
    origins = []
    for p in range(rng.randint(1, 4)):
        seconds = 0
        log = []
        for i in range(rng.randint(5, 60)):
            seconds += rng.choice([0, 1, 5, 30, 90])
            created = max(0, seconds - rng.choice([0, 0, 0, 5, 40, 200]))
            name = rng.randint(0, 80) if rng.random() < 0.3 else 1000 * (p + 1) + i
            brand = f"brand{rng.randint(0, brands - 1)}"
            log.append(Row(created * 1_000_000, f"m{name}", brand, rng.random() < 0.5, f"a{rng.randint(0, 30)}"))
        origins.append(log)
    return origins

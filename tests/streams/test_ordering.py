"""A tick holds the same mentions whatever the partitions, batches and crashes do."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.ordering import TickOrder, Watermark
from streams.records import MINUTE_US, tick_of
from tests.streams.faults import LATENESS_US, Row, Scored, out_partition, random_origins, run


class Ticks:
    """Detect without an engine: its decision about a tick is the list of its members."""

    def __init__(self, origins: int, saved: dict[bytes, bytes]) -> None:
        self.order: TickOrder[Row] = TickOrder(origins)
        if saved:
            self.order.restore(json.loads(saved[b"order"]))

    def receive(self, record: Scored, position: int) -> None:
        if record.row is None:
            assert record.tick is not None
            self.order.advance(record.origin, record.offset, record.tick, record.cause, position)
        else:
            row = record.row
            minute = tick_of(row.created_us)
            order = (row.created_us, row.id)
            self.order.add(record.origin, record.offset, row.brand, minute, record.tick, order, row, position)

    def close(self) -> tuple[list[Any], dict[bytes, bytes | None]] | None:
        closed = self.order.close()
        if closed is None:
            return None
        return [(tick, tuple(rows)) for tick, rows in closed.ticks], {
            b"order": json.dumps(self.order.snapshot()).encode()
        }

    def acknowledgeable(self) -> int:
        return self.order.acknowledgeable()


def plain(origins: list[list[Row]], outputs: int) -> list[dict[int, tuple[Row, ...]]]:
    """The ticks by their definition, from the log of mentions alone."""
    members: list[dict[int, list[tuple[Any, ...]]]] = [{} for _ in range(outputs)]
    entered = []
    for p, log in enumerate(origins):
        newest = -(10**18)
        for j, row in enumerate(log):
            newest = max(newest, row.created_us)
            tick = max(tick_of(row.created_us), tick_of(newest - LATENESS_US))
            q = out_partition(row.brand, outputs)
            members[q].setdefault(tick, []).append((row.created_us, row.id, p, j, row))
        entered.append(tick_of(newest - LATENESS_US))
    last = min(entered) - 1
    return [{t: tuple(r[-1] for r in sorted(rows)) for t, rows in ticks.items() if t <= last} for ticks in members]


@settings(max_examples=300, deadline=None)
@given(seed=st.integers(0, 2**32), outputs=st.integers(1, 3), crashes=st.sampled_from([0.0, 0.02, 0.1]))
def test_every_tick_has_the_members_that_the_log_of_mentions_gives_it(seed: int, outputs: int, crashes: float) -> None:
    rng = random.Random(seed)
    origins = random_origins(rng)
    sent, _ = run(rng, origins, outputs, lambda _, saved: Ticks(len(origins), saved), crashes=crashes)
    for q, want in enumerate(plain(origins, outputs)):
        got: dict[int, tuple[Row, ...]] = {}
        for tick, rows in sent[q]:
            assert got.setdefault(tick, rows) == rows
        assert got == want


@settings(max_examples=200, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_ticks_closed_by_the_clock_can_be_decided_again_from_the_log_of_scored_mentions(seed: int) -> None:
    rng = random.Random(seed)
    origins = random_origins(rng)
    sent, scored = run(rng, origins, 2, lambda _, saved: Ticks(len(origins), saved), crashes=0.02, quiet=True)
    for q, log in enumerate(scored):
        again = Ticks(len(origins), {})
        for position, record in enumerate(log):
            again.receive(record, position)
        closing = again.close()
        want = dict(closing[0]) if closing else {}
        got: dict[int, Any] = {}
        for tick, rows in sent[q]:
            assert got.setdefault(tick, rows) == rows
        assert got == want


@settings(max_examples=200, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_which_ticks_the_clock_closed_does_not_depend_on_when_they_are_closed(seed: int) -> None:
    rng = random.Random(seed)
    log = []
    tick = [0, 0]
    for offset in range(30):
        p = rng.randrange(2)
        tick[p] += rng.randint(1, 4)
        log.append((p, offset, tick[p], rng.choice(["event", "clock"])))
    results = []
    for every in (1, 7, 1000):
        order: TickOrder[Row] = TickOrder(2)
        order.add(0, 0, "b", 0, None, (0,), Row(0, "m", "b"), 0)
        clock: set[int] = set()
        for position, (p, offset, to, cause) in enumerate(log):
            order.advance(p, offset, to, cause, position)  # type: ignore[arg-type]
            if position % every == 0 or position == len(log) - 1:
                closed = order.close()
                if closed:
                    clock.update(closed.clock_ticks)
        results.append(clock)
    assert results[0] == results[1] == results[2]


def test_a_late_mention_takes_effect_in_the_tick_that_its_origin_had_entered() -> None:
    order: TickOrder[str] = TickOrder(1)
    assert order.add(0, 0, "b", 10, 9, (0,), "first", 0)
    order.advance(0, 1, 12, "event", 1)
    assert order.effective_tick(0, 1, 7, None) == 12
    assert order.effective_tick(0, 0, 7, None) == 7  # it lay before the advance
    assert order.add(0, 1, "b", 7, None, (1,), "late", 2)
    closed = order.close()
    assert closed is not None
    assert (closed.upto, closed.ticks) == (11, [(10, ["first"])])
    assert not order.add(0, 0, "b", 10, 9, (0,), "first", 3), "a closed tick's record is redelivered"
    assert not order.add(0, 1, "b", 7, 3, (1,), "late", 4), "a pending record is redelivered"
    assert order.acknowledgeable() == 2
    assert len(order) == 1


def test_nothing_closes_until_the_log_is_read_again_to_where_the_snapshot_was_taken() -> None:
    order: TickOrder[str] = TickOrder(1)
    order.add(0, 0, "b", 1, 1, (0,), "a", 0)
    order.advance(0, 1, 2, "event", 1)
    order.add(0, 1, "b", 3, 2, (1,), "b", 2)
    order.close()
    again: TickOrder[str] = TickOrder(1)
    again.restore(json.loads(json.dumps(order.snapshot())))
    again.advance(0, 9, 9, "event", 1)
    assert again.closable() is None
    again.add(0, 1, "b", 3, 2, (1,), "b", 2)
    assert again.closable() == 8


def test_an_origin_that_says_nothing_holds_every_tick() -> None:
    order: TickOrder[str] = TickOrder(2)
    order.advance(0, 1, 100, "event", 0)
    assert order.close() is None
    assert order.slowest() is None
    order.advance(1, 0, 50, "clock", 1)
    closed = order.close()
    assert closed is not None
    assert (closed.upto, closed.clock_ticks) == (49, [49])


def test_a_long_span_closes_in_slices_to_the_same_end() -> None:
    order: TickOrder[str] = TickOrder(1)
    order.add(0, 0, "b", 5, 5, (0,), "early", 0)
    order.add(0, 1, "b", 1000, 1000, (1,), "late", 1)
    order.advance(0, 2, 1001, "event", 2)
    slices = []
    while (closed := order.close(300)) is not None:
        slices.append((closed.upto, closed.ticks))
    assert slices == [(305, [(5, ["early"])]), (605, []), (905, []), (1000, [(1000, ["late"])])]


def test_who_holds_the_others_up_is_named() -> None:
    order: TickOrder[str] = TickOrder(3)
    assert order.holding(10) == []
    for origin, tick in ((0, 100), (1, 50), (2, 95)):
        order.advance(origin, 0, tick, "event", origin)
    assert order.holding(10) == [(1, 50)]


def test_a_repartitioned_topic_is_refused_with_what_to_do() -> None:
    order: TickOrder[str] = TickOrder(2)
    with pytest.raises(ValueError, match="restart every worker"):
        order.advance(2, 0, 1, "event", 0)
    with pytest.raises(ValueError, match=r"topics\.prefix"):
        TickOrder[str](3).restore(order.snapshot())


@given(st.lists(st.integers(0, 10**13), min_size=1, max_size=50))
def test_a_watermark_never_falls_and_announces_each_tick_once(times: list[int]) -> None:
    mark = Watermark(LATENESS_US)
    ticks = [mark.observe(time) for time in times]
    assert ticks == sorted(ticks)
    assert ticks[-1] == (max(times) - LATENESS_US) // MINUTE_US
    assert mark.announce() == ticks[-1]
    assert mark.announce() is None

"""The same mentions give the same events, byte for byte: however partitions interleave and whatever crashes."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.engine import BrandProfile, Engine
from streams.detection import DUPLICATE_TICKS, Detection
from streams.records import (
    Advance,
    Model,
    Origin,
    ScoredMention,
    Tone,
    decode_scored,
    encode,
    hashed_author,
    microseconds,
    tick_of,
)
from tests.streams.faults import Detector, Row, Scored, out_partition, run

START = datetime(2026, 3, 2, tzinfo=UTC)
BRANDS = ("Lumo", "Castor", "Nordfisk")
NEGATIVE, NEUTRAL = Tone(0.9, 0.05, 0.05), Tone(0.1, 0.8, 0.1)


def scored(row: Row, origin: int, offset: int, reached: int | None) -> ScoredMention:
    return ScoredMention(
        id=row.id,
        created_at=datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=row.created_us),
        text=f"{row.brand} {'lost my luggage again' if row.negative else 'lands at nine'}",
        brand=row.brand,
        tone=NEGATIVE if row.negative else NEUTRAL,
        model=Model("test", "1"),
        origin=Origin(origin, offset, reached),
        author=hashed_author(row.author, "test", b"key") if row.author else None,
    )


class Partition:
    """`Detection` as `tests.streams.faults` drives it."""

    def __init__(
        self, brands: list[str], origins: int, saved: dict[bytes, bytes], portfolio: str | None = None
    ) -> None:
        engine = Engine([BrandProfile(name, portfolio=portfolio) for name in brands], model_version="test@1")
        self.detection = Detection(engine, origins=origins)
        self.detection.restore(saved.items())

    def receive(self, record: Scored, position: int) -> None:
        if record.row is not None:
            mention = scored(record.row, record.origin, record.offset, record.tick)
            self.detection.receive(mention, position)
            return
        assert record.tick is not None
        advance = Advance(partition=record.origin, offset=record.offset, tick=record.tick, cause=record.cause)
        self.detection.receive(advance, position)

    def close(self) -> tuple[list[Any], dict[bytes, bytes | None]] | None:
        closing = self.detection.close(1000)  # a long span in slices, as the agent does
        if closing is None:
            return None
        return [(event.id, event.value) for event in closing.events], closing.changes

    def acknowledgeable(self) -> int:
        return self.detection.acknowledgeable()


def a_crisis(rng: random.Random) -> list[Row]:
    """Two days of three brands and a crisis of one, in order of time; some ids come twice."""
    rows: list[Row] = []
    begin = microseconds(START)
    for brand in BRANDS:
        second = 0.0
        while second < 2 * 86_400:
            second += rng.expovariate(5 / 3600)
            rows.append(Row(begin + int(second * 1e6), "", brand, rng.random() < 0.2, f"{brand}{rng.randrange(200)}"))
    for _ in range(120):
        second = 86_400 + 30_000 + rng.expovariate(1 / 1800)
        rows.append(Row(begin + int(second * 1e6), "", "Lumo", rng.random() < 0.9, f"angry{rng.randrange(150)}"))
    rows.sort(key=lambda row: row.created_us)
    numbered = []
    for number, row in enumerate(rows):
        name = number if rng.random() > 0.03 or not number else rng.randrange(number)
        numbered.append(Row(row.created_us, f"m{name}", row.brand, row.negative, row.author))
    return numbered


def delayed(rows: list[Row], rng: random.Random) -> list[Row]:
    """The same rows as a source would send them that holds some back for minutes."""
    times = {id(row): row.created_us + rng.choice([0, 0, 0, 0, 30, 600]) * 1_000_000 for row in rows}
    return sorted(rows, key=lambda row: times[id(row)])


def split(rows: list[Row], origins: int, rng: random.Random) -> list[list[Row]]:
    """Spread rows over origins, all of one id to the same, and let each end with the last mention's time."""
    logs: list[list[Row]] = [[] for _ in range(origins)]
    places = {row.id: rng.randrange(origins) for row in rows}
    for row in rows:
        logs[places[row.id]].append(row)
    last = max(row.created_us for row in rows) + 3_600_000_000
    for log in logs:
        log.append(Row(last, f"last{rng.random()}", "nobody"))
    return logs


def factory(origins: int, outputs: int) -> Callable[[int, dict[bytes, bytes]], Detector]:
    def make(partition: int, saved: dict[bytes, bytes]) -> Detector:
        brands = [name for name in BRANDS if out_partition(name, outputs) == partition]
        return Partition(brands, origins, saved)

    return make


def events(
    rng: random.Random, origins: list[list[Row]], outputs: int, crashes: float, *, quiet: bool = False
) -> dict[str, bytes]:
    sent, _ = run(rng, origins, outputs, factory(len(origins), outputs), crashes=crashes, quiet=quiet)
    found: dict[str, bytes] = {}
    for decisions in sent:
        for name, value in decisions:
            assert found.setdefault(name, value) == value, "an event that is sent again is the same"
    return found


def test_a_partition_without_brands_closes_its_ticks() -> None:
    detection = Detection(Engine([], model_version="test@1"), origins=1)
    for day in range(4):
        tick = tick_of(microseconds(START)) + 1440 * day
        detection.receive(Advance(partition=0, offset=day, tick=tick, cause="event"), day)
        while detection.close(1000) is not None:
            pass
    assert detection.order.closed == tick - 1


def test_a_crisis_is_found_at_all() -> None:
    rng = random.Random(1)
    found = events(rng, split(a_crisis(rng), 1, rng), 1, 0.0)
    told = [json.loads(value) for value in found.values()]
    assert [event["subject"] for event in told if event["data"]["pages"]] == ["Lumo"]
    assert {event["type"].removeprefix("tocsin.crisis.") for event in told} >= {"opened", "escalated", "resolved"}


@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 2**32), origins=st.integers(1, 4), outputs=st.integers(1, 3))
def test_events_do_not_depend_on_partitions_paces_or_crashes(seed: int, origins: int, outputs: int) -> None:
    rng = random.Random(seed)
    rows = a_crisis(rng)
    want = events(rng, split(rows, 1, rng), 1, 0.0)
    assert want
    assert events(rng, split(rows, origins, rng), outputs, 0.003) == want


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 2**32), origins=st.integers(1, 3))
def test_late_mentions_are_decided_alike_after_any_crash(seed: int, origins: int) -> None:
    rng = random.Random(seed)
    logs = split(delayed(a_crisis(rng), rng), origins, rng)
    want = events(rng, logs, 1, 0.0)
    assert events(rng, logs, 2, 0.003) == want
    assert events(rng, logs, 3, 0.003) == want


def an_outage(rng: random.Random) -> list[Row]:
    """As `a_crisis`, and at the same time the others have one too: their platform is down."""
    rows = a_crisis(rng)
    begin = microseconds(START)
    for brand in ("Castor", "Nordfisk"):
        for n in range(120):
            second = 86_400 + 30_000 + rng.expovariate(1 / 1800)
            rows.append(Row(begin + int(second * 1e6), f"{brand}{n}", brand, rng.random() < 0.9, f"{brand}angry{n}"))
    return sorted(rows, key=lambda row: row.created_us)


@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 2**32), origins=st.integers(1, 3))
def test_a_portfolio_decides_alike_after_any_crash(seed: int, origins: int) -> None:
    def in_portfolio(partition: int, saved: dict[bytes, bytes]) -> Detector:
        return Partition(list(BRANDS), in_use, saved, "platform")

    rng = random.Random(seed)
    rows = an_outage(rng)
    found: list[dict[str, bytes]] = []
    for in_use, crashes in ((1, 0.0), (origins, 0.003)):
        sent, _ = run(rng, split(rows, in_use, rng), 1, in_portfolio, crashes=crashes)
        events: dict[str, bytes] = {}
        for name, value in sent[0]:
            assert events.setdefault(name, value) == value, "an event that is sent again is the same"
        found.append(events)
    assert found[0] == found[1]
    told = [json.loads(value) for value in found[0].values()]
    assert [event["subject"] for event in told if event["data"]["pages"]].count("platform") == 1
    assert any("muted_by" in event["data"] for event in told)


def fed(*records: tuple[Row, int | None] | Advance, origins: int = 1) -> Detection:
    """A detection that has received records of origin 0, in offset order."""
    detection = Detection(Engine([BrandProfile("Lumo")]), origins=origins)
    offset = 0
    for position, record in enumerate(records):
        if isinstance(record, Advance):
            detection.receive(record, position)
        else:
            row, reached = record
            detection.receive(scored(row, 0, offset, reached), position)
            offset += 1
    return detection


def row(minute: int, name: str, brand: str = "Lumo") -> Row:
    return Row(microseconds(START) + minute * 60_000_000, name, brand)


TICK = microseconds(START) // 60_000_000


def test_every_record_ends_under_one_counter() -> None:
    late = 2 * DUPLICATE_TICKS
    detection = fed(
        (row(0, "a"), TICK),
        (row(0, "a"), TICK),
        (row(1, "b", "Nobody"), TICK),
        (row(late, "c"), TICK + late),
        (row(0, "d"), TICK + late),
        (row(late - 5, "e"), TICK + late),
        (row(late, "a"), TICK + late),
        (row(late + 9, "f"), TICK + late + 9),
        Advance(partition=0, offset=8, tick=TICK + late + 1, cause="event"),
    )
    detection.skip(9)
    detection.receive(scored(row(0, "a"), 0, 0, TICK), 10)
    assert detection.close() is not None
    detection.receive(scored(row(0, "a"), 0, 0, TICK), 11)
    counts = detection.counts
    assert counts.received == 11
    assert (counts.counted, counts.duplicate, counts.too_late) == (4, 1, 1)
    assert (counts.redelivered, counts.unconfigured, counts.rejected, counts.late) == (2, 1, 1, 1)
    accounted = counts.counted + counts.duplicate + counts.too_late + counts.redelivered + counts.unconfigured
    assert counts.received == accounted + counts.rejected + len(detection.order)
    detection.abandon()
    assert counts.redelivered == 3
    assert len(detection.order) == 0


def test_an_id_is_a_duplicate_for_a_day_and_across_restarts() -> None:
    detection = fed((row(0, "a"), TICK), Advance(partition=0, offset=1, tick=TICK + 1, cause="event"))
    closing = detection.close()
    assert closing is not None
    saved = {key: value for key, value in closing.changes.items() if value is not None}
    again = fed()
    again.restore(saved.items())
    for offset, minute in ((1, DUPLICATE_TICKS), (2, DUPLICATE_TICKS + 1)):
        again.receive(scored(row(minute, "a"), 0, offset, TICK + minute), 1 + offset)
    again.receive(Advance(partition=0, offset=3, tick=TICK + 2 * DUPLICATE_TICKS, cause="event"), 4)
    after = again.close()
    assert after is not None
    assert (again.counts.duplicate, again.counts.counted) == (1, 1)
    assert after.changes[f"seen/{TICK}".encode()] is None, "what is older than a day is forgotten"


def test_state_of_another_topic_layout_is_refused() -> None:
    detection = fed((row(0, "a"), TICK), Advance(partition=0, offset=1, tick=TICK + 1, cause="event"))
    closing = detection.close()
    assert closing is not None
    saved = {key: value for key, value in closing.changes.items() if value is not None}
    with pytest.raises(ValueError, match="repartitioned"):
        fed(origins=2).restore(saved.items())


@pytest.mark.parametrize("reliable", [True, False])
def test_a_tone_that_cannot_be_known_counts_as_mention_and_author_but_never_as_negative(reliable: bool) -> None:
    seen: list[Any] = []

    class Listening(Engine):
        def advance(self, tick: int, observations: Any, clock_ticks: Any = frozenset()) -> Any:
            seen.append(observations)
            return super().advance(tick, observations, clock_ticks)

    detection = Detection(Listening([BrandProfile("Lumo")]), origins=1)
    mention = scored(Row(microseconds(START), "a", "Lumo", True, "ann"), 0, 0, TICK)
    assert mention.tone.label == "negative"
    # As the log holds it: the flag must survive the wire.
    record = decode_scored(encode(msgspec.structs.replace(mention, tone_reliable=reliable)))
    detection.receive(record, 0)
    detection.receive(Advance(partition=0, offset=1, tick=TICK + 1, cause="event"), 1)
    assert detection.close() is not None
    (observations,) = seen
    assert len(observations) == detection.counts.counted == 1
    assert observations.author[0] == int(str(mention.author), 16)
    assert bool(observations.negative[0]) is reliable
    assert float(observations.p_negative[0]) == pytest.approx(0.9 if reliable else 0.0)

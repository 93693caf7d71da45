"""Every record ends under one counter; what goes out has its origin and goes out in order."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.classification import CONTROL_HEADER, Classification, Incoming
from streams.matching import BrandMatcher
from streams.records import Advance, Limits, Model, ScoredMention, encode, microseconds, partition_of
from tests.streams.test_records import BAD

START = datetime(2026, 1, 1, tzinfo=UTC)
NOW = microseconds(START)


def classification(**changes: object) -> Classification:
    arguments: dict[str, object] = {
        "brands": ["Lumo", "Castor"],
        "matcher": BrandMatcher([("Lumo", ["lumo"]), ("Castor", ["castor"])]),
        "author_key": b"key",
        "lateness_us": 10_000_000,
        "partitions": 3,
        "limits": Limits(),
        "model": Model("test", "1"),
    }
    return Classification(**{**arguments, **changes})  # type: ignore[arg-type]


def incoming(offset: int, second: float, text: str = "lumo", partition: int = 0, **fields: object) -> Incoming:
    mention = {
        "id": f"{partition}-{offset}",
        "created_at": (START + timedelta(seconds=second)).isoformat(),
        "text": text,
    }
    written = NOW + int(max(second, 0) * 1e6) if second < 10**6 else NOW
    return Incoming(partition, offset, json.dumps({**mention, **fields}).encode(), {}, written)


def test_each_kind_of_record_ends_under_one_counter() -> None:
    work = classification()
    records = [
        incoming(0, 0),
        incoming(1, 1, "nobody"),
        incoming(2, 2, "lumo and castor"),
        incoming(3, 3, brand="Castor"),
    ]
    records += [Incoming(0, 4 + i, value, {}, NOW) for i, (_, value, _) in enumerate(BAD)]
    records.append(incoming(99, 4, brand="Nobody"))
    verdicts: list[bool] = []
    batch = work.read(records, lambda rejected: verdicts.append(rejected is None))
    out = work.outgoing(batch, np.full((3, 3), 1 / 3, np.float32))
    counts = work.counts
    assert counts.read == len(records) == counts.matched + counts.unmatched + counts.rejected.total()
    assert (counts.matched, counts.unmatched, counts.scored) == (3, 1, 4)
    assert counts.rejected["unknown_brand"] == 1
    assert {rejected.error.reason for rejected in batch.rejected} == {reason for _, _, reason in BAD} | {
        "unknown_brand"
    }
    assert [rejected.record for rejected in batch.rejected] == records[4:]
    assert verdicts == [True] * 4 + [False] * (len(BAD) + 1)
    assert [one.record.brand for one in out if isinstance(one.record, ScoredMention)] == [
        "Lumo",
        "Lumo",
        "Castor",
        "Castor",
    ]


def test_a_tone_that_the_model_cannot_know_is_flagged_and_counted_once_a_mention() -> None:
    work = classification(knows=lambda _text, lang: lang != "de")
    batch = work.read([incoming(0, 0, "lumo und castor", lang="de"), incoming(1, 1, "lumo")])
    out = [one.record for one in work.outgoing(batch, [[0.9, 0.05, 0.05]] * 2)]
    mentions = [record for record in out if isinstance(record, ScoredMention)]
    assert [(one.brand, one.tone_reliable) for one in mentions] == [("Lumo", False), ("Castor", False), ("Lumo", True)]
    assert all(one.tone.negative == 0.9 for one in mentions)
    assert work.counts.unreliable == 1
    assert b"tone_reliable" in encode(mentions[0])
    assert b"tone_reliable" not in encode(mentions[2])


def test_brands_of_a_portfolio_go_to_one_partition_under_their_own_keys() -> None:
    work = classification(homes={"Lumo": "shops", "Castor": "shops"})
    out = work.outgoing(work.read([incoming(0, 0, "lumo and castor")]), [[0.1, 0.2, 0.7]])
    mentions = [(one.partition, one.key) for one in out if isinstance(one.record, ScoredMention)]
    assert mentions == [(partition_of("shops", 3), b"Lumo"), (partition_of("shops", 3), b"Castor")]


def test_mentions_go_to_their_brand_and_advances_behind_them_to_all() -> None:
    work = classification()
    batch = work.read([incoming(7, 0), incoming(8, 90, author="ann"), incoming(3, 200, partition=1)])
    out = work.outgoing(batch, [[0.12345, 0.2, 0.67655]] * 3)
    mentions, advances = out[:3], out[3:]
    for one in mentions:
        assert isinstance(one.record, ScoredMention)
        assert (one.partition, one.key) == (partition_of("Lumo", 3), b"Lumo")
        assert one.record.tone.negative == 0.1235
        assert one.record.tone.label == "positive"
    records = [one.record for one in mentions if isinstance(one.record, ScoredMention)]
    tick = microseconds(START) // 60_000_000
    assert [r.origin.reached for r in records] == [tick - 1, tick + 1, tick + 3]
    assert [(r.origin.partition, r.origin.offset) for r in records] == [(0, 7), (0, 8), (1, 3)]
    assert records[0].author is None
    assert records[1].author not in (None, "ann")
    assert [(one.partition, one.record) for one in advances] == [
        (q, Advance(partition=p, offset=k, tick=t, cause="event"))
        for p, k, t in ((0, 9, tick + 1), (1, 4, tick + 3))
        for q in range(3)
    ]
    assert not work.read([incoming(9, 95)]).advances, "the same tick is announced once"


def test_the_end_of_a_replay_advances_beyond_its_newest_mention() -> None:
    work = classification()
    work.read([incoming(0, 0)])
    end = {"control": "end", "created_at": (START + timedelta(seconds=59)).isoformat()}
    batch = work.read([Incoming(0, 1, json.dumps(end).encode(), {CONTROL_HEADER: b"end"}, NOW)])
    tick = microseconds(START) // 60_000_000
    assert batch.advances == [Advance(partition=0, offset=2, tick=tick + 1, cause="end")]
    assert work.counts.control == 1
    assert work.counts.read == 1
    bad = work.read([Incoming(0, 2, b"{}", {CONTROL_HEADER: b"end"}, NOW)])
    assert bad.rejected[0].error.reason == "wrong_type"
    assert work.counts.read == 2


def test_an_origin_read_again_from_further_back_never_overstates_what_it_reached() -> None:
    work = classification()
    work.read([incoming(5, 600)])
    again = work.read([incoming(3, 60), incoming(4, 61)])
    tick = microseconds(START) // 60_000_000
    assert [one.origin.reached for one in again.matched] == [tick, tick]


def test_a_clock_that_runs_ahead_takes_no_watermark_with_it() -> None:
    work = classification()
    ahead = replace(incoming(0, 3000), timestamp_us=microseconds(START) + 30_000_000)
    (one,) = work.read([ahead]).matched
    assert one.origin.reached == microseconds(START) // 60_000_000
    assert work.counts.read == 1


def test_an_end_of_replay_that_lies_ahead_is_rejected() -> None:
    work = classification()
    end = b'{"control": "end", "created_at": "9999-01-01T00:00:00Z"}'
    batch = work.read([Incoming(0, 0, end, {CONTROL_HEADER: b"end"}, NOW)])
    assert batch.rejected[0].error.reason == "absurd_date"
    assert not batch.advances


def test_a_rejected_date_moves_no_watermark() -> None:
    work = classification()
    work.read([incoming(0, 10**9), incoming(1, -(10**9)), incoming(2, 100, brand="Nobody")])
    assert work.watermark(0).reached is None


@given(
    st.lists(st.tuples(st.integers(0, 1), st.integers(0, 300)), max_size=30),
    st.lists(st.integers(1, 10), min_size=30, max_size=30),
)
def test_batches_do_not_change_what_records_carry(rows: list[tuple[int, int]], sizes: list[int]) -> None:
    records, offsets = [], [0, 0]
    for partition, second in rows:
        records.append(incoming(offsets[partition], second, partition=partition))
        offsets[partition] += 1
    whole = classification().read(records).matched
    work, parts, rest = classification(), [], records
    for size in sizes:
        parts += work.read(rest[:size]).matched
        rest = rest[size:]
    parts += work.read(rest).matched
    assert parts == whole


def test_without_configured_brands_any_name_passes() -> None:
    work = classification(brands=None, matcher=BrandMatcher([]))
    batch = work.read([incoming(0, 0, brand="Anybody"), incoming(1, 0)])
    assert [one.brands for one in batch.matched] == [("Anybody",)]
    assert work.counts.unmatched == 1


def test_as_many_tones_as_mentions() -> None:
    work = classification()
    with pytest.raises(ValueError, match="zip"):
        work.outgoing(work.read([incoming(0, 0)]), [])

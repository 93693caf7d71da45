"""Bytes to records: everything that is refused has a reason, everything that is taken comes back the same."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.records import (
    Advance,
    EndOfReplay,
    Limits,
    Mention,
    Model,
    Origin,
    Reason,
    RejectedError,
    ScoredMention,
    Tone,
    decode_control,
    decode_mention,
    decode_scored,
    encode,
    hashed_author,
    microseconds,
    partition_of,
    rfc3339,
    tick_of,
    tick_start,
)

NOW = microseconds(datetime(2026, 1, 1, tzinfo=UTC))
GOOD = {"id": "1", "created_at": "2025-12-31T23:59:59.123456Z", "text": "late again", "author": "ann"}


def altered(**fields: object) -> bytes:
    return json.dumps({key: value for key, value in {**GOOD, **fields}.items() if value != "ABSENT"}).encode()


BAD: list[tuple[str, bytes | None, Reason]] = [
    ("tombstone", None, "empty"),
    ("nothing", b"", "empty"),
    ("blanks", b" \n", "empty"),
    ("no text", altered(text=""), "empty"),
    ("blank text", altered(text=" \t\n"), "empty"),
    ("latin-1", '{"id": "1", "text": "café"}'.encode("latin-1"), "not_utf8"),
    ("cut short", b'{"id": "1"', "not_json"),
    ("a bare word", b"hello", "not_json"),
    ("nested beyond reason", b'{"id":"a","x":' + b"[" * 200_000, "not_json"),
    ("half a surrogate pair", altered(text="?").replace(b"?", b"\\ud83d"), "not_json"),
    ("a list", b"[]", "wrong_type"),
    ("a number", b"7", "wrong_type"),
    ("no id", altered(id="ABSENT"), "missing_field"),
    ("no date", altered(created_at="ABSENT"), "missing_field"),
    ("text missing", altered(text="ABSENT"), "missing_field"),
    ("number for id", altered(id=7), "wrong_type"),
    ("empty id", altered(id=""), "wrong_type"),
    ("number for text", altered(text=1.5), "wrong_type"),
    ("negative reach", altered(reach=-1), "wrong_type"),
    ("unknown kind", altered(kind="story"), "wrong_type"),
    ("unknown gold tone", altered(gold_tone="angry"), "wrong_type"),
    ("no date at all", altered(created_at="yesterday"), "absurd_date"),
    ("no zone", altered(created_at="2025-12-31T23:59:59"), "absurd_date"),
    ("a number for a date", altered(created_at=1_700_000_000), "absurd_date"),
    ("13th month", altered(created_at="2025-13-01T00:00:00Z"), "absurd_date"),
    ("before the web", altered(created_at="1970-01-01T00:00:00Z"), "absurd_date"),
    ("far ahead", altered(created_at="2026-01-01T01:00:01Z"), "absurd_date"),
    ("year one, east", altered(created_at="0001-01-01T00:00:00+14:00"), "absurd_date"),
    ("long text", altered(text="x" * 65_537), "text_too_long"),
    ("huge record", altered(url="x" * 1_000_000), "too_large"),
]


@pytest.mark.parametrize(("value", "reason"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
def test_each_kind_of_bad_record_has_its_reason(value: bytes | None, reason: Reason) -> None:
    with pytest.raises(RejectedError) as caught:
        decode_mention(value, Limits(), now_us=NOW)
    assert caught.value.reason == reason
    assert str(caught.value)


@given(st.binary(max_size=200))
def test_any_bytes_are_either_a_mention_or_rejected(value: bytes) -> None:
    with suppress(RejectedError):
        decode_mention(value, Limits(), now_us=NOW)


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)
    )
)
def test_any_json_in_any_field_is_either_a_mention_or_rejected(value: object) -> None:
    for name in ("id", "created_at", "text", "brand", "reach", "kind", "unheard_of"):
        record = json.dumps({**GOOD, name: value}).encode()
        with suppress(RejectedError):
            decode_mention(record, Limits(), now_us=NOW)


def test_a_mention_is_read_with_what_is_absent_or_null_left_out() -> None:
    mention = decode_mention(altered(reach=12, kind="reply", brand=None, extra={"a": 1}), Limits(), now_us=NOW)
    assert mention == Mention(
        id="1",
        created_at=datetime(2025, 12, 31, 23, 59, 59, 123456, UTC),
        text="late again",
        author="ann",
        reach=12,
        kind="reply",
    )
    assert json.loads(encode(mention)) == {**GOOD, "reach": 12.0, "kind": "reply"}


@given(st.integers(0, 9_495 * 86_400 * 10**6), st.integers(-839, 839))
def test_times_are_exact_to_the_microsecond_in_any_zone(us_after_2000: int, minutes: int) -> None:
    moment = datetime(2000, 1, 1, tzinfo=UTC) + timedelta(microseconds=us_after_2000)
    local = moment.astimezone(timezone(timedelta(minutes=minutes)))
    read = decode_mention(altered(created_at=local.isoformat()), Limits(), now_us=NOW)
    us = microseconds(read.created_at)
    assert us == microseconds(moment)
    assert microseconds(tick_start(tick_of(us))) <= us < microseconds(tick_start(tick_of(us) + 1))
    assert datetime.fromisoformat(rfc3339(local)) == local


def test_scored_mentions_and_advances_come_back_the_same() -> None:
    tone = Tone(0.5, 0.3, 0.2)
    scored = ScoredMention(
        id="1",
        created_at=datetime(2025, 1, 1, tzinfo=UTC),
        text="\u0000 \u2028 🙂",
        brand="Ä",
        tone=tone,
        model=Model("m", "1"),
        origin=Origin(3, 2**40, None),
    )
    advance = Advance(partition=1, offset=5, tick=29_000_000, cause="clock")
    for record in (scored, advance):
        assert decode_scored(encode(record)) == record
    assert json.loads(encode(advance)) == {
        "type": "advance",
        "partition": 1,
        "offset": 5,
        "tick": 29_000_000,
        "cause": "clock",
    }


def test_a_control_record_that_is_none_is_refused() -> None:
    end = EndOfReplay(control="end", created_at=datetime(2025, 1, 1, tzinfo=UTC))
    assert decode_control(encode(end)) == end
    for value in (None, b"", b"{}", b'{"control": "begin", "created_at": "2025-01-01T00:00:00Z"}', b"\xff"):
        with pytest.raises(RejectedError):
            decode_control(value)


def test_a_tie_between_tones_goes_to_the_one_named_first() -> None:
    assert Tone(0.4, 0.4, 0.2).label == "negative"
    assert Tone(0.2, 0.4, 0.4).label == "neutral"
    assert Tone(0.0, 0.0, 1.0).label == "positive"


def test_authors_are_hashed_with_the_key_and_apart_by_source() -> None:
    one = hashed_author("ann", "x", b"key")
    assert len(one) == 16
    assert one == hashed_author("ann", "x", b"key")
    assert (
        len(
            {
                one,
                hashed_author("ann", "y", b"key"),
                hashed_author("ann", "x", b"other"),
                hashed_author("bob", "x", b"key"),
            }
        )
        == 4
    )


def test_a_key_has_the_partition_that_any_client_can_compute() -> None:
    assert [partition_of("123456789", n) for n in (1, 7, 1000)] == [0, 0xCBF43926 % 7, 0xCBF43926 % 1000]

"""Mentions go where they belong, on both brokers, once each, with the end announced behind them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from kafka import KafkaConsumer, TopicPartition

from streams import topics
from streams.brokers import Broker
from streams.entries import Entry
from streams.existing_topics import MissingTopicError
from streams.mention_files import BadLineError
from streams.records import Mention, decode_control, encode, partition_of
from streams.replay import ReplaySummary, replay
from streams.settings import Settings

MakeSettings = Callable[..., Settings]

_START = datetime(2026, 3, 2, tzinfo=UTC)
_PARTITIONS = 3


def _entries(count: int) -> list[Entry]:
    mentions = [Mention(id=f"m{i}", created_at=_START + timedelta(seconds=i), text=f"acme {i}") for i in range(count)]
    return [Entry("test", i, mention) for i, mention in enumerate(mentions, 1)]


def _settings(broker: Broker, settings_for: MakeSettings) -> Settings:
    settings = settings_for(broker, topics={"partitions": _PARTITIONS})
    topics.ensure(topics.specs(settings), settings)
    return settings


def _log(settings: Settings, expected: int) -> dict[int, list[Any]]:
    """All records of the topic of mentions, by partition; end offsets of the embedded broker cannot be relied on."""
    consumer = KafkaConsumer(**settings.kafka.client(), group_id=None, auto_offset_reset="earliest")
    consumer.assign([TopicPartition(settings.topics.mentions, partition) for partition in range(_PARTITIONS)])
    found: dict[int, list[Any]] = {partition: [] for partition in range(_PARTITIONS)}
    empty = 0
    while sum(map(len, found.values())) < expected or empty < 2:
        polled = consumer.poll(timeout_ms=500)
        empty = 0 if polled else empty + 1
        for tp, records in polled.items():
            found[tp.partition] += records
        if empty > 20:
            break
    consumer.close()
    return found


def test_each_mention_is_there_once_in_order_where_its_id_belongs(broker: Broker, settings_for: MakeSettings) -> None:
    settings = _settings(broker, settings_for)
    entries = _entries(5_000)
    progress: list[int] = []
    summary = replay(entries, settings, on_progress=progress.append)
    assert (summary.sent, summary.bad, summary.disordered, summary.ended) == (5_000, 0, 0, True)
    assert progress[-1] == 5_000

    log = _log(settings, 5_000 + _PARTITIONS)
    expected: dict[int, list[bytes]] = {partition: [] for partition in range(_PARTITIONS)}
    for entry in entries:
        assert isinstance(entry.content, Mention)
        expected[partition_of(entry.content.id, _PARTITIONS)].append(encode(entry.content))
    for partition, records in log.items():
        *mentions, end = records
        assert [record.value for record in mentions] == expected[partition]
        assert all(record.key.decode() in record.value.decode() for record in mentions)
        assert list(end.headers) == [("tocsin-control", b"end")]
        assert decode_control(end.value).created_at == _START + timedelta(seconds=4_999)


def test_bad_lines_are_told_and_sent_only_if_asked(broker: Broker, settings_for: MakeSettings) -> None:
    settings = _settings(broker, settings_for)
    bad = Entry("test", 3, BadLineError("not_json", "not JSON", b"{bad\xff"))
    told: list[Entry] = []
    summary = replay([*_entries(2), bad], settings, end=False, on_bad=told.append)
    assert (summary.sent, summary.bad, summary.bad_sent, summary.ended) == (2, 1, 0, False)
    assert told == [bad]
    huge = Entry("test", 4, BadLineError("too_large", "too large", b"x" * (settings.limits.record_bytes + 2)))
    summary = replay([bad, huge], settings, send_bad=True)
    assert (summary.sent, summary.bad, summary.bad_sent, summary.ended) == (0, 2, 1, False)
    values = [record.value for records in _log(settings, 3).values() for record in records]
    assert len(values) == 3
    assert b"{bad\xff" in values


def test_an_interrupted_replay_has_sent_what_it_counted_and_no_end(broker: Broker, settings_for: MakeSettings) -> None:
    settings = _settings(broker, settings_for)
    summary = ReplaySummary()

    def interrupt(done: int) -> None:
        if done == 700:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        replay(_entries(5_000), settings, on_progress=interrupt, summary=summary)
    assert summary.sent == 700
    log = _log(settings, 700)
    assert sum(map(len, log.values())) == 700
    assert not any(record.headers for records in log.values() for record in records)


def test_a_missing_topic_is_one_clear_message(broker: Broker, settings_for: MakeSettings) -> None:
    with pytest.raises(MissingTopicError, match="create it: tocsin topics"):
        replay(_entries(1), settings_for(broker))

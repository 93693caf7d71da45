"""The doctor on real brokers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from kafka import KafkaProducer

from streams import topics
from streams.brokers import Broker
from streams.doctor_broker import check_broker, check_clock
from streams.settings import Settings

MakeSettings = Callable[..., Settings]


def test_missing_then_made_then_differing_topics(broker: Broker, settings_for: MakeSettings) -> None:
    settings = settings_for(broker)
    wanted = topics.specs(settings)
    found = {finding.name: finding for finding in check_broker(settings, wanted)}
    assert found["broker"].status == "ok"
    assert found["topics"].status == "fail"
    assert found["topics"].advice == "tocsin topics makes them"

    topics.ensure(wanted, settings)
    assert [finding.status for finding in check_broker(settings, wanted)] == ["ok", "ok"]

    other = [replace(wanted[0], partitions=8), *wanted[1:]]
    (finding,) = [finding for finding in check_broker(settings, other) if finding.status != "ok"]
    assert "number of partitions is 4, should be 8" in finding.message


def test_more_copies_than_brokers_fail(kafka: Broker, settings_for: MakeSettings) -> None:
    settings = settings_for(kafka, topics={"replication": 3})
    assert any("topics.replication is 3" in finding.message for finding in check_broker(settings, []))


def test_a_clock_behind_the_brokers_is_found(kafka: Broker, settings_for: MakeSettings) -> None:
    settings = settings_for(kafka)
    topics.ensure(topics.specs(settings), settings)
    (unknown,) = check_clock(settings, ask_broker=True)
    assert "no mention yet" in unknown.message
    with KafkaProducer(**settings.kafka.client()) as producer:
        # A source whose clock is years off does not matter: the broker stamps on arrival.
        sent = producer.send(settings.topics.mentions, b"{}", timestamp_ms=1_000_000_000_000).get(10)
    (right,) = check_clock(settings, ask_broker=True)
    assert right.status == "ok"
    assert right.message == "not behind the newest stamp of the broker"
    assert sent.timestamp > 1_700_000_000_000
    (behind,) = check_clock(settings, ask_broker=True, now=lambda: sent.timestamp / 1000 - 60)
    assert behind.status == "fail"

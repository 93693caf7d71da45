"""Crisis events reach those who watch, each once, on both brokers."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import pytest
from kafka import KafkaProducer

from streams import topics
from streams.brokers import Broker
from streams.existing_topics import MissingTopicError
from streams.settings import Settings
from streams.watch import EventWatcher, ReceivedEvent

MakeSettings = Callable[..., Settings]


def _event(number: int, brand: str = "Acme") -> bytes:
    event = {
        "id": f"i-{number}",
        "type": "tocsin.crisis.updated",
        "subject": brand,
        "time": f"2026-03-02T10:{number:02}:00Z",
    }
    return json.dumps(event).encode()


def _send(settings: Settings, values: list[bytes | None]) -> None:
    producer = KafkaProducer(**settings.kafka.client())
    for value in values:
        producer.send(settings.topics.events, value, key=b"Acme", partition=0).get(10)
    producer.close()


def _received(watcher: EventWatcher, count: int) -> list[ReceivedEvent]:
    found: list[ReceivedEvent] = []
    deadline = time.monotonic() + 15
    while len(found) < count and time.monotonic() < deadline:
        found += watcher.poll(0.2)
    return found + watcher.poll(0.5)


def test_from_the_start_each_event_once_as_it_came(broker: Broker, settings_for: MakeSettings) -> None:
    settings = settings_for(broker)
    topics.ensure(topics.specs(settings), settings)
    _send(settings, [_event(1), _event(2), _event(1), b"no event", None, b"[]", _event(3)])
    with EventWatcher(settings, from_start=True) as watcher:
        assert [one.value for one in _received(watcher, 3)] == [_event(1), _event(2), _event(3)]
        assert watcher.foreign == 3
        _send(settings, [_event(2), _event(4)])
        assert [one.event["id"] for one in _received(watcher, 1)] == ["i-4"]


def test_only_one_brand(broker: Broker, settings_for: MakeSettings) -> None:
    settings = settings_for(broker)
    topics.ensure(topics.specs(settings), settings)
    _send(settings, [_event(1), _event(2, "Other"), _event(3)])
    with EventWatcher(settings, from_start=True, brand="Other") as watcher:
        assert [one.event["id"] for one in _received(watcher, 1)] == ["i-2"]


def test_from_now_on(broker: Broker, settings_for: MakeSettings) -> None:
    settings = settings_for(broker)
    topics.ensure(topics.specs(settings), settings)
    _send(settings, [_event(1), _event(2)])
    with EventWatcher(settings) as watcher:
        _send(settings, [_event(3)])
        assert [one.event["id"] for one in _received(watcher, 1)] == ["i-3"]


def test_a_missing_topic_is_one_clear_message(broker: Broker, settings_for: MakeSettings) -> None:
    with pytest.raises(MissingTopicError, match="create it: tocsin topics"), EventWatcher(settings_for(broker)):
        pass

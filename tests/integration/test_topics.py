"""The checked step that makes topics, on real brokers."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from streams import topics
from streams.brokers import HOST, Broker, free_ports
from streams.settings import Settings

MakeSettings = Callable[..., Settings]


def test_all_topics_are_made_as_asked_and_a_second_call_changes_nothing(
    broker: Broker, settings_for: MakeSettings
) -> None:
    settings = settings_for(broker, topics={"partitions": 3})
    wanted = [*topics.specs(settings), topics.compacted(f"{settings.topics.prefix}table-changelog", settings)]
    first = topics.ensure(wanted, settings)
    assert first.created == tuple(spec.name for spec in wanted)
    assert not first.differences

    second = topics.ensure(wanted, settings)
    assert second.created == ()
    assert second.present == tuple(spec.name for spec in wanted)
    assert not second.differences

    with topics.admin(settings) as client:
        layout = {topic["name"]: len(topic["partitions"]) for topic in client.describe_topics(list(second.present))}
    assert set(layout.values()) == {3}


def test_another_number_of_partitions_stops_everything_and_is_named(broker: Broker, settings_for: MakeSettings) -> None:
    settings = settings_for(broker)
    wanted = topics.specs(settings)
    topics.ensure([replace(wanted[1], partitions=7)], settings)
    with pytest.raises(topics.TopicsError, match=r"mentions\.scored: number of partitions is 7, should be 4"):
        topics.ensure(wanted, settings)
    report = topics.inspect(wanted, settings)
    assert settings.topics.mentions in report.missing, "nothing may be made while something does not fit"


def test_other_retention_and_compaction_are_warned_of_but_do_not_stop(
    broker: Broker, settings_for: MakeSettings
) -> None:
    settings = settings_for(broker)
    wanted = topics.specs(settings)
    named = {spec.name: spec for spec in wanted}
    mentions, state = named[settings.topics.mentions], named[settings.topics.state]
    short = replace(mentions, configs={**mentions.configs, "retention.ms": "1000"})
    plain = replace(state, configs={"cleanup.policy": "delete", "max.message.bytes": "99999999"})
    topics.ensure([short, plain], settings)
    report = topics.ensure(wanted, settings)
    said = {(difference.topic, difference.what): difference for difference in report.warnings}
    assert said[settings.topics.mentions, "retention.ms"].found == "1000"
    assert said[settings.topics.state, "cleanup.policy"].wanted == "compact"
    assert (settings.topics.state, "max.message.bytes") not in said, "a larger limit is as good"
    assert len(report.created) == len(wanted) - 2


def test_workers_that_start_at_the_same_moment_do_not_trip_over_each_other(
    broker: Broker, settings_for: MakeSettings
) -> None:
    settings = settings_for(broker)
    wanted = topics.specs(settings)
    with ThreadPoolExecutor(4) as pool:
        reports = list(pool.map(lambda _: topics.ensure(wanted, settings), range(4)))
    created = [name for report in reports for name in report.created]
    assert sorted(created) == sorted(spec.name for spec in wanted), "each is made by exactly one of them"


def test_what_the_broker_refuses_is_said_with_its_reason(kafka: Broker, settings_for: MakeSettings) -> None:
    settings = settings_for(kafka, topics={"replication": 3})
    with pytest.raises(topics.TopicsError, match=r"mentions: .*[Rr]eplication"):
        topics.ensure(topics.specs(settings), settings)


def test_an_absent_broker_is_named(settings_for: MakeSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(topics, "CONNECT_MS", 300)
    address = f"{HOST}:{free_ports(1)[0]}"
    settings = Settings.model_validate({"kafka": {"bootstrap_servers": address}, "brands": [{"name": "Acme"}]})
    with pytest.raises(topics.BrokerUnreachableError, match=address):
        topics.inspect(topics.specs(settings), settings)

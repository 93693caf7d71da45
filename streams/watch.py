"""Crisis events from Kafka, each once.

Events may be delivered again after a worker's restart; a repeated one carries the same id and is dropped here. The
consumer joins no group and commits nothing: any number of people can watch.
"""

from __future__ import annotations

from types import TracebackType
from typing import Any, Final, Literal, NamedTuple

import msgspec

from streams.errors import UserError
from streams.existing_topics import partitions_of_topic
from streams.lone_consumer import lone_consumer
from streams.settings import Settings

#: Ids remembered, so that a repeated event is known; at a few events a day, years of them.
_REMEMBERED: Final = 100_000


class WatchError(UserError):
    """The broker cannot be read from; the message says which and why."""


class ReceivedEvent(NamedTuple):
    """A crisis event: its bytes as they came, and what they say."""

    value: bytes
    event: dict[str, Any]


class EventWatcher:
    """Reads the topic of crisis events; use as a context manager.

    Parameters
    ----------
    settings : Settings
        Where Kafka is and what the topic is called.
    from_start : bool
        Whether to begin with the oldest event that is kept, else with those to come.
    brand : str, optional
        Only events of this brand.

    Raises
    ------
    BrokerUnreachableError, MissingTopicError, WatchError
        On entering, if there is no broker, it has no topic of crisis events, or does not let us read.
    """

    def __init__(self, settings: Settings, *, from_start: bool = False, brand: str | None = None) -> None:
        self._settings = settings
        self._from_start = from_start
        self._brand = brand
        self._seen: dict[str, None] = {}
        #: Records that were no crisis events; somebody else writes to the topic.
        self.foreign = 0

    def __enter__(self) -> EventWatcher:
        """Connect and go to where reading begins."""
        from kafka import TopicPartition
        from kafka.errors import KafkaError

        servers, topic = self._settings.kafka.bootstrap_servers, self._settings.topics.events
        partitions = partitions_of_topic(topic, self._settings)
        try:
            begin: Literal["earliest", "latest"] = "earliest" if self._from_start else "latest"
            self._consumer = lone_consumer(self._settings, "watch", begin=begin)
        except (KafkaError, OSError, ValueError) as error:
            raise WatchError(f"the broker at {servers} cannot be read from: {error}") from None
        assigned = [TopicPartition(topic, partition) for partition in range(partitions)]
        self._consumer.assign(assigned)
        if not self._from_start:
            for partition in assigned:
                self._consumer.position(partition)  # fixes "from now on" to now, not to the first poll
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Disconnect."""
        self._consumer.close()

    def poll(self, seconds: float = 0.5) -> list[ReceivedEvent]:
        """Return the new events that have come within some seconds, those of one poll in order of their time."""
        received = []
        for records in self._consumer.poll(timeout_ms=round(seconds * 1000)).values():
            for record in records:
                event = self._decoded(record.value)
                if event is not None and self._is_new(event["id"]) and self._brand in {None, event.get("subject")}:
                    received.append(ReceivedEvent(record.value, event))
        received.sort(key=lambda one: (str(one.event.get("time")), str(one.event.get("subject"))))
        return received

    def _decoded(self, value: bytes | None) -> dict[str, Any] | None:
        try:
            event = msgspec.json.decode(value or b"")
        except msgspec.MsgspecError:
            event = None
        if isinstance(event, dict) and isinstance(event.get("id"), str) and isinstance(event.get("type"), str):
            return event
        self.foreign += 1
        return None

    def _is_new(self, identifier: str) -> bool:
        if identifier in self._seen:
            return False
        self._seen[identifier] = None
        if len(self._seen) > _REMEMBERED:
            del self._seen[next(iter(self._seen))]
        return True

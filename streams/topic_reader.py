"""A topic from its beginning, read by a consumer that joins no group and commits nothing."""

from __future__ import annotations

import time
from collections.abc import Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

from streams.errors import UserError
from streams.existing_topics import partitions_of_topic
from streams.lone_consumer import lone_consumer
from streams.settings import Settings

if TYPE_CHECKING:
    from kafka import KafkaConsumer

#: The embedded broker does not tell where a topic ends: nothing for so long is the end. Seconds.
_EMBEDDED_END: Final = 1.0
#: A broker that answers but gives nothing for so long is not read to the end. Seconds.
_STALLED: Final = 60.0


class TopicReadError(UserError):
    """A topic cannot be read; the message says which and why."""


class TopicReader:
    """All partitions of one topic; use as a context manager, from one thread.

    Raises
    ------
    BrokerUnreachableError, MissingTopicError, TopicReadError
        On entering, if there is no broker, it does not have the topic, or does not let us read.
    """

    def __init__(self, topic: str, settings: Settings) -> None:
        self._topic, self._settings = topic, settings
        self._consumer: KafkaConsumer | None = None
        #: The offset after the last record given, by partition.
        self.positions: dict[int, int] = {}

    def __enter__(self) -> Self:
        """Connect; reading goes on after the last record given before, at first at the beginning."""
        from kafka import TopicPartition
        from kafka.errors import KafkaError

        partitions = partitions_of_topic(self._topic, self._settings)
        try:
            self._consumer = lone_consumer(self._settings, "reader")
            self._assigned = [TopicPartition(self._topic, partition) for partition in range(partitions)]
            self._consumer.assign(self._assigned)
            for one in self._assigned:
                if one.partition in self.positions:
                    self._consumer.seek(one, self.positions[one.partition])
                else:
                    self._consumer.seek_to_beginning(one)
        except (KafkaError, OSError, ValueError) as error:
            raise TopicReadError(f"topic {self._topic} cannot be read: {error}") from None
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Disconnect."""
        if self._consumer is not None:
            self._consumer.close()
            self._consumer = None

    def poll(self, seconds: float = 0.5) -> list[Any]:
        """The records that have come within some seconds, in each partition in order. Raises TopicReadError."""
        from kafka.errors import KafkaError

        assert self._consumer is not None
        try:
            found = self._consumer.poll(timeout_ms=round(seconds * 1000))
        except KafkaError as error:
            raise TopicReadError(f"topic {self._topic} cannot be read: {error}") from None
        records = [record for some in found.values() for record in some]
        for record in records:
            self.positions[record.partition] = record.offset + 1
        return records

    def to_end(self) -> Iterator[Any]:
        """Every record up to where the topic ends now. Raises TopicReadError."""
        if self._settings.worker.embedded:
            while some := self.poll(_EMBEDDED_END):
                yield from some
            return
        from kafka.errors import KafkaError

        assert self._consumer is not None
        try:
            ends = self._consumer.end_offsets(self._assigned)
            last = time.monotonic()
            while any(self._consumer.position(one) < end for one, end in ends.items()):
                some = self.poll()
                yield from some
                now = time.monotonic()
                last = now if some else last
                if now - last > _STALLED:
                    raise TopicReadError(f"topic {self._topic}: the broker has given nothing for {_STALLED:.0f} s")
        except KafkaError as error:
            raise TopicReadError(f"topic {self._topic} cannot be read: {error}") from None

"""Mentions from files into Kafka, in order of time, as fast as the broker takes them or at a multiple of real time.

A mention's key is its id and its partition the key's CRC-32, so that a second replay puts each mention where the first
one did. After the last mention a control record tells every partition that nothing follows; without it, the last
minutes would wait for the wall clock to close them.
"""

from __future__ import annotations

import contextlib
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from streams import topics
from streams.classification import CONTROL_HEADER
from streams.entries import Entry
from streams.errors import UserError
from streams.existing_topics import partitions_of_topic
from streams.kafka_log import quiet
from streams.records import EndOfReplay, Mention, encode, partition_of
from streams.settings import Settings

# Records handed to the producer and not yet confirmed: it has no bound of its own.
_UNCONFIRMED: Final = 20_000
# How long to wait for the broker to take a record before giving up.
_DELIVERY_MS: Final = 60_000
# While waiting for a mention's time to come, look up this often, in seconds.
_NAP: Final = 0.2


class ReplayError(UserError):
    """The broker does not take records; the message says which broker and why."""


@dataclass(slots=True)
class ReplaySummary:
    """What a replay did. `seconds` is its duration on the wall clock."""

    sent: int = 0
    bad: int = 0
    bad_sent: int = 0
    #: Mentions that came after a later one: the files are not sorted.
    disordered: int = 0
    newest: datetime | None = None
    ended: bool = False
    seconds: float = 0.0


def replay(
    entries: Iterable[Entry],
    settings: Settings,
    *,
    speed: float | None = None,
    end: bool = True,
    send_bad: bool = False,
    on_bad: Callable[[Entry], None] = lambda _: None,
    on_progress: Callable[[int], None] = lambda _: None,
    summary: ReplaySummary | None = None,
) -> ReplaySummary:
    """Send mentions to the topic of mentions.

    Parameters
    ----------
    entries : iterable of Entry
        As `merged` gives them.
    settings : Settings
        Where Kafka is and what the topic is called.
    speed : float, optional
        How many seconds of the mentions pass in a second; None is as fast as the broker takes them.
    end : bool
        Whether to tell every partition at the end that nothing follows.
    send_bad : bool
        Whether to send the bytes of bad lines as they came, for the worker to reject.
    on_bad, on_progress : callable
        Called with each bad entry, and with the number of lines dealt with.
    summary : ReplaySummary, optional
        Filled in as the replay goes, so that one who interrupts it knows how far it came.

    Raises
    ------
    BrokerUnreachableError, MissingTopicError
        If there is no broker, or it has no topic of mentions.
    ReplayError
        If the broker does not take a record.
    """
    summary = summary if summary is not None else ReplaySummary()
    started = time.monotonic()
    with _Producer(settings) as producer:
        try:
            _send_all(entries, producer, summary, _Pace(speed), send_bad, on_bad, on_progress)
            if end and summary.newest is not None:
                value = encode(EndOfReplay(control="end", created_at=summary.newest))
                for partition in range(producer.partitions):
                    producer.send(value, partition=partition, headers=[(CONTROL_HEADER, b"end")])
                producer.flush()
                summary.ended = True
        finally:
            summary.seconds = time.monotonic() - started
    return summary


def _send_all(
    entries: Iterable[Entry],
    producer: _Producer,
    summary: ReplaySummary,
    pace: _Pace,
    send_bad: bool,
    on_bad: Callable[[Entry], None],
    on_progress: Callable[[int], None],
) -> None:
    for done, entry in enumerate(entries, 1):
        content = entry.content
        if isinstance(content, Mention):
            pace.wait_for(content.created_at)
            value, key = encode(content), content.id.encode()
            producer.send(value, partition=partition_of(content.id, producer.partitions), key=key)
            summary.sent += 1
            if summary.newest is None or content.created_at >= summary.newest:
                summary.newest = content.created_at
            else:
                summary.disordered += 1
        else:
            summary.bad += 1
            on_bad(entry)
            if send_bad and producer.send_bytes(content.raw):
                summary.bad_sent += 1
        on_progress(done)
    producer.flush()


class _Pace:
    """Holds mentions back until their time has come."""

    def __init__(self, speed: float | None) -> None:
        self._speed = speed
        self._began: tuple[float, datetime] | None = None

    def wait_for(self, moment: datetime) -> None:
        """Return when `moment` is due, counted from the first one asked for."""
        if self._speed is None:
            return
        if self._began is None:
            self._began = (time.monotonic(), moment)
        due = self._began[0] + (moment - self._began[1]).total_seconds() / self._speed
        while (rest := due - time.monotonic()) > 0:
            time.sleep(min(rest, _NAP))


class _Producer:
    """kafka-python's producer, idempotent, with a bound on what is under way and with errors that stop the replay."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._topic = settings.topics.mentions
        self._pending: deque[Any] = deque()
        self.partitions = 0

    def __enter__(self) -> _Producer:
        from kafka import KafkaProducer
        from kafka.errors import KafkaError

        self.partitions = partitions_of_topic(self._topic, self._settings)
        try:
            with quiet():
                self._producer = KafkaProducer(
                    **self._settings.kafka.client(),
                    client_id="tocsin-replay",
                    acks="all",
                    enable_idempotence=True,
                    allow_auto_create_topics=False,
                    linger_ms=20,
                    batch_size=1 << 18,
                    max_request_size=self._settings.limits.mention_message_bytes,
                    bootstrap_timeout_ms=topics.CONNECT_MS,
                    max_block_ms=topics.CONNECT_MS,
                    delivery_timeout_ms=_DELIVERY_MS,
                )
        except (KafkaError, OSError, ValueError) as error:
            raise self._failed(error) from None
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        # What an interrupted replay has counted as sent should arrive; a broken broker is not worth waiting for.
        with contextlib.suppress(Exception), quiet():
            if kind is None or issubclass(kind, KeyboardInterrupt):
                self._producer.flush(timeout=5)
            self._producer.close(timeout=1)

    def send(
        self, value: bytes, *, partition: int, key: bytes | None = None, headers: list[tuple[str, bytes]] | None = None
    ) -> None:
        """Send a record; waits where too many are under way. Raises ReplayError for one that failed."""
        from kafka.errors import KafkaError

        try:
            future = self._producer.send(self._topic, value, key=key, partition=partition, headers=headers)
        except KafkaError as error:
            raise self._failed(error) from None
        self._pending.append(future)
        while len(self._pending) > _UNCONFIRMED or (self._pending and self._pending[0].is_done):
            self._confirm(self._pending.popleft())

    def send_bytes(self, raw: bytes) -> bool:
        """Send bytes that are no mention; False if the broker could not take as many."""
        if len(raw) > self._settings.limits.record_bytes:
            return False
        self.send(raw, partition=partition_of(raw.decode("latin-1"), self.partitions))
        return True

    def flush(self) -> None:
        """Wait until everything sent has arrived."""
        while self._pending:
            self._confirm(self._pending.popleft())

    def _confirm(self, future: Any) -> None:
        from kafka.errors import KafkaError

        try:
            future.get(timeout=_DELIVERY_MS / 1000 + 5)
        except KafkaError as error:
            raise self._failed(error) from None

    def _failed(self, error: Exception) -> ReplayError:
        servers = self._settings.kafka.bootstrap_servers
        return ReplayError(f"the broker at {servers} did not take a record for {self._topic!r}: {error}")

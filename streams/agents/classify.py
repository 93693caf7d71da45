"""The classify agent: batches of mentions to tones, acknowledged once the broker has the results.

While one batch is read by the model and sent, the next is taken, decoded and matched. Results are sent in offset order
(see `streams.ordering`), and nothing is acknowledged out of order.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

import faust
import structlog
from faust.types import TP, EventT

from models import ToneModel
from streams.agents.assignment import Assignment, committed_offset
from streams.classification import Batch, Classification, Incoming, Outgoing, Rejected
from streams.metrics import Metrics
from streams.ordering import TickOrder
from streams.progress import Progress
from streams.records import Advance, encode, tick_of
from streams.rejection import RejectionLimit, TooManyRejectedError
from streams.settings import Settings

log = structlog.get_logger()

#: Names of the headers of a rejected record.
REJECTED_HEADERS = ("tocsin-reason", "tocsin-message", "tocsin-topic", "tocsin-partition", "tocsin-offset")

#: A further header where only the beginning of the bytes could be kept: how many there were.
TRUNCATED_HEADER = "tocsin-truncated"

#: A message may quote what came; so much of it is enough.
_MESSAGE_CHARS = 500

#: What headers and the frame of a record take at most.
_HEADER_BYTES = 8192


class Classify:
    """What the agent does with its stream.

    Parameters
    ----------
    orders : callable
        The tick orders of detect in this worker: what all origins have announced, as far as this worker sees.
    """

    def __init__(
        self,
        app: faust.App,
        settings: Settings,
        classification: Classification,
        model: ToneModel,
        assignment: Assignment,
        progress: Progress,
        metrics: Metrics,
        orders: Callable[[], Sequence[TickOrder[Any]]],
    ) -> None:
        self._app, self._settings, self._topics = app, settings, settings.topics
        self._classification, self._model = classification, model
        self._progress, self._metrics, self._orders = progress, metrics, orders
        limits = settings.limits
        self._limit = RejectionLimit(
            in_a_row=limits.rejected_in_a_row, share=limits.rejected_share, over=limits.rejected_share_over
        )
        self._assignment = assignment
        self._broken: TooManyRejectedError | None = None
        #: Why the worker was stopped, where that was on purpose.
        self.stopped_by: TooManyRejectedError | None = None
        # The model has threads of its own; one caller keeps batches in order.
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="tone")
        self._publishing: asyncio.Task[None] | None = None
        self._last_read: dict[int, float] = {}
        self._finished: dict[int, int] = {}
        self._paused: set[TP] = set()

    async def run(self, stream: faust.StreamT[Any]) -> None:
        """Consume the stream for ever."""
        tone = self._settings.tone
        async for events in cast(Any, stream).noack_take(tone.batch_texts, within=tone.batch_wait_seconds):
            await self._take(events)

    def forget(self) -> None:
        """After a rebalance every origin is read again from its committed offset."""
        self._classification.forget()
        self._last_read.clear()
        self._finished.clear()
        self._paused.clear()

    def finished(self, origin: int) -> int | None:
        """The offset after the last record of an origin whose results the broker has; None before the first."""
        return self._finished.get(origin)

    async def _take(self, events: Sequence[EventT[Any]]) -> None:
        fresh = self._assignment.fresh(events)
        if not fresh:
            return
        batch = self._classification.read([_incoming(event) for event in fresh], self._verdict)
        now = time.monotonic()
        for event in fresh:
            self._last_read[event.message.partition] = now
        for origin in {event.message.partition for event in fresh}:
            newest = self._classification.watermark(origin).newest_us
            if newest is not None:
                self._progress.newest_us[origin] = newest
        tones = asyncio.get_running_loop().run_in_executor(self._executor, self._read_tones, batch.texts)
        if self._publishing is not None:
            await self._publishing
        self._publishing = asyncio.create_task(self._publish(fresh, batch, tones))
        self._publishing.add_done_callback(self._crash_on_failure)
        self._hold_back(batch)

    def _verdict(self, rejected: Rejected | None) -> None:
        if self._broken is None:
            try:
                self._limit.observe(bad=rejected is not None, why=str(rejected.error) if rejected else "")
            except TooManyRejectedError as error:
                self._broken = error

    def _read_tones(self, texts: list[str]) -> Any:
        if not texts:
            return []
        self._metrics.batch.observe(len(texts))
        with self._metrics.inference.time():
            return self._model.predict(texts)

    async def _publish(self, events: Sequence[EventT[Any]], batch: Batch, tones: Awaitable[Any]) -> None:
        sent = [await self._send_rejected(rejected) for rejected in batch.rejected]
        outgoing = self._classification.outgoing(batch, await tones)
        if self._broken is None:
            sent += await self._send_scored(one for one in outgoing if not isinstance(one.record, Advance))
        await asyncio.gather(*sent)
        if self._broken is None:
            # Only now that the broker has what lies before them: an advance closes ticks.
            await asyncio.gather(*await self._send_scored(one for one in outgoing if isinstance(one.record, Advance)))
        if self._broken is not None:
            raise self._broken  # nothing is acknowledged: whoever mends the feed finds it as it was
        for event in events:
            event.ack()
            self._finished[event.message.partition] = event.message.offset + 1
        self._progress.moved("classify")

    async def _send_scored(self, outgoing: Iterable[Outgoing]) -> list[Awaitable[Any]]:
        return [await self._send(self._topics.scored, one.partition, one.key, encode(one.record)) for one in outgoing]

    async def _send(
        self,
        topic: str,
        partition: int,
        key: bytes | None,
        value: bytes,
        headers: list[tuple[str, bytes]] | None = None,
    ) -> Awaitable[Any]:
        return await self._app.producer.send(topic, key, value, partition, None, headers)

    async def _send_rejected(self, rejected: Rejected) -> Awaitable[Any]:
        record = rejected.record
        message = str(rejected.error)[:_MESSAGE_CHARS]
        values = (rejected.error.reason, message, self._topics.mentions, record.partition, record.offset)
        headers = [(name, str(value).encode()) for name, value in zip(REJECTED_HEADERS, values, strict=True)]
        # A record without a value (a tombstone) becomes an empty one: the producer takes none without both.
        value, key = record.value or b"", record.key
        room = self._settings.limits.message_bytes - _HEADER_BYTES
        if len(value) + len(key or b"") > room:
            # It came in a compressed batch, or the topic takes more than we do: the whole would not be taken.
            headers.append((TRUNCATED_HEADER, str(len(value)).encode()))
            key = (key or b"")[: room // 2] or None
            value = value[: room - len(key or b"")]
        return await self._send(self._topics.rejected, record.partition, key, value, headers)

    def _crash_on_failure(self, task: asyncio.Task[None]) -> None:
        if self._app.should_stop or task.cancelled():
            return  # what was under way is not acknowledged and is sent again
        if (error := task.exception()) is not None:
            if isinstance(error, TooManyRejectedError):
                self.stopped_by = error
                logging.disable()  # what else is said while the worker stops would bury the reason
            asyncio.get_running_loop().create_task(self._app.crash(error))

    def _tp(self, origin: int) -> TP:
        return TP(self._topics.mentions, origin)

    def _hold_back(self, batch: Batch) -> None:
        """Pause origins that run too far ahead of what is decided: what they send has to be kept in memory."""
        self._paused |= {self._tp(advance.partition) for advance in batch.advances if self._is_ahead(advance.partition)}
        # Not `pause_partitions`: it drops what has been fetched already, for good (58,922 of 60,000 records were read).
        # This is what Faust itself calls on a full buffer, and again to go on; so say it again each time.
        for tp in self._paused:
            self._app.consumer.on_buffer_full(tp)

    def _is_ahead(self, origin: int) -> bool:
        bases = [base for order in self._orders() if (base := order.base()) is not None]
        reached = self._classification.watermark(origin).reached
        if not bases or reached is None:
            return False
        return reached - min(bases) > self._settings.time.max_ahead_hours * 60

    async def every_second(self) -> None:
        """Let go on what is no longer ahead, and advance quiet origins by the clock."""
        free = {tp for tp in self._paused if not self._is_ahead(tp.partition)}
        self._paused -= free
        for tp in free:
            self._app.consumer.on_buffer_drop(tp)
        if self._publishing is not None and not self._publishing.done():
            return
        for tp in self._app.consumer.assignment():
            if tp.topic == self._topics.mentions and tp not in self._paused:
                await self._advance_if_quiet(tp)

    async def _advance_if_quiet(self, tp: TP) -> None:
        times = self._settings.time
        quiet_for = time.monotonic() - self._last_read.setdefault(tp.partition, time.monotonic())
        if quiet_for < times.idle_after_seconds:
            return
        position = self._everything_read(tp)
        if position is None or not self._is_live(tp.partition):
            return
        quiet_since = time.time() - times.idle_after_seconds - times.lateness_seconds
        advance = self._classification.quiet(tp.partition, position, tick_of(int(quiet_since * 1e6)))
        if advance is not None:
            sent = [
                await self._send(self._topics.scored, partition, b"", encode(advance))
                for partition in range(self._topics.partitions)
            ]
            await asyncio.gather(*sent)
            self._progress.moved("classify")

    def _everything_read(self, tp: TP) -> int | None:
        """The end of a partition, if everything before it has been read and sent; else None."""
        end = cast(int | None, self._app.consumer.highwater(tp))
        if end is None:
            return None  # nothing has been fetched yet
        next_offset = self._classification.next_offset(tp.partition)
        if next_offset is None:
            # Nothing taken since the start. The consumer's own position would not tell: what it has fetched may lie in
            # Faust's buffer still. Either all was acknowledged before, or there is nothing.
            next_offset = committed_offset(self._app, tp)
        return end if next_offset >= end else None

    def _is_live(self, origin: int) -> bool:
        """Whether mentions come as they happen, here or in any origin; the clock has no say in a replay of the past."""
        now = time.time()
        newest = self._classification.watermark(origin).newest_us
        times = [] if newest is None else [newest / 1e6]
        times += [tick * 60.0 for order in self._orders() if (tick := order.newest()) is not None]
        return bool(times) and now - max(times) < self._settings.time.live_within_hours * 3600


def _incoming(event: EventT[Any]) -> Incoming:
    message = event.message
    headers = message.headers or {}
    pairs = headers.items() if hasattr(headers, "items") else headers
    return Incoming(
        message.partition,
        message.offset,
        message.value,
        dict(pairs),
        int(message.timestamp * 1e6),
        message.key,
    )

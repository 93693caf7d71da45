"""The detect agent: scored mentions to crisis events, one `Detection` per partition.

A record is acknowledged when its tick has closed: events first, then the snapshot, each confirmed by the broker.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, cast

import faust
import msgspec
import structlog
from faust.types import EventT

from detectors.commands import Command
from detectors.engine import Levels
from streams.agents.assignment import Assignment
from streams.detection import Closing, Detection, DetectionFactory
from streams.metrics import Metrics
from streams.ordering import TickOrder
from streams.progress import Progress
from streams.records import decode_scored, rfc3339, tick_start
from streams.settings import Settings
from streams.snapshots import SnapshotTable

log = structlog.get_logger()

#: Records per batch, and how long to wait for one to fill. A batch closes its ticks together: the decisions are the
#: same, the snapshots fewer.
_BATCH_RECORDS = 1000
_BATCH_SECONDS = 0.05

#: Ticks closed at once: a week. Years of silence before today's mentions must not stop the event loop.
_CLOSE_TICKS = 7 * 1440

#: An origin so many ticks behind the newest is named as what the others wait for.
_BEHIND_TICKS = 15

#: Seconds between two warnings of the same kind.
_WARN_EVERY = 60.0


class Detect:
    """What the agent does with its stream."""

    def __init__(
        self,
        app: faust.App,
        settings: Settings,
        table: SnapshotTable,
        factory: DetectionFactory,
        assignment: Assignment,
        progress: Progress,
        metrics: Metrics,
        commands: Callable[[int], Sequence[Command]],
    ) -> None:
        self._assignment = assignment
        self._app, self._topics, self._table, self._factory = app, settings.topics, table, factory
        self._progress, self._metrics = progress, metrics
        self._commands = commands
        self._told: dict[int, int] = {}
        self._detections: dict[int, Detection] = {}
        self._held: dict[int, deque[EventT[Any]]] = {}
        self._levels: dict[int, Levels] = {}
        self._looked_at: dict[int, int] = {}
        self._too_late = 0
        self._warned = 0.0
        #: Why the worker was stopped, where a saved state could not be read.
        self.stopped_by: ValueError | None = None

    @property
    def detections(self) -> dict[int, Detection]:
        """What runs now, by partition of scored mentions."""
        return dict(self._detections)

    def levels(self) -> list[Levels]:
        """Where the brands stood when `look_around` last looked."""
        return list(self._levels.values())

    def look_around(self) -> None:
        """See where the brands stand. On the event loop, between ticks: an engine is nothing for two threads."""
        for partition, detection in self._detections.items():
            closed = detection.order.closed
            if closed is not None and self._looked_at.get(partition) != closed:
                self._levels[partition], self._looked_at[partition] = detection.engine.levels(), closed

    def orders(self) -> Sequence[TickOrder[Any]]:
        """The tick orders of the partitions that run now."""
        return [detection.order for detection in list(self._detections.values())]

    async def run(self, stream: faust.StreamT[Any]) -> None:
        """Consume the stream for ever."""
        async for events in cast(Any, stream).noack_take(_BATCH_RECORDS, within=_BATCH_SECONDS):
            await self._take(events)

    async def restore(self) -> None:
        """Load what was saved for each assigned partition: when the table is recovered, before records flow.

        So the metrics show where things stand, and the clock closes ticks, also where nothing is left to read.
        """
        try:
            for tp in sorted(self._app.consumer.assignment()):
                if tp.topic == self._topics.scored:
                    self._restore(tp.partition)
        except Exception as error:  # noqa: BLE001 (Faust drops what its callback raises)
            if isinstance(error, ValueError):  # it is not ours, and the message says so
                self.stopped_by = error
                logging.disable()  # what else is said while the worker stops would bury the reason
            await self._app.crash(error)

    def forget(self) -> None:
        """After a rebalance every partition is loaded anew and read again from its committed offset."""
        for detection in self._detections.values():
            detection.abandon()
        self._detections.clear()
        self._told.clear()
        self._held.clear()
        self._levels.clear()
        self._looked_at.clear()

    async def _take(self, events: Sequence[EventT[Any]]) -> None:
        epoch = self._assignment.epoch
        touched: dict[int, EventT[Any]] = {}
        for event in self._assignment.fresh(events):
            message = event.message
            detection = self._detection(message.partition, message.offset)
            self._receive(detection, event)
            self._held[message.partition].append(event)
            touched[message.partition] = event
        for partition, event in touched.items():
            detection = self._detections[partition]
            self._tell(partition, detection)
            while (closing := detection.close(_CLOSE_TICKS)) is not None:
                self._log_commands(closing)
                await self._send(closing)
                if self._assignment.epoch != epoch:
                    return  # the partition may be another's by now, and so is its snapshot
                await self._table.save(partition, closing.changes, event)
                self._metrics.close_delay.observe(max(time.time() - (closing.upto + 1) * 60, 0.0))
                if self._assignment.epoch != epoch:
                    return
                self._acknowledge(partition, detection.acknowledgeable())
            self._warn_of_late_mentions(detection)
        if touched:
            self._progress.moved("detect")

    def _detection(self, partition: int, offset: int) -> Detection:
        detection = self._detections.get(partition)
        if detection is not None and offset < detection.order.position:
            # Read again from further back without a rebalance that we were told of: so is the state.
            detection.abandon()
            detection = None
        return self._restore(partition) if detection is None else detection

    def _restore(self, partition: int) -> Detection:
        detection = self._detections[partition] = self._factory(partition)
        detection.restore(self._table.load(partition).items())
        self._held[partition] = deque()
        self._told[partition] = 0
        log.info("partition restored", partition=partition, closed_tick=detection.order.closed)
        return detection

    def _tell(self, partition: int, detection: Detection) -> None:
        """Pass on the commands that have come since the last time: at first all that there are."""
        known = self._commands(partition)
        if len(known) > self._told[partition]:
            new = known[self._told[partition] :]
            detection.tell(new)
            self._told[partition] += len(new)

    def _log_commands(self, closing: Closing) -> None:
        for one in closing.applied:
            command = one.command
            about = {
                "kind": command.kind,
                "brand": command.brand,
                "command": command.id,
                "at": rfc3339(tick_start(one.tick)),
            }
            if one.problem is not None:
                log.warning("a command has no effect", **about, why=one.problem)
            elif one.late:
                log.warning(
                    "a command came after its time was decided and is applied now; a replay will apply it in time and "
                    "may decide otherwise",
                    **about,
                )
            else:
                log.info("command applied", **about)

    def _receive(self, detection: Detection, event: EventT[Any]) -> None:
        try:
            record = decode_scored(event.message.value or b"")
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            detection.skip(event.message.offset)
            message = event.message
            log.error(
                "a record of scored mentions cannot be read; only tocsin may write to this topic",
                topic=message.topic,
                partition=message.partition,
                offset=message.offset,
                error=str(error),
            )
            return
        detection.receive(record, event.message.offset)

    async def _send(self, closing: Closing) -> None:
        sent = []
        for crisis in closing.events:
            places = [(self._topics.events, crisis.brand), (self._topics.state, crisis.incident_id)]
            # A change of the tone model is no incident: nothing is open afterwards.
            for topic, key in places[:1] if crisis.type == "model_changed" else places:
                sent.append(await self._app.producer.send(topic, key.encode(), crisis.value, None, None, None))
        await asyncio.gather(*sent)
        for crisis in closing.events:
            log.info("crisis event", type=crisis.type, brand=crisis.brand, id=crisis.id, notify=crisis.notify)

    def _acknowledge(self, partition: int, below: int) -> None:
        held = self._held[partition]
        while held and held[0].message.offset < below:
            held.popleft().ack()

    def _warn_of_late_mentions(self, detection: Detection) -> None:
        late = detection.counts.too_late
        if late > self._too_late and time.monotonic() - self._warned > _WARN_EVERY:
            log.warning(
                "mentions came more than a day after their time and count nowhere; to replay history behind what has "
                "been decided already, use topics of its own (topics.prefix and kafka.group)",
                mentions=late - self._too_late,
            )
            self._too_late, self._warned = late, time.monotonic()

    def finished(self, partition: int) -> int | None:
        """The position after the last record taken from a partition; None before the first."""
        detection = self._detections.get(partition)
        return (detection.order.position or None) if detection is not None else None

    def waiting_for(self) -> str | None:
        """Which origins hold up the ticks, in words; None where none does."""
        silent = sorted({origin for order in self.orders() for origin in order.silent()})
        if silent:
            partitions = ", ".join(map(str, silent))
            return f"partition {partitions} of {self._topics.mentions}: no mention from it yet, so no tick can close"
        behind = dict(one for order in self.orders() for one in order.holding(_BEHIND_TICKS))
        if behind:
            last = ", ".join(f"{origin} (at {rfc3339(tick_start(tick))})" for origin, tick in sorted(behind.items()))
            return f"partition {last} of {self._topics.mentions}: behind the others, which wait for it"
        return None

"""The worker: a Faust app with both agents, its table, its web server, wired from the settings."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from signal import Signals
from typing import Any, NoReturn, cast

import faust
import structlog
from aiokafka.errors import KafkaError
from faust.types import TP
from mode import CrashingSupervisor

from detectors.engine import Engine
from models import ToneModel
from streams import topics
from streams.agents.assignment import Assignment, committed_offset
from streams.agents.classify import Classify
from streams.agents.detect import Detect
from streams.command_follower import CommandFollower
from streams.detection import Counts as DetectionCounts
from streams.detection import Detection
from streams.errors import FailedError
from streams.metrics import Metrics, Work
from streams.progress import Agent, Progress
from streams.records import Model, partition_of
from streams.seeking_consumer import SeekingConsumer
from streams.settings import Settings
from streams.snapshots import SnapshotTable, changelog_topic
from streams.stop_signals import STOP_SECONDS, StopSignals, end_within, start_again
from streams.tone_model import load_tone_model
from streams.web import Web
from streams.wiring import brand_profiles, event_links, make_classification, own_detectors
from streams.worker_lock import hold_name
from streams.worker_log import log_to_stderr

log = structlog.get_logger()

#: How often the broker is asked where its topics end, and how long it may take to answer. Seconds.
_ASK_SECONDS = 10.0


def app_id(settings: Settings) -> str:
    """Names the consumer group and the changelog: one per prefix and group."""
    return f"{settings.topics.prefix}{settings.kafka.group}"


def _state_directory(settings: Settings) -> Path:
    """Another prefix or group is another state: its store must not be taken for this one's."""
    return settings.worker.data_dir / app_id(settings)


def topic_specs(settings: Settings) -> list[topics.TopicSpec]:
    """Every topic that a worker needs."""
    changelog = changelog_topic(app_id(settings))
    return [*topics.specs(settings), topics.compacted(changelog, settings)]


class StoppedError(FailedError):
    """The worker stopped on purpose, since going on would hide a fault."""


class Worker:
    """One worker's app and everything in it."""

    def __init__(self, settings: Settings, model: ToneModel, signals: StopSignals) -> None:
        self.settings = settings
        self._signals = signals
        self.progress = Progress()
        self._ends: dict[TP, int] = {}
        self.app = _faust_app(settings)
        cast(Any, self.app.transport).Consumer = SeekingConsumer
        partitions = settings.topics.partitions
        version = Model(model.id.name, model.id.version)
        classified = make_classification(settings, version, model.knows)
        counts = DetectionCounts()
        brands, links = brand_profiles(settings), event_links(settings)
        detectors = own_detectors(settings)

        def detection(partition: int) -> Detection:
            ours = [brand for brand in brands if partition_of(brand.portfolio or brand.name, partitions) == partition]
            engine = Engine(ours, model_version=str(model.id), detectors=detectors)
            return Detection(engine, origins=partitions, links=links, counts=counts)

        table = SnapshotTable(self.app, partitions=partitions, options=_store_options(settings))
        self.app.tables.add(table)
        work = Work(
            progress=self.progress,
            classified=classified.counts,
            detected=counts,
            detections=lambda: self.detect.detections,
            levels=lambda: self.detect.levels(),  # noqa: PLW0108 (detect is made below)
            commands=lambda: (self.commands.taken, self.commands.refused),
            cache=lambda: (getattr(model, "cache_hits", 0), getattr(model, "cache_misses", 0)),
        )
        self.metrics = Metrics(work)
        self.assignment = Assignment(self.app)
        shared = (self.assignment, self.progress, self.metrics)
        self.commands = CommandFollower(settings)
        self.detect = Detect(self.app, settings, table, detection, *shared, self.commands.known)
        table.on_recover(self.detect.restore)
        self.classify = Classify(self.app, settings, classified, model, *shared, self.detect.orders)
        # A snapshot is as many messages as it has brands, all of them awaited; the buffer's limit is only a warning.
        cast(Any, self.app.producer).buffer.max_messages = 100_000
        self._declare_agents()

    def _declare_agents(self) -> None:
        app, names = self.app, self.settings.topics

        @app.agent(
            _raw_topic(app, names.mentions), name="classify", concurrency=1, supervisor_strategy=CrashingSupervisor
        )
        async def classify(stream: faust.StreamT[Any]) -> None:
            await self.classify.run(stream)

        @app.agent(_raw_topic(app, names.scored), name="detect", concurrency=1, supervisor_strategy=CrashingSupervisor)
        async def detect(stream: faust.StreamT[Any]) -> None:
            await self.detect.run(stream)

        @app.on_partitions_revoked.connect
        async def revoked(*_: Any, **__: Any) -> None:
            # The embedded broker knows no stable member ids: it would never come to an end there.
            if self.progress.assigned and not self.app.should_stop and not self.settings.worker.embedded:
                start_again(self._signals)
            self.assignment.revoked()
            self._forget()

        @app.on_partitions_assigned.connect
        async def assigned(*_: Any, **__: Any) -> None:
            self._forget()
            self.assignment.assigned()
            self.progress.assigned = True

        @app.timer(_ASK_SECONDS)
        async def ask_broker() -> None:
            if self.progress.recovered:
                await self._ask_broker()
            else:
                self.progress.answered()

        @app.timer(1.0)
        async def every_second() -> None:
            self._look_around()
            if self.progress.recovered:
                await self.classify.every_second()

    def _forget(self) -> None:
        self.classify.forget()
        self.detect.forget()
        self.progress.lag.clear()
        self.progress.newest_us.clear()

    def _look_around(self) -> None:
        """See where the worker stands."""
        progress, app = self.progress, self.app
        progress.beat()
        progress.recovered = progress.assigned and _recovery(app).completed.is_set() and not app.rebalancing
        self._measure_lag("classify", self.settings.topics.mentions, self.classify.finished)
        self._measure_lag("detect", self.settings.topics.scored, self.detect.finished)
        progress.waiting_for = self.detect.waiting_for()
        self.detect.look_around()

    def _measure_lag(self, agent: Agent, topic: str, finished: Callable[[int], int | None]) -> None:
        consumer, lag = self.app.consumer, self.progress.lag
        behind = 0
        for tp in consumer.assignment():
            if tp.topic == topic:
                end = max(self._ends.get(tp, 0), cast(int | None, consumer.highwater(tp)) or 0)
                done = finished(tp.partition)
                lag[topic, tp.partition] = max(end - (committed_offset(self.app, tp) if done is None else done), 0)
                behind += lag[topic, tp.partition]
        if not behind or not self.progress.recovered:
            self.progress.moved(agent)

    async def _ask_broker(self) -> None:
        """Ask where the topics end: the last fetch does not tell of a broker that is gone or a stalled fetcher."""
        consumer = self.app.consumer
        names = (self.settings.topics.mentions, self.settings.topics.scored)
        own = [tp for tp in consumer.assignment() if tp.topic in names]
        if not own or self.settings.worker.embedded:  # the embedded broker's answer is wrong
            self.progress.answered()
            return
        try:
            ends = await asyncio.wait_for(consumer.highwaters(*own), _ASK_SECONDS)
        except (TimeoutError, KafkaError) as error:
            log.warning("the broker does not say where its topics end", error=str(error) or type(error).__name__)
            return
        self._ends = dict(ends)
        self.progress.answered()


class _FaustWorker(faust.Worker):
    """Faust's runner of an app: what a signal does once the event loop runs."""

    def __init__(self, app: faust.App, signals: StopSignals, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(app, loop=loop, loglevel=None, logfile=None, override_logging=False, quiet=True)
        self.spinner = None  # it would write control characters into the log
        self._signals = signals

    def install_signal_handlers(self) -> None:
        super().install_signal_handlers()
        if self._signals.hand_over() is not None:
            self._on_sigterm()

    async def _stop_on_signal(self, number: Signals) -> None:
        log.info("told to stop", signal=number.name)
        end_within(STOP_SECONDS)
        await super()._stop_on_signal(number)


def _recovery(app: faust.App) -> Any:
    return cast(Any, app.tables).recovery


def _raw_topic(app: faust.App, name: str) -> faust.TopicT:
    return app.topic(name, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw")


def _store_options(settings: Settings) -> dict[str, Any]:
    if settings.worker.store == "memory":
        return {}
    # Each partition would take a 2 GiB cache otherwise.
    return {"driver": "rocksdict", "block_cache_size": 16 << 20, "write_buffer_size": 8 << 20}


def _faust_app(settings: Settings) -> faust.App:
    kafka, names, worker = settings.kafka, settings.topics, settings.worker
    # A join on the embedded broker takes half the session's time.
    session = 6.0 if worker.embedded else 30.0
    return faust.App(
        app_id(settings),
        broker=kafka.faust_broker(),
        broker_credentials=kafka.faust_credentials(),
        store="memory://" if worker.store == "memory" else "rocksdb://",
        datadir=str(_state_directory(settings) / worker.id),
        key_serializer="raw",
        value_serializer="raw",
        topic_allow_declare=False,  # topics are created by a checked step
        topic_disable_leader=True,
        topic_partitions=names.partitions,
        topic_replication_factor=names.replication,
        table_standby_replicas=0,
        table_cleanup_interval=3600.0,
        stream_wait_empty=False,  # else unacknowledged records keep the worker from stopping
        stream_buffer_maxsize=4096,
        # Stable over restarts: the group goes on at once with the same member, without waiting for its session to end.
        consumer_group_instance_id=worker.id,
        consumer_auto_offset_reset="earliest",
        broker_session_timeout=session,
        broker_rebalance_timeout=session if worker.embedded else 60.0,
        broker_heartbeat_interval=session / 6,
        broker_commit_interval=0.5,
        broker_max_poll_records=500,
        producer_acks=-1,
        producer_linger_ms=5,
        producer_max_request_size=max(settings.limits.message_bytes, topics.SNAPSHOT_BYTES),
        web_enabled=False,
        web_tables_enabled=False,
        web_router_enabled=False,
    )


def run_worker(settings: Settings) -> NoReturn:
    """Load the model, start a worker and run it until it is told to stop (SIGTERM, Ctrl-C) or crashes.

    Exits 0 after a signal, 1 after a crash.

    Raises
    ------
    StoppedError
        Too many records were bad, or the saved state is another release's.
    UserError
        A worker of this name runs already.
    """
    signals = StopSignals()
    signals.catch()
    log_to_stderr()
    with hold_name(settings.worker.id, _state_directory(settings)):
        # Before the model, which takes seconds: a wrong address is said at once.
        topics.ensure(topic_specs(settings), settings)
        model = load_tone_model(settings.tone)
        backend = getattr(model, "backend", settings.tone.backend)
        log.info("model loaded", name=model.id.name, version=model.id.version, backend=backend)
        _run(settings, model, signals)


def _run(settings: Settings, model: ToneModel, signals: StopSignals) -> NoReturn:
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    worker = Worker(settings, model, signals)
    # Nothing may be decided before everything that people have said is known.
    worker.commands.start()
    log.info("commands read", commands=worker.commands.taken)
    web = settings.web
    with Web(worker.progress, worker.metrics.registry, host=web.host, port=web.port) as server:
        log.info("listening", address=f"http://{web.host}:{server.port}/metrics")
        service = _FaustWorker(worker.app, signals, loop)
        try:
            raise service.execute_from_commandline()
        finally:
            if (reason := worker.classify.stopped_by or worker.detect.stopped_by) is not None:
                raise StoppedError(str(reason)) from None

"""``tocsin demo``: the whole way of a mention, on a simulated fortnight, with nothing to prepare.

Starts an in-memory broker and a worker (a process of its own, as in production), both on loopback only, replays the
fortnight through Kafka, prints each crisis event as it comes, sums up, and stops everything it started, also when
interrupted or when something fails.
"""

from __future__ import annotations

import contextlib
import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Final

from rich.console import Console

from streams.app import topic_specs
from streams.brokers import EmbeddedBroker, free_ports
from streams.demo.outcome import Outcome, data_of, sum_up
from streams.demo.reading_bar import ReadingBar
from streams.demo.replaying import Replaying, with_bad_records
from streams.demo.worker_metrics import scraped
from streams.demo.worker_process import DemoError, WorkerProcess, environment
from streams.records import Mention, microseconds, tick_of
from streams.rendering import render
from streams.settings import Settings, load
from streams.simulation import BRANDS, settings_text, simulate
from streams.topics import ensure
from streams.watch import EventWatcher, ReceivedEvent

# A worker that reads nothing and closes no tick for so long is stuck, in seconds: it loads its model in less.
_STUCK_AFTER: Final = 90.0
#: So long the worker may take to start; on the very first start on a machine it compares ways to compute its model.
_START_SECONDS: Final = 300.0
# Between the last tick's closing and the last event's arrival here, in seconds.
_LAST_EVENTS: Final = 10.0
_POLL_SECONDS: Final = 0.5
# Events after the first of an incident are told in brief.
_BRIEF_LINES: Final = 2
_FULL: Final = ("opened", "reopened")


def run(*, seed: int = 1, keep: Path | None = None) -> Outcome:
    """Run the demo and print it.

    Parameters
    ----------
    seed : int
        Of the simulation.
    keep : Path, optional
        Directory in which settings, logs and events stay; by default they go when the demo ends.

    Raises
    ------
    DemoError, BrokerError, TopicsError
        What could not be started or went wrong on the way.
    """
    console = Console(highlight=False)
    with _ended_by_sigterm(), contextlib.ExitStack() as stack:
        if keep is None:
            directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tocsin-demo-")))
        else:
            directory = keep
            directory.mkdir(parents=True, exist_ok=True)
        outcome = _Demo(seed, directory, console, stack).run()
        if keep is not None:
            lines = b"".join(one.value + b"\n" for one in outcome.events)
            (directory / "events.jsonl").write_bytes(lines)
    sum_up(outcome, console)
    return outcome


class _Demo:
    def __init__(self, seed: int, directory: Path, console: Console, stack: contextlib.ExitStack) -> None:
        self._seed = seed
        self._directory = directory
        self._console = console
        self._stack = stack

    def run(self) -> Outcome:
        began = time.monotonic()
        say = self._console.print
        say("Simulating a fortnight of mentions: " + ", ".join(brand.name for brand in BRANDS))
        entries = list(with_bad_records(simulate(seed=self._seed)))
        broker_port, web_port = free_ports(2)
        broker = EmbeddedBroker(port=broker_port, log=self._directory / "broker.log")
        say(f"Starting an in-memory broker at {broker.bootstrap}")
        self._stack.enter_context(broker)
        settings = self._settings(broker.bootstrap, web_port)
        ensure(topic_specs(settings), settings)
        address = f"http://{settings.web.host}:{web_port}"
        say(f"Starting a worker; its metrics are at {address}/metrics")
        worker = self._stack.enter_context(WorkerProcess(self._directory / "tocsin.yaml", self._directory))
        outcome = Outcome(sent=len(entries))
        with EventWatcher(settings, from_start=True) as watcher, Replaying(entries, settings) as replaying:
            self._follow(worker, f"{address}/metrics", watcher, replaying, outcome, settings.topics.partitions)
        outcome.seconds = time.monotonic() - began
        return outcome

    def _settings(self, bootstrap: str, web_port: int) -> Settings:
        path = self._directory / "tocsin.yaml"
        sections = (
            f"kafka: {{bootstrap_servers: '{bootstrap}'}}\n"
            f"worker: {{id: demo, embedded: true, store: memory, data_dir: {str(self._directory / 'data')!r}}}\n"
            f"web: {{port: {web_port}}}\n"
        )
        path.write_text(settings_text(sections), encoding="utf-8")
        return load(path, environment())

    def _tell(self, watcher: EventWatcher, outcome: Outcome) -> None:
        """Print the events that have come."""
        for one in watcher.poll(_POLL_SECONDS):
            self._console.print(render(one.event, lines=None if _tells_all(one) else _BRIEF_LINES))
            outcome.events.append(one)

    def _follow(
        self,
        worker: WorkerProcess,
        address: str,
        watcher: EventWatcher,
        replaying: Replaying,
        outcome: Outcome,
        partitions: int,
    ) -> None:
        """Print events and progress until every partition has decided the last minute."""
        last_tick = max(
            tick_of(microseconds(entry.content.created_at))
            for entry in replaying.entries
            if isinstance(entry.content, Mention)
        )
        moved, position = time.monotonic(), ("", 0.0)
        with ReadingBar(self._console, outcome.sent) as bar:
            while True:
                self._tell(watcher, outcome)
                worker.check()
                replaying.check()
                counters, closed = scraped(address)
                outcome.counters.update(counters)
                read = outcome.counters.get("tocsin_mentions_read_total", 0)
                bar.show(int(read), starting=not outcome.counters)
                if len(closed) == partitions and min(closed.values()) >= last_tick:
                    break
                if (now := (repr(closed), read)) != position:
                    moved, position = time.monotonic(), now
                patience, silent = _STUCK_AFTER, ""
                if not outcome.counters:
                    patience, silent = _START_SECONDS, f", and {address} does not answer"
                if time.monotonic() - moved > patience:
                    raise DemoError(worker.told(f"the worker has got nowhere for {patience:.0f} s{silent}"))
            # The worker sends events before it counts a tick as closed; they need a moment to get here.
            deadline = time.monotonic() + _LAST_EVENTS
            while len(outcome.events) < outcome.counters.get("tocsin_crisis_events_total", 0):
                self._tell(watcher, outcome)
                if time.monotonic() > deadline:
                    raise DemoError(worker.told("events that the worker counts as sent did not arrive"))


def _tells_all(one: ReceivedEvent) -> bool:
    return str(one.event["type"]).endswith(_FULL) or data_of(one).get("pages") is True


@contextlib.contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """Let SIGTERM end the demo as Ctrl-C does, so that what it started is stopped."""

    def end(number: int, _: FrameType | None) -> None:
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)

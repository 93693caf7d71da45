"""``tocsin demo``: the whole way of a mention, on a simulated fortnight, with nothing to prepare.

Starts an in-memory broker and a worker (a process of its own, as in production), both on loopback only, replays the
fortnight through Kafka, prints each crisis event as it comes, sums up, and stops everything it started, also when
interrupted or when something fails.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path
from threading import Event, Thread
from types import FrameType
from typing import Any, Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from streams.app import topic_specs
from streams.brokers import EmbeddedBroker, free_ports
from streams.errors import FailedError
from streams.mention_files import BadLineError
from streams.records import Mention, encode, microseconds, tick_of
from streams.rendering import render
from streams.replay import Entry, replay
from streams.settings import Settings, load
from streams.simulation import BRANDS, DAYS, settings_text, simulate
from streams.topics import ensure
from streams.watch import EventWatcher, ReceivedEvent

#: The days of a month, as budgets count them.
_MONTH_DAYS: Final = 30
# A worker that reads nothing and closes no tick for so long is stuck, in seconds: it loads its model in less.
_STUCK_AFTER: Final = 90.0

#: So long the worker may take to start; on the very first start on a machine it compares ways to compute its model.
_START_SECONDS: Final = 300.0
# Between the last tick's closing and the last event's arrival here, in seconds.
_LAST_EVENTS: Final = 10.0
_LOG_LINES: Final = 30
_POLL_SECONDS: Final = 0.5
# Events after the first of an incident are told in brief.
_BRIEF_LINES: Final = 2
_FULL: Final = ("opened", "reopened")
_SAMPLE: Final = re.compile(r"^(\w+)(?:\{(.*)\})? (\S+)$", re.MULTILINE)
_PARTITION: Final = re.compile(r'partition="(\d+)"')


class DemoError(FailedError):
    """The demo could not be brought to its end; the message holds the end of the worker's log."""


@dataclass(slots=True)
class Outcome:
    """What the demo came to."""

    sent: int = 0
    counters: dict[str, float] = field(default_factory=dict)
    events: list[ReceivedEvent] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def pages(self) -> list[ReceivedEvent]:
        """The events that page somebody."""
        return [one for one in self.events if _data(one).get("pages") is True]

    @property
    def fingerprint(self) -> str:
        """Twelve digits that are the same if and only if the events are, whatever order they came in."""
        digest = hashlib.sha256()
        for value in sorted(one.value for one in self.events):
            digest.update(value + b"\n")
        return digest.hexdigest()[:12]


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
    _sum_up(outcome, console)
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
        worker = self._stack.enter_context(_WorkerProcess(self._directory / "tocsin.yaml", self._directory))
        outcome = Outcome(sent=len(entries))
        with EventWatcher(settings, from_start=True) as watcher, _Replaying(entries, settings) as replaying:
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
        return load(path, _environment())

    def _tell(self, watcher: EventWatcher, outcome: Outcome) -> None:
        """Print the events that have come."""
        for one in watcher.poll(_POLL_SECONDS):
            self._console.print(render(one.event, lines=None if _tells_all(one) else _BRIEF_LINES))
            outcome.events.append(one)

    def _follow(
        self,
        worker: _WorkerProcess,
        address: str,
        watcher: EventWatcher,
        replaying: _Replaying,
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
        with _Bar(self._console, outcome.sent) as bar:
            while True:
                self._tell(watcher, outcome)
                worker.check()
                replaying.check()
                counters, closed = _scraped(address)
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


def with_bad_records(mentions: Iterator[Mention]) -> Iterator[Entry]:
    """Put a few records among the mentions that have to be rejected, as in any real feed."""
    bad: dict[int, Callable[[Mention], bytes]] = {
        1_500: lambda _: b'{"id": "cut off", "created_at": "2026-03-0',
        5_000: lambda mention: encode(mention).replace(b'"created_at":"20', b'"created_at":"19'),
        9_000: lambda _: b'{"id": "no text", "created_at": "2026-03-08T12:00:00Z"}',
        12_000: lambda _: '{"id": "Latin-1", "text": "caf\xe9"}'.encode("latin-1"),
        16_000: lambda mention: encode(mention).replace(b'"id":"', b'"id":["').replace(b'","created', b'"],"created'),
    }
    for number, mention in enumerate(mentions, 1):
        yield Entry("simulation", number, mention)
        if number in bad:
            raw = bad[number](mention)
            yield Entry("simulation", number, BadLineError("not_json", "made to be rejected", raw))


class _Replaying:
    """The replay, in a thread: the worker is far slower than the producer, and events come meanwhile."""

    def __init__(self, entries: list[Entry], settings: Settings) -> None:
        self.entries = entries
        self._settings = settings
        self._error: Exception | None = None
        self._stop = Event()
        self._thread = Thread(target=self._run, name="replay", daemon=True)

    def __enter__(self) -> _Replaying:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End it while its broker is there still: the producer would complain of a broker that is gone."""
        self._stop.set()
        self._thread.join(timeout=5)

    def check(self) -> None:
        """Raise what the replay failed with, if it did."""
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        try:
            replay(takewhile(lambda _: not self._stop.is_set(), self.entries), self._settings, send_bad=True)
        except Exception as error:  # noqa: BLE001 - raised again where the demo looks
            self._error = error


class _WorkerProcess:
    """``tocsin worker`` as a process of its own; use as a context manager."""

    def __init__(self, config: Path, directory: Path) -> None:
        self._command = [sys.executable, "-m", "streams.cli", "worker", "--config", str(config)]
        self._log = directory / "worker.log"

    def __enter__(self) -> _WorkerProcess:
        with self._log.open("wb") as log:
            # A session of its own: Ctrl-C ends the demo, and the demo ends the worker.
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=_environment(),
                start_new_session=True,
            )
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        try:
            self._process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def check(self) -> None:
        """Raise `DemoError` if the worker has ended."""
        if (code := self._process.poll()) is not None:
            raise DemoError(self.told(f"the worker ended with exit code {code}"))

    def told(self, what: str) -> str:
        """Return the message with the end of the worker's log."""
        lines = self._log.read_text(encoding="utf-8", errors="replace").splitlines()[-_LOG_LINES:]
        return "\n".join([f"{what}; the end of its log:", *(f"  {line}" for line in lines or ["(empty)"])])


class _Bar:
    """Progress of the worker: a bar on a terminal, now and then a line elsewhere."""

    def __init__(self, console: Console, total: int) -> None:
        self._console = console
        self._total = total
        self._told = time.monotonic()
        self._progress = Progress(
            TextColumn("mentions read"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._progress.add_task("", total=total, rate="")
        self._first: tuple[float, int] | None = None

    def __enter__(self) -> _Bar:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def show(self, read: int, *, starting: bool) -> None:
        """Show how many the worker has read, or that it is starting still."""
        now = time.monotonic()
        if read and self._first is None:
            self._first = (now, read)
        rate = ""
        if self._first and now > self._first[0] + 1:
            rate = f"{(read - self._first[1]) / (now - self._first[0]):,.0f}/s"
        self._progress.update(self._task, completed=read, rate="the worker is starting" if starting else rate)
        if not self._console.is_terminal and now > self._told + 10:
            self._told = now
            if starting:
                self._console.print("… the worker is starting; the first time on a machine that takes longest")
            else:
                self._console.print(f"… {read:,} of {self._total:,} mentions read {rate and f'({rate})'}")


def _scraped(address: str) -> tuple[dict[str, float], dict[int, float]]:
    """Return the worker's counters, summed over labels, and the last closed ticks; empty where it does not answer."""
    try:
        # Loopback, so no proxy may come between.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(address, timeout=5) as answer:
            text = answer.read().decode()
    except (OSError, urllib.error.URLError):
        return {}, {}
    counters: Counter[str] = Counter()
    closed: dict[int, float] = {}
    for name, labels, value in _SAMPLE.findall(text):
        if name.endswith("_total"):
            counters[name] += float(value)  # type: ignore[assignment]
        elif name == "tocsin_detect_closed_tick" and (partition := _PARTITION.search(labels)):
            closed[int(partition[1])] = float(value)
    return dict(counters), closed


def _tells_all(one: ReceivedEvent) -> bool:
    return str(one.event["type"]).endswith(_FULL) or _data(one).get("pages") is True


def _data(one: ReceivedEvent) -> Mapping[str, Any]:
    data = one.event.get("data")
    return data if isinstance(data, dict) else {}


def _environment() -> dict[str, str]:
    """Return the environment without Tocsin's settings: those of somebody's real set-up are not for the demo."""
    return {name: value for name, value in os.environ.items() if not name.upper().startswith("TOCSIN")}


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


def _sum_up(outcome: Outcome, console: Console) -> None:
    counters = outcome.counters

    def count(name: str) -> str:
        return f"{counters.get(f'tocsin_{name}_total', 0):,.0f}"

    types = Counter(str(one.event["type"]).rsplit(".", 1)[-1] for one in outcome.events)
    incidents = {str(_data(one).get("incident_id")) for one in outcome.events}
    allowed = len(BRANDS) * DAYS / _MONTH_DAYS
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(style="bold")
    table.add_column()
    table.add_row("Mentions", f"{count('mentions_read')} read, {count('mentions_scored')} scored, "
                  f"{count('mentions_unmatched')} without a brand, {count('mentions_rejected')} rejected")  # fmt: skip
    spread = ", ".join(f"{number} {kind}" for kind, number in types.most_common())
    table.add_row(
        "Events", f"{len(outcome.events)} on {len(incidents)} incident{'' if len(incidents) == 1 else 's'}: {spread}"
    )
    brands = ", ".join(sorted({str(one.event.get("subject")) for one in outcome.pages})) or "none"
    table.add_row("Pages", f"{len(outcome.pages)} ({brands}), budget {allowed:.1f} false ones in {DAYS} days: "
                  f"1 a month for each of {len(BRANDS)} brands")  # fmt: skip
    table.add_row("Fingerprint", f"{outcome.fingerprint} (of the events: the same in every run)")
    table.add_row("Time", f"{outcome.seconds:.0f} s from start to last decision")
    console.print()
    console.print(table)

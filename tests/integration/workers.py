"""Worker processes for tests: started as a user starts them, watched through their web server, ended by their pid."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

from kafka import KafkaConsumer
from kafka.structs import TopicPartition

from streams.brokers import free_ports
from streams.settings import Settings

ARRIVE_SECONDS = 30
"""For events to arrive once they are decided."""
_SAMPLE = re.compile(r"^(\w+?)(\{[^}]*\})? (\S+)$", re.MULTILINE)


class WorkerProcess:
    """``tocsin worker`` with settings of its own; ended when the test leaves it.

    Parameters
    ----------
    program : sequence of str
        What runs the command, after the interpreter.
    """

    def __init__(
        self,
        directory: Path,
        settings: Settings,
        name: str = "w0",
        program: Sequence[str] = ("-m", "streams.cli"),
        **sections: Any,
    ) -> None:
        self._command = [sys.executable, *program, "worker"]
        self.port = free_ports(1)[0]
        values = settings.model_dump(mode="json", exclude_none=True)
        values["worker"] |= {"id": name, "data_dir": str(directory / "data")}
        values["web"] = {"port": self.port}
        for section, keys in sections.items():
            values[section] |= keys
        self.config = directory / f"{name}.yaml"
        self.config.write_text(json.dumps(values))
        self.log = directory / f"{name}.log"
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> WorkerProcess:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if kind is not None:
            print(f"--- {self.log.name}, its end:\n{self.said()[-4000:]}")
        if self.process is not None and self.process.poll() is None:
            self.terminate()

    def start(self) -> None:
        """Start it; it goes on where an earlier one with the same name was."""
        command = [*self._command, "--config", str(self.config)]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)

    def kill(self) -> None:
        """End it as a crash would."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)

    def terminate(self) -> int:
        """Tell it to stop; returns its exit status."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise

    def wait(self, timeout: float) -> int:
        """Wait until it ends by itself; returns its exit status."""
        assert self.process is not None
        return self.process.wait(timeout)

    def said(self) -> str:
        """Its log."""
        return self.log.read_text(errors="replace")

    def get(self, path: str) -> str | None:
        """What its web server answers; None where there is none yet."""
        try:
            with urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as response:
                return str(response.read().decode())
        except (URLError, OSError):
            return None

    def metrics(self) -> dict[str, float]:
        """Its metrics: name with labels, as Prometheus writes them, to value."""
        text = self.get("/metrics") or ""
        return {name + (labels or ""): float(value) for name, labels, value in _SAMPLE.findall(text)}

    def metric(self, name: str) -> float:
        """A metric, added up over its labels; 0 where there is none."""
        return sum(value for key, value in self.metrics().items() if key.partition("{")[0] == name)


def wait_until(condition: Callable[[], bool], timeout: float, what: str, workers: Iterable[WorkerProcess] = ()) -> None:
    """Poll a condition; fails where it does not come true, or a worker dies meanwhile."""
    deadline = time.monotonic() + timeout
    while not condition():
        for worker in workers:
            assert worker.process is not None
            assert worker.process.poll() is None, f"the worker ended:\n{worker.said()[-4000:]}"
        assert time.monotonic() < deadline, f"not within {timeout:.0f} s: {what}"
        time.sleep(0.2)


def records(settings: Settings, topic: str, *, idle_ms: int = 1500) -> list[Any]:
    """Every record of a topic, oldest first in each partition."""
    consumer = KafkaConsumer(
        **settings.kafka.client(), auto_offset_reset="earliest", enable_auto_commit=False, consumer_timeout_ms=idle_ms
    )
    try:
        consumer.assign([TopicPartition(topic, partition) for partition in range(settings.topics.partitions)])
        consumer.seek_to_beginning()
        return list(consumer)
    finally:
        consumer.close()


def events(settings: Settings, count: int = 0) -> dict[str, bytes]:
    """Crisis events by id, each once; fails where two with one id differ. Looks again for a while if there are fewer
    than `count`: a tick is told to be closed before the broker has taken the last of its events.
    """
    deadline = time.monotonic() + ARRIVE_SECONDS
    while True:
        found: dict[str, bytes] = {}
        for record in records(settings, settings.topics.events):
            name = json.loads(record.value)["id"]
            assert found.setdefault(name, record.value) == record.value
        if len(found) >= count or time.monotonic() > deadline:
            return found


def decided(settings: Settings, workers: Iterable[WorkerProcess], tick: int) -> bool:
    """Whether the workers between them have closed a tick on every partition."""
    closed: dict[str, float] = {}
    for worker in workers:
        metrics = worker.metrics()
        closed |= {name: value for name, value in metrics.items() if name.startswith("tocsin_detect_closed_tick{")}
    return len(closed) == settings.topics.partitions and min(closed.values()) >= tick

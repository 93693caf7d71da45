"""Mentions per second of the whole way through Kafka, beside the classifier alone and a plain Hugging Face pipeline.

``python -m bench.pipeline --help``. One after the other on the same texts; the machine is shared, so read the ratios.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from bench.tone.measured import alone
from bench.tone.ours import measure_ours
from bench.tone.pipeline import measure_pipeline
from streams import topics
from streams.apache_kafka import ApacheKafka
from streams.app import topic_specs
from streams.brokers import Broker, EmbeddedBroker
from streams.entries import Entry
from streams.records import Mention, microseconds, tick_of
from streams.replay import replay
from streams.settings import Settings
from streams.simulation import BRANDS, simulate
from tests.integration.workers import WorkerProcess, decided, wait_until

app = typer.Typer(add_completion=False)

_TIMEOUT = 900.0


@dataclass
class Way:
    """What the way through Kafka came to."""

    rate: float
    start: float
    memory: float
    lag: float


def different_mentions(count: int) -> list[Mention]:
    """Simulated mentions, no two texts alike: else the cache would answer for the model."""
    mentions: list[Mention] = []
    for seed in range(1, 1000):
        shift = timedelta(days=14 * (seed - 1))
        for one in simulate(seed=seed):
            number = len(mentions)
            text, moment = f"{one.text} {number}", one.created_at + shift
            mentions.append(Mention(id=f"bench{number}", created_at=moment, text=text, author=one.author))
            if len(mentions) == count:
                return mentions
    raise AssertionError("unreachable")


def through_kafka(mentions: list[Mention], broker: Broker, directory: Path, *, workers: int, threads: int) -> Way:
    """Replay mentions to workers that wait for them, and time it until the last tick is decided."""
    brands = [{"name": brand.name, "keywords": list(brand.keywords)} for brand in BRANDS]
    prefix = f"bench{workers}."
    settings = Settings.model_validate(
        {
            "kafka": {"bootstrap_servers": broker.bootstrap},
            "topics": {"prefix": prefix},
            "brands": brands,
            "tone": {"threads": threads, "cache_texts": 0},
        }
    )
    topics.ensure(topic_specs(settings), settings)
    embedded = isinstance(broker, EmbeddedBroker)
    names = [f"bench{number}" for number in range(workers)]
    processes = [WorkerProcess(directory, settings, name, worker={"embedded": embedded}) for name in names]
    began = time.monotonic()
    try:
        for process in processes:
            process.start()
        wait_until(lambda: all(one.get("/readyz") is not None for one in processes), _TIMEOUT, "ready", processes)
        ready = time.monotonic()
        replay((Entry("bench", number, one) for number, one in enumerate(mentions)), settings)
        last = tick_of(microseconds(max(one.created_at for one in mentions)))
        wait_until(lambda: decided(settings, processes, last), _TIMEOUT, "all decided", processes)
        done = time.monotonic()
        memory = sum(one.metric("process_resident_memory_bytes") for one in processes) / 2**20
    finally:
        for process in processes:
            if process.process is not None and process.process.poll() is None:
                process.terminate()
    return Way(len(mentions) / (done - ready), ready - began, memory, done - ready)


@app.command()
def main(
    count: Annotated[int, typer.Option("--mentions", min=100, help="How many mentions go through.")] = 20_000,
    pipeline_count: Annotated[int, typer.Option(min=10, help="How many the Hugging Face pipeline gets.")] = 600,
    embedded: Annotated[bool, typer.Option("--embedded", help="The in-memory broker, not Apache Kafka.")] = False,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the figures to this file too.")] = None,
) -> None:
    """Compare a plain Hugging Face pipeline, the classifier, and the whole way through Kafka; a few minutes."""
    console = Console(width=None if sys.stdout.isatty() else 110)
    processors = len(os.sched_getaffinity(0))
    mentions = different_mentions(count)
    texts = [one.text for one in mentions]
    apache = not embedded and bool(shutil.which("java") and shutil.which("mvn"))
    console.print(
        f"{count} mentions, the pipeline on the first {pipeline_count}; {processors} processors, load before the run "
        f"{os.getloadavg()[0]:.1f}; broker: {'Apache Kafka' if apache else 'embedded'}; {datetime.now(UTC):%Y-%m-%d}"
    )
    plain = alone(measure_pipeline, texts[:pipeline_count], processors)
    ours = alone(measure_ours, texts[: min(count, 6000)], "auto", processors, 0)
    rows = [("transformers.pipeline, best batch", plain.rate, plain.load, plain.memory)]
    rows.append(("classifier alone", ours.rate, ours.load, ours.memory))
    with tempfile.TemporaryDirectory() as place:
        directory = Path(place)
        broker: Broker = ApacheKafka(directory / "kafka") if apache else EmbeddedBroker()
        with broker:
            for workers in (1,) if embedded else (1, 2):
                threads = max(processors // workers, 1)
                way = through_kafka(mentions, broker, directory, workers=workers, threads=threads)
                name = f"through Kafka, {workers} worker{'s' if workers > 1 else ''}"
                rows.append((name, way.rate, way.start, way.memory))
    table = Table("", "mentions/s", "x pipeline", "start s", "memory MiB")
    for column in table.columns[1:]:
        column.justify = "right"
    for title, rate, start, memory in rows:
        table.add_row(title, f"{rate:.0f}", f"{rate / plain.rate:.2f}", f"{start:.1f}", f"{memory:.0f}")
    console.print(table)
    console.print("through Kafka: from the first mention sent until the last tick is decided, its events included")
    if json_file is not None:
        keys = ("what", "mentions_per_second", "start_s", "memory_mib")
        json_file.write_text(json.dumps([dict(zip(keys, row, strict=True)) for row in rows], indent=2) + "\n")


if __name__ == "__main__":
    app()

"""Whether workers on Apache Kafka send the events of a backtest, byte for byte, over a file of mentions.

``python -m bench.parity FILE``. Four partitions of mentions, written one after the other and at different paces, two
workers; each `brand` in the file is a brand. Prints both times and what differs; exits 1 if anything does.
"""

from __future__ import annotations

import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from models import load
from streams import topics
from streams.apache_kafka import ApacheKafka
from streams.app import topic_specs
from streams.backtest import brands_in
from streams.entries import merged
from streams.mention_files import read_mentions
from streams.records import Mention
from streams.settings import Settings
from tests.integration.test_worker import backtested, send_at_different_paces
from tests.integration.workers import WorkerProcess, decided, events, wait_until

app = typer.Typer(add_completion=False)

_TIMEOUT = 3600.0


@app.command()
def main(
    file: Annotated[Path, typer.Argument(help="Mentions, JSON lines or CSV, in order of time.")],
    workers: Annotated[int, typer.Option(min=1, help="How many workers share the partitions.")] = 2,
) -> None:
    """Compare the events of workers on Apache Kafka with those of a backtest."""
    console = Console(width=None if sys.stdout.isatty() else 110)
    brands = [{"name": name} for name in brands_in(merged([file]))]
    mentions = [one for _, one in read_mentions(file) if isinstance(one, Mention)]
    console.print(f"{len(mentions)} mentions of {len(brands)} brands")
    model = load()
    began = time.monotonic()
    want = backtested(mentions, Settings.model_validate({"brands": brands}), model)
    console.print(f"backtest: {len(want)} events in {time.monotonic() - began:.0f} s")
    with tempfile.TemporaryDirectory() as place, ApacheKafka(Path(place) / "kafka") as kafka, ExitStack() as stack:
        settings = Settings.model_validate({"kafka": {"bootstrap_servers": kafka.bootstrap}, "brands": brands})
        topics.ensure(topic_specs(settings), settings)
        began = time.monotonic()
        names = [f"parity{number}" for number in range(workers)]
        running = [stack.enter_context(WorkerProcess(Path(place), settings, name)) for name in names]
        last = send_at_different_paces(mentions, settings)
        wait_until(lambda: decided(settings, running, last), _TIMEOUT, "all ticks decided", running)
        took = time.monotonic() - began
        got = events(settings, len(want))
    console.print(f"{workers} workers on Apache Kafka: {len(got)} events in {took:.0f} s, their start included")
    different = sorted(name for name in got.keys() | want.keys() if got.get(name) != want.get(name))
    console.print(f"different events: {', '.join(different) or 'none'}")
    if different:
        raise typer.Exit(1)


if __name__ == "__main__":
    app()

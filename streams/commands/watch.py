"""``tocsin watch``: crisis events as they come, for people or as JSON lines."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from streams.commands.console import note
from streams.crisis_commands import unknown_name
from streams.errors import UserError
from streams.rendering import render
from streams.watch import EventWatcher

if TYPE_CHECKING:
    from streams.settings import Settings


def run(settings: Settings, *, as_json: bool, from_start: bool, brand: str | None, idle: float | None) -> None:
    """Print events until interrupted, or until none has come for `idle` seconds."""
    from rich.console import Console

    names = [*(configured.name for configured in settings.brands), *settings.portfolio_names]
    if brand is not None and brand not in names:
        raise UserError(f"--brand: {unknown_name(brand, names)}")
    console = Console(highlight=False)
    with EventWatcher(settings, from_start=from_start, brand=brand) as watcher:
        if not as_json:
            note(f"watching {settings.topics.events} on {settings.kafka.bootstrap_servers}; Ctrl-C ends")
        last = time.monotonic()
        while idle is None or time.monotonic() - last < idle:
            for received in watcher.poll():
                last = time.monotonic()
                if as_json:
                    sys.stdout.buffer.write(received.value + b"\n")
                    sys.stdout.buffer.flush()
                else:
                    console.print(render(received.event))
        if watcher.foreign:
            note(f"{watcher.foreign} records in {settings.topics.events} were no crisis events; who else writes there?")

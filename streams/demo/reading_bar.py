"""How far the worker has read, on the console of the demo."""

from __future__ import annotations

import time

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn


class ReadingBar:
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

    def __enter__(self) -> ReadingBar:
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

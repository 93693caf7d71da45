"""``tocsin replay``: files into Kafka, with a progress bar."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import typer

from streams.commands.console import complain, note, stderr_console
from streams.entries import Entry, merged
from streams.errors import UserError
from streams.mention_files import BadLineError, count_lines
from streams.rendering import printable
from streams.replay import ReplaySummary, replay

if TYPE_CHECKING:
    from rich.progress import Progress

    from streams.settings import Settings

#: Bad lines told one by one; a file with more of them has a common cause.
_TOLD: Final = 10


def parsed_speed(speed: str) -> float | None:
    """Return the multiple of real time, None for as fast as possible; raise `UserError` for what is neither."""
    if speed == "max":
        return None
    try:
        value = float(speed.removesuffix("x"))
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise UserError(f"--speed {speed}: must be max, or a number above 0 such as 60 for a minute per second")
    return value


def run(files: Sequence[str], settings: Settings, *, speed: str, end: bool, send_bad: bool) -> None:
    """Replay files, report bad lines and sum up."""
    from streams.wiring import mention_limits

    pace = parsed_speed(speed)
    entries = merged(files, mention_limits(settings))
    counts = [count_lines(file) for file in files]
    total = None if None in counts else sum(count or 0 for count in counts)
    summary = ReplaySummary()
    with progress_bar() as progress:
        task = progress.add_task("replaying", total=total)

        def on_bad(entry: Entry) -> None:
            if summary.bad <= _TOLD and isinstance(entry.content, BadLineError):
                message = printable(f"{entry.path}:{entry.line}: {entry.content.reason}: {entry.content}")
                progress.console.print(message, markup=False, soft_wrap=True)
            if summary.bad == _TOLD + 1:
                progress.console.print("… more bad lines are counted, not shown", markup=False)

        try:
            replay(
                entries,
                settings,
                speed=pace,
                end=end,
                send_bad=send_bad,
                on_bad=on_bad,
                on_progress=lambda done: progress.update(task, completed=done),
                summary=summary,
            )
        except KeyboardInterrupt:
            progress.stop()
            complain(f"stopped after {summary.sent:,} mentions; the end of the replay was not announced")
            raise
        if total is not None:
            progress.update(task, completed=total)
    _sum_up(summary, send_bad=send_bad)


def progress_bar() -> Progress:
    """Return a progress bar on standard error that shows nothing where that is not a terminal."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

    console = stderr_console()
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        disable=not console.is_terminal,
    )


def _sum_up(summary: ReplaySummary, *, send_bad: bool) -> None:
    rate = summary.sent / summary.seconds if summary.seconds else 0.0
    note(f"sent {summary.sent:,} mentions in {summary.seconds:.1f} s ({rate:,.0f} a second)")
    if summary.bad:
        fate = f"{summary.bad_sent:,} of them sent as they came" if send_bad else "not sent"
        note(f"{summary.bad:,} bad lines, {fate}")
    if summary.disordered:
        note(
            f"{summary.disordered:,} mentions come after a later one; beyond the allowed lateness they count as late. "
            "Sort each file by created_at"
        )
    if not summary.sent:
        complain("there was no mention in it; nothing is announced as ended")
        raise typer.Exit(1)

"""``tocsin topics``: create what is missing, or only look."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from streams import topics
from streams.commands.console import FAILED

if TYPE_CHECKING:
    from streams.settings import Settings


def run(settings: Settings, *, check: bool) -> None:
    """Create or check the topics and say what there is."""
    from streams.app import topic_specs

    wanted = topic_specs(settings)
    report = topics.inspect(wanted, settings) if check else topics.ensure(wanted, settings)
    width = max(len(spec.name) for spec in wanted)
    for spec in wanted:
        state = "created" if spec.name in report.created else "MISSING" if spec.name in report.missing else "present"
        typer.echo(f"{spec.name:<{width}}  {state}, {spec.partitions} partitions")
    for difference in report.differences:
        typer.echo(f"{'DIFFERS' if difference.fatal else 'differs'}: {difference}")
    if report.missing or report.fatal:
        raise typer.Exit(FAILED)

"""Commands of a set-up with Kafka: worker, replay, watch, topics, doctor."""

from __future__ import annotations

from typing import Annotated

import typer

from streams.cli.options import Config, MentionFiles
from streams.commands.console import FAILED, config_path, load_settings, reporting


def worker(ctx: typer.Context, config: Config = None) -> None:
    """Run a worker until it is told to stop.

    It reads the tone of mentions and detects crises. Any number of workers share the work, on one machine or many;
    each needs a worker.id of its own and keeps it over restarts. SIGTERM and Ctrl-C stop it in order. If it
    crashes, start it again: it goes on where it was, and no event is lost. Metrics are at
    http://127.0.0.1:6066/metrics, health at /healthz and /readyz, unless set otherwise.

    \b
    Example: tocsin worker --config tocsin.yaml
    """
    with reporting():
        from streams.app import run_worker

        run_worker(load_settings(ctx, config))


def replay(
    ctx: typer.Context,
    files: MentionFiles,
    speed: Annotated[
        str, typer.Option(metavar="X", help="max, or a multiple of real time: 60 is a minute per second.")
    ] = "max",
    end: Annotated[
        bool, typer.Option("--end/--no-end", help="Tell the workers at the end that nothing follows.")
    ] = True,
    send_bad: Annotated[
        bool, typer.Option("--send-bad", help="Send the bytes of bad lines as they came, for the worker to reject.")
    ] = False,
    config: Config = None,
) -> None:
    """Send files of mentions to Kafka, in order of time.

    Several files are merged, if each is sorted by created_at. The same mention always goes to the same partition.
    Bad lines are reported with file, line and reason, and left out. At the end every partition is told that nothing
    follows, so that the last minutes are decided at once; with --no-end more can follow.

    \b
    Example: tocsin replay monday.jsonl.gz tuesday.jsonl.gz
             zcat feed.jsonl.gz | tocsin replay - --speed 60 --no-end
    """
    with reporting():
        from streams.commands.replay import run

        run(files, load_settings(ctx, config), speed=speed, end=end, send_bad=send_bad)


def watch(
    ctx: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="CloudEvents as JSON lines instead of prose.")] = False,
    from_start: Annotated[bool, typer.Option("--from-start", help="Begin with the oldest event that is kept.")] = False,
    brand: Annotated[str | None, typer.Option(metavar="NAME", help="Only events of this brand or portfolio.")] = None,
    idle: Annotated[
        float | None, typer.Option(metavar="SECONDS", min=0.1, help="End when no event has come for so long.")
    ] = None,
    config: Config = None,
) -> None:
    """Print crisis events as they come, each once.

    A headline says when, what happened, what is asked of you (PAGE, TICKET or info), how bad it is and whose crisis
    it is; below it stands why.

    \b
    Example: tocsin watch --brand "Zuvarro Airlines"
             tocsin watch --from-start --json --idle 5 > events.jsonl
    """
    with reporting():
        from streams.commands.watch import run

        run(load_settings(ctx, config), as_json=as_json, from_start=from_start, brand=brand, idle=idle)


def topics(
    ctx: typer.Context,
    check: Annotated[bool, typer.Option("--check", help="Only look; exit 1 if something is missing.")] = False,
    config: Config = None,
) -> None:
    """Create missing topics, check the others.

    Refuses to go on where an existing topic has another number of partitions than the settings, since a brand would
    be counted in two places.

    \b
    Example: tocsin topics --config tocsin.yaml
    """
    with reporting():
        from streams.commands.topics import run

        run(load_settings(ctx, config), check=check)


def doctor(ctx: typer.Context, config: Config = None) -> None:
    """Check the set-up, say what to mend.

    Looks at settings, broker, topics, model and clock, and says what to do about each finding. Exits 1 if something
    must be mended before a worker can run.

    \b
    Example: tocsin doctor --config tocsin.yaml
    """
    with reporting():
        from rich.console import Console

        from streams.doctor import examine, render, worst

        findings = examine(config_path(ctx, config))
        Console(highlight=False).print(render(findings))
        if worst(findings) == "fail":
            raise typer.Exit(FAILED)

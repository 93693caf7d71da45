"""Commands that need no broker of yours: on a history in files, and on a simulated one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from streams.cli.options import Config, MentionFiles
from streams.commands.console import config_path, load_settings, reporting


def backtest(
    ctx: typer.Context,
    files: MentionFiles,
    tone: Annotated[
        Literal["model", "gold"], typer.Option(help="Read the tone with the model, or take gold_tone as it is.")
    ] = "model",
    budget: Annotated[
        float | None, typer.Option(metavar="N", help="False pages per brand and month, instead of the settings'.")
    ] = None,
    events: Annotated[
        Path | None, typer.Option(metavar="OUT.jsonl", help="Write the crisis events, as the worker would send them.")
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option("--report", "--plot", metavar="OUT.html", help="Write the report as a page, with plots."),
    ] = None,
    known_events: Annotated[
        Path | None, typer.Option(metavar="CSV", help="Known events: the report tells which were found and missed.")
    ] = None,
    what_if: Annotated[
        bool | None,
        typer.Option(
            "--what-if/--no-what-if",
            help="Tell what budgets of 0.5, 1, 2 and 4 would have come to; by default with --report.",
            show_default=False,
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The report as JSON instead of tables.")] = False,
    sort: Annotated[bool, typer.Option("--sort", help="Sort the mentions by time first; takes memory.")] = False,
    commands: Annotated[
        Path | None,
        typer.Option(metavar="FILE.jsonl", help="What people said meanwhile: verdicts, planned events, mutes."),
    ] = None,
    config: Config = None,
) -> None:
    """Try the detector on files, without Kafka.

    What would it have paged for? The events are those that a worker would have sent, byte for byte. The report has
    a row per brand: mentions, days, pages, tickets, pages per month against the budget, the first event; and a row
    per incident. --report writes it as one HTML file that opens without a network: volume, share and scores of each
    brand, incidents with their reasons, known events, and what other budgets would have come to. Without settings
    each `brand` in the records is a brand, and the budget is 1.

    The files must be in order of time, or --sort must be given. Duplicates count once; a mention that comes more than
    a day after a later one is left out, and so is a line that cannot be read: both are told.

    \b
    Example: tocsin backtest 2025.jsonl.gz --config tocsin.yaml --report 2025.html
             tocsin backtest labelled.csv --tone gold --known-events events.csv --json
    """
    with reporting():
        from streams.commands.backtest import run
        from streams.commands.backtest_report import Options

        settings_file = config_path(ctx, config)
        settings = load_settings(ctx, config) if settings_file else None
        options = Options(tone, budget, events, report, known_events, what_if, as_json, sort, settings_file, commands)
        run(files, settings, options)


def score_counts(
    file: Annotated[
        str, typer.Argument(metavar="FILE.csv", help="Columns timestamp,value; plain or gzip; - is stdin.")
    ],
    out: Annotated[
        Path | None, typer.Option(metavar="OUT.csv", help="Where to; default: standard output.", show_default=False)
    ] = None,
    budget: Annotated[
        float, typer.Option(metavar="N", help="Alarms a month that are acceptable while nothing is the matter.")
    ] = 3.0,
    weekdays: Annotated[
        bool, typer.Option("--weekdays", help="Learn a rhythm of the week too: for a series with quiet weekends.")
    ] = False,
    missing_is_zero: Annotated[
        bool,
        typer.Option("--missing-is-zero", help="Rows without mentions were left out: read rows that are missing as 0."),
    ] = False,
    width: Annotated[
        float | None,
        typer.Option(metavar="MINUTES", help="Width of a bin; default: read from the rows.", show_default=False),
    ] = None,
) -> None:
    """Score a bare series of counts, without texts.

    For those who have volumes only. One row per count, in order of time, in bins of at most an hour; out comes
    timestamp,anomaly_score, in [0, 1], each from the past alone. A row at 0.5 or more is the first row of an alarm,
    a surge as this series shows N times a month without cause; 0.75 is three times as rare, 0.9 nine times. The 24
    hours after that row are 0, and so is the first day. A surge need not be a crisis: backtest reads the tone too.

    Times without a zone are UTC. Missing rows, empty values and improbable runs of zeros are gaps: they teach
    nothing and are no alarm. A level that lasts for three days is the new one. If your export leaves out rows of 0,
    as a GROUP BY does, say so by --missing-is-zero: else most surges of a quiet series are not found.

    \b
    Example: tocsin score-counts volume.csv --out scores.csv
             tocsin score-counts grouped.csv --missing-is-zero --width 5
    """
    with reporting():
        from streams.commands.score_counts import run

        run(file, out=out, budget=budget, weekdays=weekdays, missing_is_zero=missing_is_zero, width=width)


def simulate(
    file: Annotated[str, typer.Argument(metavar="FILE", help="Where to; .gz packs it, - is stdout.")],
    seed: Annotated[int, typer.Option(help="Another seed simulates another fortnight.")] = 1,
    days: Annotated[int, typer.Option(min=1, max=3650, help="How long; the crisis begins on day 11.")] = 14,
    config_out: Annotated[
        Path | None, typer.Option(metavar="OUT.yaml", help="Write settings with the simulated brands.")
    ] = None,
) -> None:
    """Write the demo's mentions to a file.

    A fortnight of three invented brands, with one crisis and one harmless burst.

    \b
    Example: tocsin simulate fortnight.jsonl.gz --config-out fortnight.yaml
             tocsin backtest fortnight.jsonl.gz --config fortnight.yaml --report fortnight.html
    """
    with reporting():
        from streams.commands.simulate import run

        run(file, seed=seed, days=days, config=config_out)


def demo(
    seed: Annotated[int, typer.Option(help="Another seed simulates another fortnight.")] = 1,
    keep: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Keep settings, logs and events in this directory.")
    ] = None,
) -> None:
    """Show all of it on a simulated fortnight.

    Starts an in-memory broker and a worker on loopback, replays about 20,000 mentions of three invented brands as
    fast as the worker takes them, one crisis among them, prints each crisis event as it comes, sums up, and stops
    everything it started. Takes a minute or two. The same seed gives the same events.

    \b
    Example: tocsin demo
    """
    with reporting():
        from streams.demo import run

        run(seed=seed, keep=keep)

"""The command ``tocsin``. Options and help are here; what a command does is imported when the command runs.

So ``tocsin --help`` answers at once, and a command that needs no model does not wait for torch.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from streams.commands.console import FAILED, config_path, load_settings, reporting

if TYPE_CHECKING:
    from detectors.commands import CommandKind

_HELP = """
Tocsin pages a brand's on-call people when a crisis begins on social media.

Mentions come in on a Kafka topic; a transformer reads their tone; windows over each brand are compared with the
brand's own normal; crisis events with their reasons come out on a topic. You set one thing: how many false pages a
month each brand may cost.

\b
Try it (nothing to prepare)         tocsin demo
Try it on your own history          tocsin backtest mentions.jsonl.gz --config tocsin.yaml
Check a set-up                      tocsin doctor --config tocsin.yaml
Create the topics                   tocsin topics --config tocsin.yaml
Run it                              tocsin worker --config tocsin.yaml
Feed it from files                  tocsin replay mentions.jsonl --config tocsin.yaml
See what it decides                 tocsin watch --from-start --config tocsin.yaml
Tell it what a page was worth       tocsin false INCIDENT --config tocsin.yaml
Plan a launch                       tocsin plan BRAND --from +1d --until +2d --factor 5 --config tocsin.yaml
See whether it keeps its budget     tocsin ledger --config tocsin.yaml
"""

_EPILOG = """
\b
Environment
  TOCSIN_CONFIG            the settings file, where --config is not given
  TOCSIN__SECTION__KEY     one setting, e.g. TOCSIN__KAFKA__BOOTSTRAP_SERVERS; wins over the file
  TOCSIN_KAFKA_PASSWORD    the SASL password
  TOCSIN_AUTHOR_KEY        the secret with which authors are hashed

\b
Exit codes
  0    done
  1    something ran and failed, or doctor or topics found a fault
  2    what was asked for cannot be done: options, settings, files, a broker that is not there
  130  interrupted (Ctrl-C)

\b
Each command tells more: tocsin COMMAND --help.
The settings are described in docs/operations.md, files of mentions in docs/mentions.md.
"""

app = typer.Typer(
    name="tocsin",
    help=_HELP,
    epilog=_EPILOG,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)

_Config = Annotated[
    Path | None,
    typer.Option(
        "--config", "-c", metavar="FILE", help="Settings (YAML); default: $TOCSIN_CONFIG.", show_default=False
    ),
]
_Labels = Annotated[
    str | None,
    typer.Option(metavar="A,B,C", help="What the outputs of a Hugging Face model mean, in order, if it does not say."),
]
_MentionFiles = Annotated[
    list[str], typer.Argument(metavar="FILE", help="Mentions: JSON lines or CSV, plain or gzip; - is stdin.")
]


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import PackageNotFoundError, version

        try:
            typer.echo(f"tocsin {version('tocsin')}")
        except PackageNotFoundError:
            typer.echo("tocsin (not installed, run from its sources)")
        raise typer.Exit


@app.callback()
def tocsin(
    ctx: typer.Context,
    config: _Config = None,
    _: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Keep the settings file for the command that follows."""
    ctx.obj = config


@app.command()
def worker(ctx: typer.Context, config: _Config = None) -> None:
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


@app.command()
def replay(
    ctx: typer.Context,
    files: _MentionFiles,
    speed: Annotated[
        str, typer.Option(metavar="X", help="max, or a multiple of real time: 60 is a minute per second.")
    ] = "max",
    end: Annotated[
        bool, typer.Option("--end/--no-end", help="Tell the workers at the end that nothing follows.")
    ] = True,
    send_bad: Annotated[
        bool, typer.Option("--send-bad", help="Send the bytes of bad lines as they came, for the worker to reject.")
    ] = False,
    config: _Config = None,
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


@app.command()
def watch(
    ctx: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="CloudEvents as JSON lines instead of prose.")] = False,
    from_start: Annotated[bool, typer.Option("--from-start", help="Begin with the oldest event that is kept.")] = False,
    brand: Annotated[str | None, typer.Option(metavar="NAME", help="Only events of this brand.")] = None,
    idle: Annotated[
        float | None, typer.Option(metavar="SECONDS", min=0.1, help="End when no event has come for so long.")
    ] = None,
    config: _Config = None,
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


@app.command()
def topics(
    ctx: typer.Context,
    check: Annotated[bool, typer.Option("--check", help="Only look; exit 1 if something is missing.")] = False,
    config: _Config = None,
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


@app.command()
def doctor(ctx: typer.Context, config: _Config = None) -> None:
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


@app.command()
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


@app.command()
def classify(
    ctx: typer.Context,
    file: Annotated[str, typer.Argument(metavar="[FILE]", help="Texts, one per line; - is stdin.")] = "-",
    model: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="bundled, a directory, or a Hugging Face model; default: as in the settings."
        ),
    ] = None,
    revision: Annotated[str | None, typer.Option(help="Revision of a Hugging Face model.")] = None,
    labels: _Labels = None,
    config: _Config = None,
) -> None:
    """Read the tone of texts, one per line.

    Needs neither Kafka nor settings. Blank lines are passed over. One JSON object per line comes out, with the
    text, the probabilities {"negative", "neutral", "positive"} and the label, the most probable of them; and
    "tone_reliable": false where the model does not know the language or script.

    \b
    Example: echo "Two hours on hold, never again" | tocsin classify
    """
    with reporting():
        from streams.commands.classify import run
        from streams.settings_schema import ToneSettings

        tone = load_settings(ctx, config).tone if config_path(ctx, config) else ToneSettings()
        if model is not None and model != tone.model:
            tone = tone.model_copy(update={"model": model, "revision": None, "labels": None})
        wanted = {"revision": revision or tone.revision, "labels": _tones(labels) or tone.labels}
        run(file, tone.model_copy(update=wanted))


def _tones(labels: str | None) -> list[str] | None:
    return [label.strip() for label in labels.split(",")] if labels else None


@app.command()
def evaluate(
    ctx: typer.Context,
    files: Annotated[
        list[str],
        typer.Argument(metavar="FILE", help="LABEL<TAB>TEXT lines in a .tsv, or mentions with gold_tone; - is stdin."),
    ],
    model: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="bundled, a directory, or a Hugging Face model; default: as in the settings."
        ),
    ] = None,
    revision: Annotated[str | None, typer.Option(help="Revision of a Hugging Face model.")] = None,
    labels: _Labels = None,
    plot: Annotated[
        Path | None, typer.Option(metavar="OUT.html", help="Write the reliability plot, a page of its own.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per file instead of tables.")] = False,
    backend: Annotated[str, typer.Option(metavar="NAME", help="How the model is computed.")] = "auto",
    config: _Config = None,
) -> None:
    """Measure a tone model on labelled texts.

    For each file recall, precision and F1 of each tone, in all and per language as the script tells; macro-recall,
    mean F1 of negative and positive, and the expected calibration error (15 bins): how far the probabilities can be
    believed. Mentions without gold_tone are left out.

    \b
    Example: tocsin evaluate labelled.tsv history.jsonl.gz --plot reliability.html
             tocsin evaluate labelled.tsv --model cardiffnlp/twitter-xlm-roberta-base-sentiment --json
    """
    with reporting():
        from streams.commands.evaluate import run
        from streams.settings_schema import ToneSettings

        tone = load_settings(ctx, config).tone if config_path(ctx, config) else ToneSettings()
        if model is not None and model != tone.model:
            tone = tone.model_copy(update={"model": model, "revision": None, "labels": None})
        run(
            files,
            model=tone.model,
            revision=revision or tone.revision,
            labels=_tones(labels) or tone.labels,
            threads=tone.threads,
            backend=backend,
            as_json=as_json,
            plot=plot,
        )


@app.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "allow_interspersed_args": False}
)
def train(
    ctx: typer.Context,
    language: Annotated[
        Literal["en", "ru"], typer.Argument(metavar="en|ru", help="Which of the bundled models.", show_default=False)
    ],
) -> None:
    """Train a bundled tone model anew, on texts of your own if you like.

    Everything after the language belongs to that training and is described by its own help. Trainings show their
    progress, repeat with the same seed, and go on where they were when the same command is run again. The result is
    a folder that holds weights, figures and recipe; docs/tone.md says how to make it the bundled model.

    \b
    Example: tocsin train en --help
             tocsin train ru --train labelled.tsv --out out/ru
    """
    with reporting():
        from streams.commands.train import run

        run(language, ctx.args)


@app.command()
def backtest(
    ctx: typer.Context,
    files: _MentionFiles,
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
    config: _Config = None,
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
        from streams.commands.backtest import Options, run

        settings_file = config_path(ctx, config)
        settings = load_settings(ctx, config) if settings_file else None
        options = Options(tone, budget, events, report, known_events, what_if, as_json, sort, settings_file, commands)
        run(files, settings, options)


_Incident = Annotated[str, typer.Argument(metavar="INCIDENT", help="Its id, as its events and tocsin watch name it.")]
_Brand = Annotated[str, typer.Argument(metavar="BRAND", help="As the settings name it.")]
_Note = Annotated[str | None, typer.Option("--note", metavar="TEXT", help="Why; kept with the command.")]
_By = Annotated[str | None, typer.Option(metavar="NAME", help="Who says so; default: this user.", show_default=False)]
_At = Annotated[str | None, typer.Option(metavar="TIME", help="When it was said; default: now.", show_default=False)]
_From = Annotated[
    str | None,
    typer.Option("--from", metavar="TIME", help="When it begins, as --until; default: now.", show_default=False),
]
_Until = Annotated[
    str,
    typer.Option(metavar="TIME", help="RFC 3339, or in the brand's time zone without one, or +90m, +2h, +3d from now."),
]


def _on_incident(kind: CommandKind, told: str) -> None:
    """Add the command of this name, which says something of an incident; `told` is its help."""

    def command(
        ctx: typer.Context,
        incident: _Incident,
        remark: _Note = None,
        by: _By = None,
        at: _At = None,
        config: _Config = None,
    ) -> None:
        with reporting():
            from streams.commands.tell import about_incident

            about_incident(load_settings(ctx, config), kind, incident, at=at, by=by, remark=remark)

    app.command(kind, help=told)(command)


_on_incident(
    "confirm",
    """Say that an incident was a crisis.

    Its pages were worth it: they never count against the budget, and its days do not teach what is usual. Of two
    verdicts on one incident the later one holds.

    \b
    Example: tocsin confirm 3f9a0c61d2b4
    """,
)
_on_incident(
    "false",
    """Say that an incident was a false alarm.

    Its pages count against the budget, and the brand's page thresholds rise until it is kept. A page that nobody
    confirms within 24 hours counts as a false one too, but without any verdict thresholds never rise above what the
    brand's own quiet days give.

    \b
    Example: tocsin false 3f9a0c61d2b4 --note "a quiz went viral"
    """,
)
_on_incident(
    "ack",
    """Say that somebody is on an incident.

    Its later events tell so; what is paged for does not change.

    \b
    Example: tocsin ack 3f9a0c61d2b4 --by ann
    """,
)
_on_incident(
    "statement",
    """Say that a statement on an incident was published.

    Its later events tell so; what is paged for does not change.

    \b
    Example: tocsin statement 3f9a0c61d2b4 --note https://news.example.org/our-apology
    """,
)


@app.command()
def plan(
    ctx: typer.Context,
    brand: _Brand,
    until: _Until,
    factor: Annotated[float, typer.Option(metavar="X", help="How many times the usual volume is expected.")],
    begin: _From = None,
    remark: _Note = None,
    by: _By = None,
    at: _At = None,
    config: _Config = None,
) -> None:
    """Announce a planned event: a launch, a match, a sale.

    Between two times X times the usual mentions are expected, with the usual share of negative ones, so that what
    was planned pages nobody and a crisis in it still does. Those hours do not teach what is usual.

    \b
    Example: tocsin plan "Acme Airlines" --from 2026-03-12T18:00 --until 2026-03-13T02:00 --factor 5 --note "the launch"
    """
    with reporting():
        from streams.commands.tell import about_brand

        times = {"begin": begin, "until": until}
        settings = load_settings(ctx, config)
        about_brand(settings, "plan", brand, at=at, by=by, remark=remark, factor=factor, **times)


@app.command()
def mute(
    ctx: typer.Context,
    brand: _Brand,
    until: _Until,
    begin: _From = None,
    remark: _Note = None,
    by: _By = None,
    at: _At = None,
    config: _Config = None,
) -> None:
    """Page nobody for a brand for some time.

    Incidents are recorded, as info at most. What still goes on when the mute ends is raised to what it is worth then.

    \b
    Example: tocsin mute "Acme Airlines" --until +8h --note "maintenance of the feed"
    """
    with reporting():
        from streams.commands.tell import about_brand

        settings = load_settings(ctx, config)
        about_brand(settings, "mute", brand, at=at, by=by, remark=remark, begin=begin, until=until)


@app.command()
def unmute(
    ctx: typer.Context, brand: _Brand, remark: _Note = None, by: _By = None, at: _At = None, config: _Config = None
) -> None:
    """End every mute of a brand.

    \b
    Example: tocsin unmute "Acme Airlines"
    """
    with reporting():
        from streams.commands.tell import about_brand

        about_brand(load_settings(ctx, config), "unmute", brand, at=at, by=by, remark=remark)


@app.command()
def cancel(
    ctx: typer.Context,
    brand: _Brand,
    command: Annotated[str, typer.Argument(metavar="COMMAND", help="Its id, as tocsin plan and tocsin ledger tell.")],
    remark: _Note = None,
    by: _By = None,
    at: _At = None,
    config: _Config = None,
) -> None:
    """End a planned event or a mute before its time.

    \b
    Example: tocsin cancel "Acme Airlines" 5be0c7a91f2d4e68
    """
    with reporting():
        from streams.commands.tell import about_brand

        about_brand(load_settings(ctx, config), "cancel", brand, at=at, by=by, remark=remark, cancels=command)


@app.command()
def ledger(
    ctx: typer.Context,
    brand: Annotated[str | None, typer.Option(metavar="NAME", help="Only this brand, with its incidents.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON lines, one for each brand.")] = False,
    events: Annotated[
        Path | None, typer.Option(metavar="FILE.jsonl", help="Events of a backtest (--events) instead of Kafka's.")
    ] = None,
    commands: Annotated[
        Path | None, typer.Option(metavar="FILE.jsonl", help="Commands of that backtest (--commands).")
    ] = None,
    config: _Config = None,
) -> None:
    """Show how pages turned out, beside the budget.

    For each brand: pages of the last year, which of them were false, confirmed, or wait for a verdict; false pages a
    month with the exact 95 % interval; the budget; and by how much the controller has moved the page thresholds.

    \b
    Example: tocsin ledger --config tocsin.yaml
             tocsin ledger --brand "Acme Airlines"
             tocsin ledger --events events.jsonl --commands commands.jsonl
    """
    with reporting():
        from streams.commands.ledger import run

        settings = load_settings(ctx, config) if events is None or config_path(ctx, config) else None
        run(settings, brand=brand, as_json=as_json, events=events, commands=commands)


@app.command("score-counts")
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
) -> None:
    """Score a bare series of counts, without texts.

    For those who have volumes only. One row per count, in order of time, in bins of at most an hour; out comes
    timestamp,anomaly_score, in [0, 1], each from the past alone. A row at 0.5 or more is the first row of an alarm,
    a surge as this series shows N times a month without cause; 0.75 is three times as rare, 0.9 nine times. The 24
    hours after that row are 0, and so is the first day. A surge need not be a crisis: backtest reads the tone too.

    Times without a zone are UTC. Missing rows, empty values and improbable runs of zeros are gaps: they teach
    nothing and are no alarm. A level that lasts for three days is the new one.

    \b
    Example: tocsin score-counts volume.csv --out scores.csv
    """
    with reporting():
        from streams.commands.score_counts import run

        run(file, out=out, budget=budget, weekdays=weekdays)


@app.command()
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


def main() -> None:
    """Run the command line; the entry point of the package."""
    app(prog_name="tocsin")


if __name__ == "__main__":
    main()

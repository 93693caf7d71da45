"""The command ``tocsin``. Options and help are in this package; what a command does, in ``streams/commands``, is
imported when the command runs.

So ``tocsin --help`` answers at once, and a command that needs no model does not wait for torch.
"""

from __future__ import annotations

from typing import Annotated

import typer

from streams.cli import history, live, telling, tone
from streams.cli.options import Config

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
    config: Config = None,
    _: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Keep the settings file for the command that follows."""
    ctx.obj = config


# In the order in which help lists them.
app.command()(live.worker)
app.command()(live.replay)
app.command()(live.watch)
app.command()(live.topics)
app.command()(live.doctor)
app.command()(history.demo)
app.command()(tone.classify)
app.command()(tone.evaluate)
app.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "allow_interspersed_args": False}
)(tone.train)
app.command()(history.backtest)
for _kind, _help in telling.ON_INCIDENT.items():
    app.command(_kind, help=_help)(telling.on_incident(_kind))
app.command()(telling.plan)
app.command()(telling.mute)
app.command()(telling.unmute)
app.command()(telling.cancel)
app.command()(telling.ledger)
app.command("score-counts")(history.score_counts)
app.command()(history.simulate)


def main() -> None:
    """Run the command line; the entry point of the package."""
    app(prog_name="tocsin")

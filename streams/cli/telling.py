"""Commands with which people tell what a page was worth and what they plan, and see how pages turned out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from streams.cli.options import Config
from streams.commands.console import config_path, load_settings, reporting

if TYPE_CHECKING:
    from detectors.commands import CommandKind

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


#: What can be said of an incident, and the help of each command.
ON_INCIDENT: Final[dict[CommandKind, str]] = {
    "confirm": """Say that an incident was a crisis.

    Its pages were worth it: they never count against the budget, and its days do not teach what is usual. Of two
    verdicts on one incident the later one holds.

    \b
    Example: tocsin confirm 3f9a0c61d2b4
    """,
    "false": """Say that an incident was a false alarm.

    Its pages count against the budget, and the brand's page thresholds rise until it is kept. A page that nobody
    confirms within 24 hours counts as a false one too, but without any verdict thresholds never rise above what the
    brand's own quiet days give.

    \b
    Example: tocsin false 3f9a0c61d2b4 --note "a quiz went viral"
    """,
    "ack": """Say that somebody is on an incident.

    Its later events tell so; what is paged for does not change.

    \b
    Example: tocsin ack 3f9a0c61d2b4 --by ann
    """,
    "statement": """Say that a statement on an incident was published.

    Its later events tell so; what is paged for does not change.

    \b
    Example: tocsin statement 3f9a0c61d2b4 --note https://news.example.org/our-apology
    """,
}


def on_incident(kind: CommandKind) -> Callable[..., None]:
    """The command of this kind, which says something of an incident."""

    def command(
        ctx: typer.Context,
        incident: _Incident,
        remark: _Note = None,
        by: _By = None,
        at: _At = None,
        config: Config = None,
    ) -> None:
        with reporting():
            from streams.commands.tell import about_incident

            about_incident(load_settings(ctx, config), kind, incident, at=at, by=by, remark=remark)

    return command


def plan(
    ctx: typer.Context,
    brand: _Brand,
    until: _Until,
    factor: Annotated[float, typer.Option(metavar="X", help="How many times the usual volume is expected.")],
    begin: _From = None,
    remark: _Note = None,
    by: _By = None,
    at: _At = None,
    config: Config = None,
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


def mute(
    ctx: typer.Context,
    brand: _Brand,
    until: _Until,
    begin: _From = None,
    remark: _Note = None,
    by: _By = None,
    at: _At = None,
    config: Config = None,
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


def unmute(
    ctx: typer.Context, brand: _Brand, remark: _Note = None, by: _By = None, at: _At = None, config: Config = None
) -> None:
    """End every mute of a brand.

    \b
    Example: tocsin unmute "Acme Airlines"
    """
    with reporting():
        from streams.commands.tell import about_brand

        about_brand(load_settings(ctx, config), "unmute", brand, at=at, by=by, remark=remark)


def cancel(
    ctx: typer.Context,
    brand: _Brand,
    command: Annotated[str, typer.Argument(metavar="COMMAND", help="Its id, as tocsin plan and tocsin ledger tell.")],
    remark: _Note = None,
    by: _By = None,
    at: _At = None,
    config: Config = None,
) -> None:
    """End a planned event or a mute before its time.

    \b
    Example: tocsin cancel "Acme Airlines" 5be0c7a91f2d4e68
    """
    with reporting():
        from streams.commands.tell import about_brand

        about_brand(load_settings(ctx, config), "cancel", brand, at=at, by=by, remark=remark, cancels=command)


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
    config: Config = None,
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

"""What people tell the detector: ``tocsin ack, confirm, false, statement, plan, mute, unmute, cancel``."""

from __future__ import annotations

import getpass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from streams.command_sender import brand_of_incident, send_command
from streams.commands.console import note
from streams.crisis_commands import CommandError, CrisisCommand, fits_portfolio, new_id, parse_moment, unknown_name
from streams.errors import UserError
from streams.sent_commands import must_be_planned

if TYPE_CHECKING:
    from detectors.commands import CommandKind
    from streams.settings import Settings

#: How far a command may be dated ahead: clocks differ, nobody speaks tomorrow.
_AHEAD = timedelta(minutes=5)

_DONE = {
    "ack": "acknowledged",
    "confirm": "confirmed as a crisis",
    "false": "marked as a false alarm",
    "statement": "noted that a statement was published",
    "plan": "planned",
    "mute": "muted",
    "unmute": "no longer muted",
    "cancel": "ended",
}


def about_incident(
    settings: Settings, kind: CommandKind, incident: str, *, at: str | None, by: str | None, remark: str | None
) -> None:
    """Send a command about an incident."""
    brand = brand_of_incident(incident, settings)
    command = _command(settings, kind, brand, at=at, by=by, remark=remark, incident=incident)
    send_command(command, settings)
    _tell(command, f"{brand}, incident {incident}")


def about_brand(
    settings: Settings,
    kind: CommandKind,
    brand: str,
    *,
    at: str | None,
    by: str | None,
    remark: str | None,
    begin: str | None = None,
    until: str | None = None,
    factor: float | None = None,
    cancels: str | None = None,
) -> None:
    """Send a command about a brand."""
    if brand in settings.portfolio_names:
        fits_portfolio(kind, brand)
    zone = _zone(settings, brand)
    now = _given(at, zone)
    times: dict[str, Any] = {}
    if until is not None:
        times["begin"] = now if begin is None else parse_moment(begin, "--from", zone, now)
        times["until"] = parse_moment(until, "--until", zone, now)
        if times["until"] <= now:
            raise UserError(f"--until: {times['until']:%Y-%m-%d %H:%M} UTC is over already")
    command = _command(settings, kind, brand, at=at, by=by, remark=remark, factor=factor, cancels=cancels, **times)
    if cancels is not None:
        must_be_planned(brand, cancels, settings)
    send_command(command, settings)
    span = f", {times['begin']:%Y-%m-%d %H:%M} to {times['until']:%Y-%m-%d %H:%M} UTC" if times else ""
    _tell(command, f"{brand}{span}")


def _command(
    settings: Settings,
    kind: CommandKind,
    brand: str,
    *,
    at: str | None,
    by: str | None,
    remark: str | None,
    **fields: Any,
) -> CrisisCommand:
    moment = _given(at, _zone(settings, brand))
    command = CrisisCommand(
        id=new_id(), at=moment, kind=kind, brand=brand, by=by or _user(), note=remark or None, **fields
    )
    try:
        command.command()
    except CommandError as error:
        raise UserError(f"{kind}: {error}") from None
    return command


def _given(at: str | None, zone: str) -> datetime:
    now = datetime.now(UTC).replace(microsecond=0)
    if at is None:
        return now
    moment = parse_moment(at, "--at", zone, now)
    if moment > now + _AHEAD:
        raise UserError(f"--at: {moment:%Y-%m-%d %H:%M} UTC is in the future")
    return moment


def _zone(settings: Settings, brand: str) -> str:
    for configured in settings.brands:
        if configured.name == brand:
            return configured.time_zone
    if brand in settings.portfolio_names:
        return "UTC"
    raise UserError(unknown_name(brand, [*(one.name for one in settings.brands), *settings.portfolio_names]))


def _user() -> str | None:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container whose user has no name
        return None


def _tell(command: CrisisCommand, what: str) -> None:
    note(f"{what}: {_DONE[command.kind]} (command {command.id}; takes effect within minutes)")

"""Commands on the wire: what people tell the detector, on the topic ``crisis.commands`` or in a file.

JSON, one schema (``deploy/schemas/crisis-command.schema.json``). The detectors' own `Command` says when one takes
effect. This file knows no Kafka.
"""

from __future__ import annotations

import contextlib
import difflib
import re
import uuid
from collections.abc import Collection, Iterable
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import msgspec

from detectors.commands import ABOUT_INCIDENTS, Command, CommandKind
from streams.errors import UserError
from streams.records import Identifier, Timestamp, microseconds, tick_of

_Name = Annotated[str, msgspec.Meta(min_length=1, max_length=512)]
_Note = Annotated[str, msgspec.Meta(max_length=2000)]

_RELATIVE = re.compile(r"\+\s*(\d+)\s*(m|min|h|d|w)")
_MINUTES = {"m": 1, "min": 1, "h": 60, "d": 1440, "w": 7 * 1440}


class CommandError(UserError, ValueError):
    """A command that cannot be used; the message says which field is wrong, and where it stands."""


class CrisisCommand(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One command for one brand, or on an incident of a portfolio, whose name is then in its place. The key of its
    record is that name."""

    id: Identifier
    at: Timestamp
    """When it was given; it takes effect five minutes later, in event time."""
    kind: CommandKind
    brand: _Name
    incident: Identifier | None = None
    begin: Timestamp | None = msgspec.field(default=None, name="from")
    until: Timestamp | None = None
    factor: float | None = None
    cancels: Identifier | None = None
    by: _Name | None = None
    """Who gave it."""
    note: _Note | None = None

    def command(self) -> Command:
        """As the detectors take it. Raises CommandError."""
        try:
            return Command(
                id=self.id,
                brand=self.brand,
                kind=self.kind,
                at=_tick(self.at),
                incident=self.incident,
                begin=None if self.begin is None else _tick(self.begin),
                until=None if self.until is None else _tick(self.until),
                factor=self.factor,
                cancels=self.cancels,
                note=self.note,
            )
        except ValueError as error:
            raise CommandError(str(error)) from None


def _tick(moment: datetime) -> int:
    return tick_of(microseconds(moment))


def tick_from(text: object) -> int:
    """The tick of an RFC 3339 time. Raises CommandError."""
    try:
        return _tick(datetime.fromisoformat(str(text)))
    except (ValueError, TypeError, OverflowError):
        raise CommandError(f"{text!r} is no time") from None


_decoder = msgspec.json.Decoder(CrisisCommand)


def new_id() -> str:
    """An id that no other command has."""
    return uuid.uuid4().hex[:16]


def encode_command(command: CrisisCommand) -> bytes:
    """The value of its record."""
    return msgspec.json.encode(command)


def decode_command(value: bytes | None) -> CrisisCommand:
    """Raises CommandError for anything that is no command or whose fields do not fit together."""
    try:
        record = _decoder.decode(value or b"")
    except (msgspec.MsgspecError, UnicodeDecodeError, ValueError, OverflowError, RecursionError) as error:
        raise CommandError(f"not a command: {error}") from None
    record.command()
    return record


def unknown_name(name: str, known: Iterable[str]) -> str:
    """Why a name of a brand or portfolio cannot be used."""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, 1)
    advice = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(names)}"
    return f"{name!r} is no brand or portfolio that is watched; {advice}"


def usable_command(value: bytes | None, brands: Collection[str], portfolios: Collection[str]) -> Command:
    """A command from its record. Raises CommandError where it is none, or not for anybody who may be named in it."""
    command = decode_command(value).command()
    names_whom_it_may(command.kind, command.brand, brands, portfolios)
    return command


def names_whom_it_may(kind: CommandKind, name: str, brands: Collection[str], portfolios: Collection[str]) -> None:
    """Raises CommandError for a command for nobody who is watched, or one that a portfolio does not take."""
    if name not in brands and name not in portfolios:
        raise CommandError(f"brand: {unknown_name(name, {*brands, *portfolios})}")
    if name in portfolios:
        fits_portfolio(kind, name)


def fits_portfolio(kind: CommandKind, portfolio: str) -> None:
    """Raises CommandError for a command that a portfolio does not take."""
    if kind not in ABOUT_INCIDENTS:
        raise CommandError(
            f"{kind}: {portfolio!r} is a portfolio, which takes words on its incidents only "
            f"({', '.join(sorted(ABOUT_INCIDENTS))}); give {kind} for each of its brands"
        )


def read_commands(path: Path, brands: Collection[str], portfolios: Collection[str] = ()) -> list[Command]:
    """Commands from a file of JSON lines, as on the topic.

    What a person need not write: ``id`` (the line stands for it), and ``at`` of a plan or mute (an hour before it
    begins).

    Raises
    ------
    CommandError
        Names file, line and field.
    """
    found: list[Command] = []
    ids: dict[str, int] = {}
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise CommandError(f"{path}: not UTF-8: {error.reason} at byte {error.start}") from None
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            record = decode_command(_completed(line))
            names_whom_it_may(record.kind, record.brand, brands, portfolios)
            if record.id in ids:
                raise CommandError(f"id: {record.id!r} is that of line {ids[record.id]} too")
        except CommandError as error:
            raise CommandError(f"{path}, line {number}: {error}") from None
        ids[record.id] = number
        found.append(record.command())
    return found


def _completed(line: str) -> bytes:
    try:
        value = msgspec.json.decode(line)
    except msgspec.MsgspecError as error:
        raise CommandError(f"not JSON: {error}") from None
    if not isinstance(value, dict):
        raise CommandError("not a JSON object")
    value.setdefault("id", blake2b(line.encode(), digest_size=8).hexdigest())
    times = {name: _with_zone(value[name], name) for name in ("at", "from", "until") if value.get(name) is not None}
    if "at" not in times and "from" in times and value.get("kind") in ("plan", "mute"):
        times["at"] = times["from"] - timedelta(hours=1)
    value |= {name: moment.isoformat() for name, moment in times.items()}
    return msgspec.json.encode(value)


def _with_zone(text: object, name: str) -> datetime:
    with contextlib.suppress(ValueError, OverflowError):
        moment = datetime.fromisoformat(str(text))
        if moment.tzinfo is not None:
            return moment.astimezone(UTC)
    raise CommandError(f"{name}: {text!r} is no time with a zone, like 2026-03-12T14:00Z")


def parse_moment(text: str, option: str, zone: str, now: datetime) -> datetime:
    """A moment as people write it: RFC 3339, without a zone in `zone`, or from now on (+90m, +2h, +3d, +1w).

    Raises
    ------
    CommandError
        Names the option and shows what is allowed.
    """
    found = _RELATIVE.fullmatch(text.strip())
    try:
        if found:
            return now + timedelta(minutes=int(found[1]) * _MINUTES[found[2]])
        moment = datetime.fromisoformat(text.strip())
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise CommandError(
            f"{option}: {text!r} is no time; write 2026-03-12T14:00Z, 2026-03-12T14:00 (in the brand's time zone, "
            f"{zone}), or +90m, +2h, +3d from now"
        ) from None

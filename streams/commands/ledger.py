"""``tocsin ledger``: how pages turned out, from Kafka or from the files of a backtest."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import typer

from streams.commands.console import note
from streams.crisis_commands import read_commands, unknown_name
from streams.errors import UserError
from streams.ledger import accounts
from streams.records import microseconds, tick_of
from streams.sent_commands import sent_commands
from streams.topic_reader import TopicReader

if TYPE_CHECKING:
    from detectors.ledger import Account
    from streams.settings import Settings


def run(
    settings: Settings | None, *, brand: str | None, as_json: bool, events: Path | None, commands: Path | None
) -> None:
    """Print the ledger.

    Raises
    ------
    UserError, CommandError, BrokerUnreachableError, MissingTopicError, TopicReadError
        The options, the files or the topics cannot be used.
    """
    from detectors.ledger import render, render_cases

    budgets = {} if settings is None else _budgets(settings)
    if commands is not None and events is None:
        raise UserError("--commands goes with --events: without files, both are read from Kafka")
    if events is not None:
        found = list(_from_file(events))
        names = {str(event["data"].get("brand")) for event in found} | set(budgets)
        told = [] if commands is None else read_commands(commands, sorted(names))
        lines = accounts(found, told, budgets, None)
    else:
        assert settings is not None
        now = tick_of(microseconds(datetime.now(UTC)))
        lines = accounts(_from_topic(settings), sent_commands(settings), budgets, now)
        lines = [line for line in lines if line.brand in budgets]
    if brand is not None:
        names = {line.brand for line in lines}
        lines = [line for line in lines if line.brand == brand]
        if not lines:
            raise UserError(f"--brand: {unknown_name(brand, names)}")
    if as_json:
        for line in lines:
            typer.echo(msgspec.json.encode(_plain(line)).decode())
        return
    if not lines:
        note("no event tells of any brand")
        return
    typer.echo(render(lines))
    if brand is not None:
        typer.echo()
        typer.echo(render_cases(lines[0]))


def _budgets(settings: Settings) -> dict[str, float]:
    """Of brands, as far as their portfolios leave it to them, and of portfolios."""
    from detectors.config import budget_of_portfolio
    from streams.wiring import brand_profiles

    profiles = brand_profiles(settings)
    out = {one.name: one.budget for one in profiles}
    for name in settings.portfolio_names:
        out[name] = budget_of_portfolio([one for one in profiles if one.portfolio == name])
    return out


def _plain(line: Account) -> dict[str, Any]:
    low, high = line.interval or (None, None)
    values: dict[str, Any] = {field.name: getattr(line, field.name) for field in dataclasses.fields(line)}
    values |= {
        "cases": [msgspec.structs.asdict(case) for case in line.cases],
        "plans": [msgspec.structs.asdict(plan) for plan in line.plans],
        "false_pages_per_month": line.rate,
        "interval": None if low is None else [low, high],
    }
    return values


def _from_file(path: Path) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(path.read_bytes().splitlines(), 1):
        if line.strip():
            event = _event(line)
            if event is None:
                raise UserError(f"{path}, line {number}: not a crisis event; tocsin backtest --events writes them")
            yield event


def _from_topic(settings: Settings) -> Iterable[Mapping[str, Any]]:
    with TopicReader(settings.topics.events, settings) as reader:
        for record in reader.to_end():
            event = _event(record.value)
            if event is not None:
                yield event


def _event(value: bytes | None) -> dict[str, Any] | None:
    try:
        event = msgspec.json.decode(value or b"")
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
    usable = isinstance(event, dict) and isinstance(event.get("data"), dict) and "incident_id" in event["data"]
    return event if usable else None

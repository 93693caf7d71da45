"""The ledger from what is on the topics: crisis events and commands, put together as the detector does."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from detectors.casebook import TOLD_OF, Casebook
from detectors.commands import Command
from detectors.incidents import NOTIFY
from detectors.ledger import MONTH, Account, account
from streams.crisis_commands import CommandError, tick_from


def accounts(
    events: Iterable[Mapping[str, Any]], commands: Iterable[Command], budgets: Mapping[str, float], now: int | None
) -> list[Account]:
    """The account of each brand and portfolio that has an event or is in `budgets`, in order of their names.

    Parameters
    ----------
    events : crisis events, CloudEvents as dictionaries, in any order and as often as they were sent
    commands : in any order
    budgets : false pages a month of each brand and portfolio; of others the events tell
    now : tick up to which to count; None: that of the newest event
    """
    told: dict[str, list[tuple[int, int, str, Any]]] = {brand: [] for brand in budgets}
    seen = set()
    newest = 0
    for event in events:
        data = event.get("data")
        if not isinstance(data, Mapping) or event.get("id") in seen:
            continue
        seen.add(event.get("id"))
        try:
            tick = tick_from(data["decided_at"])
            told.setdefault(str(data["brand"]), []).append((tick, 1, str(event.get("id")), data))
        except (KeyError, CommandError):
            continue
        newest = max(newest, tick)
    upto = newest if now is None else now
    for command in commands:
        if command.brand in told and command.due <= upto:
            # Before its tick is decided.
            told[command.brand].append((command.due, 0, command.id, command))
    return [_account(brand, what, budgets.get(brand), upto) for brand, what in sorted(told.items())]


def _account(brand: str, told: list[tuple[int, int, str, Any]], budget: float | None, now: int) -> Account:
    book = Casebook()
    start: int | None = None
    offset = 0.0
    for tick, _, _, what in sorted(told, key=lambda one: one[:3]):
        if isinstance(what, Command):
            book.apply(what, tick)
            continue
        why = what.get("why", {})
        offset = float(why.get("budget_offset", 0.0))
        budget = budget or float(why.get("budget_pages_per_month", 1.0))
        months = float(why.get("ledger", {}).get("months", 0.0))
        start = tick + 1 - round(months * MONTH) if start is None else start
        notify = NOTIFY.index(what["notify"])
        # A page that a portfolio muted may be let through by any later event.
        if (what["event"] in TOLD_OF or what.get("pages")) and notify >= NOTIFY.index("ticket"):
            closed, page = what["event"] == "resolved", bool(what.get("pages"))
            opened = tick_from(what["opened_at"]) if "opened_at" in what else tick
            book.file(what["incident_id"], opened, tick, notify, page=page, closed=closed)
    return account(brand, budget or 1.0, start, now, book, offset)

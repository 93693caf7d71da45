"""Telling a group of brands: commands wait here for their tick, and take effect before it is decided."""

from __future__ import annotations

from bisect import insort

import numpy as np

from detectors.casebook import TOLD_OF, Case, Casebook, Made
from detectors.commands import Applied, Command
from detectors.core import Core
from detectors.incidents import EventType, Incident
from detectors.worth import TICKET

_DAY = 1440
_DAYS = 63


def tell(core: Core, position: int, command: Command) -> None:
    """Let a brand's command wait for its tick."""
    insort(core.commands, (command.order, position, command))


def next_due(core: Core) -> int | None:
    """The next tick before which something is to be applied; None where nothing waits."""
    return core.commands[0][2].due if core.commands else None


def apply_due(core: Core, first: int) -> None:
    """Apply, in their order, the commands that are due before tick `first` is decided."""
    while core.commands and core.commands[0][2].due <= first:
        _, position, command = core.commands.pop(0)
        book = core.casebooks.setdefault(position, Casebook())
        if book.knows(command):
            continue
        i = core.row(position)
        started = core.started(i)
        # Before its first mention nothing of a brand is decided, so nothing can be late.
        problem = book.apply(command, first if started else command.due)
        core.note_plans(position)
        core.applied.append(Applied(command, first, started and command.due < first, problem))
        case = book.case(command.incident or "")
        if command.kind == "confirm" and case is not None:
            _forget_days(core, i, case, first)
        if started:
            core.dirty.add(position)
            core.relearned.add(position)


def _forget_days(core: Core, i: int, case: Case, first: int) -> None:
    """The days of a confirmed crisis do not tell what is usual."""
    newest = first // _DAY - 1
    begin, end = case.opened // _DAY, (first if case.closed is None else case.closed) // _DAY
    if end > newest:
        core.track.day_carried[i] = True
    days = range(max(begin, newest - _DAYS), min(end, newest) + 1)
    # From the oldest on: the places of newer days stay what they are.
    forgotten = [core.budget.forget_day(i, newest - day) for day in days]
    if any(forgotten):
        core.budget.set_thresholds_of(np.array([i]), core.budgets, core.config, core.detectors)


def file_event(core: Core, position: int, incident: Incident, event: EventType, tick: int, *, page: bool) -> None:
    """Note an event in the brand's casebook, if its incident asks, or has asked, for more than an info."""
    if incident.notify < TICKET or event not in TOLD_OF:
        return
    book = core.casebooks.setdefault(position, Casebook())
    book.file(incident.id, incident.opened, tick, incident.notify, page=page, closed=event == "resolved")
    core.relearned.add(position)


def settle(core: Core, position: int, made: Made) -> None:
    """Let a brand know what its portfolio made of its events."""
    book = core.casebooks.get(position)
    if book is None:
        return
    for case in book.cases:
        for tick, page in made.get(case.id, ()):
            if book.correct(case.id, tick, page=page):
                core.dirty.add(position)
                core.relearned.add(position)

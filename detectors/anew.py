"""Brands that begin anew: what was learned of one that nobody has mentioned for more than a year is of another age.

At the end of the first UTC day by which nothing was heard of a brand for 366 days, all that was learned of it is
forgotten, and its next mention is taken as the first of a new brand is. When that is depends on the brand's own
mentions alone. An incident that is open still is resolved then: a feed that died does not leave it open for ever.

What people have said stays: planned events and mutes, which commands were applied, and the agreed budget. Its cases are
older than a year by then, which is longer than any is kept.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from detectors.casebook import Casebook
from detectors.columns import Columns, Ints, Minutes
from detectors.core import Core

SILENT = 366 * 1440
"""Minutes without a mention after which a brand begins anew. Leap years too lie between two anniversaries."""


def is_over(core: Core, tick: int, last_seen: Ints | Minutes) -> NDArray[np.bool_]:
    """(n,) whether a brand begins anew after this tick; `last_seen` (n,) is the tick of its last mention."""
    if (tick + 1) % 1440:
        return np.zeros(len(core), np.bool_)
    heard = np.maximum(last_seen, core.track.start)
    return np.asarray(core.track.started & (tick - heard >= SILENT), np.bool_)


def begin_anew(core: Core, tick: int) -> None:
    """After the last tick of a day: forget what was learned of the brands of which nothing is heard any more."""
    rows = np.nonzero(is_over(core, tick, core.gaps.last_seen))[0]
    if not len(rows):
        return
    columns: tuple[Columns, ...] = (core.baseline, core.gaps, core.budget, core.track, core.models)
    for one in (*columns, *core.learned.values()):
        one.begin_anew(rows)
    core.budget.set_thresholds_of(rows, core.budgets, core.config, core.detectors)
    core.exposure.outdated()
    for position in core.index[rows].tolist():
        core.incidents.pop(position, None)
        core.evidence.begin_anew(position)
        book = core.casebooks.pop(position, None)
        if book is not None and book.keys:
            core.casebooks[position] = Casebook(plans=book.plans, keys=book.keys, forgotten=book.forgotten)
        core.note_plans(position)
        core.dirty.add(position)
        core.relearned.add(position)

"""Groups of brands that stand at different ticks, as after a restore: those behind are moved on first, and groups that
meet become one."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from detectors.blocks import advance
from detectors.core import Core
from detectors.incidents import Decision
from detectors.observations import Observations


def catch_up(
    cores: Sequence[Core], upto: int, observations: Observations, clock_ticks: Collection[int]
) -> tuple[list[Core], list[Decision]]:
    """Move all to `upto`; returns the cores that there are then (one per tick) and the decisions, in no order.

    Members of ticks that their brand has closed already are skipped.
    """
    standing = list(cores)
    out: list[Decision] = []
    for core in standing:
        if core.closed is None:
            own = observations.tick[np.isin(observations.brand, core.index)]
            core.closed = int(own[0]) - 1 if len(own) else upto
    while True:
        behind = [c.closed for c in standing if c.closed is not None and c.closed < upto]
        if not behind:
            break
        low = min(behind)
        core, standing = _join(standing, low)
        # Cores meet at ends of hours, where they are joined.
        next_low = min((closed for closed in behind if closed > low), default=upto)
        target = min(upto, max(end_of_hour(low + 1), end_of_hour(next_low)))
        inside = (observations.tick > low) & (observations.tick <= target) & np.isin(observations.brand, core.index)
        own_rows = observations.rows(np.nonzero(inside)[0])
        out.extend(advance(core, target, own_rows, np.searchsorted(core.index, own_rows.brand), clock_ticks))
    for closed in sorted({c.closed for c in standing if c.closed is not None}):
        _, standing = _join(standing, closed)
    return standing, out


def end_of_hour(tick: int) -> int:
    """The last tick of the hour of a tick."""
    return tick - tick % 60 + 59


def _join(cores: list[Core], closed: int) -> tuple[Core, list[Core]]:
    """The cores that stand at this tick made one, and all that there are then."""
    same = [c for c in cores if c.closed == closed]
    if len(same) == 1:
        return same[0], cores
    whole = Core.merge(same)
    return whole, [c for c in cores if c.closed != closed] + [whole]

"""Planned events and mutes, as they bear on ticks: what is expected, whom to leave alone, what teaches nothing."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from detectors.columns import Floats, Ints
from detectors.core import Core
from detectors.exposure import ALL, NEGATIVE
from detectors.windows import LONGEST

ECHO = 360
"""Minutes after a planned event whose scores do not count as those of a quiet day: it is in their windows still."""


def expected_exposure(core: Core, ticks: Ints, exposure: Floats) -> Floats:
    """The exposure (2, 5, n, ticks) with planned events in it: their minutes count as many times as was announced.

    Volume and negatives alike: the share of negative authors is expected to stay what it is.
    """
    out = exposure
    first, last = int(ticks[0]), int(ticks[-1])
    for position in sorted(core.with_plans):
        for begin, until, factor in core.casebooks[position].stretches():
            if begin <= last and until > first - LONGEST:
                if out is exposure:
                    out = exposure.copy()
                i = core.row(position)
                out[:, :, i] += (factor - 1.0) * core.exposure.of_span(i, begin, until, ticks, core.gaps)
    return out


def expected_now(core: Core, window: int) -> tuple[Floats, Floats]:
    """Authors and negative authors expected in this window at the closed tick, (n,) each."""
    if core.closed is None:
        return np.zeros(len(core)), np.zeros(len(core))
    core.exposure.prepare(core.closed // 60, core.baseline)
    ticks = np.array([core.closed])
    exposure = expected_exposure(core, ticks, core.exposure.of_windows(ticks, core.gaps))[:, window, :, 0]
    level, level_negative = core.baseline.level()
    return exposure[ALL] * level, exposure[NEGATIVE] * level_negative


def planned_ticks(core: Core, ticks: Ints) -> dict[int, NDArray[np.bool_]]:
    """By row of the brand: which of these ticks are in a planned event or so soon after it that windows hold it."""
    out: dict[int, NDArray[np.bool_]] = {}
    for position in core.with_plans:
        for begin, until, _ in core.casebooks[position].stretches():
            inside = (ticks >= begin) & (ticks < until + ECHO)
            if inside.any():
                i = core.row(position)
                out[i] = out[i] | inside if i in out else inside
    return out


def planned_hour(core: Core, hour: int) -> NDArray[np.bool_]:
    """(n,) whether any minute of an hour since 1970 is in a planned event: then it tells nothing about usual ones."""
    out = np.zeros(len(core), np.bool_)
    for position in core.with_plans:
        stretches = core.casebooks[position].stretches()
        out[core.row(position)] = any(begin < 60 * (hour + 1) and until > 60 * hour for begin, until, _ in stretches)
    return out


def muted_ticks(core: Core, i: int, ticks: Ints) -> NDArray[np.bool_] | None:
    """(ticks,) whether brand i is muted; None where it is at none of them."""
    position = int(core.index[i])
    if position not in core.with_plans:
        return None
    book = core.casebooks[position]
    return np.array([book.mute_at(tick) is not None for tick in ticks.tolist()], np.bool_)

"""Whether a brand's feed is up or down, from tick to tick (what that means: gaps.py)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from detectors.columns import Floats, Ints
from detectors.core import Core
from detectors.gaps import IMPROBABLE, RESUME, improbable
from detectors.windows import AUTHORS, SIX_HOURS, WIDTHS


@dataclass(frozen=True, slots=True)
class Turns:
    """Which brands go down or come up after the last of some ticks."""

    ticks: int
    """How many ticks there are until then, or in all if none turns."""
    rows: list[int]
    down_from: dict[int, int]
    """Of those that go down: since when."""


def silence(core: Core, ticks: Ints, seen: Ints) -> Floats:
    """Authors expected since the last mention, (n, ticks); `seen` are ticks of the last mention, (n, ticks)."""
    begin = int(ticks[0]) - int(ticks[0]) % 60
    minutes = ticks - np.maximum(seen, begin - 1)
    within = core.exposure.shape(0)[:, None] * (minutes / 60.0) * core.baseline.level()[0][:, None]
    return within + np.where(seen < begin, core.gaps.silence[:, None], 0.0)


def turns(core: Core, ticks: Ints, counts: Ints, seen: Ints, silent_for: Floats, mu: Floats) -> Turns:
    """The first of these ticks at which any brand goes down or comes up.

    Parameters
    ----------
    counts : (3, 5, n, ticks)
    seen, silent_for : (n, ticks), see `silence`
    mu : (5, n, ticks) authors expected
    """
    settled = core.track.started & (core.baseline.weight >= core.config.settled_hours)
    k = len(ticks)
    if not settled.any():
        return Turns(k, [], {})
    phi = core.baseline.dispersion()[0][:, None]
    is_up = (settled & ~core.gaps.down)[:, None]
    silent = silent_for / phi >= IMPROBABLE
    low_hour = improbable(counts[AUTHORS, 1], mu[1], phi)
    low_six = improbable(counts[AUTHORS, SIX_HOURS], mu[SIX_HOURS], phi)
    goes_down = is_up & (silent | low_hour | low_six)
    any_turn = goes_down
    if core.gaps.down.any():
        full = core.exposure.of_minutes(ticks, WIDTHS[0]) * core.baseline.level()[0][:, None]
        any_turn = goes_down | (core.gaps.down[:, None] & (counts[AUTHORS, 0] >= np.maximum(RESUME * full, 1.0)))
    if not any_turn.any():
        return Turns(k, [], {})
    at = int(np.argmax(any_turn.any(axis=0)))
    rows = np.nonzero(any_turn[:, at])[0].tolist()
    down_from: dict[int, int] = {}
    for i in rows:
        if goes_down[i, at]:
            low_from = int(ticks[at]) - (59 if low_hour[i, at] else 359)
            since = int(seen[i, at]) + 1 if silent[i, at] else low_from
            down_from[i] = max(since, int(core.gaps.until[i].max()) + 1)
    return Turns(at + 1, rows, down_from)


def turn(core: Core, turned: Turns, tick: int) -> None:
    """Let the brands go down or come up after this tick."""
    for i in turned.rows:
        if i in turned.down_from:
            core.gaps.down[i] = True
            core.gaps.down_from[i] = turned.down_from[i]
        else:
            come_up(core, i, tick)
        core.dirty.add(int(core.index[i]))


def come_up(core: Core, i: int, tick: int) -> None:
    """Brand i's feed is back: what was not observed is a gap, but for the window that told."""
    core.gaps.down[i] = False
    core.gaps.add(i, int(core.gaps.down_from[i]), tick - WIDTHS[0])
    core.baseline.low_hours[i] = 0

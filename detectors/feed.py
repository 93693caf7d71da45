"""Whether a brand's feed is up or down, from tick to tick (what that means: gaps.py)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detectors.columns import Floats, Ints
from detectors.core import Core
from detectors.exposure import ALL
from detectors.gaps import IMPROBABLE, RESUME, improbable
from detectors.members import Members
from detectors.usual import Usual
from detectors.windows import AUTHORS, LONG_AGO, SIX_HOURS, WIDTHS


@dataclass(frozen=True, slots=True)
class Turns:
    """Which brands go down or come up after the last of some ticks."""

    ticks: int
    """How many ticks there are until then, or in all if none turns."""
    rows: list[int]
    down_from: dict[int, int]
    """Of those that go down: since when."""


@dataclass(frozen=True, slots=True)
class Signs:
    """What tells that a feed goes down or comes up, (rows, ticks) each."""

    silent: NDArray[np.bool_]
    """No author for so long."""
    low_hour: NDArray[np.bool_]
    """Next to none in the last hour."""
    goes_down: NDArray[np.bool_]
    turns: NDArray[np.bool_]
    """It goes down or comes up."""


def last_seen(core: Core, first: int, k: int, members: Members) -> Ints:
    """Tick of each brand's last mention at each of k ticks, (n, k)."""
    if len(members) == 0:
        return np.repeat(core.gaps.last_seen[:, None], k, axis=1)
    seen = np.full(len(core) * k, LONG_AGO, np.int64)
    seen[members.row * k + (members.tick - first)] = members.tick
    return np.asarray(
        np.maximum(np.maximum.accumulate(seen.reshape(-1, k), axis=1), core.gaps.last_seen[:, None]), np.int64
    )


def silence(core: Core, usual: Usual, ticks: Ints, seen: Ints) -> Floats:
    """Authors expected since the last mention, (n, ticks); `seen` are ticks of the last mention, (n, ticks)."""
    begin = np.array([int(ticks[0]) - int(ticks[0]) % 60])
    return silence_of(ticks, seen, begin, core.exposure.shape(0)[ALL], usual.level, core.gaps.silence)


def silence_of(ticks: Ints, seen: Ints, begin: Ints, shape: Floats, level: Floats, before: Floats) -> Floats:
    """The same of rows (rows, ticks), each within one hour.

    Parameters
    ----------
    ticks : (ticks,) or (rows, ticks)
    begin : (rows,) or (1,) first tick of the hour
    shape, level : (rows,) of the hour
    before : (rows,) authors expected between the last mention and the beginning of the hour, see gaps.Gaps
    """
    minutes = ticks - np.maximum(seen, begin[:, None] - 1)
    within = shape[:, None] * (minutes / 60.0) * level[:, None]
    return within + np.where(seen < begin[:, None], before[:, None], 0.0)


def signs(
    authors: Ints,
    silent_for: Floats,
    mu: Floats,
    phi: Floats,
    settled: NDArray[np.bool_],
    down: NDArray[np.bool_],
    full: Floats | None,
) -> Signs:
    """Signs of rows.

    Parameters
    ----------
    authors : (5, rows, ticks)
    silent_for : (rows, ticks), see `silence`
    mu : (5, rows, ticks) authors expected
    phi, settled, down : (rows,) dispersion, whether the brand is known for long enough, whether the feed is down
    full : (rows, ticks) authors expected in 10 minutes, gaps or not; None where no feed is down
    """
    phi = phi[:, None]
    is_up = (settled & ~down)[:, None]
    silent = silent_for / phi >= IMPROBABLE
    low_hour = improbable(authors[1], mu[1], phi)
    low_six = improbable(authors[SIX_HOURS], mu[SIX_HOURS], phi)
    goes_down = is_up & (silent | low_hour | low_six)
    turns = goes_down
    if full is not None:
        turns = goes_down | (down[:, None] & (authors[0] >= np.maximum(RESUME * full, 1.0)))
    return Signs(silent, low_hour, goes_down, turns)


def turns(core: Core, usual: Usual, ticks: Ints, counts: Ints, seen: Ints, silent_for: Floats, mu: Floats) -> Turns:
    """The first of these ticks at which any brand goes down or comes up.

    Parameters
    ----------
    counts : (3, 5, n, ticks)
    seen, silent_for : (n, ticks), see `silence`
    mu : (5, n, ticks) authors expected
    """
    settled = core.track.started & (usual.known_hours >= core.config.settled_hours)
    k = len(ticks)
    if not settled.any():
        return Turns(k, [], {})
    full = None
    if core.gaps.down.any():
        full = core.exposure.of_minutes(ticks, WIDTHS[0]) * usual.level[:, None]
    seen_signs = signs(counts[AUTHORS], silent_for, mu, usual.dispersion, settled, core.gaps.down, full)
    if not seen_signs.turns.any():
        return Turns(k, [], {})
    at = int(np.argmax(seen_signs.turns.any(axis=0)))
    rows = np.nonzero(seen_signs.turns[:, at])[0].tolist()
    down_from: dict[int, int] = {}
    for i in rows:
        if seen_signs.goes_down[i, at]:
            low_from = int(ticks[at]) - (59 if seen_signs.low_hour[i, at] else 359)
            since = int(seen[i, at]) + 1 if seen_signs.silent[i, at] else low_from
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

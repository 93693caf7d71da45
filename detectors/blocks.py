"""Moving a group of brands on, block by block.

A block is a run of ticks within one hour. Baselines and thresholds change at the ends of hours and days only, so
within a block counts, expectations and scores are matrices (brands, ticks); where a gap begins or ends the block is
cut into segments. Nothing of this shows in the result: a tick's numbers depend on state that changes at ticks, hours
and days, never on where a block begins.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from detectors.columns import Ints
from detectors.core import Core
from detectors.gaps import LONG_AGO
from detectors.incidents import Decision
from detectors.late import Late, late_mentions
from detectors.learning import end_hour
from detectors.members import Members, take, voices
from detectors.observations import Observations
from detectors.segment import run_segment
from detectors.windows import AUTHORS, NEGATIVES

BLOCK_CELLS = 200_000
"""Brands times ticks of a block at most; bounds the memory of a call over many brands."""


def advance(
    core: Core, upto: int, observations: Observations, row: Ints, clock_ticks: Collection[int]
) -> list[Decision]:
    """Close the ticks up to `upto`.

    `row` tells the row of the brand of each observation; these must be of ticks later than `core.closed`.
    """
    out: list[Decision] = []
    if core.closed is None:
        if len(observations) == 0:
            core.closed = upto
            return out
        core.closed = int(observations.tick[0]) - 1
    most = max(1, BLOCK_CELLS // max(len(core), 1))
    while core.closed < upto:
        first = core.closed + 1
        last = min(upto, first - first % 60 + 59, first + most - 1)
        begin, end = np.searchsorted(observations.tick, [first, last + 1]).tolist()
        _block(core, first, last, Members.of(observations, row, begin, end), clock_ticks, out)
        core.closed = last
        if (last + 1) % 60 == 0:
            end_hour(core, last)
    return out


def _block(
    core: Core, first: int, last: int, members: Members, clock_ticks: Collection[int], out: list[Decision]
) -> None:
    """Close the ticks first..last, which lie within one hour."""
    core.exposure.prepare(first // 60, core.baseline)
    voice = voices(core, members)
    counts, before, before_negative = core.windows.advance(
        first, last, members.row, members.tick, members.minute, members.author, voice, members.negative
    )
    # Whom a copy speaks for may have posted longer ago than the window reaches.
    counts[NEGATIVES] = np.minimum(counts[NEGATIVES], counts[AUTHORS])
    k = last - first + 1
    ticks = np.arange(first, last + 1)
    late: Late = {}
    if len(members):
        take(core, members, voice)
        late = late_mentions(members, before, before_negative)
    seen = _last_seen(core, first, k, members)
    at = 0
    while at < k:
        at += run_segment(core, ticks[at:], counts[..., at:], seen[:, at:], late, clock_ticks, out)
    core.gaps.last_seen = np.ascontiguousarray(seen[:, -1])


def _last_seen(core: Core, first: int, k: int, members: Members) -> Ints:
    """Tick of each brand's last mention at each of k ticks, (n, k)."""
    if len(members) == 0:
        return np.repeat(core.gaps.last_seen[:, None], k, axis=1)
    seen = np.full(len(core) * k, LONG_AGO, np.int64)
    seen[members.row * k + (members.tick - first)] = members.tick
    return np.asarray(
        np.maximum(np.maximum.accumulate(seen.reshape(-1, k), axis=1), core.gaps.last_seen[:, None]), np.int64
    )

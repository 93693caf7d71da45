"""Hours learned ahead, one after the other, as if nothing happened in them, and what is expected in each.

What they teach is the same as where each is learned at its end (learning.py), to the last bit; scores of all of them
can then be made at once (hours_at_once.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from detectors.baseline import DELAY, HISTORY, rhythm_cells
from detectors.columns import FEW, Floats, Ints
from detectors.core import Core
from detectors.exposure import ALL, Shape, in_reach
from detectors.exposure import observed as observed_part
from detectors.gaps import Gaps
from detectors.learning import hold, learn_lasting, open_since
from detectors.level_sums import LevelSums, Taught
from detectors.usual import Usual
from detectors.volume import Volume, level_sums_of, taught_of
from detectors.windows import LONGEST, NEGATIVES, WIDTHS

WITHIN = np.arange(60 * (HISTORY - 1), 60 * HISTORY)
"""The ticks of an hour, counted from the first one in reach."""
_AN_HOUR = WIDTHS.index(60)


@dataclass(frozen=True, slots=True)
class HoursAhead:
    """What was expected in hours, as rows (n hours): the hours of a brand one after the other."""

    hours: int
    usual: Usual
    shape: Shape
    """(2, rows, HISTORY + 1), see Exposure.laid_out"""
    local: Ints
    """(rows,) the hour in the brand's time zone"""
    silence: Floats
    """(rows,) see gaps.Gaps"""
    exposure: Floats
    """(2, 5, rows, 60)"""


def learn_ahead(core: Core, before: Gaps, first: int, hours: int, counts: Ints, seen: Ints) -> HoursAhead:
    """Learn hours one by one, as if nothing happened in them; stops after an hour in which a thin feed became usual."""
    n = len(core)
    local = core.exposure.local_hours(first // 60, hours)
    share_factors = core.baseline.share_factors(in_reach(local))
    low = core.gaps.down.any() or core.baseline.low_weight.any()
    learn = _learn_columns if low or n > FEW else _learn_numbers
    ends = slice(59, 60 * hours, 60)
    learned = learn(core, first, local, share_factors, counts[..., ends], seen[:, ends])
    k = len(learned.observed)
    # What hours teach about shares changes nothing that is expected within the day, and so could wait.
    rho = core.baseline.learn_share(learned.taught, core.config)
    shape = learned.shape.reshape(2, -1, HISTORY + 1)
    exposure = _exposure(before, shape, first, k)
    at_ends = exposure[..., -1].reshape(2, len(WIDTHS), n, k).swapaxes(2, 3)
    counted = counts[..., 59 : 60 * k : 60].swapaxes(2, 3)
    every = range(first // 60, first // 60 + k)
    lasting = learn_lasting(core, every, at_ends, counted, learned.observed, learned.levels, rho)
    usual = Usual.in_hours(learned.levels, rho, lasting)
    return HoursAhead(k, usual, shape, local[:, :k].reshape(-1), learned.silence.reshape(-1), exposure)


class _Learned(NamedTuple):
    """Hours as they were learned."""

    levels: LevelSums
    """Before each, (hours, n, ...)."""
    taught: Taught
    """(hours, n)"""
    shape: Shape
    """(2, n, hours, HISTORY + 1)"""
    observed: Floats
    """(hours, n)"""
    silence: Floats
    """(n, hours) at the beginning of each."""


def _learn_columns(core: Core, first: int, local: Ints, share_factors: Floats, counts: Ints, seen: Ints) -> _Learned:
    """Learn levels, rhythm and dispersion of many brands; `share_factors` (n, hours, HISTORY), counts (3, 5, n, hours)
    and last mentions (n, hours) are at the ends of hours."""
    baseline, exposure, gaps = core.baseline, core.exposure, core.gaps
    shape = np.empty((2, *share_factors.shape[:2], HISTORY + 1), np.float32)
    at_day, at_week = rhythm_cells(in_reach(local))
    levels: list[LevelSums] = []
    taught: list[Taught] = []
    observed: list[Floats] = []
    silence: list[Floats] = []
    down = gaps.down.copy()
    hears = core.track.started & ~down
    for hour in range(local.shape[1]):
        tick = first + 60 * hour + 59
        day = baseline.day_rhythm()
        own = baseline.shape(day, at_day[:, hour], at_week[:, hour])
        exposure.lay_out(tick // 60, local[:, hour], np.stack([own, own * share_factors[:, hour]]))
        shape[:, :, hour] = exposure.laid_out
        silence.append(gaps.silence)
        levels.append(baseline.level_sums())
        gaps.last_seen = np.ascontiguousarray(seen[:, hour])
        part = np.minimum(exposure.of_hour(tick, gaps) / exposure.shape(0)[ALL], 1.0)
        observed.append(np.where(hears, part, 0.0))
        shapes, skip = exposure.shape(DELAY), open_since(core, [tick // 60 - DELAY])[0]
        taught.append(baseline.learn_volume(exposure.local - DELAY, shapes, day, skip, core.config))
        hold(core, tick, counts[..., hour], counts[NEGATIVES, _AN_HOUR, :, hour], observed[-1])
        if (gaps.down != down).any():
            break
    k = len(levels)
    return _Learned(
        LevelSums.in_order(levels),
        Taught.in_order(taught),
        shape[:, :, :k],
        np.array(observed),
        np.stack(silence, axis=1),
    )


def _learn_numbers(core: Core, first: int, local: Ints, share_factors: Floats, counts: Ints, seen: Ints) -> _Learned:
    """The same of few brands whose feeds are up."""
    n, hours = local.shape
    ticks = first + 59 + 60 * np.arange(hours)
    skips = open_since(core, range(first // 60 - DELAY, first // 60 - DELAY + hours)).T.tolist()
    started = core.track.started
    single = counts[1:, _AN_HOUR].astype(np.float32)
    learned = []
    for i in range(n):
        volume = Volume(core.baseline, i, core.config)
        held = list(zip(*single[:, i].tolist(), strict=True))
        factors = share_factors[i, :, HISTORY - 1 - DELAY].tolist()
        learned.append(volume.learn(local[i].tolist(), factors, held, skips[i], bool(started[i])))
        volume.store()
    shape = np.zeros((2, n, hours, HISTORY + 1), np.float32)
    laid_out = np.array([one.shapes for one in learned])
    shape[:, :, :, :HISTORY] = laid_out, laid_out * share_factors
    minutes = ticks - np.maximum(seen, ticks - 60)
    expected = shape[ALL, :, :, HISTORY - 1] * (minutes / 60.0) * np.array([one.level for one in learned])
    # See learning.hold.
    carried, more = started[:, None] & (seen <= ticks - 60), np.where(started[:, None], expected, 0.0)
    silence = np.empty((n, hours + 1))
    silence[:, 0] = core.gaps.silence
    for hour in range(hours):
        silence[:, hour + 1] = silence[:, hour] * carried[:, hour] + more[:, hour]
    core.gaps.silence = np.ascontiguousarray(silence[:, -1])
    core.gaps.last_seen = np.ascontiguousarray(seen[:, -1])
    core.exposure.local = local[:, -1]
    core.exposure.outdated()
    levels = level_sums_of(learned)
    observed = np.tile([one.observed for one in learned], (hours, 1))
    return _Learned(levels, taught_of(learned, local.T - DELAY, levels), shape, observed, silence[:, :-1])


def _exposure(gaps: Gaps, shape: Shape, first: int, hours: int) -> Floats:
    """(2, 5, rows, 60), as Exposure.of_windows of each hour."""
    begins = first + 60 * np.arange(hours)
    near = np.nonzero((gaps.until.max(axis=1)[:, None] > begins - LONGEST).reshape(-1))[0]
    base = (begins - 60 * (HISTORY - 1))[near % hours, None]
    brand = near // hours
    return observed_part(shape, WITHIN, near, gaps.since[brand] - base, gaps.until[brand] - base)

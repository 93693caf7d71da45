"""Learning the volume of few brands, hour by hour, in plain numbers instead of columns.

What an hour teaches about levels, rhythm and dispersion must be known before the next hour can be learned, and arrays
of two or three brands cost what numpy takes to begin an operation. `Volume` does what Baseline.day_rhythm, shape,
learn_volume and hold do, in the same order on the numbers of one brand, in half the time and with the same bits;
tests/detectors/test_volume.py holds one against the other. Whoever changes one changes both.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from itertools import accumulate
from math import inf, sqrt
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from detectors.baseline import CELL_PRIOR, DELAY, HISTORY, LEAST_SHAPE, MIXED, SPREAD_HALF_LIFE, Baseline
from detectors.columns import Floats, Ints
from detectors.config import EngineConfig
from detectors.level_sums import PHI_PRIOR, PHI_PRIOR_HOURS, PHI_RANGE, QUICK, SLOW, LevelSums, Taught

_Pair = tuple[float, float]
"""Quick and slow."""


class Learned(NamedTuple):
    """Hours of a brand as `Volume.learn` went through them, one after the other."""

    levels: list[tuple[float, ...]]
    """Before each hour, see baseline.LevelSums; of what has a quick and a slow part both."""
    taught: list[tuple[float, ...]]
    """Columns of baseline.Taught but for the hour and the levels."""
    shapes: Floats
    """s of the hours that windows of each hour reach, (hours, HISTORY)."""
    observed: float
    """Of each: all or nothing, since a feed that is up has no gap in a whole hour."""
    level: list[float]
    """Authors an hour at shape 1 after each."""


class Volume:
    """One brand's share of a baseline: read from it, and written back by `store`."""

    def __init__(self, baseline: Baseline, i: int, config: EngineConfig) -> None:
        self._baseline, self._i, self._config = baseline, i, config
        self._fades: _Pair = tuple((2.0 ** (-1.0 / np.array(config.level_half_lives_hours))).tolist())
        self._fade_cell = 2.0 ** (-1.0 / config.profile_half_life_visits)
        self._fade_spread = 2.0 ** (-1.0 / SPREAD_HALF_LIFE)
        self._authors: _Pair = tuple(baseline.authors[i].tolist())
        self._weight: _Pair = tuple(baseline.weight[i].tolist())
        self._negative: _Pair = tuple(baseline.negative[i].tolist())
        self._negative_weight: _Pair = tuple(baseline.negative_weight[i].tolist())
        self._spread, self._spread_negative = float(baseline.spread[i]), float(baseline.spread_negative[i])
        self._spread_weight = float(baseline.spread_weight[i])
        # Cells are read and written where they are, in their own precision.
        self._day_count, self._day_expected = memoryview(baseline.day_count[i]), memoryview(baseline.day_expected[i])
        self._week_count = memoryview(baseline.week_count[i])
        self._week_expected = memoryview(baseline.week_expected[i])
        self._visits = memoryview(baseline.week_visits[i])
        # h (but for their mean) and g of all their hours, which change one by one.
        day = _rhythm(baseline.day_count[i], baseline.day_expected[i])
        week = _rhythm(baseline.week_count[i], baseline.week_expected[i])
        self._day = array("d", day.tobytes())
        self._week = array("d", np.where(baseline.week_visits[i] >= 2, week, 1.0).tobytes())
        # Oldest first.
        self._held: list[tuple[float, float, float]] = list(
            zip(
                baseline.held_authors[i, ::-1].tolist(),
                baseline.held_negative[i, ::-1].tolist(),
                baseline.held_observed[i, ::-1].tolist(),
                strict=True,
            )
        )

    def store(self) -> None:
        """Let the baseline be as learned."""
        to, i = self._baseline, self._i
        to.authors[i], to.weight[i] = self._authors, self._weight
        to.negative[i], to.negative_weight[i] = self._negative, self._negative_weight
        to.spread[i], to.spread_negative[i] = self._spread, self._spread_negative
        to.spread_weight[i] = self._spread_weight
        for ago, held in enumerate(reversed(self._held)):
            to.held_authors[i, ago], to.held_negative[i, ago], to.held_observed[i, ago] = held

    def learn(
        self,
        local_hours: Sequence[int],
        share_factors: Sequence[float],
        counts: Sequence[tuple[float, float]],
        skips: Sequence[bool],
        hears: bool,
    ) -> Learned:
        """Go through hours one after the other: lay each out, learn the oldest that is held, hold this one.

        Parameters
        ----------
        local_hours : since 1970 of the brand's own clock
        share_factors : q of the hour that is learned with each
        counts : authors and negative ones of each, in single precision
        skips : whether the hour that is learned with each teaches no volume
        hears : whether the brand is heard of
        """
        levels: list[tuple[float, ...]] = []
        taught: list[tuple[float, ...]] = []
        level: list[float] = []
        means: list[float] = []
        days, weeks = array("d"), array("d")
        observed = 1.0 if hears else 0.0
        at_learned = HISTORY - 1 - DELAY
        now = self._level()
        for local_hour, share_factor, (authors, negative), skip in zip(
            local_hours, share_factors, counts, skips, strict=True
        ):
            *_, total = accumulate(self._day)
            mean = total / 24.0
            first = local_hour + 1 - HISTORY
            week = _in_reach(self._week, first)
            days += _in_reach(self._day, first)
            weeks += week
            means.append(mean)
            levels.append(
                (
                    *self._authors,
                    *self._weight,
                    *self._negative,
                    *self._negative_weight,
                    self._spread,
                    self._spread_negative,
                    self._spread_weight,
                )
            )
            day = self._day[(local_hour - DELAY) % 24] / mean
            shape = max(day * week[at_learned], LEAST_SHAPE)
            single, single_negative = array("f", (shape, shape * share_factor))
            factor = single_negative / single
            taught.append(self._learn(local_hour - DELAY, now, day, single, factor, skip))
            self._held = [*self._held[1:], (authors, negative, observed)]
            now = self._level()
            level.append(now[0])
        # What nothing here depends on, of all hours at once.
        by_day = np.array(days).reshape(-1, HISTORY) / np.array(means)[:, None]
        shapes = np.maximum(by_day * np.array(weeks).reshape(-1, HISTORY), LEAST_SHAPE)
        return Learned(levels, taught, shapes, observed, level)

    def _level(self) -> _Pair:
        (a, b), (v, w) = self._authors, self._weight
        (c, d), (x, y) = self._negative, self._negative_weight
        authors = 0.5 * (a / max(v, 1e-9) + b / max(w, 1e-9))
        return authors, 0.5 * (c / max(x, 1e-9) + d / max(y, 1e-9))

    def _faded(self, pair: _Pair, more: float) -> _Pair:
        quick, slow = self._fades
        return pair[0] * quick + more, pair[1] * slow + more

    def _dispersion(self, spread: float) -> float:
        phi = (spread + PHI_PRIOR * PHI_PRIOR_HOURS) / (self._spread_weight + PHI_PRIOR_HOURS)
        return min(max(phi, PHI_RANGE[0]), PHI_RANGE[1])

    def _learn(
        self, local_hour: int, levels: _Pair, day: float, shape: float, share_factor: float, skip: bool
    ) -> tuple[float, ...]:
        """Learn the oldest hour that is held; `levels` are `_level`, `day` is its h and `shape` its s."""
        config = self._config
        authors, negative, f = self._held[0]
        exposure = shape * f
        level, level_negative = levels
        mu, nu = level * exposure, level_negative * exposure * share_factor
        mixed = negative == MIXED
        if mixed:
            negative = nu
        seen = f > 0
        learns = seen and not skip
        known_hours = self._weight[SLOW]
        known = seen and known_hours >= config.warm_hours
        c = min(authors, _most(mu, self._dispersion(self._spread)) if known else inf)
        k = min(negative, _most(nu, self._dispersion(self._spread_negative)) if known else inf)
        taught = (seen, learns, mixed, authors, c, negative, exposure, share_factor)
        if not learns:
            return taught

        if known_hours >= config.settled_hours:
            off, off_negative = c - mu, k - nu
            self._spread = self._spread * self._fade_spread + off * off / max(mu, 0.5)
            self._spread_negative = self._spread_negative * self._fade_spread + off_negative * off_negative / max(
                nu, 0.5
            )
            self._spread_weight = self._spread_weight * self._fade_spread + 1.0

        slow = self._authors[SLOW] / max(known_hours, 1e-9)
        trust = min(known_hours / config.settled_hours, 1.0)
        trust = trust * trust
        at_day, at_week, fade = local_hour % 24, local_hour % 168, self._fade_cell
        week_part = shape / max(day, 1e-9)
        self._day_count[at_day] = self._day_count[at_day] * fade + trust * c
        self._day_expected[at_day] = self._day_expected[at_day] * fade + trust * slow * week_part * f
        self._day[at_day] = (self._day_count[at_day] + CELL_PRIOR) / (self._day_expected[at_day] + CELL_PRIOR)
        day_expected = slow * (shape / max(week_part, 1e-9)) * f
        self._week_count[at_week] = self._week_count[at_week] * fade + trust * c
        self._week_expected[at_week] = self._week_expected[at_week] * fade + trust * day_expected
        if trust >= 1.0 and self._visits[at_week] < 255:
            self._visits[at_week] += 1
        if self._visits[at_week] >= 2:
            self._week[at_week] = (self._week_count[at_week] + CELL_PRIOR) / (self._week_expected[at_week] + CELL_PRIOR)

        self._authors = self._faded(self._authors, c)
        self._weight = self._faded(self._weight, exposure)
        if not mixed:
            self._negative = self._faded(self._negative, k / share_factor)
            self._negative_weight = self._faded(self._negative_weight, exposure)
        return taught


def _in_reach(cells: array[float], first: int) -> array[float]:
    """Of a rhythm, the hours that windows reach, from the first one on."""
    at = first % len(cells)
    return (cells + cells[:HISTORY])[at : at + HISTORY]


def _rhythm(count: NDArray[np.float32], expected: NDArray[np.float32]) -> Floats:
    return np.asarray((count.astype(np.float64) + CELL_PRIOR) / (expected.astype(np.float64) + CELL_PRIOR), np.float64)


def _most(expected: float, phi: float) -> float:
    return min(expected + 4.0 * sqrt(phi * expected), 1.5 * expected + 2.0) + 3.0


def level_sums_of(brands: Sequence[Learned]) -> LevelSums:
    """Before each hour, (hours, n, ...), of brands that went through the same hours."""
    columns = np.array([one.levels for one in brands]).swapaxes(0, 1)
    pairs = (columns[..., 2 * at : 2 * at + 2] for at in range(4))
    return LevelSums(*pairs, *(columns[..., at] for at in range(8, 11)))


def taught_of(brands: Sequence[Learned], local_hour: Ints, levels: LevelSums) -> Taught:
    """What each hour taught, (hours, n)."""
    columns = np.array([one.taught for one in brands]).transpose(2, 1, 0)
    which, numbers = columns[:3] != 0, columns[3:]
    return Taught._make((local_hour, *which, *numbers, levels))


assert (QUICK, SLOW) == (0, 1)

"""Baseline: what a brand's hour usually holds, learned without looking ahead and without learning from a crisis.

Expected authors in hour t: mu = L * s(t), expected negative authors nu = N * s(t) * q(t), where s = h(hour of day) *
g(hour of week) in the brand's time zone, and q is the rhythm of the share of negatives (share_rhythm.py): negatives
have the rhythm of all authors, and what their share adds to it where that is plain. L and N are the mean of two
exponentially weighted ratios of counts to shape, with half-lives of 6 and of 96 observed hours: volume and tone wander
from hour to hour and from day to day. h and g are the same per cell (half-life 14 visits), drawn towards 1 by
pseudo-counts; g counts once a cell has two visits.

* Gate: an hour teaches at most mu + 4 sqrt(phi mu) + 3 (DETECTION.md), phi being the brand's own variance over mean,
  and at most 1.5 mu + 5, since a level that is followed within a day must not follow a crisis.
* Delay: hour H is learned at the end of hour H + 3, so that a crisis of hours is compared with what was before it.
* An hour teaches nothing if an incident was open in it or in one of the three hours after it; an hour that was only
  partly observed counts as that part.
* Correlation: rho, by how much more than chance the negative share of an hour's authors varies, is learned from
  (K - T p)^2 / (p (1 - p)) - T = T (T - 1) rho, hours weighted by what they tell, drawn to what is usual.
* Lasting: what of it is left in six hours is learned in the same way at the end of each hour, from the window that ends
  then and the share that scores expect in it, if no incident was open in it; where a share wanders slowly, more is.
* Absorption: after 72 h an episode is the new level: L and N are taken from an ungated average with a half-life of 12
  hours.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors import share_rhythm
from detectors.columns import Columns, Floats, Ints, Minutes, clipped, column, row_sum
from detectors.config import EngineConfig
from detectors.score import CORRELATION, CORRELATION_IN
from detectors.windows import SIX_HOURS

DELAY = 3
"""Hours."""
QUICK, SLOW = 0, 1
"""Rows of the two levels."""
SPREAD_HALF_LIFE = 24.0
"""Observed hours, of the dispersion."""
QUICK_HOURS = 9.0
"""Hours that the quick level can stand for: what its half-life comes to."""
CELL_PRIOR = 10.0
"""Pseudo-counts that draw a cell of the rhythm towards 1."""
LEAST_SHAPE = 0.05
"""No hour is expected to be quieter than this part of the level."""
PHI_PRIOR = 4.0
PHI_PRIOR_HOURS = 12.0
PHI_RANGE = (1.0, 100.0)
CORRELATION_PRIOR = 2000.0
"""Weight of the usual correlation, in pairs of authors: as good as a deviation of 0.03 between brands."""
CORRELATION_HALF_LIFE = 28 * 24.0
"""Observed hours."""
CORRELATION_RANGE = (0.005, 0.15)
CORRELATION_GATE = 16.0
"""An hour teaches at most a deviation of four standard ones."""
LASTING_PRIOR = 400_000.0
"""Weight of what is usually left in six hours, in pairs of authors of windows, which overlap: half of all at some five
mentions an hour."""
LASTING_RANGE = (CORRELATION_IN[SIX_HOURS], 1.5)
"""Never less than usual: that would make a moved share tell more, and pages come more often than agreed."""
LASTING_GATE = 9.0
"""A window teaches at most a deviation of three standard ones."""
MIXED = -1.0
"""For `held_negative`: mentions of the hour were read by two tone models."""
NEW_MODEL_HOURS = 6.0
"""Hours that the share under the model before counts for under a new one."""
HISTORY = 25
"""Hours whose shape the windows of a tick can reach: its own and 24 before."""


@dataclass
class Baseline(Columns):
    """Per brand. `weight` is the exposure (shape-weighted observed hours) behind a level = authors / weight; of it and
    its likes there is a quick and a slow one."""

    authors: Floats = field(metadata=column(np.float64, 2))
    negative: Floats = field(metadata=column(np.float64, 2))
    negative_weight: Floats = field(metadata=column(np.float64, 2))
    """The exposure behind `negative`: less than `weight` after a change of the tone model."""
    weight: Floats = field(metadata=column(np.float64, 2))
    spread: Floats = field(metadata=column(np.float64))
    spread_negative: Floats = field(metadata=column(np.float64))
    spread_weight: Floats = field(metadata=column(np.float64))
    pairs_excess: Floats = field(metadata=column(np.float64))
    pairs: Floats = field(metadata=column(np.float64))
    long_excess: Floats = field(metadata=column(np.float64))
    """The same of windows of six hours."""
    long_pairs: Floats = field(metadata=column(np.float64))
    recent_authors: Floats = field(metadata=column(np.float64))
    recent_negative: Floats = field(metadata=column(np.float64))
    recent_weight: Floats = field(metadata=column(np.float64))
    day_count: NDArray[np.float32] = field(metadata=column(np.float32, 24))
    day_expected: NDArray[np.float32] = field(metadata=column(np.float32, 24))
    week_count: NDArray[np.float32] = field(metadata=column(np.float32, 168))
    week_expected: NDArray[np.float32] = field(metadata=column(np.float32, 168))
    week_visits: NDArray[np.uint8] = field(metadata=column(np.uint8, 168))
    share_count: NDArray[np.float16] = field(metadata=column(np.float16, share_rhythm.CELLS))
    """Negative authors by the cells of the share's rhythm, and how many were expected at the usual share."""
    share_expected: NDArray[np.float16] = field(metadata=column(np.float16, share_rhythm.CELLS))
    share_factor: NDArray[np.float16] = field(metadata=column(np.float16, share_rhythm.CELLS, fill=1.0))
    """What the cells told at the end of the last day."""
    held_authors: NDArray[np.float32] = field(metadata=column(np.float32, DELAY))
    """The last complete hours, newest first, not learned yet."""
    held_negative: NDArray[np.float32] = field(metadata=column(np.float32, DELAY))
    held_observed: NDArray[np.float32] = field(metadata=column(np.float32, DELAY))
    low_authors: NDArray[np.float32] = field(metadata=column(np.float32))
    """Hours of a feed that is nearly silent: if they go on, that is the new level."""
    low_negative: NDArray[np.float32] = field(metadata=column(np.float32))
    low_weight: NDArray[np.float32] = field(metadata=column(np.float32))
    low_hours: Minutes = field(metadata=column(np.int32))

    def level(self) -> tuple[Floats, Floats]:
        """Authors and negative authors per hour at shape 1, (n,); zero before the first hour."""
        authors = self.authors / np.maximum(self.weight, 1e-9)
        negative = self.negative / np.maximum(self.negative_weight, 1e-9)
        return 0.5 * (authors[:, QUICK] + authors[:, SLOW]), 0.5 * (negative[:, QUICK] + negative[:, SLOW])

    def known_hours(self) -> Floats:
        """Weight of the hours learned, (n,)."""
        return np.ascontiguousarray(self.weight[:, SLOW])

    def dispersion(self) -> tuple[Floats, Floats]:
        """phi: variance over mean of hourly counts, of authors and of negative authors."""
        total = self.spread_weight + PHI_PRIOR_HOURS
        authors = (self.spread + PHI_PRIOR * PHI_PRIOR_HOURS) / total
        negative = (self.spread_negative + PHI_PRIOR * PHI_PRIOR_HOURS) / total
        return clipped(authors, *PHI_RANGE), clipped(negative, *PHI_RANGE)

    def correlation(self) -> Floats:
        """rho: intra-class correlation of negativity within an hour, (n,)."""
        rho = (self.pairs_excess + CORRELATION_PRIOR * CORRELATION) / (self.pairs + CORRELATION_PRIOR)
        return clipped(rho, *CORRELATION_RANGE)

    def lasting(self) -> Floats:
        """The part of rho that is left in windows of six hours, (n,)."""
        rho = self.correlation()
        usual = CORRELATION_IN[SIX_HOURS] * rho
        left = (self.long_excess + LASTING_PRIOR * usual) / (self.long_pairs + LASTING_PRIOR)
        return clipped(left / rho, *LASTING_RANGE)

    def shapes(self, local_hour: Ints) -> Floats:
        """s and s q for hours since 1970 of the brand's own clock: (2, n, hours) from (n, hours)."""
        shape = self._shape(local_hour)
        return np.stack((shape, shape * self._share_rhythm(local_hour)))

    def _shape(self, local_hour: Ints) -> Floats:
        day = (self.day_count.astype(np.float64) + CELL_PRIOR) / (self.day_expected.astype(np.float64) + CELL_PRIOR)
        day = day / (row_sum(day) / 24.0)[:, None]
        row = np.arange(len(local_hour))[:, None]
        at_day, at_week = 24 * row + local_hour % 24, 168 * row + local_hour % 168
        count, expected = self.week_count.take(at_week), self.week_expected.take(at_week)
        week = (count.astype(np.float64) + CELL_PRIOR) / (expected.astype(np.float64) + CELL_PRIOR)
        week = np.where(self.week_visits.take(at_week) >= 2, week, 1.0)
        return np.asarray(np.maximum(day.take(at_day) * week, LEAST_SHAPE), np.float64)

    def _share_rhythm(self, local_hour: Ints) -> Floats:
        row = share_rhythm.CELLS * np.arange(len(local_hour))[:, None]
        at_day, at_week = share_rhythm.cells(local_hour)
        factor = self.share_factor.take(row + at_day).astype(np.float64) * self.share_factor.take(row + at_week)
        return clipped(factor, *share_rhythm.RANGE)

    def set_share_rhythm(self, local_hour: Ints) -> None:
        """Let the rhythm of the share be what was learned of it by this hour of the brand's own clock, (n,)."""
        # How many days are behind it is told by one hour of each.
        hours = 168 * np.arange(len(local_hour))[:, None] + local_hour[:, None] % 24 + 24 * np.arange(7)
        days = row_sum(self.week_visits.take(hours))
        spread = self.correlation() / self._slow_share()
        factors = share_rhythm.factors(self.share_count, self.share_expected, spread, days)
        self.share_factor = factors.astype(np.float16)

    def _slow_share(self) -> Floats:
        """The share of negative authors, (n,), by the slow levels."""
        authors = self.authors[:, SLOW] / np.maximum(self.weight[:, SLOW], 1e-9)
        negative = self.negative[:, SLOW] / np.maximum(self.negative_weight[:, SLOW], 1e-9)
        return clipped(negative / np.maximum(authors, 1e-9), 1e-3, 0.98)

    def learn(self, local_hour: Ints, shapes: Floats, skip: NDArray[np.bool_], config: EngineConfig) -> None:
        """Learn the oldest held hour, except where `skip`; its are `local_hour` (n,) and `shapes` (2, n), of authors
        and of negative ones.
        """
        shape, share_factor = shapes[0], shapes[1] / shapes[0]
        f = self.held_observed[:, -1].astype(np.float64)
        authors = self.held_authors[:, -1].astype(np.float64)
        negative = self.held_negative[:, -1].astype(np.float64)
        seen = _Where(f > 0)
        if not seen.which.any():
            return
        exposure = shape * f
        fade = seen.fade(config.recent_half_life_hours)
        self.recent_authors = self.recent_authors * fade + seen.only(authors)
        level, level_negative = self.level()
        mu, nu = level * exposure, level_negative * exposure * share_factor
        # An hour read by two tone models tells nothing about negatives: it is as was expected.
        mixed = negative == MIXED
        negative = np.where(mixed, nu, negative)
        # A level is one of hours whose share is the usual.
        self.recent_negative = self.recent_negative * fade + seen.only(negative / share_factor)
        self.recent_weight = self.recent_weight * fade + seen.only(exposure)

        learns = _Where(seen.which & ~skip)
        known_hours = self.known_hours()
        known = seen.which & (known_hours >= config.warm_hours)
        phi, phi_negative = self.dispersion()
        gate = np.where(known, _most(mu, phi), np.inf)
        gate_negative = np.where(known, _most(nu, phi_negative), np.inf)
        c = np.minimum(authors, gate)
        k = np.minimum(negative, gate_negative)

        settled = _Where(learns.which & (known_hours >= config.settled_hours))
        fade_spread = settled.fade(SPREAD_HALF_LIFE)
        off, off_negative = c - mu, k - nu
        self.spread = self.spread * fade_spread + settled.only(off * off / np.maximum(mu, 0.5))
        self.spread_negative = self.spread_negative * fade_spread + settled.only(
            off_negative * off_negative / np.maximum(nu, 0.5)
        )
        self.spread_weight = self.spread_weight * fade_spread + settled.only(1.0)

        # Hours of many authors say more, but not in proportion: two hours differ, however many authors they have.
        total = authors
        share = clipped(level_negative * share_factor / np.maximum(level, 1e-9), 0.02, 0.98)
        excess, pairs = _more_than_chance(total, negative, share, self.correlation(), CORRELATION_GATE, CORRELATION)
        share_known = (known_hours >= config.settled_hours) & (self.negative_weight[:, SLOW] >= config.settled_hours)
        tells = settled.which & (total >= 2) & ~mixed & share_known
        fade_pairs = settled.fade(CORRELATION_HALF_LIFE)
        self.pairs_excess = self.pairs_excess * fade_pairs + np.where(tells, excess, 0.0)
        self.pairs = self.pairs * fade_pairs + np.where(tells, pairs, 0.0)

        # The rhythm is learned relative to the slow level, for the quick one follows it; on the first day the slow one
        # does too, so what that teaches counts little.
        slow = self.authors[:, SLOW] / np.maximum(known_hours, 1e-9)
        trust = np.minimum(known_hours / config.settled_hours, 1.0)
        trust = learns.only(trust * trust)
        fade_cell = learns.fade(config.profile_half_life_visits)
        row = np.arange(len(f))
        at_day, at_week = 24 * row + local_hour % 24, 168 * row + local_hour % 168
        week_part = shape / np.maximum(self._day_part(at_day), 1e-9)
        _fade_and_add(self.day_count, at_day, fade_cell, trust * c)
        _fade_and_add(self.day_expected, at_day, fade_cell, trust * slow * week_part * f)
        day_expected = slow * (shape / np.maximum(week_part, 1e-9)) * f
        _fade_and_add(self.week_count, at_week, fade_cell, trust * c)
        _fade_and_add(self.week_expected, at_week, fade_cell, trust * day_expected)
        visits = self.week_visits.take(at_week)
        more = learns.which & (trust >= 1.0) & (visits < 255)
        self.week_visits.reshape(-1)[at_week] = np.where(more, visits + 1, visits)

        # What returns every week would open an incident every week: hours in one teach this rhythm too, cut as all are.
        self._learn_share(local_hour, seen.which & ~mixed & share_known, authors, c, negative, share_factor, config)

        fades = 2.0 ** (-1.0 / np.array(config.level_half_lives_hours))
        fades = fades if learns.everywhere else np.where(learns.which[:, None], fades, 1.0)
        exposure_learned = learns.only(exposure)[:, None]
        self.authors = self.authors * fades + learns.only(c)[:, None]
        self.weight = self.weight * fades + exposure_learned
        negative_now = self.negative * fades + learns.only(k / share_factor)[:, None]
        weight_now = self.negative_weight * fades + exposure_learned
        one = mixed[:, None]
        self.negative = np.where(one, self.negative, negative_now)
        self.negative_weight = np.where(one, self.negative_weight, weight_now)

    def learn_lasting(
        self, authors: Ints, negative: Ints, share: Floats, quiet: NDArray[np.bool_], config: EngineConfig
    ) -> None:
        """Learn from the six hours that just ended, where they were `quiet`: how far their share was from `share`, the
        one that scores expected. All (n,).
        """
        known = self.known_hours()
        settled = (known >= config.settled_hours) & (self.negative_weight[:, SLOW] >= config.settled_hours)
        there = _Where(quiet & settled & (authors >= 2))
        if not there.which.any():
            return
        rho, usual = self.lasting() * self.correlation(), CORRELATION_IN[SIX_HOURS] * CORRELATION
        excess, pairs = _more_than_chance(authors.astype(np.float64), negative, share, rho, LASTING_GATE, usual)
        fade = there.fade(CORRELATION_HALF_LIFE)
        self.long_excess = self.long_excess * fade + there.only(excess)
        self.long_pairs = self.long_pairs * fade + there.only(pairs)

    def _learn_share(
        self,
        local_hour: Ints,
        tells: NDArray[np.bool_],
        authors: Floats,
        gated: Floats,
        negative: Floats,
        share_factor: Floats,
        config: EngineConfig,
    ) -> None:
        """Learn the rhythm of the share where the hour `tells` of it: of its `authors` as many as are `gated` count."""
        there = _Where(tells)
        visits = config.profile_half_life_visits
        fade, fade_hour = there.fade(visits), there.fade(visits * share_rhythm.QUARTER_HOURS)
        usual = authors * self._slow_share()
        most = share_rhythm.most(usual * share_factor, 1.0 + np.maximum(authors - 1.0, 0.0) * self.correlation())
        counts = there.only(gated / np.maximum(authors, 1.0))
        count, expected = counts * np.minimum(negative, most), counts * usual
        row = share_rhythm.CELLS * np.arange(len(local_hour))
        at_day, at_week = (row + at for at in share_rhythm.cells(local_hour))
        # What one of the two rhythms tells, the other need not.
        of_day, of_week = expected * self.share_factor.take(at_week), expected * self.share_factor.take(at_day)
        share_rhythm.add(self.share_count, self.share_expected, at_day, fade, count, of_day)
        share_rhythm.add(self.share_count, self.share_expected, at_week, fade_hour, count, of_week)

    def _day_part(self, at_day: Ints) -> Floats:
        """Of each row one hour of the day; `at_day` counts cells from the first one of the first row on."""
        day = (self.day_count.astype(np.float64) + CELL_PRIOR) / (self.day_expected.astype(np.float64) + CELL_PRIOR)
        return np.asarray(day.take(at_day) / (row_sum(day) / 24.0), np.float64)

    def hold(self, authors: Ints, negative: Ints | Floats, observed: Floats) -> None:
        """Keep the hour that just ended until it is learned. `observed` is the part of it that was observed, 0..1."""
        held = (self.held_authors, authors), (self.held_negative, negative), (self.held_observed, observed)
        for column_, newest in held:
            column_[:, 1:] = column_[:, :-1]
            column_[:, 0] = newest

    def share(self, i: int) -> float:
        """Brand i's share of negative authors."""
        level, negative = self.level()
        return float(negative[i] / level[i]) if level[i] > 0 else 0.0

    def take_share(self, i: int, share: float | None) -> None:
        """Brand i's negatives are counted by another tone model: with this share, known from before, or (None) from
        the present one on, to be learned fast."""
        level, negative = self.level()
        weight = np.minimum(self.weight[i], NEW_MODEL_HOURS) if share is None else self.weight[i].copy()
        before = float(negative[i] if share is None else share * level[i])
        self.negative[i] = weight * before
        self.negative_weight[i] = weight
        self.recent_negative[i] = self.recent_weight[i] * before
        # Hours that are not learned yet were read by the old model.
        self.held_negative[i] = MIXED

    def absorb(self, which: NDArray[np.bool_], config: EngineConfig) -> None:
        """Take the recent, ungated level of these brands as their baseline."""
        self._adopt(which, self.recent_authors, self.recent_negative, self.recent_weight, config)

    def _adopt(
        self, which: NDArray[np.bool_], authors: Floats, negative: Floats, weight: Floats, config: EngineConfig
    ) -> None:
        # A few hours stand for a day, since the brand is not new: silence must still be told from calm.
        stands_for = np.maximum(weight, config.settled_hours)
        for row, most in ((QUICK, QUICK_HOURS), (SLOW, np.inf)):
            hours = np.minimum(stands_for, most)
            times = hours / np.maximum(weight, 1e-9)
            self.authors[:, row] = np.where(which, authors * times, self.authors[:, row])
            self.negative[:, row] = np.where(which, negative * times, self.negative[:, row])
            self.negative_weight[:, row] = np.where(which, hours, self.negative_weight[:, row])
            self.weight[:, row] = np.where(which, hours, self.weight[:, row])

    def hold_low(self, low: NDArray[np.bool_], authors: Ints, negative: Ints, shapes: Floats) -> None:
        """Add the hour that just ended to the account of nearly silent hours, where `low`; clear it elsewhere. `shapes`
        (2, n) are its, of authors and of negative ones.
        """
        if not low.any() and not self.low_weight.any():
            return  # nothing to add and nothing to clear, as nearly always
        shape, at_usual_share = shapes[0], negative * (shapes[0] / shapes[1])
        some = low & (authors > 0)
        self.low_authors = np.where(low, self.low_authors + np.where(some, authors, 0), 0.0)
        self.low_negative = np.where(low, self.low_negative + np.where(some, at_usual_share, 0.0), 0.0)
        self.low_weight = np.where(low, self.low_weight + np.where(some, shape, 0.0), 0.0)
        self.low_hours = np.where(low, self.low_hours + np.where(some, 1, 0), 0)

    def absorb_low(self, which: NDArray[np.bool_], config: EngineConfig) -> None:
        """Take the level of the nearly silent hours of these brands as their baseline."""
        counts = self.low_authors.astype(np.float64), self.low_negative.astype(np.float64)
        self._adopt(which, *counts, self.low_weight.astype(np.float64), config)
        self.low_hours = np.where(which, 0, self.low_hours)


def _most(expected: Floats, phi: Floats) -> Floats:
    """How many an hour teaches at most."""
    return np.minimum(expected + 4.0 * np.sqrt(phi * expected), 1.5 * expected + 2.0) + 3.0


class _Where:
    """Some rows; nearly always it is all of them, and then there is nothing to choose."""

    def __init__(self, which: NDArray[np.bool_]) -> None:
        self.which = which
        self.everywhere = bool(which.all())

    def only(self, x: Floats | float) -> Any:
        """x there, 0 elsewhere."""
        return x if self.everywhere else np.where(self.which, x, 0.0)

    def fade(self, half_life: float) -> Any:
        """By what to multiply, so that half is left after so many times; 1 elsewhere."""
        by = 2.0 ** (-1.0 / half_life)
        return by if self.everywhere else np.where(self.which, by, 1.0)


def _more_than_chance(
    authors: Floats, negative: Floats | Ints, share: Floats, rho: Floats, gate: float, usual: float
) -> tuple[Floats, Floats]:
    """By how much more than chance a window's negative authors differ from `share`, and pairs of authors that this
    rests on: their ratio is rho. Cut at `gate` times the usual square, and weighted by what it tells if rho is `usual`.
    """
    others = np.maximum(authors - 1.0, 0.0)
    off = negative - authors * share
    chance = np.maximum(share * (1.0 - share), 1e-9)
    squared = np.minimum(off * off / chance, gate * authors * (1.0 + others * rho))
    worth = 1.0 / np.square(1.0 + others * usual)
    return worth * (squared - authors), worth * authors * others


def _fade_and_add(cells: NDArray[np.float32], at: Ints, fade: Floats | float, more: Floats) -> None:
    """Let one cell of each row fade and add to it; `at` counts cells from the first one of the first row on."""
    # A column is contiguous (see Columns), so this is a view.
    cells.reshape(-1)[at] = cells.take(at).astype(np.float64) * fade + more

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
* Correlation: rho, by how much more than chance the negative share of an hour's authors varies (share_correlation.py).
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

from detectors import share_correlation, share_rhythm
from detectors.columns import Columns, Floats, Ints, Minutes, clipped, column, row_sum
from detectors.config import EngineConfig
from detectors.level_sums import SLOW, LevelSums, Taught
from detectors.share_correlation import MoreThanChance

DELAY = 3
"""Hours."""
SPREAD_HALF_LIFE = 24.0
"""Observed hours, of the dispersion."""
QUICK_HOURS = 9.0
"""Hours that the quick level can stand for: what its half-life comes to."""
CELL_PRIOR = 10.0
"""Pseudo-counts that draw a cell of the rhythm towards 1."""
LEAST_SHAPE = 0.05
"""No hour is expected to be quieter than this part of the level."""
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
        return self.level_sums().level()

    def level_sums(self) -> LevelSums:
        """What levels and dispersion rest on. What is learned later does not show in it."""
        return LevelSums(
            self.authors,
            self.weight,
            self.negative,
            self.negative_weight,
            self.spread,
            self.spread_negative,
            self.spread_weight,
        )

    def known_hours(self) -> Floats:
        """Weight of the hours learned, (n,)."""
        return self.level_sums().known_hours()

    def dispersion(self) -> tuple[Floats, Floats]:
        """phi: variance over mean of hourly counts, of authors and of negative authors."""
        return self.level_sums().dispersion()

    def correlation(self) -> Floats:
        """rho: intra-class correlation of negativity within an hour, (n,)."""
        return share_correlation.correlation(self.pairs_excess, self.pairs)

    def lasting(self) -> Floats:
        """The part of rho that is left in windows of six hours, (n,)."""
        return share_correlation.lasting(self.long_excess, self.long_pairs, self.correlation())

    def shapes(self, local_hour: Ints) -> Floats:
        """s and s q for hours since 1970 of the brand's own clock: (2, n, hours) from (n, hours)."""
        shape = self.shape(self.day_rhythm(), *rhythm_cells(local_hour))
        return np.stack((shape, shape * self.share_factors(local_hour)))

    def day_rhythm(self) -> Floats:
        """h for each hour of the day, (n, 24)."""
        day = (self.day_count.astype(np.float64) + CELL_PRIOR) / (self.day_expected.astype(np.float64) + CELL_PRIOR)
        return np.asarray(day / (row_sum(day) / 24.0)[:, None], np.float64)

    def shape(self, day: Floats, at_day: Ints, at_week: Ints) -> Floats:
        """s in cells of `rhythm_cells`; `day` is `day_rhythm`."""
        count, expected = self.week_count.take(at_week), self.week_expected.take(at_week)
        week = (count.astype(np.float64) + CELL_PRIOR) / (expected.astype(np.float64) + CELL_PRIOR)
        week = np.where(self.week_visits.take(at_week) >= 2, week, 1.0)
        return np.asarray(np.maximum(day.take(at_day) * week, LEAST_SHAPE), np.float64)

    def share_factors(self, local_hour: Ints) -> Floats:
        """q for hours since 1970 of the brand's own clock, (n, ...)."""
        row = _first_cells(local_hour, share_rhythm.CELLS)
        at_day, at_week = share_rhythm.cells(local_hour)
        factor = self.share_factor.take(row + at_day).astype(np.float64) * self.share_factor.take(row + at_week)
        return clipped(factor, *share_rhythm.RANGE)

    def set_share_rhythm(self, local_hour: Ints) -> None:
        """Let the rhythm of the share be what was learned of it by this hour of the brand's own clock, (n,)."""
        # How many days are behind it is told by one hour of each.
        hours = 168 * np.arange(len(local_hour))[:, None] + local_hour[:, None] % 24 + 24 * np.arange(7)
        days = row_sum(self.week_visits.take(hours))
        spread = self.correlation() / self.level_sums().slow_share()
        factors = share_rhythm.factors(self.share_count, self.share_expected, spread, days)
        self.share_factor = factors.astype(np.float16)

    def learn(self, local_hour: Ints, shapes: Floats, skip: NDArray[np.bool_], config: EngineConfig) -> None:
        """Learn the oldest held hour, except where `skip`; its are `local_hour` (n,) and `shapes` (2, n), of authors
        and of negative ones.
        """
        taught = self.learn_volume(local_hour, shapes, self.day_rhythm(), skip, config)
        self.learn_share(Taught.in_order([taught]), config)

    def learn_volume(
        self, local_hour: Ints, shapes: Floats, day: Floats, skip: NDArray[np.bool_], config: EngineConfig
    ) -> Taught:
        """The part of `learn` on which what is expected in the next hour depends: levels, rhythm and dispersion; `day`
        is `day_rhythm`. Says what it taught, for `learn_share`.
        """
        f = self.held_observed[:, -1].astype(np.float64)
        seen = f > 0
        shape, share_factor = shapes[0], shapes[1] / shapes[0]
        authors = self.held_authors[:, -1].astype(np.float64)
        negative = self.held_negative[:, -1].astype(np.float64)
        exposure = shape * f
        levels = self.level_sums()
        level, level_negative = levels.level()
        mu, nu = level * exposure, level_negative * exposure * share_factor
        # An hour read by two tone models tells nothing about negatives: it is as was expected.
        mixed = negative == MIXED
        negative = np.where(mixed, nu, negative)

        learns = _Where(seen & ~skip)
        known_hours = levels.known_hours()
        known = seen & (known_hours >= config.warm_hours)
        phi, phi_negative = levels.dispersion()
        c = np.minimum(authors, np.where(known, _most(mu, phi), np.inf))
        k = np.minimum(negative, np.where(known, _most(nu, phi_negative), np.inf))
        taught = Taught(
            local_hour,
            seen,
            learns.which,
            mixed,
            authors,
            c,
            negative,
            exposure,
            share_factor,
            levels,
        )

        settled = _Where(learns.which & (known_hours >= config.settled_hours))
        fade_spread = settled.fade(SPREAD_HALF_LIFE)
        off, off_negative = c - mu, k - nu
        self.spread = self.spread * fade_spread + settled.only(off * off / np.maximum(mu, 0.5))
        self.spread_negative = self.spread_negative * fade_spread + settled.only(
            off_negative * off_negative / np.maximum(nu, 0.5)
        )
        self.spread_weight = self.spread_weight * fade_spread + settled.only(1.0)

        # The rhythm is learned relative to the slow level, for the quick one follows it; on the first day the slow one
        # does too, so what that teaches counts little.
        slow = self.authors[:, SLOW] / np.maximum(known_hours, 1e-9)
        trust = np.minimum(known_hours / config.settled_hours, 1.0)
        trust = learns.only(trust * trust)
        fade_cell = learns.fade(config.profile_half_life_visits)
        at_day, at_week = rhythm_cells(local_hour)
        week_part = shape / np.maximum(day.take(at_day), 1e-9)
        _fade_and_add(self.day_count, at_day, fade_cell, trust * c)
        _fade_and_add(self.day_expected, at_day, fade_cell, trust * slow * week_part * f)
        day_expected = slow * (shape / np.maximum(week_part, 1e-9)) * f
        _fade_and_add(self.week_count, at_week, fade_cell, trust * c)
        _fade_and_add(self.week_expected, at_week, fade_cell, trust * day_expected)
        visits = self.week_visits.take(at_week)
        more = learns.which & (trust >= 1.0) & (visits < 255)
        self.week_visits.reshape(-1)[at_week] = np.where(more, visits + 1, visits)

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
        return taught

    def learn_share(self, told: Taught, config: EngineConfig) -> Floats:
        """The rest of `learn`, of hours that followed each other within a day, (hours, n): the recent level, the
        correlation and the rhythm of the share. Returns what `correlation` was before each, (hours, n).
        """
        self._learn_recent(told, config)
        rho = self._learn_correlation(told, config)
        self._learn_share_rhythm(told, np.concatenate([rho[1:], self.correlation()[None]]), config)
        return rho

    def _learn_recent(self, told: Taught, config: EngineConfig) -> None:
        recent = np.array([self.recent_authors, self.recent_negative, self.recent_weight])
        fades = _fades(told.seen, config.recent_half_life_hours)
        # A level is one of hours whose share is the usual.
        columns = np.stack([told.authors, told.negative / told.share_factor, told.exposure], axis=1)
        more = np.where(told.seen[:, None], columns, 0.0)
        for fade, taught in zip(fades, more, strict=True):
            recent = recent * fade + taught
        self.recent_authors, self.recent_negative, self.recent_weight = recent

    def _learn_correlation(self, told: Taught, config: EngineConfig) -> Floats:
        """Returns what `correlation` was before each hour, (hours, n)."""
        level, level_negative = told.levels.level()
        share = clipped(level_negative * told.share_factor / np.maximum(level, 1e-9), 0.02, 0.98)
        settled = told.learned & (told.levels.weight[..., SLOW] >= config.settled_hours)
        tells = settled & (told.authors >= 2) & ~told.mixed & told.levels.share_is_known(config)
        # Hours of many authors say more, but not in proportion: two hours differ, however many authors they have.
        more = MoreThanChance.of_hours(told.authors, told.negative, share, tells)
        fades = _fades(settled, share_correlation.HALF_LIFE)
        learned = share_correlation.learn_hours(self.pairs_excess, self.pairs, fades, more)
        self.pairs_excess, self.pairs = learned.excess, learned.pairs
        return learned.before

    def learn_lasting(
        self,
        authors: Ints,
        negative: Ints,
        share: Floats,
        quiet: NDArray[np.bool_],
        levels: LevelSums,
        rho: Floats,
        config: EngineConfig,
    ) -> Floats:
        """Learn from six hours that ended, where they were `quiet`, and from those that ended an hour later, and so on:
        how far their share was from `share`, the one that scores expected; `levels` and `rho` (`correlation`) are as
        they were. All (hours, n). Returns what `lasting` was before each.
        """
        tells = quiet & levels.share_is_known(config) & (authors >= 2)
        more = MoreThanChance.of_six_hours(authors, negative, share, tells)
        fades = _fades(tells, share_correlation.HALF_LIFE)
        learned = share_correlation.learn_six_hours(self.long_excess, self.long_pairs, fades, more, rho)
        self.long_excess, self.long_pairs = learned.excess, learned.pairs
        return learned.before

    def _learn_share_rhythm(self, told: Taught, rho: Floats, config: EngineConfig) -> None:
        # What returns every week would open an incident every week: hours in one teach this rhythm too, cut as all are.
        tells = told.seen & ~told.mixed & told.levels.share_is_known(config)
        visits = config.profile_half_life_visits
        usual = told.authors * told.levels.slow_share()
        phi = 1.0 + np.maximum(told.authors - 1.0, 0.0) * rho
        most = share_rhythm.most(usual * told.share_factor, phi)
        # Of its authors as many as are gated count.
        counts = np.where(tells, told.gated / np.maximum(told.authors, 1.0), 0.0)
        count, expected = counts * np.minimum(told.negative, most), counts * usual
        row = share_rhythm.CELLS * np.arange(told.authors.shape[-1])
        at_day, at_week = (row + at for at in share_rhythm.cells(told.local_hour))
        # What one of the two rhythms tells, the other need not.
        of_day, of_week = expected * self.share_factor.take(at_week), expected * self.share_factor.take(at_day)
        # A cell of the day and one of the week in each hour.
        hours = zip(
            np.stack([at_day, at_week], axis=1),
            np.stack([_fades(tells, visits), _fades(tells, visits * share_rhythm.QUARTER_HOURS)], axis=1),
            count,
            np.stack([of_day, of_week], axis=1),
            strict=True,
        )
        for at, fade, more, more_expected in hours:
            share_rhythm.add(self.share_count, self.share_expected, at, fade, more, more_expected)

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
        hours = np.stack([np.minimum(stands_for, QUICK_HOURS), stands_for], axis=1)
        times, one = hours / np.maximum(weight, 1e-9)[:, None], which[:, None]
        self.authors = np.where(one, authors[:, None] * times, self.authors)
        self.negative = np.where(one, negative[:, None] * times, self.negative)
        self.negative_weight = np.where(one, hours, self.negative_weight)
        self.weight = np.where(one, hours, self.weight)

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


def _fades(which: NDArray[np.bool_], half_life: float) -> Floats:
    """By what to multiply, so that half is left after so many times; 1 elsewhere."""
    return np.where(which, 2.0 ** (-1.0 / half_life), 1.0)


def _first_cells(local_hour: Ints, cells: int) -> Ints:
    """Where the cells of each row begin, (n, 1, ...) for hours (n, ...)."""
    return (cells * np.arange(len(local_hour))).reshape(-1, *(1,) * (local_hour.ndim - 1))


def rhythm_cells(local_hour: Ints) -> tuple[Ints, Ints]:
    """The cells of h and g for hours since 1970 of the brand's own clock (n, ...), counted from the first one of the
    first row on."""
    return (
        _first_cells(local_hour, 24) + local_hour % 24,
        _first_cells(local_hour, 168) + local_hour % 168,
    )


def _fade_and_add(cells: NDArray[np.float32], at: Ints, fade: Floats | float, more: Floats) -> None:
    """Let one cell of each row fade and add to it; `at` counts cells from the first one of the first row on."""
    # A column is contiguous (see Columns), so this is a view.
    cells.reshape(-1)[at] = cells.take(at).astype(np.float64) * fade + more

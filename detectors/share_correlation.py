"""By how much more than chance the share of negative authors varies: rho, and what of it is left in six hours.

Of T authors of whom K are negative where T p were expected, (K - T p)^2 / (p (1 - p)) - T = T (T - 1) rho on average.
So rho is what the left sides of many windows add up to, over their pairs of authors; windows are weighted by what they
tell, and all is drawn to what is usual.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from detectors.columns import FEW, Floats, Ints, clipped
from detectors.score import CORRELATION, CORRELATION_IN
from detectors.windows import SIX_HOURS

PRIOR = 2000.0
"""Weight of the usual correlation, in pairs of authors: as good as a deviation of 0.03 between brands."""
HALF_LIFE = 28 * 24.0
"""Observed hours."""
RANGE = (0.005, 0.15)
GATE = 16.0
"""An hour teaches at most a deviation of four standard ones."""
LASTING_PRIOR = 400_000.0
"""Weight of what is usually left in six hours, in pairs of authors of windows, which overlap: half of all at some five
mentions an hour."""
LASTING_RANGE = (CORRELATION_IN[SIX_HOURS], 1.5)
"""Never less than usual: that would make a moved share tell more, and pages come more often than agreed."""
LASTING_GATE = 9.0
"""A window teaches at most a deviation of three standard ones."""


def correlation(excess: Floats, pairs: Floats) -> Floats:
    """rho, from what hours showed."""
    return _drawn(excess, pairs, CORRELATION, 1.0, _OF_HOURS)


def lasting(excess: Floats, pairs: Floats, rho: Floats) -> Floats:
    """The part of rho that is left in windows of six hours, from what these showed."""
    return _drawn(excess, pairs, CORRELATION_IN[SIX_HOURS] * rho, rho, _OF_SIX_HOURS)


class _Prior(NamedTuple):
    weight: float
    low: float
    high: float


_OF_HOURS, _OF_SIX_HOURS = _Prior(PRIOR, *RANGE), _Prior(LASTING_PRIOR, *LASTING_RANGE)


def _drawn(excess: Floats, pairs: Floats, usual: Floats | float, unit: Floats | float, prior: _Prior) -> Floats:
    """Excess over pairs, in units of `unit`, drawn to what is usual."""
    return clipped((excess + prior.weight * usual) / (pairs + prior.weight) / unit, prior.low, prior.high)


class MoreThanChance(NamedTuple):
    """By how much more than chance negative authors of windows differ from a share, (hours, n) each."""

    authors: Floats
    others: Floats
    squared: Floats
    most: Floats
    """What it is cut at, were rho 0."""
    worth: Floats
    pairs: Floats
    """Of authors, weighted: what it rests on."""

    @staticmethod
    def of_hours(authors: Floats, negative: Floats, share: Floats, tells: NDArray[np.bool_]) -> MoreThanChance:
        """Of hours; 0 unless one `tells` anything."""
        return MoreThanChance._of(authors, negative, share, tells, GATE, CORRELATION)

    @staticmethod
    def of_six_hours(authors: Ints, negative: Ints, share: Floats, tells: NDArray[np.bool_]) -> MoreThanChance:
        """Of windows of six hours."""
        usual = CORRELATION_IN[SIX_HOURS] * CORRELATION
        return MoreThanChance._of(authors.astype(np.float64), negative, share, tells, LASTING_GATE, usual)

    @staticmethod
    def _of(
        authors: Floats, negative: Floats | Ints, share: Floats, tells: NDArray[np.bool_], gate: float, usual: float
    ) -> MoreThanChance:
        """Cut at `gate` times the usual square, and weighted by what it tells if rho is `usual`; 0 unless it `tells`
        anything."""
        others = np.maximum(authors - 1.0, 0.0)
        off = negative - authors * share
        chance = np.maximum(share * (1.0 - share), 1e-9)
        worth = np.where(tells, 1.0 / np.square(1.0 + others * usual), 0.0)
        return MoreThanChance(authors, others, off * off / chance, gate * authors, worth, worth * authors * others)


class Learned(NamedTuple):
    """What some hours taught."""

    before: Floats
    """`correlation` or `lasting` before each, (hours, n)."""
    excess: Floats
    pairs: Floats
    """After the last, (n,)."""


def learn_hours(excess: Floats, pairs: Floats, fades: Floats, more: MoreThanChance) -> Learned:
    """Learn rho from hours, one after the other; `fades` (hours, n) says what is left of the hours before each."""
    usual = np.full_like(fades, CORRELATION)
    return _learn(excess, pairs, fades, more, usual, np.ones_like(fades), _OF_HOURS)


def learn_six_hours(excess: Floats, pairs: Floats, fades: Floats, more: MoreThanChance, rho: Floats) -> Learned:
    """Learn what is left of `rho` (hours, n) from windows of six hours that end an hour after each other."""
    return _learn(excess, pairs, fades, more, CORRELATION_IN[SIX_HOURS] * rho, rho, _OF_SIX_HOURS)


def _learn(
    excess: Floats, pairs: Floats, fades: Floats, more: MoreThanChance, usual: Floats, unit: Floats, prior: _Prior
) -> Learned:
    """Each window is cut by what was learned before it, of which `usual` and `unit` are as in `_drawn`."""
    if len(excess) <= FEW:
        return _learn_numbers(excess, pairs, (fades, *more, usual, unit), prior)
    before = np.empty_like(fades)
    for hour, (fade, authors, others, squared, most, worth, more_pairs, of_usual, one) in enumerate(
        zip(fades, *more, usual, unit, strict=True)
    ):
        before[hour] = _drawn(excess, pairs, of_usual, one, prior)
        off = np.minimum(squared, most * (1.0 + others * (before[hour] * one))) - authors
        excess, pairs = excess * fade + worth * off, pairs * fade + more_pairs
    return Learned(before, excess, pairs)


def _learn_numbers(excess: Floats, pairs: Floats, columns: Sequence[Floats], prior: _Prior) -> Learned:
    """The same of few brands."""
    weight, low, high = prior
    befores, ends = [], []
    for i in range(len(excess)):
        e, p, before = float(excess[i]), float(pairs[i]), []
        own = (column[:, i].tolist() for column in columns)
        for fade, authors, others, squared, most, worth, more_pairs, usual, one in zip(*own, strict=True):
            drawn = min(max((e + weight * usual) / (p + weight) / one, low), high)
            before.append(drawn)
            off = min(squared, most * (1.0 + others * (drawn * one))) - authors
            e, p = e * fade + worth * off, p * fade + more_pairs
        befores.append(before)
        ends.append((e, p))
    last = np.array(ends).reshape(-1, 2)
    return Learned(np.array(befores).reshape(columns[0].T.shape).T, last[:, 0], last[:, 1])

"""By how much more than chance the share of negative authors varies: rho, and what of it is left in six hours.

Of T authors of whom K are negative where T p were expected, (K - T p)^2 / (p (1 - p)) - T = T (T - 1) rho on average.
So rho is what the left sides of many windows add up to, over their pairs of authors; windows are weighted by what they
tell, and all is drawn to what is usual.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from detectors.columns import Floats, Ints, clipped
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
    rho = (excess + PRIOR * CORRELATION) / (pairs + PRIOR)
    return clipped(rho, *RANGE)


def lasting(excess: Floats, pairs: Floats, rho: Floats) -> Floats:
    """The part of rho that is left in six hours, from what windows of six hours showed."""
    usual = CORRELATION_IN[SIX_HOURS] * rho
    left = (excess + LASTING_PRIOR * usual) / (pairs + LASTING_PRIOR)
    return clipped(left / rho, *LASTING_RANGE)


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

    def than_with(self, rho: Floats, hour: int) -> tuple[Floats, Floats]:
        """That of an hour, and pairs of authors that it rests on: their ratio is rho, which so far was `rho`."""
        squared = np.minimum(self.squared[hour], self.most[hour] * (1.0 + self.others[hour] * rho))
        return self.worth[hour] * (squared - self.authors[hour]), self.pairs[hour]

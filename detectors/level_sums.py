"""What levels and dispersion of brands rest on, and what an hour taught about them (see baseline.py)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from detectors.columns import Floats, Ints, clipped
from detectors.config import EngineConfig

QUICK, SLOW = 0, 1
"""Rows of the two levels."""
PHI_PRIOR = 4.0
PHI_PRIOR_HOURS = 12.0
PHI_RANGE = (1.0, 100.0)


class LevelSums(NamedTuple):
    """What levels and dispersion rest on: columns of Baseline, (n, ...), or those of several hours, (hours, n, ...)."""

    authors: Floats
    weight: Floats
    negative: Floats
    negative_weight: Floats
    spread: Floats
    spread_negative: Floats
    spread_weight: Floats

    @staticmethod
    def in_order(hours: Sequence[LevelSums]) -> LevelSums:
        """Those of several hours as one."""
        return LevelSums._make(map(np.array, zip(*hours, strict=True)))

    def level(self) -> tuple[Floats, Floats]:
        """See Baseline.level."""
        authors = self.authors / np.maximum(self.weight, 1e-9)
        negative = self.negative / np.maximum(self.negative_weight, 1e-9)
        return (
            0.5 * (authors[..., QUICK] + authors[..., SLOW]),
            0.5 * (negative[..., QUICK] + negative[..., SLOW]),
        )

    def known_hours(self) -> Floats:
        """See Baseline.known_hours."""
        return np.ascontiguousarray(self.weight[..., SLOW])

    def dispersion(self) -> tuple[Floats, Floats]:
        """See Baseline.dispersion."""
        total = self.spread_weight + PHI_PRIOR_HOURS
        authors = (self.spread + PHI_PRIOR * PHI_PRIOR_HOURS) / total
        negative = (self.spread_negative + PHI_PRIOR * PHI_PRIOR_HOURS) / total
        return clipped(authors, *PHI_RANGE), clipped(negative, *PHI_RANGE)

    def slow_share(self) -> Floats:
        """The share of negative authors by the slow levels."""
        authors = self.authors[..., SLOW] / np.maximum(self.weight[..., SLOW], 1e-9)
        negative = self.negative[..., SLOW] / np.maximum(self.negative_weight[..., SLOW], 1e-9)
        return clipped(negative / np.maximum(authors, 1e-9), 1e-3, 0.98)

    def share_is_known(self, config: EngineConfig) -> NDArray[np.bool_]:
        """Whether enough hours were learned by the tone model of today."""
        known = (self.weight[..., SLOW] >= config.settled_hours) & (
            self.negative_weight[..., SLOW] >= config.settled_hours
        )
        return np.asarray(known, np.bool_)


class Taught(NamedTuple):
    """An hour as it was learned, (n,) each, or several of a day one after the other, (hours, n)."""

    local_hour: Ints
    seen: NDArray[np.bool_]
    """It was observed."""
    learned: NDArray[np.bool_]
    """And no incident was open."""
    mixed: NDArray[np.bool_]
    """It was read by two tone models."""
    authors: Floats
    gated: Floats
    """As many authors as it teaches."""
    negative: Floats
    exposure: Floats
    share_factor: Floats
    levels: LevelSums
    """As they were before."""

    @staticmethod
    def in_order(hours: Sequence[Taught]) -> Taught:
        """Those of several hours as one."""
        *columns, levels = zip(*hours, strict=True)
        return Taught._make((*map(np.array, columns), LevelSums.in_order(levels)))

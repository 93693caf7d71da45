"""Three rules that products document for alerts, to compare with: how often they page, what they find, how soon.

Each looks at the last hour or two every five minutes, and at the seven days before that hour.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from bench.volumes import DAY_BINS, HOUR_BINS, Ints

WEEK = 7 * DAY_BINS
REARM = 72
"""Bins (6 h) without the condition after which it is a new page."""

Rule = Callable[[Ints, Ints], NDArray[np.bool_]]


def above_mean(mentions: Ints, _negatives: Ints) -> NDArray[np.bool_]:
    """Mentions of the last hour above 150 % of the hourly mean of 7 days."""
    hour, mean, _ = _hour_and_week(mentions)
    return hour > 1.5 * mean


def three_deviations(_mentions: Ints, negatives: Ints) -> NDArray[np.bool_]:
    """Negative mentions of the last hour above mean + 3 standard deviations of the hours of 7 days."""
    hour, mean, deviation = _hour_and_week(negatives)
    return hour > mean + 3 * deviation


def high_share(mentions: Ints, negatives: Ints) -> NDArray[np.bool_]:
    """Above 40 % of the mentions of the last 2 h are negative, of five at least."""
    some, bad = (_trailing(c, 2 * HOUR_BINS) for c in (mentions, negatives))
    return (bad > 0.4 * some) & (some >= 5)


RULES: dict[str, Rule] = {
    "150 % of 7-day mean": above_mean,
    "mean + 3 SD, negatives": three_deviations,
    "share > 40 %": high_share,
}


def pages(condition: NDArray[np.bool_]) -> Ints:
    """Bins in which a rule pages: its condition holds, and has not held for six hours."""
    at = np.nonzero(condition)[0]
    return at[np.diff(at, prepend=-REARM - 1) > REARM]


def _trailing(counts: Ints, bins: int) -> Ints:
    """Sum of the last `bins` bins, (n,)."""
    total = np.concatenate([np.zeros(bins, np.int64), np.cumsum(counts)])
    return np.asarray(np.cumsum(counts) - total[: len(counts)], np.int64)


def _hour_and_week(
    counts: Ints,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """The last hour, and mean and deviation of the hourly counts of the 7 days before it; nan in the first week."""
    hour = _trailing(counts, HOUR_BINS).astype(np.float64)
    mean = _trailing_mean(hour)
    deviation = np.sqrt(np.maximum(_trailing_mean(hour * hour) - mean * mean, 0.0))
    return hour, mean, deviation


def _trailing_mean(hour: NDArray[np.float64]) -> NDArray[np.float64]:
    total = np.concatenate([[0.0], np.cumsum(hour)])
    at = np.arange(len(hour)) - HOUR_BINS + 1
    out = np.full(len(hour), np.nan)
    whole = at >= WEEK
    out[whole] = (total[at[whole]] - total[at[whole] - WEEK]) / WEEK
    return out

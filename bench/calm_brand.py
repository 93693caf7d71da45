"""A simulated brand without any crisis: whatever pages is a false page."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

from bench import synthetic_words
from bench.volumes import BIN

SHARES: dict[str, Callable[[NDArray[np.int64]], NDArray[np.bool_]]] = {
    "steady": lambda minute: np.zeros(len(minute), np.bool_),
    "mondays": lambda minute: minute // 1440 % 7 == 0,
    "mornings": lambda minute: (minute % 1440 >= 360) & (minute % 1440 < 600),
    "nights": lambda minute: minute % 1440 >= 1080,
}
"""By name: minutes (since some Monday) in which the share of negatives is twice the usual."""


def wander(rng: np.random.Generator, n: int, deviation: float, minutes: float) -> NDArray[np.float64]:
    """A stationary autoregressive series of n minutes."""
    keep = math.exp(-1 / minutes)
    return np.asarray(
        lfilter([1.0], [1.0, -keep], rng.normal(0, deviation * math.sqrt(1 - keep * keep), n)), np.float64
    )


class CalmBrand(NamedTuple):
    """Mentions of a brand without a crisis, and what they were drawn from."""

    tick: NDArray[np.int64]
    negative: NDArray[np.bool_]
    author: NDArray[np.uint64]
    expected: NDArray[np.float64]
    """(minutes,) mentions by the rhythm alone."""
    share: NDArray[np.float64]
    """(minutes,) of negatives."""
    lasting: float
    """The same in the long run."""

    def said(self, rng: np.random.Generator) -> list[str]:
        """Texts of the negative mentions, and nothing for the others."""
        of_bin = (
            column.reshape(-1, BIN) for column in (np.bincount(self.tick, minlength=len(self.share)), self.expected)
        )
        counts, usual = (column.sum(axis=1) for column in of_bin)
        share = self.share.reshape(-1, BIN).mean(axis=1)
        words = synthetic_words.Words(counts, usual, share, np.full(len(share), self.lasting), rng)
        return synthetic_words.said(self.negative, words.stories(self.tick[self.negative] // BIN, rng), rng)


def calm_brand(
    rng: np.random.Generator,
    days: int,
    rate: float,
    twice: Callable[[NDArray[np.int64]], NDArray[np.bool_]] = SHARES["steady"],
) -> CalmBrand:
    """For `twice` see SHARES."""
    n = days * 1440
    m = np.arange(n)
    rhythm = (1 + 0.7 * np.sin(2 * np.pi * (m / 60 % 24 - 9) / 24)) * np.where(m // 1440 % 7 >= 5, 0.7, 1.1)
    mean = rate / 60 * rhythm * np.exp(wander(rng, n, rng.uniform(0.2, 0.6), 180) + wander(rng, n, 0.15, 14_400))
    alpha = rng.uniform(1.5, 4)
    for _ in range(int(rng.poisson(0.7 * days))):
        at, length = int(rng.integers(0, n)), int(rng.integers(10, 180))
        mean[at : at + length] *= 1 + 0.5 * rng.pareto(alpha)
    counts = rng.poisson(mean * rng.gamma(20, 1 / 20, n))
    share = rng.uniform(0.1, 0.4)
    logit = math.log(share / (1 - share)) + wander(rng, n, rng.uniform(0.2, 0.5), 360)
    tick = np.repeat(m, counts)
    usual = 1 / (1 + np.exp(-logit))
    negative = rng.random(len(tick)) < np.repeat(np.where(twice(m), np.minimum(2 * usual, 0.9), usual), counts)
    author = rng.integers(1, 2**62, len(tick), dtype=np.uint64)
    regular = rng.random(len(tick)) < 0.3
    author[regular] = rng.choice(rng.integers(1, 2**62, 3000, dtype=np.uint64), int(regular.sum()))
    return CalmBrand(tick, negative, author, rate / 60 * rhythm, usual, share)

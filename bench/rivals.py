"""The job of a live minute done otherwise: plain Python per brand, and river's objects per brand."""

from __future__ import annotations

import datetime as dt
import math
import time
from collections import deque
from typing import Any

import numpy as np

RATE = 5.0
SHARE = 0.2
WINDOWS = (10, 60, 360, 1440)


class PlainBrand:
    """The same windows, expectation and scores for one brand, as one would write them without arrays."""

    def __init__(self) -> None:
        self.members: deque[tuple[int, int, bool]] = deque()
        self.level, self.level_negative = RATE, RATE * SHARE

    def tick(self, now: int, members: list[tuple[int, bool]]) -> list[float]:
        for author, negative in members:
            self.members.append((now, author, negative))
        while self.members and self.members[0][0] <= now - 1440:
            self.members.popleft()
        authors: list[set[int]] = [set() for _ in range(4)]
        negatives: list[set[int]] = [set() for _ in range(4)]
        for at, author, negative in self.members:
            for w, width in enumerate(WINDOWS):
                if at > now - width:
                    authors[w].add(author)
                    if negative:
                        negatives[w].add(author)
        out = []
        for w, width in enumerate((60, 360, 1440), 1):
            mu, nu = self.level * width / 60, self.level_negative * width / 60
            k, t = len(negatives[w]), len(authors[w])
            p0 = (nu + 1) / (mu + 4)

            def log_bb(p: float, k: int = k, t: int = t) -> float:
                a, b = 19 * p, 19 * (1 - p)
                return math.lgamma(k + a) - math.lgamma(a) + math.lgamma(t - k + b) - math.lgamma(b)

            odds = [log_bb(p0 * g / (1 - p0 + p0 * g)) - log_bb(p0) for g in (2.0, 4.0, 8.0)]
            evidence = math.log(sum(map(math.exp, odds)) / 3)
            shorter = 2 * math.log((len(negatives[w - 1]) + 0.5) / (nu * (10, 60, 360)[w - 1] / width + 0.5))
            out.append(min(math.log((k + 2) / (nu + 2)) + 0.4 * min(max(evidence, -2), 4), shorter))
        return out


class RiverBrand:
    """What river has for it: rolling sums of mentions and negative ones over the four windows, and per window an
    anomaly score of the log count behind a quantile filter. River has no distinct count that forgets, no seasonal or
    gated expectation, no gaps and no incidents; these are left out, so it does less."""

    def __init__(self, river: Any, now: dt.datetime) -> None:
        self.rolling = [
            [river.utils.TimeRolling(river.stats.Sum, period=dt.timedelta(minutes=width)) for width in WINDOWS]
            for _ in range(2)
        ]
        self.detectors = [
            river.anomaly.QuantileFilter(river.anomaly.GaussianScorer(window_size=1440), q=0.999) for _ in WINDOWS
        ]
        rng = np.random.default_rng(int(now.timestamp()))
        for at in range(1440, 0, -60):
            self._update(int(rng.poisson(RATE)), int(rng.poisson(RATE * SHARE)), now - dt.timedelta(minutes=at))

    def _update(self, mentions: int, negative: int, now: dt.datetime) -> None:
        for sums, count in zip(self.rolling, (mentions, negative), strict=True):
            for one in sums:
                one.update(count, t=now)

    def tick(self, now: dt.datetime, mentions: int, negative: int) -> list[bool]:
        self._update(mentions, negative, now)
        out = []
        for sums, detector in zip(self.rolling[1], self.detectors, strict=True):
            x = math.log(sums.get() + 2.0)
            out.append(detector.classify(detector.score_one(None, x)))
            detector.learn_one(None, x)
        return out


def plain_seconds(brands: int, start: int, rng: np.random.Generator) -> float:
    """CPU seconds per brand and tick of `PlainBrand`."""
    plain = [PlainBrand() for _ in range(brands)]
    for brand in plain:
        for at in np.sort(rng.integers(start - 1440, start, int(RATE * 24))).tolist():
            brand.members.append((at, int(rng.integers(1, 2**62)), bool(rng.random() < SHARE)))
    began = time.process_time()
    for tick in range(start, start + 2):
        for brand in plain:
            brand.tick(tick, [(1, False)] if rng.random() < RATE / 60 else [])
    return (time.process_time() - began) / 2 / brands


def river_seconds(brands: int, rng: np.random.Generator) -> float | None:
    """CPU seconds per brand and tick of `RiverBrand`; None where river is not installed."""
    try:
        import river.anomaly
        import river.stats
        import river.utils
    except ImportError:
        return None
    start = dt.datetime(2026, 1, 1)  # noqa: DTZ001  # river compares with a naive time
    each = [RiverBrand(river, start) for _ in range(brands)]
    ticks = 3
    began = time.process_time()
    for tick in range(ticks):
        now = start + dt.timedelta(minutes=tick)
        for brand in each:
            mentions = int(rng.random() < RATE / 60)
            brand.tick(now, mentions, int(mentions and rng.random() < SHARE))
    return (time.process_time() - began) / ticks / brands

"""Volumes to inject crises into: real ones (NAB realTweets) where they are there, simulated ones elsewhere.

A volume is a count of mentions per five minutes. Busy series are thinned at random, which keeps their bursts and costs
less time; the number of mentions a day is told in every table.
"""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

BIN = 5
"""Minutes."""
HOUR_BINS = 12
DAY_BINS = 288
START = 24_855_840
"""First minute of simulated volumes: a Monday, 00:00Z."""
SIMULATED_RATES = (4.0, 12.0, 50.0, 90.0, 180.0)
"""Mentions an hour, about those of NAB's five series once thinned."""


@dataclass(frozen=True)
class Volume:
    """One brand's mentions per five minutes."""

    name: str
    start: int
    """Minute since 1970 of the first bin."""
    counts: Ints
    """(bins,)"""
    labelled: tuple[tuple[int, int], ...]
    """Minutes [begin, end) of events that somebody labelled: a page in them is not false, no crisis is put there."""

    def usual(self) -> Floats:
        """What a bin usually holds, (bins,): the median over the 15 days around it of the three hours around the same
        time of day. Medians, so that a burst does not say what is usual; only crises are sized by it."""
        days = len(self.counts) // DAY_BINS + 1
        smooth = np.convolve(self.counts, np.ones(3 * HOUR_BINS) / (3 * HOUR_BINS), mode="same")
        padded = np.full(days * DAY_BINS, np.nan)
        padded[: len(smooth)] = smooth
        table = padded.reshape(days, DAY_BINS)
        out = np.empty_like(table)
        for d in range(days):
            out[d] = np.nanmedian(table[max(d - 7, 0) : d + 8], axis=0)
        return np.asarray(np.maximum(out.reshape(-1)[: len(self.counts)], np.median(smooth) / 4), np.float64)

    def is_labelled(self, begin: int, end: int) -> bool:
        """Whether minutes [begin, end) touch a labelled event."""
        return any(a < end and begin < b for a, b in self.labelled)


def read_nab(folder: Path, most: float) -> list[Volume]:
    """The series of a folder with NAB's `Twitter_volume_*.csv` and windows.json, thinned to `most` mentions a bin.

    Raises
    ------
    ValueError
        There is no series in the folder.
    """
    files = sorted(folder.glob("*.csv"))
    if not files:
        raise ValueError(f"no .csv files in {folder}: give a folder with series of `timestamp,value`")
    windows = json.loads((folder / "windows.json").read_text()) if (folder / "windows.json").is_file() else {}
    out = []
    for file in files:
        with file.open(newline="") as lines:
            rows = [(_minute(r["timestamp"]), float(r["value"])) for r in csv.DictReader(lines)]
        minutes = np.array([m for m, _ in rows], np.int64)
        start = int(minutes[0]) - int(minutes[0]) % 1440
        counts = np.zeros(int(minutes[-1] - start) // BIN + 1, np.int64)
        np.add.at(counts, (minutes - start) // BIN, np.array([v for _, v in rows]).astype(np.int64))
        name = file.stem.removeprefix("Twitter_volume_")
        labelled = tuple((_minute(a), _minute(b)) for a, b in windows.get(file.name, ()))
        out.append(thinned(Volume(name, start, counts, labelled), most))
    return out


def _minute(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) // 60


def thinned(volume: Volume, most: float) -> Volume:
    """Mentions left out at random until a bin holds `most` on average at most."""
    mean = float(np.mean(volume.counts))
    if mean <= most:
        return volume
    rng = np.random.default_rng([len(volume.counts), *volume.name.encode()])
    return Volume(volume.name, volume.start, rng.binomial(volume.counts, most / mean), volume.labelled)


def simulated(seed: int, days: int, most: float) -> list[Volume]:
    """Volumes with rhythm, drift, over-dispersion and Pareto bursts of index 1.3 to 4, as NAB's have.

    The bursts carry the usual tone and are not labelled: a page for one is a false page.
    """
    out = []
    for i, rate in enumerate(SIMULATED_RATES):
        rng = np.random.default_rng([seed, i])
        n = days * DAY_BINS
        at = np.arange(n)
        hour = at / HOUR_BINS % 24
        weekend = at // DAY_BINS % 7 >= 5
        swing, peak = rng.uniform(0.3, 0.8), rng.uniform(6, 18)
        rhythm = (1 + swing * np.cos(2 * np.pi * (hour - peak) / 24)) * np.where(weekend, rng.uniform(0.5, 1.2), 1.0)
        log = wander(rng, n, rng.uniform(0.2, 0.5), 3 * HOUR_BINS) + wander(rng, n, 0.2, 10 * DAY_BINS)
        mean = rate / HOUR_BINS * rhythm * np.exp(log)
        tail = rng.uniform(1.3, 4.0)
        for _ in range(int(rng.poisson(0.7 * days))):
            begin, length = int(rng.integers(0, n)), int(rng.integers(2, 36))
            mean[begin : begin + length] *= 1 + 0.5 * min(rng.pareto(tail), 100.0)
        counts = rng.poisson(mean * rng.gamma(10, 0.1, n))
        out.append(thinned(Volume(f"sim{seed}.{i}", START, counts, ()), most))
    return out


def wander(rng: np.random.Generator, n: int, deviation: float, steps: float) -> Floats:
    """A stationary autoregressive series of n values whose correlation fades by e in `steps`."""
    keep = float(np.exp(-1 / steps))
    shocks = rng.normal(0, deviation * np.sqrt(1 - keep * keep), n)
    shocks[0] = rng.normal(0, deviation)
    return np.asarray(lfilter([1.0], [1.0, -keep], shocks), np.float64)

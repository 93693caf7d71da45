"""Speed and memory of detection over many brands, and how well calm brands keep their budget.

usage: python bench/detectors.py [speed|calm|storm] [--brands 1000,10000,100000] [--days 180] [--budgets 1,2]

speed: a live minute over many brands of five mentions an hour, beside the same done by river's objects and by plain
Python per brand, and what a brand's state is made of. calm: a simulated year without any crisis (daily and weekly
rhythm, slow drift, over-dispersed counts, bursts of volume, a share that wanders) of brands of --rates mentions an
hour; whatever pages is a false page. storm: memory and error of one brand with ten million distinct authors in a day
(--authors). calm --share mondays, mornings or nights: the same brands, whose share of negatives has a rhythm. Negative
mentions have words (bench/synthetic_words.py), and bursts and spells of more negatives are about one thing; with
--no-words all say the same.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import overload

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.calm_brand import SHARES, calm_brand
from bench.rivals import RATE, SHARE, plain_seconds, river_seconds
from detectors import BrandProfile, Engine, Observations
from detectors.poisson import poisson_interval
from detectors.windows import AUTHORS, COUNTS_AS_MENTION, HAS_AUTHOR, IS_NEGATIVE, Windows

START = 24_855_840


class Same(Sequence[str]):
    """One text for all, so that a benchmark of numbers need not make millions of strings."""

    def __init__(self, text: str, length: int) -> None:
        self.text, self.length = text, length

    def __len__(self) -> int:
        return self.length

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[str]: ...
    def __getitem__(self, index: int | slice) -> str | Sequence[str]:
        return self.text if isinstance(index, int) else [self.text]


def observe(
    tick: NDArray[np.int64],
    brand: NDArray[np.int32],
    author: NDArray[np.uint64],
    negative: NDArray[np.bool_],
    text: Sequence[str] | None = None,
) -> Observations:
    m = len(tick)
    same = Same("the queue again", m)
    none = np.full(m, np.nan)
    return Observations(
        tick,
        tick,
        brand,
        author,
        negative,
        negative.astype(np.float32),
        np.zeros(m, np.uint8),
        none,
        same,
        text or same,
        same,
    )


def minute(rng: np.random.Generator, n: int, tick: int) -> Observations:
    brand = np.repeat(np.arange(n, dtype=np.int32), rng.poisson(RATE / 60, n))
    m = len(brand)
    return observe(np.full(m, tick, np.int64), brand, rng.integers(1, 2**62, m, dtype=np.uint64), rng.random(m) < SHARE)


def filled(n: int, rng: np.random.Generator) -> Engine:
    """An engine that has known n brands for weeks, with a full day in its windows."""
    engine = Engine([BrandProfile(f"brand {i}") for i in range(n)])
    engine.advance(START - 1, minute(rng, n, START - 1))
    core = engine._cores[0]
    members = int(n * RATE * 24)
    brand = rng.integers(0, n, members)
    negative = rng.random(members) < SHARE
    flags = np.where(negative, IS_NEGATIVE, 0).astype(np.uint8) | np.uint8(COUNTS_AS_MENTION | HAS_AUTHOR)
    core.windows.load(
        START - 1, brand, rng.integers(START - 1440, START, members), rng.integers(1, 2**62, members, np.uint64), flags
    )
    core.track.start[:] = START - 40_000
    core.gaps.last_seen[:] = START - 1
    core.baseline.authors[:], core.baseline.negative[:] = RATE * 90, RATE * SHARE * 90
    core.baseline.weight[:] = core.baseline.negative_weight[:] = 90.0
    return engine


def breakdown(engine: Engine, n: int) -> list[tuple[str, float]]:
    """What the state of a brand is made of, in bytes."""
    core = engine._cores[0]
    parts: list[tuple[str, float]] = []
    for columns in (core.baseline, core.budget, core.gaps, core.track):
        fields = [(f.name, getattr(columns, f.name).nbytes / n) for f in dataclasses.fields(columns)]
        large = [(name, size) for name, size in fields if size >= 100]
        kind = type(columns).__name__.lower()
        parts += [(f"{kind}.{name}", size) for name, size in large]
        parts.append((f"{kind}, the rest", sum(size for _, size in fields) - sum(size for _, size in large)))
    windows = core.windows
    parts += [
        ("authors of 24 h", windows.authors.nbytes() / n),
        ("negative authors of 24 h", windows.negatives.nbytes() / n),
        ("mentions of 24 h", windows.mentions.nbytes() / n),
        ("counts of the windows", windows.counts.nbytes / n),
        ("texts seen (copies)", core.copies.nbytes() / n),
    ]
    parts.append(("shapes of the hours in reach", (core.nbytes() / n) - sum(size for _, size in parts)))
    return parts


def speed(sizes: list[int]) -> None:
    print("CPU time of one core; state: bytes of the arrays of a brand of five mentions an hour")
    print(f"{'brands':>8} {'ms a tick':>10} {'brand-ticks/s':>14} {'snapshot ms':>12} {'bytes/brand':>12}")
    for n in sizes:
        rng = np.random.default_rng(n)
        engine = filled(n, rng)
        engine.advance(START, minute(rng, n, START))
        engine.changes()
        took, saved, ticks = 0.0, 0.0, 10
        for tick in range(START + 1, START + 1 + ticks):
            observations = minute(rng, n, tick)
            begin = time.process_time()
            engine.advance(tick, observations)
            middle = time.process_time()
            engine.changes()
            took += middle - begin
            saved += time.process_time() - middle
        each = took / ticks
        numbers = f"{each * 1e3:>10.1f} {n / each:>14,.0f} {saved / ticks * 1e3:>12.1f} {engine.nbytes() / n:>12,.0f}"
        print(f"{n:>8,} {numbers}", flush=True)
    print("\nthe same tick otherwise, per brand in a loop (a thousand brands timed)", flush=True)
    rng = np.random.default_rng(0)
    for name, loop in (("plain Python", plain_seconds(1000, START, rng)), ("river", river_seconds(1000, rng))):
        if loop is None:
            print(f"{name:>14}: not installed; pip install 'tocsin[bench]'")
            continue
        print(f"{name:>14}: {loop * n * 1e3:>10,.0f} ms for {n:,} brands, {loop * n / each:.0f} times as long")
    print("\nwhat the state is made of, bytes a brand")
    for part, size in sorted(breakdown(engine, n), key=lambda p: -p[1]):
        print(f"{size:>8.0f}  {part}")


def storm(authors: int) -> None:
    """One brand with so many distinct authors in a day, then ten hours of a tenth of that."""
    rng = np.random.default_rng(0)
    windows, exact = Windows(np.arange(1)), Windows(np.arange(1), exact=1 << 60)
    head = (
        f"{'hour':>5} {'authors of 24 h':>16} {'told':>12} {'error':>7} {'MB':>7} {'MB of names':>12} {'s an hour':>10}"
    )
    print(f"one brand with {authors:,} distinct authors in 24 hours, half of them negative\n{head}")
    for hour in range(26):
        first = START + 60 * hour
        m = authors // 24
        minute = np.sort(rng.integers(first, first + 60, m))
        author = rng.integers(0, 2**44, m, dtype=np.uint64)
        row, negative = np.zeros(m, np.int64), rng.random(m) < 0.5
        members = (first, first + 59, row, minute, minute, author, author, negative)
        begin = time.process_time()
        windows.advance(*members)
        windows.forget(first + 59)
        took = time.process_time() - begin
        exact.advance(*members)
        exact.forget(first + 59)
        true, told = int(exact.counts[AUTHORS, -1, 0]), int(windows.counts[AUTHORS, -1, 0])
        if hour in (0, 1, 5, 11, 23, 24, 25):
            size, names = windows.nbytes() / 1e6, exact.nbytes() / 1e6
            numbers = f"{true:>16,} {told:>12,} {told / true - 1:>+7.2%} {size:>7.1f} {names:>12.1f} {took:>10.2f}"
            print(f"{hour + 1:>5} {numbers}", flush=True)


def calm(days: int, budgets: list[float], rates: Sequence[float], share: str, words: bool) -> None:
    made = [calm_brand(np.random.default_rng([7, i]), days, rate, SHARES[share]) for i, rate in enumerate(rates)]
    tick = np.concatenate([one.tick for one in made])
    brand = np.concatenate([np.full(len(one.tick), i, np.int32) for i, one in enumerate(made)])
    order = np.lexsort((brand, tick))
    negative = np.concatenate([one.negative for one in made])[order]
    author = np.concatenate([one.author for one in made])[order]
    text = None
    if words:
        every = [text for i, one in enumerate(made) for text in one.said(np.random.default_rng([8, i]))]
        text = [every[i] for i in order.tolist()]
    observations = observe(START + tick[order], brand[order], author, negative, text)
    said = "with words" if words else "all say the same"
    print(f"{len(rates)} calm brands, {days} days, {len(tick):,} mentions, share of negatives: {share}; {said}")
    head = f"{'budget':>7} {'pages/month':>12} {'95 %':>14} {'of nominal':>11}"
    print(f"{head} {'tickets':>8} {'info':>6} {'events':>7} {'s':>5}")
    for budget in budgets:
        engine = Engine([BrandProfile(f"{i}: {r:g} an hour", budget=budget) for i, r in enumerate(rates)])
        begin = time.perf_counter()
        decisions = engine.advance(int(observations.tick[-1]), observations)
        took = time.perf_counter() - begin
        settled = [d for d in decisions if d.tick >= START + 28 * 1440]
        months = len(rates) * (days - 28) / 30
        pages = sum(d.pages for d in settled)
        low, high = poisson_interval(pages, months)
        begins = [d.notify for d in settled if d.type in {"opened", "reopened"}]
        rate = pages / months
        numbers = f"{rate:>12.2f} {f'{low:.2f} to {high:.2f}':>14} {rate / budget:>11.2f}"
        others = f"{begins.count('ticket') / months:>8.2f} {begins.count('info') / months:>6.2f}"
        print(f"{budget:>7g} {numbers} {others} {len(settled) / months:>7.1f} {took:>5.0f}", flush=True)
        of_each = [sum(d.pages for d in settled if d.brand == brand.name) for brand in engine.brands]
        each = (f"{r:g}: {n / (months / len(rates)) / budget:.2f}" for r, n in zip(rates, of_each, strict=True))
        print(f"{'':>7} of nominal by mentions an hour: {', '.join(each)}", flush=True)
        stretch = [sum(d.pages for d in decisions if (d.tick - START) // 40_320 == k) for k in range(days // 28)]
        ratios = (f"{n / len(rates) / budget * 30 / 28:.2f}" for n in stretch)
        print(f"{'':>7} of nominal by four weeks: {', '.join(ratios)}", flush=True)
    print("(after the first 28 days)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="?", choices=["speed", "calm", "storm"], default="speed")
    parser.add_argument("--brands", default="1000,10000,100000")
    parser.add_argument("--days", type=int, default=180)
    parser.add_argument("--authors", type=int, default=10_000_000)
    parser.add_argument("--budgets", default="1,2")
    parser.add_argument("--share", choices=SHARES, default="steady", help="whether calm brands' has a rhythm")
    parser.add_argument("--no-words", action="store_true", help="calm brands' mentions all say the same")
    parser.add_argument("--rates", default="1,3,10,10,30,30,80,150,300", help="of calm brands, mentions an hour")
    asked = parser.parse_args()
    if asked.what == "speed":
        speed([int(n) for n in asked.brands.split(",")])
    elif asked.what == "storm":
        storm(asked.authors)
    else:
        budgets = [float(b) for b in asked.budgets.split(",")]
        calm(asked.days, budgets, [float(r) for r in asked.rates.split(",")], asked.share, not asked.no_words)


if __name__ == "__main__":
    main()

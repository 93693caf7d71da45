"""Whether the controller keeps the budget of false pages: brands without a crisis, simulated, so each page is false.

``python -m bench.controller [--days 360] [--budgets 1,2,4] [--worlds calm,drift]``. The worlds are those of
`bench.detectors`; in `drift` the volume of each brand doubles from the middle on and six-hour spells of more
negatives set in, one in five days. Three ways to run each: without the controller; with it, and nobody says anything;
with it, and every page is marked as false within an hour. Prints realised over nominal pages over all brands, and over
those large enough to page at all (ten mentions an hour and more), of the latter also the spread from brand to brand
and thirds of the time after day 42.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.calm_brand import calm_brand
from bench.detectors import START, observe
from detectors import BrandProfile, Command, Decision, Engine, Observations, controller
from detectors.poisson import poisson_interval

RATES = (1.0, 3.0, 10.0, 10.0, 30.0, 30.0, 80.0)
LARGE = 10.0
SETTLED = 42
ANSWER_MINUTES = 45
"""From a page to its verdict."""


def world(days: int, drift: bool, seed: int = 7) -> Observations:
    """Mentions of all brands. Drift joins two halves of different make."""
    ticks, brands, authors, negatives = [], [], [], []
    for i, rate in enumerate(RATES):
        tick, negative, author = calm_brand(np.random.default_rng([seed, i]), days, rate)[:3]
        if drift:
            tick, negative, author = _drifted(np.random.default_rng([seed, i, 1]), days, tick, negative, author)
        ticks.append(tick)
        brands.append(np.full(len(tick), i, np.int32))
        authors.append(author)
        negatives.append(negative)
    tick, brand = np.concatenate(ticks), np.concatenate(brands)
    order = np.lexsort((brand, tick))
    return observe(START + tick[order], brand[order], np.concatenate(authors)[order], np.concatenate(negatives)[order])


def _drifted(
    rng: np.random.Generator,
    days: int,
    tick: NDArray[np.int64],
    negative: NDArray[np.bool_],
    author: NDArray[np.uint64],
) -> tuple[NDArray[np.int64], NDArray[np.bool_], NDArray[np.uint64]]:
    """From the middle on: twice the volume, reached within 30 days, and bursts of negatives that grow."""
    half = days * 720
    grown = np.clip((tick - half) / (30 * 1440), 0.0, 1.0)
    again = np.nonzero(rng.random(len(tick)) < grown)[0]
    doubled = np.concatenate([np.arange(len(tick)), again])
    doubled = doubled[np.argsort(tick[doubled], kind="stable")]
    new_author = author[doubled].copy()
    twice = np.concatenate([[False], doubled[1:] == doubled[:-1]])
    new_author[twice] = rng.integers(1, 2**62, int(twice.sum()), dtype=np.uint64)
    tick, negative = tick[doubled], negative[doubled].copy()
    # Six hours in which negatives are half as frequent again: once in five days or so.
    for _ in range(int(rng.poisson(days / 2 / 5))):
        begin = half + int(rng.integers(0, max(half - 360, 1)))
        inside = (tick >= begin) & (tick < begin + 360) & ~negative
        negative[inside & (rng.random(len(tick)) < 0.12)] = True
    return tick, negative, new_author


def run(observations: Observations, days: int, budget: float, way: str) -> tuple[list[Decision], NDArray[np.float64]]:
    """Decisions, and the offsets at the end of each day, (days, brands)."""
    engine = Engine([BrandProfile(f"{i}: {rate:g} an hour", budget=budget) for i, rate in enumerate(RATES)])
    out: list[Decision] = []
    offsets = np.zeros((days, len(RATES)))
    edges = np.searchsorted(observations.tick, START + 1440 * np.arange(days + 1))
    with patch.object(controller, "GAMMA", 0.0 if way == "without" else controller.GAMMA):
        for day in range(days):
            own = observations.rows(np.arange(edges[day], edges[day + 1]))
            new = engine.advance(START + 1440 * (day + 1) - 1, own)
            out += new
            if way == "marked false":
                engine.tell(
                    Command(f"{d.incident_id}-{d.revision}", d.brand, "false", d.tick + ANSWER_MINUTES, d.incident_id)
                    for d in new
                    if d.pages
                )
            offsets[day] = [one.offset for one in engine.ledger()]
    return out, offsets


def ratio(decisions: Sequence[Decision], budget: float, first: int, last: int, large: bool) -> str:
    """Realised over nominal from one day to another, with its interval."""
    begin, end = START + 1440 * first, START + 1440 * last
    names = {f"{i}: {rate:g} an hour" for i, rate in enumerate(RATES) if not large or rate >= LARGE}
    pages = sum(d.pages and begin <= d.tick < end and d.brand in names for d in decisions)
    nominal = budget * len(names) * (last - first) / 30
    low, high = poisson_interval(pages, nominal)
    return f"{pages / nominal:.2f} ({low:.2f} to {high:.2f})"


def spread(decisions: Sequence[Decision], budget: float, days: int) -> float:
    """Standard deviation over the large brands of realised over nominal pages."""
    nominal = budget * (days - SETTLED) / 30
    pages = [
        sum(d.pages and d.tick >= START + 1440 * SETTLED and d.brand == f"{i}: {rate:g} an hour" for d in decisions)
        for i, rate in enumerate(RATES)
        if rate >= LARGE
    ]
    return float(np.std(pages)) / nominal


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--days", type=int, default=360)
    parser.add_argument("--budgets", default="1,2,4")
    parser.add_argument("--worlds", default="calm,drift")
    asked = parser.parse_args()
    for kind in asked.worlds.split(","):
        observations = world(asked.days, kind == "drift")
        third = (asked.days - SETTLED) // 3
        print(f"{kind}: {len(RATES)} brands without a crisis, {asked.days} days, {len(observations):,} mentions")
        head = f"{'budget':>7}  {'controller':<14} {'realised over nominal':<22} {'brands of 10 an hour +':<22}"
        print(f"{head} {'spread':>6}  {'by thirds':<15} {'offset: mean':>12} {'daily sd':>8} {'s':>5}")
        for budget in map(float, asked.budgets.split(",")):
            for way in ("without", "nobody speaks", "marked false"):
                begin = time.perf_counter()
                decisions, offsets = run(observations, asked.days, budget, way)
                took = time.perf_counter() - begin
                whole = ratio(decisions, budget, SETTLED, asked.days, large=False)
                large = ratio(decisions, budget, SETTLED, asked.days, large=True)
                edges = [SETTLED + k * third for k in range(4)]
                parts = [ratio(decisions, budget, *edge, large=True) for edge in itertools.pairwise(edges)]
                thirds = " ".join(part.split()[0] for part in parts)
                apart = f"{spread(decisions, budget, asked.days):>6.2f} "
                moved = f"{offsets[-1].mean():>12.2f} {offsets[SETTLED:].std(axis=0).mean():>8.2f}"
                print(
                    f"{budget:>7g}  {way:<14} {whole:<22} {large:<22} {apart} {thirds:<15} {moved} {took:>5.0f}",
                    flush=True,
                )


if __name__ == "__main__":
    main()

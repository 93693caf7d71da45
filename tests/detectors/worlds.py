"""Small worlds of mentions to run detection over: calm, crises, gaps in the feed, late mentions, repeated authors."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from detectors import Decision, Engine, EngineConfig, Observations
from detectors.baseline import DELAY, Baseline
from detectors.columns import Ints
from detectors.config import BrandProfile

START = 24_850_080 + 7 * 60
"""A Monday, 07:00Z."""

QUICK = EngineConfig(warm_hours=2.0, settled_hours=4.0, cold_days=1, min_page_authors=4, min_ticket_authors=3)
"""Constants under which a few days are enough to see tickets, pages and return levels at work."""

HEADLINE = " as every paper writes today"
"""Makes a text long enough to be taken for a copy."""

ZONES = ("UTC", "America/New_York", "Asia/Kolkata", "Asia/Tokyo")


def learn(
    baseline: Baseline, hour: int, authors: float, negative: float, observed: float = 1.0, skip: bool = False
) -> None:
    """Let the baseline of one brand have an hour, and learn the oldest that it holds."""
    baseline.hold(np.array([authors]), np.array([negative]), np.array([observed]))
    local = np.array([hour - (DELAY - 1)])
    baseline.learn(local, baseline.shapes(local[:, None])[:, :, 0], np.array([skip]), EngineConfig())


def profiles(n: int) -> list[BrandProfile]:
    return [BrandProfile(f"brand {i}", budget=1.0 + i, time_zone=ZONES[i % len(ZONES)]) for i in range(n)]


def world(seed: int, n_brands: int = 3, hours: int = 60, rate: float = 12.0, late: float = 0.1) -> Observations:
    """Mentions of `hours` hours. Each brand has a rate of its own, a daily rhythm, and maybe a gap and a crisis, which
    has a subject."""
    rng = np.random.default_rng(seed)
    tick, brand, author, negative, subject = [], [], [], [], []
    for b in range(n_brands):
        level = rate * rng.uniform(0.2, 1.5)
        share = rng.uniform(0.1, 0.4)
        begin = int(rng.integers(0, 240))
        crisis, length = int(rng.integers(600, hours * 60)), int(rng.integers(30, 400))
        size = float(rng.choice([0.0, 3.0, 8.0, 30.0]))
        gap, gap_length = int(rng.integers(0, hours * 60)), int(rng.choice([0, 90, 700, 1700]))
        people = rng.integers(1, 2**63, 400, dtype=np.uint64)
        for m in range(begin, hours * 60):
            if gap <= m < gap + gap_length:
                continue
            hot = crisis <= m < crisis + length
            mean = level / 60 * (1.0 + 0.6 * np.sin(2 * np.pi * m / 1440)) * (1.0 + (size if hot else 0.0))
            for _ in range(int(rng.poisson(mean))):
                tick.append(START + m)
                brand.append(b)
                author.append(rng.choice(people))
                negative.append(rng.random() < (0.75 if hot else share))
                subject.append(f" strike{begin}" if hot and len(tick) % 3 else "")
    order = np.lexsort((np.array(brand), np.array(tick)))
    own = np.array(tick, np.int64)[order]
    m = len(own)
    delay = np.where(rng.random(m) < late, rng.integers(0, 200, m), 0)
    effective = own + delay
    resort = np.argsort(effective, kind="stable")
    order = order[resort]
    return Observations(
        tick=effective[resort],
        minute=own[resort],
        brand=np.array(brand, np.int32)[order],
        author=np.array(author, np.uint64)[order],
        negative=np.array(negative, np.bool_)[order],
        p_negative=np.where(np.array(negative)[order], 0.9, 0.1).astype(np.float32),
        kind=np.zeros(m, np.uint8),
        reach=np.full(m, np.nan),
        id=[f"m{i}" for i in range(m)],
        text=[
            f"late again word{i % 7} #delay{i % 3}{subject[j]}" + HEADLINE * (i % 5 == 0)
            for i, j in enumerate(order.tolist())
        ],
        url=[None] * m,
    )


def of_one(tick: Ints, negative: NDArray[np.bool_], author: NDArray[np.uint64], text: list[str]) -> Observations:
    """Mentions of one brand, in order of time."""
    m = len(tick)
    return Observations(
        tick=tick,
        minute=tick,
        brand=np.zeros(m, np.int32),
        author=author,
        negative=negative,
        p_negative=negative.astype(np.float32),
        kind=np.zeros(m, np.uint8),
        reach=np.full(m, np.nan),
        id=[f"m{i}" for i in range(m)],
        text=text,
        url=[None] * m,
    )


def span(observations: Observations, after: int, upto: int) -> Observations:
    """The members of ticks after < tick <= upto."""
    return observations.rows(np.nonzero((observations.tick > after) & (observations.tick <= upto))[0])


def only(observations: Observations, brands: list[int]) -> Observations:
    """The members of these brands, renumbered in this order."""
    place = {b: i for i, b in enumerate(brands)}
    kept = observations.rows(np.nonzero(np.isin(observations.brand, brands))[0])
    renumbered = np.array([place[int(b)] for b in kept.brand], np.int32)
    return Observations(
        kept.tick,
        kept.minute,
        renumbered,
        kept.author,
        kept.negative,
        kept.p_negative,
        kept.kind,
        kept.reach,
        kept.id,
        kept.text,
        kept.url,
    )


def run(engine: Engine, observations: Observations, upto: int, cuts: list[int] | None = None) -> list[Decision]:
    """Advance to `upto`, stopping at each cut."""
    out: list[Decision] = []
    after = int(observations.tick[0]) - 1
    for cut in [*sorted(cuts or []), upto]:
        if after < cut <= upto:
            out += engine.advance(cut, span(observations, after, cut))
            after = cut
    return out

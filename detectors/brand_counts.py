"""What was read of brands and portfolios: how many mentions, over which time, hour by hour."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from detectors.config import BrandProfile, budget_of_portfolio
from detectors.observations import Observations

MINUTES_PER_DAY = 1440


@dataclass(frozen=True)
class BrandCounts:
    """What was read of a brand."""

    brand: str
    mentions: int
    first: int
    """Tick of the first mention; with `last` it spans the time that was watched."""
    last: int
    budget: float = 1.0
    per_hour: Mapping[int, int] = field(default_factory=dict)
    """Mentions per hour since 1970 (tick // 60), hours without any left out; tells gaps in the data from calm."""
    of: tuple[str, ...] = ()
    """Of a portfolio: its brands. It has incidents and pages of its own, but no time and mentions beside theirs."""

    @property
    def days(self) -> float:
        """Days watched."""
        return (self.last - self.first + 1) / MINUTES_PER_DAY


def count(observations: Observations, brands: Sequence[BrandProfile]) -> list[BrandCounts]:
    """Counts of all brands that have a mention."""
    out = []
    for i, profile in enumerate(brands):
        minute = observations.minute[observations.brand == i]
        if len(minute):
            hours, mentions = np.unique(minute // 60, return_counts=True)
            per_hour = dict(zip(hours.tolist(), mentions.tolist(), strict=True))
            first, last = int(minute.min()), int(minute.max())
            out.append(BrandCounts(profile.name, len(minute), first, last, profile.budget, per_hour))
    return out


def portfolio_counts(counts: Sequence[BrandCounts], brands: Sequence[BrandProfile]) -> list[BrandCounts]:
    """Counts of the portfolios of brands that were read."""
    members: dict[str, list[BrandProfile]] = {}
    for brand in brands:
        if brand.portfolio is not None:
            members.setdefault(brand.portfolio, []).append(brand)
    out = []
    for name, own in members.items():
        names = {brand.name for brand in own}
        if read := [c for c in counts if c.brand in names]:
            per_hour: dict[int, int] = {}
            for c in read:
                for hour, mentions in c.per_hour.items():
                    per_hour[hour] = per_hour.get(hour, 0) + mentions
            out.append(
                BrandCounts(
                    brand=name,
                    mentions=sum(c.mentions for c in read),
                    first=min(c.first for c in read),
                    last=max(c.last for c in read),
                    budget=budget_of_portfolio(own),
                    per_hour=per_hour,
                    of=tuple(c.brand for c in read),
                )
            )
    return out

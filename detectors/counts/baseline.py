"""What a bare series of counts usually holds, hour by hour.

mu = L h(hour of day) g(day of the week, if asked for): L an exponentially weighted mean of counts over
rhythm (half-life 7 days of observed hours), h the same per hour of day (half-life 14 visits) and g per day of the
week, drawn towards 1 by pseudo-counts. Gated: an hour teaches at most mu + 4 sqrt(phi mu) + 3, phi being variance
over mean of the series' own hours (Noufaily et al. 2013 weight past outbreaks down to the same end). Delayed: hour H
is learned at the end of hour H + 1, so a window under test has not trained what it is compared with. Released: where
the level of the last half day has stood above one and a half times L for 72 observed hours, it is the new L; should
it fall back within two weeks, the old one is taken up again. Silence: zeros that are very improbable in a row (8
nats, Poisson over phi) are a feed that is down: as unobserved as rows that are missing.
"""

from __future__ import annotations

import math

import numpy as np

from detectors.columns import Floats, Ints, row_sum

LEVEL_HALF_LIFE = 7 * 24.0
"""Observed hours. Longer than the engine's 3 days: without tone nothing tells a slow crisis from a new level."""
RHYTHM_HALF_LIFE = 14.0
"""Visits of an hour of day."""
RHYTHM_PRIOR = 50.0
WEEKDAY_HALF_LIFE = 8.0
WEEKDAY_PRIOR = 1.0
"""Visits of a day of the week, 24 hours each; the second is how many usual ones draw it to 1."""
LEAST_RHYTHM = 0.05
GATE = 4.0
PHI_PRIOR = 4.0
PHI_PRIOR_HOURS = 12.0
GATED_FROM = 6.0
"""Hours of exposure from which the gate is closed."""
RELEASE_HOURS = 72.0
RELEASE_FROM = 1.5
RECENT_HALF_LIFE = 12.0
BACK_HOURS = 12.0
FORGET_HOURS = 14 * 24.0
"""A lasting change of level; as in the engine, but without incidents to tell how long it lasts."""
IMPROBABLE = 8.0
"""Nats, as in gaps.py."""
SETTLED = 24.0
"""Hours of exposure before anything is scored, and before the rhythm is learned at full weight."""


class Baseline:
    """Level and rhythm of one series; see the module's docstring."""

    def __init__(self, weekdays: bool) -> None:
        self.weekdays = weekdays
        self.counts = self.weight = 0.0
        self.recent = self.recent_weight = 0.0
        self.away = self.back = self.age = 0.0
        self.before: float | None = None
        self.silent: list[tuple[int, float]] = []
        self.silence = 0.0
        self.spread = self.spread_weight = 0.0
        self.day_count, self.day_expected = np.zeros(24), np.zeros(24)
        self.week_count, self.week_expected = np.zeros(7), np.zeros(7)

    def level(self) -> float:
        """Expected count of an hour whose rhythm is 1."""
        return self.counts / self.weight if self.weight > 0 else 0.0

    def dispersion(self) -> float:
        """phi, variance over mean of an hour."""
        return (self.spread + PHI_PRIOR * PHI_PRIOR_HOURS) / (self.spread_weight + PHI_PRIOR_HOURS)

    def rhythm(self) -> Floats:
        """h, (24,), mean 1."""
        cell = (self.day_count + RHYTHM_PRIOR) / (self.day_expected + RHYTHM_PRIOR)
        return np.asarray(np.maximum(cell / (row_sum(cell) / 24.0), LEAST_RHYTHM), np.float64)

    def weekday(self) -> Floats:
        """g, (7,), mean 1, Thursday first, as days since 1970 are numbered."""
        if not self.weekdays:
            return np.ones(7)
        prior = RHYTHM_PRIOR + WEEKDAY_PRIOR * 24.0 * self.level()
        cell = (self.week_count + prior) / (self.week_expected + prior)
        return np.asarray(np.maximum(cell / (row_sum(cell) / 7.0), LEAST_RHYTHM), np.float64)

    def at(self, hours: Ints) -> Floats:
        """h g of hours since 1970."""
        return self.rhythm()[hours % 24] * self.weekday()[hours // 24 % 7]

    def learn(self, hour: int, count: float, observed: float) -> None:
        """Learn one hour since 1970: its count and the part of it that was observed, 0..1.

        Hours of silence wait for a mention: then they were a lull, or so long that they were a gap and teach nothing.
        """
        if observed <= 0:
            return
        if count == 0 and self.weight >= SETTLED:
            self.silent.append((hour, observed))
            self.silence += self.level() * float(self.at(np.array([hour]))[0]) * observed
            if self.silence >= IMPROBABLE * self.dispersion():
                self.silent.clear()
            return
        for quiet_hour, part in self.silent:
            self._learn(quiet_hour, 0.0, part)
        self.silent.clear()
        self.silence = 0.0
        self._learn(hour, count, observed)

    def _learn(self, hour: int, count: float, observed: float) -> None:
        at, day = hour % 24, hour // 24 % 7
        daily, weekly = float(self.rhythm()[at]), float(self.weekday()[day])
        rhythm = daily * weekly
        level = self.level() if self.weight > 0 else count / observed
        mu = level * rhythm * observed
        fade_recent = 2.0 ** (-1.0 / RECENT_HALF_LIFE)
        self.recent = self.recent * fade_recent + count
        self.recent_weight = self.recent_weight * fade_recent + rhythm * observed
        if self.weight >= GATED_FROM:
            count = min(count, mu + GATE * float(np.sqrt(self.dispersion() * mu)) + 3.0)
        fade = 2.0 ** (-1.0 / LEVEL_HALF_LIFE)
        if self.weight >= SETTLED:
            self.spread = self.spread * fade + (count - mu) ** 2 / max(mu, 0.5)
            self.spread_weight = self.spread_weight * fade + 1.0
        # On the first day the level itself follows the rhythm, so what it teaches about the rhythm counts little.
        trust = min(self.weight / SETTLED, 1.0) ** 2
        fade_cell = 2.0 ** (-1.0 / RHYTHM_HALF_LIFE)
        self.day_count[at] = self.day_count[at] * fade_cell + trust * count
        self.day_expected[at] = self.day_expected[at] * fade_cell + trust * level * weekly * observed
        fade_day = 2.0 ** (-1.0 / (24.0 * WEEKDAY_HALF_LIFE))
        self.week_count[day] = self.week_count[day] * fade_day + trust * count
        self.week_expected[day] = self.week_expected[day] * fade_day + trust * level * daily * observed
        self.counts = self.counts * fade + count
        self.weight = self.weight * fade + rhythm * observed
        if self.weight >= SETTLED:
            self._follow(observed)

    def _follow(self, observed: float) -> None:
        """Take a level that lasts for the new one, and the old one again if it comes back."""
        recent, level = self.recent / self.recent_weight, self.level()
        self.away = self.away + observed if recent > RELEASE_FROM * level else 0.0
        self.age += observed
        if self.before is not None:
            self.back = self.back + observed if recent < math.sqrt(level * self.before) else 0.0
            if self.back >= BACK_HOURS:
                self.counts = self.before * self.weight
            if self.back >= BACK_HOURS or self.age > FORGET_HOURS:
                self.before, self.back = None, 0.0
        if self.away >= RELEASE_HOURS:
            self.before, self.away, self.age = level if self.before is None else self.before, 0.0, 0.0
            self.counts = recent * self.weight

"""Counts: surges in a bare series of counts, for those who have volumes and nothing else.

No texts, no authors, no tone: a surge here says that something is going on, not that it does harm. The engine of
`engine.py` is the better judge wherever there are mentions.

Log ratio. With N the count in a window of w hours that ends in a bin, and mu what the baseline expects in it,
x_w = ln((N + kappa) / (mu + kappa)). Windows of 5, 15, 30 and 60 minutes are judged side by side, since a burst has
the length it has.

Baseline. mu = L h(hour of day) g(day of the week, if asked for): L an exponentially weighted mean of counts over
rhythm (half-life 7 days of observed hours), h the same per hour of day (half-life 14 visits) and g per day of the
week, drawn towards 1 by pseudo-counts. Gated: an hour teaches at most mu + 4 sqrt(phi mu) + 3, phi being variance
over mean of the series' own hours (Noufaily et al. 2013 weight past outbreaks down to the same end). Delayed: hour H
is learned at the end of hour H + 1, so a window under test has not trained what it is compared with. Released: where
the level of the last half day has stood above one and a half times L for 72 observed hours, it is the new L; should
it fall back within two weeks, the old one is taken up again. Silence: zeros that are very improbable in a row (8
nats, Poisson over phi) are a feed that is down: as unobserved as rows that are missing.

Return period. The largest x_w of a day is Gumbel distributed (DAYS, SCALE below; Coles 2001, ch. 3), so y_w = (x_w -
loc_w) / s_w means the same on every series and in every window: it is exceeded once in 1 / (1 - exp(-exp(-y))) days.
loc_w and s_w come from the series' own past days by L-moments (Hosking 1990) and are drawn to what is usual for
brands, so that the first days are judged soberly and a series with heavy bursts (a larger s) earns fewer alarms.

Score. y = max y_w - ln 1.5, since four windows that overlap are exceeded as often as one and a half that do not. It
gives the return period R in days; the score is R / (R + R0), R0 = 30 / N days for a budget of N alarms a month,
rounded down to the ladder R = R0 3^k, k whole: 0.1, 0.25, 0.5, 0.75, 0.9, ... Finer would be false precision. A row
at 0.5 or more is the first row of an alarm; its other rows, those of the 24 hours that follow, are 0. What goes on
for longer is an alarm again.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from detectors.columns import Floats, Ints, ln, row_sum

HOUR = 3600
DAY = 86400
LONGEST_BIN = HOUR
"""Coarser bins than this know no rhythm of the day."""

WINDOWS = (5, 15, 30, 60)
"""Minutes. Shorter ones than a bin are one bin."""
SMALL = 2.0
"""kappa: keeps two mentions where none is expected from being a surge, as in score.py."""
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

DAYS = 56
SCALE = 0.35
"""Usual scale of the daily maxima of x over brands, as PRIOR_SCALE in budget.py."""
SCALE_DAYS = 14.0
LEAST_SCALE = 0.05
LOCATION_AT_HOUR = 0.55
LOCATION_SLOPE = 0.3
"""Usual location over brands: 0.55 - 0.3 ln(w), w in hours. Short windows are noisier."""
LOCATION_DAYS = 4.0
CAP = 6.0
"""A day teaches at most loc + 6 s, the level of one day in 400: one enormous burst does not deafen the detector."""
TOGETHER = math.log(1.5)
"""ln of how many windows without overlap would be exceeded as often, measured on simulated calm series."""
DAY_SEEN = 0.5
"""Part of a day that must have been observed for its maximum to count."""
EULER = 0.5772156649015329

REARM = DAY
"""Seconds of an alarm: at most one a day, and a second surge on the next day is never hidden by the first."""
RUNG = 3.0
LOWEST_RUNG, HIGHEST_RUNG = -2, 12
ALARM = 0.5 - 1e-9


@dataclass(frozen=True)
class CountsConfig:
    """What can be set."""

    budget: float = 3.0
    """How many alarms a month are acceptable while nothing is the matter."""
    weekdays: bool = False
    """Whether days of the week have a rhythm of their own (g): for calm series with quiet weekends. On bursty ones it
    earns a few more alarms and finds no more."""

    def __post_init__(self) -> None:
        if not 0.0 < self.budget < 30.0:
            raise ValueError(f"a budget must be above 0 and below 30 alarms a month, not {self.budget:g}")


def score_counts(times: Ints, counts: Floats, width: int, config: CountsConfig | None = None) -> Floats:
    """Anomaly scores of a series of counts, in [0, 1], each from what lies before it and itself only.

    Parameters
    ----------
    times : (n,) int64
        Start of each bin in seconds since 1970, at least half a bin apart. A jump is a gap, in which nothing was
        observed: it teaches nothing and is expected to hold nothing.
    counts : (n,) float64
        Mentions in each bin, not negative; nan where it was not observed (scored 0).
    width : int
        Seconds of a bin, at most an hour.

    Returns
    -------
    (n,) float64
        R / (R + R0) on the ladder described above. 0 in the first day, and in an alarm after its first row.

    Raises
    ------
    ValueError
        Times out of order, negative or infinite counts, bins of more than an hour.
    """
    config = config or CountsConfig()
    _check(times, counts, width)
    if not len(times):
        return np.zeros(0)
    return _alarms(times, _standardised(times, counts, width, config.weekdays), config.budget)


def log_ratios(times: Ints, counts: Floats, width: int, weekdays: bool = False) -> tuple[Floats, Floats]:
    """x_w of every window, (windows, n), nan where not known, and the widths of the windows in hours, (windows,).

    Arguments as in `score_counts` and `CountsConfig`.
    """
    seen = ~np.isnan(counts)
    silence = 0.0  # expected since the last mention
    values = np.where(seen, counts, 0.0)
    hour = times // HOUR
    # Only hours with rows in them; a gap of years costs nothing.
    hours, start = np.unique(hour, return_index=True)
    stop = np.append(start[1:], len(times))
    bins = np.array(sorted({max(round(60 * minutes / width), 1) for minutes in WINDOWS}), np.int64)
    # A window is a span of time, so that a gap in it makes it shorter, not longer.
    begins = [np.searchsorted(times, times - (b - 1) * width - width // 2, side="left") for b in bins]
    total = np.concatenate([[0.0], np.cumsum(values)])
    baseline = _Baseline(weekdays)
    x = np.full((len(bins), len(times)), np.nan)
    waiting: list[tuple[int, float, float]] = []
    for h, a, b in zip(hours.tolist(), start.tolist(), stop.tolist(), strict=True):
        while waiting and waiting[0][0] < h - 1:
            baseline.learn(*waiting.pop(0))
        if baseline.weight >= 1.0:
            reach = int(min(begin[a] for begin in begins))
            expected = baseline.level() * width / HOUR * baseline.at(hour[reach:b]) * seen[reach:b]
            summed = np.concatenate([[0.0], np.cumsum(expected)])
            at = np.arange(a, b)
            for w, begin in enumerate(begins):
                low = begin[a:b]
                count = total[at + 1] - total[low]
                mu = summed[at + 1 - reach] - summed[low - reach]
                x[w, a:b] = np.where(seen[a:b], ln((count + SMALL) / (np.maximum(mu, 0.0) + SMALL)), np.nan)
            if baseline.weight < GATED_FROM:
                x[:, a:b] = np.nan
            since = _since_last(values[a:b], expected[a - reach :], silence)
            silence = float(since[-1])
            if baseline.weight >= SETTLED:
                down = (values[a:b] == 0) & (since >= IMPROBABLE * baseline.dispersion())
                x[:, a:b][:, down] = np.nan
                seen[a:b] &= ~down
        observed = min(float(np.sum(seen[a:b])) * width / HOUR, 1.0)
        waiting.append((h, float(total[b] - total[a]), observed))
    return x, bins * width / HOUR


def _since_last(values: Floats, expected: Floats, before: float) -> Floats:
    """Expected since the last row that is not zero, at each row; `before` at the row before the first."""
    total = np.cumsum(expected)
    return np.asarray(total - np.maximum.accumulate(np.where(values > 0, total, -before)), np.float64)


class _Baseline:
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


def gumbel(maxima: Floats, usual_location: float) -> tuple[float, float]:
    """Location and scale of daily maxima (days,), drawn to what is usual.

    s = l2 / ln 2 and loc = l1 - 0.5772 s (Hosking 1990) with ln s <- (n ln s + k ln s0) / (n + k), k = 14 (1 - n / 56),
    and l1 <- (n l1 + 4 (loc0 + 0.5772 s0)) / (n + 4). What is usual fades as the memory fills up with days of the
    series' own: a calm series then has as many alarms as were asked for, and so has a bursty one.
    """
    n = len(maxima)
    usual = usual_location + EULER * SCALE
    if not n:
        return usual_location, SCALE
    ordered = np.sort(maxima)
    mean = float(row_sum(ordered)) / n
    own = LEAST_SCALE
    if n > 1:
        b1 = float(row_sum(ordered * np.arange(n))) / (n * (n - 1))
        own = max((2.0 * b1 - mean) / math.log(2.0), LEAST_SCALE)
    prior = SCALE_DAYS * max(1.0 - n / DAYS, 0.0)
    known = n if n > 1 else 0
    scale = math.exp((known * math.log(own) + prior * math.log(SCALE)) / (known + prior))
    return (n * mean + LOCATION_DAYS * usual) / (n + LOCATION_DAYS) - EULER * scale, scale


def _standardised(times: Ints, counts: Floats, width: int, weekdays: bool) -> Floats:
    """y of every row, (n,); -inf where there is none."""
    x, hours = log_ratios(times, counts, width, weekdays)
    usual = LOCATION_AT_HOUR - LOCATION_SLOPE * ln(hours)
    day = (times - times[0]) // DAY
    days, start = np.unique(day, return_index=True)
    stop = np.append(start[1:], len(times))
    y = np.full(len(times), -np.inf)
    known = ~np.isnan(x[0])
    maxima: list[Floats] = []
    for d, a, b in zip(days.tolist(), start.tolist(), stop.tolist(), strict=True):
        past = np.array(maxima[-DAYS:])
        fits = [gumbel(past[:, w] if len(past) else np.zeros(0), float(usual[w])) for w in range(len(x))]
        location, scale = (np.array(part)[:, None] for part in zip(*fits, strict=True))
        here = x[:, a:b]
        if d > 0:
            y[a:b] = np.where(known[a:b], np.max((here - location) / scale, axis=0) - TOGETHER, -np.inf)
        if np.sum(known[a:b]) * width >= DAY_SEEN * DAY:
            maxima.append(np.minimum(np.nanmax(here, axis=1), (location + CAP * scale)[:, 0]))
    return y


def ladder(budget: float) -> tuple[Floats, Floats]:
    """Levels of y, ascending, and the score of a row that has reached each, for a budget of alarms a month."""
    days = 30.0 / budget * RUNG ** np.arange(LOWEST_RUNG, HIGHEST_RUNG + 1.0)
    days = days[days > 1.0]
    return -np.log(-np.log1p(-1.0 / days)), days / (days + 30.0 / budget)


def _alarms(times: Ints, y: Floats, budget: float) -> Floats:
    """Scores on the ladder; of each alarm only the first row."""
    levels, scores = ladder(budget)
    score = np.concatenate([[0.0], scores])[np.searchsorted(levels, y, side="right")]
    high = np.nonzero(score >= ALARM)[0]
    at = 0
    while at < len(high):
        first = high[at]
        end = np.searchsorted(times, times[first] + REARM, side="right")
        score[first + 1 : end] = 0.0
        at = int(np.searchsorted(high, end))
    return score


def _check(times: Ints, counts: Floats, width: int) -> None:
    if not 0 < width <= LONGEST_BIN:
        raise ValueError(f"bins must be at most an hour wide, not {width} s")
    if times.shape != counts.shape:
        raise ValueError("times and counts differ in length")
    steps = np.diff(times)
    if np.any(steps <= 0):
        raise ValueError("times must increase")
    if np.any(counts < 0) or np.any(np.isinf(counts)):
        raise ValueError("counts must be finite and not negative")

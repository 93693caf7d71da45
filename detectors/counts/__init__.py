"""Counts: surges in a bare series of counts, for those who have volumes and nothing else.

No texts, no authors, no tone: a surge here says that something is going on, not that it does harm. The engine of
`engine.py` is the better judge wherever there are mentions.

Log ratio. With N the count in a window of w hours that ends in a bin, and mu what the baseline expects in it,
x_w = ln((N + kappa) / (mu + kappa)). Windows of 5, 15, 30 and 60 minutes are judged side by side, since a burst has
the length it has.

Baseline: `baseline.py`. How rare a log ratio is: `return_period.py`.

Score. y = max y_w - ln 1.5, since four windows that overlap are exceeded as often as one and a half that do not. It
gives the return period R in days; the score is R / (R + R0), R0 = 30 / N days for a budget of N alarms a month,
rounded down to the ladder R = R0 3^k, k whole: 0.1, 0.25, 0.5, 0.75, 0.9, ... Finer would be false precision. A row
at 0.5 or more is the first row of an alarm; its other rows, those of the 24 hours that follow, are 0. What goes on
for longer is an alarm again.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from detectors.columns import Floats, Ints, ln
from detectors.counts.baseline import GATED_FROM, IMPROBABLE, SETTLED, Baseline
from detectors.counts.return_period import DAY, standardised

HOUR = 3600
LONGEST_BIN = HOUR
"""Coarser bins than this know no rhythm of the day."""
LARGEST_COUNT = 1e12
"""A row with more is a mistake, and in sums over a year rounding would hide all others."""

WINDOWS = (5, 15, 30, 60)
"""Minutes. Shorter ones than a bin are one bin."""
SMALL = 2.0
"""kappa: keeps two mentions where none is expected from being a surge, as in score.py."""

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
        Mentions in each bin, 0 to 1e12; nan where it was not observed (scored 0).
    width : int
        Seconds of a bin, at most an hour.

    Returns
    -------
    (n,) float64
        R / (R + R0) on the ladder described above. 0 in the first day, and in an alarm after its first row.

    Raises
    ------
    ValueError
        Times out of order, negative counts or such above 1e12, bins of more than an hour.
    """
    config = config or CountsConfig()
    _check(times, counts, width)
    if not len(times):
        return np.zeros(0)
    x, hours = log_ratios(times, counts, width, config.weekdays)
    return _alarms(times, standardised(times, x, hours, width), config.budget)


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
    baseline = Baseline(weekdays)
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
    if np.any(counts < 0) or np.any(counts > LARGEST_COUNT):
        raise ValueError(f"counts must not be negative or above {LARGEST_COUNT:g}")

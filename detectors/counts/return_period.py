"""How rare a log ratio is: the return period, from the daily maxima of the series itself.

The largest x_w of a day is Gumbel distributed (DAYS, SCALE below; Coles 2001, ch. 3), so y_w = (x_w -
loc_w) / s_w means the same on every series and in every window: it is exceeded once in 1 / (1 - exp(-exp(-y))) days.
loc_w and s_w come from the series' own past days by L-moments (Hosking 1990) and are drawn to what is usual for
brands, so that the first days are judged soberly and a series with heavy bursts (a larger s) earns fewer alarms.

A day counts from half of what is usually observed of one (the median of the past 56 days with anything in them) on: a
series of opening hours is calibrated on its own days, and a day that was cut short teaches no lower maximum.

Four windows that overlap are exceeded as often as one and a half that do not: y = max y_w - ln 1.5.
"""

from __future__ import annotations

import math

import numpy as np

from detectors.columns import Floats, Ints, ln, row_sum

DAY = 86400
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
"""Part of a usual day that must have been observed for its maximum to count."""
USUAL_FROM = 3
"""Days from which it is known how much is usually observed of a day; a whole one before."""
EULER = 0.5772156649015329


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


def standardised(times: Ints, x: Floats, hours: Floats, width: int) -> Floats:
    """y of every row, (n,); -inf where there is none.

    Parameters
    ----------
    times : (n,) int64
        Seconds since 1970.
    x : (windows, n) float64
        Log ratio in each window, nan where not known.
    hours : (windows,) float64
        Widths of the windows.
    width : int
        Seconds of a bin.
    """
    usual = LOCATION_AT_HOUR - LOCATION_SLOPE * ln(hours)
    day = (times - times[0]) // DAY
    days, start = np.unique(day, return_index=True)
    stop = np.append(start[1:], len(times))
    y = np.full(len(times), -np.inf)
    known = ~np.isnan(x[0])
    maxima: list[Floats] = []
    observed: list[float] = []  # seconds of each past day that had any
    for d, a, b in zip(days.tolist(), start.tolist(), stop.tolist(), strict=True):
        past = np.array(maxima[-DAYS:])
        fits = [gumbel(past[:, w] if len(past) else np.zeros(0), float(usual[w])) for w in range(len(x))]
        location, scale = (np.array(part)[:, None] for part in zip(*fits, strict=True))
        here = x[:, a:b]
        if d > 0:
            y[a:b] = np.where(known[a:b], np.max((here - location) / scale, axis=0) - TOGETHER, -np.inf)
        seconds = float(np.sum(known[a:b])) * width
        if not seconds:
            continue
        usually = float(np.median(observed[-DAYS:])) if len(observed) >= USUAL_FROM else DAY
        observed.append(seconds)
        if seconds >= DAY_SEEN * usually:
            maxima.append(np.minimum(np.nanmax(here, axis=1), (location + CAP * scale)[:, 0]))
    return y

"""The rhythm of a brand's share of negative authors: by the hour of the day, and by the quarters of the days of a week.

A cell holds the negative authors that were counted in its hours, and those that as many authors would have at the
brand's usual share; so it tells nothing of volume. Their ratio r is noisy, as negatives are few and a share wanders
from hour to hour and from day to day. So it is drawn towards 1, by how much it differs beyond what chance does
("nonnegative garrote", Breiman, 1995):

    factor = 1 + max(0, 1 - (Z / z)^2) (r - 1)
    z^2 = (r - 1)^2 / (max(r, 1) / e + (rho / p + WANDER^2) / (visits - 1))

e being what was expected, p the usual share and rho its correlation within an hour (score.CORRELATION). What happened
once is no rhythm, however plain: a first visit tells nothing, and of an hour far from what was expected only as much
counts as chance may do (`most`). Most brands have no such rhythm, and then nearly every factor is 1. The 168 hours of
a week would hold too few negatives each to tell.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors.columns import Floats, Ints, clipped

QUARTER_HOURS = 6
DAY_CELLS, WEEK_CELLS = 24, 168 // QUARTER_HOURS
CELLS = DAY_CELLS + WEEK_CELLS
"""Those of the day, and then those of the week."""
Z = 2.0
"""Standard errors by which a cell must differ to be believed at all."""
WANDER = 0.3
"""Standard deviation of the log of the share from one day to the next."""
MOST_VISITS = 20.0
"""What visits with a half-life of fourteen add up to."""
RANGE = (0.25, 4.0)
_MOST_HELD = 16_384.0
"""Half precision ends at 65,504."""
_DAYS_A_VISIT = np.repeat([1.0, 7.0], [DAY_CELLS, WEEK_CELLS])


def cells(local_hour: Ints) -> tuple[Ints, Ints]:
    """The cell of the day and that of the week for hours since 1970 of the brand's own clock."""
    return local_hour % DAY_CELLS, DAY_CELLS + local_hour % 168 // QUARTER_HOURS


def factors(count: NDArray[Any], expected: NDArray[Any], spread: Floats, days: Floats) -> Floats:
    """By how much the share of each cell is taken to differ, (n, CELLS).

    Parameters
    ----------
    count, expected : (n, CELLS)
    spread : (n,) rho / p
    days : (n,) learned from
    """
    k, e = count.astype(np.float64), expected.astype(np.float64)
    off = k - e
    visits = clipped(days[:, None] / _DAYS_A_VISIT - 1.0, 1e-3, MOST_VISITS)
    # Where next to nothing is expected, a single one would be many standard errors of that.
    noise = np.maximum(k, e) + e * e * ((spread + WANDER * WANDER)[:, None] / visits)
    told = np.maximum(1.0 - Z * Z * noise / np.maximum(off * off, 1e-9), 0.0)
    return clipped(1.0 + told * (off / np.maximum(e, 1e-9)), *RANGE)


def most(expected: Floats, phi: Floats) -> Floats:
    """How many negative authors an hour teaches at most, (n,), `phi` being their variance over their mean."""
    return np.maximum(np.minimum(expected + 2.0 * np.sqrt(phi * expected), 1.5 * expected + 5.0), 1.0)


def add(
    count: NDArray[np.float16],
    expected: NDArray[np.float16],
    at: Ints,
    fade: Floats,
    more: Floats,
    more_expected: Floats,
) -> None:
    """Let some cells fade and add to them; `at` counts cells from the first one of the first row on."""
    k = count.take(at).astype(np.float64) * fade + more
    e = expected.take(at).astype(np.float64) * fade + more_expected
    # Only the ratio matters where both are so large.
    fits = _MOST_HELD / np.maximum(np.maximum(k, e), _MOST_HELD)
    # A column is contiguous (see Columns), so these are views.
    count.reshape(-1)[at] = k * fits
    expected.reshape(-1)[at] = e * fits

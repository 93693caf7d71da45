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

DAY_CELLS, WEEK_CELLS = 24, 28
QUARTER_HOURS = 6
Z = 2.0
"""Standard errors by which a cell must differ to be believed at all."""
WANDER = 0.3
"""Standard deviation of the log of the share from one day to the next."""
MOST_VISITS = 20.0
"""What visits with a half-life of fourteen add up to."""
RANGE = (0.25, 4.0)
_MOST_HELD = 16_384.0
"""Half precision ends at 65,504."""


def cells(local_hour: Ints) -> tuple[Ints, Ints]:
    """Cells of the day and of the week for hours since 1970 of the brand's own clock."""
    return local_hour % DAY_CELLS, local_hour % 168 // QUARTER_HOURS


def factors(count: NDArray[Any], expected: NDArray[Any], spread: Floats, visits: Floats) -> Floats:
    """By how much the share of each cell is taken to differ, (n, cells).

    Parameters
    ----------
    count, expected : (n, cells)
    spread : (n,) rho / p
    visits : (n,) days behind each cell
    """
    k, e = count.astype(np.float64), expected.astype(np.float64)
    off = k - e
    of_visits = (spread + WANDER * WANDER) / clipped(visits - 1.0, 1e-3, MOST_VISITS)
    # Where next to nothing is expected, a single one would be many standard errors of that.
    noise = np.maximum(k, e) + e * e * of_visits[:, None]
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
    """Let one cell of each row fade and add to it; `at` counts cells from the first one of the first row on."""
    k = count.take(at).astype(np.float64) * fade + more
    e = expected.take(at).astype(np.float64) * fade + more_expected
    # Only the ratio matters where both are so large.
    fits = _MOST_HELD / np.maximum(np.maximum(k, e), _MOST_HELD)
    # A column is contiguous (see Columns), so these are views.
    count.reshape(-1)[at] = k * fits
    expected.reshape(-1)[at] = e * fits

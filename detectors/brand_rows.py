"""What is known of one brand in each tick of a segment; decisions are made and explained from it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detectors.columns import Floats, Ints


@dataclass(frozen=True, slots=True)
class BrandRows:
    """One brand's rows of a segment: windows or detectors first, ticks last."""

    ticks: Ints
    counts: Ints
    """(3, 5, ticks), see windows.Windows."""
    mu: Floats
    """(5, ticks) authors expected."""
    nu: Floats
    """(5, ticks) negative authors expected."""
    raw: Floats
    """(detectors, ticks) score."""
    twice: Floats
    """(detectors, ticks) the lower one of this tick's and the tick's before."""
    worth: NDArray[np.int8]
    agree: Ints
    calm: NDArray[np.bool_]
    heard: NDArray[np.bool_]
    excess: Floats
    """(ticks,) by how many scales the page thresholds are exceeded."""
    severity: Ints
    """(ticks,) index of incidents.SEVERITY."""
    active: Ints
    """(ticks,) bits of the detectors that are not calm."""

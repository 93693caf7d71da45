"""Offsets: what is added to the scores of negative and of positive, so that neither is told too seldom or too often."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray


def best_pair(tried: Sequence[float], quality: Callable[[NDArray[np.float64]], float]) -> NDArray[np.float64]:
    """Offsets (3,) of the highest ``quality`` among all pairs of ``tried``, the first of equal ones; neutral has 0."""
    pairs = (np.array([negative, 0.0, positive]) for negative in tried for positive in tried)
    return max(pairs, key=quality)

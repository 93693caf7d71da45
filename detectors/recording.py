"""The numbers of every tick, for whoever draws or studies them; decisions do not need it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detectors.columns import Floats, Ints
from detectors.detector import Asks


@dataclass(frozen=True, slots=True)
class Recording:
    """Per-tick numbers of a block, for plots: rows are brands, columns ticks (windows: see windows.WIDTHS)."""

    detectors: tuple[str, ...]
    """Their names."""
    titles: tuple[str, ...]
    """What people read above their plots."""
    asks_for: tuple[Asks, ...]
    """The most urgent thing each may ask for."""
    ticks: Ints
    brands: Ints
    """Positions in the engine."""
    mentions: Ints
    """(5, n, ticks)"""
    authors: Ints
    negatives: Ints
    authors_expected: Floats
    negative_expected: Floats
    scores: Floats
    """(detectors, n, ticks); UNSCORED where there is none."""
    page: Floats
    """(n, detectors)"""
    ticket: Floats
    open: NDArray[np.bool_]
    """(n, ticks): an incident is open after the tick."""
    down: NDArray[np.bool_]
    """(n,)"""


Recorder = Callable[[Recording], None]

"""Where a brand stands between ticks: last scores, the running maxima of its day, what was calm and open last."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from detectors.columns import Columns, Floats, Minutes, column
from detectors.score import DETECTOR_AXIS, UNSCORED
from detectors.windows import LONG_AGO


@dataclass
class Track(Columns):
    """Per brand: where it stands between ticks."""

    start: Minutes = field(metadata=column(np.int32, fill=LONG_AGO))
    """Tick of its first member; LONG_AGO before."""
    score: Floats = field(metadata=column(np.float64, DETECTOR_AXIS, fill=UNSCORED))
    calm: Minutes = field(metadata=column(np.int32, fill=LONG_AGO))
    """The last tick at which the last hour held no more negative authors than usual."""
    last_open: Minutes = field(metadata=column(np.int32, fill=LONG_AGO))
    waiting: Minutes = field(metadata=column(np.int32))
    """Ticks whose evidence would open something less urgent than a page, less those since whose would not."""
    day_max: NDArray[np.float32] = field(metadata=column(np.float32, DETECTOR_AXIS, fill=UNSCORED))
    day_ticks: Minutes = field(metadata=column(np.int32))
    known_since: Minutes = field(metadata=column(np.int32, 2, fill=LONG_AGO))
    """Of all and of negative authors: the minute after which they are known by name, where a storm is (see storm)."""
    day_carried: NDArray[np.bool_] = field(metadata=column(np.bool_))
    """An incident was open when the day began."""

    @property
    def started(self) -> NDArray[np.bool_]:
        """(n,) whether a brand has had a member."""
        return np.asarray(self.start != LONG_AGO, np.bool_)

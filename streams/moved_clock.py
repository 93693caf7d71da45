"""Which mention moved the clock of a history forward, so that those after it came too late."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from streams.detection import TOO_LATE_TICKS
from streams.entries import Entry
from streams.records import MINUTE_US

_HOUR_US = 60 * MINUTE_US
_TOO_LATE_US = TOO_LATE_TICKS * MINUTE_US


class MovedClock:
    """Reads times in the order of the files and remembers, of each hour that the newest time reached, who was first."""

    def __init__(self) -> None:
        self._newest_us: int | None = None
        self._hours: list[int] = []
        self._first: list[Entry] = []
        self._blamed: Counter[int] = Counter()

    def take(self, us: NDArray[np.int64], entries: Sequence[Entry]) -> None:
        """Take mentions: their event times, microseconds since 1970, and where each stands."""
        if not len(us):
            return
        newest = np.maximum.accumulate(us if self._newest_us is None else np.maximum(us, self._newest_us))
        self._newest_us = int(newest[-1])
        hours, first = np.unique(newest // _HOUR_US, return_index=True)
        for hour, i in zip(hours.tolist(), first.tolist(), strict=True):
            if not self._hours or hour > self._hours[-1]:
                self._hours.append(hour)
                self._first.append(entries[i])
        late = us[newest - us > _TOO_LATE_US]
        for hour, count in zip(
            *(part.tolist() for part in np.unique(late // _HOUR_US, return_counts=True)), strict=True
        ):
            # Whoever was first more than a day ahead: without it they would have been in time.
            self._blamed[bisect_right(self._hours, hour + _TOO_LATE_US // _HOUR_US)] += count

    @property
    def mover(self) -> Entry | None:
        """The mention for whose sake most came more than a day too late; None where none did."""
        blamed = [(count, -i) for i, count in self._blamed.items() if i < len(self._first)]
        return self._first[-max(blamed)[1]] if blamed else None

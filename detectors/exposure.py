"""Exposure: how much of a brand's usual rhythm the observed part of each window holds.

The expected count of a window is level times exposure, the exposure being the sum of the shape (hour of day, hour of
week; see baseline.py) over the minutes of the window that are not in a gap, in hours. The shape is laid out once an
hour with its running sums, so that a window costs two look-ups.
"""

from __future__ import annotations

import datetime as dt
import zoneinfo
from collections.abc import Sequence

import numpy as np

from detectors.baseline import HISTORY, Baseline
from detectors.columns import Floats, Ints
from detectors.gaps import Gaps
from detectors.windows import WIDTHS

_ROW = np.array(WIDTHS, np.int64)[:, None]


class Exposure:
    """The rhythm around one hour, of n brands.

    Parameters
    ----------
    time_zones : (n,) IANA names
    """

    def __init__(self, time_zones: Sequence[str]) -> None:
        n = len(time_zones)
        self._zones = sorted(set(time_zones))
        zone_at = {z: j for j, z in enumerate(self._zones)}
        self._zone = np.array([zone_at[z] for z in time_zones], np.int64)
        self._hour: int | None = None
        self._shape = np.zeros((n, HISTORY + 1))
        self.local = np.zeros(n, np.int64)
        """(n,) the hour in the brand's time zone, hours since 1970."""

    def prepare(self, hour: int, baseline: Baseline) -> None:
        """Lay out the shape of the hours that windows of this hour reach, and its running sums."""
        if self._hour == hour:
            return
        start = dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(hours=hour)
        offset = []
        for name in self._zones:
            shift = start.astimezone(zoneinfo.ZoneInfo(name)).utcoffset()
            offset.append(0 if shift is None else int(shift.total_seconds() // 3600))
        self.local = hour + np.array(offset, np.int64)[self._zone]
        hours = self.local[:, None] + np.arange(1 - HISTORY, 1)
        self._shape[:, :HISTORY] = baseline.shape(hours)
        self._hour = hour

    def outdated(self) -> None:
        """The baseline has learned: lay out anew before the next look."""
        self._hour = None

    def shape(self, hours_ago: int) -> Floats:
        """(n,) shape of this hour (0), or of an earlier one."""
        return np.ascontiguousarray(self._shape[:, HISTORY - 1 - hours_ago])

    def of_windows(self, ticks: Ints, gaps: Gaps) -> Floats:
        """Sum of the shape over the observed part of each window, in hours: (5, n, ticks)."""
        base = _base(ticks)
        reach = self._running()
        upper = ticks + 1 - base
        lower = upper - _ROW
        edges = self._until(reach, np.concatenate([upper[None], lower]))
        out = np.ascontiguousarray(np.moveaxis(edges[:, :1] - edges[:, 1:], 0, 1))
        special = gaps.near(int(ticks[0]))
        if len(special):
            low, high = lower[:, None, :], upper[None, None, :]
            for slot in range(gaps.since.shape[1]):
                since = (gaps.since[special, slot] - base)[None, :, None]
                until = (gaps.until[special, slot] + 1 - base)[None, :, None]
                if not (until > 0).any():
                    continue
                begin, end = np.clip(since, low, high), np.clip(until, low, high)
                inside = self._until_each(reach, special, end) - self._until_each(reach, special, begin)
                out[:, special] = out[:, special] - np.where(end > begin, inside, 0.0)
        return np.maximum(out, 0.0)

    def of_span(self, i: int, begin: int, until: int, ticks: Ints, gaps: Gaps) -> Floats:
        """Sum of brand i's shape over the observed minutes of each window that lie in begin..until, in hours:
        (5, ticks). `until` is not in it."""
        base = _base(ticks)
        upper = ticks + 1 - base
        low, high = np.clip(upper - _ROW, begin - base, until - base), np.clip(upper, begin - base, until - base)
        shape = self._shape[i]
        reach = np.concatenate([[0.0], np.cumsum(shape[:HISTORY])])

        def until_minute(offset: Ints) -> Floats:
            return np.asarray(reach[offset // 60] + shape[offset // 60] * ((offset % 60) / 60.0), np.float64)

        inside = until_minute(high) - until_minute(low)
        for since, last in zip(gaps.since[i].tolist(), gaps.until[i].tolist(), strict=True):
            start, end = np.clip(since - base, low, high), np.clip(last + 1 - base, low, high)
            if (end > start).any():
                inside = inside - np.where(end > start, until_minute(end) - until_minute(start), 0.0)
        return np.asarray(np.maximum(inside, 0.0), np.float64)

    def of_minutes(self, ticks: Ints, width: int) -> Floats:
        """Sum of the shape over the last `width` minutes, gaps or not, in hours: (n, ticks)."""
        upper = ticks + 1 - _base(ticks)
        reach = self._running()
        return self._until(reach, upper) - self._until(reach, upper - width)

    def _running(self) -> Floats:
        """Sums of the shape up to the beginning of each hour: (n, HISTORY + 1). Made anew each time, since to keep them
        would take as much memory as the shape."""
        reach = np.zeros_like(self._shape)
        np.cumsum(self._shape[:, :HISTORY], axis=1, out=reach[:, 1:])
        return reach

    def _until(self, reach: Floats, offset: Ints) -> Floats:
        """Running sum of the shape up to these minutes since the first hour in reach: (n, ...) from (...)."""
        hour, rest = offset // 60, (offset % 60) / 60.0
        return np.asarray(reach.take(hour, 1) + self._shape.take(hour, 1) * rest, np.float64)

    def _until_each(self, reach: Floats, brands: Ints, offset: Ints) -> Floats:
        """The same for offsets per brand: (windows, brands, ticks)."""
        hour, rest = offset // 60, (offset % 60) / 60.0
        row = brands[None, :, None]
        return np.asarray(reach[row, hour] + self._shape[row, hour] * rest, np.float64)

    def nbytes(self) -> int:
        """Bytes of the shape."""
        return self._shape.nbytes


def _base(ticks: Ints) -> int:
    """The first minute in reach of these ticks, which lie within one hour."""
    return 60 * (int(ticks[0]) // 60 - (HISTORY - 1))

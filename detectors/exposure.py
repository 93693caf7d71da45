"""Exposure: how much of a brand's usual rhythm the observed part of each window holds.

The expected count of a window is level times exposure, the exposure being the sum of the shape (hour of day, hour of
week; see baseline.py) over the minutes of the window that are not in a gap, in hours. The shape is laid out once an
hour with its running sums, so that a window costs two look-ups. There are two of each: one for all authors and one for
negative ones, whose share has a rhythm of its own.
"""

from __future__ import annotations

import datetime as dt
import zoneinfo
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from detectors.baseline import HISTORY, Baseline
from detectors.columns import Floats, Ints, Minutes
from detectors.gaps import Gaps
from detectors.windows import WIDTHS

ALL, NEGATIVE = 0, 1
"""First axis of shapes and exposures: of authors, and of negative authors."""
_ROW = np.array(WIDTHS, np.int64)[:, None]
_HOURS = np.arange(1 - HISTORY, 1)

Shape = NDArray[np.float32]
"""(2, ..., HISTORY + 1). Single precision, since every brand's is held."""


class Exposure:
    """The rhythm around one hour, of n brands.

    Parameters
    ----------
    time_zones : (n,) IANA names
    """

    def __init__(self, time_zones: Sequence[str]) -> None:
        n = len(time_zones)
        self._zones = tuple(sorted(set(time_zones)))
        zone_at = {z: j for j, z in enumerate(self._zones)}
        self._zone = np.array([zone_at[z] for z in time_zones], np.int64)
        self._hour: int | None = None
        self._shape: Shape = np.zeros((2, n, HISTORY + 1), np.float32)
        self.local = np.zeros(n, np.int64)
        """(n,) the hour in the brand's time zone, hours since 1970."""

    def prepare(self, hour: int, baseline: Baseline) -> None:
        """Lay out the shape of the hours that windows of this hour reach, and its running sums."""
        if self._hour == hour:
            return
        local = self.local_hour(hour)
        self.lay_out(hour, local, baseline.shapes(in_reach(local)))

    def local_hour(self, hour: int) -> Ints:
        """(n,) an hour since 1970 in the brand's time zone."""
        return self.local_hours(hour, 1)[:, 0]

    def local_hours(self, first: int, hours: int) -> Ints:
        """(n, hours) hours one after the other, of which `first` is the first."""
        every = range(first, first + hours)
        shifts = np.array([_shifts(self._zones, hour) for hour in every], np.int64)[:, self._zone]
        return np.ascontiguousarray((np.array(every)[:, None] + shifts).T)

    def lay_out(self, hour: int, local: Ints, shapes: Floats) -> None:
        """Take the shapes (2, n, HISTORY) of the hours `in_reach`."""
        self.local = local
        self._shape[:, :, :HISTORY] = shapes
        self._hour = hour

    def outdated(self) -> None:
        """The baseline has learned: lay out anew before the next look."""
        self._hour = None

    def shape(self, hours_ago: int) -> Floats:
        """(2, n) shape of this hour (0), or of an earlier one."""
        return self._shape[:, :, HISTORY - 1 - hours_ago].astype(np.float64)

    def of_windows(self, ticks: Ints, gaps: Gaps) -> Floats:
        """Sum of the shape over the observed part of each window, in hours: (2, 5, n, ticks)."""
        base = _base(ticks)
        near = gaps.near(int(ticks[0]))
        return observed(self._shape, ticks - base, near, gaps.since[near] - base, gaps.until[near] - base)

    def of_hour(self, tick: int, gaps: Gaps) -> Floats:
        """The same for authors in the hour whose last tick this is, (n,)."""
        if (gaps.until > tick - 60).any():
            return self.of_windows(np.array([tick]), gaps)[ALL, WIDTHS.index(60), :, 0]
        reach = running(self._shape[ALL])
        return np.asarray(reach[:, HISTORY] - reach[:, HISTORY - 1], np.float64)

    @property
    def laid_out(self) -> Shape:
        """(2, n, HISTORY + 1) shape of the hours that windows of this hour reach, ascending, and a zero."""
        return self._shape

    def of_span(self, i: int, begin: int, until: int, ticks: Ints, gaps: Gaps) -> Floats:
        """Sum of brand i's shape over the observed minutes of each window that lie in begin..until, in hours:
        (2, 5, ticks). `until` is not in it."""
        base = _base(ticks)
        upper = ticks + 1 - base
        low, high = np.clip(upper - _ROW, begin - base, until - base), np.clip(upper[None], begin - base, until - base)
        shape = self._shape[:, i]
        reach = running(shape)

        def until_minute(offset: Ints) -> Floats:
            return _until(reach, shape, offset)

        inside = until_minute(high) - until_minute(low)
        for since, last in zip(gaps.since[i].tolist(), gaps.until[i].tolist(), strict=True):
            start, end = np.clip(since - base, low, high), np.clip(last + 1 - base, low, high)
            if (end > start).any():
                inside = inside - np.where(end > start, until_minute(end) - until_minute(start), 0.0)
        return np.asarray(np.maximum(inside, 0.0), np.float64)

    def of_minutes(self, ticks: Ints, width: int) -> Floats:
        """Sum of the shape for authors over the last `width` minutes, gaps or not, in hours: (n, ticks)."""
        return of_minutes(self._shape[ALL], ticks - _base(ticks), width)

    def nbytes(self) -> int:
        """Bytes of the shape."""
        return self._shape.nbytes


def in_reach(local: Ints) -> Ints:
    """Hours that windows of hours (...) reach, (..., HISTORY)."""
    return np.asarray(local[..., None] + _HOURS, np.int64)


def _shifts(zones: Sequence[str], hour: int) -> list[int]:
    """By how many hours each zone is ahead of UTC in an hour since 1970."""
    if zones == ("UTC",):
        return [0]
    start = dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(hours=hour)
    shifts = (start.astimezone(zoneinfo.ZoneInfo(name)).utcoffset() for name in zones)
    return [0 if shift is None else int(shift.total_seconds() // 3600) for shift in shifts]


def _base(ticks: Ints) -> int:
    """The first minute in reach of these ticks, which lie within one hour."""
    return 60 * (int(ticks[0]) // 60 - (HISTORY - 1))


def observed(shape: Shape, offset: Ints, near: Ints, since: Minutes, until: Minutes) -> Floats:
    """Sum of the shape over the observed part of each window, in hours: (2, 5, rows, ticks).

    Parameters
    ----------
    shape : (2, rows, HISTORY + 1), as `Exposure.laid_out`
    offset : (ticks,) minutes from the first one in reach, of the last hour in it
    near : rows with gaps that are in reach
    since, until : (near, SLOTS) their gaps, as minutes from the first one in reach
    """
    reach = running(shape)
    upper = offset + 1
    lower = upper - _ROW
    edges = _until(reach, shape, np.concatenate([upper[None], lower]))
    out = np.empty((2, len(WIDTHS), shape.shape[1], len(offset)))
    np.subtract(edges[:, :, :1], edges[:, :, 1:], out=np.moveaxis(out, 2, 1))
    if len(near):
        low, high = lower[:, None, :], upper[None, None, :]
        for slot in range(since.shape[1]):
            first, end = since[None, :, slot, None], until[None, :, slot, None] + 1
            if not (end > 0).any():
                continue
            begin, end = np.clip(first, low, high), np.clip(end, low, high)
            inside = _until_each(reach, shape, near, end) - _until_each(reach, shape, near, begin)
            out[:, :, near] = out[:, :, near] - np.where(end > begin, inside, 0.0)
    return np.maximum(out, 0.0, out=out)


def of_minutes(shape: Shape, offset: Ints, width: int) -> Floats:
    """Sum of the shape over the last `width` minutes, in hours: (..., rows, ticks); parameters as `observed`."""
    reach, upper = running(shape), offset + 1
    return _until(reach, shape, upper) - _until(reach, shape, upper - width)


def running(shape: Shape) -> Floats:
    """Sums of the shape up to the beginning of each hour, of its own dimensions. Made anew each time, since to keep
    them would take as much memory as the shape."""
    reach = np.zeros(shape.shape)
    np.cumsum(shape[..., :HISTORY], axis=-1, dtype=np.float64, out=reach[..., 1:])
    return reach


def _until(reach: Floats, shape: Shape, offset: Ints) -> Floats:
    """Running sum of the shape up to these minutes since the first hour in reach: (2, rows, ...) from (...)."""
    hour, rest = offset // 60, (offset % 60) / 60.0
    out = shape.astype(np.float64).take(hour, -1)
    out *= rest
    out += reach.take(hour, -1)
    return np.asarray(out, np.float64)


def _until_each(reach: Floats, shape: Shape, rows: Ints, offset: Ints) -> Floats:
    """The same for offsets per row: (2, windows, rows, ticks)."""
    hour, rest = offset // 60, (offset % 60) / 60.0
    row = rows[None, :, None]
    return np.asarray(reach[:, row, hour] + shape[:, row, hour] * rest, np.float64)

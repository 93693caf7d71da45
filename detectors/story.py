"""What an engine records, kept for plots: every minute around incidents and known events, peaks elsewhere.

Give `Story.add` to an engine as its recorder. A year of minutes of fifty brands would be gigabytes, and nobody can see
more than a few thousand points of a line; so minutes older than half a day are folded into bins as soon as they are
that old, and only those within six hours of an incident's beginning or end, or of a known event, stay as they were.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from detectors.budget import NEVER
from detectors.columns import Floats, Ints
from detectors.detector import Asks
from detectors.recording import Recording
from detectors.score import CORRELATION, DETECTORS, UNSCORED, expected_share

AROUND = 360
"""Minutes kept before and after a change."""
FOLD_AT = 2 * 1440
"""Minutes after which to fold; the newest half day waits, since an incident may open in the next hours."""
MOST_BINS = 8192
"""Of a brand; twice as many, and bins are joined two by two."""
MOST_DETAIL = 20_000
"""Minutes of a brand that are kept one by one at most."""

MAX, MEAN, LAST = range(3)
_COUNTS: dict[str, int] = {
    "authors": MAX,
    "negatives": MAX,
    "authors_expected": MEAN,
    "negative_expected": MEAN,
    "share": MAX,
    "share_expected": MEAN,
    "share_spread": MEAN,
    "silent": MAX,
}
"""Authors and negative authors are those of one hour, the share that of six, whose noise is bearable; how each is
folded: a line keeps its peaks, an expectation its mean, a threshold its last value."""
_OF_DETECTORS = {"": MAX, "page_": LAST, "ticket_": LAST}
"""Score and thresholds of each detector, by what its name is prefixed with."""
_SHARE_WINDOW = 3
_EVERY = NDArray[np.float32]


@dataclass
class _Group:
    """Brands that are recorded together."""

    brands: Ints
    ticks: list[Ints] = field(default_factory=list)
    values: list[_EVERY] = field(default_factory=list)
    """(fields, n, ticks)"""
    opened: list[NDArray[np.bool_]] = field(default_factory=list)
    held: int = 0
    was_open: NDArray[np.bool_] | None = None
    changed: Ints | None = None
    """(n,) tick of the last beginning or end of an incident among those folded."""
    bin_ticks: Ints = field(default_factory=lambda: np.zeros(0, np.int64))
    bins: _EVERY | None = None


class Story:
    """Collects what an engine records.

    Parameters
    ----------
    brands : names, as the engine has them
    watched : brand -> spans (first tick, last tick) of which every minute is wanted
    """

    def __init__(self, brands: Sequence[str], watched: Mapping[str, Sequence[tuple[int, int]]] | None = None) -> None:
        self.brands = tuple(brands)
        self._watched = {i: list((watched or {}).get(name, ())) for i, name in enumerate(self.brands)}
        self._groups: dict[bytes, _Group] = {}
        self._detail: dict[int, list[tuple[Ints, _EVERY]]] = {}
        self._kept: dict[int, int] = {}
        self._step = 1
        self.detectors: tuple[str, ...] = DETECTORS
        """Names; those of the engine, once it has recorded."""
        self.titles: dict[str, str] = {}
        """Of its detectors, by name."""
        self.asks_for: dict[str, Asks] = {}
        """The most urgent thing that each may ask for, by name."""
        self._seen: NDArray[np.bool_] = np.zeros(len(self.brands), np.bool_)

    def add(self, recording: Recording) -> None:
        """The recorder to give to an engine."""
        if self.detectors != recording.detectors or not self.titles:
            self.detectors = recording.detectors
            self.titles = dict(zip(recording.detectors, recording.titles, strict=True))
            self.asks_for = dict(zip(recording.detectors, recording.asks_for, strict=True))
        key = recording.brands.tobytes()
        group = self._groups.get(key)
        if group is None:
            group = self._groups[key] = _Group(recording.brands.copy())
        self._seen[recording.brands] |= recording.authors[3].any(axis=1)
        group.ticks.append(recording.ticks.copy())
        group.values.append(_numbers(recording))
        group.opened.append(recording.open.copy())
        group.held += len(recording.ticks)
        if group.held >= FOLD_AT:
            self._fold(group)

    def _fold(self, group: _Group) -> None:
        ticks, values = np.concatenate(group.ticks), np.concatenate(group.values, axis=2)
        opened = np.concatenate(group.opened, axis=1)
        before = group.was_open if group.was_open is not None else np.zeros((len(group.brands), 1), np.bool_)
        changes = np.diff(np.concatenate([before, opened], axis=1).astype(np.int8), axis=1) != 0
        cut = int(np.searchsorted(ticks, ticks[-1] - 2 * AROUND))
        # Bins begin at multiples of their width, so that they can be joined.
        cut = int(np.searchsorted(ticks, ticks[cut] - ticks[cut] % self._step))
        if cut == 0:
            return
        self._keep_detail(group, ticks, values, changes, cut)
        old, rest = values[:, :, :cut], values[:, :, cut:]
        bin_ticks, bins = folded(ticks[:cut], old, self._step)
        group.bin_ticks = np.concatenate([group.bin_ticks, bin_ticks])
        group.bins = bins if group.bins is None else np.concatenate([group.bins, bins], axis=2)
        while len(group.bin_ticks) > MOST_BINS:
            self._step *= 2
            for other in self._groups.values():
                if other.bins is not None:
                    other.bin_ticks, other.bins = folded(other.bin_ticks, other.bins, self._step)
        group.ticks, group.values, group.opened = [ticks[cut:].copy()], [rest.copy()], [opened[:, cut:].copy()]
        group.held = len(ticks) - cut
        group.was_open = opened[:, cut - 1 : cut].copy()

    def _keep_detail(self, group: _Group, ticks: Ints, values: _EVERY, changes: NDArray[np.bool_], cut: int) -> None:
        """Keep the minutes before `cut` that are near a change or in a watched span."""
        if group.changed is None:
            group.changed = np.full(len(group.brands), -(1 << 40), np.int64)
        near = changes.any(axis=1) | (ticks[0] - group.changed <= AROUND)
        for i, brand in enumerate(group.brands.tolist()):
            spans = [s for s in self._watched[brand] if s[1] >= ticks[0] - AROUND and s[0] <= ticks[-1] + AROUND]
            if not near[i] and not spans:
                continue
            at = [int(group.changed[i]), *ticks[changes[i]].tolist()]
            wanted = np.zeros(cut, np.bool_)
            for begin, end in [*((t, t) for t in at), *spans]:
                wanted |= (ticks[:cut] >= begin - AROUND) & (ticks[:cut] <= end + AROUND)
            past = ticks[:cut][changes[i, :cut]]
            if len(past):
                group.changed[i] = past[-1]
            kept = np.nonzero(wanted)[0][: max(MOST_DETAIL - self._kept.get(brand, 0), 0)]
            if len(kept):
                self._kept[brand] = self._kept.get(brand, 0) + len(kept)
                self._detail.setdefault(brand, []).append((ticks[kept], values[:, i, kept]))

    def series(self, brand: int, points: int | None = None) -> tuple[Ints, dict[str, Floats]]:
        """Ticks, ascending, and named values of a brand; with about `points` bins at most beside the kept minutes."""
        ticks: list[Ints] = []
        values: list[_EVERY] = []
        for group in self._groups.values():
            row = np.nonzero(group.brands == brand)[0]
            if not len(row):
                continue
            if group.bins is not None:
                ticks.append(group.bin_ticks)
                values.append(group.bins[:, row[0]])
            ticks += group.ticks
            values += [v[:, row[0]] for v in group.values]
        tick, value = np.concatenate(ticks), np.concatenate(values, axis=1)
        order = np.argsort(tick, kind="stable")
        tick, value = tick[order], value[:, order]
        detail = self._detail.get(brand, [])
        if points is not None and len(tick) > points:
            step, span = self._step, int(tick[-1] - tick[0]) + 1
            while span // step > points:
                step *= 2
            near = self._near(brand, tick)
            coarse_tick, coarse = folded(tick, value[:, None], step)
            detail = [*detail, (tick[near], value[:, near])]
            tick, value = coarse_tick, coarse[:, 0]
        if detail:
            tick = np.concatenate([tick, *(t for t, _ in detail)])
            value = np.concatenate([value, *(v for _, v in detail)], axis=1)
            # Of a minute that is there twice the later one is the minute itself, the earlier a bin's.
            order = np.argsort(tick, kind="stable")
            tick, value = tick[order], value[:, order]
            last = np.append(tick[1:] != tick[:-1], True)
            tick, value = tick[last], value[:, last]
        return tick, {name: value[j].astype(np.float64) for j, name in enumerate(field_names(self.detectors))}

    def _near(self, brand: int, tick: Ints) -> Ints:
        """Positions of unfolded minutes near a change or a watched span."""
        wanted = np.zeros(len(tick), np.bool_)
        for group in self._groups.values():
            row = np.nonzero(group.brands == brand)[0]
            if not len(row) or not group.ticks:
                continue
            t, opened = np.concatenate(group.ticks), np.concatenate(group.opened, axis=1)[row[0]]
            before = bool(group.was_open[row[0], 0]) if group.was_open is not None else False
            changes = t[np.diff(np.concatenate([[before], opened]).astype(np.int8)) != 0].tolist()
            if group.changed is not None:
                changes.append(int(group.changed[row[0]]))
            for begin, end in [*((c, c) for c in changes), *self._watched[brand]]:
                wanted |= (tick >= max(begin - AROUND, int(t[0]))) & (tick <= end + AROUND)
        return np.nonzero(wanted)[0][: max(MOST_DETAIL - self._kept.get(brand, 0), 0)]

    def seen(self) -> list[int]:
        """Brands with anything to show."""
        return [int(i) for i in np.nonzero(self._seen)[0]]


def field_names(detectors: Sequence[str]) -> list[str]:
    """Names of the values that a story of these detectors has."""
    return [*_COUNTS, *(prefix + detector for prefix in _OF_DETECTORS for detector in detectors)]


def _how(fields: int) -> Ints:
    """How each of so many fields is folded."""
    detectors = (fields - len(_COUNTS)) // len(_OF_DETECTORS)
    return np.array([*_COUNTS.values(), *(how for how in _OF_DETECTORS.values() for _ in range(detectors))], np.int64)


def _numbers(recording: Recording) -> _EVERY:
    """(fields, n, ticks) in the order of field_names."""
    n, k = recording.open.shape
    size = len(recording.detectors)
    out = np.empty((len(_COUNTS) + len(_OF_DETECTORS) * size, n, k), np.float32)
    out[0], out[1] = recording.authors[1], recording.negatives[1]
    out[2], out[3] = recording.authors_expected[1], recording.negative_expected[1]
    authors, negatives = recording.authors[_SHARE_WINDOW], recording.negatives[_SHARE_WINDOW]
    out[4] = np.where(authors > 0, negatives / np.maximum(authors, 1), np.nan)
    p = expected_share(recording.negative_expected[_SHARE_WINDOW], recording.authors_expected[_SHARE_WINDOW])
    many = np.maximum(recording.authors_expected[_SHARE_WINDOW], 1.0)
    out[5] = p
    # Standard deviation of a share of authors who copy each other as much as is usual (see score.share_ratios).
    out[6] = np.sqrt(p * (1.0 - p) / many * (1.0 + (many - 1.0) * CORRELATION))
    out[7] = recording.down[:, None]
    out[8 : 8 + size] = np.where(recording.scores > UNSCORED, recording.scores, np.nan)
    for at, limit in ((8 + size, recording.page), (8 + 2 * size, recording.ticket)):
        out[at : at + size] = np.where(limit < NEVER, limit, np.nan).T[:, :, None]
    return out


def folded(ticks: Ints, values: _EVERY, step: int) -> tuple[Ints, _EVERY]:
    """Bins of `step` minutes, beginning at multiples of it: their first ticks, and (fields, n, bins)."""
    if len(ticks) == 0 or step == 1:
        return ticks, values
    start = ticks - ticks % step
    first = np.nonzero(np.append(True, start[1:] != start[:-1]))[0]
    out = np.empty((*values.shape[:2], len(first)), np.float32)
    blank = np.isnan(values)
    many = np.add.reduceat(~blank, first, axis=2)
    how = _how(len(values))
    peak, sums = how == MAX, how == MEAN
    highest = np.maximum.reduceat(np.where(blank[peak], -np.inf, values[peak]), first, axis=2)
    out[peak] = np.where(many[peak] > 0, highest, np.nan)
    total = np.add.reduceat(np.where(blank[sums], 0.0, values[sums]), first, axis=2)
    out[sums] = np.where(many[sums] > 0, total / np.maximum(many[sums], 1), np.nan)
    out[how == LAST] = values[how == LAST][..., np.append(first[1:], len(ticks)) - 1]
    return start[first], out

"""A group of brands that stand at the same closed tick, moved on block by block.

A block is a run of ticks within one hour. Baselines and thresholds change at the ends of hours and days only, so
within a block counts, expectations and scores are matrices (brands, ticks); where a gap begins or ends the block is
cut. Only brands with a score at a threshold or an open incident are looked at tick by tick. Nothing of this shows in
the result: a tick's numbers depend on state that changes at ticks, hours and days, never on where a block begins.
"""

from __future__ import annotations

import datetime as dt
import zoneinfo
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors.baseline import HISTORY, Baseline
from detectors.budget import NEVER, Budget, return_period
from detectors.columns import Columns, Floats, Ints, column
from detectors.config import BrandProfile, EngineConfig
from detectors.copies import Copies, First, text_key
from detectors.evidence import EXCERPT, KEEP_MINUTES, Evidence, Sample, top_mentions, top_terms, writable
from detectors.gaps import IMPROBABLE, LONG_AGO, RESUME, Gaps, improbable, is_heard
from detectors.incidents import NOTIFY, SEVERITY, Decision, EventType, Incident, TickView, step
from detectors.observations import Observations
from detectors.score import DETECTOR_WINDOW, DETECTORS, FAST, PAGING, SLOW, SMALL, SURGE, TONE, expected_share, scores
from detectors.windows import AUTHORS, IS_NEGATIVE, MENTIONS, NEGATIVES, WIDTHS, Windows, member_flags

BLOCK_CELLS = 200_000
"""Brands times ticks of a block at most; bounds the memory of a call over many brands."""
UNSCORED = -50.0
IMMEDIATE = 2.0
"""Scales of the daily maxima above a threshold at which one tick is enough."""
SEVERE = ((2.0, 15), (5.0, 50))
"""Excess over the page threshold in scales, and negative authors in six hours, from which an incident is major,
critical."""
ONSET_SLACK = 10
AMEND_MINUTES = 10
LOW_HOURS = 24
_WINDOW_NAMES = ("10 min", "1 h", "6 h", "24 h")
_ROW = np.array(WIDTHS, np.int64)[:, None]


@dataclass
class Track(Columns):
    """Per brand: where it stands between ticks."""

    start: Ints = field(metadata=column(np.int64, fill=LONG_AGO))
    """Tick of its first member; LONG_AGO before."""
    score: Floats = field(metadata=column(np.float64, len(DETECTORS), fill=UNSCORED))
    calm: Ints = field(metadata=column(np.int64, fill=LONG_AGO))
    """The last tick at which the last hour held no more negative authors than usual."""
    last_open: Ints = field(metadata=column(np.int64, fill=LONG_AGO))
    waiting: Ints = field(metadata=column(np.int64))
    """Ticks whose evidence would open something less urgent than a page, less those since whose would not."""
    day_max: Floats = field(metadata=column(np.float64, len(DETECTORS), fill=UNSCORED))
    day_ticks: Ints = field(metadata=column(np.int64))
    day_carried: NDArray[np.bool_] = field(metadata=column(np.bool_))
    """An incident was open when the day began."""


@dataclass(frozen=True, slots=True)
class Recording:
    """Per-tick numbers of a block, for plots: rows are brands, columns ticks (windows: see windows.WIDTHS)."""

    ticks: Ints
    brands: Ints
    """Positions in the engine."""
    mentions: Ints
    """(4, n, ticks)"""
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


class Unsaved:
    """Members since the last snapshot, as chunks; what `Engine.changes` writes into panes."""

    def __init__(self) -> None:
        self.chunks: list[tuple[Ints, Ints, Ints, NDArray[np.uint64], NDArray[np.uint8]]] = []
        """Brand, tick, minute, author and flags (see windows.MENTION) of members."""
        self.samples: dict[tuple[int, int], list[Sample]] = {}
        self.firsts: dict[tuple[int, int], list[First]] = {}

    def forget(self, closed: int) -> None:
        """Drop what no window needs any more; without snapshots this bounds the memory."""
        self.chunks = [c for c in self.chunks if c[1][-1] > closed - WIDTHS[-1]]
        for key in [key for key in self.samples if key[1] <= closed - KEEP_MINUTES]:
            del self.samples[key]
        for key in [key for key in self.firsts if key[1] <= closed - WIDTHS[-1]]:
            del self.firsts[key]


class Core:
    """State of some brands at one closed tick.

    Parameters
    ----------
    profiles : all brands of the engine
    index : (n,) positions of this core's brands among them, ascending
    """

    def __init__(
        self, profiles: Sequence[BrandProfile], index: Ints, config: EngineConfig, versions: tuple[str, str]
    ) -> None:
        n = len(index)
        self.profiles, self.index, self.config, self.versions = profiles, index, config, versions
        self.closed: int | None = None
        self.baseline, self.gaps, self.budget, self.track = Baseline.of(n), Gaps.of(n), Budget.of(n), Track.of(n)
        self.windows = Windows(index)
        self.evidence = Evidence()
        self.copies = Copies()
        self.incidents: dict[int, Incident] = {}
        self.unsaved = Unsaved()
        self.dirty: set[int] = set()
        self.relearned: set[int] = set()
        self.recorder: Recorder | None = None
        self._budgets = np.array([profiles[int(i)].budget for i in index], np.float64)
        self.budget.set_thresholds(self._budgets, config)
        self._zones = sorted({profiles[int(i)].time_zone for i in index})
        zone_at = {z: j for j, z in enumerate(self._zones)}
        self._zone = np.array([zone_at[profiles[int(i)].time_zone] for i in index], np.int64)
        self._ignored: dict[int, frozenset[str]] = {}
        self._hour: int | None = None
        self._shape = np.zeros((n, HISTORY + 1))
        self._reach = np.zeros((n, HISTORY + 1))
        self._local = np.zeros(n, np.int64)

    def __len__(self) -> int:
        return len(self.index)

    # -- moving on
    # ---------------------------------------------------------------------------------------------------------

    def advance(
        self, upto: int, observations: Observations, brand: Ints, clock_ticks: Collection[int]
    ) -> list[Decision]:
        """Close the ticks up to `upto`. `brand` are rows of this core; members must be of ticks later than `closed`."""
        out: list[Decision] = []
        if self.closed is None:
            if len(observations) == 0:
                self.closed = upto
                return out
            self.closed = int(observations.tick[0]) - 1
        most = max(1, BLOCK_CELLS // max(len(self), 1))
        while self.closed < upto:
            first = self.closed + 1
            last = min(upto, first - first % 60 + 59, first + most - 1)
            begin, end = np.searchsorted(observations.tick, [first, last + 1]).tolist()
            self._block(first, last, observations, begin, end, brand, clock_ticks, out)
            self.closed = last
            if (last + 1) % 60 == 0:
                self._end_hour(last)
        return out

    def _prepare(self, hour: int) -> None:
        """Shape of the hours that windows of this hour reach, and its running sums."""
        start = dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(hours=hour)
        offset = []
        for name in self._zones:
            shift = start.astimezone(zoneinfo.ZoneInfo(name)).utcoffset()
            offset.append(0 if shift is None else int(shift.total_seconds() // 3600))
        self._local = hour + np.array(offset, np.int64)[self._zone]
        hours = self._local[:, None] + np.arange(1 - HISTORY, 1)
        self._shape[:, :HISTORY] = self.baseline.shape(hours)
        self._reach[:, 1:] = np.cumsum(self._shape[:, :HISTORY], axis=1)
        self._hour = hour

    def _block(
        self,
        first: int,
        last: int,
        observations: Observations,
        begin: int,
        end: int,
        brand: Ints,
        clock_ticks: Collection[int],
        out: list[Decision],
    ) -> None:
        if self._hour != first // 60:
            self._prepare(first // 60)
        members = slice(begin, end)
        b, tick, minute = brand[members], observations.tick[members], observations.minute[members]
        author, negative = observations.author[members], observations.negative[members]
        voice = self._voices(b, tick, author, negative, observations, begin)
        counts, before, before_negative = self.windows.advance(first, last, b, tick, minute, author, voice, negative)
        # Whom a copy speaks for may have posted longer ago than the window reaches.
        counts[NEGATIVES] = np.minimum(counts[NEGATIVES], counts[AUTHORS])
        k = last - first + 1
        ticks = np.arange(first, last + 1)
        late: dict[tuple[int, int], list[tuple[int, int, bool, int]]] = {}
        if len(b):
            self._take(b, tick, minute, author, voice, negative, observations, begin)
            for i in np.nonzero(minute < tick)[0].tolist():
                row = (int(minute[i]), int(before[i]), bool(negative[i]), int(before_negative[i]))
                late.setdefault((int(b[i]), int(tick[i])), []).append(row)
            seen = np.full(len(self) * k, LONG_AGO, np.int64)
            seen[b * k + (tick - first)] = tick
            seen = np.maximum(np.maximum.accumulate(seen.reshape(-1, k), axis=1), self.gaps.last_seen[:, None])
        else:
            seen = np.repeat(self.gaps.last_seen[:, None], k, axis=1)
        at = 0
        while at < k:
            at += self._segment(ticks[at:], counts[..., at:], seen[:, at:], late, clock_ticks, out)
        self.gaps.last_seen = np.ascontiguousarray(seen[:, -1])

    def _voices(
        self,
        b: Ints,
        tick: Ints,
        author: NDArray[np.uint64],
        negative: NDArray[np.bool_],
        observations: Observations,
        begin: int,
    ) -> NDArray[np.uint64]:
        """For whom each negative member counts: its author, or the one whose text it copies."""
        voice = author.copy()
        for i in np.nonzero(negative)[0].tolist():
            name, j = int(self.index[b[i]]), begin + i
            key = text_key(self.profiles[name].name, int(observations.kind[j]), observations.text[j])
            who, first = self.copies.voice(name, int(tick[i]), int(author[i]), key)
            voice[i] = who
            if first is not None:
                self.unsaved.firsts.setdefault((name, first[1]), []).append(first)
        return voice

    def _take(
        self,
        b: Ints,
        tick: Ints,
        minute: Ints,
        author: NDArray[np.uint64],
        voice: NDArray[np.uint64],
        negative: NDArray[np.bool_],
        observations: Observations,
        begin: int,
    ) -> None:
        """Note members: first ticks of new brands, what snapshots need, samples to show."""
        touched, at_first = np.unique(b, return_index=True)
        new = self.track.start[touched] == LONG_AGO
        for i, start in zip(touched[new].tolist(), tick[at_first[new]].tolist(), strict=True):
            self.track.start[i] = start
            self.gaps.add(i, LONG_AGO, start - 1)
        name = self.index[b]
        self.dirty.update(self.index[touched].tolist())
        self.unsaved.chunks.append((name, tick, minute, author, member_flags(negative & (voice == author))))
        copied = np.nonzero(negative & (voice != author))[0]
        if len(copied):
            flags = np.full(len(copied), IS_NEGATIVE, np.uint8)
            self.unsaved.chunks.append((name[copied], tick[copied], minute[copied], voice[copied], flags))
        for i in np.nonzero(negative)[0].tolist():
            j = begin + i
            reach = float(observations.reach[j])
            sample = Sample(
                int(tick[i]),
                int(author[i]),
                observations.id[j],
                writable(observations.text[j][:EXCERPT]),
                observations.url[j],
                round(float(observations.p_negative[j]), 4),
                None if np.isnan(reach) else reach,
            )
            if self.evidence.keep(int(name[i]), sample):
                self.unsaved.samples.setdefault((int(name[i]), int(tick[i])), []).append(sample)

    def _exposure(self, ticks: Ints) -> Floats:
        """Sum of the shape over the observed part of each window, in hours: (4, n, ticks)."""
        base = 60 * (ticks[0] // 60 - (HISTORY - 1))
        upper = ticks + 1 - base
        lower = upper - _ROW
        n = len(self)
        out = np.empty((len(WIDTHS), n, len(ticks)))
        top = self._until(upper)
        for w in range(len(WIDTHS)):
            out[w] = top - self._until(lower[w])
        special = self.gaps.near(int(ticks[0]))
        if len(special):
            low, high = lower[:, None, :], upper[None, None, :]
            for slot in range(self.gaps.since.shape[1]):
                since = (self.gaps.since[special, slot] - base)[None, :, None]
                until = (self.gaps.until[special, slot] + 1 - base)[None, :, None]
                if not (until > 0).any():
                    continue
                begin, end = np.clip(since, low, high), np.clip(until, low, high)
                inside = self._until_each(special, end) - self._until_each(special, begin)
                out[:, special] = out[:, special] - np.where(end > begin, inside, 0.0)
        return np.maximum(out, 0.0)

    def _until(self, offset: Ints) -> Floats:
        """Running sum of the shape up to these minutes since the first hour in reach: (n, ticks) from (ticks,)."""
        hour, rest = offset // 60, (offset % 60) / 60.0
        return np.asarray(self._reach[:, hour] + self._shape[:, hour] * rest, np.float64)

    def _until_each(self, brands: Ints, offset: Ints) -> Floats:
        """The same for offsets per brand: (windows, brands, ticks)."""
        hour, rest = offset // 60, (offset % 60) / 60.0
        row = brands[None, :, None]
        return np.asarray(self._reach[row, hour] + self._shape[row, hour] * rest, np.float64)

    def _segment(
        self,
        ticks: Ints,
        counts: Ints,
        seen: Ints,
        late: dict[tuple[int, int], list[tuple[int, int, bool, int]]],
        clock_ticks: Collection[int],
        out: list[Decision],
    ) -> int:
        """Score and decide from the first of these ticks to the first at which a gap begins or ends; says how many."""
        level, level_negative = self.baseline.level()
        exposure = self._exposure(ticks)
        mu = exposure * level[:, None]
        silence = self._silence(ticks, seen, level)
        k, changed, down_from = self._gap_changes(ticks, counts, seen, silence, mu)
        ticks, seen = ticks[:k], seen[:, :k]
        counts = np.ascontiguousarray(counts[..., :k])
        exposure, mu = np.ascontiguousarray(exposure[..., :k]), np.ascontiguousarray(mu[..., :k])
        nu = exposure * level_negative[:, None]
        heard = is_heard(counts[AUTHORS, 1], mu[1], silence[:, :k])

        started = self.track.start != LONG_AGO
        judged = started & ~self.gaps.down & (self.baseline.weight >= self.config.warm_hours)
        raw = scores(counts[AUTHORS], counts[NEGATIVES], mu, nu, self.config.share_weight)
        raw[:, ~judged] = UNSCORED
        before = np.empty_like(raw)
        before[..., 0] = self.track.score.T
        before[..., 1:] = raw[..., :-1]
        twice = np.minimum(raw, before)
        self.track.score = np.ascontiguousarray(raw[..., -1].T)

        settled = judged & (self.baseline.weight >= self.config.settled_hours)
        self.track.day_max = np.where(
            settled[:, None], np.maximum(self.track.day_max, twice.max(axis=2).T), self.track.day_max
        )
        self.track.day_ticks = self.track.day_ticks + np.where(settled, k, 0)

        calm = counts[NEGATIVES, 1] <= 1.5 * nu[1] + 1.0
        worth, agree = self._worth(raw, twice, counts, nu, settled)
        opened = np.zeros((len(self), k), np.bool_) if self.recorder is not None else None
        involved = set(np.nonzero(worth.any(axis=1) | (self.track.waiting > 0))[0].tolist())
        for name, incident in list(self.incidents.items()):
            i = int(np.searchsorted(self.index, name))
            if incident.closed is None:
                involved.add(i)
            elif int(ticks[-1]) - incident.closed > self.config.reopen_minutes:
                del self.incidents[name]
                self.dirty.add(name)
        self.track.waiting = np.where(self.gaps.down, 0, self.track.waiting)
        for i in sorted(involved):
            if not self.gaps.down[i]:
                view = _Rows(
                    ticks,
                    counts[:, :, i],
                    mu[:, i],
                    nu[:, i],
                    raw[:, i],
                    twice[:, i],
                    worth[i],
                    agree[i],
                    calm[i],
                    heard[i],
                )
                self._decide(i, view, late, clock_ticks, out, None if opened is None else opened[i])
            elif self.index[i] in self.incidents and self.incidents[int(self.index[i])].closed is None:
                self.track.last_open[i] = ticks[-1]
                if opened is not None:
                    opened[i] = True

        self.track.calm = np.where(calm.any(axis=1), ticks[-1] - np.argmax(calm[:, ::-1], axis=1), self.track.calm)
        if self.recorder is not None and opened is not None:
            recording = Recording(
                ticks,
                self.index,
                counts[MENTIONS],
                counts[AUTHORS],
                counts[NEGATIVES],
                mu,
                nu,
                raw,
                self.budget.page.copy(),
                self.budget.ticket.copy(),
                opened,
                self.gaps.down.copy(),
            )
            self.recorder(recording)
        self._last = (exposure[..., -1], mu[..., -1], nu[..., -1], counts[..., -1])
        for i in changed:
            self._turn(i, int(ticks[-1]), down_from)
        return k

    # -- gaps
    # --------------------------------------------------------------------------------------------------------------

    def _silence(self, ticks: Ints, seen: Ints, level: Floats) -> Floats:
        """Authors expected since the last mention: (n, ticks)."""
        begin = int(ticks[0]) - int(ticks[0]) % 60
        minutes = ticks - np.maximum(seen, begin - 1)
        within = self._shape[:, HISTORY - 1 : HISTORY] * (minutes / 60.0) * level[:, None]
        return within + np.where(seen < begin, self.gaps.silence[:, None], 0.0)

    def _gap_changes(
        self, ticks: Ints, counts: Ints, seen: Ints, silence: Floats, mu: Floats
    ) -> tuple[int, list[int], dict[int, int]]:
        """How many ticks until the first at which a brand goes down or comes up, which brands do, and since when they
        are down."""
        settled = (self.track.start != LONG_AGO) & (self.baseline.weight >= self.config.settled_hours)
        k = len(ticks)
        if not settled.any():
            return k, [], {}
        phi = self.baseline.dispersion()[0][:, None]
        level = self.baseline.level()[0]
        base = 60 * (int(ticks[0]) // 60 - (HISTORY - 1))
        is_up = (settled & ~self.gaps.down)[:, None]
        silent = silence / phi >= IMPROBABLE
        low_hour = improbable(counts[AUTHORS, 1], mu[1], phi)
        low_six = improbable(counts[AUTHORS, 2], mu[2], phi)
        goes_down = is_up & (silent | low_hour | low_six)
        full = (self._until(ticks + 1 - base) - self._until(ticks + 1 - WIDTHS[0] - base)) * level[:, None]
        comes_up = self.gaps.down[:, None] & (counts[AUTHORS, 0] >= np.maximum(RESUME * full, 1.0))
        turns = goes_down | comes_up
        if not turns.any():
            return k, [], {}
        at = int(np.argmax(turns.any(axis=0)))
        changed = np.nonzero(turns[:, at])[0].tolist()
        down_from: dict[int, int] = {}
        for i in changed:
            if goes_down[i, at]:
                low_from = int(ticks[at]) - (59 if low_hour[i, at] else 359)
                since = int(seen[i, at]) + 1 if silent[i, at] else low_from
                down_from[i] = max(since, int(self.gaps.until[i].max()) + 1)
        return at + 1, changed, down_from

    def _turn(self, i: int, tick: int, down_from: dict[int, int]) -> None:
        """Brand i goes down or comes up after this tick."""
        if i in down_from:
            self.gaps.down[i] = True
            self.gaps.down_from[i] = down_from[i]
        else:
            self._come_up(i, tick)
        self.dirty.add(int(self.index[i]))

    def _come_up(self, i: int, tick: int) -> None:
        self.gaps.down[i] = False
        self.gaps.add(i, int(self.gaps.down_from[i]), tick - WIDTHS[0])
        self.baseline.low_hours[i] = 0

    # -- deciding
    # ----------------------------------------------------------------------------------------------------------

    def _worth(
        self, raw: Floats, twice: Floats, counts: Ints, nu: Floats, settled: NDArray[np.bool_]
    ) -> tuple[NDArray[np.int8], Ints]:
        """Per brand and tick: what the evidence is worth (index of NOTIFY), and bits of the detectors that agree."""
        page, ticket = self.budget.page.T[:, :, None], self.budget.ticket.T[:, :, None]
        scale = self.budget.scale.T[:, :, None]
        worth = np.zeros(raw.shape[1:], np.int8)
        agree = np.zeros(raw.shape[1:], np.int64)
        cold = (self.budget.days < self.config.cold_days)[:, None]
        if not ((twice >= ticket) | (raw >= ticket + IMMEDIATE * scale) | (raw >= page + IMMEDIATE * scale)).any():
            surge = twice[SURGE] >= page[SURGE]
            if not surge.any():
                return worth, agree
        for d in range(len(DETECTORS)):
            over_page = (twice[d] >= page[d]) | (raw[d] >= page[d] + IMMEDIATE * scale[d])
            over_ticket = (twice[d] >= ticket[d]) | (raw[d] >= ticket[d] + IMMEDIATE * scale[d])
            if d == SURGE:
                over_page &= settled[:, None] & (counts[AUTHORS, 1] >= self.config.min_surge_authors)
                worth = np.maximum(worth, np.where(over_page, 1, 0)).astype(np.int8)
                agree |= np.where(over_page, 1 << d, 0)
                continue
            enough = counts[NEGATIVES, DETECTOR_WINDOW[d]]
            # Before the brand's own days say what is usual, the bonus of a moved share must not make a page.
            ratio = (enough + SMALL) / (nu[DETECTOR_WINDOW[d]] + SMALL)
            over_page &= ~cold | (ratio >= self.config.cold_page_ratio)
            over_page &= enough >= self.config.min_page_authors
            over_ticket &= settled[:, None] & (enough >= self.config.min_ticket_authors)
            agree |= np.where(over_ticket | over_page, 1 << d, 0)
            worth = np.maximum(worth, np.where(over_ticket, 2, 0)).astype(np.int8)
            if d in PAGING:
                worth = np.maximum(worth, np.where(over_page, 3, 0)).astype(np.int8)
        return worth, agree

    def _decide(
        self,
        i: int,
        rows: _Rows,
        late: dict[tuple[int, int], list[tuple[int, int, bool, int]]],
        clock_ticks: Collection[int],
        out: list[Decision],
        opened: NDArray[np.bool_] | None,
    ) -> None:
        """Move brand i's incident through the ticks of a segment."""
        name = int(self.index[i])
        profile = self.profiles[name]
        page, ticket, scale = self.budget.page[i], self.budget.ticket[i], self.budget.scale[i]
        resolve = resolve_levels(page, ticket)
        excess = np.max((rows.twice[[FAST, SLOW]] - page[[FAST, SLOW], None]) / scale[[FAST, SLOW], None], axis=0)
        many = rows.counts[NEGATIVES, 2]
        severity = np.zeros(len(rows.ticks), np.int64)
        for step_, (margin, authors) in enumerate(SEVERE, 1):
            severity[(excess >= margin) & (many >= authors)] = step_
        active = np.zeros(len(rows.ticks), np.int64)
        for d in range(len(DETECTORS)):
            active |= np.where(rows.raw[d] >= resolve[d], 1 << d, 0)
        ratio = (rows.counts[NEGATIVES, 1] + 2.0) / (rows.nu[1] + 2.0)
        incident = self.incidents.get(name)
        waiting = int(self.track.waiting[i])
        for j, tick in enumerate(rows.ticks.tolist()):
            level = int(rows.worth[j])
            if incident is None or incident.closed is not None:
                waiting = waiting + 1 if level else max(waiting - 1, 0)
                if level < 3 and waiting < self.config.patience_minutes:
                    level = 0
            else:
                waiting = 0
            view = TickView(
                tick,
                level,
                int(severity[j]),
                float(excess[j]),
                int(active[j]),
                bool(rows.heard[j]),
                float(ratio[j]),
                int(rows.agree[j]),
            )
            notify_before = 0 if incident is None or incident.closed is not None else incident.notify
            incident, event = step(incident, view, profile.name, self.config)
            if incident is None:
                continue
            if event == "opened":
                self._onset(i, j, rows, incident)
                self.incidents[name] = incident
            if event is None and incident.closed is None:
                event = self._amend(incident, tick, late.get((i, tick)))
            if event is not None:
                self.dirty.add(name)
                pages = incident.notify == 3 and notify_before != 3 and event in ("opened", "reopened", "escalated")
                out.append(self._decision(i, j, rows, incident, event, pages, tick in clock_ticks))
            if incident.closed is None or incident.closed == tick:
                self.track.last_open[i] = tick
            if opened is not None:
                opened[j] = incident.closed is None
        self.track.waiting[i] = waiting
        if incident is None:
            self.incidents.pop(name, None)

    def _onset(self, i: int, j: int, rows: _Rows, incident: Incident) -> None:
        """Since when: the tick after the last one at which the past hour was still usual; a gap hides what was before
        its end."""
        earlier = np.nonzero(rows.calm[: j + 1])[0]
        calm = int(rows.ticks[earlier[-1]]) if len(earlier) else int(self.track.calm[i])
        since = min(max(calm + 1, incident.opened - WIDTHS[-1]), incident.opened)
        earliest = since - ONSET_SLACK
        until = int(self.gaps.until[i, 0])
        if until + 1 >= since - WIDTHS[1] and int(self.gaps.since[i, 0]) > LONG_AGO:
            since = max(since, until + 1) if until + 1 <= incident.opened else since
            earliest = min(earliest, int(self.gaps.since[i, 0]))
        incident.since, incident.since_earliest = since, earliest

    def _amend(self, incident: Incident, tick: int, late: list[tuple[int, int, bool, int]] | None) -> EventType | None:
        """Count late mentions that belong into the window of the last event; tell when they change its numbers
        noticeably."""
        if late is not None:
            begin = incident.event_tick - WIDTHS[incident.event_window]
            for minute, before, negative, before_negative in late:
                if begin < minute <= incident.event_tick < tick:
                    incident.late_mentions += 1
                    incident.late_authors += before <= begin
                    incident.late_negative += negative and before_negative <= begin
        changed = max(
            incident.late_authors - 0.05 * incident.event_authors,
            incident.late_negative - 0.05 * incident.event_negative,
        )
        if changed <= 0 or tick - incident.amended_tick < AMEND_MINUTES:
            return None
        incident.amended_tick = tick
        incident.revision += 1
        return "amended"

    def _decision(
        self, i: int, j: int, rows: _Rows, incident: Incident, event: EventType, pages: bool, by_clock: bool
    ) -> Decision:
        name = int(self.index[i])
        profile = self.profiles[name]
        tick = int(rows.ticks[j])
        page, ticket, scale, loc = self.budget.page[i], self.budget.ticket[i], self.budget.scale[i], self.budget.loc[i]
        level = int(rows.worth[j])
        threshold = page if level == 3 else ticket
        candidates = [d for d in range(len(DETECTORS)) if rows.agree[j] >> d & 1] or [FAST, SLOW]
        if level == 3:
            candidates = [d for d in candidates if d in PAGING] or candidates
        elif level == 1:
            candidates = [SURGE]
        shown = np.where(threshold >= NEVER, page, threshold)
        detector = max(candidates, key=lambda d: (float((rows.raw[d, j] - shown[d]) / scale[d]), -d))
        window = DETECTOR_WINDOW[detector]
        score, limit = float(rows.raw[detector, j]), float(shown[detector])
        amends: int | None = None
        if event == "amended":
            amends = incident.revision - 1
            window = incident.event_window
            incident.event_mentions += incident.late_mentions
            incident.event_authors += incident.late_authors
            incident.event_negative += incident.late_negative
            incident.late_mentions = incident.late_authors = incident.late_negative = 0
        else:
            incident.event_window = window
            incident.event_mentions = int(rows.counts[MENTIONS, window, j])
            incident.event_authors = int(rows.counts[AUTHORS, window, j])
            incident.event_negative = int(rows.counts[NEGATIVES, window, j])
            incident.event_authors_expected = float(rows.mu[window, j])
            incident.event_negative_expected = float(rows.nu[window, j])
        authors, negative = incident.event_authors, incident.event_negative
        mu, nu = incident.event_authors_expected, incident.event_negative_expected
        share_expected = float(expected_share(np.float64(nu), np.float64(mu)))  # type: ignore[arg-type]
        ratio, volume_ratio = (negative + 2.0) / (nu + 2.0), (authors + 4.0) / (mu + 4.0)
        period = (
            return_period(score, float(loc[detector]), float(scale[detector])) if self.budget.days[i] >= 3 else None
        )
        samples = self.evidence.between(name, tick - 60, tick) or self.evidence.between(name, tick - 360, tick)
        if name not in self._ignored:
            words = {w for term in profile.ignore_terms for w in (term.lower(), *term.lower().split())}
            self._ignored[name] = frozenset(words)
        detectors = tuple(DETECTORS[d] for d in range(len(DETECTORS)) if rows.agree[j] >> d & 1)
        windows = [
            {
                "minutes": width,
                "mentions": int(rows.counts[MENTIONS, w, j]),
                "authors": int(rows.counts[AUTHORS, w, j]),
                "authors_expected": _short(float(rows.mu[w, j])),
                "negative_authors": int(rows.counts[NEGATIVES, w, j]),
                "negative_expected": _short(float(rows.nu[w, j])),
            }
            for w, width in enumerate(WIDTHS)
        ]
        share = negative / authors if authors else 0.0
        reason = _reason(event, detector, window, negative, nu, authors, mu, share, share_expected, incident)
        calm_below = resolve_levels(page, ticket)
        watched = sorted({FAST, SLOW} | {d for d in range(len(DETECTORS)) if incident.detectors >> d & 1})
        parts = ", ".join(f"{DETECTORS[d]} {_short(float(calm_below[d]))}" for d in watched)
        return Decision(
            type=event,
            brand=profile.name,
            tick=tick,
            incident_id=incident.id,
            revision=incident.revision,
            notify=NOTIFY[incident.notify],
            pages=pages,
            severity=SEVERITY[incident.severity],
            kind="unknown",
            since=incident.since,
            since_earliest=incident.since_earliest,
            window_minutes=WIDTHS[window],
            ratio=_short(ratio),
            volume_ratio=_short(volume_ratio),
            mentions=incident.event_mentions,
            authors=authors,
            authors_expected=_short(mu),
            negative_authors=negative,
            negative_expected=_short(nu),
            share=_short(share),
            share_expected=_short(share_expected),
            detector=DETECTORS[detector],
            score=_short(score),
            threshold=_short(limit),
            return_period_days=None if period is None else _short(period),
            budget=profile.budget,
            detectors=detectors,
            windows=tuple(windows),
            reason=reason,
            resolves_when=f"scores below {parts} for {self.config.resolve_minutes} minutes in which the feed is heard",
            amends=amends,
            closed_by="clock" if by_clock else "event",
            top_mentions=tuple(top_mentions(samples)),
            top_terms=tuple(top_terms(samples, self.evidence.normal_of(name), self._ignored[name])),
            runbook_url=profile.runbook_url,
            detector_version=self.versions[0],
            model_version=self.versions[1],
        )

    # -- hours and days
    # ----------------------------------------------------------------------------------------------------

    def _end_hour(self, tick: int) -> None:
        """After the last tick of an hour: learn the hour before it, hold this one."""
        hour = tick // 60
        exposure, _, _, counts = self._last
        started = self.track.start != LONG_AGO
        shape = np.ascontiguousarray(self._shape[:, HISTORY - 1])
        observed = np.where(started & ~self.gaps.down, np.minimum(exposure[1] / shape, 1.0), 0.0)
        skip = self.track.last_open >= 60 * (hour - 1)
        self.baseline.learn(self._local - 1, np.ascontiguousarray(self._shape[:, HISTORY - 2]), skip, self.config)
        self.baseline.hold(counts[AUTHORS, 1], counts[NEGATIVES, 1], observed)
        minutes = tick - np.maximum(self.gaps.last_seen, tick - 60)
        before = np.where(self.gaps.last_seen <= tick - 60, self.gaps.silence, 0.0)
        self.gaps.silence = np.where(started, before + shape * (minutes / 60.0) * self.baseline.level()[0], 0.0)
        self.baseline.hold_low(self.gaps.down, counts[AUTHORS, 1], counts[NEGATIVES, 1], shape)
        low = self.gaps.down & (self.baseline.low_hours >= LOW_HOURS)
        if low.any():
            self.baseline.absorb_low(low, self.config)
            for i in np.nonzero(low)[0].tolist():
                self._come_up(i, tick)
        absorbed = np.zeros(len(self), np.bool_)
        for name, incident in self.incidents.items():
            if incident.closed is None and tick + 1 - incident.absorb_from >= 60 * self.config.absorb_after_hours:
                i = int(np.searchsorted(self.index, name))
                if self.baseline.recent_weight[i] >= self.config.warm_hours:
                    absorbed[i] = True
                    incident.absorbed, incident.absorb_from = True, tick + 1
        if absorbed.any():
            self.baseline.absorb(absorbed, self.config)
        for name in list(self.evidence.samples):
            i = int(np.searchsorted(self.index, name))
            self.evidence.learn_hour(name, hour - 1, not bool(skip[i]))
        self.windows.forget(tick)
        self.evidence.forget(tick)
        self.copies.forget(tick)
        self.unsaved.forget(tick)
        self.relearned.update(self.index[started].tolist())
        self._hour = None
        if (tick + 1) % 1440 == 0:
            self._end_day()

    def _end_day(self) -> None:
        """Keep the day's maxima where it was quiet and long enough, and set the thresholds anew."""
        limit = self.budget.page[:, list(PAGING)] + IMMEDIATE * self.budget.scale[:, list(PAGING)]
        extreme = (self.track.day_max[:, list(PAGING)] >= limit).any(axis=1)
        quiet = (self.track.day_ticks >= 720) & ~self.track.day_carried & ~extreme
        self.budget.keep_day(quiet, np.maximum(self.track.day_max, -3.0))
        self.budget.set_thresholds(self._budgets, self.config)
        self.track.day_max = np.full_like(self.track.day_max, UNSCORED)
        self.track.day_ticks = np.zeros_like(self.track.day_ticks)
        self.track.day_carried = np.zeros_like(self.track.day_carried)
        for name, incident in self.incidents.items():
            if incident.closed is None and incident.notify >= 2:
                self.track.day_carried[int(np.searchsorted(self.index, name))] = True

    # -- looking in
    # --------------------------------------------------------------------------------------------------------

    def started(self, i: int) -> bool:
        """Whether brand i has had a member."""
        return bool(self.track.start[i] != LONG_AGO)

    def expected(self, window: int) -> tuple[Floats, Floats]:
        """Authors and negative authors expected in this window at the closed tick, (n,) each."""
        if self.closed is None:
            return np.zeros(len(self)), np.zeros(len(self))
        if self._hour != self.closed // 60:
            self._prepare(self.closed // 60)
        exposure = self._exposure(np.array([self.closed]))[window, :, 0]
        level, level_negative = self.baseline.level()
        return exposure * level, exposure * level_negative

    def refresh_thresholds(self) -> None:
        """Compute the thresholds anew, as after a restore: the budget may have been changed meanwhile."""
        self.budget.set_thresholds(self._budgets, self.config)

    def samples(self, position: int) -> list[Sample]:
        """Negative mentions kept of a brand."""
        return list(self.evidence.samples.get(position, ()))

    def everything_is_new(self) -> None:
        """Let the next snapshot hold everything: nothing of this state was saved yet."""
        closed = 0 if self.closed is None else self.closed
        for i, position in enumerate(self.index.tolist()):
            if self.started(i):
                self.dirty.add(position)
                self.relearned.add(position)
                minute, author, flags = self.windows.dump(i)
                whole = (np.full(len(minute), position), np.full(len(minute), closed), minute, author, flags)
                self.unsaved.chunks.append(whole)
                self.unsaved.samples[position, closed] = self.samples(position)
                self.unsaved.firsts[position, closed] = self.copies.of(position)

    def nbytes(self) -> int:
        """Bytes of the arrays of the state."""
        columns: tuple[Columns, ...] = (self.baseline, self.gaps, self.budget, self.track)
        return (
            sum(c.nbytes() for c in columns)
            + self.windows.nbytes()
            + self.copies.nbytes()
            + self._shape.nbytes
            + self._reach.nbytes
        )

    # -- several cores
    # -----------------------------------------------------------------------------------------------------

    @staticmethod
    def merge(parts: Sequence[Core]) -> Core:
        """One core of all brands of cores that stand at the same tick."""
        first = parts[0]
        index = np.concatenate([p.index for p in parts])
        order = np.argsort(index)
        whole = Core(first.profiles, index[order], first.config, first.versions)
        whole.closed, whole.recorder = first.closed, first.recorder
        whole.baseline = Baseline.concat([p.baseline for p in parts], order)
        whole.gaps = Gaps.concat([p.gaps for p in parts], order)
        whole.budget = Budget.concat([p.budget for p in parts], order)
        whole.track = Track.concat([p.track for p in parts], order)
        whole.windows = Windows.merge(
            [p.windows for p in parts], index[order], 0 if first.closed is None else first.closed
        )
        whole.copies = Copies.merge([p.copies for p in parts])
        for p in parts:
            whole.evidence.samples.update(p.evidence.samples)
            whole.evidence.normal.update(p.evidence.normal)
            whole.evidence.learned.update(p.evidence.learned)
            whole.incidents.update(p.incidents)
            whole.unsaved.chunks.extend(p.unsaved.chunks)
            whole.unsaved.samples.update(p.unsaved.samples)
            whole.unsaved.firsts.update(p.unsaved.firsts)
            whole.dirty |= p.dirty
            whole.relearned |= p.relearned
        return whole

    _last: tuple[Any, Any, Any, Any]


@dataclass(frozen=True, slots=True)
class _Rows:
    """One brand's rows of a segment: windows or detectors first, ticks last."""

    ticks: Ints
    counts: Ints
    mu: Floats
    nu: Floats
    raw: Floats
    twice: Floats
    worth: NDArray[np.int8]
    agree: Ints
    calm: NDArray[np.bool_]
    heard: NDArray[np.bool_]


def resolve_levels(page: Floats, ticket: Floats) -> Floats:
    """Below which score a detector is calm: half its page threshold, and clearly below its ticket threshold."""
    half = np.where(page < NEVER, page / 2.0, np.inf)
    return np.asarray(np.minimum(half, np.where(ticket < NEVER, 0.75 * ticket, np.inf)), np.float64)


def _short(value: float) -> float:
    """Four significant digits: what people read, and alike everywhere."""
    return float(f"{value:.4g}")


def _reason(
    event: EventType,
    detector: int,
    window: int,
    negative: int,
    nu: float,
    authors: int,
    mu: float,
    share: float,
    share_expected: float,
    incident: Incident,
) -> str:
    span = _WINDOW_NAMES[window]
    if event == "resolved":
        ending = (
            "after 72 h the new level was absorbed into the baseline" if incident.absorbed else "scores fell to normal"
        )
        return f"{ending}; {negative} negative authors in {span} against {nu:.3g} expected"
    if detector == SURGE:
        return (
            f"{authors} authors in {span} against {mu:.3g} expected, with a usual share of negative ones ({share:.0%})"
        )
    if detector == TONE:
        return f"{share:.0%} of {authors} authors in {span} are negative against {share_expected:.0%} expected"
    return (
        f"{negative} negative authors in {span} against {nu:.3g} expected; "
        f"{share:.0%} of {authors} authors are negative against {share_expected:.0%} expected"
    )

"""Hours in which nothing new happens, many at once.

What an hour costs is a few hundred operations on short arrays, whatever it holds. But nearly all that one hour decides
for the next is decided by what happens in it: an incident, a feed that goes down or comes up, a brand that is new. If
nothing of it does, the hours can be learned one after the other first (hours_ahead.py), and then scored as one matrix
whose rows are a brand in an hour. Whether nothing happened shows in the scores; from the first hour on in which
something may have, all is put back, and that hour is taken on its own (segment.py). What comes after an hour in which
the level of a thin feed became usual is not tried at all. The numbers are the same bits either way: everything is done
element by element.

An incident that is open already is no hindrance for some hours: what they teach about its brand is the same whether or
not it ends in them (`WITH_INCIDENT`), so it can be moved through them after all are scored.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detectors import feed
from detectors.baseline import DELAY, HISTORY, Baseline
from detectors.columns import Floats, Ints
from detectors.core import Core, LastTick
from detectors.exposure import ALL, NEGATIVE, of_minutes
from detectors.gaps import Gaps, is_heard
from detectors.hours_ahead import WITHIN, HoursAhead, learn_ahead
from detectors.incidents import Decision
from detectors.late import TakenIn
from detectors.learning import end_day, learn_terms
from detectors.members import take
from detectors.segment import (
    Numbers,
    decide_each,
    forget_closed,
    is_calm,
    note_calm,
    record,
    scores,
    twice,
    with_incident,
)
from detectors.windows import AUTHORS, LONG_AGO, WIDTHS
from detectors.worth import reached

MOST_HOURS = 24
"""Of a day at most: its end sets the thresholds anew."""
MOST_CELLS = 16_384
"""Brands times ticks: where there are more, an hour alone fills arrays that pay, and several do not fit the cache."""
WITH_INCIDENT = DELAY + 1
"""While an incident is open: an hour teaches nothing if one was open since then, and is learned so many hours later."""
_FEWEST = 2
_AN_HOUR = WIDTHS.index(60)


def hours_to_try(core: Core, first: int, last: int) -> int:
    """How many whole hours from tick `first` on to try to pass at once; 0 where something is going on."""
    fitting = MOST_CELLS // (60 * max(len(core), 1))
    most = min((last + 1 - first) // 60, core.hours_at_once, fitting, 24 - first // 60 % 24, _open_for(core, first))
    if first % 60 or most < _FEWEST or not _nothing_goes_on(core, first):
        # After an hour on its own more are tried, few at first.
        core.hours_at_once = min(2 * core.hours_at_once, MOST_HOURS)
        return 0
    return most


def _open_for(core: Core, first: int) -> int:
    """For how many hours from tick `first` on it does not matter that incidents are open."""
    most = MOST_HOURS
    for position, incident in core.incidents.items():
        if incident.closed is None:
            absorbed = incident.absorb_from + 60 * core.config.absorb_after_hours
            down = core.gaps.down[core.row(position)]
            most = 0 if down else min(most, WITH_INCIDENT, (absorbed - first - 1) // 60)
    return most


def _nothing_goes_on(core: Core, first: int) -> bool:
    if core.detectors.extra or core.detectors.learners or core.with_plans or core.track.waiting.any():
        return False
    return not (core.models.run.any() or core.models.heard.any() or core.models.margin(first) is not None)


def pass_hours(
    core: Core,
    first: int,
    taken: TakenIn,
    counts: Ints,
    topic: Floats,
    clock_ticks: Collection[int],
    out: list[Decision],
) -> int:
    """Close as many whole hours from tick `first` on as nothing new happens in; says how many.

    Parameters
    ----------
    taken : in these hours
    counts : (3, 5, n, 60 hours), see windows.Windows
    topic : (n, 60 hours), see topics
    out : decisions about incidents that are open are added to it
    """
    members = taken.came.members
    hours = counts.shape[-1] // 60
    if members.models() is not None:
        return 0
    new = np.nonzero(core.track.start[members.row] == LONG_AGO)[0]
    if len(new):
        hours = (int(members.tick[new[0]]) - first) // 60
        if hours < _FEWEST:
            return 0
        taken = taken.rows(0, int(np.searchsorted(members.tick, first + 60 * hours)))
        members = taken.came.members
    seen = feed.last_seen(core, first, 60 * hours, members)
    with_open = sorted(with_incident(core))
    # As its first tick will leave it, also where this hour is taken on its own.
    core.track.last_open[with_open] = first
    before = _Before.of(core)
    expected = learn_ahead(core, before.gaps, first, hours, counts, seen)
    hours = expected.hours
    own, topic = np.ascontiguousarray(counts[..., : 60 * hours]), np.ascontiguousarray(topic[:, : 60 * hours])
    scored = _scored(core, before.gaps.down, expected, first, own, topic, seen, with_open)
    passed = scored.hours
    core.hours_at_once = min(2 * core.hours_at_once, MOST_HOURS)
    if passed < hours:
        before.put_back(core)
        # The hour in which something may happen is the next one to be taken, and on its own.
        core.hours_at_once = 1 if passed else _FEWEST
        if not passed:
            return 0
        learn_ahead(core, before.gaps, first, passed, counts, seen)
    taken = taken.rows(0, int(np.searchsorted(members.tick, first + 60 * passed)))
    if len(taken.came.members):
        take(core, taken.came)
    _take_scores(core, scored)
    if with_open:
        _decide_hours(core, first, scored, taken, own, seen, before.gaps.down, clock_ticks, out)
    else:
        _note_hours(core, first, scored, own, before.gaps.down)
    core.last = LastTick(scored.exposure[..., 60 * passed - 1].copy(), own[..., 60 * passed - 1].copy())
    core.relearned.update(core.index[core.track.started].tolist())
    core.closed = first + 60 * passed - 1
    if (core.closed + 1) % 1440 == 0:
        end_day(core, core.closed)
    return passed


@dataclass(frozen=True, slots=True)
class _Before:
    """The state that learning changes, as it was."""

    baseline: Baseline
    gaps: Gaps

    @staticmethod
    def of(core: Core) -> _Before:
        return _Before(core.baseline.copy(), core.gaps.copy())

    def put_back(self, core: Core) -> None:
        core.baseline, core.gaps = self.baseline.copy(), self.gaps.copy()
        core.exposure.outdated()


@dataclass(frozen=True, slots=True)
class _Scored:
    """Numbers of hours."""

    hours: int
    """In which nothing new happens; in the next one something may have."""
    exposure: Floats
    """(2, 5, n, ticks)"""
    mu: Floats
    nu: Floats
    raw: Floats
    """(detectors, n, ticks)"""
    twice: Floats
    silent_for: Floats
    """(n, ticks), see feed.silence"""
    settled: NDArray[np.bool_]
    """(n, hours)"""


def _scored(
    core: Core,
    down: NDArray[np.bool_],
    expected: HoursAhead,
    first: int,
    counts: Ints,
    topic: Floats,
    seen: Ints,
    with_open: Sequence[int],
) -> _Scored:
    """Score hours; `counts` are (3, 5, n, 60 hours), `topic` (n, 60 hours). Scores of rows `with_open` are at no
    threshold: these brands are decided tick by tick."""
    n, hours, usual = len(core), expected.hours, expected.usual
    rows = counts.reshape(3, len(WIDTHS), n * hours, 60)
    exposure = expected.exposure
    mu, nu = exposure[ALL] * usual.level[:, None], exposure[NEGATIVE] * usual.level_negative[:, None]
    started, down = np.repeat(core.track.started, hours), np.repeat(down, hours)
    known = started & (usual.known_hours >= core.config.settled_hours)
    silent_for = _silence(expected, first, seen[:, : 60 * hours])
    turns = _turns(expected, rows[AUTHORS], silent_for, mu, known, down)
    judged = started & ~down & (usual.known_hours >= core.config.warm_hours)
    # The ticks are those of the first hour; the built-in detectors do not look at them.
    raw = scores(core, usual, judged, np.arange(first, first + 60), expected.local, rows, topic.reshape(-1, 60), mu, nu)
    raw = raw.reshape(len(core.detectors), n, -1)
    both = twice(core, raw)
    may_open = reached(raw, both, core.budget, core.detectors).reshape(n, hours, 60)
    may_open[with_open] = False
    happens = may_open.any(axis=(0, 2)) | turns
    return _Scored(
        hours=int(np.argmax(happens)) if happens.any() else hours,
        exposure=exposure.reshape(2, len(WIDTHS), n, -1),
        mu=mu.reshape(len(WIDTHS), n, -1),
        nu=nu.reshape(len(WIDTHS), n, -1),
        raw=raw,
        twice=both,
        silent_for=silent_for.reshape(n, -1),
        settled=(judged & known).reshape(n, hours),
    )


def _silence(expected: HoursAhead, first: int, seen: Ints) -> Floats:
    """(rows, 60), see feed.silence."""
    seen = seen.reshape(-1, 60)
    begin = np.tile(first + 60 * np.arange(expected.hours), len(seen) // expected.hours)
    ticks = begin[:, None] + np.arange(60)
    shape = expected.shape[ALL, :, HISTORY - 1].astype(np.float64)
    return feed.silence_of(ticks, seen, begin, shape, expected.usual.level, expected.silence)


def _turns(
    expected: HoursAhead,
    authors: Ints,
    silent_for: Floats,
    mu: Floats,
    settled: NDArray[np.bool_],
    down: NDArray[np.bool_],
) -> NDArray[np.bool_]:
    """(hours,) whether any feed goes down or comes up."""
    hours = expected.hours
    if not settled.any():
        return np.zeros(hours, np.bool_)
    full = None
    if down.any():
        full = of_minutes(expected.shape[ALL], WITHIN, WIDTHS[0]) * expected.usual.level[:, None]
    signs = feed.signs(authors, silent_for, mu, expected.usual.dispersion, settled, down, full)
    turns = signs.turns.any(axis=1).reshape(-1, hours).any(axis=0)
    return np.asarray(turns & settled.reshape(-1, hours).any(axis=0), np.bool_)


def _take_scores(core: Core, scored: _Scored) -> None:
    """Keep what scores leave behind for the next tick and the end of the day, as segment.py does."""
    n, hours = len(core), scored.hours
    k = 60 * hours
    settled = scored.settled[:, :hours]
    highest = scored.twice[..., :k].reshape(-1, n, hours, 60).max(axis=3)
    highest = np.where(settled, highest, -np.inf).max(axis=2).T
    core.track.day_max = np.maximum(core.track.day_max, highest)
    core.track.day_ticks = core.track.day_ticks + 60 * settled.sum(axis=1)
    core.track.score = np.ascontiguousarray(scored.raw[..., k - 1].T)


def _note_hours(core: Core, first: int, scored: _Scored, counts: Ints, down: NDArray[np.bool_]) -> None:
    """Note what hours leave behind in which there is nothing to decide."""
    hours = scored.hours
    last = first + 60 * hours - 1
    learn_terms(core, first // 60, hours)
    note_calm(core, is_calm(counts[..., : 60 * hours], scored.nu[..., : 60 * hours]), last)
    forget_closed(core, last)
    if core.recorder is not None:
        nothing = np.zeros((len(core), 60), np.bool_)
        for hour in range(hours):
            own, ticks = _hour(first, hour)
            mu, nu, raw = scored.mu[..., own], scored.nu[..., own], scored.raw[..., own]
            record(core, ticks, counts[..., own], mu, nu, raw, nothing, down)


def _decide_hours(
    core: Core,
    first: int,
    scored: _Scored,
    taken: TakenIn,
    counts: Ints,
    seen: Ints,
    down: NDArray[np.bool_],
    clock_ticks: Collection[int],
    out: list[Decision],
) -> None:
    """Move open incidents through hours, one after the other, since each teaches which terms are usual."""
    late = taken.late()
    for hour in range(scored.hours):
        own, ticks = _hour(first, hour)
        numbers = Numbers(
            ticks,
            counts[..., own],
            scored.mu[..., own],
            scored.nu[..., own],
            scored.raw[..., own],
            scored.twice[..., own],
            is_heard(counts[AUTHORS, _AN_HOUR, :, own], scored.mu[_AN_HOUR, :, own], scored.silent_for[:, own]),
            seen[:, own],
            down,
            scored.settled[:, hour],
            np.zeros(len(core), np.bool_),
        )
        decide_each(core, numbers, late, clock_ticks, out)
        learn_terms(core, first // 60 + hour, 1)


def _hour(first: int, hour: int) -> tuple[slice, Ints]:
    """Where the ticks of an hour stand among those from `first` on, and these."""
    own = slice(60 * hour, 60 * hour + 60)
    return own, np.arange(first + own.start, first + own.stop)

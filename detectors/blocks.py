"""Moving a group of brands on, stretch by stretch.

A stretch is a run of ticks whose windows are counted at once, up to a day. Baselines and thresholds change at the ends
of hours and days only, so within an hour expectations and scores are matrices (brands, ticks); where a gap begins or
ends the hour is cut into segments. Hours in which nothing new happens are passed many at once (hours_at_once.py).
Nothing of this shows in the result: a tick's numbers depend on state that changes at ticks, hours and days, never on
where a stretch begins.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from detectors.columns import Floats, Ints
from detectors.core import Core
from detectors.feed import last_seen
from detectors.hours_at_once import hours_to_try, pass_hours
from detectors.incidents import Decision
from detectors.late import Late, TakenIn
from detectors.learning import end_hour, forget
from detectors.members import Came, Members, samples_of, take, voices
from detectors.model_changes import note_models
from detectors.observations import Observations
from detectors.segment import run_segment
from detectors.telling import apply_due, next_due
from detectors.windows import AUTHORS, NEGATIVES

STRETCH_CELLS = 200_000
"""Brands times ticks of a stretch at most; bounds the memory of a call over many brands."""
STRETCH_TICKS = 1440


def advance(
    core: Core, upto: int, observations: Observations, row: Ints, clock_ticks: Collection[int]
) -> list[Decision]:
    """Close the ticks up to `upto`.

    `row` tells the row of the brand of each observation; these must be of ticks later than `core.closed`.
    """
    out: list[Decision] = []
    if core.closed is None:
        if len(observations) == 0:
            core.closed = upto
            return out
        core.closed = int(observations.tick[0]) - 1
    most = min(max(1, STRETCH_CELLS // max(len(core), 1)), STRETCH_TICKS)
    while core.closed < upto:
        first = core.closed + 1
        apply_due(core, first)
        due = next_due(core)
        if core.asleep:
            begin = int(np.searchsorted(observations.tick, first))
            wakes = [int(tick) for tick in observations.tick[begin : begin + 1]] + ([] if due is None else [due])
            until = min([upto, *(tick - 1 for tick in wakes)])
            if until >= first:
                _sleep(core, first, until)
                continue
        # Thresholds change at the ends of days: what is passed at once does not reach beyond.
        last = min(upto, first + most - 1, first - first % 1440 + 1439)
        whole_hours = (last + 1) // 60 * 60 - 1
        if last < upto and whole_hours >= first:
            last = whole_hours
        if due is not None:
            last = min(last, due - 1)
        begin, end = np.searchsorted(observations.tick, [first, last + 1]).tolist()
        if not core.windows.calm(end - begin):
            # Storms begin and end at the ends of hours.
            last = min(last, first - first % 60 + 59)
            end = int(np.searchsorted(observations.tick, last, "right"))
        _stretch(core, first, last, Members.of(observations, row, begin, end), clock_ticks, out)
    return out


def _sleep(core: Core, first: int, last: int) -> None:
    """Close the ticks first..last, in which nothing happens to brands of which nothing is known: at once, however many
    there are, and as if they had been gone through."""
    core.closed = last
    core.track.calm = np.full_like(core.track.calm, last)
    days_end, hours_end = (last + 1) // 1440 * 1440 - 1, (last + 1) // 60 * 60 - 1
    if days_end >= first:
        for position, book in core.casebooks.items():
            book.forget(days_end)
            core.note_plans(position)
    if hours_end >= first:
        forget(core, hours_end)


def _stretch(
    core: Core, first: int, last: int, members: Members, clock_ticks: Collection[int], out: list[Decision]
) -> None:
    """Close the ticks first..last."""
    voice = voices(core, members)
    came = Came(members, voice, samples_of(core, members, voice))
    topic = core.topics.advance(first, last, came.kept, core.evidence, core.index)
    counts, before, before_negative = core.windows.advance(
        first, last, members.row, members.tick, members.minute, members.author, voice, members.negative
    )
    # Whom a copy speaks for may have posted longer ago than the window reaches.
    counts[NEGATIVES] = np.minimum(counts[NEGATIVES], counts[AUTHORS])
    taken = TakenIn(came, before, before_negative)
    stops = [*range(first - first % 60 + 59, last, 60), last]
    ends = np.searchsorted(members.tick, np.array(stops, np.int64), "right").tolist()
    hour, begin, start = 0, 0, first
    while hour < len(stops):
        most = hours_to_try(core, start, last)
        if most:
            end = ends[hour + most - 1]
            part = slice(start - first, start - first + 60 * most)
            passed = pass_hours(
                core, start, taken.rows(begin, end), counts[..., part], topic[:, part], clock_ticks, out
            )
            if passed:
                hour += passed
                begin, start = ends[hour - 1], stops[hour - 1] + 1
                continue
        end, stop = ends[hour], stops[hour]
        part = slice(start - first, stop - first + 1)
        own = taken.rows(begin, end)
        _within_hour(core, start, stop, own, counts[..., part], topic[:, part], clock_ticks, out)
        core.closed = stop
        if (stop + 1) % 60 == 0:
            end_hour(core, stop, out)
        hour, begin, start = hour + 1, end, stop + 1
    hours_end = (last + 1) // 60 * 60 - 1
    if hours_end >= first:
        forget(core, hours_end)


def _within_hour(
    core: Core,
    first: int,
    last: int,
    taken: TakenIn,
    counts: Ints,
    topic: Floats,
    clock_ticks: Collection[int],
    out: list[Decision],
) -> None:
    """Close the ticks first..last, which lie within one hour; `counts` (3, 5, n, ticks) and `topic` (n, ticks) are
    known already."""
    core.exposure.prepare(first // 60, core.baseline)
    members = taken.came.members
    k = last - first + 1
    ticks = np.arange(first, last + 1)
    late: Late = {}
    if len(members):
        take(core, taken.came)
        late = taken.late()
    seen = last_seen(core, first, k, members)
    changes = note_models(core, members)
    at = 0
    while at < k:
        # A brand's first mention by an unknown tone model: what it says is taken with care from that tick on.
        for i in changes.pop(first + at, ()):
            core.models.changed[i] = first + at
        end = min((tick - first for tick in changes), default=k)
        part = slice(at, end)
        at += run_segment(core, ticks[part], counts[..., part], topic[:, part], seen[:, part], late, clock_ticks, out)
    core.gaps.last_seen = np.ascontiguousarray(seen[:, -1])

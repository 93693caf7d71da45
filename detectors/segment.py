"""Scoring and deciding a segment: ticks of one block between which no gap begins or ends.

A segment is a matrix (brands, ticks) from counts to scores to what they are worth. Only brands with a score at a
threshold or an open incident are then looked at tick by tick.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from detectors import feed
from detectors.anew import is_over
from detectors.brand_rows import BrandRows
from detectors.columns import Floats, Ints
from detectors.core import Core, LastTick
from detectors.deciding import decide, give_up
from detectors.exposure import ALL, NEGATIVE
from detectors.gaps import is_heard
from detectors.incidents import Decision
from detectors.late import Late
from detectors.model_versions import MOST_SHARE
from detectors.planned import expected_exposure, planned_ticks
from detectors.recording import Recording
from detectors.score import UNSCORED
from detectors.usual import Usual
from detectors.view import View
from detectors.windows import AUTHORS, MENTIONS, NEGATIVES, SIX_HOURS
from detectors.worth import active, excess_over_page, resolve_levels, severity, worth


def run_segment(
    core: Core,
    ticks: Ints,
    counts: Ints,
    topic: Floats,
    seen: Ints,
    late: Late,
    clock_ticks: Collection[int],
    out: list[Decision],
) -> int:
    """Score and decide from the first of these ticks to the first at which a gap begins or ends; says how many.

    Parameters
    ----------
    ticks : (ticks,) within one hour
    counts : (3, 5, n, ticks), see windows.Windows
    topic : (n, ticks), see topics
    seen : (n, ticks) tick of the brand's last mention
    """
    usual = Usual.of(core.baseline)
    exposure = core.exposure.of_windows(ticks, core.gaps)
    usual_mu = exposure[ALL] * usual.level[:, None]
    silent_for = feed.silence(core, usual, ticks, seen)
    # A planned event that few come to is no silence: the feed is judged by what is usual.
    turned = feed.turns(core, usual, ticks, counts, seen, silent_for, usual_mu)
    k = turned.ticks
    ticks = ticks[:k]
    counts = np.ascontiguousarray(counts[..., :k])
    exposure = np.ascontiguousarray(exposure[..., :k])
    heard = is_heard(counts[AUTHORS, 1], usual_mu[1, :, :k], silent_for[:, :k])
    expected = expected_exposure(core, ticks, exposure)
    mu, nu = expected[ALL] * usual.level[:, None], expected[NEGATIVE] * usual.level_negative[:, None]
    margin = core.models.margin(int(ticks[0]))
    unsettled = np.zeros(len(core), np.bool_) if margin is None else margin > 1.0
    if margin is not None:
        nu = np.where(unsettled[:, None], np.maximum(nu, np.minimum(nu * margin[:, None], MOST_SHARE * mu)), nu)

    judged = core.track.started & ~core.gaps.down & (usual.known_hours >= core.config.warm_hours)
    new = None if margin is None else unsettled
    raw = scores(core, usual, judged, ticks, core.exposure.local, counts, topic[:, :k], mu, nu, new)
    both = twice(core, raw)
    core.track.score = np.ascontiguousarray(raw[..., -1].T)

    settled = judged & (usual.known_hours >= core.config.settled_hours)
    _note_day(core, ticks, both, settled & ~unsettled)
    numbers = Numbers(ticks, counts, mu, nu, raw, both, heard, seen[:, :k], core.gaps.down, settled, unsettled)
    decide_each(core, numbers, late, clock_ticks, out)
    core.last = LastTick(exposure[..., -1], counts[..., -1])
    feed.turn(core, turned, int(ticks[-1]))
    return k


class Numbers(NamedTuple):
    """What the decisions of some ticks within one hour rest on, of all brands."""

    ticks: Ints
    """(ticks,)"""
    counts: Ints
    """(3, 5, n, ticks), see windows.Windows."""
    mu: Floats
    """(5, n, ticks) authors expected."""
    nu: Floats
    """(5, n, ticks) negative authors expected."""
    raw: Floats
    """(detectors, n, ticks) score."""
    both: Floats
    """(detectors, n, ticks) see `twice`."""
    heard: NDArray[np.bool_]
    """(n, ticks) see gaps.is_heard."""
    seen: Ints
    """(n, ticks) tick of the brand's last mention."""
    down: NDArray[np.bool_]
    """(n,) brands whose feed is down."""
    settled: NDArray[np.bool_]
    """(n,) brands known long enough for more than pages."""
    unsettled: NDArray[np.bool_]
    """(n,) brands whose tone model is new."""


def decide_each(core: Core, numbers: Numbers, late: Late, clock_ticks: Collection[int], out: list[Decision]) -> None:
    """Move brands with an open incident, or a score at a threshold, through some ticks; note what was calm."""
    ticks, counts, mu, nu, raw, both, heard, seen, down, settled, unsettled = numbers
    calm = is_calm(counts, nu)
    value, agree = worth(raw, both, counts, mu, nu, settled, unsettled, core.budget, core.config, core.detectors)
    opened = np.zeros((len(core), len(ticks)), np.bool_) if core.recorder is not None else None
    involved = set(np.nonzero(value.any(axis=1) | (core.track.waiting > 0))[0].tolist())
    involved |= with_incident(core)
    core.track.waiting = np.where(down, 0, core.track.waiting)
    # What is arithmetic is done for all of them at once: brand by brand it takes twice the time of everything else.
    at = np.array(sorted(involved), np.int64)
    budget = core.budget
    page, ticket, scale = (own[at].astype(np.float64) for own in (budget.page, budget.ticket, budget.scale))
    excess = excess_over_page(both[:, at], page.T[:, :, None], scale.T[:, :, None])
    severe = severity(excess, counts[NEGATIVES, SIX_HOURS][at])
    over = is_over(core, int(ticks[-1]), seen[:, -1])
    watched = active(raw[:, at], resolve_levels(page, ticket).T[:, :, None])
    for place, i in enumerate(at.tolist()):
        own = None if opened is None else opened[i]
        if not down[i] or over[i]:
            rows = BrandRows(
                ticks,
                counts[:, :, i],
                mu[:, i],
                nu[:, i],
                raw[:, i],
                both[:, i],
                value[i],
                agree[i],
                calm[i],
                heard[i],
                excess[place],
                severe[place],
                watched[place],
            )
        if not down[i]:
            decide(core, i, rows, late, clock_ticks, out, own)
        elif core.index[i] in core.incidents and core.incidents[int(core.index[i])].closed is None:
            core.track.last_open[i] = ticks[-1]
            if own is not None:
                own[:] = True
        if over[i]:
            give_up(core, i, rows, clock_ticks, out, own)

    # Only now: what closed less than six hours before one of these ticks could still be re-opened in it.
    forget_closed(core, int(ticks[-1]))
    note_calm(core, calm, int(ticks[-1]))
    if opened is not None:
        record(core, ticks, counts, mu, nu, raw, opened, down)


def record(
    core: Core,
    ticks: Ints,
    counts: Ints,
    mu: Floats,
    nu: Floats,
    raw: Floats,
    opened: NDArray[np.bool_],
    down: NDArray[np.bool_],
) -> None:
    """Tell the recorder, if there is one, the numbers of some ticks."""
    if core.recorder is None:
        return
    recording = Recording(
        core.detectors.names,
        core.detectors.titles,
        core.detectors.asks_for,
        ticks,
        core.index,
        counts[MENTIONS],
        counts[AUTHORS],
        counts[NEGATIVES],
        mu,
        nu,
        raw,
        core.budget.page.astype(np.float64),
        core.budget.ticket.astype(np.float64),
        opened,
        down.copy(),
    )
    core.recorder(recording)


def scores(
    core: Core,
    usual: Usual,
    judged: NDArray[np.bool_],
    ticks: Ints,
    local_hour: Ints,
    counts: Ints,
    topic: Floats,
    mu: Floats,
    nu: Floats,
    unsettled: NDArray[np.bool_] | None = None,
) -> Floats:
    """Scores of rows, (detectors, rows, ticks); UNSCORED where they are not `judged`. For `unsettled` see View."""
    if not judged.any():
        return np.full((len(core.detectors), *counts.shape[2:]), UNSCORED)
    view = View(
        ticks=ticks,
        local_hour=local_hour,
        mentions=counts[MENTIONS],
        authors=counts[AUTHORS],
        negative=counts[NEGATIVES],
        authors_expected=mu,
        negative_expected=nu,
        topic=topic,
        share_weight=core.config.share_weight,
        correlation=usual.correlation,
        lasting=usual.lasting,
        unsettled=unsettled,
    )
    raw = core.detectors.scores(view, core.learned)
    raw[:, ~judged] = UNSCORED
    return raw


def _note_day(core: Core, ticks: Ints, twice: Floats, settled: NDArray[np.bool_]) -> None:
    """Raise the day's maxima; ticks of planned events do not count."""
    highest, counted = twice.max(axis=2).T, np.full(len(core), len(ticks))
    for i, planned in planned_ticks(core, ticks).items():
        counted[i] = len(ticks) - int(planned.sum())
        highest[i] = np.where(planned, UNSCORED, twice[:, i]).max(axis=1)
    core.track.day_max = np.where(settled[:, None], np.maximum(core.track.day_max, highest), core.track.day_max)
    core.track.day_ticks = core.track.day_ticks + np.where(settled, counted, 0)


def twice(core: Core, raw: Floats) -> Floats:
    """The lower one of each tick's score and the tick's before, (detectors, n, ticks)."""
    before = np.empty_like(raw)
    before[..., 0] = core.track.score.T
    before[..., 1:] = raw[..., :-1]
    return np.minimum(raw, before)


def is_calm(counts: Ints, nu: Floats) -> NDArray[np.bool_]:
    """(n, ticks) whether the past hour was still usual, for when an incident began; `counts` are (3, 5, n, ticks)."""
    return np.asarray(counts[NEGATIVES, 1] <= 1.5 * nu[1] + 1.0, np.bool_)


def note_calm(core: Core, calm: NDArray[np.bool_], last: int) -> None:
    """Note the latest of some ticks that was calm, (n, ticks), the last of which is `last`."""
    core.track.calm = np.where(calm.any(axis=1), last - np.argmax(calm[:, ::-1], axis=1), core.track.calm)


def with_incident(core: Core) -> set[int]:
    """Rows of brands with an open incident."""
    return {core.row(name) for name, incident in core.incidents.items() if incident.closed is None}


def forget_closed(core: Core, tick: int) -> None:
    """Forget incidents that cannot be re-opened after this tick."""
    for name, incident in list(core.incidents.items()):
        if incident.closed is not None and tick - incident.closed > core.config.reopen_minutes:
            del core.incidents[name]
            core.dirty.add(name)

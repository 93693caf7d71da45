"""Learning at the ends of hours (baseline, usual terms, lasting levels) and of days (thresholds)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from detectors import controller
from detectors.anew import begin_anew
from detectors.baseline import DELAY, MIXED
from detectors.budget import MONTH
from detectors.columns import Floats, Ints
from detectors.core import Core
from detectors.detector import Hour
from detectors.exposure import ALL, NEGATIVE
from detectors.feed import come_up
from detectors.incidents import Decision
from detectors.level_sums import LevelSums
from detectors.model_changes import change_models
from detectors.own_detectors import teach
from detectors.planned import planned_hour
from detectors.score import TONE_CLIP, UNSCORED, expected_shares
from detectors.view import frozen
from detectors.windows import AUTHORS, MENTIONS, NEGATIVES, SIX_HOURS, WIDTHS
from detectors.worth import IMMEDIATE, PAGE

LOW_HOURS = 24
"""Hours with mentions after which a feed that stays thin is the new level."""
LONG_DAY = 720
"""Ticks that were judged, from which a day's maxima count."""
LEAST_MAXIMUM = TONE_CLIP[0]
"""Not higher: of a busy brand most days' maxima of `tone` are far below zero, and cut they would seem alike, so that
usual days looked extreme and were left out."""
LEFT_OUT = 1
"""Days of a month that may be left out for each page agreed, since they were far above a threshold."""
NOT_SETTLED = 3
"""A brand's first days, which are not judged whole in any case."""
LEAST_MENTIONS = 3
"""Of a day whose maxima count: one without any says nothing of a brand that is talked about."""
_AN_HOUR, _A_DAY = WIDTHS.index(60), WIDTHS.index(1440)


def end_hour(core: Core, tick: int, out: list[Decision]) -> None:
    """After the last tick of an hour: learn an earlier hour, hold this one. Decisions are added to `out`."""
    learn(core, tick, core.last.exposure, core.last.counts, out)
    learn_terms(core, tick // 60, 1)
    core.relearned.update(core.index[core.track.started].tolist())
    if (tick + 1) % 1440 == 0:
        end_day(core, tick)


def learn(core: Core, tick: int, exposure: Floats, counts: Ints, out: list[Decision]) -> None:
    """What baseline, gaps and detectors learn after the last tick of an hour.

    Parameters
    ----------
    exposure : (2, 5, n) at the tick
    counts : (3, 5, n) at the tick
    """
    hour = tick // 60
    started = core.track.started
    shape = core.exposure.shape(0)
    observed = np.where(started & ~core.gaps.down, np.minimum(exposure[ALL, _AN_HOUR] / shape[ALL], 1.0), 0.0)
    planned = planned_hour(core, hour)
    observed = np.where(planned, 0.0, observed)
    if core.detectors.learners:
        _teach(core, observed, ~(open_since(core, [hour - 1])[0] | planned))
    levels, rho = LevelSums.in_order([core.baseline.level_sums()]), core.baseline.correlation()[None]
    learn_lasting(core, [hour], exposure[:, :, None], counts[:, :, None], observed[None], levels, rho)
    core.baseline.learn(
        core.exposure.local - DELAY, core.exposure.shape(DELAY), open_since(core, [hour - DELAY])[0], core.config
    )
    mixed = change_models(core, tick, out)
    hold(core, tick, counts, np.where(mixed, MIXED, counts[NEGATIVES, 1]), observed)
    _absorb(core, tick)


def hold(core: Core, tick: int, counts: Ints, negative: Ints | Floats, observed: Floats) -> None:
    """Keep the hour that just ended until it is learned, `negative` (n,) being what counts of it as such; and whether
    the feed is silent."""
    shape = core.exposure.shape(0)
    core.baseline.hold(counts[AUTHORS, 1], negative, observed)
    minutes = tick - np.maximum(core.gaps.last_seen, tick - 60)
    before = np.where(core.gaps.last_seen <= tick - 60, core.gaps.silence, 0.0)
    expected = before + shape[ALL] * (minutes / 60.0) * core.baseline.level()[0]
    core.gaps.silence = np.where(core.track.started, expected, 0.0)
    core.baseline.hold_low(core.gaps.down, counts[AUTHORS, 1], counts[NEGATIVES, 1], shape)
    _take_low_for_normal(core, tick)
    core.exposure.outdated()


def learn_lasting(
    core: Core, hours: Sequence[int], exposure: Floats, counts: Ints, observed: Floats, levels: LevelSums, rho: Floats
) -> Floats:
    """Learn how far the share of the last six hours was from what scores expected, unless an incident was open in
    them; see Baseline.learn_lasting.

    Parameters
    ----------
    hours : since 1970, one after the other
    exposure, counts : (2, 5, hours, n) and (3, 5, hours, n) at the last ticks of each
    observed : (hours, n) part of each that was observed
    """
    level, level_negative = levels.level()
    share = expected_shares(exposure[NEGATIVE, SIX_HOURS:] * level_negative, exposure[ALL, SIX_HOURS:] * level)[0]
    quiet = (observed > 0) & ~open_since(core, [hour - 5 for hour in hours])
    authors, negative = counts[AUTHORS, SIX_HOURS], counts[NEGATIVES, SIX_HOURS]
    return core.baseline.learn_lasting(authors, negative, share, quiet, levels, rho, core.config)


def open_since(core: Core, hours: Sequence[int]) -> NDArray[np.bool_]:
    """(hours, n) whether an incident was open since the beginning of each of some hours, or a planned event in it: it
    teaches nothing then."""
    opened = np.asarray(core.track.last_open >= 60 * np.array(hours)[:, None], np.bool_)
    return opened | np.stack([planned_hour(core, hour) for hour in hours]) if core.with_plans else opened


def learn_terms(core: Core, first: int, hours: int) -> None:
    """At the end of each of some hours, of which `first` is the first: learn what is usually said in the one before."""
    if core.evidence.samples:
        quiet = ~open_since(core, range(first - 1, first - 1 + hours)).T
        for name in list(core.evidence.samples):
            core.evidence.learn_hours(name, first - 1, quiet[core.row(name)].tolist())


def forget(core: Core, tick: int) -> None:
    """Drop what no window of a later tick needs; `tick` is the last of an hour. How often this is called changes
    nothing but the memory."""
    core.windows.forget(tick)
    core.track.known_since = core.windows.storms().T
    core.evidence.forget(tick)
    core.topics.forget(tick)
    core.copies.forget(tick)
    core.unsaved.forget(tick)


def end_day(core: Core, tick: int) -> None:
    """Keep the day's maxima where it was quiet and long enough, set the thresholds anew, and forget brands of which
    nothing is heard any more."""
    paging = list(core.detectors.paging)
    most = core.budget.page + IMMEDIATE * core.budget.scale
    extreme = (core.track.day_max[:, paging] >= most[:, paging]).any(axis=1)
    # As many days as pages are agreed may be crises. More are the brand's ways: thresholds learned from the days below
    # them would never rise to where they belong.
    left_out = core.budget.left_out(int(MONTH), (tick + 1 - core.track.start) // 1440 - NOT_SETTLED)
    extreme &= left_out < LEFT_OUT * np.ceil(core.budgets)
    said_something = core.last.counts[MENTIONS, _A_DAY] >= LEAST_MENTIONS
    quiet = (core.track.day_ticks >= LONG_DAY) & ~core.track.day_carried & ~extreme & said_something
    cut = np.where(core.detectors.pages, np.minimum(core.track.day_max, most), core.track.day_max)
    core.budget.keep_day(quiet, np.maximum(cut, LEAST_MAXIMUM))
    _control(core, tick)
    known = core.baseline.known_hours() > 0
    core.budget.negative = np.where(known, core.baseline.level()[1], core.budget.negative)
    core.baseline.set_share_rhythm(core.exposure.local)
    core.set_thresholds()
    core.track.day_max = np.full_like(core.track.day_max, UNSCORED)
    core.track.day_ticks = np.zeros_like(core.track.day_ticks)
    core.track.day_carried = np.zeros_like(core.track.day_carried)
    for name, incident in core.incidents.items():
        # Tickets alone are part of quiet life: days left out for them would make thresholds too low.
        if incident.closed is None and (incident.notify == PAGE or incident.peak >= IMMEDIATE):
            core.track.day_carried[core.row(name)] = True
        if incident.closed is None and incident.absorbed and incident.absorb_from > tick + 1 - 1440:
            # Absorbed in this day. What is usually said changes between days only (see topics).
            core.evidence.adopt(name, tick)
    begin_anew(core, tick)


def _teach(core: Core, observed: Floats, quiet: NDArray[np.bool_]) -> None:
    """Let the detectors that learn have the hour, with what was expected in it."""
    level, level_negative = core.baseline.level()
    exposure, counts = core.last.exposure, core.last.counts
    for detector in core.detectors.learners:
        hour = Hour(
            local_hour=frozen(core.exposure.local),
            mentions=frozen(counts[MENTIONS]),
            authors=frozen(counts[AUTHORS]),
            negative=frozen(counts[NEGATIVES]),
            authors_expected=frozen(exposure[ALL] * level),
            negative_expected=frozen(exposure[NEGATIVE] * level_negative),
            observed=frozen(observed),
            quiet=frozen(quiet),
            learned=core.learned[detector.name],
        )
        teach(detector, hour)


def _control(core: Core, tick: int) -> None:
    """Let the controller see how the pages turned out."""
    false_pages, heard = np.zeros(len(core)), np.zeros(len(core), np.bool_)
    for name, book in core.casebooks.items():
        i = core.row(name)
        book.forget(tick)
        core.note_plans(name)
        # What a portfolio made of today's pages the brand is told tomorrow.
        last = None if core.profiles[name].portfolio is None else tick - 1440
        false_pages[i] = book.newly_false(tick, last)
        heard[i] = book.last_verdict is not None and tick - book.last_verdict <= controller.HEARD_DAYS * 1440
    counts = (core.track.day_ticks >= LONG_DAY) & (core.budget.days >= 2 * core.config.cold_days)
    core.budget.offset = controller.moved(core.budget.offset, false_pages, core.budgets, counts, heard)


def _take_low_for_normal(core: Core, tick: int) -> None:
    """A feed that has been thin for long is up again, at a lower level."""
    low = core.gaps.down & (core.baseline.low_hours >= LOW_HOURS)
    if low.any():
        core.baseline.absorb_low(low, core.config)
        for i in np.nonzero(low)[0].tolist():
            come_up(core, i, tick)


def _absorb(core: Core, tick: int) -> None:
    """An incident that has been open for long is the new level."""
    absorbed = np.zeros(len(core), np.bool_)
    for name, incident in core.incidents.items():
        if incident.closed is None and tick + 1 - incident.absorb_from >= 60 * core.config.absorb_after_hours:
            i = core.row(name)
            if core.baseline.recent_weight[i] >= core.config.warm_hours:
                absorbed[i] = True
                incident.absorbed, incident.absorb_from = True, tick + 1
    if absorbed.any():
        core.baseline.absorb(absorbed, core.config)

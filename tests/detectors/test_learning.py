"""Which days teach what is usual, and what of them."""

from __future__ import annotations

import numpy as np

from detectors import Engine
from detectors.core import Core, LastTick
from detectors.learning import LEAST_MENTIONS, NOT_SETTLED, end_day
from detectors.score import COUNT, FAST, TONE
from detectors.windows import MENTIONS
from detectors.worth import IMMEDIATE
from tests.detectors.worlds import QUICK, START, profiles

END_OF_DAY = START - START % 1440 + 1439


def _core(mentions: int) -> Core:
    """Two brands at the end of a day that was judged whole, with so many mentions each."""
    (core,) = Engine(profiles(2), QUICK)._cores
    core.track.start[:] = START
    core.track.day_ticks[:] = 1440
    core.track.day_max[:] = 1.0
    core.budget.page[:, [FAST, TONE]] = 2.0
    core.budget.scale[:] = 0.5
    counts = np.zeros_like(core.last.counts)
    counts[MENTIONS, -1] = mentions
    core.last = LastTick(core.last.exposure, counts)
    return core


def _days_kept(core: Core, days: int) -> None:
    for _ in range(days):
        core.budget.keep_day(np.ones(2, np.bool_), np.ones((2, len(core.detectors))))
    core.track.start[:] = END_OF_DAY + 1 - 1440 * (days + NOT_SETTLED + 1)


def test_one_day_a_month_may_be_a_crisis_more_are_the_ways_of_the_brand() -> None:
    core = _core(100)
    _days_kept(core, 40)
    far = core.budget.page[0, FAST] + 4.0
    cut = core.budget.page[0, FAST] + IMMEDIATE * core.budget.scale[0, FAST]
    core.track.day_max[0, [FAST, COUNT]] = far
    end_day(core, END_OF_DAY)
    assert core.budget.days.tolist() == [40, 41], "left out"
    core.track.day_ticks[:] = 1440
    core.track.day_max[:] = 1.0
    core.track.day_max[0, [FAST, COUNT]] = far
    core.budget.page[0, FAST], core.budget.scale[0, FAST] = cut - IMMEDIATE * 0.5, 0.5
    end_day(core, END_OF_DAY + 1440)
    assert core.budget.days.tolist() == [41, 42]
    assert core.budget.maxima[0, FAST, 0] == np.float16(cut), "cut"
    assert core.budget.maxima[0, TONE, 0] == 1.0
    assert core.budget.maxima[0, COUNT, 0] == np.float16(far), "what cannot page has nothing to be cut at"


def test_budgets_of_more_pages_leave_out_more_days() -> None:
    core = _core(100)
    core.budgets[:] = (1.0, 2.0)
    _days_kept(core, 40)
    for day in range(3):
        core.track.day_ticks[:] = 1440
        core.track.day_max[:] = 30.0
        end_day(core, END_OF_DAY + 1440 * day)
    assert core.budget.days.tolist() == [42, 41]


def test_a_day_of_hardly_any_mention_says_nothing() -> None:
    core = _core(LEAST_MENTIONS)
    core.last.counts[MENTIONS, -1, 1] = LEAST_MENTIONS - 1
    end_day(core, END_OF_DAY)
    assert core.budget.days.tolist() == [1, 0]

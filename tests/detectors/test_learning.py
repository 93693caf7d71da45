"""Which days teach what is usual, and what of them."""

from __future__ import annotations

import numpy as np

from detectors import Engine
from detectors.core import Core, LastTick
from detectors.learning import LEAST_MENTIONS, MOST_EXCESS, end_day
from detectors.score import COUNT, FAST, TONE
from detectors.windows import MENTIONS
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


def test_a_day_above_the_threshold_counts_but_not_in_full() -> None:
    core = _core(100)
    core.track.day_max[0, [FAST, COUNT]] = 9.0
    end_day(core, END_OF_DAY)
    assert core.budget.days.tolist() == [1, 1]
    assert core.budget.maxima[0, FAST, 0] == 2.0 + MOST_EXCESS * 0.5
    assert core.budget.maxima[0, TONE, 0] == 1.0
    assert core.budget.maxima[0, COUNT, 0] == 9.0, "what cannot page has nothing to be cut at"
    assert core.budget.maxima[1, FAST, 0] == 1.0


def test_a_day_of_hardly_any_mention_says_nothing() -> None:
    core = _core(LEAST_MENTIONS)
    core.last.counts[MENTIONS, -1, 1] = LEAST_MENTIONS - 1
    end_day(core, END_OF_DAY)
    assert core.budget.days.tolist() == [1, 0]

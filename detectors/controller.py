"""Controller: keeps the promised rate of false pages where the calibration alone does not.

Once a day each brand's page thresholds are moved by what was seen (adaptive conformal inference, Gibbs and Candès 2021,
on the return level of the day):

    offset <- clip(offset + gamma / sqrt(N) (F - N / 30), -LOWEST, HIGHEST),   h = h_calibrated + s offset

N is the budget in pages a month, s the scale of the daily maxima, and F how many pages turned out false: those
marked as false, and those that nobody has confirmed within 24 hours. A verdict that comes later corrects what was
counted. A confirmed crisis never moves the offset. Days that were not watched, and the first 28 quiet ones, move
nothing.

Where nobody gives a verdict (none in 90 days), every page counts as false, true ones too. Then the controller only
gives back what is clearly left of the budget: the offset stays at or below zero, so a brand whose people are silent
never becomes harder to page than its own quiet days make it; and since an offset that can only go one way errs that
way, it aims at a quarter of N.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from detectors.budget import MONTH
from detectors.columns import Floats

GAMMA = 0.25
LOWEST, HIGHEST = -1.0, 2.0
"""In scales of the daily maxima; a Gumbel rate changes by e per scale."""
SILENT_AIM = 0.25
"""Part of the budget that is aimed at where nobody speaks: with 1, calibrated brands had 1.1 to 1.3 times their budget
(bench/controller.py)."""
HEARD_DAYS = 90
"""Days for which a verdict shows that there is somebody who gives verdicts."""
FADE = 2.0 ** (-1.0 / 14.0)
"""A day: how an offset above zero goes once nobody speaks any more."""


def moved(
    offset: Floats, false_pages: Floats, budget: Floats, counts: NDArray[np.bool_], heard: NDArray[np.bool_]
) -> Floats:
    """The offsets after a day, all arrays (n,).

    Parameters
    ----------
    offset : in scales
    false_pages : pages that turned out false since the day before; negative where a late verdict takes some back
    budget : false pages a month
    counts : whether the day counts for the brand
    heard : whether somebody has given the brand a verdict lately
    """
    aim = np.where(heard, 1.0, SILENT_AIM) * budget / MONTH
    stepped = offset + GAMMA / np.sqrt(budget) * (false_pages - aim)
    highest = np.where(heard, HIGHEST, np.maximum(offset, 0.0) * FADE)
    return np.where(counts, np.round(np.clip(stepped, LOWEST, highest), 6), offset)

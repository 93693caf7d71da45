"""Judging by halves in the order of time, and what is chosen by it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.labelled import LabelledTexts
from models.metrics import f1_scores
from models.offsets import best_pair

OFFSETS: Final = tuple(round(0.1 * step, 1) for step in range(-10, 16))
"""Offsets tried for the scores of negative and of positive."""


def halves(count: int) -> list[NDArray[np.bool_]]:
    """First and second half, in the order of the file. The files are in order of time, months apart: a random half
    would share its news, and its retweets, with the other one and promise too much.
    """
    first = np.arange(count) < (count + 1) // 2
    return [first, ~first]


def best_offsets(parts: Sequence[LabelledTexts], scores: Sequence[NDArray[np.floating]]) -> NDArray[np.float64]:
    """What to add to the scores (3,) for the best F1 of negative and positive, mean over the halves of the parts: each
    is a time of its own, and a half that one piece of news fills with negatives must not decide for all times.
    """
    times = [
        (part.labels[half], some[half]) for part, some in zip(parts, scores, strict=True) for half in halves(len(part))
    ]

    def quality(offsets: NDArray[np.float64]) -> float:
        found = [f1_scores(labels, (some + offsets).argmax(axis=1)) for labels, some in times]
        return float(np.mean([one[[0, 2]].mean() for one in found]))

    return best_pair(OFFSETS, quality)

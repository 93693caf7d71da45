"""What makes two models one: the offsets and the temperature under which the mean of their probabilities is best."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from models.calibration import softmax
from models.offsets import best_pair
from models.tone import LABELS

OFFSETS: Final = tuple(round(0.1 * step, 1) for step in range(36))
"""Offsets tried for negative and for positive. None below 0: both are rare, and a network learns that they are."""

_TURNS: Final = 2


@dataclass(frozen=True)
class Time:
    """Texts of one time: ``labels`` (n,), a network's ``logits`` (n, 3), the other model's probabilities ``beside`` it
    (n, 3), and what each text counts (n,).
    """

    labels: NDArray[np.int64]
    logits: NDArray[np.floating]
    beside: NDArray[np.floating]
    weights: NDArray[np.float64]

    def mean(self, share: float, offsets: NDArray[np.float64], temperature: float) -> NDArray[np.float64]:
        """``share`` of the network's probabilities and the rest of the other's."""
        own = softmax((np.asarray(self.logits, np.float64) + offsets) / temperature)
        result: NDArray[np.float64] = share * own + (1 - share) * self.beside
        return result


def usual_weights(labels: NDArray[np.int64], usual: NDArray[np.int64]) -> NDArray[np.float64]:
    """Weights (n,) under which the classes of ``labels`` (n,) are as frequent as in ``usual`` (m,): a time that one
    piece of news fills with negatives must not make the model expect them at all times.
    """
    here, there = (np.bincount(some, minlength=len(LABELS)) / len(some) for some in (labels, usual))
    result: NDArray[np.float64] = (there / np.maximum(here, 1e-9))[labels]
    return result


def shift_of_frequencies(learned: NDArray[np.int64], judged: NDArray[np.int64]) -> NDArray[np.float64]:
    """What to add to the logits (3,) of a network that learned from texts with the labels ``learned`` to expect the
    classes as often as one that learned from ``judged`` does; neutral is left as it is.
    """
    one, other = (np.bincount(some, minlength=len(LABELS)) + 1.0 for some in (learned, judged))
    shift = np.log(other / other.sum()) - np.log(one / one.sum())
    result: NDArray[np.float64] = shift - shift[LABELS.index("neutral")]
    return result


def best_joint(times: Sequence[Time], share: float) -> tuple[NDArray[np.float64], float]:
    """Offsets (3,) for the network's logits, and the temperature with the least negative log-likelihood; one after the
    other, since each depends on the other.

    The offsets are those with the best F1 of negative and positive, mean over the times, less the negative
    log-likelihood in nats: F1 alone is nearly flat where it is best, and would take offsets under which negatives are
    told far too often.
    """
    offsets, temperature = np.zeros(len(LABELS)), 1.0
    for _ in range(_TURNS):
        temperature = _temperature(times, share, offsets)

        def quality(tried: NDArray[np.float64], temperature: float = temperature) -> float:
            gains = float(np.mean([_f1(time, time.mean(share, tried, temperature)) for time in times]))
            return gains - _loss(times, share, tried, temperature)

        offsets = best_pair(OFFSETS, quality)
    return offsets, _temperature(times, share, offsets)


def _f1(time: Time, tones: NDArray[np.float64]) -> float:
    """Mean F1 of negative and positive, each text counted by its weight."""
    told = tones.argmax(axis=1)
    found = []
    for index in (LABELS.index("negative"), LABELS.index("positive")):
        hits = time.weights[(told == index) & (time.labels == index)].sum()
        either = time.weights[told == index].sum() + time.weights[time.labels == index].sum()
        found.append(2 * hits / max(either, 1e-9))
    return float(np.mean(found))


def _loss(times: Sequence[Time], share: float, offsets: NDArray[np.float64], temperature: float) -> float:
    """Mean negative log-likelihood in nats, each text counted by its weight."""
    weights = np.concatenate([time.weights for time in times])
    chances = [time.mean(share, offsets, temperature)[np.arange(len(time.labels)), time.labels] for time in times]
    return -float(np.average(np.log(np.maximum(np.concatenate(chances), 1e-12)), weights=weights))


def _temperature(times: Sequence[Time], share: float, offsets: NDArray[np.float64]) -> float:
    found = minimize_scalar(
        lambda log_temperature: _loss(times, share, offsets, float(np.exp(log_temperature))),
        bounds=(np.log(0.25), np.log(4.0)),
        method="bounded",
    )
    return round(float(np.exp(found.x)), 4)

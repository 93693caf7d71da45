"""How much of what an exit says is to be believed, and how sure it has to be before a text leaves there: as little as
keeps other tones than the network's rare.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from models.architecture import LAYERS
from models.calibration import fit_temperature, softmax
from models.exits import AFTER, Exit
from models.metrics import expected_calibration_error, macro_recall

TOLERATED: Final = 0.002
"""Of all texts, the share that may leave at one exit with another tone than the whole network would give."""

LEAST_TEXTS: Final = 200
"""Fewer texts than these cannot tell how rare other tones are."""

LEAST_LEAVING: Final = 100
"""Of so many texts that leave at an exit the labels tell its temperature; of fewer they hardly do."""

LEAST_SURE: Final = 0.5
"""An exit that has nothing to say of a text must not let it leave."""

# As much as four texts at even odds say: what few texts show is believed only so far.
_PRIOR: Final = 1.0
_STEPS: Final = 100
# So that a share that was rounded to 0 has a logarithm.
_LEAST_SHARE: Final = 1e-12


@dataclass(frozen=True)
class Seen:
    """Of n texts: what the exits after ``AFTER`` say there, ``said`` (n, e, 3) float32, and the whole network in the
    end, ``probabilities`` (n, 3) float32; and how many ``tokens`` (n,) int64 each has.
    """

    said: NDArray[np.float32]
    probabilities: NDArray[np.float32]
    tokens: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.tokens)

    @property
    def tones(self) -> NDArray[np.int64]:
        """The tone that the whole network gives each text, (n,)."""
        tones: NDArray[np.int64] = self.probabilities.argmax(axis=1)
        return tones


def logits_of(said: NDArray[np.floating]) -> NDArray[np.float64]:
    """Logits whose softmax are these probabilities, (n, 3)."""
    logits: NDArray[np.float64] = np.log(np.maximum(said.astype(np.float64), _LEAST_SHARE))
    return logits


def _log_odds(shares: NDArray[np.floating]) -> NDArray[np.float64]:
    kept = np.clip(shares.astype(np.float64), 1e-7, 1 - 1e-7)
    return np.log(kept / (1 - kept))


def chance_of_another(confidence: NDArray[np.floating], another: NDArray[np.bool_]) -> NDArray[np.float64]:
    """For texts of which an exit is so sure, ``confidence`` (n,), the chance that its tone is ``another`` (n,) than the
    whole network's, (n,): logistic in the log odds of the confidence.

    A curve through all texts, since those that an exit is sure of hold hardly a dozen cases to count. It starts from
    the chance 1 - confidence, from which the texts have to lead it away.
    """
    inputs = np.column_stack((np.ones(len(confidence)), _log_odds(confidence)))
    start = np.array([0.0, -1.0])
    found = start.copy()
    for _ in range(_STEPS):
        # Newton's method for the most likely curve under a normal prior around the start.
        chance = 1 / (1 + np.exp(-inputs @ found))
        slope = inputs.T @ (chance - another) + _PRIOR * (found - start)
        bend = (inputs * (chance * (1 - chance))[:, None]).T @ inputs + _PRIOR * np.eye(2)
        step = np.clip(np.linalg.solve(bend, slope), -1, 1)
        found -= step
        if np.abs(step).max() < 1e-9:
            break
    result: NDArray[np.float64] = 1 / (1 + np.exp(-inputs @ found))
    return result


def least_sure(
    confidence: NDArray[np.floating], another: NDArray[np.bool_], texts: int, tolerated: float = TOLERATED
) -> float:
    """The least confidence at which of all ``texts`` no more than the share ``tolerated`` is expected to leave with
    another tone, by the texts still there: ``confidence`` (n,) and ``another`` (n,) as of :func:`chance_of_another`. To
    four decimals, upwards; above 1 where none may leave.
    """
    if not len(confidence):
        return 1.0
    order = np.argsort(-confidence, kind="stable")
    expected = np.cumsum(chance_of_another(confidence, another)[order]) / texts
    leaving = int(np.searchsorted(expected, tolerated, side="right"))
    if leaving == len(order):
        return LEAST_SURE
    # Just above the first that must stay.
    least = (np.floor(float(confidence[order[leaving]]) * 10_000) + 1) / 10_000
    return max(LEAST_SURE, round(float(least), 4))


def with_sure(heads: Sequence[Exit], groups: Sequence[Seen], tolerated: float = TOLERATED) -> tuple[Exit, ...]:
    """The exits with what each takes for sure, in their order: so much that in each of the ``groups`` of texts, none of
    which the heads learned from, the ``tolerated`` share is kept.
    """
    chosen: list[Exit] = []
    staying = [np.ones(len(group), dtype=np.bool_) for group in groups]
    for head in heads:
        at = AFTER.index(head.layers)
        sure = LEAST_SURE
        told = [group.said[:, at] for group in groups]
        for group, probabilities, still in zip(groups, told, staying, strict=True):
            another = probabilities.argmax(axis=1) != group.tones
            confidence = probabilities.max(axis=1)
            sure = max(sure, least_sure(confidence[still], another[still], len(group), tolerated))
        staying = [
            still & (probabilities.max(axis=1) < sure) for probabilities, still in zip(told, staying, strict=True)
        ]
        chosen.append(replace(head, sure=sure))
    return tuple(chosen)


def temperatures(exits: Sequence[Exit], texts: Seen, labels: NDArray[np.int64]) -> tuple[float, ...]:
    """For each of the ``exits`` the temperature at which what it says is right as often as it promises, by the
    ``labels`` (n,) of those ``texts`` that leave there; 1 where they are few, and at least 1.

    Heads learn from texts that the network was trained on, and so from what it says when it is surer than of others;
    and that a text leaves where a head happens to be sure makes promises too large ("winner's curse"). Nothing makes
    them too small: where it looks like it, chance does, and on texts that chose nothing the promises are worse for it.
    """
    left = leave(exits, texts)
    found = []
    for one in exits:
        leaving = left.layers == one.layers
        said = texts.said[leaving, AFTER.index(one.layers)]
        enough = len(said) >= LEAST_LEAVING
        found.append(max(fit_temperature(logits_of(said), labels[leaving]), 1.0) if enough else 1.0)
    return tuple(found)


def cooled(exits: Sequence[Exit], by: Sequence[float]) -> tuple[Exit, ...]:
    """The exits with their logits divided by their temperatures, rounded to half precision as the file keeps them."""

    def divided(array: NDArray[np.float32], temperature: float) -> NDArray[np.float32]:
        return (array / temperature).astype(np.float16).astype(np.float32)

    return tuple(
        replace(one, output=divided(one.output, temperature), output_bias=divided(one.output_bias, temperature))
        for one, temperature in zip(exits, by, strict=True)
    )


def seen_cooled(texts: Seen, by: Sequence[float]) -> Seen:
    """What the exits after ``AFTER`` say of ``texts`` once they are :func:`cooled`."""
    said = [softmax(logits_of(texts.said[:, at]) / temperature) for at, temperature in enumerate(by)]
    return replace(texts, said=np.stack(said, axis=1).astype(np.float32))


@dataclass(frozen=True)
class Left:
    """Where n texts left and with what: ``layers`` (n,), ``LAYERS`` for those that stayed to the end, and
    ``probabilities`` (n, 3).
    """

    layers: NDArray[np.int64]
    probabilities: NDArray[np.float32]


def leave(exits: Sequence[Exit], texts: Seen) -> Left:
    """Send ``texts`` through the ``exits``, which come in the order of their layers."""
    layers = np.full(len(texts), LAYERS)
    probabilities = texts.probabilities.copy()
    for one in exits:
        here = texts.said[:, AFTER.index(one.layers)]
        leaving = (layers == LAYERS) & (here.max(axis=1) >= one.sure)
        layers[leaving] = one.layers
        probabilities[leaving] = here[leaving]
    return Left(layers, probabilities)


def figures(exits: Sequence[Exit], texts: Seen, labels: NDArray[np.int64]) -> dict[str, Any]:
    """What the ``exits`` spare and cost on ``texts`` with their ``labels`` (n,), per cent: ``layers_left``, of all
    layers of all tokens what is still computed; ``leave``, texts leaving after so many layers; ``other_tone``, texts
    that get another tone than the whole network gives. Then, first by the whole network and then with exits,
    ``negative``, texts that are so called, ``macro_recall`` and ``calibration_error``.
    """
    left = leave(exits, texts)
    tones = left.probabilities.argmax(axis=1)

    def share(chosen: NDArray[np.bool_]) -> float:
        return round(100 * float(chosen.mean()), 2)

    return {
        "texts": len(texts),
        "layers_left": round(100 * float((left.layers * texts.tokens).sum() / (LAYERS * texts.tokens.sum())), 1),
        "leave": {str(one.layers): share(left.layers == one.layers) for one in exits},
        "other_tone": share(tones != texts.tones),
        "negative": [share(texts.tones == 0), share(tones == 0)],
        "macro_recall": [round(100 * macro_recall(labels, one), 2) for one in (texts.tones, tones)],
        "calibration_error": [
            round(expected_calibration_error(labels, one), 4) for one in (texts.probabilities, left.probabilities)
        ],
    }

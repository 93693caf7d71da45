"""How well a tone model reads labelled texts: figures per class and language, and how far its probabilities can be
believed. ``tocsin evaluate`` is the command around it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from models.metrics import expected_calibration_error, f1_scores, macro_recall, precisions, recalls
from models.script import is_known, reader_of
from models.tone import LABELS

RELIABILITY_BINS: Final = 10
"""Bins of equal width of the reliability plot."""

Language = str
"""``en`` or ``ru`` as the script tells, or ``other``: a language or script that the bundled models do not know."""


@dataclass(frozen=True)
class Figures:
    """Figures of one group of texts. Fractions, not per cent.

    Recall and F1 of a class that does not occur are nan, and so is the precision of one that is never predicted.
    """

    texts: int
    counts: tuple[int, int, int]
    recall: tuple[float, float, float]
    precision: tuple[float, float, float]
    f1: tuple[float, float, float]
    macro_recall: float
    f1_negative_positive: float
    calibration_error: float

    def as_dict(self) -> dict[str, Any]:
        """For JSON and the model card: per cent with two decimals, the calibration error with four; None for nan."""

        def rounded(value: float) -> float | None:
            return None if np.isnan(value) else round(100 * value, 2)

        classes = {"recall": self.recall, "precision": self.precision, "f1": self.f1}
        return {
            "texts": self.texts,
            "macro_recall": rounded(self.macro_recall),
            "f1_negative_positive": rounded(self.f1_negative_positive),
            "calibration_error": round(self.calibration_error, 4),
            "counts": dict(zip(LABELS, self.counts, strict=True)),
            **{
                name: {label: rounded(value) for label, value in zip(LABELS, values, strict=True)}
                for name, values in classes.items()
            },
        }


@dataclass(frozen=True)
class ReliabilityBin:
    """Texts of about the same confidence: how many, their mean confidence, and the share that was read right."""

    texts: int
    confidence: float
    accuracy: float


def figures(labels: NDArray[np.int64], tones: NDArray[np.floating]) -> Figures:
    """Figures of labelled texts (n,) and the tones they were given (n, 3); n is at least 1."""
    predicted = tones.argmax(axis=1)
    counts = np.bincount(labels, minlength=len(LABELS))
    scores = np.where(counts > 0, f1_scores(labels, predicted), np.nan)
    negative, neutral, positive = counts.tolist()
    occurring = [score for score in (scores[0], scores[2]) if not np.isnan(score)]
    return Figures(
        texts=len(labels),
        counts=(negative, neutral, positive),
        recall=_triple(recalls(labels, predicted)),
        precision=_triple(precisions(labels, predicted)),
        f1=_triple(scores),
        macro_recall=macro_recall(labels, predicted),
        f1_negative_positive=float(np.mean(occurring)) if occurring else float("nan"),
        calibration_error=expected_calibration_error(labels, tones),
    )


def _triple(values: NDArray[np.float64]) -> tuple[float, float, float]:
    negative, neutral, positive = values.tolist()
    return negative, neutral, positive


def language_of(text: str, lang: str | None = None) -> Language:
    """The language under which a text is reported."""
    return reader_of(text) if is_known(text, lang) else "other"


def by_language(
    labels: NDArray[np.int64], tones: NDArray[np.floating], languages: Sequence[Language]
) -> dict[Language, Figures]:
    """Figures of the texts of each language, the most frequent first."""
    names, counts = np.unique(np.asarray(languages), return_counts=True)
    found: dict[Language, Figures] = {}
    for name in names[np.argsort(-counts, kind="stable")].tolist():
        chosen = np.asarray([language == name for language in languages])
        found[name] = figures(labels[chosen], tones[chosen])
    return found


def reliability(labels: NDArray[np.int64], tones: NDArray[np.floating]) -> list[ReliabilityBin]:
    """The reliability diagram (DeGroot and Fienberg, 1983; Guo et al., 2017) in :data:`RELIABILITY_BINS` bins of equal
    width of confidence; empty bins are left out.
    """
    confidence = tones.max(axis=1).astype(np.float64)
    right = tones.argmax(axis=1) == labels
    bins = np.minimum((confidence * RELIABILITY_BINS).astype(np.int64), RELIABILITY_BINS - 1)
    return [
        ReliabilityBin(int(inside.sum()), float(confidence[inside].mean()), float(right[inside].mean()))
        for one in range(RELIABILITY_BINS)
        if (inside := bins == one).any()
    ]

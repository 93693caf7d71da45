"""How good tones are: macro-recall, per-class figures, calibration error.

Shapes: ``n`` texts, columns as in ``models.tone.LABELS``.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.tone import LABELS

CALIBRATION_BINS: Final = 15
"""Bins of equal width for the expected calibration error: 15, as in Guo et al. (2017), so that figures can be compared.
"""


def recalls(labels: NDArray[np.int64], predicted: NDArray[np.int64]) -> NDArray[np.float64]:
    """Recall of each class, (3,); NaN for a class that does not occur in ``labels`` (n,)."""
    counts = np.bincount(labels, minlength=len(LABELS)).astype(np.float64)
    hits = np.bincount(labels[labels == predicted], minlength=len(LABELS))
    found = np.full(len(LABELS), np.nan)
    np.divide(hits, counts, out=found, where=counts > 0)
    return found


def precisions(labels: NDArray[np.int64], predicted: NDArray[np.int64]) -> NDArray[np.float64]:
    """Precision of each class, (3,); NaN for a class that is never predicted."""
    return recalls(predicted, labels)


def f1_scores(labels: NDArray[np.int64], predicted: NDArray[np.int64]) -> NDArray[np.float64]:
    """F1 of each class, (3,): the harmonic mean of recall and precision; 0 for a class that is never found."""
    hits = np.bincount(labels[labels == predicted], minlength=len(LABELS)).astype(np.float64)
    either = np.bincount(labels, minlength=len(LABELS)) + np.bincount(predicted, minlength=len(LABELS))
    scores: NDArray[np.float64] = 2 * hits / np.maximum(either, 1)
    return scores


def macro_recall(labels: NDArray[np.int64], predicted: NDArray[np.int64]) -> float:
    """Mean recall over the classes that occur, the measure of SemEval-2017 task 4A (Rosenthal et al., 2017)."""
    return float(np.nanmean(recalls(labels, predicted)))


def expected_calibration_error(labels: NDArray[np.int64], probabilities: NDArray[np.floating]) -> float:
    """Mean gap between confidence and accuracy over bins of confidence, weighted by their size (Guo et al., 2017, eq.
    3).
    """
    confidence = probabilities.max(axis=1)
    hit = probabilities.argmax(axis=1) == labels
    bins = np.minimum((confidence * CALIBRATION_BINS).astype(np.int64), CALIBRATION_BINS - 1)
    sizes = np.bincount(bins, minlength=CALIBRATION_BINS)
    gaps = np.bincount(bins, weights=hit, minlength=CALIBRATION_BINS) - np.bincount(
        bins, weights=confidence, minlength=CALIBRATION_BINS
    )
    return float(np.abs(gaps).sum() / max(sizes.sum(), 1))

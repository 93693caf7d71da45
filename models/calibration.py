"""Temperature scaling: one number that makes probabilities mean what they say (Guo et al., 2017, "On Calibration of
Modern Neural Networks").
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar


def softmax(logits: NDArray[np.floating]) -> NDArray[np.float64]:
    """Row-wise softmax of (n, k) logits, in double precision."""
    shifted = np.asarray(logits, dtype=np.float64)
    shifted = np.exp(shifted - shifted.max(axis=1, keepdims=True))
    result: NDArray[np.float64] = shifted / shifted.sum(axis=1, keepdims=True)
    return result


def negative_log_likelihood(logits: NDArray[np.floating], labels: NDArray[np.int64], temperature: float) -> float:
    """Mean negative log-likelihood in nats of ``labels`` (n,) under softmax(logits / temperature)."""
    probabilities = softmax(np.asarray(logits, dtype=np.float64) / temperature)
    return float(-np.log(np.maximum(probabilities[np.arange(len(labels)), labels], 1e-12)).mean())


def fit_temperature(logits: NDArray[np.floating], labels: NDArray[np.int64]) -> float:
    """The temperature in [0.25, 4] with the least negative log-likelihood on labelled ``logits`` (n, k), rounded to 4
    decimals.
    """
    found = minimize_scalar(
        lambda log_t: negative_log_likelihood(logits, labels, float(np.exp(log_t))),
        bounds=(np.log(0.25), np.log(4.0)),
        method="bounded",
    )
    return round(float(np.exp(found.x)), 4)

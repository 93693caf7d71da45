"""A temperature and an offset for each class, which make probabilities mean what they say (Guo et al., 2017, "On
Calibration of Modern Neural Networks").
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize, minimize_scalar


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


def calibrate(
    logits: NDArray[np.floating], labels: NDArray[np.int64], balance: float = 0.0
) -> tuple[NDArray[np.float64], float]:
    """Offsets (k,) and temperature for softmax((logits + offsets) / temperature), by labelled ``logits`` (n, k).

    They are those of the least negative log-likelihood; then the share ``balance`` of the classes' log frequencies is
    taken out: with 1, all classes are taken to be equally frequent (Menon et al., 2021, "Long-tail learning via logit
    adjustment"). The offsets' mean is 0. Raises ``ValueError`` where a class does not occur.
    """
    frequencies = np.bincount(labels, minlength=logits.shape[1]) / len(labels)
    if not frequencies.all():
        raise ValueError("the texts that probabilities are calibrated on lack a class")

    def loss(parameters: NDArray[np.float64]) -> float:
        return negative_log_likelihood(logits + parameters[:-1], labels, float(np.exp(parameters[-1])))

    classes = logits.shape[1]
    found = minimize(loss, np.zeros(classes + 1), method="L-BFGS-B", bounds=[(-4, 4)] * classes + [(-1.4, 1.4)])
    temperature = round(float(np.exp(found.x[-1])), 4)
    offsets: NDArray[np.float64] = found.x[:-1] - balance * temperature * np.log(frequencies)
    return offsets - offsets.mean(), temperature

"""Fit the head of an exit to what the whole network says."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from models.architecture import CLASSES
from models.calibration import softmax
from models.exits import FEATURES, WIDTH, Exit
from models.fit import rate_share
from models.recipe import Course

HEADS: Final = Course(head_rate=1.5e-3, epochs=8, batch=128, least_rate=0.0, dropout=0.1, weight_decay=0.5)
"""How a head is trained; it is all head. Its own, last weights are kept, no average: the rate falls to nothing."""

# What is added to each feature's spread: one that hardly moves must not be blown up.
_LEAST_SPREAD: Final = 1e-3


class Head:
    """The head of the exit after so many ``layers``, in training."""

    def __init__(self, layers: int, seed: int, course: Course = HEADS) -> None:
        self.layers = layers
        self._course = course
        self._seed = seed
        torch.manual_seed(seed)
        self._dense = nn.Linear(FEATURES, WIDTH)
        self._output = nn.Linear(WIDTH, CLASSES)
        self._mean = torch.zeros(FEATURES)
        self._spread = torch.ones(FEATURES)

    def fit(
        self, features: NDArray[np.floating], probabilities: NDArray[np.float32]
    ) -> Iterator[tuple[int, int, float]]:
        """Learn from ``features`` (n, FEATURES) to give ``probabilities`` (n, 3); yields (step, steps, loss) after each
        step.
        """
        course, count = self._course, len(features)
        inputs = torch.from_numpy(features.astype(np.float32))
        self._mean, self._spread = inputs.mean(dim=0), inputs.std(dim=0) + _LEAST_SPREAD
        inputs.sub_(self._mean).div_(self._spread)
        wanted = torch.from_numpy(probabilities)
        optimiser = torch.optim.AdamW(
            [*self._dense.parameters(), *self._output.parameters()], weight_decay=course.weight_decay, fused=True
        )
        order = np.random.default_rng((self._seed, self.layers))
        torch.manual_seed(self._seed)
        steps, step = course.epochs * math.ceil(count / course.batch), 0
        for _ in range(course.epochs):
            mixed = torch.from_numpy(order.permutation(count))
            for start in range(0, count, course.batch):
                rows = mixed[start : start + course.batch]
                for group in optimiser.param_groups:
                    group["lr"] = course.head_rate * rate_share(step, steps, course)
                hidden = torch.tanh(self._dense(functional.dropout(inputs[rows], course.dropout)))
                loss = functional.cross_entropy(self._output(functional.dropout(hidden, course.dropout)), wanted[rows])
                optimiser.zero_grad(set_to_none=True)
                loss.backward()  # type: ignore[no-untyped-call]
                optimiser.step()
                step += 1
                yield step, steps, loss.item()

    def exit(self, sure: float = 1.0) -> Exit:
        """What was learned, for features as they are, rounded to half precision as the file keeps it."""
        with torch.no_grad():
            dense = (self._dense.weight / self._spread).half().float()
            # From the rounded numbers: a text in the middle of all gets what it would have without rounding.
            arrays = (dense, self._dense.bias - dense @ self._mean, self._output.weight, self._output.bias)
            weight, bias, output, output_bias = (array.half().float().numpy() for array in arrays)
        return Exit(self.layers, weight, bias, output, output_bias, sure)


def said(head: Exit, features: NDArray[np.floating]) -> NDArray[np.float32]:
    """The probabilities (n, 3) that an exit gives for ``features`` (n, FEATURES)."""
    hidden = np.tanh(features.astype(np.float32) @ head.dense.T + head.dense_bias)
    return softmax(hidden @ head.output.T + head.output_bias).astype(np.float32)

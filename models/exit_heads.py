"""Fit the head of an exit to what the whole network says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from models.architecture import CLASSES, HIDDEN
from models.batches import batches
from models.encoder import mean_of
from models.exit_states import Passing, pooled
from models.exits import FEATURES, QUERIES, WIDTH, Exit
from models.fit import rate_share, steps_of
from models.recipe import Course

HEADS: Final = Course(head_rate=1.5e-3, epochs=8, batch=128, least_rate=0.0, dropout=0.1, weight_decay=0.5)
"""How a head is trained; it is all head. Its own, last weights are kept, no average: the rate falls to nothing."""

# Spread of the numbers that queries begin with: near enough to nothing for every word to be looked at.
_FIRST_QUERIES: Final = 0.05
# What is added to each unit's spread: one that hardly moves must not be blown up.
_LEAST_SPREAD: Final = 1e-3


class Head:
    """The head of an exit in training."""

    def __init__(self, seed: int, course: Course = HEADS) -> None:
        self._course = course
        self._seed = seed
        torch.manual_seed(seed)
        self._queries = nn.Parameter(_FIRST_QUERIES * torch.randn(QUERIES, HIDDEN))
        self._dense = nn.Linear(FEATURES, WIDTH)
        self._output = nn.Linear(WIDTH, CLASSES)
        self._mean = torch.zeros(FEATURES)
        self._spread = torch.ones(FEATURES)

    def fit(self, texts: Passing, probabilities: NDArray[np.float32]) -> Iterator[tuple[int, int, float]]:
        """Learn from where n ``texts`` are to give their ``probabilities`` (n, 3); yields (step, steps, loss) after
        each step.
        """
        course = self._course
        self._mean, self._spread = (one.repeat(QUERIES) for one in _mean_and_spread(texts))
        wanted = torch.from_numpy(probabilities)
        heads = [*self._dense.parameters(), *self._output.parameters()]
        optimiser = torch.optim.AdamW(
            [
                {"params": heads, "weight_decay": course.weight_decay},
                # A query drawn to nothing looks at all words alike.
                {"params": [self._queries], "weight_decay": 0.0},
            ],
            fused=True,
        )
        torch.manual_seed(self._seed)
        steps, step = steps_of(len(texts), course), 0
        for epoch in range(course.epochs):
            for rows in batches(texts.texts, course.batch, self._seed, epoch):
                for group in optimiser.param_groups:
                    group["lr"] = course.head_rate * rate_share(step, steps, course)
                loss = functional.cross_entropy(self._logits(*texts.of(rows)), wanted[torch.from_numpy(rows)])
                optimiser.zero_grad(set_to_none=True)
                loss.backward()  # type: ignore[no-untyped-call]
                optimiser.step()
                step += 1
                yield step, steps, loss.item()

    def _logits(self, hidden: Tensor, attended: Tensor) -> Tensor:
        features = (pooled(hidden, attended, self._queries) - self._mean) / self._spread
        widened = torch.tanh(self._dense(functional.dropout(features, self._course.dropout)))
        logits: Tensor = self._output(functional.dropout(widened, self._course.dropout))
        return logits

    def exit(self, layers: int, sure: float = 1.0) -> Exit:
        """What was learned, for states after so many ``layers`` as they are, rounded to half precision as the file
        keeps it.
        """
        with torch.no_grad():
            dense = (self._dense.weight / self._spread).half().float()
            # From the rounded numbers: a text in the middle of all gets what it would have without rounding.
            centred = self._dense.bias - dense @ self._mean
            arrays = (self._queries, dense, centred, self._output.weight, self._output.bias)
            queries, weight, bias, output, output_bias = (array.half().float().numpy() for array in arrays)
        return Exit(layers, queries, weight, bias, output, output_bias, sure)


def _mean_and_spread(texts: Passing) -> tuple[Tensor, Tensor]:
    """Of the mean states of texts, unit by unit, (HIDDEN,) each: about those of a query's means, before it has learned
    where to look.
    """
    means = torch.cat(
        [mean_of(*texts.of(rows), torch.from_numpy(texts.lengths[rows])) for rows in batches(texts.texts, 256, 0, 0)]
    )
    return means.mean(dim=0), means.std(dim=0) + _LEAST_SPREAD

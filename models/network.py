"""What a numeric backend offers: tones of one batch."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray


class Network(Protocol):
    """Token ids in, probabilities out; safe to call from several threads at once.

    To add a backend, give it this shape and a place in ``models.backends``: the classifier around it, the batches and
    the self-check are the same for all.
    """

    @property
    def any_shape(self) -> bool:
        """Whether a row's bits are the same whatever the number of rows, their order and their padding. Else batches
        have fixed shapes (``models.shapes``). Checked at load either way.
        """

    @property
    def description(self) -> str:
        """All of the machine and its libraries that can change a bit of the result; part of the model's version."""

    def __call__(self, ids: NDArray[np.int64], lengths: NDArray[np.int64]) -> NDArray[np.float32]:
        """``ids`` (rows, tokens), padded; ``lengths`` (rows,), each from 1 to tokens -> (rows, 3) probabilities,
        columns ``LABELS``.
        """


@runtime_checkable
class Unrounded(Protocol):
    """A network that also tells what its probabilities come from. Their rounding hides small differences: in a check of
    few rows perhaps all of them, and then not in a text that is read.
    """

    def unrounded(self, ids: NDArray[np.int64], lengths: NDArray[np.int64]) -> NDArray[np.float32]:
        """Of a batch as of a call: (rows, 6), the logits and then the probabilities."""

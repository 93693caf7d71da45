"""What a tone is worth to the detectors, for records and for whole files alike."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def counted(
    negative: ArrayLike, p_negative: ArrayLike, reliable: ArrayLike
) -> tuple[NDArray[np.bool_], NDArray[np.float32]]:
    """Whether each mention counts as negative, and with which probability it leads the evidence.

    A tone in a language that the model does not know is a guess: it must neither page nor lead the evidence.

    Parameters
    ----------
    negative, p_negative, reliable : array_like, shape (n,)
        Whether each tone is negative, its probability of that, and whether the model knows the language.
    """
    known = np.asarray(reliable, np.bool_)
    return np.asarray(negative, np.bool_) & known, np.where(known, np.asarray(p_negative, np.float32), np.float32(0.0))

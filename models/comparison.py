"""The check before a choice: each backend against torch in float32, and against the clock."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.backends import BACKENDS, REFERENCE
from models.batching import Batch, padded
from models.check_texts import CHECK_TEXTS
from models.choice import Measured
from models.network import Network
from models.shapes import bucket_of, buckets_up_to
from models.tokeniser import Tokeniser

log = logging.getLogger(__name__)

LARGEST_SHIFT: Final = 0.1
"""A backend is not offered when a probability of a check text is further from float32's."""

MOST_FLIPS: Final = 0.04
"""Nor when more than this share of the labels differ; more than a few do not where a model is unsure."""

_RUNS: Final = 2


def compare(make: Callable[[str], Network], tokenise: Tokeniser) -> dict[str, Measured]:
    """Measure every backend that can run here; ``make`` loads one by its name.

    Time is the processor's, on which other work on the machine has least influence, except for a graphics card, where
    it is the clock's. Whether tones change with their neighbours is checked by the classifier around a backend.
    """
    batches = _batches(tokenise)
    exact = _tones(make(REFERENCE), batches)
    found: dict[str, Measured] = {}
    for name, backend in BACKENDS.items():
        try:
            reason = backend.why_not()
            found[name] = Measured(refused=reason) if reason is not None else _measured(name, make, batches, exact)
        except Exception as error:  # noqa: BLE001 (other people's libraries: whatever fails is not offered)
            found[name] = Measured(refused=str(error) or type(error).__name__)
        log.info("tone backend %s: %s", name, found[name])
    return found


def judge(tones: NDArray[np.float32], exact: NDArray[np.float32], milliseconds: float) -> Measured:
    """Whether tones (n, 3) are near enough to float32's."""
    shift = float(np.abs(tones - exact).max())
    flips = int((tones.argmax(axis=1) != exact.argmax(axis=1)).sum())
    # Written so that a NaN counts as far off.
    if not shift <= LARGEST_SHIFT or flips > MOST_FLIPS * len(exact):
        refused = f"it moves a probability by {shift:.3f} and {flips} of {len(exact)} labels against float32"
        return Measured(None, shift, flips, refused)
    return Measured(milliseconds, shift, flips)


def _batches(tokenise: Tokeniser) -> list[Batch]:
    buckets = buckets_up_to(tokenise.max_tokens)
    sorted_by_length: dict[int, list[tuple[int, list[int]]]] = {}
    for slot, ids in enumerate(tokenise(CHECK_TEXTS)):
        sorted_by_length.setdefault(bucket_of(len(ids), buckets), []).append((slot, ids))
    return [padded(texts, len(texts), bucket, tokenise.pad) for bucket, texts in sorted_by_length.items()]


def _tones(network: Network, batches: list[Batch]) -> NDArray[np.float32]:
    tones = np.empty((len(CHECK_TEXTS), 3), np.float32)
    for batch in batches:
        tones[batch.slots] = network(batch.ids, batch.lengths)
    return tones


def _measured(name: str, make: Callable[[str], Network], batches: list[Batch], exact: NDArray[np.float32]) -> Measured:
    network = make(name)
    clock = time.perf_counter if name.endswith("-gpu") else time.process_time
    tones = _tones(network, batches)  # the first time, kernels are prepared
    least = float("inf")
    for _ in range(_RUNS):
        began = clock()
        _tones(network, batches)
        least = min(least, clock() - began)
    return judge(tones, exact, 1000 * least / len(CHECK_TEXTS))

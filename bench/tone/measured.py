"""What is measured of a contender, and how: the fastest run, memory, a process of its own."""

from __future__ import annotations

import platform
import resource
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from typing import Any, Final, ParamSpec

import numpy as np
from numpy.typing import NDArray

# Runs of each throughput measurement, of which the fastest counts: other work on the machine only ever slows one down.
RUNS: Final = 2


@dataclass
class Measured:
    """What one contender found: texts/s, processor s per text, s to start, MiB, tones (n, 3) of its texts."""

    rate: float
    processor: float
    load: float
    memory: float
    tones: NDArray[np.float32]
    detail: str = ""
    latency: list[float] = field(default_factory=list)

    def improve(self, again: Measured) -> None:
        """Take the better rate and processor time of another run of the same."""
        self.rate = max(self.rate, again.rate)
        self.processor = min(self.processor, again.processor)


def memory() -> float:
    # Linux counts in KiB, macOS in bytes.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if platform.system() == "Linux" else 1024**2)


def best(run: Callable[[], Any], count: int, runs: int = RUNS) -> tuple[float, float, Any]:
    """Texts per second and processor seconds per text of the fastest run, and its result."""
    rate, processor, result = 0.0, float("inf"), None
    for _ in range(runs):
        began, used = time.perf_counter(), time.process_time()
        result = run()
        rate = max(rate, count / (time.perf_counter() - began))
        processor = min(processor, (time.process_time() - used) / count)
    return rate, processor, result


def processor_seconds(run: Callable[[], Any], runs: int = 5) -> float:
    run()
    least = float("inf")
    for _ in range(runs):
        began = time.process_time()
        run()
        least = min(least, time.process_time() - began)
    return least


P = ParamSpec("P")


def alone(measure: Callable[P, Measured], *args: P.args, **kwargs: P.kwargs) -> Measured:
    """Run a measurement in a fresh process."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(measure, *args, **kwargs).result()

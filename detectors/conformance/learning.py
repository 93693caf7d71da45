"""What learning promises, and that nothing grows."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from detectors.columns import Columns
from detectors.conformance.broken import Broken
from detectors.conformance.examples import SIZES, all_bytes, hours, learn, random_case, same, score_of
from detectors.conformance.scoring import inside
from detectors.detector import Detector

HOURS = 400
"""So long a detector learns where its memory must not grow."""


def _round_trip(detector: Detector) -> None:
    if detector.learns is None:
        return
    for n, k in SIZES:
        case = random_case(detector, n, k, seed=7, taught=30)
        assert case.learned is not None
        again = detector.learns.of(n)
        for i in range(n):
            try:
                again.set_row(i, case.learned.row(i))
            except ValueError as error:
                raise Broken(f"what was learned cannot be read again: {error}; {case.told(i, 0)}") from error
        same(
            score_of(detector, replace(case, learned=again)), score_of(detector, case), case, "after saving and reading"
        )
        for hour in hours(n, 3, seed=9):
            learn(detector, hour, case.learned)
            learn(detector, hour, again)
        same(
            score_of(detector, replace(case, learned=again)),
            score_of(detector, case),
            case,
            "after saving, reading and three more hours",
        )


def _learning_alone(detector: Detector) -> None:
    if detector.learns is None:
        return
    for n in (1, 2, 5):
        together = detector.learns.of(n)
        alone = [detector.learns.of(1) for _ in range(n)]
        for h, hour in enumerate(hours(n, 30, seed=7)):
            learn(detector, hour, together)
            for i in range(n):
                learn(detector, hour, alone[i], slice(i, i + 1))
                if together.row(i) != alone[i].row(0):
                    raise Broken(
                        f"after hour {h} brand {i} of {n} has learned {_row(together, i)}, but {_row(alone[i], 0)} "
                        f"when it is alone; authors in the windows: {hour.authors[:, i].tolist()}"
                    )


def _learning_is_pure(detector: Detector) -> None:
    if detector.learns is None:
        return
    for n in (1, 4):
        first, second = detector.learns.of(n), detector.learns.of(n)
        for h, hour in enumerate(hours(n, 30, seed=7)):
            kept = inside(detector)
            learn(detector, hour, first)
            if inside(detector) != kept:
                raise Broken(f"learn() changed the detector itself ({', '.join(sorted(vars(detector)))}) in hour {h}")
            learn(detector, hour, second)
            if all_bytes(first) != all_bytes(second):
                raise Broken(
                    f"two that learn from the same hours differ after hour {h}: {_row(first, 0)}, {_row(second, 0)}"
                )


def _bounded(detector: Detector) -> None:
    before = len(pickle.dumps(inside(detector)))
    if detector.learns is None:
        for seed in range(30):
            score_of(detector, random_case(detector, 3, 20, seed))
    else:
        learned = detector.learns.of(2)
        size = {name: (array.shape, array.dtype) for name, array in vars(learned).items()}
        for h, hour in enumerate(hours(2, HOURS, seed=7)):
            learn(detector, hour, learned)
            now = {name: (array.shape, array.dtype) for name, array in vars(learned).items()}
            if now != size:
                name = next(name for name in now if now[name] != size.get(name))
                raise Broken(f"after hour {h} the learned {name} is {now[name]}, no longer {size.get(name)}")
    after = len(pickle.dumps(inside(detector)))
    if after > before:
        raise Broken(f"the detector itself grew from {before} to {after} bytes: {', '.join(sorted(vars(detector)))}")


def _row(columns: Columns, i: int) -> dict[str, Any]:
    return {name: array[i].tolist() for name, array in vars(columns).items()}


PROPERTIES: dict[str, Callable[[Detector], None]] = {
    "learning changes only what is learned": _learning_is_pure,
    "each brand learns alone": _learning_alone,
    "what is learned survives saving": _round_trip,
    "memory is bounded": _bounded,
}

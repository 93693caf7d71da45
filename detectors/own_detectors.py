"""What a user's own detector does while it runs: whatever goes wrong in it stops the worker in words that name it.

Its author needs the line; whoever runs it needs to know whose it is. Built-in detectors are not looked at.
"""

from __future__ import annotations

import sys
import traceback

import numpy as np

from detectors.columns import Floats
from detectors.detector import HIGHEST, Detector, Hour, Told
from detectors.evidence import writable
from detectors.score import UNSCORED
from detectors.view import View


class DetectorError(ValueError):
    """A detector cannot be used: it is not installed, does not say what it must, or gives no scores."""


def scores_of(detector: Detector, view: View) -> Floats:
    """Its scores within bounds; what is not a number is no score, so that it cannot page nor spoil a maximum.

    Raises
    ------
    DetectorError
        It fails, or returns something else than a number for each brand and tick.
    """
    try:
        score = detector.score(view)
    except Exception as error:
        raise _failed(detector, "score", error) from error
    try:
        given = np.asarray(score, np.float64)
    except (TypeError, ValueError) as error:
        raise DetectorError(f"detector {detector.name}: score() must return numbers ({error})") from error
    if given.shape != view.shape:
        raise DetectorError(
            f"detector {detector.name}: score() returned {given.shape}, not {view.shape} (brands, ticks)"
        )
    return np.where(np.isnan(given), UNSCORED, np.clip(given, -HIGHEST, HIGHEST))


def teach(detector: Detector, hour: Hour) -> None:
    """Let it learn from an hour. Raises DetectorError where it fails, or changes how many brands it knows of."""
    try:
        detector.learn(hour)
    except Exception as error:
        raise _failed(detector, "learn", error) from error
    for name, column in vars(hour.learned).items():
        if len(column) != len(hour.observed):
            raise DetectorError(
                f"detector {detector.name}: learn() made {len(column)} rows of {name}, not one for each brand"
            )


def reason_of(detector: Detector, told: Told) -> str:
    """One line on why it fired. Raises DetectorError where it fails, or says nothing."""
    try:
        reason: object = detector.reason(told)
    except Exception as error:
        raise _failed(detector, "reason", error) from error
    if not isinstance(reason, str):
        raise DetectorError(f"detector {detector.name}: reason() must return one line of text, not {reason!r}")
    return writable(" ".join(reason.splitlines()))


def _failed(detector: Detector, method: str, error: Exception) -> DetectorError:
    own = getattr(sys.modules.get(type(detector).__module__), "__file__", None)
    frames = traceback.extract_tb(error.__traceback__)
    at = next((frame for frame in reversed(frames) if frame.filename == own), frames[-1])
    return DetectorError(
        f"detector {detector.name}: {method}() failed: {type(error).__name__}: {error} ({at.filename}:{at.lineno}); "
        "detectors.conformance.check tells what else it breaks"
    )

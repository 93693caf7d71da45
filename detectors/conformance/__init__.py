"""What every detector must hold to, as tests for anybody's: ``check(MyDetector())`` in a test of your own package.

Decisions can be repeated bit for bit only if each detector is what it promises to be (see detector.py). Each property
is one such promise (`scoring`, `learning`), tried on small examples before larger ones, so that the first that fails
is short enough to read. The whole engine is then run with the detector in it (`engine`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TypeVar

from detectors.conformance import engine as engines
from detectors.conformance import learning, scoring
from detectors.conformance.broken import Broken
from detectors.detector import Detector

T = TypeVar("T")

PROPERTIES: Mapping[str, Callable[[Detector], None]] = {**scoring.PROPERTIES, **learning.PROPERTIES}
"""Name -> what tries it on a detector; raises `broken.Broken`."""
ENGINE_PROPERTIES = engines.PROPERTIES
"""Name -> what tries it on an engine."""


class ConformanceError(AssertionError):
    """A detector breaks a promise; the message says which, and shows a small example."""

    def __init__(self, detector: str, broken: str, example: str) -> None:
        super().__init__(f"detector {detector} breaks: {broken}\n{example}")
        self.broken = broken
        """Key in PROPERTIES or ENGINE_PROPERTIES."""


def check(detector: Detector, only: Collection[str] | None = None, *, engine: bool = True) -> None:
    """Try everything on a detector.

    Parameters
    ----------
    detector : as it would be given to an engine
    only : keys of PROPERTIES to try; all by default
    engine : whether to run a whole engine with it as well, which takes a second or two

    Raises
    ------
    ConformanceError
        The first promise that is broken.
    ValueError
        `only` names a property that there is not.
    """
    _try(PROPERTIES, only, detector, _name_of(detector))
    if engine and only is None:
        check_engine([detector])


def check_engine(
    detectors: Sequence[Detector] = (), only: Collection[str] | None = None, seeds: Sequence[int] = (1,)
) -> None:
    """Try what holds for a whole engine, with these detectors beside the built-in ones; raises as `check` does."""
    names = ", ".join(_name_of(d) for d in detectors) or "(the built-in ones)"
    for seed in seeds:
        _try(ENGINE_PROPERTIES, only, engines.World.of(seed, tuple(detectors)), names)


def _try(properties: Mapping[str, Callable[[T], None]], only: Collection[str] | None, subject: T, name: str) -> None:
    wanted = list(properties) if only is None else list(only)
    if unknown := sorted(set(wanted) - set(properties)):
        raise ValueError(f"no property is called {', '.join(unknown)}; there are: {', '.join(properties)}")
    for promise in wanted:
        try:
            properties[promise](subject)
        except Broken as broken:
            raise ConformanceError(name, promise, str(broken)) from broken.__cause__


def _name_of(detector: object) -> str:
    return str(getattr(detector, "name", type(detector).__name__))

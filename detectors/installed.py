"""Detectors of installed packages, offered under the entry point group `tocsin.detectors`.

A package says in its pyproject.toml, with the detector's name before the equals sign:

    [project.entry-points."tocsin.detectors"]
    storm = "acme_tocsin:Storm"

The object is a subclass of `Detector`, made without arguments, or a detector. An offered detector is used only if it
is named in the settings.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import EntryPoint, entry_points

from detectors.detector import Detector
from detectors.detector_set import DetectorSet, validate
from detectors.own_detectors import DetectorError

GROUP = "tocsin.detectors"


def installed() -> dict[str, EntryPoint]:
    """Offered detectors by name, in order of their names; nothing is imported.

    Raises
    ------
    DetectorError
        Two packages offer different detectors of one name.
    """
    found: dict[str, EntryPoint] = {}
    for entry in sorted(entry_points(group=GROUP), key=lambda e: (e.name, e.value)):
        other = found.setdefault(entry.name, entry)
        if other.value != entry.value:
            raise DetectorError(
                f"two packages offer a detector named {entry.name!r}: {_whose(other)} and {_whose(entry)}; "
                "uninstall one of them"
            )
    return found


def unknown(names: Iterable[str]) -> str | None:
    """What is wrong with a list of names, if one is not installed or is there twice."""
    names = list(names)
    if twice := sorted({name for name in names if names.count(name) > 1}):
        return f"{', '.join(twice)} is named twice"
    offered = installed()
    missing = [name for name in names if name not in offered]
    if not missing:
        return None
    there = f"installed: {', '.join(offered)}" if offered else "none is installed"
    return (
        f"no installed package offers a detector named {', '.join(map(repr, missing))} ({there}); "
        f"a package offers one under the entry point group {GROUP!r}"
    )


def load(names: Iterable[str]) -> tuple[Detector, ...]:
    """The detectors of these names.

    Raises
    ------
    DetectorError
        One is not installed, cannot be imported, or is no detector of that name.
    """
    names = list(names)
    if not names:
        return ()  # to look through all that is installed takes longer than a small backtest
    if problem := unknown(names):
        raise DetectorError(problem)
    offered = installed()
    detectors = tuple(_made(offered[name]) for name in names)
    DetectorSet(detectors)
    return detectors


def _made(entry: EntryPoint) -> Detector:
    try:
        found = entry.load()
        detector = found() if isinstance(found, type) else found
    except Exception as error:  # whatever somebody else's module does
        raise DetectorError(
            f"detector {entry.name} of {_whose(entry)} cannot be loaded: {type(error).__name__}: {error}"
        ) from error
    if not isinstance(detector, Detector):
        raise DetectorError(f"{entry.value} of {_whose(entry)} is no detector: derive it from detectors.Detector")
    validate(detector)
    if detector.name != entry.name:
        raise DetectorError(
            f"{_whose(entry)} offers detector {detector.name!r} under the name {entry.name!r}; the two must agree"
        )
    return detector


def _whose(entry: EntryPoint) -> str:
    package = f"{entry.dist.name} {entry.dist.version}" if entry.dist is not None else "an unknown package"
    return f"{package} ({entry.value})"

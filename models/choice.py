"""Which backend computes the bundled model: the fastest that passes a check, measured once and remembered.

Two workers of one machine must not choose differently, or one text would get two tones. So the choice is made under a
lock and kept in a file, under everything that it depends on: the model's checksums, the processor, the graphics cards,
the libraries. What is remembered but cannot run any more is not taken. Where nothing can be kept, no race is run: the
first backend that can run is taken, which is the same for all.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from models.backends import BACKENDS, cards, installed
from models.processor import describe_processor
from models.whole_file import whole_file

log = logging.getLogger(__name__)

CACHE_VARIABLE: Final = "TOCSIN_CACHE_DIR"
"""Names the folder of the remembered choice; by default ``tocsin`` in ``XDG_CACHE_HOME``, else in ``~/.cache``."""

_FILE: Final = "tone-backends.json"
_FORMAT: Final = 1

# A backend must be so much faster than one before it in the list to be taken instead: nearer ones are a matter of luck.
_CLEARLY: Final = 1.15


@dataclass(frozen=True)
class Measured:
    """What the check found of one backend: milliseconds a text, and how far it is from torch in float32 (the largest
    difference of a probability, texts whose label differs); or why it is not offered.
    """

    milliseconds: float | None = None
    shift: float | None = None
    flips: int | None = None
    refused: str | None = None

    def __str__(self) -> str:
        if self.refused is not None:
            return f"not offered: {self.refused}"
        return f"{self.milliseconds:.2f} ms a text, probabilities within {self.shift:.3f} of float32"


@dataclass(frozen=True)
class Choice:
    """A backend's name, and why it: the figures of all, empty where none were measured."""

    backend: str
    figures: Mapping[str, Measured]
    remembered: bool


def cache_directory() -> Path:
    """The folder of what can be made again; may not exist."""
    try:
        if named := os.environ.get(CACHE_VARIABLE):
            return Path(named).expanduser()
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tocsin"
    except RuntimeError:  # a user without a home, as in many containers: nothing can be kept
        return Path(os.devnull) / "tocsin"


def conditions(parts: Mapping[str, str]) -> dict[str, str]:
    """All that a choice depends on: a model's checksums, processor, graphics cards and libraries."""
    libraries = tuple(sorted({name for backend in BACKENDS.values() for name in backend.libraries}))
    return {**parts, "processor": describe_processor(), "cards": cards(), "libraries": installed(libraries)}


def choose(
    parts: Mapping[str, str], measure: Callable[[], Mapping[str, Measured]], directory: Path | None = None
) -> Choice:
    """The remembered choice for a model with the checksums ``parts``; else the one that ``measure`` leads to, which is
    remembered from then on.
    """
    under = conditions(parts)
    key = _key(under)
    directory = cache_directory() if directory is None else directory
    known = _remembered(directory, key)
    if known is not None:
        return known
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _alone(directory):
            known = _remembered(directory, key)  # another process may have been first
            if known is not None:
                return known
            log.info("choosing the fastest tone backend of this machine; this takes some seconds, once")
            figures = measure()
            choice = Choice(fastest(figures), figures, remembered=False)
            _write(directory, key, under, choice)
    except OSError as error:
        choice = Choice(first_available(), {}, remembered=False)
        log.warning(
            "the choice of a tone backend cannot be kept in %s (%s): taking %s without comparing; set tone.backend, or "
            "%s to a folder that can be written",
            directory,
            error.strerror or error,
            choice.backend,
            CACHE_VARIABLE,
        )
    return choice


def recall(parts: Mapping[str, str], directory: Path | None = None) -> Choice | None:
    """What is remembered for a model with the checksums ``parts``, if anything that can run here."""
    return _remembered(cache_directory() if directory is None else directory, _key(conditions(parts)))


def _key(under: Mapping[str, str]) -> str:
    return hashlib.sha256(json.dumps(under, sort_keys=True).encode()).hexdigest()


def fastest(figures: Mapping[str, Measured]) -> str:
    """The fastest of those offered; one that is not clearly faster than an earlier one gives way to it."""
    offered = {name: found.milliseconds for name, found in figures.items() if found.milliseconds is not None}
    best = min(offered.values())
    return next(name for name in BACKENDS if name in offered and offered[name] <= best * _CLEARLY)


def first_available() -> str:
    """The first backend in the list that can run here."""
    return next(name for name in BACKENDS if _why_not(name) is None)


def _entries(directory: Path) -> dict[str, Any]:
    """What the file holds; nothing where it is damaged or of another version."""
    try:
        content = json.loads((directory / _FILE).read_text(encoding="utf-8"))
        return dict(content["choices"]) if content["format"] == _FORMAT else {}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _read(directory: Path) -> dict[str, Choice]:
    """The choices that can be read; the others are made again."""
    found: dict[str, Choice] = {}
    for key, entry in _entries(directory).items():
        with suppress(KeyError, TypeError, AttributeError):
            figures = {name: Measured(**measured) for name, measured in entry["figures"].items()}
            if entry["backend"] in BACKENDS:
                found[key] = Choice(entry["backend"], figures, remembered=True)
    return found


def _remembered(directory: Path, key: str) -> Choice | None:
    known = _read(directory).get(key)
    if known is not None and (reason := _why_not(known.backend)) is not None:
        log.warning("tone backend %s, remembered in %s, cannot run here now: %s", known.backend, directory, reason)
        return None
    return known


def _why_not(name: str) -> str | None:
    try:
        return BACKENDS[name].why_not()
    except Exception as error:  # noqa: BLE001 (other people's libraries: what fails to say so cannot run either)
        return str(error) or type(error).__name__


def _write(directory: Path, key: str, under: Mapping[str, str], choice: Choice) -> None:
    choices = _entries(directory)
    choices[key] = {
        "backend": choice.backend,
        "figures": {name: asdict(found) for name, found in choice.figures.items()},
        "conditions": dict(under),
        "chosen_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }
    with whole_file(directory / _FILE) as part:
        part.write_text(json.dumps({"format": _FORMAT, "choices": choices}, indent=2) + "\n", encoding="utf-8")


@contextmanager
def _alone(directory: Path) -> Iterator[None]:
    import fcntl

    with (directory / f"{_FILE}.lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            log.info("another process is choosing the fastest tone backend of this machine; waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            yield
        finally:
            with suppress(OSError):
                fcntl.flock(lock, fcntl.LOCK_UN)

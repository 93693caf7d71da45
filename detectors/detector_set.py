"""The detectors that judge together: the built-in ones and a user's own, as arrays with one place for each."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from detectors.built_in import BUILT_IN
from detectors.columns import Columns, Floats, ln
from detectors.config import EngineConfig
from detectors.detector import HIGHEST, USUAL_AT, Detector
from detectors.own_detectors import DetectorError, scores_of
from detectors.score import DECIMALS
from detectors.view import View
from detectors.windows import AUTHORS, NEGATIVES, WIDTHS

MOST = 32
"""Detectors; an incident keeps those that agreed as bits."""


LONGEST_TITLE = 60
"""Characters: it stands on one line above a plot."""


class DetectorSet:
    """The built-in detectors and `extra` ones, in this order.

    Raises
    ------
    DetectorError
        A detector is not one, has no usable name, a name that is taken, or an attribute of no use.
    """

    def __init__(self, extra: Iterable[Detector] = ()) -> None:
        self.extra = tuple(extra)
        for detector in self.extra:
            validate(detector)
        self.all: tuple[Detector, ...] = (*BUILT_IN, *self.extra)
        self.names = tuple(d.name for d in self.all)
        if twice := sorted({name for name in self.names if self.names.count(name) > 1}):
            raise DetectorError(f"detectors of the same name: {', '.join(twice)}")
        if len(self.all) > MOST:
            raise DetectorError(f"{len(self.all)} detectors are more than the {MOST} that can judge together")
        self.titles = tuple(d.heading() for d in self.all)
        self.asks_for = tuple(d.asks_for for d in self.all)
        self.keys = tuple(d.key for d in self.all)
        """What arrays of state with one place per detector belong to."""
        self.window = tuple(WIDTHS.index(d.window) for d in self.all)
        """Index in windows.WIDTHS of the window each judges."""
        self.counts = tuple(NEGATIVES if d.counts == "negative" else AUTHORS for d in self.all)
        """First axis of the counts each goes by."""
        self.pages = np.array([d.asks_for == "page" for d in self.all])
        self.informs = np.array([d.asks_for == "info" for d in self.all])
        self.paging = tuple(np.nonzero(self.pages)[0].tolist())
        self.informing = tuple(np.nonzero(self.informs)[0].tolist())
        self.floor = np.array([d.floor for d in self.all], np.float64)
        self.ticket_floor = np.array([d.ticket_floor for d in self.all], np.float64)
        self.least_scale = np.array([d.least_scale for d in self.all], np.float64)
        self._usual_scale = np.array([_at_each(d.usual_scale) for d in self.all], np.float64)
        self._usual_location = np.array([_at_each(d.usual_location) for d in self.all], np.float64)
        self.has_usual = ~np.isnan(self._usual_location[:, 0])
        """Whose usual location is known."""
        self.pages_when_cold = np.array([d.pages_when_cold for d in self.all])
        self.learners = tuple(d for d in self.all if d.learns is not None)

    def __len__(self) -> int:
        return len(self.all)

    @property
    def version(self) -> str:
        """Of the user's own ones, to be added to the built-in ones' version."""
        return "".join(f"+{d.key}" for d in self.extra)

    def cold_levels(self, config: EngineConfig) -> tuple[Floats, Floats]:
        """Scores for a page and for a ticket before a brand's own days are known, (detectors,) each."""
        page = [np.log(config.cold_page_ratio) if d.cold_page is None else d.cold_page for d in self.all]
        ticket = [np.log(config.cold_ticket_ratio) if d.cold_ticket is None else d.cold_ticket for d in self.all]
        return np.array(page, np.float64), np.array(ticket, np.float64)

    def usual(self, negative: Floats) -> tuple[Floats, Floats]:
        """Location and scale of daily maxima that are usual for brands of so many negative authors an hour (n,), (n,
        detectors) each; nan where a detector does not know its location."""
        at = ln(np.array(USUAL_AT))
        x = ln(np.maximum(negative, 1e-3))
        location, scale = (
            np.stack([np.interp(x, at, own) for own in table], axis=1)
            for table in (self._usual_location, self._usual_scale)
        )
        return location, scale

    def nothing_learned(self, n: int) -> dict[str, Columns]:
        """What the detectors that learn know of n brands at first, by name."""
        return {d.name: d.learns.of(n) for d in self.learners if d.learns is not None}

    def scores(self, view: View, learned: Mapping[str, Columns] | None = None) -> Floats:
        """All scores, (detectors, n, ticks), rounded to DECIMALS.

        A confirmation is part of the score: score >= h asks for twice the log ratio of the shorter window >= h too,
        i.e. the surge goes on at no less than the square root of the pace that is claimed. So the daily maxima, from
        which thresholds are computed, are maxima of the same thing that is compared with them.
        """
        out = np.empty((len(self.all), *view.shape))
        for place, detector in enumerate(self.all):
            own = view if detector.learns is None else view.with_learned((learned or {})[detector.name].frozen())
            score = detector.score(own) if place < len(BUILT_IN) else scores_of(detector, own)
            if detector.confirmed_by is not None:
                w = WIDTHS.index(detector.confirmed_by)
                pace = view.negative_pace[w] if detector.counts == "negative" else view.author_pace(w)
                score = np.minimum(score, 2.0 * pace)
            out[place] = score
        return np.asarray(np.round(out, DECIMALS), np.float64)


def _at_each(usual: float | tuple[float, ...] | None) -> tuple[float, ...]:
    """One number for each of USUAL_AT."""
    if isinstance(usual, tuple):
        return usual
    return (float("nan") if usual is None else float(usual),) * len(USUAL_AT)


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and math.isfinite(value)


def validate(detector: object) -> None:
    """Raise DetectorError unless the detector says all that it must, in a usable way."""
    if not isinstance(detector, Detector):
        raise DetectorError(f"{detector!r} is no detector: derive it from detectors.Detector")
    name = getattr(detector, "name", None)
    if not isinstance(name, str) or not re.fullmatch(r"[a-z][a-z0-9_]{0,31}", name):
        raise DetectorError(
            f"the name of {type(detector).__name__} must be up to 32 lower case letters, digits and underscores, "
            f"not {name!r}"
        )
    problems = list(_problems(detector))
    if problems:
        raise DetectorError(f"detector {name}: {'; '.join(problems)}")


def _problems(detector: Detector) -> Iterable[str]:
    # Whatever the annotations say: a user's class need not have been checked against them.
    given: dict[str, Any] = {a: getattr(detector, a) for a in dir(Detector) if not a.startswith("_") and a != "name"}
    windows = ", ".join(map(str, WIDTHS))
    if not isinstance(given["version"], str) or not re.fullmatch(r"[A-Za-z0-9._-]{1,32}", given["version"]):
        yield f"version must be up to 32 letters, digits, dots, not {given['version']!r}"
    if not isinstance(given["title"], str) or len(given["title"]) > LONGEST_TITLE or not given["title"].isprintable():
        yield f"title must be a line of at most {LONGEST_TITLE} characters, not {given['title']!r}"
    try:
        heading: object = detector.heading()
    except Exception as error:  # noqa: BLE001 (whatever somebody else's method does)
        yield f"heading() failed: {type(error).__name__}: {error}"
    else:
        if not isinstance(heading, str) or not heading.strip():
            yield f"heading() must return a line of text, not {heading!r}"
    if given["window"] not in WIDTHS:
        yield f"window must be one of {windows} minutes, not {given['window']!r}"
    elif given["confirmed_by"] not in (None, *WIDTHS[: WIDTHS.index(given["window"])]):
        yield f"confirmed_by must be a window shorter than {given['window']} minutes, not {given['confirmed_by']!r}"
    for attribute, allowed in {"asks_for": ("info", "ticket", "page"), "counts": ("negative", "authors")}.items():
        if given[attribute] not in allowed:
            yield f"{attribute} must be {' or '.join(allowed)}, not {given[attribute]!r}"
    for attribute in ("usual_scale", "usual_location"):
        if isinstance(given[attribute], tuple) and len(given[attribute]) != len(USUAL_AT):
            yield f"{attribute} must have {len(USUAL_AT)} numbers, not {len(given[attribute])}"
    location = given["usual_location"]
    if location is not None and not (isinstance(location, tuple) and all(map(_is_number, location))):
        yield f"usual_location must be None or {len(USUAL_AT)} numbers, not {location!r}"
    for attribute in ("floor", "ticket_floor", "usual_scale", "cold_page", "cold_ticket"):
        value = given[attribute]
        if value is None and attribute.startswith("cold_"):
            continue
        each = value if attribute == "usual_scale" and isinstance(value, tuple) else (value,)
        if not all(isinstance(one, (int, float)) and 0 < one <= HIGHEST for one in each):
            yield f"{attribute} must be above 0 and at most {HIGHEST:g}, not {value!r}"
    least = given["least_scale"]
    if not isinstance(least, (int, float)) or not 0 <= least <= HIGHEST:
        yield f"least_scale must be at least 0 and at most {HIGHEST:g}, not {least!r}"
    learns: Any = given["learns"]
    if learns is not None and not (
        isinstance(learns, type) and issubclass(learns, Columns) and hasattr(learns, "__dataclass_fields__")
    ):
        yield f"learns must be a dataclass derived from detectors.columns.Columns, not {learns!r}"
    elif learns is not None and type(detector).learn is Detector.learn:
        yield "has `learns`, but no method `learn`"


BUILT_IN_SET = DetectorSet()

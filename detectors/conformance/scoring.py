"""What a score promises."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from detectors.conformance.broken import Broken
from detectors.conformance.examples import all_bytes, cases, extremes, random_case, same, score_of
from detectors.detector import HIGHEST, Detector, Told
from detectors.detector_set import validate
from detectors.own_detectors import DetectorError


def _says_what_it_must(detector: Detector) -> None:
    try:
        validate(detector)
    except DetectorError as error:
        raise Broken(str(error)) from error
    plain = Told("1 h", 20, 4.0, 12, 1.0, 0.6, 0.25)
    for told in (plain, replace(plain, terms=(("queue", 5), ("refund", 3)), topic=True)):
        try:
            reason: Any = detector.reason(told)
        except Exception as error:
            raise Broken(f"reason() raised {type(error).__name__}: {error}, told {told}") from error
        if not isinstance(reason, str) or not reason.strip() or "\n" in reason:
            raise Broken(f"reason() must return one line of text, not {reason!r}, told {told}")


def _shape(detector: Detector) -> None:
    for case in cases(detector):
        score_of(detector, case)
    empty = random_case(detector, 1, 2, seed=7)
    score_of(detector, empty.take(brands=slice(0, 0)))


def _finite(detector: Detector) -> None:
    for case in (*cases(detector), *extremes(detector)):
        score = score_of(detector, case)
        bad = ~np.isfinite(score) | (np.abs(score) > HIGHEST)
        if bad.any():
            i, j = (int(x) for x in np.argwhere(bad)[0])
            raise Broken(f"the score is {score[i, j]}, not a number within {HIGHEST:g} of 0: {case.told(i, j)}")


def _changes_nothing(detector: Detector) -> None:
    for case in cases(detector):
        before, kept = copy.deepcopy(case), inside(detector)
        score_of(detector, case)
        for name in ("mentions", "authors", "negative", "authors_expected", "negative_expected"):
            if not np.array_equal(getattr(before, name), getattr(case, name)):
                raise Broken(f"score() changed {name} of the view: {before.told(0, 0)}")
        if case.learned is not None and all_bytes(case.learned) != all_bytes(before.learned):
            raise Broken(f"score() changed what was learned: {before.told(0, 0)}")
        if inside(detector) != kept:
            names = ", ".join(sorted(vars(detector)))
            raise Broken(f"score() changed the detector itself ({names}): {case.told(0, 0)}")


def _pure(detector: Detector) -> None:
    for case in cases(detector):
        same(score_of(detector, case), score_of(detector, case), case, "when asked again")


def inside(detector: Detector) -> object:
    """What the object keeps, as something that can be compared."""
    try:
        return pickle.dumps(vars(detector))
    except Exception:  # noqa: BLE001 (whatever cannot be pickled)
        return repr(vars(detector))


def _no_look_ahead(detector: Detector) -> None:
    for case in cases(detector):
        n, k = case.size
        other = random_case(detector, n, k, seed=8)
        for cut in range(1, k):
            mixed = case.followed_by(other, cut)
            got, expected = score_of(detector, mixed)[:, :cut], score_of(detector, case)[:, :cut]
            same(got, expected, case, f"with another future from tick {cut} on")


def _grouping(detector: Detector) -> None:
    for case in cases(detector):
        whole = score_of(detector, case)
        k = case.size[1]
        for cut in sorted({1, k // 2, k - 1} - {0, k}):
            parts = [score_of(detector, case.take(ticks=own)) for own in (slice(0, cut), slice(cut, k))]
            same(np.concatenate(parts, axis=1), whole, case, f"when ticks come in two parts, cut before tick {cut}")


def _order_of_brands(detector: Detector) -> None:
    for case in cases(detector):
        whole = score_of(detector, case)
        n = case.size[0]
        turned = np.arange(n)[::-1]
        same(score_of(detector, case.take(brands=turned))[turned], whole, case, "with the brands in another order")
        for i in range(n):
            alone = np.repeat(score_of(detector, case.take(brands=slice(i, i + 1))), n, axis=0)
            same(alone[i : i + 1], whole[i : i + 1], case.take(brands=slice(i, i + 1)), "of the brand alone")


def _unlearned(detector: Detector) -> None:
    """Only that it works: `_finite` asks for more."""
    case = random_case(detector, 3, 2, seed=7, taught=0)
    score_of(detector, case)


PROPERTIES: dict[str, Callable[[Detector], None]] = {
    "it says what it must": _says_what_it_must,
    "one float for each brand and tick": _shape,
    "scoring before learning works": _unlearned,
    "scoring changes nothing": _changes_nothing,
    "scoring is pure": _pure,
    "scores are finite, whatever the counts": _finite,
    "no look-ahead": _no_look_ahead,
    "grouping of ticks does not matter": _grouping,
    "order and company of brands do not matter": _order_of_brands,
}

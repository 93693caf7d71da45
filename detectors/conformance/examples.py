"""Examples that detectors are tried on: counts and expectations, and hours to learn from."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors.columns import Columns, Floats, Ints
from detectors.conformance.broken import Broken
from detectors.detector import Detector, Hour
from detectors.score import DECIMALS
from detectors.view import View, frozen
from detectors.windows import WIDTHS

START = 24_850_080
"""A Monday, 00:00Z."""
SIZES = ((1, 1), (1, 2), (2, 1), (2, 3), (5, 60))
"""Brands and ticks of examples, the smallest first."""
MANY = 10_000_000
MOST_TOPIC = 350.0
"""No W is larger (see topics.bayes_factors)."""


@dataclass(frozen=True)
class Case:
    """Counts and expectations (len(WIDTHS), n, ticks), and what the detector has learned of these brands."""

    mentions: Ints
    authors: Ints
    negative: Ints
    authors_expected: Floats
    negative_expected: Floats
    local_hour: Ints
    ticks: Ints
    topic: Floats
    """(n, ticks)"""
    learned: Columns | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Brands and ticks."""
        return self.authors.shape[1], self.authors.shape[2]

    def take(self, brands: Any = slice(None), ticks: Any = slice(None)) -> Case:
        """Some brands and ticks, as arrays of their own."""

        def cut(array: NDArray[Any]) -> NDArray[Any]:
            return np.ascontiguousarray(array[:, brands][..., ticks])

        learned = None
        if self.learned is not None:
            kept = {f: np.ascontiguousarray(a[brands]) for f, a in vars(self.learned).items()}
            learned = type(self.learned)(**kept)
        return Case(
            cut(self.mentions),
            cut(self.authors),
            cut(self.negative),
            cut(self.authors_expected),
            cut(self.negative_expected),
            np.ascontiguousarray(self.local_hour[brands]),
            np.ascontiguousarray(self.ticks[ticks]),
            np.ascontiguousarray(self.topic[brands][:, ticks]),
            learned,
        )

    def followed_by(self, other: Case, cut: int) -> Case:
        """The ticks before `cut`, and then those of another case of the same size."""

        def spliced(first: NDArray[Any], second: NDArray[Any]) -> NDArray[Any]:
            return np.concatenate([first[..., :cut], second[..., cut:]], axis=-1)

        return replace(
            self,
            mentions=spliced(self.mentions, other.mentions),
            authors=spliced(self.authors, other.authors),
            negative=spliced(self.negative, other.negative),
            authors_expected=spliced(self.authors_expected, other.authors_expected),
            negative_expected=spliced(self.negative_expected, other.negative_expected),
            topic=spliced(self.topic, other.topic),
        )

    def view(self) -> View:
        """As a detector sees it."""
        return View(
            ticks=self.ticks,
            local_hour=self.local_hour,
            mentions=self.mentions,
            authors=self.authors,
            negative=self.negative,
            authors_expected=self.authors_expected,
            negative_expected=self.negative_expected,
            topic=self.topic,
            learned=None if self.learned is None else self.learned.frozen(),
        )

    def told(self, i: int, j: int) -> str:
        """One brand's tick, as people read it."""
        rows = {
            "mentions": self.mentions,
            "authors": self.authors,
            "negative": self.negative,
            "authors_expected": self.authors_expected,
            "negative_expected": self.negative_expected,
        }
        n, k = self.size
        where = f"brand {i} of {n}, tick {j} of {k}; in windows of {', '.join(map(str, WIDTHS))} minutes:"
        lines = [f"  {name:<17} {[_plain(v) for v in array[:, i, j]]}" for name, array in rows.items()]
        lines.append(f"  {'topic':<17} {_plain(self.topic[i, j])}")
        if self.learned is not None:
            own = {f: a[i].tolist() for f, a in vars(self.learned).items()}
            lines.append(f"  {'learned':<17} {own}")
        return "\n".join([where, *lines])


def _plain(value: Any) -> float | int:
    return int(value) if isinstance(value, np.integer) else float(f"{float(value):.6g}")


def random_case(detector: Detector, n: int, k: int, seed: int, taught: int = 0) -> Case:
    """Brands of any size; `taught` is how many hours the detector has learned from."""
    rng = np.random.default_rng([seed, n, k])
    grow = rng.exponential(1.0, (1, n, 1)) * 20
    authors = np.cumsum(rng.poisson(grow, (len(WIDTHS), n, k)), axis=0).astype(np.int64)
    negative = rng.binomial(authors, rng.uniform(0.05, 0.9, (1, n, k))).astype(np.int64)
    negative = np.minimum(np.maximum.accumulate(negative, axis=0), authors)
    expected = np.cumsum(rng.exponential(1.0, (len(WIDTHS), n, k)) * grow, axis=0)
    case = Case(
        mentions=authors + np.cumsum(rng.poisson(3.0, (len(WIDTHS), n, k)), axis=0),
        authors=authors,
        negative=negative,
        authors_expected=expected,
        negative_expected=expected * rng.uniform(0.05, 0.5, (1, n, 1)),
        local_hour=START // 60 + rng.integers(0, 24, n),
        ticks=START + np.arange(k),
        topic=np.where(rng.random((n, k)) < 0.5, 0.0, rng.exponential(5.0, (n, k))),
    )
    if detector.learns is None:
        return case
    learned = detector.learns.of(n)
    for hour in hours(n, taught, seed):
        learn(detector, hour, learned)
    return replace(case, learned=learned)


def cases(detector: Detector) -> Iterator[Case]:
    """The smallest first; before anything is learned and after a day."""
    for (n, k), taught in itertools.product(SIZES, (0, 30) if detector.learns is not None else (0,)):
        yield random_case(detector, n, k, seed=7, taught=taught)


def hours(n: int, count: int, seed: int) -> Iterator[Hour]:
    """Hours to learn from; `learned` is still to be set."""
    rng = np.random.default_rng([seed, n, 99])
    size = rng.exponential(1.0, n) * 20
    for h in range(count):
        authors = np.cumsum(rng.poisson(size, (len(WIDTHS), n)), axis=0).astype(np.int64)
        negative = rng.binomial(authors, 0.2).astype(np.int64)
        negative = np.minimum(np.maximum.accumulate(negative, axis=0), authors)
        expected = np.cumsum(np.broadcast_to(size, (len(WIDTHS), n)), axis=0)
        yield Hour(
            local_hour=frozen(START // 60 + h + np.zeros(n, np.int64)),
            mentions=frozen(authors + rng.poisson(2.0, (len(WIDTHS), n))),
            authors=frozen(authors),
            negative=frozen(negative),
            authors_expected=frozen(expected),
            negative_expected=frozen(expected * 0.2),
            observed=frozen(np.round(rng.choice([0.0, 0.5, 1.0], n, p=[0.1, 0.1, 0.8]), 3)),
            quiet=frozen(rng.random(n) < 0.9),
            learned=None,
        )


def learn(detector: Detector, hour: Hour, learned: Columns, brands: Any = slice(None)) -> None:
    """Let it learn from an hour of some of the brands, into `learned`."""
    arrays = {f: getattr(hour, f) for f in vars(hour) if f != "learned"}
    cut = {f: frozen(np.ascontiguousarray(a[..., brands])) for f, a in arrays.items()}
    try:
        detector.learn(Hour(**cut, learned=learned))
    except Exception as error:
        raise Broken(f"learn() raised {type(error).__name__}: {error}") from error


def score_of(detector: Detector, case: Case) -> Floats:
    """Rounded as the engine does."""
    try:
        score = detector.score(case.view())
    except Exception as error:
        n, k = case.size
        shown = f"\n{case.told(0, 0)}" if n and k else ""
        raise Broken(f"score() raised {type(error).__name__}: {error}{shown}") from error
    given: Any = score
    if not isinstance(given, np.ndarray) or given.shape != case.size or given.dtype.kind != "f":
        what = f"an array {given.shape} of {given.dtype}" if isinstance(given, np.ndarray) else type(given).__name__
        raise Broken(f"score() returned {what}, not an array {case.size} of floats (brands, ticks)")
    return np.asarray(np.round(score.astype(np.float64), DECIMALS), np.float64)


def same(got: Floats, expected: Floats, case: Case, how: str) -> None:
    """Raise Broken where two scores of a case differ."""
    differs = ~((got == expected) | (np.isnan(got) & np.isnan(expected)))
    if differs.any():
        i, j = (int(x) for x in np.argwhere(differs)[0])
        raise Broken(f"the score is {expected[i, j]:.6f}, but {got[i, j]:.6f} {how}: {case.told(i, j)}")


def extremes(detector: Detector) -> Iterator[Case]:
    """Counts of none, one and ten million; expectations of nothing (a gap, a brand not known yet) up to as many; no
    topic, and one that is all they talk about."""
    rows = []
    for authors, share, mu, mu_share in itertools.product(
        (0, 1, MANY), (0.0, 1.0), (0.0, 1e-9, 1.0, float(MANY)), (0.0, 1.0)
    ):
        rows.append((authors, int(authors * share), mu, mu * mu_share))
    table = np.array(rows, np.float64)
    for shorter in (1.0, 0.0):  # as much in ten minutes as in a day, and all of it long ago
        weight = np.array([shorter, shorter, shorter, 1.0, 1.0])[:, None]
        many = (weight * table[:, 0]).astype(np.int64)[:, :, None]
        case = Case(
            mentions=many,
            authors=many,
            negative=(weight * table[:, 1]).astype(np.int64)[:, :, None],
            authors_expected=(weight * table[:, 2])[:, :, None],
            negative_expected=(weight * table[:, 3])[:, :, None],
            local_hour=np.full(len(rows), START // 60),
            ticks=np.array([START]),
            topic=np.where(np.arange(len(rows)) % 2, MOST_TOPIC, 0.0)[:, None],
        )
        if detector.learns is None:
            yield case
            continue
        learned = detector.learns.of(len(rows))
        yield replace(case, learned=learned)
        hour = Hour(
            local_hour=frozen(case.local_hour),
            mentions=frozen(case.mentions[..., 0]),
            authors=frozen(case.authors[..., 0]),
            negative=frozen(case.negative[..., 0]),
            authors_expected=frozen(case.authors_expected[..., 0]),
            negative_expected=frozen(case.negative_expected[..., 0]),
            observed=frozen(np.ones(len(rows))),
            quiet=frozen(np.ones(len(rows), np.bool_)),
            learned=None,
        )
        taught = copy.deepcopy(learned)
        for _ in range(3):
            learn(detector, hour, taught)
        yield replace(case, learned=taught)


def all_bytes(columns: Columns | None) -> list[bytes]:
    """What was learned, to be compared."""
    return [] if columns is None else [np.ascontiguousarray(a).tobytes() for a in vars(columns).values()]

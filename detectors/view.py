"""What a detector sees: counts and expectations of the windows at some ticks, of some brands."""

from __future__ import annotations

import copy
from functools import cached_property
from types import EllipsisType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from detectors.columns import Floats, Ints
from detectors.score import (
    CORRELATION,
    CORRELATION_IN,
    ODDS,
    TONE_ODDS,
    correlations,
    expected_shares,
    joint,
    pace,
    share_evidence,
    share_ratios,
    size_of_surge,
    topic_evidence,
)
from detectors.topics import WINDOW
from detectors.windows import SIX_HOURS, WIDTHS

_TOPIC_WINDOWS = WIDTHS.index(WINDOW)
"""Of those from 1 h on, how many are no longer than a topic's."""

Places = EllipsisType | tuple[Ints, Ints]
"""All, or rows of brands and columns of ticks, (m,) each."""


class View:
    """Counts and expectations: arrays (5, n, ticks), the first axis being the windows of 10 min, 1 h, 3 h, 6 h, 24 h.

    Arrays are read-only. `row_of` turns minutes into a row: ``view.negative[row_of(60)]`` is (n, ticks).

    Parameters
    ----------
    ticks : (ticks,) minutes since 1970 UTC, one after the other within one hour
    local_hour : (n,) the hour in the brand's time zone, hours since 1970 there
    mentions, authors, negative : mentions, distinct authors and distinct negative authors in each window
    authors_expected, negative_expected : what the baseline expects; 0 where it knows nothing or the feed was silent
    topic : (n, ticks) log Bayes factor that the negative authors of 3 h talk about one thing that they do not usually
        talk about, at most 350, 0 where nothing tells (see topics); None: nothing is known of what they say
    share_weight : EngineConfig.share_weight
    correlation : (n,) the brand's rho, see score.CORRELATION; None: the usual one for all
    lasting : (n,) the part of that which is left in 6 h, see share_correlation.py; None: the usual one for all
    learned : what this detector has learned (`Detector.learns`), read-only; None if it learns nothing
    unsettled : (n,) brands whose tone model is new, so that nobody knows yet which share is usual; None: of none

    What several detectors need is computed once, when the first one asks.
    """

    def __init__(
        self,
        *,
        ticks: Ints,
        local_hour: Ints,
        mentions: Ints,
        authors: Ints,
        negative: Ints,
        authors_expected: Floats,
        negative_expected: Floats,
        topic: Floats | None = None,
        share_weight: float = 0.4,
        correlation: Floats | None = None,
        lasting: Floats | None = None,
        learned: Any = None,
        unsettled: NDArray[np.bool_] | None = None,
    ) -> None:
        self.ticks = frozen(ticks)
        self.local_hour = frozen(local_hour)
        self.mentions, self.authors, self.negative = frozen(mentions), frozen(authors), frozen(negative)
        self.authors_expected, self.negative_expected = frozen(authors_expected), frozen(negative_expected)
        self.share_weight = share_weight
        n = authors.shape[1]
        self.topic = frozen(np.zeros(authors.shape[1:]) if topic is None else topic)
        self.correlation = frozen(np.full(n, CORRELATION) if correlation is None else correlation)
        self.lasting = frozen(np.full(n, CORRELATION_IN[SIX_HOURS]) if lasting is None else lasting)
        self.learned = learned
        self._unsettled = unsettled

    @property
    def shape(self) -> tuple[int, int]:
        """Of a score: (n, ticks)."""
        return self.authors.shape[1], self.authors.shape[2]

    def with_learned(self, learned: Any) -> Self:
        """The same view with what another detector has learned."""
        other = copy.copy(self)
        other.learned = learned
        return other

    @cached_property
    def size(self) -> Floats:
        """x = ln((K + 2) / (nu + 2)) of 1 h, 3 h, 6 h, 24 h: (4, n, ticks), as the two below."""
        return frozen(size_of_surge(self.negative[1:], self.negative_expected[1:]))

    @cached_property
    def share_expected(self) -> Floats:
        """p0 of 1 h, 3 h, 6 h, 24 h: (4, n, ticks), see score.expected_shares."""
        return frozen(expected_shares(self.negative_expected[1:], self.authors_expected[1:]))

    @cached_property
    def correlations(self) -> Floats:
        """rho of each window, (5, n)."""
        return frozen(correlations(self.correlation, self.lasting))

    @cached_property
    def _share_ratios(self) -> list[Floats]:
        rho = self.correlations[1:, :, None]
        known = self.negative[1:], self.authors[1:], self.share_expected, rho
        return share_ratios(*known, ODDS)

    @cached_property
    def share_evidence(self) -> Floats:
        """B: log Bayes factor that the share of negative authors has risen (see score.share_evidence). Of unsettled
        brands none below 0: against a share that allows for a new model's ways, a crisis looks like less than usual.
        """
        evidence = share_evidence(self.authors[1:], self._share_ratios)
        if self._unsettled is not None:
            evidence = np.where(self._unsettled[:, None], np.maximum(evidence, 0.0), evidence)
        return frozen(evidence)

    def tone_evidence(self, w: int, at: Places = ...) -> Floats:
        """B of one window (index), (n, ticks) or of some places only, for the milder moves of a share at usual volume
        (score.TONE_ODDS)."""
        known = {odds: ratio[w - 1][at] for odds, ratio in zip(ODDS, self._share_ratios, strict=True)}
        others = [odds for odds in TONE_ODDS if odds not in known]
        authors, p0 = self.authors[w][at], self.share_expected[w - 1][at]
        rho = np.broadcast_to(self.correlations[w, :, None], self.shape)[at]
        made = share_ratios(self.negative[w][at], authors, p0, rho, others)
        known |= dict(zip(others, made, strict=True))
        return share_evidence(authors, [known[odds] for odds in TONE_ODDS])

    @cached_property
    def joint(self) -> Floats:
        """S = x + min(lambda clip(B + V, -2.5, 8), max(x, 0)) of 1 h, 3 h, 6 h, 24 h, (4, n, ticks); V is what a topic
        adds in 1 h and 3 h, see score.topic_evidence."""
        evidence = self.share_evidence
        if self.topic.any():
            evidence = evidence.copy()
            evidence[:_TOPIC_WINDOWS] += topic_evidence(self.topic, evidence[:_TOPIC_WINDOWS])
        return frozen(joint(self.size, evidence, self.share_weight))

    @cached_property
    def negative_pace(self) -> Floats:
        """Log ratio of negative authors in 10 min, 1 h, 3 h, 6 h, which confirm longer windows: (4, n, ticks)."""
        return frozen(pace(self.negative[:-1], self.negative_expected[:-1]))

    def author_pace(self, w: int) -> Floats:
        """The same of all authors in one window (index), (n, ticks)."""
        return pace(self.authors[w], self.authors_expected[w])


def row_of(minutes: int) -> int:
    """Row of the window of so many minutes: 10, 60, 180, 360 or 1440."""
    return WIDTHS.index(minutes)


def frozen(array: NDArray[Any]) -> NDArray[Any]:
    """The same numbers, which nobody can change through what is returned."""
    out = array.view()
    out.flags.writeable = False
    return out

"""Scores: how far counts in a window are from what the baseline expects. Pure functions of arrays.

The joint score is the log likelihood ratio of a burst, taken apart: how many negative authors (count), how negative the
authors are (share, given the count) and, up to three hours, what they say (topic, given both). With Pareto bursts the
first is alpha times the log ratio, so that divided by alpha the sum reads as a log ratio with a bonus for a moved share
(DETECTION.md, "Joint score").
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from detectors.columns import Axis, Floats, Ints, exp, ln
from detectors.windows import SIX_HOURS, WIDTHS

FAST, MID, SLOW, TONE, COUNT, TOPIC, DAY, SURGE = range(8)
DETECTORS = ("fast", "mid", "slow", "tone", "count", "topic", "day", "surge")
"""The built-in ones, which always come first (see built_in.py)."""
DETECTOR_AXIS = Axis("detectors", len(DETECTORS))
DECIMALS = 6
"""Scores are rounded before they are compared, so that the last bit of a logarithm never decides."""
UNSCORED = -50.0
"""Where there is no score: cold start, or the feed is silent."""

SMALL = 2.0
"""kappa: authors added to count and expectation; keeps two authors where none is expected from being a crisis."""
CORRELATION = 0.03
"""rho: intra-class correlation of negativity within an hour that is usual (authors copy each other, and a day has its
topics); a brand's own is learned, see share_correlation.py."""
CORRELATION_IN = (1.2, 1.0, 0.65, 0.5, 0.3)
"""Of it, what is usually left in the windows of windows.WIDTHS: topics change. Measured on 14,640 airline tweets; of a
brand's own, what is left in six hours is learned too."""
_LONGER = WIDTHS.index(180)
MOST_EXPECTED = 0.95
"""Share of negative authors: where all are expected to be negative, no share can move."""
ODDS = (2.0, 4.0, 8.0)
"""gamma: how much the odds of a negative mention rise in a crisis."""
TONE_ODDS = (2.0, 3.0, 4.0)
"""The same where nothing but the share moves: such crises are milder, and less volume must tell them apart."""
TOPIC_FROM, TOPIC_TIMES = 1.0, 4.0
"""A topic adds nothing up to this evidence of the share, and at most so many times what is beyond."""
SHARE_CLIP = (-2.5, 8.0)
TONE_CLIP = (-20.0, 40.0)
MOST_EVIDENCE = 500.0
"""Of one gamma; more is no number any more."""
MOST_BONUS = 1.0
"""Of x: how much evidence of a moved share can add to it. Few negatives more than usual are no crisis, however
negative the few who write."""


def expected_share(negative_expected: Floats, authors_expected: Floats) -> Floats:
    """p0 = (nu + 1) / (mu + 4): the share of negative authors to expect, drawn to 1/4 where little is expected."""
    return np.minimum((negative_expected + 1.0) / (authors_expected + 4.0), MOST_EXPECTED)


def expected_shares(negative_expected: Floats, authors_expected: Floats) -> Floats:
    """p0 of each window, (windows, ...), of which the last is the longest: :func:`expected_share` of that one, since a
    shorter window of a small brand says little about its share, times what the rhythm of the share makes of it.
    """
    longest = expected_share(negative_expected[-1], authors_expected[-1])
    both = authors_expected * negative_expected[-1]
    rhythm = np.divide(negative_expected * authors_expected[-1], both, out=np.ones_like(both), where=both > 0)
    return np.asarray(np.minimum(longest * rhythm, MOST_EXPECTED), np.float64)


def correlations(correlation: Floats, lasting: Floats) -> Floats:
    """rho in each window, (5, n), from that in an hour and the part of it that is left in six, (n,): where this is more
    than usual, as much more is left in three hours and in a day."""
    rho = np.array(CORRELATION_IN)[:, None] * correlation
    rho[_LONGER:] = rho[_LONGER:] * (lasting / CORRELATION_IN[SIX_HOURS])
    return rho


def share_evidence(authors: Ints, ratios: Sequence[Floats]) -> Floats:
    """B: log Bayes factor that the share moved up, the logarithm of the mean of `share_ratios`. Zero where T is
    zero."""
    total = np.zeros_like(ratios[0])
    for ratio in ratios:
        total = total + ratio
    return np.asarray(np.where(authors > 0, ln(total / len(ratios)), 0.0), np.float64)


def share_ratios(
    negative: Ints, authors: Ints, p0: Floats, correlation: Floats | float, odds_ratios: Sequence[float]
) -> list[Floats]:
    """(P(K; T, p_gamma) / P(K; T, p0))^(1/D) for each gamma, P being binomial; 1 where T, and so K, is zero.

    p_gamma = expit(logit p0 + ln gamma), so that the ratio is gamma^K / (1 + (gamma - 1) p0)^T. Authors who copy each
    other are worth fewer than they are: D = 1 + (T - 1) rho is how much wider than binomial their number varies, and
    T/D of them tell as much as T that know nothing of each other (the design effect: Rao and Scott 1992, Biometrics
    48:577; as weights of a quasi-likelihood: Williams 1982, Applied Statistics 31:144). The beta-binomial ratio
    is nearly the same (see test_score.py) and takes sixteen gamma functions.
    """
    effect = 1.0 + np.maximum(authors - 1, 0) * correlation
    k, t = negative / effect, authors / effect
    return [exp(np.minimum(k * np.log(odds) - t * ln(1.0 + (odds - 1.0) * p0), MOST_EVIDENCE)) for odds in odds_ratios]


def size_of_surge(negative: Ints, expected: Floats) -> Floats:
    """x = ln((K + kappa) / (nu + kappa))."""
    return ln((negative + SMALL) / (expected + SMALL))


def pace(count: Ints, expected: Floats) -> Floats:
    """Log ratio in a shorter window, used to confirm: is it still going on? A half instead of kappa, since counts are
    small."""
    return ln((count + 0.5) / (expected + 0.5))


def topic_evidence(topic: Floats, evidence: Floats) -> Floats:
    """V = min(W, 4 max(B - 1, 0)): what negative authors say, as evidence beside how many they are (W, see topics.py).

    0 up to B = 1: what makes the rounds in the usual tone has a topic too.
    """
    return np.asarray(np.minimum(topic, TOPIC_TIMES * np.maximum(evidence - TOPIC_FROM, 0.0)), np.float64)


def joint(size: Floats, evidence: Floats, weight: float) -> Floats:
    """S = x + min(lambda clip(E, -2.5, 8), max(x, 0)), lambda being `weight` and E evidence of a moved share, B or with
    that of a topic B + V."""
    bonus = weight * np.clip(evidence, *SHARE_CLIP)
    return np.asarray(size + np.minimum(bonus, MOST_BONUS * np.maximum(size, 0.0)), np.float64)

"""Scores: the formulas, and the same bits wherever a number stands."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from detectors.columns import Floats, Ints, ln
from detectors.detector_set import BUILT_IN_SET
from detectors.score import (
    CORRELATION,
    COUNT,
    FAST,
    MID,
    MOST_EXPECTED,
    ODDS,
    SLOW,
    SURGE,
    TONE,
    TONE_ODDS,
    TOPIC_FROM,
    TOPIC_TIMES,
    correlations,
    expected_share,
    share_evidence,
    share_ratios,
    topic_evidence,
)
from detectors.share_correlation import LASTING_RANGE, RANGE
from detectors.view import View


def scores(authors: Ints, negative: Ints, mu: Floats, nu: Floats, topic: Floats | None = None) -> Floats:
    view = View(
        ticks=np.arange(authors.shape[-1]),
        local_hour=np.zeros(authors.shape[1], np.int64),
        mentions=authors,
        authors=authors,
        negative=negative,
        authors_expected=mu,
        negative_expected=nu,
        topic=topic,
    )
    return BUILT_IN_SET.scores(view)


def _evidence(negative: Ints | int, authors: int, p0: float, rho: float = CORRELATION) -> Floats:
    k, t = np.broadcast_arrays(negative, authors)
    return share_evidence(t, share_ratios(k, t, np.full(t.shape, p0), rho, ODDS))


def _evidence_of(probability: Callable[[float], Floats], p0: float, effect: float = 1.0) -> Floats:
    """From P(K; T, p), a function of p."""
    ratios = [probability(p0 * odds / (1 - p0 + p0 * odds)) / probability(p0) for odds in ODDS]
    return np.asarray(np.log(np.mean(np.array(ratios) ** (1.0 / effect), axis=0)))


@pytest.mark.parametrize("rho", [0.0, 0.03, 0.05])
@pytest.mark.parametrize(("authors", "p0"), [(1, 0.5), (10, 0.3), (40, 0.25)])
def test_share_evidence_is_the_binomial_ratio_of_as_many_authors_as_they_are_worth(
    authors: int, p0: float, rho: float
) -> None:
    negative = np.arange(authors + 1)
    expected = _evidence_of(lambda p: stats.binom.pmf(negative, authors, p), p0, 1 + (authors - 1) * rho)
    np.testing.assert_allclose(_evidence(negative, authors, p0, rho), expected, atol=1e-9)


@pytest.mark.parametrize("rho", [0.01, 0.03, 0.05])
@pytest.mark.parametrize("p0", [0.1, 0.2, 0.35])
@pytest.mark.parametrize("authors", [3, 10, 30, 100, 400])
def test_share_evidence_is_nearly_that_of_the_beta_binomial(authors: int, p0: float, rho: float) -> None:
    """Where it decides, from hardly any evidence against a moved share to more than most thresholds."""
    negative, size = np.arange(authors + 1), (1 - rho) / rho
    near = _evidence_of(lambda p: stats.betabinom.pmf(negative, authors, p * size, (1 - p) * size), p0)
    decides = (near > -1.0) & (near < 4.0)
    assert decides.any()
    np.testing.assert_allclose(_evidence(negative, authors, p0, rho)[decides], near[decides], atol=0.3, rtol=0.3)


def test_a_million_authors_are_no_more_than_a_number() -> None:
    assert 100.0 < _evidence(900_000, 1_000_000, 0.1, 0.004) < 501.0


_LEARNED = np.array([(rho, left) for rho in RANGE for left in LASTING_RANGE]).T
RHO = correlations(*_LEARNED)
"""The least and the most that can be learned, in each window."""


@given(
    authors=st.integers(1, 50) | st.integers(1, 1_000_000_000),
    p0=st.just(0.0) | st.floats(0.0, MOST_EXPECTED),
    rho=st.floats(float(RHO.min()), float(RHO.max())),
    odds=st.sampled_from([ODDS, TONE_ODDS]),
)
def test_evidence_is_a_number_and_never_falls_with_one_more_negative_author(
    authors: int, p0: float, rho: float, odds: tuple[float, ...]
) -> None:
    few = np.arange(min(authors, 200) + 1)
    negative = np.unique(np.concatenate([few, authors - few]))
    total = np.full(len(negative), authors)
    evidence = share_evidence(total, share_ratios(negative, total, np.full(len(negative), p0), rho, odds))
    assert np.isfinite(evidence).all()
    assert (np.diff(evidence) >= 0.0).all()


@given(seed=st.integers(0, 2**32 - 1), brands=st.integers(1, 9), ticks=st.sampled_from([1, 2, 60]))
def test_evidence_of_some_places_is_the_same_bits_as_of_all(seed: int, brands: int, ticks: int) -> None:
    rng = np.random.default_rng(seed)
    authors = rng.integers(0, 40, (5, brands, ticks))
    negative = np.minimum(rng.integers(0, 20, authors.shape), authors)
    expected = rng.uniform(0.0, 50.0, authors.shape)

    def view(rows: Ints) -> View:
        return View(
            ticks=np.arange(ticks),
            local_hour=np.zeros(len(rows), np.int64),
            mentions=authors[:, rows],
            authors=authors[:, rows],
            negative=negative[:, rows],
            authors_expected=expected[:, rows],
            negative_expected=0.3 * expected[:, rows],
            correlation=np.linspace(*RANGE, brands)[rows],
            lasting=np.linspace(*LASTING_RANGE, brands)[rows],
        )

    every = view(np.arange(brands))
    brand, tick = np.nonzero(rng.random((brands, ticks)) < 0.3)
    rows = np.nonzero(rng.random(brands) < 0.5)[0]
    some = view(rows)
    for w in range(1, 5):
        evidence = every.tone_evidence(w)
        known = negative[w], authors[w], every.share_expected[w - 1], every.correlations[w, :, None]
        assert evidence.tolist() == share_evidence(authors[w], share_ratios(*known, TONE_ODDS)).tolist()
        assert every.tone_evidence(w, (brand, tick)).tolist() == evidence[brand, tick].tolist()
        assert some.tone_evidence(w).tolist() == evidence[rows].tolist()


def test_no_authors_no_evidence() -> None:
    assert _evidence(0, 0, 0.3).tolist() == 0.0


def test_share_expected_where_nothing_is_known() -> None:
    assert expected_share(np.zeros(1), np.zeros(1)).tolist() == [0.25]


def _counts(rng: np.random.Generator, n: int, k: int) -> tuple[Ints, Ints, Floats, Floats]:
    authors = np.cumsum(rng.integers(0, 40, (5, n, k)), axis=0)
    negative = np.minimum(np.cumsum(rng.integers(0, 9, (5, n, k)), axis=0), authors)
    mu = np.cumsum(rng.uniform(0, 20, (5, n, k)), axis=0)
    return authors, negative, mu, mu * 0.2


def test_same_bits_alone_and_in_a_crowd() -> None:
    rng = np.random.default_rng(0)
    whole = scores(*_counts(rng, 37, 61))
    rng = np.random.default_rng(0)
    authors, negative, mu, nu = _counts(rng, 37, 61)
    for i, j in [(0, 0), (36, 60), (17, 3)]:
        one = np.s_[:, i : i + 1, j : j + 1]
        alone = scores(authors[one].copy(), negative[one].copy(), mu[one].copy(), nu[one].copy())
        np.testing.assert_array_equal(alone[:, 0, 0], whole[:, i, j])
    values = rng.uniform(1e-3, 1e6, 1001)
    assert [float(ln(v)) for v in values] == ln(values).tolist()


def test_what_each_detector_sees() -> None:
    """Expected per window: 1.7, 10, 30, 60 and 240 authors, a fifth of them negative."""
    mu = np.array([10 / 6, 10.0, 30.0, 60.0, 240.0]).reshape(5, 1, 1)
    nu = mu / 5

    def score(authors: list[int], negative: list[int]) -> list[float]:
        a, n = (np.array(x).reshape(5, 1, 1) for x in (authors, negative))
        return [float(s) for s in scores(a, n, mu, nu)[:, 0, 0]]

    usual = score([2, 10, 30, 60, 240], [0, 2, 6, 12, 48])
    assert max(usual[d] for d in (FAST, SLOW, SURGE)) < 0.5
    viral = score([20, 100, 120, 150, 330], [4, 20, 24, 30, 66])
    assert viral[SURGE] > 1.5
    assert viral[TONE] < 1.0
    crisis = score([20, 100, 120, 150, 330], [15, 75, 80, 90, 130])
    assert crisis[FAST] > viral[FAST] + 1.0
    soured = score([2, 10, 30, 60, 240], [1, 7, 20, 40, 80])
    assert soured[TONE] > 4.0
    assert soured[SURGE] < 0.5
    over = score([0, 60, 75, 90, 270], [0, 45, 50, 60, 96])
    assert over[FAST] < 0.0, "an hour whose last ten minutes are silent is not confirmed"


def test_count_is_the_size_of_the_surge_unless_the_share_is_usual() -> None:
    """Eight of fourteen authors where a third are usually negative: x alone. In the usual share x less a penalty, with
    a share that has moved as much as it can nothing more than x."""
    mu = np.array([0.3, 1.8, 4.8, 11.7, 37.5]).reshape(5, 1, 1)
    nu = mu / 3.0
    x = np.log((8 + 2) / (0.6 + 2))

    def count(authors: int) -> float:
        a = np.array([7, authors, 28, 43, 57]).reshape(5, 1, 1)
        k = np.array([4, 8, 11, 13, 21]).reshape(5, 1, 1)
        return float(scores(a, k, mu, nu)[COUNT, 0, 0])

    np.testing.assert_allclose([count(8), count(14)], x, atol=1e-5)
    assert count(24) < x - 0.5
    assert BUILT_IN_SET.asks_for[COUNT] == "ticket"


def test_a_topic_counts_from_a_moved_share_on() -> None:
    told = topic_evidence(np.array([9.0, 9.0, 9.0, 1.0]), np.array([0.9, 1.0, 1.5, 9.0]))
    assert told.tolist() == [0.0, 0.0, 2.0, 1.0]


@given(topic=st.floats(0.0, 350.0), evidence=st.floats(-500.0, 500.0))
def test_a_topic_is_evidence_as_far_as_the_share_has_moved(topic: float, evidence: float) -> None:
    told = float(topic_evidence(np.array(topic), np.array(evidence)))
    assert 0.0 <= told <= topic
    assert told == 0.0 or evidence > TOPIC_FROM
    if evidence > TOPIC_FROM + topic:
        assert told == topic
    assert told <= TOPIC_TIMES * max(evidence - TOPIC_FROM, 0.0)


def test_what_a_topic_adds_to_count_and_share() -> None:
    """Fourteen authors an hour are expected, a fifth of them negative; twice as many write for three hours. Where half
    are negative their topic is evidence in one hour and three, in six it is not looked at; in the usual share it is
    none, and it adds no more than the surge is worth."""
    mu = np.array([14 / 6, 14.0, 42.0, 84.0, 336.0]).reshape(5, 1, 1)
    authors = np.array([5, 28, 84, 126, 378]).reshape(5, 1, 1)

    def score(negative: list[int], topic: float) -> Floats:
        return scores(authors, np.array(negative).reshape(5, 1, 1), mu, mu / 5, np.full((1, 1), topic))[:, 0, 0]

    moved, usual = [3, 12, 31, 43, 91], [1, 6, 17, 25, 76]
    told = score(moved, 4.0) - score(moved, 0.0)
    assert told[FAST] > 0.3
    assert told[MID] > 0.3
    assert told[[SLOW, TONE, COUNT, SURGE]].tolist() == [0.0] * 4
    np.testing.assert_array_equal(score(usual, 4.0)[[FAST, MID]], score(usual, 0.0)[[FAST, MID]])
    x = np.log((12 + 2) / (14 / 5 + 2))
    np.testing.assert_allclose(score(moved, 350.0)[FAST], 2.0 * x, atol=1e-6)

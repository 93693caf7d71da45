"""A gap in the feed is no calm, and its end no surge."""

from __future__ import annotations

import numpy as np

from detectors import Engine, EngineConfig, Observations
from detectors.columns import Floats
from detectors.config import BrandProfile
from detectors.gaps import improbable
from detectors.incidents import Decision
from tests.detectors.worlds import START, of_one

DAY = 1440


def feed(rate: dict[int, float], share: dict[int, float], end: int, seed: int = 5) -> Observations:
    """Poisson mentions an hour and negative share, each from the given minute on."""
    rng = np.random.default_rng(seed)
    minutes = np.arange(end)

    def at(steps: dict[int, float]) -> Floats:
        begins = np.array(sorted(steps))
        return np.array([steps[int(b)] for b in begins])[np.searchsorted(begins, minutes, side="right") - 1]

    counts = rng.poisson(at(rate) / 60)
    tick = START + np.repeat(minutes, counts)
    m = len(tick)
    negative = rng.random(m) < np.repeat(at(share), counts)
    return of_one(tick, negative, rng.integers(1, 2**63, m, dtype=np.uint64), ["delayed"] * m)


def play(observations: Observations, end: int) -> tuple[Engine, list[Decision]]:
    engine = Engine([BrandProfile("brand")], EngineConfig())
    return engine, engine.advance(START + end, observations)


def test_improbable_needs_both_silence_and_expectation() -> None:
    phi = np.ones(4)
    got = improbable(np.array([0, 0, 9, 30]), np.array([20.0, 3.0, 40.0, 40.0]), phi)
    assert got.tolist() == [True, False, True, False]
    assert not improbable(np.array([0]), np.array([20.0]), np.array([20.0]))[0], "a bursty brand may be silent"


def test_a_gap_teaches_nothing_and_its_end_is_no_surge() -> None:
    gap, back, end = 6 * DAY, 6 * DAY + 1200, 7 * DAY
    engine, decisions = play(feed({0: 20, gap: 0, back: 20}, {0: 0.2}, end), end)
    assert [d for d in decisions if d.tick > START + gap] == []
    quiet, _ = play(feed({0: 20}, {0: 0.2}, end), end)
    lost = engine.levels().authors_expected[0] / quiet.levels().authors_expected[0]
    assert 0.85 < lost < 1.15


def test_silence_is_told() -> None:
    gap = 6 * DAY
    engine, _ = play(feed({0: 20, gap: 0}, {0: 0.2}, gap + 600), gap + 600)
    levels = engine.levels()
    assert levels.silent.tolist() == [True]
    assert np.isnan(levels.score).all(), "no score while nothing is heard"


def test_stray_mentions_do_not_end_a_gap() -> None:
    gap = 6 * DAY
    engine, decisions = play(feed({0: 60, gap: 0.7}, {0: 0.2}, gap + 1000), gap + 1000)
    assert engine.levels().silent.tolist() == [True]
    assert [d for d in decisions if d.tick > START + gap] == []


def test_a_gap_is_no_all_clear() -> None:
    """The feed breaks off in the middle of a crisis; the incident is the same one when it comes back a day later."""
    crisis, gap, back = 6 * DAY, 6 * DAY + 180, 7 * DAY + 180
    end = back + 240
    rates, shares = {0: 20.0, crisis: 400, gap: 0, back: 400}, {0: 0.2, crisis: 0.8}
    engine, decisions = play(feed(rates, shares, end), end)
    after = [d for d in decisions if d.tick >= START + crisis]
    assert after[0].type == "opened"
    assert {d.type for d in after[1:]} <= {"escalated", "updated", "deescalated"}
    assert [d.tick <= START + crisis + 20 for d in after if d.pages] == [True], "one incident, one page"
    assert engine.levels().open.tolist() == [True]


def test_a_crisis_right_after_a_gap_pages_at_once() -> None:
    """Only the observed part is expected: minutes after the feed is back are compared with minutes."""
    gap, back = 6 * DAY, 7 * DAY
    end = back + 30
    _, decisions = play(feed({0: 20, gap: 0, back: 1500}, {0: 0.2, gap: 0.5}, end), end)
    first = next(d for d in decisions if d.tick >= START + back)
    assert first.pages
    assert first.tick <= START + back + 10
    assert first.since >= START + back - 15
    assert first.since_earliest <= START + gap + 300, "the onset may lie anywhere in the gap"


def test_a_feed_that_stays_thin_becomes_the_new_normal() -> None:
    thin = 6 * DAY
    end = thin + 3 * DAY
    engine, decisions = play(feed({0: 60, thin: 4}, {0: 0.2}, end), end)
    levels = engine.levels()
    assert levels.silent.tolist() == [False]
    assert levels.authors_expected[0] < 10
    assert [d for d in decisions if d.pages and d.tick > START + thin] == []

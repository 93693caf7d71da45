"""Hours passed many at once: the same decisions, state and recordings, to the last bit, as one hour after the other."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors import Engine, Observations, feed, hours_at_once, learning
from detectors.recording import Recording
from tests.detectors.test_determinism import states
from tests.detectors.worlds import QUICK, START, of_one, profiles, run, world

HOURS = 84
END = START + HOURS * 60 + 30


def _one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hours_at_once, "MOST_CELLS", 0)


def _recorded(
    observations: Observations, brands: int, end: int
) -> tuple[Any, dict[bytes, bytes], dict[str, np.ndarray[Any, Any]]]:
    kept: list[Recording] = []
    engine = Engine(profiles(brands), QUICK, recorder=kept.append)
    decided = run(engine, observations, end)
    numbers = {
        f.name: np.concatenate([getattr(one, f.name) for one in kept], axis=-1)
        for f in dataclasses.fields(Recording)
        if f.name not in ("detectors", "titles", "asks_for", "brands", "page", "ticket", "down")
    }
    for name in ("page", "ticket", "down"):
        numbers[name] = np.concatenate([np.repeat(getattr(one, name)[None], len(one.ticks), 0) for one in kept])
    return decided, states(engine), numbers


def _shows_not(observations: Observations, brands: int, end: int) -> None:
    """That nothing shows how hours were passed."""
    at_once = _recorded(observations, brands, end)
    with pytest.MonkeyPatch.context() as monkeypatch:
        _one_by_one(monkeypatch)
        one_by_one = _recorded(observations, brands, end)
    assert at_once[0] == one_by_one[0]
    assert at_once[1] == one_by_one[1]
    for name, numbers in one_by_one[2].items():
        np.testing.assert_array_equal(at_once[2][name], numbers, err_msg=name)


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 10_000), rate=st.sampled_from([0.5, 4.0, 12.0]))
def test_nothing_shows_how_hours_were_passed(seed: int, rate: float) -> None:
    _shows_not(world(seed, hours=HOURS, rate=rate), 3, END)


def _thin_feed(seed: int, hours: int) -> Observations:
    """One brand with a long crisis, one of which next to nothing comes any more."""
    rng = np.random.default_rng(seed)
    minute = np.arange(hours * 60)
    tick, brand, negative = [], [], []
    for b, (begin, end, times, share) in enumerate([(62 * 60, 110 * 60, 5.0, 0.6), (60 * 60, hours * 60, 0.06, 0.2)]):
        inside = (minute >= begin) & (minute < end)
        came = np.repeat(minute, rng.poisson(np.where(inside, times, 1.0) * 0.5))
        tick.append(START + came)
        brand.append(np.full(len(came), b, np.int32))
        negative.append(rng.random(len(came)) < np.where(inside[came], share, 0.2))
    order = np.argsort(np.concatenate(tick), kind="stable")
    own, said = np.concatenate(tick)[order], np.concatenate(negative)[order]
    authors = rng.integers(1, 2**62, len(own)).astype(np.uint64)
    made = of_one(own, said, authors, ["late again"] * len(own))
    return dataclasses.replace(made, brand=np.concatenate(brand)[order])


@pytest.mark.parametrize("seed", [4, 5])
def test_a_thin_feed_may_become_usual_in_any_hour(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """What comes after that hour is not learned with it, and so must not be taken in with it either."""
    usual: list[int] = []
    real = feed.come_up

    def watched(core: Any, i: int, tick: int) -> None:
        usual.append(tick)
        real(core, i, tick)

    monkeypatch.setattr("detectors.learning.come_up", watched)
    hours = 130
    for low_hours in (3, learning.LOW_HOURS):
        monkeypatch.setattr(learning, "LOW_HOURS", low_hours)
        _shows_not(_thin_feed(seed, hours), 2, START + hours * 60 - 1)
    assert usual


@pytest.mark.parametrize("seed", range(4))
def test_calm_hours_are_passed_at_once_and_others_on_their_own(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the property above would hold for want of hours that are passed at once, or that have to be put back."""
    passed: list[tuple[int, int]] = []
    real = hours_at_once.pass_hours

    def watched(core: Any, first: int, taken: Any, counts: Any, *rest: Any) -> int:
        done = real(core, first, taken, counts, *rest)
        passed.append((counts.shape[-1] // 60, done))
        return done

    monkeypatch.setattr("detectors.blocks.pass_hours", watched)
    decided = run(Engine(profiles(3), QUICK), world(seed, hours=HOURS), END)
    assert decided
    assert sum(done for _, done in passed) > HOURS // 4
    assert any(done < tried for tried, done in passed), "an incident, a gap or a new brand cuts some short"


def test_open_incidents_are_moved_through_a_few_hours_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What hours teach may depend on whether an incident was open in them, and on what became of it in time."""
    passed: list[tuple[bool, int]] = []
    real = hours_at_once.pass_hours

    def watched(core: Any, *rest: Any) -> int:
        is_open = any(incident.closed is None for incident in core.incidents.values())
        done = real(core, *rest)
        passed.append((is_open, done))
        return done

    monkeypatch.setattr("detectors.blocks.pass_hours", watched)
    decided = [d.type for seed in (2, 3) for d in run(Engine(profiles(3), QUICK), world(seed, hours=HOURS), END)]
    assert {"opened", "escalated", "updated", "amended", "resolved"} <= set(decided)
    with_incident = [done for is_open, done in passed if is_open]
    assert max(with_incident) == hours_at_once.WITH_INCIDENT
    assert max(done for is_open, done in passed if not is_open) > hours_at_once.WITH_INCIDENT


@settings(max_examples=6, deadline=None)
@given(seed=st.integers(0, 10_000), absorb=st.integers(3, 12))
def test_an_incident_may_be_absorbed_in_any_hour(seed: int, absorb: int) -> None:
    config = dataclasses.replace(QUICK, absorb_after_hours=absorb)
    told = world(seed, hours=HOURS)

    def everything() -> tuple[Any, dict[bytes, bytes]]:
        engine = Engine(profiles(3), config)
        return run(engine, told, END), states(engine)

    at_once = everything()
    with pytest.MonkeyPatch.context() as monkeypatch:
        _one_by_one(monkeypatch)
        assert everything() == at_once

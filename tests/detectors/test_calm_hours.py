"""Hours passed many at once: the same decisions, state and recordings, to the last bit, as one hour after the other."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors import Engine, calm_hours
from detectors.recording import Recording
from tests.detectors.test_determinism import states
from tests.detectors.worlds import QUICK, START, profiles, run, world

HOURS = 84
END = START + HOURS * 60 + 30


def _one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calm_hours, "MOST_CELLS", 0)


def _recorded(engine_world: int, *, rate: float) -> tuple[Any, dict[bytes, bytes], dict[str, np.ndarray[Any, Any]]]:
    kept: list[Recording] = []
    engine = Engine(profiles(3), QUICK, recorder=kept.append)
    decided = run(engine, world(engine_world, hours=HOURS, rate=rate), END)
    numbers = {
        f.name: np.concatenate([getattr(one, f.name) for one in kept], axis=-1)
        for f in dataclasses.fields(Recording)
        if f.name not in ("detectors", "titles", "asks_for", "brands", "page", "ticket", "down")
    }
    for name in ("page", "ticket", "down"):
        numbers[name] = np.concatenate([np.repeat(getattr(one, name)[None], len(one.ticks), 0) for one in kept])
    return decided, states(engine), numbers


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 10_000), rate=st.sampled_from([0.5, 4.0, 12.0]))
def test_nothing_shows_how_hours_were_passed(seed: int, rate: float) -> None:
    at_once = _recorded(seed, rate=rate)
    with pytest.MonkeyPatch.context() as monkeypatch:
        _one_by_one(monkeypatch)
        one_by_one = _recorded(seed, rate=rate)
    assert at_once[0] == one_by_one[0]
    assert at_once[1] == one_by_one[1]
    for name, numbers in one_by_one[2].items():
        np.testing.assert_array_equal(at_once[2][name], numbers, err_msg=name)


@pytest.mark.parametrize("seed", range(4))
def test_calm_hours_are_passed_at_once_and_others_on_their_own(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the property above would hold for want of hours that are passed at once, or that have to be put back."""
    passed: list[tuple[int, int]] = []
    real = calm_hours.pass_hours

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
    real = calm_hours.pass_hours

    def watched(core: Any, *rest: Any) -> int:
        is_open = any(incident.closed is None for incident in core.incidents.values())
        done = real(core, *rest)
        passed.append((is_open, done))
        return done

    monkeypatch.setattr("detectors.blocks.pass_hours", watched)
    decided = [d.type for seed in (2, 3) for d in run(Engine(profiles(3), QUICK), world(seed, hours=HOURS), END)]
    assert {"opened", "escalated", "updated", "amended", "resolved"} <= set(decided)
    with_incident = [done for is_open, done in passed if is_open]
    assert max(with_incident) == calm_hours.WITH_INCIDENT
    assert max(done for is_open, done in passed if not is_open) > calm_hours.WITH_INCIDENT


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

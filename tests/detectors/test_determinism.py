"""Decisions are a pure function of the mentions: bit for bit, however the engine is driven."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors import Engine, Observations
from tests.detectors.worlds import QUICK, START, only, profiles, run, span, world

HOURS = 60
END = START + HOURS * 60 + 30
seeds = st.integers(0, 10_000)


def states(engine: Engine) -> dict[bytes, bytes]:
    """The whole state, but for the numbers that only order snapshots."""
    return {bytes(k): bytes(v) for k, v in engine.state_dict()["items"]}


def test_worlds_are_worth_running() -> None:
    """The worlds hold what the properties are about: pages, tickets, re-openings, amendments, gaps."""
    seen: set[str] = set()
    for seed in range(5):
        engine = Engine(profiles(3), QUICK)
        for d in run(engine, world(seed), END):
            seen |= {d.type, d.notify, d.closed_by}
    assert {"opened", "resolved", "updated", "amended", "escalated", "page", "ticket"} <= seen


@settings(max_examples=6, deadline=None)
@given(seed=seeds, data=st.data())
def test_grouping_of_ticks(seed: int, data: st.DataObject) -> None:
    """All at once, in any pieces, and one tick at a time for a stretch."""
    observations = world(seed)
    whole = Engine(profiles(3), QUICK)
    expected = run(whole, observations, END)
    cuts = data.draw(st.lists(st.integers(START, END), max_size=30))
    begin = data.draw(st.integers(START, END - 300))
    pieces = Engine(profiles(3), QUICK)
    assert run(pieces, observations, END, cuts + list(range(begin, begin + 300))) == expected
    assert states(pieces) == states(whole)


def test_a_return_at_the_end_of_six_hours() -> None:
    """An incident closed six hours before the end of an hour, whose return comes earlier in that hour, is re-opened
    whether the hour is closed at once or tick by tick."""
    observations, begin = world(67), 24_852_426
    expected = run(Engine(profiles(3), QUICK), observations, END)
    assert run(Engine(profiles(3), QUICK), observations, END, list(range(begin, begin + 300))) == expected


@pytest.mark.parametrize("seed", [0, 5])
def test_episodes_that_are_absorbed(seed: int) -> None:
    """What is usual after an episode, in number and in words, does not depend on how ticks are grouped."""
    config = dataclasses.replace(QUICK, absorb_after_hours=5)
    observations = world(seed, rate=40.0)
    whole, pieces = Engine(profiles(3), config), Engine(profiles(3), config)
    expected = run(whole, observations, END)
    assert any("absorbed" in d.reason for d in expected)
    assert run(pieces, observations, END, list(range(START, END, 100))) == expected
    assert states(pieces) == states(whole)


@pytest.mark.parametrize("seed", [1, 4])
def test_weeks_of_silence_between_mentions(seed: int) -> None:
    """Hours in which nobody is judged are passed quickly, at once or one by one, and what follows is the same."""
    before = world(seed, hours=30)
    later = world(seed + 1, hours=30)
    weeks = 17 * 1440
    later = dataclasses.replace(later, tick=later.tick + weeks, minute=later.minute + weeks)
    quiet, end = START + 31 * 60, START + weeks + 31 * 60
    engines = Engine(profiles(3), QUICK), Engine(profiles(3), QUICK)
    hours = list(range(quiet + 29, START + weeks, 60))
    decided = []
    for engine, cuts in zip(engines, ([], hours), strict=True):
        first = run(engine, before, quiet)
        for cut in [*cuts, int(later.tick[0]) - 1]:
            first += engine.advance(cut, Observations.empty())
        decided.append(first + run(engine, later, end))
    assert decided[0] == decided[1]
    assert any(d.tick > START + weeks for d in decided[0])
    assert states(engines[0]) == states(engines[1])


def test_one_tick_at_a_time() -> None:
    observations = world(3, hours=40)
    end = START + 40 * 60
    expected = run(Engine(profiles(3), QUICK), observations, end)
    assert expected
    assert run(Engine(profiles(3), QUICK), observations, end, list(range(START, end))) == expected


@settings(max_examples=6, deadline=None)
@given(seed=seeds, data=st.data())
def test_company_and_order_of_brands(seed: int, data: st.DataObject) -> None:
    """A brand's decisions do not depend on which brands share the engine, nor on their order."""
    observations = world(seed, n_brands=5)
    everyone = profiles(5)
    expected = run(Engine(everyone, QUICK), observations, END)
    chosen = data.draw(st.permutations(range(5)))[: data.draw(st.integers(1, 5))]
    some = run(Engine([everyone[b] for b in chosen], QUICK), only(observations, list(chosen)), END)
    names = {everyone[b].name for b in chosen}
    assert some == [d for d in expected if d.brand in names]


def test_a_crowd_changes_nothing() -> None:
    """Blocks are cut differently among thousands of brands; the numbers are the same to the last bit."""
    observations = world(8, n_brands=4)
    alone = Engine(profiles(4), QUICK)
    expected = run(alone, observations, END)
    crowd = Engine(profiles(700), QUICK)
    end = START + 30 * 60
    some = run(crowd, span(observations, 0, end), end)
    assert some == [d for d in expected if d.tick <= end]
    before = Engine(profiles(4), QUICK)
    run(before, span(observations, 0, end), end)
    mine, theirs = before.levels(), crowd.levels()
    np.testing.assert_array_equal(mine.score, theirs.score[:4])
    np.testing.assert_array_equal(mine.negative_expected, theirs.negative_expected[:4])


@settings(max_examples=6, deadline=None)
@given(seed=seeds, data=st.data())
def test_no_look_ahead(seed: int, data: st.DataObject) -> None:
    """Another future does not change the past."""
    cut = data.draw(st.integers(START + 600, END))
    first, second = world(seed), world(seed + 1)
    before = span(first, 0, cut)
    after = span(second, cut, END)
    names = ("tick", "minute", "brand", "author", "negative", "p_negative", "kind", "reach")
    columns: dict[str, Any] = {f: np.concatenate([getattr(before, f), getattr(after, f)]) for f in names}
    for f in ("id", "text", "url"):
        columns[f] = [*getattr(before, f), *getattr(after, f)]
    mixed = Observations(**columns)
    a = run(Engine(profiles(3), QUICK), first, END)
    b = run(Engine(profiles(3), QUICK), mixed, END)
    assert [d for d in a if d.tick <= cut] == [d for d in b if d.tick <= cut]


@settings(max_examples=12, deadline=None)
@given(seed=seeds, data=st.data())
def test_snapshots(seed: int, data: st.DataObject) -> None:
    """`changes`, a new engine and `restore` at any points: as if nothing had happened. The last snapshot may be
    incomplete: a writer that died half way left a prefix of it, and the engine is fed again from where the oldest
    brand stands."""
    observations = world(seed, rate=data.draw(st.sampled_from([0.5, 4.0, 12.0])))
    expected = {(d.incident_id, d.revision): d for d in run(Engine(profiles(3), QUICK), observations, END)}
    cuts = sorted(set(data.draw(st.lists(st.integers(START, END - 1), min_size=1, max_size=6))))
    stored: dict[bytes, bytes] = {}
    engine = Engine(profiles(3), QUICK)
    got = {}
    at = START - 1
    confirmed = at
    for cut in cuts:
        between = data.draw(st.integers(0, 3))
        for stop in [*np.linspace(at, cut, between + 2)[1:-1].astype(int).tolist(), cut]:
            if stop > at:
                got.update({(d.incident_id, d.revision): d for d in engine.advance(stop, span(observations, at, stop))})
                at = stop
                written = list(engine.changes().items())
                dies = data.draw(st.booleans())
                for key, value in written[: data.draw(st.integers(0, len(written))) if dies else len(written)]:
                    if value is None:
                        stored.pop(key, None)
                    else:
                        stored[key] = value
                if dies:
                    break
                confirmed = at
        engine = Engine(profiles(3), QUICK)
        items = data.draw(st.permutations(list(stored.items()))) if len(stored) < 50 else list(stored.items())
        engine.restore(items)
        at = confirmed
    for stop in (END - 1, END):
        got.update({(d.incident_id, d.revision): d for d in engine.advance(stop, span(observations, at, stop))})
        at = stop
    assert got == expected


@settings(max_examples=5, deadline=None)
@given(seed=seeds, cut=st.integers(START, END - 1))
def test_state_dict(seed: int, cut: int) -> None:
    """A state carried over by `state_dict` goes on alike, and can itself be saved by `changes`."""
    observations = world(seed)
    expected = run(Engine(profiles(3), QUICK), observations, END)
    first = Engine(profiles(3), QUICK)
    out = first.advance(cut, span(observations, 0, cut))
    second = Engine(profiles(3), QUICK)
    second.load_state_dict(first.state_dict())
    third = Engine(profiles(3), QUICK)
    third.restore([(k, v) for k, v in second.changes().items() if v is not None])
    for engine in (second, third):
        assert out + engine.advance(END, span(observations, cut, END)) == expected


def test_clock_ticks_are_told_and_change_nothing_else() -> None:
    observations = span(world(1), 0, END)
    plain = run(Engine(profiles(3), QUICK), observations, END)
    clocked = Engine(profiles(3), QUICK).advance(END, observations, clock_ticks=range(START, END + 1))
    assert plain
    assert {d.closed_by for d in clocked} == {"clock"}
    assert [(d.tick, d.incident_id, d.revision, d.score) for d in clocked] == [
        (d.tick, d.incident_id, d.revision, d.score) for d in plain
    ]


def test_inputs_are_not_mutated() -> None:
    observations, copy = span(world(2), 0, END), span(world(2), 0, END)
    Engine(profiles(3), QUICK).advance(END, observations)
    for f in ("tick", "minute", "brand", "author", "negative", "p_negative"):
        np.testing.assert_array_equal(getattr(observations, f), getattr(copy, f))


@pytest.mark.parametrize("upto", [START, START + 59, START + 1441])
def test_ticks_closed_twice_are_skipped(upto: int) -> None:
    """Members of ticks that are closed already do not count again."""
    observations = world(4)
    once, twice = Engine(profiles(3), QUICK), Engine(profiles(3), QUICK)
    a = run(once, observations, END, [upto])
    b = twice.advance(upto, span(observations, 0, upto)) + twice.advance(END, span(observations, 0, END))
    assert a == b
    assert states(once) == states(twice)

"""A brand of which nothing was heard for a year begins anew, and time in which nobody is heard costs nothing."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors import BrandProfile, Decision, Engine, Observations, anew, blocks, catching_up
from detectors.core import Core
from detectors.windows import LONG_AGO
from tests.detectors.test_commands import command
from tests.detectors.test_determinism import states
from tests.detectors.worlds import QUICK, START, of_one, only, profiles, run, span, world

DAY = 1440
SHORT = 3 * DAY
"""Instead of a year, so that the time before it is gone through quickly."""
LATER = START + 8 * DAY
HOURS = 44
END = LATER + HOURS * 60
QUIET = "brand 0", "brand 1"
seeds = st.integers(0, 10_000)


@contextmanager
def short_years() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(anew, "SILENT", SHORT)
        yield


def together(*parts: Observations) -> Observations:
    order = np.argsort(np.concatenate([p.tick for p in parts]), kind="stable")
    columns: dict[str, Any] = {}
    for name in ("tick", "minute", "brand", "author", "negative", "p_negative", "kind", "reach"):
        columns[name] = np.concatenate([getattr(p, name) for p in parts])[order]
    for name in ("id", "text", "url"):
        values = [one for p in parts for one in getattr(p, name)]
        columns[name] = [values[i] for i in order.tolist()]
    return Observations(**columns)


def shifted(observations: Observations, by: int) -> Observations:
    return dataclasses.replace(observations, tick=observations.tick + by, minute=observations.minute + by)


def second(seed: int) -> Observations:
    return shifted(world(seed + 1, hours=HOURS), LATER - START)


def two_lives(seed: int, goes_on: bool = True) -> Observations:
    """Three brands, a silence of six days and the three again; brand 2 may go on in between."""
    parts = [world(seed, hours=HOURS), second(seed)]
    if goes_on:
        between = world(seed + 2, hours=8 * 24, rate=1.0)
        parts.append(between.rows(np.nonzero(between.brand == 2)[0]))
    return together(*parts)


def later(decisions: list[Decision]) -> list[Decision]:
    return [d for d in decisions if d.tick >= LATER]


@pytest.mark.parametrize("goes_on", [True, False])
def test_its_next_mention_is_the_first_of_a_new_brand(goes_on: bool) -> None:
    """Whatever was learned, told or open before, and whoever else goes on."""
    seen = 0
    for seed in range(6):
        with short_years():
            old, new = Engine(profiles(3), QUICK), Engine(profiles(3), QUICK)
            got = [d for d in later(run(old, two_lives(seed, goes_on), END)) if d.brand in QUIET]
            expected = [d for d in run(new, second(seed), END) if d.brand in QUIET]
            assert got == expected
            seen += len(got)
            mine, theirs = old.levels(), new.levels()
            for field in ("score", "threshold", "ticket_threshold", "ratio", "authors_expected", "negative_expected"):
                np.testing.assert_array_equal(getattr(mine, field)[:2], getattr(theirs, field)[:2], err_msg=field)
    assert seen > 20, "the property would hold for want of decisions"


def test_less_than_that_forgets_nothing() -> None:
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(anew, "SILENT", 8 * DAY)
        engine = Engine(profiles(3), QUICK)
        run(engine, two_lives(3), LATER)
    assert (engine._cores[0].track.start < START + DAY).all()


@settings(max_examples=3, deadline=None)
@given(seed=seeds, goes_on=st.booleans(), data=st.data())
def test_grouping_of_ticks(seed: int, goes_on: bool, data: st.DataObject) -> None:
    observations = two_lives(seed, goes_on)
    cuts = data.draw(st.lists(st.integers(START, END), max_size=30))
    begin = data.draw(st.integers(START + HOURS * 60, LATER))
    with short_years():
        whole, pieces = Engine(profiles(3), QUICK), Engine(profiles(3), QUICK)
        expected = run(whole, observations, END)
        assert run(pieces, observations, END, cuts + list(range(begin, begin + 100))) == expected
        assert states(pieces) == states(whole)


@settings(max_examples=3, deadline=None)
@given(seed=seeds, data=st.data())
def test_company_and_order_of_brands(seed: int, data: st.DataObject) -> None:
    observations, everyone = two_lives(seed), profiles(3)
    chosen = data.draw(st.permutations(range(3)))[: data.draw(st.integers(1, 2))]
    with short_years():
        expected = run(Engine(everyone, QUICK), observations, END)
        some = run(Engine([everyone[b] for b in chosen], QUICK), only(observations, list(chosen)), END)
    assert some == [d for d in expected if d.brand in {everyone[b].name for b in chosen}]


@settings(max_examples=3, deadline=None)
@given(seed=seeds, goes_on=st.booleans(), whole=st.booleans(), data=st.data())
def test_snapshots(seed: int, goes_on: bool, whole: bool, data: st.DataObject) -> None:
    """A brand that was quiet since its record was written, and one that has begun anew since, catch up alike."""
    observations = two_lives(seed, goes_on)
    cuts = sorted(set(data.draw(st.lists(st.integers(START, END - 1), min_size=2, max_size=8))))
    stored: dict[bytes, bytes] = {}
    with short_years():
        expected = run(Engine(profiles(3), QUICK), observations, END)
        engine, at, got = Engine(profiles(3), QUICK), START - 1, []
        for cut in [*cuts, END]:
            got += engine.advance(cut, span(observations, at, cut))
            at = cut
            before, engine = engine, Engine(profiles(3), QUICK)
            if whole:
                engine.load_state_dict(before.state_dict())
                continue
            for key, value in before.changes().items():
                if value is None:
                    stored.pop(key, None)
                else:
                    stored[key] = value
            engine.restore(stored.items())
    assert got == expected


def test_nothing_shows_that_time_is_passed_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    observations = two_lives(5, goes_on=False)
    with short_years():
        engine = Engine(profiles(3), QUICK)
        expected = run(engine, observations, END)
        monkeypatch.setattr(Core, "asleep", False)
        walking = Engine(profiles(3), QUICK)
        assert run(walking, observations, END) == expected
        assert later(expected)
        assert states(walking) == states(engine)


def _dying_feed(settled: bool) -> Observations:
    """A brand that is silent from the middle of its crisis on."""
    rng = np.random.default_rng(7)
    calm = np.sort(rng.integers(0, 2 * DAY, 900 if settled else 90))
    minutes = np.concatenate([calm, 2 * DAY + np.sort(rng.integers(0, 40, 80))])
    m = len(minutes)
    negative = np.arange(m) >= len(calm)
    return of_one(START + minutes, negative, rng.integers(1, 2**63, m, dtype=np.uint64), ["closed"] * m)


@pytest.mark.parametrize("settled", [True, False])
@pytest.mark.parametrize("portfolio", [None, "shops"])
def test_an_incident_of_a_feed_that_died_is_resolved_then(settled: bool, portfolio: str | None) -> None:
    observations = _dying_feed(settled)
    last = int(observations.tick[-1])
    engine = Engine([BrandProfile("brand", portfolio=portfolio)], QUICK)
    with short_years():
        decided = engine.advance(last + DAY, observations)
        assert decided[0].type == "opened"
        assert decided[-1].type != "resolved", "silence is no calm"
        assert engine.levels().open[0]
        decided += engine.advance(last + 30 * DAY, Observations.empty(), range(last + DAY + 1, last + 5 * DAY))
    resolved = [d for d in decided if d.type == "resolved"]
    assert [(d.incident_id, d.closed_by) for d in resolved] == [(decided[0].incident_id, "clock")]
    assert [d.revision for d in decided] == list(range(1, len(decided) + 1))
    at = resolved[0].tick
    assert (at + 1) % DAY == 0
    assert last + SHORT <= at < last + SHORT + DAY
    assert "nothing was heard of the brand" in resolved[0].reason
    assert resolved[0].data()["why"]["score"] == 0.0
    assert not engine.levels().open[0]
    assert engine.ledger()[0].cases == ()


def test_planned_events_and_applied_commands_stay() -> None:
    """A plan made before the silence holds after it, also after restarts, and is not made twice."""
    plan = command("plan", START + 60, 0, begin=LATER, until=LATER + 20 * DAY, factor=5.0)
    mute = command("mute", LATER - DAY, 1, begin=LATER - 60, until=LATER + DAY)
    observations = two_lives(3, goes_on=False)
    for restart in (None, "changes", "state"):
        with short_years():
            engine = Engine(profiles(3), QUICK)
            engine.tell([plan, mute])
            run(engine, observations, LATER - 2 * DAY)
            if restart is not None:
                before, engine = engine, Engine(profiles(3), QUICK)
                engine.tell([plan, mute])
                if restart == "state":
                    engine.load_state_dict(before.state_dict())
                else:
                    engine.restore((k, v) for k, v in before.changes().items() if v is not None)
            engine.applied()
            decided = engine.advance(END, span(observations, LATER - 2 * DAY, END))
            assert [one.command for one in engine.applied()] == [mute]
            plans = [[p.id for p in one.plans] for one in engine.ledger()]
            assert plans == [[plan.id], [], []], "the mute is over and forgotten"
            fresh = Engine(profiles(3), QUICK)
            fresh.tell([plan, mute])
            assert decided == run(fresh, second(3), END)


@contextmanager
def _counting() -> Iterator[dict[str, int]]:
    """How often a group of brands is moved on, and by how many stretches that are gone through."""
    calls = {"advance": 0, "stretch": 0}
    advance, stretch = blocks.advance, blocks._stretch

    def counted_advance(*args: Any) -> list[Decision]:
        calls["advance"] += 1
        return advance(*args)

    def counted_stretch(*args: Any) -> None:
        calls["stretch"] += 1
        stretch(*args)

    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(catching_up, "advance", counted_advance)
        monkeypatch.setattr("detectors.engine.advance", counted_advance)
        monkeypatch.setattr(blocks, "_stretch", counted_stretch)
        yield calls


def _once(tick: int, brands: list[int]) -> Observations:
    n = len(brands)
    ticks = np.full(n, tick, np.int64)
    author = np.arange(1, n + 1).astype(np.uint64)
    columns = (np.array(brands, np.int32), author, np.ones(n, np.bool_), np.ones(n, np.float32))
    texts = [str(i) for i in range(n)]
    return Observations(ticks, ticks, *columns, np.zeros(n, np.uint8), np.full(n, np.nan), texts, texts, [None] * n)


@pytest.mark.parametrize("portfolio", [None, "shops"])
def test_a_jump_of_26_years_is_no_walk(portfolio: str | None) -> None:
    """A live topic whose first mention has a date of the year 2000, and the next one today's."""
    n, today = 300, START
    first = today - 26 * 365 * DAY
    brands = [BrandProfile(f"brand {i}", portfolio=portfolio) for i in range(n)]
    engine = Engine(brands, QUICK)
    with short_years(), _counting() as calls:
        engine.advance(today, together(_once(first, [0]), _once(today, list(range(n)))))
    assert calls["stretch"] < 10 * SHORT // DAY
    assert calls["advance"] < 3 * SHORT // DAY
    assert (engine._cores[0].track.start == today).all()


def test_brands_restored_from_different_years_meet_without_a_walk() -> None:
    n, years = 12, 365 * DAY
    engine = Engine(profiles(n), QUICK)
    stored: dict[bytes, bytes] = {}
    with short_years():
        for i in range(n):
            engine.advance(START + i * years + 7, _once(START + i * years, [i]))
            stored.update({k: v for k, v in engine.changes().items() if v is not None})
        again = Engine(profiles(n), QUICK)
        again.restore(stored.items())
        assert len(again._cores) > n // 2
        with _counting() as calls:
            again.advance(START + 30 * years, Observations.empty())
        assert len(again._cores) == 1
        assert calls["advance"] < 5 * n
        assert (again._cores[0].track.start == LONG_AGO).all()


def test_a_year_is_366_days() -> None:
    engine = Engine([BrandProfile("brand")])
    last = START
    engine.advance(last + 7, _once(last, [0]))
    over = last + 366 * DAY
    over += DAY - 1 - over % DAY
    engine.advance(over - 1, Observations.empty())
    assert engine._cores[0].track.started[0]
    engine.advance(over, Observations.empty())
    assert not engine._cores[0].track.started[0]

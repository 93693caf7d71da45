"""Commands change what they should and nothing else, and decisions stay a pure function of mentions and commands."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors import Command, Decision, Engine, Observations
from detectors.casebook import CASES, KEYS, PLANS, Casebook
from detectors.commands import DELAY, LONGEST_PLAN
from tests.detectors.worlds import QUICK, START, only, profiles, run, span, world

HOURS = 60
END = START + HOURS * 60 + 30
seeds = st.integers(0, 10_000)


def command(kind: Any, at: int, brand: int = 0, **fields: Any) -> Command:
    """A command for a brand of the worlds; its id says what it is."""
    name = f"{kind} {at} {sorted(fields.items())}"
    return Command(id=name, brand=f"brand {brand}", kind=kind, at=at, **fields)


def some_commands(seed: int, observations: Observations) -> list[Command]:
    """Verdicts on what a run without commands finds, planned events, mutes, and ends of them."""
    rng = random.Random(seed)
    found = run(Engine(profiles(3), QUICK), observations, END)
    out = []
    for d in found:
        if d.type in ("opened", "escalated") and rng.random() < 0.7:
            kind = rng.choice(["confirm", "false", "ack", "statement"])
            at = d.tick + rng.randrange(600)
            out.append(command(kind, at, int(d.brand[-1]), incident=d.incident_id))
    for _ in range(rng.randrange(6)):
        at, brand = START + rng.randrange(HOURS * 60), rng.randrange(3)
        begin = at + rng.randrange(-120, 600)
        span_ = {"begin": begin, "until": begin + rng.randrange(30, 900)}
        planned = command("plan", at, brand, factor=rng.choice([2.0, 5.0, 20.0]), **span_)
        out.append(planned if rng.random() < 0.6 else command("mute", at, brand, **span_))
        if rng.random() < 0.3:
            end = at + rng.randrange(600)
            out.append(command("cancel", end, brand, cancels=out[-1].id))
            out.append(command("unmute", end + 5, brand))
    rng.shuffle(out)
    return list({one.id: one for one in out}.values())


def with_commands(observations: Observations, commands: list[Command], cuts: list[int] | None = None) -> list[Decision]:
    engine = Engine(profiles(3), QUICK)
    engine.tell(commands)
    return run(engine, observations, END, cuts)


def test_the_commands_of_these_tests_change_something() -> None:
    changed = 0
    for seed in range(6):
        observations = world(seed)
        plain = run(Engine(profiles(3), QUICK), observations, END)
        changed += plain != with_commands(observations, some_commands(seed, observations))
    assert changed >= 4


@settings(max_examples=6, deadline=None)
@given(seed=seeds, data=st.data())
def test_grouping_order_and_time_of_telling_change_nothing(seed: int, data: st.DataObject) -> None:
    """All known at the start, or each only just before it is due; told again, in any order, in any pieces."""
    observations = world(seed)
    commands = some_commands(seed, observations)
    expected = with_commands(observations, commands)
    cuts = data.draw(st.lists(st.integers(START, END), max_size=20))
    engine = Engine(profiles(3), QUICK)
    got: list[Decision] = []
    at = START - 1
    for stop in sorted({*cuts, *(one.due - 1 for one in commands), END}):
        if at < stop <= END:
            # Commands that are due by the end of this stretch, and some that are known long before.
            engine.tell([one for one in commands if one.due <= stop or one.at % 2])
            got += engine.advance(stop, span(observations, at, stop))
            at = stop
    assert got == expected
    assert not any(one.late for one in engine.applied())


@settings(max_examples=5, deadline=None)
@given(seed=seeds, chosen=st.permutations(range(3)), n=st.integers(1, 3))
def test_company_of_brands_changes_nothing(seed: int, chosen: list[int], n: int) -> None:
    observations = world(seed)
    commands = some_commands(seed, observations)
    expected = with_commands(observations, commands)
    engine = Engine([profiles(3)[b] for b in chosen[:n]], QUICK)
    engine.tell(commands)
    some = run(engine, only(observations, list(chosen[:n])), END)
    assert some == [d for d in expected if d.brand in {f"brand {b}" for b in chosen[:n]}]


@settings(max_examples=10, deadline=None)
@given(seed=seeds, data=st.data())
def test_restarts_change_nothing(seed: int, data: st.DataObject) -> None:
    """A new engine that is told everything again and given the last whole snapshot goes on as if nothing was."""
    observations = world(seed, rate=data.draw(st.sampled_from([0.5, 4.0, 12.0])))
    commands = some_commands(seed, observations)
    expected = {(d.incident_id, d.revision): d for d in with_commands(observations, commands)}
    cuts = sorted(set(data.draw(st.lists(st.integers(START, END - 1), min_size=1, max_size=5))))
    stored: dict[bytes, bytes] = {}
    engine = Engine(profiles(3), QUICK)
    engine.tell(commands)
    got = {}
    at = saved = START - 1
    for cut in [*cuts, END]:
        for stop in sorted({(at + cut) // 2, cut}):
            if stop > at:
                got.update({(d.incident_id, d.revision): d for d in engine.advance(stop, span(observations, at, stop))})
                at = stop
            if data.draw(st.booleans()):
                for key, value in engine.changes().items():
                    if value is None:
                        stored.pop(key, None)
                    else:
                        stored[key] = value
                saved = at
        if cut < END:
            engine = Engine(profiles(3), QUICK)
            engine.tell(commands)
            engine.restore(stored.items())
            at = saved
    assert got == expected


def test_a_late_command_is_applied_at_the_next_tick_once() -> None:
    observations = world(1)
    engine = Engine(profiles(3), QUICK)
    engine.advance(START + 600, span(observations, 0, START + 600))
    late = command("mute", START + 100, begin=START + 100, until=START + 2000)
    engine.tell([late])
    assert engine.applied() == []
    engine.advance(START + 700, span(observations, START + 600, START + 700))
    (applied,) = engine.applied()
    assert (applied.tick, applied.late, applied.problem) == (START + 601, True, None)
    saved = [(key, value) for key, value in engine.changes().items() if value is not None]
    again = Engine(profiles(3), QUICK)
    again.tell([late])
    again.restore(saved)
    again.advance(START + 800, span(observations, START + 700, START + 800))
    assert again.applied() == []
    assert [plan.id for plan in again.ledger()[0].plans] == [late.id]


def test_a_command_takes_effect_a_few_minutes_after_it_was_given() -> None:
    observations = world(1)
    engine = Engine(profiles(3), QUICK)
    engine.tell([command("mute", START + 100, begin=START + 100, until=START + 2000)])
    engine.advance(START + 100 + DELAY - 1, span(observations, 0, START + 100 + DELAY - 1))
    assert engine.applied() == []
    engine.advance(START + 200, span(observations, START + 100 + DELAY - 1, START + 200))
    assert [one.tick for one in engine.applied()] == [START + 100 + DELAY]


# -- planned events and mutes


def flood(size: float, hours: int = 72, share: float = 0.2, begin: int = 60, length: int = 180) -> Observations:
    """One brand of 30 an hour, a fifth of them negative; from hour `begin` on, for `length` minutes, `size` times as
    many with another share."""
    rng = np.random.default_rng(3)
    tick = []
    for m in range(hours * 60):
        busy = 60 * begin <= m < 60 * begin + length
        tick += [START + m] * int(rng.poisson(0.5 * (size if busy else 1.0)))
    n = len(tick)
    hot = (np.array(tick) >= START + 60 * begin) & (np.array(tick) < START + 60 * begin + length)
    negative = rng.random(n) < np.where(hot, share, 0.2)
    return Observations(
        tick=np.array(tick, np.int64),
        minute=np.array(tick, np.int64),
        brand=np.zeros(n, np.int32),
        author=rng.integers(1, 2**63, n, dtype=np.uint64),
        negative=negative,
        p_negative=negative.astype(np.float32),
        kind=np.zeros(n, np.uint8),
        reach=np.full(n, np.nan),
        id=[f"m{i}" for i in range(n)],
        text=["again"] * n,
        url=[None] * n,
    )


BEGIN = START + 60 * 60


def detect(observations: Observations, *commands: Command) -> tuple[list[Decision], Engine]:
    engine = Engine(profiles(1), QUICK)
    engine.tell(commands)
    return engine.advance(START + 72 * 60, observations), engine


def test_a_planned_event_pages_nobody_and_a_crisis_in_it_does() -> None:
    launch = command("plan", BEGIN - 600, begin=BEGIN, until=BEGIN + 180, factor=20.0, note="the launch")
    surprised, _ = detect(flood(20.0))
    assert any(d.tick >= BEGIN for d in surprised)
    expected, _ = detect(flood(20.0), launch)
    assert [d.type for d in expected if d.tick >= BEGIN] == []
    crisis, _ = detect(flood(80.0, share=0.8), launch)
    (page,) = [d for d in crisis if d.pages and d.tick >= BEGIN]
    planned = page.data()["why"]["planned"]
    assert planned is not None
    assert (planned["command"], planned["factor"], planned["muted"], planned["note"]) == (
        launch.id,
        20.0,
        False,
        "the launch",
    )


def test_a_planned_event_teaches_nothing() -> None:
    launch = command("plan", BEGIN - 600, begin=BEGIN, until=BEGIN + 180, factor=8.0)
    _, told = detect(flood(8.0), launch)
    _, calm = detect(flood(1.0))
    usual = float(calm.levels().authors_expected[0])
    assert float(told.levels().authors_expected[0]) == pytest.approx(usual, rel=0.15)


def test_a_planned_event_that_few_come_to_is_no_silence() -> None:
    launch = command("plan", BEGIN - 600, begin=BEGIN, until=BEGIN + 600, factor=50.0)
    told = Engine(profiles(1), QUICK)
    told.tell([launch])
    told.advance(BEGIN + 400, span(flood(1.0), 0, BEGIN + 400))
    assert not told.levels().silent[0]


def test_a_mute_records_and_pages_nobody_and_what_goes_on_pages_at_its_end() -> None:
    mute = command("mute", BEGIN - 600, begin=BEGIN - 60, until=BEGIN + 120)
    loud = flood(24.0, share=0.6, length=300)
    decisions, _ = detect(loud, mute)
    muted = [d for d in decisions if BEGIN - 60 <= d.tick < BEGIN + 120]
    assert muted
    assert {d.notify for d in muted} == {"info"}
    assert all(d.data()["why"]["planned"]["muted"] for d in muted)
    (page,) = [d for d in decisions if d.pages and d.tick >= BEGIN]
    assert (page.tick, page.type) == (BEGIN + 120, "escalated")
    over, _ = detect(flood(24.0, share=0.6, length=60), command("mute", BEGIN - 600, begin=BEGIN, until=BEGIN + 600))
    assert not any(d.pages for d in over if d.tick >= BEGIN), "what ended in the mute pages nobody"


def test_unmute_and_cancel_end_early() -> None:
    mute = command("mute", BEGIN - 600, begin=BEGIN - 60, until=BEGIN + 1000)
    loud = flood(24.0, share=0.6, length=300)
    for end in (command("unmute", BEGIN + 120), command("cancel", BEGIN + 120, cancels=mute.id)):
        decisions, engine = detect(loud, mute, end)
        (page,) = [d for d in decisions if d.pages and d.tick >= BEGIN]
        assert page.tick == BEGIN + 120 + DELAY
        assert engine.ledger()[0].plans == ()


# -- verdicts


def test_a_verdict_is_told_in_later_events_and_in_the_ledger() -> None:
    loud = flood(24.0, share=0.6, length=300)
    decisions, _ = detect(loud)
    page = next(d for d in decisions if d.pages and d.tick >= BEGIN)
    assert page.data()["response"] is None
    told = [
        command("ack", page.tick + 1, incident=page.incident_id),
        command("statement", page.tick + 20, incident=page.incident_id),
        command("false", page.tick + 30, incident=page.incident_id),
        command("confirm", page.tick + 60, incident=page.incident_id),
    ]
    decisions, engine = detect(loud, *told)
    last = next(d for d in reversed(decisions) if d.incident_id == page.incident_id)
    response = last.data()["response"]
    assert response["verdict"] == "crisis", "of two verdicts the later one holds"
    assert response["acknowledged_at"] < response["statement_at"]
    account = engine.ledger()[0]
    assert account.confirmed == sum(d.pages for d in decisions if d.incident_id == page.incident_id)


def test_commands_without_effect_say_why() -> None:
    commands = [
        command("false", START + 100, incident="nowhere"),
        command("cancel", START + 100, cancels="nothing"),
        command("unmute", START + 100),
        command("plan", START + 3000, begin=START, until=START + 60, factor=2.0),
    ]
    _, engine = detect(flood(1.0), *commands)
    assert [one.problem is not None for one in engine.applied()] == [True] * 4


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"kind": "shout"}, "kind"),
        ({"kind": "false"}, "incident"),
        ({"kind": "cancel"}, "cancels"),
        ({"kind": "mute", "begin": 5}, "until"),
        ({"kind": "mute", "begin": 5, "until": 5}, "before it begins"),
        ({"kind": "mute", "begin": 0, "until": LONGEST_PLAN + 1}, "366 days"),
        ({"kind": "plan", "begin": 0, "until": 5}, "factor"),
        ({"kind": "plan", "begin": 0, "until": 5, "factor": 0.5}, "1 to 1000"),
        ({"kind": "plan", "begin": 0, "until": 5, "factor": float("nan")}, "1 to 1000"),
    ],
)
def test_commands_that_make_no_sense_are_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Command(id="x", brand="b", at=0, **fields)


# -- bounds


def test_a_casebook_is_bounded_and_never_applies_a_command_twice() -> None:
    book = Casebook()
    rng = random.Random(1)
    tick = 0
    commands = []
    for number in range(1000):
        tick += rng.randrange(0, 300)
        book.file(f"i{number}", tick, tick, 3, page=True, closed=False)
        one = command("plan", tick, begin=tick, until=tick + 60 + number, factor=2.0)
        assert not book.knows(one)
        book.apply(one, one.due)
        commands.append(one)
    assert len(book.cases) == CASES
    assert len(book.plans) <= PLANS
    assert len(book.keys) <= KEYS + 2
    assert all(book.knows(one) for one in commands)
    assert not book.knows(command("unmute", tick + 1))
    assert book.complete_from is not None

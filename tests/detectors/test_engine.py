"""The engine as others use it: errors that say what is wrong, levels, decisions, bounded and versioned state."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import numpy as np
import pytest

from detectors import DETECTOR_VERSION, Engine, Observations, StateVersionError
from detectors.config import BrandProfile
from tests.detectors.worlds import QUICK, START, profiles, run, span, world

END = START + 60 * 60


def busy() -> tuple[Engine, Observations]:
    return Engine(profiles(3), QUICK, model_version="tone 7"), span(world(5), 0, END)


def test_nothing_in_nothing_out() -> None:
    engine = Engine(profiles(2), QUICK)
    assert engine.advance(START, Observations.empty()) == []
    assert engine.advance(START + 5000, Observations.empty()) == []
    assert engine.changes() == {}
    assert Engine([], QUICK).advance(START, Observations.empty()) == []


def test_going_back_in_time_changes_nothing() -> None:
    engine, observations = busy()
    engine.advance(END, observations)
    before = engine.state_dict()
    assert engine.advance(END - 500, Observations.empty()) == []
    assert engine.state_dict() == before


@pytest.mark.parametrize(
    ("brands", "complaint"),
    [
        ([BrandProfile("a"), BrandProfile("b"), BrandProfile("a")], "same name: a"),
        ([BrandProfile("a", budget=0)], "above 0"),
        ([BrandProfile("a", budget=float("nan"))], "above 0"),
        ([BrandProfile("a", time_zone="Mars/Olympus")], "Mars/Olympus"),
        ([BrandProfile("a", time_zone="America")], "time zone of a: 'America'"),
    ],
)
def test_profiles_are_checked(brands: list[BrandProfile], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        Engine(brands)


def test_observations_are_checked() -> None:
    observations = world(1)
    engine = Engine(profiles(3), QUICK)
    with pytest.raises(ValueError, match="sorted"):
        engine.advance(END, observations.rows(np.arange(len(observations))[::-1]))
    with pytest.raises(ValueError, match="later than"):
        engine.advance(END, dataclasses.replace(observations, minute=observations.tick + 1))
    with pytest.raises(ValueError, match="brand index"):
        engine.advance(END, dataclasses.replace(observations, brand=observations.brand + np.int32(3)))
    with pytest.raises(ValueError, match="rows"):
        engine.advance(END, dataclasses.replace(observations, url=[]))
    with pytest.raises(ValueError, match="up to"):
        engine.advance(START, observations)


def test_decisions_say_everything() -> None:
    engine, observations = busy()
    decisions = run(engine, observations, END)
    assert decisions
    for d in decisions:
        data = json.loads(json.dumps(d.data(), ensure_ascii=False, allow_nan=False))
        assert data["versions"] == {"detector": DETECTOR_VERSION, "model": "tone 7"}
        assert data["why"]["reason"]
        assert data["resolves_when"]
        assert data["size"]["negative_authors"] <= data["size"]["authors"] <= data["size"]["mentions"]
        assert data["since_earliest"] <= data["since"] <= data["decided_at"]
        assert list(data) == list(decisions[0].data()), "keys in fixed order"
    order = [(d.tick, d.brand) for d in decisions]
    assert order == sorted(order)
    opened = next(d for d in decisions if d.type == "opened")
    assert opened.top_mentions
    usual = {"late", "#delay0", "#delay1", "#delay2", *(f"word{i}" for i in range(7))}
    assert {t["term"] for t in opened.top_terms if not t["term"].startswith("strike")} <= usual


def test_one_page_per_incident_unless_it_returns() -> None:
    pages: dict[str, int] = {}
    for seed in range(6):
        for d in run(Engine(profiles(3), QUICK), span(world(seed), 0, END), END):
            pages[d.incident_id] = pages.get(d.incident_id, 1) - d.pages + (d.type == "reopened")
    assert pages
    assert min(pages.values()) >= 0


def test_levels_stand_where_the_last_tick_left_them() -> None:
    engine, observations = busy()
    run(engine, observations, END)
    levels = engine.levels()
    assert levels.brands == ("brand 0", "brand 1", "brand 2")
    assert levels.closed.tolist() == [END] * 3
    assert (levels.authors_expected > 0).all()
    inside = (observations.minute > END - 60) & (observations.brand == 1)
    assert levels.mentions[1] == inside.sum()
    assert levels.negative_authors[1] == len(set(observations.author[inside & observations.negative].tolist()))
    assert Engine(profiles(1), QUICK).levels().closed.tolist() != [0]


def test_ignored_terms_are_not_shown() -> None:
    engine = Engine([dataclasses.replace(p, ignore_terms=("Late Again",)) for p in profiles(3)], QUICK)
    shown = {t["term"] for d in run(engine, span(world(5), 0, END), END) for t in d.top_terms}
    assert shown
    assert not shown & {"late", "again"}


def test_changes_are_small_and_few() -> None:
    """Only brands that were touched are written, and panes are deleted when no window needs them."""
    engine, observations = busy()
    run(engine, observations, END)
    first = engine.changes()
    assert any(key.startswith(b"pane\0") for key in first)
    assert engine.changes() == {}
    later = world(6, hours=200, late=0)
    engine = Engine(profiles(3), QUICK)
    stored: dict[bytes, bytes] = {}
    most = 0
    for stop in range(START + 600, START + 12000, 600):
        engine.advance(stop, span(later, stop - 600 if stop > START + 600 else 0, stop))
        for key, value in engine.changes().items():
            if value is None:
                del stored[key]
            else:
                stored[key] = value
        most = max(most, len(stored))
    assert most < 3 * 1440 + 600 + 10
    brand = next(v for k, v in stored.items() if k.startswith(b"brand\0"))
    assert len(brand) < 2000


def test_memory_is_bounded() -> None:
    engine = Engine(profiles(3), QUICK)
    sizes = []
    observations = world(6, hours=24 * 8, late=0)
    for day in range(8):
        a, b = START + day * 1440, START + (day + 1) * 1440
        engine.advance(b, span(observations, a if day else 0, b))
        sizes.append(engine.nbytes())
    assert max(sizes) < 3 * min(sizes), "a day with a crisis holds more, but nothing piles up"
    assert len(engine.state_dict()["items"]) == 9


def test_a_foreign_state_is_refused() -> None:
    engine, observations = busy()
    run(engine, observations, END)
    state = engine.state_dict()
    with pytest.raises(StateVersionError, match="version 99"):
        engine.load_state_dict({**state, "version": 99})
    with pytest.raises(StateVersionError, match="version None"):
        engine.load_state_dict({})
    items = [(bytes(k), bytes(v)) for k, v in state["items"]]
    fresh = Engine(profiles(3), QUICK)
    with pytest.raises(StateVersionError, match="hourly record"):
        fresh.restore([(k, v) for k, v in items if not k.startswith(b"hourly")])
    with pytest.raises(StateVersionError):
        fresh.restore([(k, b"\xc1garbage") for k, _ in items])
    with pytest.raises(StateVersionError, match="unknown kind"):
        fresh.restore([(b"tyre\0brand 0", b"")])
    broken = [(k, v[:-3]) for k, v in items]
    with pytest.raises(StateVersionError):
        fresh.restore(broken)


@pytest.mark.parametrize(
    ("kind", "field"), [("pane", "ago"), ("pane", "flags"), ("hourly", "baseline"), ("brand", "gaps")]
)
def test_a_damaged_record_is_refused_with_its_brand(kind: str, field: str) -> None:
    engine, observations = busy()
    run(engine, observations, END)
    items = []
    for key, value in engine.state_dict()["items"]:
        record = msgspec.msgpack.decode(value)
        if key.startswith(kind.encode()) and b"brand 1" in key:
            record[field] = record[field][:-3] if isinstance(record[field], bytes) else {}
        items.append((key, msgspec.msgpack.encode(record)))
    with pytest.raises(StateVersionError, match=r"state of brand 1 is damaged.*delete the state"):
        Engine(profiles(3), QUICK).restore(items)


def test_records_of_brands_that_are_gone_are_ignored() -> None:
    engine, observations = busy()
    run(engine, observations, END)
    fewer = Engine(profiles(3)[:1], QUICK)
    fewer.restore([(bytes(k), bytes(v)) for k, v in engine.state_dict()["items"]])
    assert fewer.advance(END + 5, Observations.empty()) is not None
    assert fewer.levels().closed.tolist() == [END + 5]


def test_a_year_of_nothing_is_quick() -> None:
    """A brand seen once, then never again for a year, and a stale snapshot of it: caught up in seconds."""
    observations = world(1, n_brands=1, hours=20)
    engine = Engine(profiles(1), QUICK)
    engine.advance(START + 300, span(observations, 0, START + 300))
    stored = [(k, v) for k, v in engine.changes().items() if v is not None]
    late = Engine(profiles(1), QUICK)
    late.restore(stored)
    begin = time.perf_counter()
    assert late.advance(START + 90 * 1440, Observations.empty()) == []
    assert time.perf_counter() - begin < 20


def test_texts_of_any_kind_are_taken() -> None:
    """Half surrogates, emptiness, control characters and megabytes neither stop detection nor its snapshots."""
    observations = span(world(5), 0, END)
    odd = ["\ud83d half a pair of words in a text", "", "\0\n\t", "слово " * 100_000, "👩‍🚀" * 50, "@a https://b.c #"]
    texts = [odd[i % len(odd)] for i in range(len(observations))]
    engine = Engine(profiles(3), QUICK)
    decisions = run(engine, dataclasses.replace(observations, text=texts), END)
    assert decisions
    assert all(len(m["text"]) <= 200 for d in decisions for m in d.top_mentions)
    json.dumps([d.data() for d in decisions], ensure_ascii=False).encode()
    assert engine.changes()


def test_a_new_budget_holds_from_the_restart_on() -> None:
    end = START + 8 * 1440
    engine = Engine(profiles(3), QUICK)
    engine.advance(end, span(world(6, hours=200, late=0), 0, end))
    items = [(bytes(k), bytes(v)) for k, v in engine.state_dict()["items"]]
    richer = Engine([dataclasses.replace(p, budget=12.0) for p in profiles(3)], QUICK)
    richer.restore(items)
    same = Engine(profiles(3), QUICK)
    same.restore(items)
    before = engine.levels().threshold
    np.testing.assert_array_equal(same.levels().threshold, before)
    assert (richer.levels().threshold <= before).all()
    assert (richer.levels().threshold < before).any()


def test_another_process_decides_alike() -> None:
    """Nothing hangs on the order in which a process happens to hash strings."""
    code = (
        "import hashlib, json; from tests.detectors.worlds import *; "
        "d = run(Engine(profiles(3), QUICK), span(world(5, hours=30), 0, START + 1800), START + 1800); "
        "print(len(d), hashlib.sha256(json.dumps([x.data() for x in d]).encode()).hexdigest())"
    )
    root = Path(__file__).resolve().parents[2]
    said = {
        subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=True,
            cwd=root,
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(root)},
        ).stdout
        for seed in ("1", "2")
    }
    assert len(said) == 1
    assert not said.pop().startswith("0 ")

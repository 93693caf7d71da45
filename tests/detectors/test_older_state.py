"""State of the release before is read, and goes on as it would have."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest

from detectors import Engine, StateVersionError, older_state, records
from tests.detectors.worlds import QUICK, START, profiles, run, span, world

END = START + 60 * 60
CUT = END - 600


def _as_before(value: bytes) -> bytes:
    """A record as the release before wrote it: all that it has is in this one's."""
    record: dict[str, Any] = msgspec.msgpack.decode(value)
    record["version"] = older_state.VERSION
    singles = {"budget": ("loc", "scale", "page", "ticket"), "track": ("day_max",)}
    for kind, names in singles.items():
        for name in names if kind in record else ():
            record[kind][name] = np.frombuffer(record[kind][name], "<f4").astype("<f8").tobytes()
    if record.get("normal") is not None:
        half = len(record["normal"]) // 2
        usual, today = np.frombuffer(record["normal"][:half], "<f2"), np.frombuffer(record["normal"][half:], "<u2")
        record["normal"] = (usual.astype("<f4") + today).tobytes()
        record["learned"] = 24 * record["learned"]
    if "samples" in record:
        record["samples"] = [sample[:7] for sample in record["samples"]]
    if "baseline" in record:
        record["baseline"] = {k: v for k, v in record["baseline"].items() if not k.startswith("long_")}
    return msgspec.msgpack.encode(record)


def _saved(engine: Engine) -> dict[str, Any]:
    state = engine.state_dict()
    items = [(key, _as_before(value)) for key, value in state["items"]]
    return state | {"version": older_state.VERSION, "items": items}


def test_an_upgrade_goes_on_with_what_was_learned() -> None:
    observations = world(3)
    engine = Engine(profiles(3), QUICK)
    run(engine, span(observations, 0, CUT), CUT)
    # What the way back loses is all that the release before did not know.
    for core in engine._cores:
        core.baseline.long_excess = np.zeros(len(core))
        core.baseline.long_pairs = np.zeros(len(core))
    upgraded = Engine(profiles(3), QUICK)
    upgraded.load_state_dict(_saved(engine))
    rest = span(observations, CUT + 1, END)
    expected = run(engine, rest, END)
    assert expected, "nothing happens in the rest"
    assert run(upgraded, rest, END) == expected


def test_what_was_written_before_is_read_beside_what_is_written_now() -> None:
    observations = world(5)
    engine = Engine(profiles(3), QUICK)
    run(engine, span(observations, 0, CUT), CUT)
    stored = {key: _as_before(value) for key, value in engine.changes().items() if value is not None}
    upgraded = Engine(profiles(3), QUICK)
    upgraded.restore(stored.items())
    run(upgraded, span(observations, CUT + 1, CUT + 100), CUT + 100)
    for key, value in upgraded.changes().items():
        if value is None:
            stored.pop(key, None)
        else:
            stored[key] = value
    versions = {msgspec.msgpack.decode(value)["version"] for value in stored.values()}
    assert versions == {older_state.VERSION, records.VERSION}
    again = Engine(profiles(3), QUICK)
    again.restore(stored.items())
    rest = span(observations, CUT + 101, END)
    assert run(again, rest, END) == run(upgraded, rest, END)


def test_a_damaged_older_record_is_refused() -> None:
    engine = Engine(profiles(3), QUICK)
    run(engine, span(world(5), 0, CUT), CUT)
    state = _saved(engine)
    for at, (key, value) in enumerate(state["items"]):
        record = msgspec.msgpack.decode(value)
        if "baseline" in record:
            del record["budget"]["page"]
            state["items"][at] = key, msgspec.msgpack.encode(record)
    with pytest.raises(StateVersionError, match=r"damaged: .*Budget.page"):
        Engine(profiles(3), QUICK).load_state_dict(state)


def test_older_and_newer_versions_are_refused_with_what_to_do() -> None:
    for version in (older_state.VERSION - 1, records.VERSION + 1):
        with pytest.raises(StateVersionError, match=f"has version {version}.*delete the state and replay"):
            records.decode(msgspec.msgpack.encode({"version": version}), records.PaneRecord)

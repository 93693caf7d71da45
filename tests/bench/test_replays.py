"""The table of known events reads what a backtest tells."""

from __future__ import annotations

import gzip
from pathlib import Path

from bench.replays import has_gold, rows


def test_gold_is_seen(tmp_path: Path) -> None:
    for name, line, gold in (("a", '{"gold_tone": "negative"}', True), ("b", '{"text": "x"}', False)):
        file = tmp_path / f"{name}.jsonl.gz"
        file.write_bytes(gzip.compress(line.encode() + b"\n"))
        assert has_gold(file) is gold


def test_events_without_data_are_left_out() -> None:
    event = {"brand": "b", "event": "queue", "kind": "crisis", "notify": "ticket", "delay_minutes": 49, "note": ""}
    told = {
        "known_events": [
            {**event, "outcome": "found"},
            {**event, "outcome": "no data"},
            {**event, "kind": "control (viral)", "outcome": "not paged", "notify": None, "delay_minutes": None},
        ]
    }
    found, control = rows("r", "gold", told)
    assert found == ("r", "gold", "b", "queue", "found", "ticket", "49 min", "")
    assert control[3:] == ("control: queue", "not paged", "nothing", "", "")

"""Files are merged in order of time, and a replay that cannot work says why. Real brokers: tests/integration."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.brokers import free_ports
from streams.commands.replay import parsed_speed
from streams.errors import UserError
from streams.mention_files import BadLineError, MentionFileError
from streams.records import Mention, encode
from streams.replay import _Pace, merged, replay
from streams.settings import Settings
from streams.topics import BrokerUnreachableError

_START = datetime(2026, 3, 2, tzinfo=UTC)


def _mention(minute: int, name: str) -> Mention:
    return Mention(id=name, created_at=_START + timedelta(minutes=minute), text="hello")


def _write(path: Path, mentions: Sequence[Mention | bytes]) -> Path:
    path.write_bytes(b"".join((one if isinstance(one, bytes) else encode(one)) + b"\n" for one in mentions))
    return path


@given(files=st.lists(st.lists(st.integers(0, 50)), min_size=1, max_size=4))
def test_sorted_files_are_merged_in_order(tmp_path_factory: pytest.TempPathFactory, files: list[list[int]]) -> None:
    tmp_path = tmp_path_factory.mktemp("files")
    paths = [
        _write(tmp_path / f"{i}.jsonl", [_mention(minute, f"{i}-{j}") for j, minute in enumerate(sorted(minutes))])
        for i, minutes in enumerate(files)
        if minutes
    ]
    mentions = [entry.content for entry in merged(paths)]
    assert all(isinstance(mention, Mention) for mention in mentions)
    times = [mention.created_at for mention in mentions if isinstance(mention, Mention)]
    assert times == sorted(times)
    assert len(times) == sum(map(len, files))


def test_nothing_is_lost_from_an_unsorted_file_and_its_own_order_is_kept(tmp_path: Path) -> None:
    first = _write(tmp_path / "a.jsonl", [_mention(9, "a9"), _mention(1, "a1"), _mention(10, "a10")])
    second = _write(tmp_path / "b.jsonl", [_mention(2, "b2"), b"{bad", _mention(12, "b12")])
    entries = list(merged([first, second]))
    assert [e.content.id if isinstance(e.content, Mention) else e.line for e in entries] == [
        "b2", 2, "a9", "a1", "a10", "b12",
    ]  # fmt: skip
    bad = entries[1].content
    assert isinstance(bad, BadLineError)
    assert bad.raw == b"{bad"


def test_a_missing_file_is_told_before_anything_is_read(tmp_path: Path) -> None:
    good = _write(tmp_path / "a.jsonl", [_mention(0, "a")])
    with pytest.raises(MentionFileError, match="no such file"):
        merged([good, tmp_path / "none"])


def test_standard_input_is_read_once() -> None:
    with pytest.raises(MentionFileError, match="standard input is named twice"):
        merged(["-", "-"])


def test_pace_holds_mentions_back_until_they_are_due() -> None:
    pace = _Pace(600.0)  # ten minutes a second
    began = time.monotonic()
    for minute in (0, 1, 2):
        pace.wait_for(_START + timedelta(minutes=minute))
    assert 0.15 < time.monotonic() - began < 1.5
    pace.wait_for(_START)  # a late one does not wait
    unlimited = _Pace(None)
    unlimited.wait_for(_START)
    unlimited.wait_for(_START + timedelta(days=9))


@pytest.mark.parametrize(("given", "speed"), [("max", None), ("60", 60.0), ("0.5", 0.5), ("10x", 10.0)])
def test_speeds(given: str, speed: float | None) -> None:
    assert parsed_speed(given) == speed


@pytest.mark.parametrize("given", ["", "0", "-1", "fast", "nan", "inf"])
def test_speeds_that_are_none(given: str) -> None:
    with pytest.raises(UserError, match="--speed"):
        parsed_speed(given)


def test_no_broker_is_one_clear_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.topics.CONNECT_MS", 300)
    (port,) = free_ports(1)
    settings = Settings.model_validate({"brands": [{"name": "x"}], "kafka": {"bootstrap_servers": f"127.0.0.1:{port}"}})
    with pytest.raises(BrokerUnreachableError, match=rf"no broker can be reached at 127\.0\.0\.1:{port}"):
        replay([], settings)

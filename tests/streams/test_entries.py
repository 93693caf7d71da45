"""Files are merged in order of time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.entries import merged
from streams.mention_files import BadLineError, MentionFileError
from streams.records import Mention, encode

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

"""Machine code is written once, and never taken from a file that is not whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.code_cache import kept


class Writer:
    """Counts how often it is asked."""

    def __init__(self, code: bytes = b"machine code") -> None:
        self.code, self.asked = code, 0

    def __call__(self) -> bytes:
        self.asked += 1
        return self.code


def _only_file(directory: Path) -> Path:
    (file,) = directory.iterdir()
    return file


def test_it_is_written_once_and_under_its_own_key(tmp_path: Path) -> None:
    write, other = Writer(), Writer(b"another")
    folder = tmp_path / "new" / "folder"
    assert [kept("a", write, folder) for _ in range(3)] == [b"machine code"] * 3
    assert write.asked == 1
    assert kept("b", other, folder) == b"another"
    assert folder.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("damage", ["cut", "changed", "empty"])
def test_a_damaged_file_is_written_anew(tmp_path: Path, damage: str) -> None:
    kept("a", Writer(), tmp_path)
    file = _only_file(tmp_path)
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes({"cut": file.read_bytes()[:-3], "changed": bytes(content), "empty": b""}[damage])
    write = Writer()
    assert kept("a", write, tmp_path) == b"machine code"
    assert write.asked == 1
    assert kept("a", write, tmp_path) == b"machine code"
    assert write.asked == 1


def test_where_nothing_can_be_kept_it_is_written_each_time(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    write = Writer()
    assert [kept("a", write, tmp_path / "file" / "folder") for _ in range(2)] == [b"machine code"] * 2
    assert write.asked == 2


def test_files_of_many_releases_do_not_pile_up(tmp_path: Path) -> None:
    for number in range(20):
        kept(str(number), Writer(), tmp_path)
    assert len(list(tmp_path.iterdir())) == 8

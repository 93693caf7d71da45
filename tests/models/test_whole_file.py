"""Whoever reads finds the old file or the new one."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from models.whole_file import whole_file


def test_the_new_file_takes_the_place_of_the_old_one_once_it_is_whole(tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    file.write_text("old")
    with whole_file(file) as part:
        part.write_text("new")
        assert file.read_text() == "old"
    assert file.read_text() == "new"
    assert [*tmp_path.iterdir()] == [file]


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
def test_after_an_error_the_old_file_stays_alone(tmp_path: Path, error: type[BaseException]) -> None:
    file = tmp_path / "config.json"
    file.write_text("old")

    def write_half() -> None:
        with whole_file(file) as part:
            part.write_text("half")
            raise error

    with pytest.raises(error):
        write_half()
    assert file.read_text() == "old"
    assert [*tmp_path.iterdir()] == [file]


def test_where_nothing_was_written_nothing_takes_its_place(tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    file.write_text("old")
    with pytest.raises(FileNotFoundError), whole_file(file):
        pass
    assert file.read_text() == "old"


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_the_umask_decides_who_may_read_it(tmp_path: Path, umask: int, mode: int) -> None:
    file = tmp_path / "adapter.safetensors"
    before = os.umask(umask)
    try:
        with whole_file(file) as part:
            save_file({"a": np.zeros(3, np.float32)}, part)
    finally:
        os.umask(before)
    assert file.stat().st_mode & 0o777 == mode

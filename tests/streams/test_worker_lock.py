"""A worker's name is its alone, until it ends."""

from __future__ import annotations

from pathlib import Path

import pytest

from streams.errors import UserError
from streams.worker_lock import hold_name


def test_a_second_worker_of_a_name_is_told_so(tmp_path: Path) -> None:
    with hold_name("w0", tmp_path / "data"), hold_name("w1", tmp_path / "data"), hold_name("w0", tmp_path / "other"):
        for _ in range(2):
            with pytest.raises(UserError, match=r"a worker named 'w0' runs already.*worker\.id of its own"):
                hold_name("w0", tmp_path / "data")
    hold_name("w0", tmp_path / "data").close()

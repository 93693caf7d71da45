"""Machine code is written once, and never taken from a file that is not whole."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from models.backends import BACKENDS
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


def test_what_is_kept_is_taken_from_where_nothing_can_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in an image whose files were written when it was built."""
    kept("a", Writer(), tmp_path)

    def read_only(*_: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr("models.code_cache.os.utime", read_only)
    write = Writer()
    assert kept("a", write, tmp_path) == b"machine code"
    assert write.asked == 0


def test_files_of_many_releases_do_not_pile_up(tmp_path: Path) -> None:
    for number in range(20):
        kept(str(number), Writer(), tmp_path)
    assert len(list(tmp_path.iterdir())) == 8


def test_code_that_somebody_else_could_have_written_is_not_run(tmp_path: Path) -> None:
    kept("a", Writer(), tmp_path)
    file = _only_file(tmp_path)
    for path, mode in ((file, 0o666), (tmp_path, 0o777)):
        own = path.stat().st_mode
        path.chmod(mode)
        write = Writer()
        assert kept("a", write, tmp_path) == b"machine code"
        assert write.asked == 1
        path.chmod(own)
        file.chmod(0o600)
    assert kept("a", write, tmp_path) == b"machine code"
    assert write.asked == 1


def test_a_user_without_a_home_keeps_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    for name in ("TOCSIN_CACHE_DIR", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "home", homeless)
    write = Writer()
    assert [kept("a", write) for _ in range(2)] == [b"machine code"] * 2
    assert write.asked == 2


def test_the_key_covers_every_file_that_writes_code() -> None:
    pytest.importorskip("llvmlite")
    from models import int8_kernels

    texts = [file.read_text(encoding="utf-8") for file in Path(int8_kernels.__file__).parent.glob("*.py")]
    writing = [text for text in texts if "from llvmlite import ir" in text or "class Sizes" in text]
    assert len(writing) > 3
    assert [text for text in writing if text not in str(int8_kernels._WRITTEN_BY)] == []


@pytest.mark.skipif(BACKENDS["int8-avx512"].why_not() is not None, reason="needs a processor with AVX512-VNNI")
def test_kernels_are_kept_under_all_that_they_depend_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from models import int8_kernels
    from models.int8_weights import SIZES

    monkeypatch.setenv("TOCSIN_CACHE_DIR", str(tmp_path))

    def files_after(**changed: object) -> int:
        for name, value in changed.items():
            monkeypatch.setattr(int8_kernels, name, value)
        monkeypatch.setattr(int8_kernels, "_translated", {})
        int8_kernels.translate(SIZES)
        return len(list(tmp_path.iterdir()))

    assert files_after() == 1
    # The second time the file is read, and nothing is written by anybody.
    monkeypatch.setattr(int8_kernels, "_forward", None)
    assert files_after() == 1
    monkeypatch.undo()
    monkeypatch.setenv("TOCSIN_CACHE_DIR", str(tmp_path))
    assert files_after(_WRITTEN_BY="other source") == 2
    assert files_after(_WRITTEN_BY="other source", translator=lambda: "another processor") == 3
    # Where the source cannot be told nothing is kept.
    assert files_after(_WRITTEN_BY=None) == 3

"""Files that are there whole or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def whole_file(file: Path) -> Iterator[Path]:
    """A path beside ``file`` to write to; what was written takes its place in one move, so that whoever reads meanwhile
    or after a kill finds the old file or the new one. After an error the old one stays, and nothing beside it.

    One writer at a time: the path is the same for all.
    """
    part = file.with_name(f"{file.name}.part")
    try:
        yield part
        part.replace(file)
    except BaseException:
        with suppress(OSError):
            part.unlink()
        raise

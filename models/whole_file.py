"""Files that are there whole or not at all."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def whole_file(file: Path) -> Iterator[Path]:
    """A path beside ``file`` to write to; what was written takes its place in one move, so that whoever reads meanwhile
    or after a kill finds the old file or the new one. After an error the old one stays, and nothing beside it. The mode
    is what the umask asks for, whoever wrote: safetensors makes files that their owner alone can read.

    One writer at a time: the path is the same for all.
    """
    part = file.with_name(f"{file.name}.part")
    try:
        mode = _mode_of_new(part)
        yield part
        if stat.S_IMODE(part.stat().st_mode) != mode:
            part.chmod(mode)
        part.replace(file)
    except BaseException:
        with suppress(OSError):
            part.unlink()
        raise


def _mode_of_new(path: Path) -> int:
    """The mode of a new file at ``path``, which is not there afterwards. To ask for the umask would change it for a
    moment, for all threads.
    """
    path.unlink(missing_ok=True)
    path.touch()
    mode = stat.S_IMODE(path.stat().st_mode)
    path.unlink()
    return mode

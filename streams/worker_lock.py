"""Two workers of one name take each other's partitions for ever: on one machine, the second is told so."""

from __future__ import annotations

import fcntl
from pathlib import Path
from typing import TextIO

from streams.errors import UserError


def hold_name(name: str, directory: Path) -> TextIO:
    """The lock of this worker's name: held until it is closed, or the process ends or makes place for another.

    Raises
    ------
    UserError
        A worker of this name runs, with the same directory.
    OSError
        The directory cannot be written.
    """
    directory.mkdir(parents=True, exist_ok=True)
    file = (directory / f"{name}.lock").open("a")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        raise UserError(
            f"a worker named {name!r} runs already and holds {file.name}: "
            "give each a worker.id of its own, and on one machine a web.port of its own"
        ) from None
    return file

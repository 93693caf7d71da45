"""Machine code kept from one start to the next, since writing it anew takes about a second of a processor.

It lies where the choice of the backend does (models.choice), under a key made of all that the code depends on. A file
that is damaged, or that cannot be read or written, is as good as none; so is one that somebody else could have written,
since code runs.
"""

from __future__ import annotations

import hashlib
import logging
import os
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from models.choice import cache_directory

log = logging.getLogger(__name__)

_NAME: Final = "tone-code-{}.o"
_DIGEST: Final = hashlib.sha256().digest_size
_MOST: Final = 8
"""Files kept: several releases or environments may share the folder."""


def kept(key: str, write: Callable[[], bytes], directory: Path | None = None) -> bytes:
    """What ``write`` returns, or returned under this ``key`` at an earlier start."""
    directory = cache_directory() if directory is None else directory
    file = directory / _NAME.format(hashlib.sha256(key.encode()).hexdigest()[:32])
    with suppress(OSError):
        content = file.read_bytes() if _is_own(directory) and _is_own(file) else b""
        digest, code = content[:_DIGEST], content[_DIGEST:]
        if code and hashlib.sha256(code).digest() == digest:
            with suppress(OSError):  # where nothing can be written, nothing grows old either
                os.utime(file)
            return code
    code = write()
    try:
        _keep(file, code)
    except OSError as error:
        log.debug("machine code cannot be kept in %s: %s", directory, error)
    return code


def _is_own(path: Path) -> bool:
    """Whether nobody but this user can write it."""
    found = path.stat()
    return hasattr(os, "geteuid") and found.st_uid == os.geteuid() and not found.st_mode & 0o022


def _keep(file: Path, code: bytes) -> None:
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not _is_own(file.parent):
        return
    # Whole or not at all: another process may be reading.
    handle, name = tempfile.mkstemp(dir=file.parent, prefix=".tone-code-")
    try:
        with os.fdopen(handle, "wb") as out:
            out.write(hashlib.sha256(code).digest() + code)
        Path(name).replace(file)
    except OSError:
        Path(name).unlink(missing_ok=True)
        raise
    others = sorted(file.parent.glob(_NAME.format("*")), key=lambda other: other.stat().st_mtime, reverse=True)
    for old in others[_MOST:]:
        old.unlink(missing_ok=True)

"""Files that a command writes: whether it can, and that none of them is one that it reads. Said before the work."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from streams.errors import UserError
from streams.mention_files import STDIN


def refuse_unusable(outputs: Mapping[str, Path | None], inputs: Iterable[Path | str | None]) -> None:
    """Look at the files that a command is to write, before it begins.

    Parameters
    ----------
    outputs : by the option that names each; None where it was not given
    inputs : the files that are read

    Raises
    ------
    UserError
        One cannot be written, is a file that is read, or is there for another option too.
    """
    read = [Path(file) for file in inputs if file is not None and str(file) != STDIN]
    taken: dict[Path, str] = {}
    for option, path in outputs.items():
        if path is None:
            continue
        _refuse_unwritable(path)
        if any(_same(path, file) for file in read):
            raise UserError(f"{option} {path} would overwrite a file that is read; name another file")
        for other, of in taken.items():
            if path.absolute() == other.absolute() or _same(path, other):
                raise UserError(f"{of} and {option} both name {path}; name two files")
        taken[path] = option


def _refuse_unwritable(path: Path) -> None:
    if not path.absolute().parent.is_dir():
        raise UserError(f"{path}: there is no directory {path.parent}")
    if path.is_dir():
        raise UserError(f"{path}: is a directory; name a file in it")
    if not os.access(path if path.exists() else path.absolute().parent, os.W_OK):
        raise UserError(f"{path}: no permission to write it")


def _same(one: Path, other: Path) -> bool:
    """Whether both are one file. Devices, which lose nothing by being written to, are none."""
    return one.is_file() and other.is_file() and one.samefile(other)

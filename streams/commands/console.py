"""How every command ends and talks: exit codes, messages on standard error, Ctrl-C."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

import typer

from streams.errors import FailedError, UserError

if TYPE_CHECKING:
    from rich.console import Console

    from streams.settings import Settings

#: Something ran and failed, or the doctor found something.
FAILED: Final = 1
#: What was asked for cannot be done: options, settings, files, a broker that is not there.
UNUSABLE: Final = 2
INTERRUPTED: Final = 130
#: The reader of our output is gone (as after ``| head``): 128 + SIGPIPE, as shells report it.
NO_READER: Final = 141

#: Errors of the other rooms whose message is meant for the user. By name, so that no command imports what only others
#: need.
_FOR_USERS: Final = frozenset({"detectors.own_detectors.DetectorError", "models.errors.ModelError"})


@contextlib.contextmanager
def reporting() -> Iterator[None]:
    """Turn an error that a user causes into one message and an exit code; a bug keeps its traceback."""
    try:
        yield
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None
    except BrokenPipeError:
        # The interpreter flushes standard output once more when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(NO_READER) from None
    except FailedError as error:
        complain(str(error))
        raise typer.Exit(FAILED) from None
    except UserError as error:
        complain(str(error))
        raise typer.Exit(UNUSABLE) from None
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        complain(f"{where}{error.strerror or error}")
        raise typer.Exit(UNUSABLE) from None
    except Exception as error:
        names = {f"{kind.__module__}.{kind.__qualname__}" for kind in type(error).__mro__}
        if not names & _FOR_USERS:
            raise
        complain(str(error))
        raise typer.Exit(UNUSABLE) from None


def complain(message: str) -> None:
    """Write a message to standard error."""
    typer.echo(f"tocsin: {message}", err=True)


def note(message: str) -> None:
    """Write a remark to standard error, where it does not mix with results."""
    typer.echo(message, err=True)


def stderr_console() -> Console:
    """Return rich's console for progress and remarks."""
    from rich.console import Console

    return Console(stderr=True, highlight=False)


def config_path(ctx: typer.Context, given: Path | None) -> Path | None:
    """Return the settings file: the command's own option, else the one before the command, else TOCSIN_CONFIG."""
    variable = os.environ.get("TOCSIN_CONFIG")
    return given or ctx.find_object(Path) or (Path(variable) if variable else None)


def load_settings(ctx: typer.Context, given: Path | None) -> Settings:
    """Load the settings or say what is wrong with them."""
    from streams.settings import load

    return load(config_path(ctx, given))

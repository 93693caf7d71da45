"""What the commands of trainings share: how often to judge, on how many threads, and how they end."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Annotated, Final

import typer

from models.errors import ModelError
from models.patience import Patience

UNUSABLE: Final = 2
"""Exit code where what was asked for cannot be done, as of every command of Tocsin."""

INTERRUPTED: Final = 130
"""Exit code after Ctrl-C, as of every command of Tocsin."""

_EVERY: Final = "--judge-every"

JudgeEvery = Annotated[
    float | None,
    typer.Option(
        metavar="SHARE",
        help="With --patience: judge after each such share of a pass over the texts, above 0 and at most 1, and at the "
        "end; without it after each pass.",
        show_default=False,
    ),
]

LARGEST_SEED: Final = 2**32 - 1
"""Of those that torch, numpy and scikit-learn all take; none takes one below 0."""

Threads = Annotated[
    int, typer.Option(min=0, help="Processor threads; 0 lets torch choose, 1 is faster on a busy machine.")
]


def asked_patience(judgements: int | None, every: float | None) -> Patience | None:
    """What ``--patience`` and ``--judge-every`` ask for. Raises ``BadParameter``."""
    if judgements is None:
        if every is not None:
            raise typer.BadParameter("it says how often --patience judges: give --patience N too", param_hint=_EVERY)
        return None
    try:
        return Patience(judgements) if every is None else Patience(judgements, every)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=_EVERY) from error


@contextlib.contextmanager
def told() -> Iterator[None]:
    """Turn what a user causes, Ctrl-C included, into one message and an exit code."""
    try:
        yield
    except KeyboardInterrupt:
        typer.echo(
            "stopped; the same command again goes on from the last checkpoint: a network has one after each 200 steps "
            "and at its end",
            err=True,
        )
        raise typer.Exit(INTERRUPTED) from None
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        typer.echo(f"error: {where}{error.strerror or error}", err=True)
        raise typer.Exit(UNUSABLE) from error
    except (ModelError, ValueError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(UNUSABLE) from error

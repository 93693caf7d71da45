"""Options and arguments that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Config = Annotated[
    Path | None,
    typer.Option(
        "--config", "-c", metavar="FILE", help="Settings (YAML); default: $TOCSIN_CONFIG.", show_default=False
    ),
]
Labels = Annotated[
    str | None,
    typer.Option(metavar="A,B,C", help="What the outputs of a Hugging Face model mean, in order, if it does not say."),
]
Model = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="bundled, a directory, or a Hugging Face model; default: as in the settings."),
]
Revision = Annotated[str | None, typer.Option(help="Revision of a Hugging Face model.")]
MentionFiles = Annotated[
    list[str], typer.Argument(metavar="FILE", help="Mentions: JSON lines or CSV, plain or gzip; - is stdin.")
]

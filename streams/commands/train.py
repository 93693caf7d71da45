"""``tocsin train``: hands over to the training of a bundled model, whose options are described where they are."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from streams.errors import UserError

if TYPE_CHECKING:
    import typer


def run(language: Literal["en", "ru"], arguments: Sequence[str]) -> None:
    """Run the training of a language's model; exits as it does.

    Raises
    ------
    UserError, ModelError
        Something that training needs is missing.
    """
    training: typer.Typer
    if language == "en":
        from models.train import app as training
    else:
        if importlib.util.find_spec("sklearn") is None:
            raise UserError("training the Russian model needs scikit-learn: run pip install 'tocsin[train]'")
        from models.train_russian import app as training
    training(list(arguments), prog_name=f"tocsin train {language}")

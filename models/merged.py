"""The bundled model's numbers: base encoder and adapter verified and merged, as arrays. Needs no torch, which takes
seconds to import.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.adapter import BUNDLED, verified_config
from models.architecture import checkpoint_tensors
from models.base import sha256_of, verified_base
from models.errors import ModelFileError

Arrays = dict[str, NDArray[np.float32]]


@dataclass(frozen=True)
class BundledFiles:
    """The verified files of the bundled model, and what of them goes into its version."""

    base: Path
    adapter: Path
    config: dict[str, Any]
    parts: dict[str, str]

    @property
    def tokeniser(self) -> Path:
        """The file of the tokeniser."""
        return self.base / "tokenizer.json"

    @property
    def temperature(self) -> float:
        """What the logits are divided by."""
        try:
            return float(self.config["temperature"])
        except (KeyError, TypeError, ValueError) as error:
            raise self._misstated(error) from error

    def arrays(self) -> Arrays:
        """All tensors of the network in float32, by the names that ``models.encoder.ToneNetwork`` gives them.

        Merged as ``models.lora.merge`` does: in double precision, so that every machine gets the same numbers.
        """
        from safetensors.numpy import load_file

        stored = load_file(self.base / "model.safetensors")
        arrays: Arrays = {ours: stored[theirs] for ours, theirs in checkpoint_tensors().items()}
        learned = load_file(self.adapter / "adapter.safetensors")
        try:
            for name, tensor in learned.items():
                matrix, _, part = name.rpartition(".")
                if part == "up":
                    correction = tensor.astype(np.float64) @ learned[f"{matrix}.down"].astype(np.float64)
                    arrays[f"{matrix}.weight"] = (arrays[f"{matrix}.weight"] + correction).astype(np.float32)
                elif part != "down":
                    arrays[name] = tensor.astype(np.float32)
        except (KeyError, TypeError, ValueError) as error:
            raise self._misstated(error) from error
        return arrays

    def _misstated(self, error: Exception) -> ModelFileError:
        return ModelFileError(
            f"the adapter in {self.adapter} lacks or misstates a field or a tensor ({error}); reinstall tocsin, or "
            "train an adapter anew"
        )


def bundled_files(adapter: Path = BUNDLED, base: Path | None = None) -> BundledFiles:
    """Find and verify the files of the bundled model, or of another adapter or copy of the base. Raises
    ``ModelFileError``.
    """
    config = verified_config(adapter)
    base = verified_base(base)
    parts = {
        "base": sha256_of(base / "model.safetensors"),
        "tokeniser": sha256_of(base / "tokenizer.json"),
        "adapter": sha256_of(adapter / "adapter.safetensors"),
        "config": sha256_of(adapter / "config.json"),
    }
    return BundledFiles(base, adapter, config, parts)

"""The bundled model's numbers: base encoder and adapter verified and merged, as arrays. Needs no torch, which takes
seconds to import.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from models.adapter import BUNDLED, verified_config
from models.architecture import LAYERS, checkpoint_tensors, kept_whole, matrices
from models.base import BASE_SHA256, TOKENISER_SHA256, sha256_of, verified_base
from models.errors import ModelFileError
from models.exits import Exit, read_exits
from models.model_config import finite

Arrays = dict[str, NDArray[np.float32]]


def merge(
    base: Mapping[str, NDArray[np.float32]], learned: Mapping[str, NDArray[np.floating]], layers: int = LAYERS
) -> Arrays:
    """All tensors of the network: those of the base encoder with an adapter's corrections added, and what the adapter
    holds whole.

    In double precision the products of two float16 numbers are exact and a sum of some dozens of them nearly so:
    whatever order a matrix product sums in, the float32 result is the same on every machine. Raises ``KeyError`` for a
    missing tensor and ``ValueError`` for one that does not fit.
    """
    arrays = dict(base)
    sums: dict[tuple[int, ...], NDArray[np.float64]] = {}  # fresh memory for each would take longer than the products
    for name in matrices(layers):
        weight = base[f"{name}.weight"]
        whole = sums.setdefault(weight.shape, np.empty(weight.shape))
        np.matmul(learned[f"{name}.up"].astype(np.float64), learned[f"{name}.down"].astype(np.float64), out=whole)
        whole += weight
        arrays[f"{name}.weight"] = whole.astype(np.float32)
    for name in kept_whole(layers):
        arrays[name] = learned[name].astype(np.float32)
    return arrays


class EncoderFiles(Protocol):
    """What a backend needs of a bundled encoder."""

    @property
    def temperature(self) -> float:
        """What the logits are divided by."""

    @property
    def exits(self) -> Sequence[Exit]:
        """Where texts may leave early, for backends that can let them."""

    def arrays(self) -> Arrays:
        """All tensors of the network in float32, by the names that ``models.encoder.ToneNetwork`` gives them."""


@dataclass(frozen=True)
class AdaptedFiles:
    """The verified files of a base encoder and its adapter, and what of them goes into a version. ``whole``: without
    exits.
    """

    base: Path
    adapter: Path
    config: dict[str, Any]
    parts: dict[str, str]
    whole: bool = False

    @property
    def temperature(self) -> float:
        """What the logits are divided by."""
        return self.number("temperature", above=0)

    @functools.cached_property
    def exits(self) -> Sequence[Exit]:
        """Where texts may leave early. Raises ``ModelFileError``."""
        return () if self.whole else read_exits(self.adapter, self.config)

    def number(self, name: str, above: float = -math.inf) -> float:
        """A number of the configuration. Raises ``ModelFileError`` where it is missing, none, or not ``above`` that."""
        try:
            return finite(self.config[name], name, above)
        except (KeyError, TypeError, ValueError) as error:
            raise self.misstated(error) from error

    def misstated(self, error: Exception) -> ModelFileError:
        """What to raise for a field or a tensor that is missing or wrong."""
        return ModelFileError(
            f"the adapter in {self.adapter} lacks or misstates a field or a tensor ({error}); reinstall tocsin, or "
            "train an adapter anew"
        )


@dataclass(frozen=True)
class BundledFiles(AdaptedFiles):
    """The files of the bundled model for English."""

    @property
    def tokeniser(self) -> Path:
        """The file of the tokeniser."""
        return self.base / "tokenizer.json"

    def arrays(self) -> Arrays:
        """All tensors of the network in float32, by the names that ``models.encoder.ToneNetwork`` gives them."""
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        stored = load_file(self.base / "model.safetensors")
        base: Arrays = {ours: stored[theirs] for ours, theirs in checkpoint_tensors().items()}
        try:
            return merge(base, load_file(self.adapter / "adapter.safetensors"))
        except (KeyError, TypeError, ValueError, SafetensorError) as error:
            raise self.misstated(error) from error


def bundled_files(adapter: Path = BUNDLED, base: Path | None = None, *, whole: bool = False) -> BundledFiles:
    """Find and verify the files of the bundled model, or of another adapter or copy of the base; ``whole``: without
    exits, which then need not be there. Raises ``ModelFileError``.
    """
    config = verified_config(adapter)
    base = verified_base(base)
    # The first three have just been verified: to read ninety megabytes again would take time at each start.
    parts = {
        "base": BASE_SHA256,
        "tokeniser": TOKENISER_SHA256,
        "adapter": str(config["adapter_sha256"]),
        "config": sha256_of(adapter / "config.json"),
    }
    files = BundledFiles(base, adapter, config, parts, whole)
    # Told whatever the backend, also by one that lets nobody leave.
    _ = files.exits
    return files

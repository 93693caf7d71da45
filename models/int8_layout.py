"""What lies where for the 8-bit code: sizes of the network, and the tables of pointers that its weights fill."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

MOST_TOKENS: Final = 64
"""Of a text."""


@dataclass(frozen=True)
class Sizes:
    """Widths of the network."""

    hidden: int = 384
    heads: int = 12
    widened: int = 1536
    epsilon: float = 1e-12
    exit: int = 64
    queries: int = 4

    @property
    def parts(self) -> int:
        """Parts of the widened activations, each as wide as a row."""
        return self.widened // self.hidden

    @property
    def head_parts(self) -> int:
        """Parts of the heads whose queries, keys and values side by side are as wide as a row."""
        return 3

    @property
    def head(self) -> int:
        """Width of one attention head."""
        return self.hidden // self.heads


# Places in the tables of pointers that the code gets.
PRODUCT_FIELDS: Final = ("matrix", "scales", "bias", "start")
PRODUCTS: Final = ("attention_input", "attention_output", "intermediate", "output")
NORMS: Final = ("attention_norm", "output_norm")
HEAD_FIELDS: Final = ("dense.weight", "dense.bias", "output.weight", "output.bias")
EXIT_FIELDS: Final = (*HEAD_FIELDS, "sure", "queries")
LAYER_FIELDS: Final = (
    *(f"{product}.{field}" for product in PRODUCTS for field in PRODUCT_FIELDS),
    *(f"{norm}.{field}" for norm in NORMS for field in ("weight", "bias")),
    *(f"exit.{field}" for field in EXIT_FIELDS),
)
NO_EXIT: Final = 2.0
"""What a text would have to be sure of to leave where there is no exit."""
MODEL_FIELDS: Final = (
    "words",
    "positions",
    "embedding_norm.weight",
    "embedding_norm.bias",
    *(f"head.{field}" for field in HEAD_FIELDS),
    *(f"exit.{field}" for field in EXIT_FIELDS),
)
SCRATCH_FIELDS: Final = (
    "hidden",
    "bytes",
    "scales",
    "projected",
    "context",
    "widened",
    "widened_bytes",
    "widened_scales",
    "keys",
    "shares",
    "features",
    "lengths",
    "places",
    "left",
)
"""The last three: of the texts that are left in a group their lengths and their places in it, and how many they and
their tokens are."""
DEPTH_LANE: Final = 3
"""Where a text's row of results holds, behind its probabilities, after how many layers it left."""

"""The bundled tone network: a BERT encoder (all-MiniLM-L6-v2), mean pooling and a small head, in plain torch.

Written out rather than taken from ``transformers``: importing that costs seconds at start-up, and here every operation
that decides a tone is in view. A test holds it against ``transformers.BertModel`` on the base weights.

Shapes: ``n`` rows, ``t`` tokens, ``h`` = 384 hidden units.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional

from models.architecture import (
    CLASSES,
    HEADS,
    HIDDEN,
    INTERMEDIATE,
    LAYERS,
    NORM_EPSILON,
    POSITIONS,
    VOCABULARY,
    checkpoint_tensors,
    layers_of,
)


def dropped(hidden: Tensor, dropout: float, training: bool) -> Tensor:
    """Dropout by a random byte a unit, hence in steps of 1/256: less than half the time of torch's on a processor."""
    zeroed = round(256 * dropout)
    if not training or zeroed == 0:
        return hidden
    units = hidden.numel()
    drawn = torch.empty((units + 7) // 8, dtype=torch.int64).random_(-(2**63), None).view(torch.uint8)
    kept = drawn[:units].view(hidden.shape) >= zeroed
    return hidden * (kept.to(hidden.dtype) * (256 / (256 - zeroed)))


def mean_of(hidden: Tensor, attended: Tensor, lengths: Tensor) -> Tensor:
    """Mean over the real tokens: ``hidden`` (n, t, h), ``attended`` (n, t) bool, True at them, ``lengths`` (n,) -> (n,
    h).
    """
    return (hidden * attended[:, :, None]).sum(dim=1) / lengths[:, None]


class Layer(nn.Module):
    """One transformer layer (post-norm, as in Devlin et al., 2019, "BERT")."""

    def __init__(self, dropout: float) -> None:
        super().__init__()
        self.query: nn.Module = nn.Linear(HIDDEN, HIDDEN)
        self.key: nn.Module = nn.Linear(HIDDEN, HIDDEN)
        self.value: nn.Module = nn.Linear(HIDDEN, HIDDEN)
        self.attention_output: nn.Module = nn.Linear(HIDDEN, HIDDEN)
        self.attention_norm = nn.LayerNorm(HIDDEN, eps=NORM_EPSILON)
        self.intermediate: nn.Module = nn.Linear(HIDDEN, INTERMEDIATE)
        self.output: nn.Module = nn.Linear(INTERMEDIATE, HIDDEN)
        self.output_norm = nn.LayerNorm(HIDDEN, eps=NORM_EPSILON)
        self.dropout = dropout

    def forward(self, hidden: Tensor, attended: Tensor) -> Tensor:
        """``hidden`` (n, t, h) and ``attended`` (n, 1, 1, t) bool, True at real tokens -> (n, t, h)."""
        rows, tokens, _ = hidden.shape

        def heads(projected: Tensor) -> Tensor:
            return projected.view(rows, tokens, HEADS, HIDDEN // HEADS).transpose(1, 2)

        dropout = self.dropout if self.training else 0.0
        query, key, value = heads(self.query(hidden)), heads(self.key(hidden)), heads(self.value(hidden))
        if self.training:
            # Written out: the backward pass of the fused kernel takes five times as long on a processor.
            closeness = (query @ key.transpose(-1, -2)).float() / math.sqrt(query.shape[-1])
            context = closeness.masked_fill(~attended, -math.inf).softmax(dim=-1).to(value.dtype) @ value
        else:
            context = functional.scaled_dot_product_attention(query, key, value, attn_mask=attended)
        context = self.attention_output(context.transpose(1, 2).reshape(rows, tokens, HIDDEN))
        hidden = self.attention_norm(hidden + dropped(context, dropout, self.training))
        widened = self.output(functional.gelu(self.intermediate(hidden)))
        normed: Tensor = self.output_norm(hidden + dropped(widened, dropout, self.training))
        return normed


def _embedding(rows: int) -> nn.Embedding:
    # Uninitialised: always read from a file, and drawing twelve million random numbers would cost time at each start.
    return nn.Embedding(rows, HIDDEN, _weight=torch.empty(rows, HIDDEN))


class ToneNetwork(nn.Module):
    """Token ids to logits of negative, neutral and positive.

    Parameters
    ----------
    dropout:
        Probability of dropping a hidden unit, used in training mode only. The weights mean nothing until
        :func:`load_base` and an adapter fill them.
    layers, vocabulary:
        Number of layers and of token ids: those of the base encoder, or of another one of the same family.
    """

    def __init__(self, dropout: float = 0.0, layers: int = LAYERS, vocabulary: int = VOCABULARY) -> None:
        super().__init__()
        self.words = _embedding(vocabulary)
        self.positions = _embedding(POSITIONS)
        self.kinds = _embedding(2)
        self.embedding_norm = nn.LayerNorm(HIDDEN, eps=NORM_EPSILON)
        self.layers = nn.ModuleList(Layer(dropout) for _ in range(layers))
        self.head_dense = nn.Linear(HIDDEN, HIDDEN)
        self.head_output = nn.Linear(HIDDEN, CLASSES)
        self.dropout = dropout

    def set_dropout(self, dropout: float) -> None:
        """Set the probability of dropping a hidden unit, in all layers and the head."""
        self.dropout = dropout
        for layer in self.layers:
            assert isinstance(layer, Layer)
            layer.dropout = dropout

    def embedded(self, ids: Tensor) -> Tensor:
        """What the first layer takes: ``ids`` (n, t) int64 -> (n, t, h)."""
        embedded = self.words(ids) + (self.positions.weight[: ids.shape[1]] + self.kinds.weight[0])
        return dropped(self.embedding_norm(embedded), self.dropout, self.training)

    def pooled(self, ids: Tensor, lengths: Tensor) -> Tensor:
        """Mean of the last hidden states over the real tokens: ``ids`` (n, t) int64, ``lengths`` (n,) int64, each at
        least 1 -> (n, h).
        """
        attended = torch.arange(ids.shape[1], device=ids.device)[None, :] < lengths[:, None]
        hidden = self.embedded(ids)
        for layer in self.layers:
            hidden = layer(hidden, attended[:, None, None, :])
        return mean_of(hidden.float(), attended, lengths)

    def head(self, features: Tensor) -> Tensor:
        """Pooled ``features`` (n, h) float32 -> logits (n, 3).

        Pooling and head stay in float32: both are cheap, and bfloat16 would cost accuracy right where the classes part.
        """
        features = dropped(features, self.dropout, self.training)
        features = dropped(torch.tanh(self.head_dense(features)), self.dropout, self.training)
        logits: Tensor = self.head_output(features)
        return logits

    def forward(self, ids: Tensor, lengths: Tensor) -> Tensor:
        """``ids`` (n, t) int64 padded with 0, ``lengths`` (n,) int64 -> logits (n, 3), float32."""
        return self.head(self.pooled(ids, lengths)).float()


def network_of(arrays: Mapping[str, NDArray[np.float32]], dropout: float = 0.0) -> ToneNetwork:
    """A network filled from ``arrays``, by our names; a head that they lack is drawn at random.

    Raises ``RuntimeError`` for a tensor that is missing or of another shape.
    """
    network = ToneNetwork(dropout, layers_of(arrays), len(arrays["words.weight"]))
    missing, _ = network.load_state_dict(
        {name: torch.from_numpy(array) for name, array in arrays.items()}, strict=False
    )
    if any(not name.startswith("head_") for name in missing):
        raise RuntimeError(f"the network's weights are not complete: missing {missing}")
    return network


def load_base(network: ToneNetwork, directory: Path) -> None:
    """Fill everything but the head of ``network`` from ``model.safetensors`` in ``directory`` (verify it first:
    ``models.base``).
    """
    load_bert(network, load_file(directory / "model.safetensors"))


def load_bert(network: ToneNetwork, stored: Mapping[str, Tensor]) -> None:
    """Fill everything but the head of ``network`` from the tensors of a BERT checkpoint.

    Raises ``KeyError`` for a tensor that is missing and ``RuntimeError`` for one of another shape.
    """
    renamed = {ours: stored[theirs] for ours, theirs in checkpoint_tensors(len(network.layers)).items()}
    missing, unexpected = network.load_state_dict(renamed, strict=False)
    if unexpected or any(not name.startswith("head_") for name in missing):
        raise RuntimeError(f"base weights do not fit the network: missing {missing}, unexpected {unexpected}")

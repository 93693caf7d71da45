"""What training changed in the encoder, small enough to ship: a correction of low rank for each matrix.

A matrix W that training moved by D is served as W + up · down, the best approximation of D of rank r (Eckart and
Young, 1936): the form of a LoRA adapter (Hu et al., 2021, https://arxiv.org/abs/2106.09685), but found after training
instead of before. What is cut off is mostly noise: on tweets held back, rank 40 was no worse than the whole of D.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn

from models.encoder import MATRICES, NORMS, ToneNetwork

_HEADS = ("head_dense", "head_output")


def _matrices(network: ToneNetwork) -> Iterator[tuple[str, nn.Linear]]:
    for index, layer in enumerate(network.layers):
        for name in MATRICES:
            yield f"layers.{index}.{name}", getattr(layer, name)


def _whole(network: ToneNetwork) -> Iterator[tuple[str, Tensor]]:
    """What is small enough to be kept as it is: biases, layer norms, the head."""
    for name, matrix in _matrices(network):
        yield f"{name}.bias", matrix.bias
    norms = [("embedding_norm", network.embedding_norm)]
    for index, layer in enumerate(network.layers):
        norms += [(f"layers.{index}.{name}", getattr(layer, name)) for name in NORMS]
    for name, norm in norms:
        yield f"{name}.weight", norm.weight
        yield f"{name}.bias", norm.bias
    for name in _HEADS:
        head = getattr(network, name)
        yield f"{name}.weight", head.weight
        yield f"{name}.bias", head.bias


def corrections(trained: ToneNetwork, base: ToneNetwork, rank: int) -> dict[str, Tensor]:
    """What makes ``trained`` of ``base``: name -> float16 tensor; of each matrix two factors, up (out, rank) and down
    (rank, in).
    """
    learned = {name: value.detach() for name, value in _whole(trained)}
    for (name, moved), (_, start) in zip(_matrices(trained), _matrices(base), strict=True):
        difference = moved.weight.detach().double() - start.weight.detach().double()
        left, sizes, right = torch.linalg.svd(difference, full_matrices=False)
        # Half of each size to either side: both factors then lie well inside the range of float16.
        half = sizes[:rank].sqrt()
        learned[f"{name}.up"] = left[:, :rank] * half
        learned[f"{name}.down"] = half[:, None] * right[:rank]
    return {name: tensor.to(torch.float16).contiguous() for name, tensor in learned.items()}


def merge(network: ToneNetwork, learned: Mapping[str, Tensor]) -> None:
    """Add the corrections to the matrices of ``network``, the base encoder, in place; set the rest.

    In double precision the products of two float16 numbers are exact and a sum of some dozens of them nearly so:
    whatever order a matrix product sums in, the float32 result is the same on every machine. Raises ``KeyError`` for a
    missing tensor and ``RuntimeError`` for one of another shape.
    """
    with torch.no_grad():
        for name, matrix in _matrices(network):
            correction = learned[f"{name}.up"].double() @ learned[f"{name}.down"].double()
            matrix.weight.copy_((matrix.weight.double() + correction).float())
        for name, value in _whole(network):
            value.copy_(learned[name].float())

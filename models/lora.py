"""What training changed in the encoder, small enough to ship: a correction of low rank for each matrix.

A matrix W that training moved by D is served as W + up · down, the best approximation of D of rank r (Eckart and
Young, 1936): the form of a LoRA adapter (Hu et al., 2021, https://arxiv.org/abs/2106.09685), but found after training
instead of before. What is cut off is mostly noise: on tweets held back, rank 40 was no worse than the whole of D.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from models import merged
from models.architecture import kept_whole, matrices
from models.encoder import ToneNetwork


def corrections(trained: ToneNetwork, base: ToneNetwork, rank: int) -> dict[str, Tensor]:
    """What makes ``trained`` of ``base``: name -> float16 tensor; of each matrix two factors, up (out, rank) and down
    (rank, in).
    """
    moved, start = trained.state_dict(), base.state_dict()
    layers = len(trained.layers)
    learned = {name: moved[name] for name in kept_whole(layers)}
    for name in matrices(layers):
        difference = moved[f"{name}.weight"].double() - start[f"{name}.weight"].double()
        left, sizes, right = torch.linalg.svd(difference, full_matrices=False)
        # Half of each size to either side: both factors then lie well inside the range of float16.
        half = sizes[:rank].sqrt()
        learned[f"{name}.up"] = left[:, :rank] * half
        learned[f"{name}.down"] = half[:, None] * right[:rank]
    return {name: tensor.to(torch.float16).contiguous() for name, tensor in learned.items()}


def merge(network: ToneNetwork, learned: Mapping[str, Tensor]) -> None:
    """Add the corrections to the matrices of ``network``, the base encoder, in place; set the rest.

    As :func:`models.merged.merge` does. Raises ``KeyError`` for a missing tensor, ``ValueError`` or ``RuntimeError``
    for one of another shape.
    """
    base = {name: tensor.numpy() for name, tensor in network.state_dict().items()}
    arrays = merged.merge(base, {name: tensor.numpy() for name, tensor in learned.items()}, len(network.layers))
    network.load_state_dict({name: torch.from_numpy(array) for name, array in arrays.items()})

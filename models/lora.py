"""What training changed in the encoder, small enough to ship: a correction of low rank for each matrix.

A matrix W that training moved by D is served as W + up · down, the best approximation of D of rank r (Eckart and
Young, 1936): the form of a LoRA adapter (Hu et al., 2021, https://arxiv.org/abs/2106.09685), but found after training
instead of before. What is cut off is mostly noise: on tweets held back, what is kept is as good as the whole of D.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from models import merged
from models.architecture import kept_whole, matrices
from models.encoder import ToneNetwork


def corrections(trained: ToneNetwork, base: ToneNetwork, rank: int) -> dict[str, Tensor]:
    """What makes ``trained`` of ``base``: name -> float16 tensor; of each matrix two factors, up (out, r) and down
    (r, in). The factors take as much space as with the same r = ``rank`` everywhere, but r is larger where more is to
    be kept: see :func:`ranks`.
    """
    moved, start = trained.state_dict(), base.state_dict()
    layers = len(trained.layers)
    learned = {name: moved[name] for name in kept_whole(layers)}
    parts = {
        name: torch.linalg.svd(moved[f"{name}.weight"].double() - start[f"{name}.weight"].double(), full_matrices=False)
        for name in matrices(layers)
    }
    chosen = ranks({name: sizes.tolist() for name, (_, sizes, _) in parts.items()}, _costs(start, layers), rank)
    for name, (left, sizes, right) in parts.items():
        kept = chosen[name]
        # Half of each size to either side: both factors then lie well inside the range of float16.
        half = sizes[:kept].sqrt()
        learned[f"{name}.up"] = left[:, :kept] * half
        learned[f"{name}.down"] = half[:, None] * right[:kept]
    return {name: tensor.to(torch.float16).contiguous() for name, tensor in learned.items()}


def _costs(weights: Mapping[str, Tensor], layers: int) -> dict[str, int]:
    """Numbers that one more rank costs, per matrix."""
    return {name: sum(weights[f"{name}.weight"].shape) for name in matrices(layers)}


def ranks(sizes: Mapping[str, Sequence[float]], costs: Mapping[str, int], rank: int) -> dict[str, int]:
    """The rank of each matrix at which, in the space that ``rank`` for all would take, the sum of squares of what is
    cut off is least: singular values, of which ``sizes`` has each matrix's in falling order, are taken by their square
    per number that they cost.
    """
    left = rank * sum(costs.values())
    worth = [(size * size / costs[name], name) for name, values in sizes.items() for size in values]
    chosen = dict.fromkeys(sizes, 0)
    for _, name in sorted(worth, key=lambda one: -one[0]):
        if costs[name] > left:
            break
        left -= costs[name]
        chosen[name] += 1
    return chosen


def merge(network: ToneNetwork, learned: Mapping[str, Tensor]) -> None:
    """Add the corrections to the matrices of ``network``, the base encoder, in place; set the rest.

    As :func:`models.merged.merge` does. Raises ``KeyError`` for a missing tensor, ``ValueError`` or ``RuntimeError``
    for one of another shape.
    """
    base = {name: tensor.numpy() for name, tensor in network.state_dict().items()}
    arrays = merged.merge(base, {name: tensor.numpy() for name, tensor in learned.items()}, len(network.layers))
    network.load_state_dict({name: torch.from_numpy(array) for name, array in arrays.items()})

"""Low-rank adaptation: a frozen matrix W learns a correction s·B·A of rank r (Hu et al., 2021, "LoRA",
https://arxiv.org/abs/2106.09685).
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.encoder import ADAPTED, ToneNetwork


class LowRankLinear(nn.Module):
    """``x W' + b + s (x A') B'`` with W and b frozen in bfloat16, A (r, in) and B (out, r) learned in float32, s =
    alpha / r.
    """

    def __init__(self, frozen: nn.Linear, rank: int, alpha: float, generator: torch.Generator) -> None:
        super().__init__()
        assert frozen.bias is not None
        self.weight = nn.Parameter(frozen.weight.detach().to(torch.bfloat16), requires_grad=False)
        self.bias = nn.Parameter(frozen.bias.detach().to(torch.bfloat16), requires_grad=False)
        self.scale = alpha / rank
        bound = 1.0 / math.sqrt(frozen.in_features)
        first = torch.empty(rank, frozen.in_features).uniform_(-bound, bound, generator=generator)
        self.down = nn.Parameter(first)
        # B starts at zero, so training starts from the base model exactly.
        self.up = nn.Parameter(torch.zeros(frozen.out_features, rank))

    def forward(self, inputs: Tensor) -> Tensor:
        """(..., in) -> (..., out)."""
        return functional.linear(inputs, self.weight, self.bias) + functional.linear(
            functional.linear(inputs, self.down), self.up * self.scale
        )


def attach(network: ToneNetwork, rank: int, alpha: float, seed: int) -> None:
    """Freeze ``network`` but for its head, and give every matrix named in ``ADAPTED`` a fresh low-rank correction."""
    generator = torch.Generator().manual_seed(seed)
    for parameter in network.parameters():
        parameter.requires_grad_(False)
    for head in (network.head_dense, network.head_output):
        for parameter in head.parameters():
            parameter.requires_grad_(True)
    for layer in network.layers:
        for name in ADAPTED:
            setattr(layer, name, LowRankLinear(getattr(layer, name), rank, alpha, generator))


def _adapted(network: ToneNetwork) -> Iterator[tuple[str, nn.Module]]:
    for index, layer in enumerate(network.layers):
        for name in ADAPTED:
            yield f"layers.{index}.{name}", getattr(layer, name)


def factors(network: ToneNetwork) -> dict[str, Tensor]:
    """The learned tensors of an attached network, head included: name -> float16 tensor, detached."""
    learned: dict[str, Tensor] = {}
    for name, module in _adapted(network):
        assert isinstance(module, LowRankLinear)
        learned[f"{name}.down"] = module.down
        learned[f"{name}.up"] = module.up
    for name in ("head_dense", "head_output"):
        head = getattr(network, name)
        learned[f"{name}.weight"] = head.weight
        learned[f"{name}.bias"] = head.bias
    return {name: tensor.detach().to(torch.float16).contiguous() for name, tensor in learned.items()}


def merge(network: ToneNetwork, learned: dict[str, Tensor], scale: float) -> None:
    """Add the corrections ``scale`` · up · down to a plain ``network``'s matrices in place, and set its head.

    In double precision the products of two float16 numbers are exact and a sum of 16 of them nearly so: whatever order
    a matrix product sums in, the float32 result is the same on every machine. Raises ``KeyError`` for a missing tensor
    and ``RuntimeError`` for one of another shape.
    """
    with torch.no_grad():
        for name, module in _adapted(network):
            assert isinstance(module, nn.Linear)
            correction = learned[f"{name}.up"].double() @ learned[f"{name}.down"].double()
            module.weight.copy_((module.weight.double() + scale * correction).float())
        for name in ("head_dense", "head_output"):
            head = getattr(network, name)
            head.weight.copy_(learned[f"{name}.weight"].float())
            head.bias.copy_(learned[f"{name}.bias"].float())

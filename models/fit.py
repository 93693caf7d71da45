"""Fit a network to labels and, where there is one, to a teacher's word."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from models.batches import Tokenised, batches, padded
from models.checkpoint import Checkpoint
from models.encoder import ToneNetwork
from models.recipe import Course
from models.tone import LABELS

CHECKPOINT_STEPS: Final = 200
"""Steps between two checkpoints."""

GRADIENT_NORM: Final = 1.0


def rate_share(step: int, steps: int, course: Course) -> float:
    """The learning rate of a step as a share of the highest: linear warm-up, then linear decay to ``least_rate``."""
    warm = max(1, round(steps * course.warmup))
    left = max(0.0, (steps - step) / max(1, steps - warm))
    return min((step + 1) / warm, course.least_rate + (1 - course.least_rate) * left)


def learned(network: ToneNetwork) -> dict[str, nn.Parameter]:
    """What is trained: all but the embeddings, most of whose rows a few ten thousand texts hardly touch."""
    frozen = ("words.", "positions.", "kinds.")
    return {name: value for name, value in network.named_parameters() if not name.startswith(frozen)}


def _groups(network: ToneNetwork, course: Course) -> list[dict[str, object]]:
    layers = len(network.layers)

    def highest(name: str) -> float:
        if name.startswith("head_"):
            return course.head_rate
        # What lies below the first layer counts as one more.
        depth = layers - 1 - int(name.split(".")[1]) if name.startswith("layers.") else layers
        return course.learning_rate * course.layer_decay**depth

    return [
        {
            "params": [value],
            "highest": highest(name),
            "lr": highest(name),
            "weight_decay": course.weight_decay if value.dim() > 1 else 0.0,
        }
        for name, value in learned(network).items()
    ]


def loss_of(logits: Tensor, labels: Tensor, teacher: Tensor | None, trust: float) -> Tensor:
    """Mean cross-entropy of ``logits`` (n, 3) with ``labels`` (n,), or with a mixture of them and the teacher's
    probabilities (n, 3), which weigh ``trust`` (Hinton et al., 2015, "Distilling the Knowledge in a Neural Network").
    """
    loss = functional.cross_entropy(logits, labels)
    if teacher is None:
        return loss
    return (1 - trust) * loss + trust * functional.cross_entropy(logits, teacher)


def fit(
    network: ToneNetwork,
    data: Tokenised,
    course: Course,
    seed: int,
    checkpoint: Checkpoint,
    teacher: NDArray[np.float32] | None = None,
    trust: float = 0.0,
) -> Iterator[tuple[int, int, float]]:
    """Train ``network`` in place; yields (step, steps, loss) after each step. At the end the network holds the running
    average of its weights: one run then does as well as several averaged.

    ``teacher`` are a teacher's logits (n, 3) for the texts of ``data``.
    """
    for name, value in network.named_parameters():
        value.requires_grad_(name in learned(network))
    weights = list(learned(network).values())
    optimiser = torch.optim.AdamW(_groups(network, course), fused=True)
    average = [value.detach().clone() for value in weights]
    schedule = [batch for epoch in range(course.epochs) for batch in batches(data, course.batch, seed, epoch)]
    start = 0
    state = checkpoint.load()
    if state is not None:
        network.load_state_dict(state["learned"], strict=False)
        optimiser.load_state_dict(state["optimiser"])
        average, start = state["average"], state["step"]
    labels = torch.from_numpy(data.labels)
    word = None if teacher is None else torch.from_numpy(teacher).softmax(dim=1)
    network.train()
    for step in range(start, len(schedule)):
        chosen = torch.from_numpy(schedule[step])
        for group in optimiser.param_groups:
            group["lr"] = group["highest"] * rate_share(step, len(schedule), course)
        ids, lengths = padded([data.ids[index] for index in schedule[step]])
        with torch.autocast("cpu", dtype=torch.bfloat16):
            logits = network(ids, lengths)
        loss = loss_of(logits, labels[chosen], None if word is None else word[chosen], trust)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(weights, GRADIENT_NORM)
        optimiser.step()
        # A short memory at first: the initial weights should not linger in the average.
        decay = min(course.average, (1 + step) / (10 + step))
        with torch.no_grad():
            for mean, value in zip(average, weights, strict=True):
                mean.lerp_(value, 1 - decay)
        if (step + 1) % CHECKPOINT_STEPS == 0:
            checkpoint.save(
                {
                    "step": step + 1,
                    "learned": {name: value.detach() for name, value in learned(network).items()},
                    "average": average,
                    "optimiser": optimiser.state_dict(),
                }
            )
        yield step + 1, len(schedule), loss.item()
    with torch.no_grad():
        for mean, value in zip(average, weights, strict=True):
            value.copy_(mean)


def logits_of(network: ToneNetwork, data: Tokenised, rows: int = 64) -> NDArray[np.float32]:
    """Logits (n, 3) of all texts, in evaluation mode, bfloat16 autocast."""
    network.eval()
    order = sorted(range(len(data.ids)), key=lambda index: len(data.ids[index]))
    result = np.empty((len(order), len(LABELS)), dtype=np.float32)
    with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16):
        for start in range(0, len(order), rows):
            chosen = order[start : start + rows]
            result[chosen] = network(*padded([data.ids[index] for index in chosen])).numpy()
    return result

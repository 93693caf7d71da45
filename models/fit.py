"""Fit a network to labels, or to what other networks say."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from models.architecture import EMBEDDINGS
from models.batches import batches, padded
from models.checkpoint import Checkpoint
from models.encoder import ToneNetwork
from models.patience import Watch
from models.recipe import Course
from models.tone import LABELS
from models.torch_network import fastest_autocast

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
    return {name: value for name, value in network.named_parameters() if name not in EMBEDDINGS}


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


def certain(labels: NDArray[np.int64]) -> NDArray[np.float32]:
    """Labels (n,) as probabilities, (n, 3)."""
    return np.eye(len(LABELS), dtype=np.float32)[labels]


def steps_of(texts: int, course: Course) -> int:
    """How many steps a course of this many texts has."""
    return course.epochs * math.ceil(texts / course.batch)


@contextlib.contextmanager
def _holding(weights: Sequence[Tensor], values: Sequence[Tensor]) -> Iterator[None]:
    """For a while ``weights`` hold other ``values``; afterwards they hold their own again, bit for bit."""
    own = [weight.detach().clone() for weight in weights]
    _put(values, weights)
    try:
        yield
    finally:
        _put(own, weights)


def _put(values: Sequence[Tensor], weights: Sequence[Tensor]) -> None:
    with torch.no_grad():
        for value, weight in zip(values, weights, strict=True):
            weight.copy_(value)


def fit(
    network: ToneNetwork,
    texts: Sequence[Sequence[int]],
    answers: NDArray[np.float32],
    course: Course,
    seed: int,
    checkpoint: Checkpoint,
    watch: Watch | None = None,
) -> Iterator[tuple[int, int, float]]:
    """Train ``network`` in place; yields (step, steps, loss) after each step. At the end the network holds the running
    average of its weights: one run then does as well as several averaged.

    ``texts`` are n rows of token ids, ``answers`` (n, 3) what it should say of them: probabilities of the tones, or 1
    and 0 for a label.

    A ``watch`` judges the average on the way, which changes nothing of the steps; it may end them early, and at the end
    the network holds the best that was judged. What a stop must not lose of it is in the checkpoint.
    """
    for name, value in network.named_parameters():
        value.requires_grad_(name in learned(network))
    weights = list(learned(network).values())
    optimiser = torch.optim.AdamW(_groups(network, course), fused=True)
    average = [value.detach().clone() for value in weights]
    schedule = [batch for epoch in range(course.epochs) for batch in batches(texts, course.batch, seed, epoch)]
    start = 0
    state = checkpoint.load()
    if state is not None:
        network.load_state_dict(state["learned"], strict=False)
        optimiser.load_state_dict(state["optimiser"])
        average, start = state["average"], state["step"]
        if watch is not None:
            watch.restore(state["watch"])
    wanted = torch.from_numpy(answers)
    network.set_dropout(course.dropout)
    network.train()
    for step in range(start, len(schedule)):
        if watch is not None and watch.over:
            break
        chosen = torch.from_numpy(schedule[step])
        for group in optimiser.param_groups:
            group["lr"] = group["highest"] * rate_share(step, len(schedule), course)
        ids, lengths = padded([texts[index] for index in schedule[step]])
        with fastest_autocast():
            logits = network(ids, lengths)
        loss = functional.cross_entropy(logits, wanted[chosen])
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(weights, GRADIENT_NORM)
        optimiser.step()
        # A short memory at first: the initial weights should not linger in the average.
        decay = min(course.average, (1 + step) / (10 + step))
        with torch.no_grad():
            for mean, value in zip(average, weights, strict=True):
                mean.lerp_(value, 1 - decay)
        if watch is not None and step + 1 in watch.due:
            with _holding(weights, average):
                watch.look(step + 1, network, average)
            network.train()
        if (step + 1) % CHECKPOINT_STEPS == 0:
            checkpoint.save(
                {
                    "step": step + 1,
                    "learned": {name: value.detach() for name, value in learned(network).items()},
                    "average": average,
                    "optimiser": optimiser.state_dict(),
                    **({} if watch is None else {"watch": watch.state()}),
                }
            )
        yield step + 1, len(schedule), loss.item()
    _put(average if watch is None else watch.best, weights)


def logits_of(network: ToneNetwork, texts: Sequence[Sequence[int]], rows: int = 64) -> NDArray[np.float32]:
    """Logits (n, 3) of all texts, in evaluation mode, in the precision of the training."""
    network.eval()
    order = sorted(range(len(texts)), key=lambda index: len(texts[index]))
    result = np.empty((len(order), len(LABELS)), dtype=np.float32)
    with torch.inference_mode(), fastest_autocast():
        for start in range(0, len(order), rows):
            chosen = order[start : start + rows]
            result[chosen] = network(*padded([texts[index] for index in chosen])).numpy()
    return result

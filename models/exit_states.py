"""Texts on their way through a network, layer by layer, and what an exit makes of them there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import track
from torch import Tensor

from models.architecture import CLASSES, HIDDEN
from models.batches import padded
from models.encoder import ToneNetwork, mean_of
from models.exits import Exit
from models.training_part import console

# Texts of about the same length that go through a layer together.
_ROWS: Final = 64


class Passing:
    """``texts``, token ids, before the first layer of ``network``; :meth:`step` takes them through the next one.

    In float32 whatever the processor: exits should learn what the network says, and not what bfloat16 makes of it.
    All hidden states are held, 1.5 KB a token. ``name`` names the texts on the screen.
    """

    def __init__(self, network: ToneNetwork, texts: Sequence[Sequence[int]], name: str) -> None:
        self._network = network.eval()
        self.texts, self.name = texts, name
        self.passed = 0
        """Layers."""
        self.lengths: NDArray[np.int64] = np.array([len(text) for text in texts], dtype=np.int64)
        self._starts = np.cumsum(self.lengths) - self.lengths
        self._states = torch.empty((int(self.lengths.sum()), HIDDEN))
        order = np.argsort(self.lengths, kind="stable")
        self._batches = [order[start : start + _ROWS] for start in range(0, len(order), _ROWS)]
        with torch.inference_mode():
            for rows in self._batches:
                ids, lengths = padded([texts[row] for row in rows])
                self._keep(rows, network.embedded(ids), _attended(lengths, ids.shape[1]))

    def __len__(self) -> int:
        return len(self.lengths)

    def step(self) -> None:
        """Go through the next layer."""
        layer = self._network.layers[self.passed]
        self.passed += 1
        what = f"exits: layer {self.passed} reads {self.name}"
        with torch.inference_mode():
            for rows in track(self._batches, what, console=console):
                hidden, attended = self.of(rows)
                self._keep(rows, layer(hidden, attended[:, None, None, :]), attended)

    def of(self, rows: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        """Hidden states of some texts as they are now, (n, t, HIDDEN) float32, and which of them are a text's, (n, t)
        bool; the others are 0.
        """
        lengths = torch.from_numpy(self.lengths[rows])
        width = int(lengths.max())
        attended = _attended(lengths, width)
        places = torch.from_numpy(self._starts[rows])[:, None] + torch.arange(width)
        hidden = self._states[places.clamp_(max=len(self._states) - 1)]
        return hidden.masked_fill_(~attended[:, :, None], 0.0), attended

    def says(self, leaving: Exit) -> NDArray[np.float32]:
        """What an exit says here: probabilities (n, 3)."""
        queries, dense, dense_bias, output, output_bias = (
            torch.from_numpy(array)
            for array in (leaving.queries, leaving.dense, leaving.dense_bias, leaving.output, leaving.output_bias)
        )
        said = np.empty((len(self), CLASSES), dtype=np.float32)
        with torch.inference_mode():
            for rows in self._batches:
                hidden = torch.tanh(pooled(*self.of(rows), queries) @ dense.T + dense_bias)
                said[rows] = torch.softmax(hidden @ output.T + output_bias, dim=1).numpy()
        return said

    def told(self, temperature: float) -> NDArray[np.float32]:
        """What the network's own head says here, calibrated: probabilities (n, 3). Meant for behind the last layer."""
        said = np.empty((len(self), CLASSES), dtype=np.float32)
        with torch.inference_mode():
            for rows in self._batches:
                hidden, attended = self.of(rows)
                mean = mean_of(hidden, attended, torch.from_numpy(self.lengths[rows]))
                said[rows] = torch.softmax(self._network.head(mean) / temperature, dim=1).numpy()
        return said

    def _keep(self, rows: NDArray[np.int64], hidden: Tensor, attended: Tensor) -> None:
        places = torch.from_numpy(self._starts[rows])[:, None] + torch.arange(hidden.shape[1])
        self._states[places[attended]] = hidden[attended]


def _attended(lengths: Tensor, width: int) -> Tensor:
    return torch.arange(width)[None, :] < lengths[:, None]


def pooled(hidden: Tensor, attended: Tensor, queries: Tensor) -> Tensor:
    """For each of the ``queries`` (q, h) a mean of the states ``hidden`` (n, t, h), weighted by the softmax of their
    products with it ("attention pooling"), one behind the other: (n, q h). ``attended`` (n, t) bool, True at a text's
    own states.
    """
    closeness = (hidden @ queries.T).masked_fill(~attended[:, :, None], -torch.inf)
    return (closeness.softmax(dim=1).transpose(1, 2) @ hidden).flatten(start_dim=1)

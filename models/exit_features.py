"""What exits see of texts: hidden states after some layers, pooled, and what the whole network says in the end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import track
from torch import Tensor

from models.architecture import CLASSES
from models.batches import padded
from models.encoder import ToneNetwork, mean_of
from models.exits import AFTER, FEATURES
from models.training_part import console


@dataclass(frozen=True)
class Seen:
    """For n texts and the e exits of ``AFTER``: ``features`` (n, e, FEATURES) float16, the whole network's calibrated
    ``probabilities`` (n, 3) float32, and ``tokens`` (n,) int64.
    """

    features: NDArray[np.float16]
    probabilities: NDArray[np.float32]
    tokens: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.tokens)

    def of(self, rows: NDArray[np.int64] | slice) -> Seen:
        """Some of the texts."""
        return Seen(self.features[rows], self.probabilities[rows], self.tokens[rows])

    @property
    def tones(self) -> NDArray[np.int64]:
        """The tone that the whole network gives each text, (n,)."""
        tones: NDArray[np.int64] = self.probabilities.argmax(axis=1)
        return tones


def pooled(hidden: Tensor, attended: Tensor, lengths: Tensor) -> Tensor:
    """``hidden`` (n, t, h), ``attended`` (n, t) bool, True at real tokens, ``lengths`` (n,) -> mean and largest side
    by side, (n, 2 h).
    """
    mean = mean_of(hidden, attended, lengths)
    largest = hidden.masked_fill(~attended[:, :, None], -torch.inf).amax(dim=1)
    return torch.cat((mean, largest), dim=1)


def look(network: ToneNetwork, temperature: float, texts: Sequence[Sequence[int]], what: str, rows: int = 64) -> Seen:
    """Run ``network`` on n ``texts``, token ids, in float32 whatever the processor: exits should learn what the network
    says, and not what bfloat16 makes of it. ``what`` names the texts on the screen.
    """
    network.eval()
    lengths = np.array([len(text) for text in texts], dtype=np.int64)
    order = np.argsort(lengths, kind="stable")
    features = np.empty((len(texts), len(AFTER), FEATURES), dtype=np.float16)
    probabilities = np.empty((len(texts), CLASSES), dtype=np.float32)
    starts = track(range(0, len(order), rows), f"exits: the network reads {what}", console=console)
    with torch.inference_mode():
        for start in starts:
            chosen = order[start : start + rows]
            ids, real = padded([texts[index] for index in chosen])
            attended = torch.arange(ids.shape[1])[None, :] < real[:, None]
            hidden = network.embedded(ids)
            for done, layer in enumerate(network.layers, start=1):
                hidden = layer(hidden, attended[:, None, None, :])
                if done in AFTER:
                    features[chosen, AFTER.index(done)] = pooled(hidden, attended, real).numpy()
            logits = network.head(mean_of(hidden, attended, real))
            probabilities[chosen] = torch.softmax(logits / temperature, dim=1).numpy()
    return Seen(features, probabilities, lengths)

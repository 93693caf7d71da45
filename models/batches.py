"""Texts as batches of token ids, for training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.normalise import normalise
from models.tokeniser import PAD, Tokeniser

# Batches are cut from stretches of this many batches sorted by length: hardly any padding, still nearly random company.
SORTED_STRETCH: Final = 50


def tokenise(texts: Sequence[str], tokeniser: Tokeniser) -> list[list[int]]:
    """Token ids of each text, normalised and tokenised exactly as serving does."""
    return tokeniser([normalise(text) for text in texts])


def padded(ids: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    """Ids (n, t) int64 padded to the longest, and lengths (n,) int64."""
    lengths = torch.tensor([len(row) for row in ids])
    result = torch.full((len(ids), int(lengths.max())), PAD)
    for row, tokens in enumerate(ids):
        result[row, : len(tokens)] = torch.tensor(tokens)
    return result, lengths


def batches(ids: Sequence[Sequence[int]], size: int, seed: int, epoch: int) -> list[NDArray[np.int64]]:
    """Row indices of each batch of an epoch, a function of ``seed`` and ``epoch`` alone, so that a resumed training
    sees the same batches.
    """
    generator = np.random.default_rng((seed, epoch))
    order = generator.permutation(len(ids))
    lengths = np.array([len(row) for row in ids])
    cut: list[NDArray[np.int64]] = []
    for start in range(0, len(order), size * SORTED_STRETCH):
        stretch = order[start : start + size * SORTED_STRETCH]
        stretch = stretch[np.argsort(lengths[stretch], kind="stable")]
        cut.extend(stretch[at : at + size] for at in range(0, len(stretch), size))
    return [cut[index] for index in generator.permutation(len(cut))]

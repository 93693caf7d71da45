"""Vectors of Russian words from multilingual-e5-small, for training the n-gram model: serving it needs none.

The vector of a word is the mean of the last hidden states of its pieces, the word standing alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from models.architecture import HEADS, HIDDEN, INTERMEDIATE, POSITIONS, checkpoint_tensors
from models.lexicon import SHORTEST
from models.multilingual import BEGIN, END, LAYERS, PAD, UNKNOWN, Image, base_arrays, tokenizer_of
from models.torch_network import fastest_autocast

_BATCH: Final = 256
_RUSSIAN_WORD: Final = re.compile(f"\u2581[а-яёА-ЯЁ]{{{SHORTEST},}}")


def russian_words(image: Image) -> list[str]:
    """The Russian words in the encoder's vocabulary, folded."""
    found = (piece[1:].lower().replace("ё", "е") for piece in image.pieces if _RUSSIAN_WORD.fullmatch(piece))
    return list(dict.fromkeys(found))


def vectors(
    image: Image, words: Sequence[str], progress: Callable[[int], None] = lambda _: None
) -> NDArray[np.float32]:
    """The vector of each word, (n, HIDDEN); ``progress`` is told how many are done."""
    whole = tokenizer_of(image)
    used = sorted({BEGIN, PAD, END, UNKNOWN}.union(*(row.ids for row in whole.encode_batch(list(words)))))
    tokenizer = tokenizer_of(image, np.asarray(used))
    encoder = _encoder(image, np.asarray(used))
    ids = [row.ids for row in tokenizer.encode_batch(list(words))]
    order = sorted(range(len(ids)), key=lambda index: (len(ids[index]), index))
    result = np.zeros((len(words), HIDDEN), dtype=np.float32)
    with torch.inference_mode(), fastest_autocast():
        for start in range(0, len(order), _BATCH):
            chosen = order[start : start + _BATCH]
            longest = len(ids[chosen[-1]])
            padded = torch.full((len(chosen), longest), PAD)
            for row, index in enumerate(chosen):
                padded[row, : len(ids[index])] = torch.tensor(ids[index])
            hidden = encoder(input_ids=padded, attention_mask=(padded != PAD).long()).last_hidden_state.float()
            inner = ((padded != PAD) & (padded != BEGIN) & (padded != END))[:, :, None]
            mean = (hidden * inner).sum(1) / inner.sum(1).clamp(min=1)
            result[chosen] = mean.numpy()
            progress(min(start + _BATCH, len(order)))
    return result


def _encoder(image: Image, rows: NDArray[np.int64]) -> torch.nn.Module:
    from transformers import BertConfig, BertModel

    config = BertConfig(
        vocab_size=len(rows),
        hidden_size=HIDDEN,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        intermediate_size=INTERMEDIATE,
        max_position_embeddings=POSITIONS,
        pad_token_id=PAD,
    )
    encoder: torch.nn.Module = BertModel(config, add_pooling_layer=False)  # type: ignore[no-untyped-call]
    arrays = base_arrays(image, rows)
    names = checkpoint_tensors(LAYERS)
    encoder.load_state_dict({names[name]: torch.from_numpy(array) for name, array in arrays.items()})
    return encoder.eval()

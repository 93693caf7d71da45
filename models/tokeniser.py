"""Cleaned text to token ids, cut to the length the model reads."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from models.word_ids import WordIds, cuts_at_spaces

MAX_TOKENS: Final = 64
"""Tokens the bundled model reads of a text, [CLS] and [SEP] included. 99 % of tweets are shorter."""

PAD: Final = 0
"""Id of the bundled model's padding token."""


class Tokeniser:
    """A Rust tokeniser set to give each text its own ids, unpadded, at most ``max_tokens`` of them.

    Thread-safe. It works on the calling thread alone unless ``TOKENIZERS_PARALLELISM`` says otherwise (``models`` turns
    that off at import, where the user has not decided: the processor is busy with batches meanwhile).
    """

    def __init__(self, tokenizer: Tokenizer, max_tokens: int = MAX_TOKENS, pad: int = PAD) -> None:
        self.max_tokens = max_tokens
        self.pad = pad
        tokenizer.no_padding()
        tokenizer.enable_truncation(max_length=max_tokens)
        self._tokenizer = tokenizer
        self._words = WordIds(tokenizer, max_tokens) if cuts_at_spaces(tokenizer) else None

    @classmethod
    def from_file(cls, file: Path, max_tokens: int = MAX_TOKENS, pad: int = PAD) -> Tokeniser:
        """Read a ``tokenizer.json``."""
        return cls(Tokenizer.from_file(str(file)), max_tokens, pad)

    def __call__(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of each text; at least one, even of an empty text under a tokeniser that adds no special tokens."""
        return [ids.tolist() for ids in self.arrays(texts)]

    def arrays(self, texts: Sequence[str]) -> list[NDArray[np.int64]]:
        """As a call, each text's ids (tokens,) an array, which is faster."""
        if self._words is not None:
            return self._words(texts)
        encoded = self._tokenizer.encode_batch_fast(list(texts))
        return [np.asarray(encoding.ids or [self.pad], np.int64) for encoding in encoded]

"""Token ids of words, remembered: a tokeniser that cuts at spaces first need not cut the same word again."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import chain
from typing import Final

from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer

# Characters of all remembered words, and as many more a word as its entry weighs: about 40,000 words in 10 MB.
_MOST_CHARACTERS: Final = 1_000_000
_ENTRY: Final = 20


def cuts_at_spaces(tokenizer: Tokenizer) -> bool:
    """Whether the ids of a text are those of what stands between its spaces, one after the other, between one special
    token at each end: BERT's tokenisers, whose steps look at one character or one word at a time.
    """
    return (
        isinstance(tokenizer.model, WordPiece)
        and isinstance(tokenizer.normalizer, BertNormalizer)
        and isinstance(tokenizer.pre_tokenizer, BertPreTokenizer)
        and not any(
            token.lstrip or token.rstrip or token.single_word or " " in token.content
            for token in tokenizer.get_added_tokens_decoder().values()
        )
        and len(tokenizer.encode("").ids) == 2
    )


class AsciiWords:
    """Ids of ASCII words: what BERT's tokenisers do to them is little, and asking the library for one word takes six
    times as long. Lower case, each mark by itself, then the longest pieces from the left that the vocabulary holds
    (WordPiece: Wu et al., 2016, section 4.1).
    """

    # Letters and digits together, each mark by itself: all of printable ASCII but the space.
    _PARTS: Final = re.compile(r"[A-Za-z0-9]+|[!-/:-@\[-`{-~]")

    def __init__(self, tokenizer: Tokenizer) -> None:
        model = tokenizer.model
        self._vocabulary: dict[str, int] = tokenizer.get_vocab()
        self._unknown = self._vocabulary.get(model.unk_token)
        self._inside: str = model.continuing_subword_prefix
        self._longest: int = model.max_input_chars_per_word
        self._lower: bool = tokenizer.normalizer.lowercase
        added = tokenizer.get_added_tokens_decoder().values()
        self._special = {token.content[:1] for token in added}
        # Such a token is looked for in what the library has made of a text, and not in the text.
        self._leaves_all = self._unknown is None or any(token.normalized for token in added)

    def __call__(self, word: str) -> list[int] | None:
        """Ids of a word without spaces; ``None`` for one that is left to the library."""
        if self._leaves_all or not word.isascii() or not word.isprintable() or not self._special.isdisjoint(word):
            return None
        found: list[int] = []
        for part in self._PARTS.findall(word.lower() if self._lower else word):
            whole = self._vocabulary.get(part)
            found += [whole] if whole is not None and len(part) <= self._longest else self._pieces(part)
        return found

    def _pieces(self, part: str) -> list[int]:
        assert self._unknown is not None
        length = len(part)
        if length > self._longest:
            return [self._unknown]
        found: list[int] = []
        start, known = 0, self._vocabulary.get
        while start < length:
            prefix = self._inside if start else ""
            for end in range(length, start, -1):
                piece = known(prefix + part[start:end])
                if piece is not None:
                    found.append(piece)
                    start = end
                    break
            else:
                return [self._unknown]
        return found


class WordIds:
    """Ids of texts under a tokeniser that :func:`cuts_at_spaces`, at most ``max_tokens`` a text: the very ids that it
    gives, six times as fast. Thread-safe; what it remembers changes no id.
    """

    def __init__(self, tokenizer: Tokenizer, max_tokens: int) -> None:
        self._tokenizer = tokenizer
        self._ascii = AsciiWords(tokenizer)
        self._start, self._end = tokenizer.encode("").ids
        self._most = max_tokens - 2
        self._ids_of: dict[str, list[int]] = {}
        self._characters = 0

    def __call__(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of each text."""
        if self._characters > _MOST_CHARACTERS:
            # Another thread goes on with the old words; those in use are soon back.
            self._ids_of, self._characters = {}, 0
        ids_of = self._ids_of
        cut = [text.split(" ") for text in texts]
        new = list({word for words in cut for word in words if word not in ids_of})
        if new:
            found = {word: self._ascii(word) for word in new}
            others = [word for word, ids in found.items() if ids is None]
            encoded = self._tokenizer.encode_batch_fast(others, add_special_tokens=False) if others else []
            ids_of.update((word, ids) for word, ids in found.items() if ids is not None)
            ids_of.update((word, encoding.ids) for word, encoding in zip(others, encoded, strict=True))
            self._characters += sum(map(len, new)) + _ENTRY * len(new)
        start, end, most = self._start, self._end, self._most
        return [[start, *list(chain.from_iterable(map(ids_of.__getitem__, words)))[:most], end] for words in cut]

"""Token ids of words, remembered: a tokeniser that cuts at spaces first need not cut the same word again."""

from __future__ import annotations

import re
from array import array
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray
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


# European letters and usual marks: no white space, and none whose form hangs on another, as accents by themselves do.
_EUROPEAN: Final = "!-~\xa1-\u017f\u0386-\u03ce\u0400-\u045f\u0490\u0491\u2010-\u2027\u2030-\u205e\u20ac\u20bd\u2122"


class PlainWords:
    """Words whose parts are told without the library, which takes six times as long: those in European letters. BERT's
    tokenisers give each letter a form (small, without accent) and let each mark stand by itself.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        form_of, cut = tokenizer.normalizer.normalize_str, tokenizer.pre_tokenizer.pre_tokenize_str
        added = tokenizer.get_added_tokens_decoder().values()
        first = {token.content[:1] for token in added}
        forms = {letter: form_of(letter) for letter in re.findall(f"[{_EUROPEAN}]", "".join(map(chr, range(0x2200))))}
        # No added token stands in a plain word or in one of its parts, and a part is a plain word that stays as it is.
        plain = {
            letter: form
            for letter, form in forms.items()
            if first.isdisjoint(letter + form) and all(forms.get(one) == one for one in form)
        }
        if any(token.normalized for token in added):
            # Such a token is looked for in what the library has made of a text, and not in the text.
            plain = {}
        marks = re.escape("".join(form for form in set("".join(plain.values())) if len(cut(f"a{form}a")) > 1))
        self._forms = str.maketrans(plain)
        self._lower: bool = tokenizer.normalizer.lowercase
        # A word has no space; with it no set is empty.
        self._is_other = re.compile(f"[^ {re.escape(''.join(plain))}]").search
        self._parts = re.compile(f"[ {marks}]|[^ {marks}]+").findall

    def __call__(self, word: str) -> list[str] | None:
        """Parts of a word without spaces, in their form; ``None`` for a word that is left to the library."""
        if self._is_other(word):
            return None
        if not word.isascii():
            word = word.translate(self._forms)
        elif self._lower:
            word = word.lower()
        return [word] if word.isalnum() else self._parts(word)


class _Known(dict[str, bytes]):
    """Ids of words, as the bytes of an array: they take little room, and are put together at once. A word that is not
    known yet is cut when it is asked for, into parts and these into pieces (WordPiece: Wu et al., 2016, section 4.1).
    """

    def __init__(self, tokenizer: Tokenizer, plain: PlainWords) -> None:
        self._tokenizer = tokenizer
        self._pieces = tokenizer.model.tokenize
        self._plain = plain
        self.characters = 0

    def __missing__(self, word: str) -> bytes:
        parts = self._plain(word)
        if parts is None:
            ids = _bytes(self._tokenizer.encode(word, add_special_tokens=False).ids)
        else:
            ids = b"".join([self.get(part) or self._cut(part) for part in parts])
        self[word] = ids
        self.characters += len(word) + _ENTRY
        return ids

    def _cut(self, part: str) -> bytes:
        ids = self[part] = _bytes([piece.id for piece in self._pieces(part)])
        self.characters += len(part) + _ENTRY
        return ids


def _bytes(ids: list[int]) -> bytes:
    return array("q", ids).tobytes()


class WordIds:
    """Ids of texts under a tokeniser that :func:`cuts_at_spaces`, at most ``max_tokens`` a text: the very ids that it
    gives, six times as fast. Thread-safe; what it remembers changes no id.
    """

    def __init__(self, tokenizer: Tokenizer, max_tokens: int) -> None:
        self._tokenizer = tokenizer
        self._plain = PlainWords(tokenizer)
        start, end = tokenizer.encode("").ids
        self._start, self._end = _bytes([start]), _bytes([end])
        self._most = max_tokens * len(self._start)
        self._known = _Known(tokenizer, self._plain)

    def __call__(self, texts: Sequence[str]) -> list[NDArray[np.int64]]:
        """Token ids (tokens,) of each text."""
        if self._known.characters > _MOST_CHARACTERS:
            # Another thread goes on with the old words; those in use are soon back.
            self._known = _Known(self._tokenizer, self._plain)
        ids_of, start, end, most = self._known.__getitem__, self._start, self._end, self._most
        found = [b"".join((start, *map(ids_of, text.split(" ")), end)) for text in texts]
        return [np.frombuffer(ids if len(ids) <= most else ids[: most - len(end)] + end, np.int64) for ids in found]

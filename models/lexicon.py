"""Words with a learned tone, known by hash: how the Russian model reads words that its training texts do not have.

The tone of an entry was learned through word vectors (see :mod:`models.word_vectors`), so that words which mean alike
weigh alike, whether or not they occur in the training texts. Serving needs no vectors: only the numbers they led to. A
word that is not an entry takes the mean of the entries that share its beginning: an unknown case or tense of a known
word.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

SHORTEST: Final = 2
"""Letters of a word."""

SHORTEST_BEGINNING: Final = 4
LONGEST_ENDING: Final = 3
"""Letters that a beginning has at least, and that an unknown word may have beyond it."""

_WORD: Final = re.compile(f"[а-яa-z]{{{SHORTEST},}}")


def words_of(folded: str) -> list[str]:
    """The words of a folded text, each once, in order."""
    return list(dict.fromkeys(_WORD.findall(folded)))


def word_key(word: str) -> int:
    """Key of a word, 32 bits."""
    return crc32(word.encode())


def beginning_key(beginning: str) -> int:
    """Key of the beginning of a word, 32 bits; another one than that of the same letters as a word."""
    return crc32(beginning.encode(), 1)


def beginnings(word: str) -> Iterator[str]:
    """The beginnings that a word may be known by, the longest first; the whole word is one."""
    for cut in range(LONGEST_ENDING + 1):
        if len(word) - cut >= SHORTEST_BEGINNING:
            yield word[: len(word) - cut]


class Lexicon:
    """Finds the entry of a word.

    Parameters
    ----------
    keys : (e,) uint32
        ``word_key`` or ``beginning_key`` of each entry.
    """

    def __init__(self, keys: NDArray[np.uint32]) -> None:
        self._entry_of = {key: entry for entry, key in enumerate(keys.tolist())}

    def entry(self, word: str) -> int | None:
        """The number of the entry of ``word``, or of the longest known beginning; None where there is none."""
        entry = self._entry_of.get(word_key(word))
        if entry is None:
            for beginning in beginnings(word):
                entry = self._entry_of.get(beginning_key(beginning))
                if entry is not None:
                    break
        return entry

    def entries(self, folded: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Row and entry (m,) of each word of each text that has an entry, by row."""
        rows: list[int] = []
        entries: list[int] = []
        for row, text in enumerate(folded):
            found = [entry for word in words_of(text) if (entry := self.entry(word)) is not None]
            rows.extend([row] * len(found))
            entries.extend(found)
        return np.asarray(rows, dtype=np.int64), np.asarray(entries, dtype=np.int64)

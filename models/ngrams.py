"""Texts as sets of hashed n-grams: what the Russian model counts.

Two blocks of features, each n-gram counted once a text however often it occurs:

* characters: 2 to 5 in a row inside a word, the blanks around the word included. They carry Russian's endings and
  prefixes, and bear misspelling;
* words: single words and pairs of neighbours; punctuation counts as words, so ``)))`` and ``не работает`` are seen.

An n-gram is known by a hash alone, so no vocabulary has to be kept. Everything here is integer arithmetic on one text
at a time: the same numbers in any company, on any machine.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from models.normalise import clean

FOLDING: Final = 1
"""Version of :func:`fold` and of the hashes."""

BITS: Final = 19
"""The features of both blocks share ``2**BITS`` buckets."""

BLOCKS: Final = 2
"""Characters, words."""

SHORTEST: Final = 2
LONGEST: Final = 5
"""Characters of an n-gram."""

# Which brand is meant says how it fared in the year of the training texts, not what is said of it.
BRANDS: Final = (
    r"(?:сбер(?:банк|бан|ег)?|втб|альфа-?\s?банк|альфа|газпромбанк|россельхозбанк|рсхб|райффайзен|уралсиб|мтс|билайн"
    r"|мегафон|теле\s?2|tele\s?2|ростелеком|beeline|megafon|mts|sberbank|vtb|alfa-?bank|alfabank|rostelecom)\w*"
    r"|банк\w{0,3} москвы|bank of moscow"
)
"""Pattern of the brands of the training texts, in lower case."""

_BRANDS: Final = re.compile(BRANDS)
_DIGITS: Final = re.compile(r"\d+")
_LONG_RUNS: Final = re.compile(r"(\D)\1{2,}")
_TOKENS: Final = re.compile(r"\w+|[^\w\s]+")

_BASE: Final = np.uint64(0x100000001B3)
_MIX: Final = np.uint64(0x9E3779B97F4A7C15)
_BLANK: Final = 32


def fold(text: str) -> str:
    """Return ``text`` as the Russian model reads it, in training and in serving: cleaned (:mod:`models.normalise`), in
    lower case, ё as е, brands of the training texts as one word, numbers as 0, drawn-out characters shortened.
    """
    text = clean(text).lower().replace("ё", "е")
    text = _BRANDS.sub("бренд", text)
    text = _DIGITS.sub("0", text)
    return _LONG_RUNS.sub(r"\1\1", text)


def features(folded: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """The features of folded texts.

    Returns
    -------
    rows, blocks, buckets : (m,) int64 each
        One entry for each feature that a text has, sorted by row, then block, then bucket.
    """
    characters = _characters(folded)
    words = _words(folded)
    keys = np.unique(np.concatenate([characters, words]))
    return (
        (keys >> np.uint64(BITS + 1)).astype(np.int64),
        ((keys >> np.uint64(BITS)) & np.uint64(1)).astype(np.int64),
        (keys & np.uint64((1 << BITS) - 1)).astype(np.int64),
    )


def _keys(rows: NDArray[np.uint64], block: int, hashes: NDArray[np.uint64]) -> NDArray[np.uint64]:
    buckets = (hashes * _MIX) >> np.uint64(64 - BITS)
    keys: NDArray[np.uint64] = ((rows * np.uint64(BLOCKS) + np.uint64(block)) << np.uint64(BITS)) | buckets
    return keys


def _characters(folded: Sequence[str]) -> NDArray[np.uint64]:
    padded = [f" {text} " for text in folded]
    codes = np.frombuffer("".join(padded).encode("utf-32-le"), dtype="<u4").astype(np.uint64)
    rows = np.repeat(np.arange(len(padded), dtype=np.uint64), [len(text) for text in padded])
    blanks = np.concatenate([[0], np.cumsum(codes == _BLANK)])
    found: list[NDArray[np.uint64]] = []
    hashes = codes
    for size in range(2, LONGEST + 1):
        # hashes[i] covers size - 1 characters from i on.
        hashes = hashes[:-1] * _BASE + codes[size - 1 :]
        starts = np.arange(len(codes) - size + 1)
        inside = blanks[starts + size - 1] == blanks[starts + 1]
        good = inside & (rows[starts] == rows[starts + size - 1])
        found.append(_keys(rows[starts][good], 0, hashes[good] + np.uint64(size)))
    return np.concatenate(found)


def _words(folded: Sequence[str]) -> NDArray[np.uint64]:
    rows: list[int] = []
    hashes: list[int] = []
    for row, text in enumerate(folded):
        before: int | None = None
        for token in _TOKENS.findall(text):
            word = token.encode()
            hashes.append(crc32(word))
            if before is not None:
                hashes.append(crc32(word, before))
            before = crc32(b" ", hashes[-1] if before is None else crc32(word))
        rows.extend([row] * (len(hashes) - len(rows)))
    return _keys(np.asarray(rows, dtype=np.uint64), 1, np.asarray(hashes, dtype=np.uint64))

"""When two texts are one: the same words, or the same but for a word or two.

Two texts are compared if their first or their last eight words are the same (a shingle each end; a syndicated headline
is changed at one end, "BREAKING" before it or a source behind), and are near-copies if their SimHash of words (Charikar
2002; 64 bits) differs in eight bits at most. Distinct complaints begin alike often enough ("I've been on hold for two
hours"), so one shared end alone does not do. Texts of fewer than ten words must be the same word for word, those of
fewer than six are too likely to be the same by chance.
"""

from __future__ import annotations

import hashlib
import re

import msgspec

from detectors.observations import KINDS
from detectors.plain_text import blanked, blanking
from detectors.word_marks import MARKS
from detectors.word_table import WordTable

MIN_WORDS = 6
"""Words from which equal texts are copies rather than chance."""
NEAR_WORDS = 10
"""Words from which texts may differ."""
END_WORDS = 8
NEAR_BITS = 8
"""Of 64. Measured (bench/copies.py): a word changed at random is seen through in two to four of five texts, one
added at an end in four of five or more; of 5,146 airline tweets eight were merged, none wrongly."""
MOST_WORDS = 120
"""What follows is not looked at."""
KEY_BITS = 44
REPOST = KINDS.index("repost")

_LINK = r"https?://\S+|www\.\S+"
_LEAVE_OUT = re.compile(rf"{_LINK}|@\w+|[^\w\s{MARKS}]+")
# The same for plain texts in two steps, twice as fast. A sign before it makes a handle none.
_PLAIN_LINK = re.compile(rf"{_LINK}|@(?<![^\w\s]@)\w+")
_PLAIN_SIGNS = blanking(r"[^\w\s]")
_BITS = 64
# Sixty-four counters of eight bits, side by side in one large number.
_ONES = int.from_bytes(b"\x01" * _BITS, "big")
_TOP = _ONES << 7
_DIGIT = _ONES * ord("0")


class Mark(msgspec.Struct, frozen=True, gc=False):
    """What tells a text apart from others."""

    keys: tuple[int, ...]
    """Hashes of what must be the same, 44 bits: one of them does."""
    simhash: int


def mark(kind: int, text: str) -> Mark | None:
    """The mark of a text; None where it cannot be a copy: a person's repost, or too short."""
    if kind == REPOST or text.startswith("RT @"):
        return None
    words = words_of(text)
    if len(words) < MIN_WORDS:
        return None
    if len(words) < NEAR_WORDS:
        return Mark((_hash(" ".join(words)),), 0)
    words = words[:MOST_WORDS]
    ends = (_hash("^ " + " ".join(words[:END_WORDS])), _hash(" ".join(words[-END_WORDS:]) + " $"))
    return Mark(ends, simhash(words))


def words_of(text: str) -> list[str]:
    """The words of a text as they are compared: no links, handles or punctuation, lower case."""
    text = text.lower()
    if not text.isascii():
        return _LEAVE_OUT.sub(" ", text).split()
    if "@" in text or "http" in text or "www." in text:
        text = _PLAIN_LINK.sub(" ", text)
    return blanked(text, _PLAIN_SIGNS).split()


def near(first: int, second: int) -> bool:
    """Whether two SimHashes are those of near-copies."""
    return (first ^ second).bit_count() <= NEAR_BITS


def simhash(words: list[str]) -> int:
    """Of each bit, whether more than half of the words' hashes have it set."""
    counts = sum(map(_COUNTERS.__getitem__, words)) + _ONES * (127 - len(words) // 2)
    return int((((counts & _TOP) >> 7) | _DIGIT).to_bytes(_BITS, "big"), 2)


def _counters(word: str) -> int:
    """The 64 bits of a word's hash, a counter each."""
    digest = hashlib.blake2b(word.encode("utf-8", "replace"), digest_size=8).digest()
    return int.from_bytes(f"{int.from_bytes(digest, 'big'):064b}".encode(), "big") & _ONES


_COUNTERS = WordTable(_counters, 1 << 16)


_new_hash = hashlib.blake2b(digest_size=6).copy
"""Two thirds of the time of one made anew."""


def _hash(text: str) -> int:
    digest = _new_hash()
    digest.update(text.encode("utf-8", "replace"))
    return int.from_bytes(digest.digest(), "big") >> (48 - KEY_BITS)

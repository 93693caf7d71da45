"""Copies: posts that repeat another's text word for word speak for the author they repeat.

A headline that a hundred accounts syndicate within an hour is one voice, not a hundred upset people. So a negative
post whose words (links and handles left out) another author has posted about the brand within 24 hours counts for
that author, who is in a window once however often he is copied. A declared repost is a person's act and counts for
the person; short texts are too likely to be the same by chance. Only a hash of the words is kept.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from detectors.columns import Ints
from detectors.observations import KINDS

LIVES = 1440
"""Minutes after the first post in which a text counts as a copy of it."""
MIN_WORDS = 6
"""Words from which equal texts are copies rather than chance."""
REPOST = KINDS.index("repost")

_LEAVE_OUT = re.compile(r"https?://\S+|www\.\S+|@\w+|[^\w\s]+")

First = tuple[int, int, int, int]
"""Brand, tick, key of the text, author of its first post."""


def text_key(brand: str, kind: int, text: str) -> int | None:
    """What tells texts about a brand apart; None where a text cannot be a copy."""
    if kind == REPOST or text.startswith("RT @"):
        return None
    words = _LEAVE_OUT.sub(" ", text.lower()).split()
    if len(words) < MIN_WORDS:
        return None
    digest = hashlib.blake2b(f"{brand}\0{' '.join(words)}".encode("utf-8", "replace"), digest_size=8).digest()
    return int.from_bytes(digest, "big")


class Copies:
    """First posts of texts of the last 24 hours, of all brands: 28 bytes each in arrays, the newest hour in a
    dictionary."""

    def __init__(self) -> None:
        self.key: NDArray[np.uint64] = np.zeros(0, np.uint64)
        self.brand: Ints = np.zeros(0, np.int64)
        self.tick: Ints = np.zeros(0, np.int64)
        self.author: NDArray[np.uint64] = np.zeros(0, np.uint64)
        self.newest: dict[int, First] = {}

    def voice(self, brand: int, tick: int, author: int, key: int | None) -> tuple[int, First | None]:
        """For whom a negative post counts, and what to remember if it is the first of its text.

        `key` is `text_key` of the post; ticks must not go back.
        """
        if key is None:
            return author, None
        known = self.newest.get(key)
        if known is None and len(self.key):
            at = int(np.searchsorted(self.key, np.uint64(key)))
            if at < len(self.key) and int(self.key[at]) == key:
                known = (brand, int(self.tick[at]), key, int(self.author[at]))
        if known is not None and tick - known[1] <= LIVES:
            return known[3], None
        first = self.newest[key] = (brand, tick, key, author)
        return author, first

    def load(self, firsts: Iterable[First]) -> None:
        """Remember first posts, as from a snapshot; the newest of a text holds."""
        for first in sorted(firsts):
            known = self.newest.get(first[2])
            if known is None or known[1] < first[1]:
                self.newest[first[2]] = first

    def forget(self, closed: int) -> None:
        """Drop what lives no longer after tick `closed`, and pack the rest into arrays."""
        keep = self.tick > closed - LIVES
        if self.newest:
            fresh = list(self.newest.values())
            key = np.array([f[2] for f in fresh], np.uint64)
            # A text whose first post has expired and that was posted anew is in both; the newer one holds.
            keep &= ~np.isin(self.key, key)
            key = np.concatenate([self.key[keep], key])
            order = np.argsort(key)
            self.key = key[order]
            self.brand = np.concatenate([self.brand[keep], np.array([f[0] for f in fresh], np.int64)])[order]
            self.tick = np.concatenate([self.tick[keep], np.array([f[1] for f in fresh], np.int64)])[order]
            self.author = np.concatenate([self.author[keep], np.array([f[3] for f in fresh], np.uint64)])[order]
            self.newest = {}
        elif not keep.all():
            self.key, self.author = self.key[keep], self.author[keep]
            self.brand, self.tick = self.brand[keep], self.tick[keep]

    def of(self, brand: int) -> list[First]:
        """Everything that is remembered of a brand."""
        own = np.nonzero(self.brand == brand)[0]
        packed = [(brand, int(self.tick[i]), int(self.key[i]), int(self.author[i])) for i in own.tolist()]
        return packed + [f for f in self.newest.values() if f[0] == brand]

    @staticmethod
    def merge(parts: list[Copies]) -> Copies:
        """All of several that share no brand."""
        whole = Copies()
        key = np.concatenate([p.key for p in parts])
        order = np.argsort(key)
        whole.key = key[order]
        whole.brand = np.concatenate([p.brand for p in parts])[order]
        whole.tick = np.concatenate([p.tick for p in parts])[order]
        whole.author = np.concatenate([p.author for p in parts])[order]
        for p in parts:
            whole.newest.update(p.newest)
        return whole

    def nbytes(self) -> int:
        """Bytes of the arrays."""
        return self.key.nbytes + self.brand.nbytes + self.tick.nbytes + self.author.nbytes

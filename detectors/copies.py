"""Copies: posts that repeat another's text speak for the author they repeat.

A headline that a hundred accounts syndicate within an hour is one voice, not a hundred upset people. So a negative
post that is a copy, or nearly one (near_copies.py), of what another author has posted about the brand within 24 hours
counts for that author, who is in a window once however often he is copied. Who copies several people's posts counts for
the first of them, or one account could speak for them all. A declared repost is a person's act and counts for the
person. Only hashes of the words are kept.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from detectors.columns import Ints
from detectors.last_minutes import AUTHOR_BITS, AUTHOR_MASK
from detectors.near_copies import KEY_BITS, Mark, near

LIVES = 1440
"""Minutes after the first post in which a text counts as a copy of it."""
_AUTHOR = int(AUTHOR_MASK)
_KEY = (1 << KEY_BITS) - 1
_SHIFT = np.uint64(AUTHOR_BITS)


class Post(msgspec.Struct, frozen=True, gc=False):
    """The first post of a text."""

    tick: int
    author: int
    """The lower 44 bits of the hash."""
    simhash: int


class First(NamedTuple):
    """The same by one of the text's keys, to be saved."""

    brand: int
    tick: int
    key: int
    author: int
    simhash: int

    @staticmethod
    def of(key: int, post: Post) -> First:
        """By brand and key in one number."""
        return First(key >> KEY_BITS, post.tick, key & _KEY, post.author, post.simhash)


class Copies:
    """First posts of texts of the last 24 hours, of all brands: 24 bytes a key in arrays, the newest hour in a
    dictionary."""

    def __init__(self) -> None:
        self.base = 0
        self.key: NDArray[np.uint64] = np.zeros(0, np.uint64)
        """Brand and key, ascending."""
        self.post: NDArray[np.uint64] = np.zeros(0, np.uint64)
        """Tick from `base` on, and author."""
        self.simhash: NDArray[np.uint64] = np.zeros(0, np.uint64)
        self.newest: dict[int, Post] = {}
        """By brand and key."""

    def voices(
        self, brands: Sequence[int], ticks: Sequence[int], authors: Sequence[int], marks: Sequence[Mark | None]
    ) -> tuple[list[int], list[tuple[int, Post]]]:
        """For whom negative posts count, and what to remember of those that are the first of their text, by brand and
        key.

        Rows are posts in order of ticks, which must not go back.
        """
        packed = self._packed(
            [
                brand << KEY_BITS | key
                for brand, author, text in zip(brands, authors, marks, strict=True)
                if text is not None
                for key in (*text.keys, author & _AUTHOR)
            ]
        )
        who: list[int] = []
        firsts: list[tuple[int, Post]] = []
        newest = self.newest
        for brand, tick, author, text in zip(brands, ticks, authors, marks, strict=True):
            voice = author
            if text is not None:
                copied: Post | None = None
                own, fresh = [brand << KEY_BITS | key for key in text.keys], []
                for key in own:
                    known = newest.get(key) or packed.get(key)
                    if known is None or tick - known.tick > LIVES:
                        fresh.append(key)
                    elif near(known.simhash, text.simhash):
                        copied = known
                        break
                if copied is None:
                    first = Post(tick, author & _AUTHOR, text.simhash)
                    # Where others' texts hold all its keys, the last one is this one's from now on.
                    for key in fresh or own[-1:]:
                        newest[key] = first
                        firsts.append((key, first))
                elif copied.author == author & _AUTHOR:
                    voice = copied.author
                else:
                    # For the first one whom this author copied within a day, kept like a text whose key is he.
                    account = brand << KEY_BITS | author & _AUTHOR
                    lent = newest.get(account) or packed.get(account)
                    if lent is None or tick - lent.tick > LIVES:
                        lent = newest[account] = Post(tick, copied.author, 0)
                        firsts.append((account, lent))
                    voice = lent.author
            who.append(voice)
        return who, firsts

    def _packed(self, keys: Sequence[int]) -> dict[int, Post]:
        """Those of these keys that are in the arrays."""
        if not keys or not len(self.key):
            return {}
        return self._at(self._places(keys))

    def _places(self, keys: Collection[int]) -> Ints:
        """Where those of these keys stand that are in the arrays, which must not be empty."""
        wanted = np.fromiter(keys, np.uint64, len(keys))
        place = np.minimum(np.searchsorted(self.key, wanted), len(self.key) - 1)
        return np.asarray(place[self.key[place] == wanted], np.int64)

    def _at(self, place: Ints) -> dict[int, Post]:
        posts = zip(self.key[place].tolist(), self.post[place].tolist(), self.simhash[place].tolist(), strict=True)
        return {key: Post(self.base + (p >> AUTHOR_BITS), p & _AUTHOR, simhash) for key, p, simhash in posts}

    def load(self, firsts: Iterable[First]) -> None:
        """Remember first posts, as from a snapshot; the newest of a text holds."""
        for first in sorted(firsts):
            key = first.brand << KEY_BITS | first.key
            known = self.newest.get(key)
            if known is None or known.tick < first.tick:
                self.newest[key] = Post(first.tick, first.author, first.simhash)

    def forget(self, closed: int) -> None:
        """Drop what lives no longer after tick `closed`, and pack the rest into arrays."""
        base = closed - LIVES
        if len(self.key):
            by = base - self.base
            keep = (self.post >> _SHIFT).astype(np.int64) > by
            if self.newest:
                # A key that another text took over is in both; the newer one holds.
                keep[self._places(self.newest)] = False
            post = self.post[keep].astype(np.int64) - (by << AUTHOR_BITS)
            self.key, self.simhash = self.key[keep], self.simhash[keep]
            self.post = post.astype(np.uint64)
        self.base = base
        fresh = [(key, post) for key, post in self.newest.items() if post.tick > base]
        self.newest = {}
        if fresh:
            key = np.array([k for k, _ in fresh], np.uint64)
            posts = np.array([(post.tick - base) << AUTHOR_BITS | post.author for _, post in fresh], np.uint64)
            self._put(key, posts, np.array([post.simhash for _, post in fresh], np.uint64))

    def _put(self, key: NDArray[np.uint64], post: NDArray[np.uint64], simhash: NDArray[np.uint64]) -> None:
        key = np.concatenate([self.key, key])
        order = np.argsort(key)
        self.key = key[order]
        self.post = np.concatenate([self.post, post])[order]
        self.simhash = np.concatenate([self.simhash, simhash])[order]

    def of(self, brand: int) -> list[First]:
        """Everything that is remembered of a brand, in order of keys; the newest of a text holds."""
        ends = np.array([brand << KEY_BITS, (brand + 1 << KEY_BITS) - 1], np.uint64)
        begin, end = int(np.searchsorted(self.key, ends[0])), int(np.searchsorted(self.key, ends[1], "right"))
        known = self._at(np.arange(begin, end))
        known.update({key: post for key, post in self.newest.items() if key >> KEY_BITS == brand})
        return [First.of(key, known[key]) for key in sorted(known)]

    @staticmethod
    def merge(parts: list[Copies]) -> Copies:
        """All of several that share no brand."""
        whole = Copies()
        whole.base = min((p.base for p in parts if len(p.key)), default=0)
        for p in parts:
            if not len(p.key):
                whole.newest.update(p.newest)
                continue
            shifted = p.post.astype(np.int64) + ((p.base - whole.base) << AUTHOR_BITS)
            whole._put(p.key, shifted.astype(np.uint64), p.simhash)
            whole.newest.update(p.newest)
        return whole

    def nbytes(self) -> int:
        """Bytes of the arrays."""
        return self.key.nbytes + self.post.nbytes + self.simhash.nbytes

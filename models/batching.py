"""How texts become batches: in fixed shapes for backends that need them, else packed up to a budget of tokens."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from models.shapes import RowCounts, bucket_of

# Splitting less than this over threads would cost more than it gains.
_WORTH_A_THREAD: Final = 64

Tokenised = tuple[int, Sequence[int] | NDArray[np.int64]]
"""A text's slot in its call, and its token ids."""


@dataclass(frozen=True)
class Batch:
    """What a network takes at once: ``ids`` (rows, tokens) and ``lengths`` (rows,), the first of them the texts of
    ``slots``.
    """

    slots: list[int]
    ids: NDArray[np.int64]
    lengths: NDArray[np.int64]


class Batching(Protocol):
    """Collects the texts of one call and cuts them into batches."""

    def add(self, texts: Iterable[Tokenised]) -> Iterator[Batch]:
        """Take in texts; batches as they become full."""

    def rest(self) -> Iterator[Batch]:
        """What is left, as batches."""


def padded(texts: Sequence[Tokenised], rows: int, width: int, pad: int) -> Batch:
    """Texts as a batch of ``rows`` rows by ``width`` tokens, filled up with dummy rows."""
    slots, tokens = zip(*texts, strict=True)
    ids = np.full((rows, width), pad, dtype=np.int64)
    # A dummy row is one token long: a row without any would be a division by zero.
    lengths = np.ones(rows, dtype=np.int64)
    lengths[: len(texts)] = [*map(len, tokens)]
    ids[: len(texts)][np.arange(width) < lengths[: len(texts), None]] = np.concatenate(tokens)
    return Batch(list(slots), ids, lengths)


class FixedShapes:
    """Batches of the shapes that a self-check has found to give the same bits: see ``models.shapes``."""

    def __init__(self, rows: Mapping[int, RowCounts], pad: int) -> None:
        self._rows = rows
        self._buckets = sorted(rows)
        self._pad = pad
        self._waiting: dict[int, list[Tokenised]] = {bucket: [] for bucket in rows}

    def add(self, texts: Iterable[Tokenised]) -> Iterator[Batch]:
        """See :class:`Batching`."""
        for text in texts:
            bucket = bucket_of(len(text[1]), self._buckets)
            waiting = self._waiting[bucket]
            waiting.append(text)
            full = self._rows[bucket].full
            if len(waiting) == full:
                yield self._cut(bucket, full)

    def rest(self) -> Iterator[Batch]:
        """See :class:`Batching`. The longest work first, so that the threads end at about the same time."""
        left = [
            (bucket, rows)
            for bucket, waiting in self._waiting.items()
            for rows in self._rows[bucket].split(len(waiting))
        ]
        for bucket, rows in sorted(left, key=lambda batch: -batch[0] * batch[1]):
            yield self._cut(bucket, rows)

    def _cut(self, bucket: int, rows: int) -> Batch:
        waiting = self._waiting[bucket]
        batch, self._waiting[bucket] = waiting[:rows], waiting[rows:]
        return padded(batch, rows, bucket, self._pad)


class Packed:
    """Batches of about ``budget`` tokens in the order in which the texts come; what is left is shared out between
    ``threads``.
    """

    def __init__(self, budget: int, threads: int, pad: int) -> None:
        self._budget = budget
        self._threads = threads
        self._pad = pad
        self._waiting: list[Tokenised] = []
        self._tokens = 0

    def add(self, texts: Iterable[Tokenised]) -> Iterator[Batch]:
        """See :class:`Batching`."""
        for text in texts:
            self._waiting.append(text)
            self._tokens += len(text[1])
            if self._tokens >= self._budget:
                batch, self._waiting, self._tokens = self._waiting, [], 0
                yield self._whole(batch)

    def rest(self) -> Iterator[Batch]:
        """See :class:`Batching`."""
        share = max(_WORTH_A_THREAD, -(-self._tokens // self._threads))
        part: list[Tokenised] = []
        tokens = 0
        for text in self._waiting:
            part.append(text)
            tokens += len(text[1])
            if tokens >= share:
                yield self._whole(part)
                part, tokens = [], 0
        if part:
            yield self._whole(part)
        self._waiting, self._tokens = [], 0

    def _whole(self, texts: list[Tokenised]) -> Batch:
        return padded(texts, len(texts), max(len(tokens) for _, tokens in texts), self._pad)

"""Fixed shapes: why a text's tone does not depend on its company.

A matrix product over another number of rows or of padded tokens may sum in another order, and then the last bits differ
(in bfloat16 by up to 6e-3, enough to turn a label). So the shape of a batch is never left to chance: a text's own
length in tokens chooses its *bucket*, and batches of a bucket have one of a few row counts, filled up with dummy rows.
Row counts below the full one are offered only where a self-check finds the same bits (``models.selfcheck``).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

BUCKETS: Final = (8, 16, 24, 32, 40, 48, 64, 96, 128)
"""Tokens per row. Steps of 8 keep padding near 10 %; beyond 48 texts are rare and wider steps keep batches full."""

# A last batch this full or fuller is filled up with dummy rows; an emptier one is split further.
_FULL_ENOUGH: Final = 0.75


def buckets_up_to(max_tokens: int) -> tuple[int, ...]:
    """The buckets for texts of at most ``max_tokens`` tokens, the last one exactly that long."""
    return (*(bucket for bucket in BUCKETS if bucket < max_tokens), max_tokens)


def bucket_of(length: int, buckets: Sequence[int]) -> int:
    """Smallest bucket that holds ``length`` tokens; ``length`` must not exceed the last one."""
    return buckets[bisect_left(buckets, length)]


def full_rows(bucket: int, tokens_per_batch: int) -> int:
    """Rows of a full batch of a bucket: about ``tokens_per_batch`` tokens in all, at least one row."""
    return max(1, tokens_per_batch // bucket)


def candidate_rows(full: int) -> tuple[int, ...]:
    """Row counts worth offering beside ``full``: powers of four below it.

    Few enough to check at start, near enough that a small batch wastes little.
    """
    return tuple(1 << power for power in range(0, full.bit_length(), 2) if 1 << power < full)


@dataclass(frozen=True)
class RowCounts:
    """The row counts offered for one bucket, ascending; the last is the full one."""

    rows: tuple[int, ...]

    @property
    def full(self) -> int:
        """Rows of a full batch."""
        return self.rows[-1]

    def split(self, texts: int) -> list[int]:
        """Row counts of the batches for ``texts`` remaining texts: together at least as many rows, little of it
        dummies.
        """
        cut: list[int] = []
        while texts > 0:
            index = bisect_left(self.rows, texts)
            rows = self.rows[min(index, len(self.rows) - 1)]
            if texts < _FULL_ENOUGH * rows and index > 0:
                rows = self.rows[index - 1]
            cut.append(rows)
            texts -= rows
        return cut

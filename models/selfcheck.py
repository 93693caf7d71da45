"""Self-check of a backend at load: which row counts give the same bits, measured and not assumed.

Which order a kernel sums in depends on shapes, never on the numbers. Where two shapes part, most random rows show it,
but not all: rounding hides the difference in about one of ten. Hence several rows each, and the logits, where a network
tells them: a probability is rounded once more, and of a model that is unsure hardly one in fifty shows the difference.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.network import Network, Unrounded
from models.shapes import RowCounts, candidate_rows, full_rows

# Ids drawn for the check lie above the special and unused tokens that open the usual vocabularies, as far as the
# vocabulary reaches.
_FIRST_ID: Final = 1_000
# Rows compared at least for each row count and bucket: at one in ten hidden, all of them miss it once in 10^8.
_ROWS: Final = 8


def sample(bucket: int, rows: int, vocabulary: int, pad: int, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Random rows of several lengths: ids (rows, bucket) and lengths (rows,); the same in each process."""
    generator = np.random.default_rng((bucket, rows, seed))
    ids = generator.integers(min(_FIRST_ID, vocabulary // 2), vocabulary, size=(rows, bucket))
    lengths = generator.integers(max(1, bucket - 7), bucket + 1, size=rows)
    ids[np.arange(bucket)[None, :] >= lengths[:, None]] = pad
    return ids, lengths


def _numbers(network: Network) -> Callable[[NDArray[np.int64], NDArray[np.int64]], NDArray[np.float32]]:
    """What of a network to compare: the most that it tells."""
    return network.unrounded if isinstance(network, Unrounded) else network


def same_bits(network: Network, bucket: int, tokens_per_batch: int, vocabulary: int, pad: int) -> tuple[int, ...]:
    """Row counts for ``bucket`` under which rows get the same bits as in a full batch; the full one is among them.

    Empty when a row's bits change as soon as the rows of a full batch change places: such a backend must not serve.
    """
    full = full_rows(bucket, tokens_per_batch)
    same = {*candidate_rows(full), full}
    numbers = _numbers(network)
    for seed in range(-(-_ROWS // full)):
        ids, lengths = sample(bucket, full, vocabulary, pad, seed)
        reference = numbers(ids, lengths)
        order = np.random.default_rng(bucket).permutation(full)
        if not np.array_equal(numbers(ids[order], lengths[order]), reference[order]):
            return ()
        for rows in candidate_rows(full):
            # From the end of the batch, where kernels work off the rows that do not fill a tile.
            for stop in range(full, max(full - max(_ROWS, rows), rows - 1), -rows):
                part = slice(stop - rows, stop)
                if not np.array_equal(numbers(ids[part].copy(), lengths[part].copy()), reference[part]):
                    same.discard(rows)
                    break
    return tuple(sorted(same))


def same_in_any_company(network: Network, max_tokens: int, vocabulary: int, pad: int) -> bool:
    """Whether rows of all lengths get the same bits alone, together, in another order and with more padding."""
    numbers = _numbers(network)
    generator = np.random.default_rng(max_tokens)
    rows = min(max_tokens, 2 * _ROWS)
    lengths = generator.permutation(np.linspace(1, max_tokens, rows).astype(np.int64))
    ids = generator.integers(min(_FIRST_ID, vocabulary // 2), vocabulary, size=(rows, max_tokens))
    ids[np.arange(max_tokens)[None, :] >= lengths[:, None]] = pad
    together = numbers(ids, lengths)
    order = generator.permutation(rows)
    if not np.array_equal(numbers(ids[order], lengths[order]), together[order]):
        return False
    alone = [numbers(ids[row : row + 1, : lengths[row]], lengths[row : row + 1]) for row in range(rows)]
    return np.array_equal(np.concatenate(alone), together)


def row_counts(same: Mapping[int, Iterable[int]], tokens_per_batch: int) -> dict[int, RowCounts]:
    """Row counts to offer per bucket, from those found the same per bucket.

    A small row count that parted anywhere is offered nowhere: it takes another kernel, whether or not the rows of the
    other buckets showed it.
    """
    parted = {
        rows
        for bucket, found in same.items()
        for rows in candidate_rows(full_rows(bucket, tokens_per_batch))
        if rows not in set(found)
    }
    return {bucket: RowCounts(tuple(sorted(set(found) - parted | {max(found)}))) for bucket, found in same.items()}

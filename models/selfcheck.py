"""Self-check of a backend at load: which row counts give the same bits, measured and not assumed.

Which order a kernel sums in depends on shapes, never on the numbers; so where two shapes part, random numbers show it.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.network import Network
from models.shapes import RowCounts, candidate_rows, full_rows

# Ids drawn for the check lie above the special and unused tokens that open the usual vocabularies, as far as the
# vocabulary reaches.
_FIRST_ID: Final = 1_000


def sample(bucket: int, rows: int, vocabulary: int, pad: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Random rows of several lengths: ids (rows, bucket) and lengths (rows,); the same in each process."""
    generator = np.random.default_rng((bucket, rows))
    ids = generator.integers(min(_FIRST_ID, vocabulary // 2), vocabulary, size=(rows, bucket))
    lengths = generator.integers(max(1, bucket - 7), bucket + 1, size=rows)
    ids[np.arange(bucket)[None, :] >= lengths[:, None]] = pad
    return ids, lengths


def offered_rows(network: Network, bucket: int, tokens_per_batch: int, vocabulary: int, pad: int) -> RowCounts | None:
    """Row counts for ``bucket`` that are shown to give the same bits as the full one.

    ``None`` when a row's bits change as soon as the rows of a full batch change places: such a backend must not serve.
    """
    full = full_rows(bucket, tokens_per_batch)
    ids, lengths = sample(bucket, full, vocabulary, pad)
    reference = network(ids, lengths)
    order = np.random.default_rng(bucket).permutation(full)
    if not np.array_equal(network(ids[order], lengths[order]), reference[order]):
        return None
    # From the end of the batch, where kernels work off the rows that do not fill a tile.
    small = [
        rows
        for rows in candidate_rows(full)
        if np.array_equal(network(ids[full - rows :].copy(), lengths[full - rows :].copy()), reference[full - rows :])
    ]
    return RowCounts((*small, full))

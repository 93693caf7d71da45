"""State that the release before wrote, made this one's, so that an upgrade costs nobody the weeks of learning."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

VERSION = 7
"""With thresholds in double precision, one table of usual terms that faded by the hour, and without what is left of the
share's correlation in six hours."""

_NOW_SINGLE = {"Budget": ("loc", "scale", "page", "ticket"), "Track": ("day_max",)}


def columns(kind: str, row: Mapping[str, bytes]) -> dict[str, bytes]:
    """A brand's row of `Budget` or `Track`, as this release has it. Raises ValueError for one that is damaged."""
    out = dict(row)
    for name in _NOW_SINGLE[kind]:
        if name not in row:
            raise ValueError(f"state record lacks {kind}.{name}")
        out[name] = np.frombuffer(row[name], "<f8").astype("<f4").tobytes()
    return out


def normal_terms(counts: bytes, hour: int) -> tuple[bytes, int]:
    """The table of usual terms and the day up to which it has learned, from one that had learned up to an hour (since
    1970)."""
    usual = np.frombuffer(counts, "<f4").astype("<f2")
    # What was learned of the day so far counts at once, this once.
    return usual.tobytes() + np.zeros(len(usual), "<u2").tobytes(), (hour + 1) // 24


def baseline(row: Mapping[str, bytes]) -> dict[str, bytes]:
    """A brand's row of `Baseline`, as this release has it. Raises ValueError for one that is damaged."""
    if "pairs" not in row:
        raise ValueError("state record lacks Baseline.pairs")
    nothing = np.zeros(1, "<f8").tobytes()
    return dict(row) | {"long_excess": nothing, "long_pairs": nothing}

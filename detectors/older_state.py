"""State that the release before wrote, made this one's, so that an upgrade costs nobody the weeks of learning."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from detectors import share_rhythm

VERSION = 6
"""Without a rhythm of the share, and with some counts in double precision."""

_NOW_SINGLE = ("held_authors", "held_negative", "held_observed", "low_authors", "low_negative", "low_weight")


def baseline(row: Mapping[str, bytes]) -> dict[str, bytes]:
    """A brand's row of `Baseline`, as this release has it. Raises ValueError for one that is damaged."""
    out = dict(row)
    for name in _NOW_SINGLE:
        if name not in row:
            raise ValueError(f"state record lacks Baseline.{name}")
        out[name] = np.frombuffer(row[name], "<f8").astype("<f4").tobytes()
    nothing = np.zeros(share_rhythm.CELLS, "<f2")
    out |= {"share_count": nothing.tobytes(), "share_expected": nothing.tobytes()}
    out["share_factor"] = np.ones(share_rhythm.CELLS, "<f2").tobytes()
    return out

"""State that was saved with other detectors than judge now.

Arrays with one place per detector, and the bits of an incident, are taken over detector by detector, by name and
version. What belongs to a detector that is gone is dropped; one that is new, or of another version, begins with
nothing, and has a cold start of its own while the others keep their thresholds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from math import prod

import numpy as np

from detectors.columns import Axis, Columns
from detectors.score import DETECTOR_AXIS


def carried(
    kind: type[Columns], row: Mapping[str, bytes], saved: Sequence[str], now: Sequence[str]
) -> Mapping[str, bytes]:
    """A row as `Columns.row` gives it, of detectors `saved`, made one of detectors `now`.

    Raises
    ------
    ValueError
        The row does not hold a number for each saved detector.
    """
    if tuple(saved) == tuple(now):
        return row
    place = {key: j for j, key in enumerate(saved)}
    out = dict(row)
    for field in fields(kind):  # type: ignore[arg-type]  # subclasses are dataclasses
        shape = field.metadata["shape"]
        if not shape or shape[0] != DETECTOR_AXIS or field.name not in row:
            continue
        kinds = np.dtype(field.metadata["dtype"]).newbyteorder("<")
        rest = [s.usual if isinstance(s, Axis) else s for s in shape[1:]]
        size = kinds.itemsize * prod(rest)
        given = row[field.name]
        if len(given) != size * len(saved):
            raise ValueError(f"state record holds {len(given)} bytes of {field.name} for {len(saved)} detectors")
        unknown = np.full(rest, field.metadata["fill"], kinds).tobytes()
        parts = (given[place[key] * size : (place[key] + 1) * size] if key in place else unknown for key in now)
        out[field.name] = b"".join(parts)
    return out


def carried_bits(bits: int, saved: Sequence[str], now: Sequence[str]) -> int:
    """Bits of detectors `saved` made bits of detectors `now`."""
    agreed = {key for j, key in enumerate(saved) if bits >> j & 1}
    return sum(1 << j for j, key in enumerate(now) if key in agreed)

"""What is usual for brands in an hour: what scores and the watch over feeds take from the baseline beside a rhythm."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Self

import numpy as np

from detectors.baseline import Baseline
from detectors.columns import Floats


@dataclass(frozen=True, slots=True)
class Usual:
    """(rows,) each: a row is a brand, or a brand in one of several hours. See baseline.Baseline."""

    level: Floats
    """Authors an hour at shape 1."""
    level_negative: Floats
    known_hours: Floats
    """Weight of the hours learned."""
    dispersion: Floats
    """phi of all authors."""
    correlation: Floats
    lasting: Floats
    """The part of the correlation that is left in six hours."""

    @classmethod
    def of(cls, baseline: Baseline) -> Self:
        """As it is now."""
        phi, _ = baseline.dispersion()
        return cls(*baseline.level(), baseline.known_hours(), phi, baseline.correlation(), baseline.lasting())

    @classmethod
    def in_hours(cls, hours: Sequence[Self]) -> Self:
        """Of several hours one after the other: the hours of a brand are rows that follow each other."""
        columns = ([getattr(one, f.name) for one in hours] for f in fields(cls))
        return cls(*(np.stack(column, axis=1).reshape(-1) for column in columns))

"""What is usual for brands in an hour: what scores and the watch over feeds take from the baseline beside a rhythm."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Self

from detectors.baseline import Baseline
from detectors.columns import Floats
from detectors.level_sums import LevelSums


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
        return cls._of(baseline.level_sums(), baseline.correlation(), baseline.lasting())

    @classmethod
    def in_hours(cls, levels: LevelSums, correlation: Floats, lasting: Floats) -> Self:
        """In several hours, from what is (hours, n): the hours of a brand are rows that follow each other."""
        of_hours = cls._of(levels, correlation, lasting)
        return cls(*(getattr(of_hours, f.name).T.reshape(-1) for f in fields(cls)))

    @classmethod
    def _of(cls, levels: LevelSums, correlation: Floats, lasting: Floats) -> Self:
        phi, _ = levels.dispersion()
        return cls(*levels.level(), levels.known_hours(), phi, correlation, lasting)

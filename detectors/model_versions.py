"""Model versions: another tone model counts other mentions as negative, and that is no crisis.

The share of negatives belongs to the model that read them. So the negative level of a brand's baseline is kept by
version: when all mentions come from another one, the old version's share is put aside (the last two are remembered)
and the new one's taken up, or, if it was never heard before, learned from the old share on within a day.

* The first mention of an unknown version: from that tick on as much as `MARGIN` times the usual share would be no
  surprise; this falls back to 1 within `SETTLING` hours, in steps of an hour. Until then evidence of tone alone asks
  for a ticket at most (see worth.py), and no day counts as quiet.
* The switch: at the end of an hour, once `RUN` mentions in a row came from another version than the brand's own. Two
  versions side by side (workers with different machines) are no switch.
* Hours with mentions of both teach nothing about negatives.
* After a switch to an unknown version only the newest `KEPT_DAYS` quiet days are kept: they are judged like those of a
  young brand until the new version has days of its own.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from detectors.columns import Columns, Floats, Ints, Minutes, column
from detectors.windows import LONG_AGO

NONE = 0
"""Code of no version: the observations do not tell."""
PAST = 2
MARGIN = 3.0
SETTLING = 48
RUN = 20
KEPT_DAYS = 14
MOST_SHARE = 0.9
"""No larger share of negative authors is ever expected on account of the margin."""
OWN, OTHER = 1, 2


@dataclass
class ModelVersions(Columns):
    """Per brand: which versions read its mentions."""

    model: NDArray[np.uint64] = field(metadata=column(np.uint64))
    """Code of the version that its negative level belongs to."""
    foreign: NDArray[np.uint64] = field(metadata=column(np.uint64))
    """Another one, whose mentions came last."""
    run: Minutes = field(metadata=column(np.int32))
    """How many mentions in a row came from another version."""
    heard: NDArray[np.uint8] = field(metadata=column(np.uint8))
    """Bits: in this hour there were mentions of its own version, of another."""
    changed: Minutes = field(metadata=column(np.int32, fill=LONG_AGO))
    """Tick of the first mention of an unknown version, or of the last switch."""
    past: NDArray[np.uint64] = field(metadata=column(np.uint64, PAST))
    """Known versions besides its own, the last used first."""
    past_share: NDArray[np.float32] = field(metadata=column(np.float32, PAST, fill=np.nan))
    """The share of negative authors under each; nan where it was never the brand's own."""

    def margin(self, tick: int) -> Floats | None:
        """By what the expected negatives are multiplied at this tick, (n,); None where it is 1 everywhere."""
        age = np.maximum(tick - tick % 60 - self.changed.astype(np.int64), 0) / 60.0
        if (age >= SETTLING).all():
            return None
        return np.asarray(1.0 + (MARGIN - 1.0) * np.maximum(1.0 - age / SETTLING, 0.0), np.float64)

    def adopt_first(self, row: Ints, code: NDArray[np.uint64]) -> None:
        """Brands that had no version have that of their first mention, from members in order."""
        new = np.nonzero(self.model[row] == NONE)[0]
        if len(new):
            rows, first = np.unique(row[new], return_index=True)
            self.model[rows] = code[new[first]]

    def take(self, row: Ints, tick: Ints, code: NDArray[np.uint64]) -> dict[int, int]:
        """Note members, in order; returns the tick of the first mention of an unknown version, by row of the brand.

        A brand has at most one such tick in a call: a second unknown version within an hour finds the margin open.
        """
        self.adopt_first(row, code)
        other = code != self.model[row]
        if not other.any():
            self.run[row] = 0
            self.heard[row] |= OWN
            return {}
        unknown: dict[int, int] = {}
        for i, t, c, is_other in zip(row.tolist(), tick.tolist(), code.tolist(), other.tolist(), strict=True):
            if not is_other:
                self.run[i] = 0
                self.heard[i] |= OWN
                continue
            self.run[i] += 1
            self.heard[i] |= OTHER
            self.foreign[i] = c
            if c not in self.past[i].tolist():
                self._remember(i, c, float("nan"))
                unknown.setdefault(i, t)
        return unknown

    def _remember(self, i: int, code: int, share: float) -> None:
        self.past[i, 1:] = self.past[i, :-1]
        self.past_share[i, 1:] = self.past_share[i, :-1]
        self.past[i, 0], self.past_share[i, 0] = code, share

    def codes(self, i: int) -> list[int]:
        """Every version that brand i knows."""
        return [int(self.model[i]), int(self.foreign[i]), *self.past[i].tolist()]

    def switching(self) -> list[int]:
        """Rows of the brands that another version has taken over."""
        return np.nonzero(self.run >= RUN)[0].tolist()

    def switch(self, i: int, share: float, tick: int) -> float | None:
        """Let brand i, whose share was this one, go over to the other version; returns the share it had under that
        one, None where it never was the brand's own."""
        new = int(self.foreign[i])
        place = self.past[i].tolist().index(new) if new in self.past[i].tolist() else None
        known = None if place is None else float(self.past_share[i, place])
        old = int(self.model[i])
        if place is None:
            self._remember(i, old, share)
        else:
            # The old one takes its place, in front.
            order = [place, *[k for k in range(PAST) if k != place]]
            self.past[i], self.past_share[i] = self.past[i][order], self.past_share[i][order]
            self.past[i, 0], self.past_share[i, 0] = old, share
        self.model[i], self.foreign[i], self.run[i] = new, NONE, 0
        self.changed[i] = tick
        return None if known is None or np.isnan(known) else known

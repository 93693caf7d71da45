"""Gaps: a feed that fell silent is not a calm brand.

A brand is *down* when so few mentions came that its baseline makes it very improbable: no author since its last
mention, or almost none in the last hour or six hours. The minutes of a gap count as not observed: they teach nothing,
no expectation is summed over them, and while a brand is down it has no score, so that silence is no all-clear and the
first mentions after it no surge.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from detectors.columns import Columns, Floats, Ints, Minutes, column, ln
from detectors.windows import LONG_AGO, LONGEST

SLOTS = 6
"""Gaps remembered; with more in 24 hours the oldest counts as observed, which makes paging less likely, never more."""
IMPROBABLE = 8.0
"""Nats: a Chernoff bound of exp(-8), which independent hours would exceed once in four months. To take a lull for a
gap costs little: scoring pauses until mentions come again. To take a gap for a lull teaches silence."""
NEARLY_SILENT = 0.25
"""A feed with more than this part of what is expected is a quiet brand, not a broken feed."""
RESUME = 0.5
"""Part of what is expected in 10 minutes that ends a gap."""
HEARD = 3.0
"""Authors expected since the last one, up to which silence is the usual pause between two mentions."""
USUAL = 0.5
"""Part of what is expected in the last hour from which an incident may be called over."""


@dataclass
class Gaps(Columns):
    """Per brand; ticks, both ends included. The time before a brand's first mention is a gap too."""

    down: NDArray[np.bool_] = field(metadata=column(np.bool_))
    down_from: Minutes = field(metadata=column(np.int32, fill=LONG_AGO))
    since: Minutes = field(metadata=column(np.int32, SLOTS, fill=LONG_AGO))
    until: Minutes = field(metadata=column(np.int32, SLOTS, fill=LONG_AGO))
    last_seen: Minutes = field(metadata=column(np.int32, fill=LONG_AGO))
    silence: Floats = field(metadata=column(np.float64))
    """Authors that were expected between the last mention and the beginning of this hour."""

    def add(self, brand: int, since: int, until: int) -> None:
        """Remember a gap."""
        if until >= since:
            self.since[brand] = np.concatenate([[since], self.since[brand, :-1]])
            self.until[brand] = np.concatenate([[until], self.until[brand, :-1]])

    def near(self, first: int) -> Ints:
        """Brands with a gap that a window ending at tick `first` or later can reach."""
        return np.nonzero((self.until > first - LONGEST).any(axis=1))[0]


def improbable(count: Ints, expected: Floats, phi: Floats) -> NDArray[np.bool_]:
    """Whether so few in a window are very improbable: Chernoff bound of a Poisson count, its exponent divided by the
    over-dispersion phi (quasi-Poisson)."""
    few = count <= NEARLY_SILENT * expected
    if not few.any():
        return np.asarray(few, np.bool_)
    c = count.astype(np.float64)
    some = np.maximum(c, 1e-9)
    nats = (expected - c + np.where(count > 0, c * ln(some / np.maximum(expected, 1e-9)), 0.0)) / phi
    return np.asarray(few & (nats >= IMPROBABLE), np.bool_)


def is_heard(authors: Ints, expected: Floats, silence: Floats) -> NDArray[np.bool_]:
    """Whether calm can be told from silence: something was said lately, and not far less than usual in the last hour.

    Much stricter than being down, since nothing is lost by waiting for a mention before an incident is resolved.
    """
    return np.asarray((silence < HEARD) & ((authors >= USUAL * expected) | (expected < HEARD)), np.bool_)

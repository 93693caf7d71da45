"""Shapes of crises to inject, and of what is none: when how many mentions come on top, of which tone, by whom."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from bench.volumes import BIN, Floats, Ints


@dataclass(frozen=True)
class Shape:
    """Mentions on top of what comes anyway."""

    name: str
    hours: float
    extra: float
    """Times the usual volume that comes on top."""
    negative: float
    """Share of the mentions on top that are truly negative; nan: the brand's usual share at that time."""
    odds: float = 1.0
    """By how much the odds of a negative mention rise among those that come anyway."""
    profile: Literal["step", "ramp"] = "step"
    authors: int | None = None
    """So many accounts write all that comes on top; None: each mention has an author of its own."""
    copied: bool = False
    """What comes on top is one text with small changes."""
    crisis: bool = True
    """False: nobody should be paged."""

    @property
    def minutes(self) -> int:
        return round(60 * self.hours)

    def rate(self, usual: Floats) -> Floats:
        """Mentions on top to expect per bin, (bins,), given what is usual in each from the onset on."""
        at = np.arange(len(usual)) * BIN
        inside = (at < self.minutes).astype(np.float64)
        height = np.minimum((at + BIN) / (self.minutes / 2), 1.0) if self.profile == "ramp" else 1.0
        return np.asarray(self.extra * usual * inside * height, np.float64)

    def write(self, rng: np.random.Generator, n: int) -> tuple[Ints, list[str] | None]:
        """Author hashes of n mentions on top, and their texts where these matter."""
        if self.authors is None:
            author = rng.integers(1, 2**62, n)
        else:
            author = rng.integers(1, 2**62, self.authors)[rng.integers(0, self.authors, n)]
        if not self.copied:
            return author, None
        tails = ("", "!", "!!", " https://example.com/a", " https://example.com/b", " @user")
        text = "do not ever buy from this brand again they lie to all of us"
        return author, [text + tails[i] for i in rng.integers(0, len(tails), n)]


NAN = float("nan")
SHAPES = (
    Shape("+1x, 70 % negative, 3 h", 3, 1, 0.7),
    Shape("+2x, 70 % negative, 3 h", 3, 2, 0.7),
    Shape("+5x, 70 % negative, 1 h", 1, 5, 0.7),
    Shape("ramp to +4x in 3 h, 70 %, 6 h", 6, 4, 0.7, profile="ramp"),
    Shape("slow: +0.5x, 70 %, 24 h", 24, 0.5, 0.7),
    Shape("tone only: 0.2 -> 0.5, 6 h", 6, 0, NAN, odds=4.0),
    Shape("bots: +5x by 6 accounts, 2 h", 2, 5, 0.95, authors=6, crisis=False),
    Shape("copies: +5x of one text, 2 h", 2, 5, 0.95, copied=True, crisis=False),
    Shape("viral: +5x of usual tone, 3 h", 3, 5, NAN, crisis=False),
    Shape("nothing", 6, 0, NAN, crisis=False),
)
"""Odds of 4 move a share of 0.2 to 0.5. `nothing` is what chance alone would find."""
STANDARD, SHARP, TONE_ONLY = SHAPES[1], SHAPES[2], SHAPES[5]
SECOND_AFTER = 36 * 60
"""Minutes between the onsets of a first and a second crisis."""

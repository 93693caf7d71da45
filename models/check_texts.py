"""Texts on which backends are compared and timed: the length and the manner of posts, tones of every kind."""

from __future__ import annotations

from itertools import product
from typing import Final

_OPENINGS: Final = ("@airline", "Honestly,", "BREAKING:", "Dear support team,")
_SUBJECTS: Final = (
    "my flight to Chicago this morning",
    "the new phone I ordered two weeks ago",
    "your support line (1-800) on a Sunday night",
    "this app, after the latest update,",
)
_VERDICTS: Final = (
    "is late AGAIN and nobody answers, the worst service ever :(",
    "made my day, thank you so much!!! best team in the world",
    "was in the news on Tuesday, see http://t.co/abc for the report",
    "broke down, but the replacement came within a day, so fine I guess",
    "will be discussed at the annual meeting in Berlin at 10 am",
    "lol 😂😂 who designed this? #fail #neveragain",
)

CHECK_TEXTS: Final = tuple(" ".join(parts) for parts in product(_OPENINGS, _SUBJECTS, _VERDICTS))
"""96 posts of 17 to 35 tokens."""

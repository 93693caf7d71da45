"""A detector: one named way to look at counts and expectations, and what it may ask for.

A detector scores and, if it likes, learns. It knows no threshold: the score of a tick is compared with a level that
the budget computes from the detector's own daily maxima, and what that is worth is decided elsewhere. So a detector
that a user adds keeps the page budget as the built-in ones do (built_in.py; docs/detection.md, "Your own detector").
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from detectors.columns import Columns, Floats, Ints
from detectors.view import View

Asks = Literal["info", "ticket", "page"]
Counts = Literal["negative", "authors"]

HIGHEST = 40.0
"""Scores beyond this, either way, are cut."""
USUAL_AT = (0.25, 1.0, 4.0, 16.0, 64.0)
"""Negative authors expected an hour for which is told what is usual; in between it is interpolated."""


def in_words(minutes: int) -> str:
    """A window as people read it: 10 minutes, 1 hour, 3 hours."""
    hours = minutes // 60
    return f"{minutes} minutes" if hours == 0 else f"{hours} hour{'s' if hours > 1 else ''}"


@dataclass(frozen=True)
class Told:
    """The numbers of an event's window, for the sentence that gives the reason."""

    window: str
    """As people read it: 10 min, 1 h, 3 h, 6 h or 24 h."""
    authors: int
    authors_expected: float
    negative: int
    negative_expected: float
    share: float
    share_expected: float
    terms: tuple[tuple[str, int], ...] = ()
    """What more authors of negative mentions than usual write, the most telling term first, and how many authors do."""
    topic: bool = False
    """Whether the score of `topic` is above 0, so that `terms` are more than examples: more are negative than usual,
    and about one new thing. Of windows up to three hours, which is how long a topic is looked for."""

    @property
    def about(self) -> str:
        """What more negative authors than usual name, for the end of a sentence; empty where there is nothing."""
        said = ", ".join(f"“{term}” by {authors}" for term, authors in self.terms)
        return f"; more than usual write {said}" if said else ""


@dataclass(frozen=True)
class Hour:
    """An hour that has ended, for detectors that learn: counts in the windows that end with it.

    Arrays are read-only but for `learned`.
    """

    local_hour: Ints
    """(n,) the hour in the brand's time zone, hours since 1970 there."""
    mentions: Ints
    """(5, n) as the four below: windows of 10 min, 1 h, 3 h, 6 h and 24 h."""
    authors: Ints
    negative: Ints
    authors_expected: Floats
    negative_expected: Floats
    observed: Floats
    """(n,) part of the hour in which the feed was heard, 0 to 1; 0 for a brand not seen yet."""
    quiet: NDArray[np.bool_]
    """(n,) no incident was open in this hour or the one before: learn from others only if you mean to."""
    learned: Any
    """What the detector has learned, one row per brand: to be changed in place."""


class Detector(ABC):
    """Subclass it, set `name`, implement `score`; `conformance.check` tells whether it keeps the contract.

    The contract: `score` is a function of the view alone, element by element. It changes nothing, has no memory and no
    clock, looks at no other tick and at no other brand of the view. A score reads as a natural log ratio (0 usual,
    2.3 ten times usual) or as log odds; it is finite whatever the counts, 0 and ten million among them.
    """

    name: str
    """Lower case letters, digits and underscores. Seen in events, metrics and plots, and in the settings."""
    version: str = "1"
    """To be changed with anything that changes a score: what was learned by another version is not read."""
    title: str = ""
    """What people read above its plot: what it looks at, a comma, over how long. Empty: made of its name and window."""
    window: int = 60
    """Minutes (10, 60, 180, 360, 1440) of the window it judges: an event tells this window's numbers, and its authors
    must be enough (EngineConfig.min_page_authors and its neighbours)."""
    confirmed_by: int | None = None
    """Minutes of a shorter window in which it must go on: the score is cut at twice that window's log ratio."""
    counts: Counts = "negative"
    """Whether negative authors are counted for the two above, or all."""
    asks_for: Asks = "ticket"
    """The most urgent thing it may ask for. One that asks for an info is compared with the level of a page."""
    floor: float = 1.1
    """No page (or info) below this score, however quiet the brand's days are: three times what is expected."""
    ticket_floor: float = 0.9
    usual_scale: float | tuple[float, ...] = 0.4
    """Gumbel scale of its daily maxima that is usual for brands; a brand's own takes over with its days. One number,
    or one for each of USUAL_AT negative authors an hour."""
    least_scale: float = 0.0
    """The scale is taken to be no smaller, whatever the brand's days say: where nearly all daily maxima are 0 they do
    not tell how large the others are."""
    usual_location: tuple[float, ...] | None = None
    """The same of the location. With it thresholds are return levels from the first day on; None: it is not known,
    and young brands are drawn to `cold_page` and `cold_ticket`."""
    pages_when_cold: bool = False
    """Whether it may page before it has EngineConfig.cold_days quiet days of the brand."""
    cold_page: float | None = None
    """Score for a page while it is not, and to which young thresholds are drawn; None: ln of
    EngineConfig.cold_page_ratio."""
    cold_ticket: float | None = None
    """The same for a ticket."""
    learns: ClassVar[type[Columns] | None] = None
    """A dataclass of columns, one row per brand (see columns.Columns), that `learn` changes and `score` reads."""

    @abstractmethod
    def score(self, view: View) -> Floats:
        """(n, ticks) scores."""

    def learn(self, hour: Hour) -> None:
        """Learn from an hour that has ended, into ``hour.learned``, each brand from its own row; called once an hour.

        Only for a detector with `learns`.
        """
        raise NotImplementedError(f"detector {self.name} has `learns`, but does not learn")

    def reason(self, told: Told) -> str:
        """One sentence on why it fired."""
        return (
            f"{told.negative} negative authors in {told.window} against {told.negative_expected:.3g} expected; "
            f"{told.share:.0%} of {told.authors} authors are negative against {told.share_expected:.0%} expected"
        )

    def heading(self) -> str:
        """Its title, or one made of its name and window."""
        return self.title or f"{self.name.replace('_', ' ')}, {in_words(self.window)}"

    @property
    def key(self) -> str:
        """Name and version: what state belongs to."""
        return f"{self.name}@{self.version}"

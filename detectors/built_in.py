"""The built-in detectors.

| name    | window | confirmed by | what it sees                | asks for at most |
|---------|--------|--------------|-----------------------------|------------------|
| `fast`  | 1 h    | 10 min       | count, share, what is said  | page             |
| `mid`   | 3 h    | 1 h          | the same, weaker and longer | page             |
| `slow`  | 6 h    | 3 h          | count and share, longer     | page             |
| `tone`  | 6 h    |              | the share alone             | page             |
| `count` | 1 h    | 10 min       | count, in no smaller share  | ticket           |
| `topic` | 3 h    |              | the share, and what is said | page             |
| `day`   | 24 h   | 6 h          | slow burns                  | ticket           |
| `surge` | 1 h    | 10 min       | many authors of usual tone  | info             |
"""

from __future__ import annotations

import numpy as np

from detectors.columns import Floats, ln
from detectors.detector import Asks, Counts, Detector, Told, in_words
from detectors.score import SHARE_CLIP, SMALL, TONE_CLIP
from detectors.view import View, row_of

VERSION = "3"
"""To be changed with a formula of theirs: maxima of another formula say nothing about this one. Not changed in detector
versions 1.8 and 1.9, since a brand would lose 56 days of them, which costs more: daily maxima differ by two percent of
the version before, and in 1.9 those of `fast` and `mid` spread by 5 and 3 percent more, up to 13 of a small brand."""
TAKEN = 0.8
"""Of B where it is negative: what a usual share takes from `count`. With 0.4 a burst of five times the volume in the
usual tone opened a ticket in 16 of 53 trials, with 0.8 in 12, without `count` in 8."""

MOST_OF_ONE = 3.0
"""Times the weaker of W and B, that `topic` is at most."""


class Joint(Detector):
    """How many negative authors, how negative the authors are, and, up to 3 h, whether they are so about one new thing:
    View.joint."""

    version = VERSION
    pages_when_cold = True

    def __init__(
        self,
        name: str,
        window: int,
        confirmed_by: int,
        asks_for: Asks,
        location: tuple[float, ...],
        scale: tuple[float, ...],
    ) -> None:
        self.name, self.window, self.confirmed_by = name, window, confirmed_by
        self.title = f"score, {in_words(window)}"
        self.asks_for, self.usual_location, self.usual_scale = asks_for, location, scale

    def score(self, view: View) -> Floats:
        """S of the window."""
        return np.asarray(view.joint[row_of(self.window) - 1], np.float64)

    def reason(self, told: Told) -> str:
        """Count and share, and what more than usual name where there is a topic."""
        return super().reason(told) + (told.about if told.topic else "")


class Tone(Detector):
    """The share of negative authors in 6 h alone, at whatever volume: B (see score.py)."""

    name = "tone"
    version = VERSION
    title = "share alone, 6 hours"
    window = 360
    asks_for: Asks = "page"
    floor, ticket_floor = 3.0, 2.5
    usual_location = (0.76, 0.65, -0.6, -2.0, -2.4)
    usual_scale = (0.63, 0.94, 1.34, 1.39, 1.16)
    pages_when_cold = True

    def score(self, view: View) -> Floats:
        """B."""
        return np.asarray(np.clip(view.tone_evidence(row_of(self.window)), *TONE_CLIP), np.float64)

    def reason(self, told: Told) -> str:
        """The two shares."""
        return (
            f"{told.share:.0%} of {told.authors} authors in {told.window} are negative "
            f"against {told.share_expected:.0%} expected"
        )


class Count(Detector):
    """How many negative authors, unless they are too small a share: x + min(0.8 clip(B, -2.5, 8), 0) (see score.py).

    Where other news of the brand makes the rounds too, or few write at all, a crisis need not move the share enough
    for the joint score. Here a moved share earns nothing, so that days on which it moves do not raise the threshold,
    and one below what a crisis would have costs twice what it costs there, since a burst of volume in the usual tone
    is not meant. For a ticket only.
    """

    name = "count"
    version = VERSION
    title = "negative authors, 1 hour"
    window = 60
    confirmed_by = 10
    asks_for: Asks = "ticket"
    usual_location = (0.42, 0.71, 0.71, 0.58, 0.1)
    usual_scale = (0.16, 0.25, 0.25, 0.3, 0.48)

    def score(self, view: View) -> Floats:
        """x, less what too small a share takes away."""
        w = row_of(self.window) - 1
        taken = np.minimum(TAKEN * np.clip(view.share_evidence[w], *SHARE_CLIP), 0.0)
        return np.asarray(view.size[w] + taken, np.float64)


class Topic(Detector):
    """Whether more are negative than usual, and about one thing that is new: min(W + B, 3 W, 3 B).

    W is topics.py's evidence of a topic; B the evidence that the share moved, the mean of that of 1 h and of 3 h. Given
    how many are negative, what they say is evidence of its own, so the logarithms add up, and a crisis of few people,
    or one beside other news, is told where counts alone cannot yet. It takes both: a topic in the usual tone is
    something that makes the rounds, a moved share without a topic is `tone`'s. 0 where there is no topic.
    """

    name = "topic"
    version = "4"
    title = "share and topic, 3 hours"
    window = 180
    asks_for: Asks = "page"
    floor, ticket_floor = 3.0, 2.5
    usual_location = (0.0, 0.0, 0.0, 0.0, 0.0)
    usual_scale = 0.8
    least_scale = 1.15

    def score(self, view: View) -> Floats:
        """min(W + B, 3 W, 3 B)."""
        brand, tick = np.nonzero(view.topic)
        at = brand, tick
        out = np.zeros(view.shape)
        if len(brand):
            topic = view.topic[at]
            share = np.mean([view.tone_evidence(row_of(w), at) for w in (60, self.window)], axis=0)
            both = np.minimum(topic + share, MOST_OF_ONE * np.minimum(topic, share))
            out[at] = np.clip(both, *TONE_CLIP)
        return out

    def reason(self, told: Told) -> str:
        """The share, and what more than usual name."""
        return (
            f"{told.negative} of {told.authors} authors in {told.window} are negative "
            f"({told.share:.0%} against {told.share_expected:.0%} expected){told.about}"
        )


class Surge(Detector):
    """Many authors, whatever their tone."""

    name = "surge"
    version = VERSION
    title = "any tone, 1 hour"
    window = 60
    confirmed_by = 10
    counts: Counts = "authors"
    asks_for: Asks = "info"
    usual_scale = 0.35
    pages_when_cold = True

    def score(self, view: View) -> Floats:
        """ln((T + 4) / (mu + 4))."""
        w = row_of(self.window)
        return ln((view.authors[w] + 2.0 * SMALL) / (view.authors_expected[w] + 2.0 * SMALL))

    def reason(self, told: Told) -> str:
        """The two counts."""
        return (
            f"{told.authors} authors in {told.window} against {told.authors_expected:.3g} expected, "
            f"with a usual share of negative ones ({told.share:.0%})"
        )


BUILT_IN: tuple[Detector, ...] = (
    Joint("fast", 60, 10, "page", (0.81, 1.14, 1.1, 0.82, 0.64), (0.32, 0.3, 0.39, 0.46, 0.53)),
    Joint("mid", 180, 60, "page", (0.74, 0.8, 0.5, 0.05, -0.1), (0.39, 0.39, 0.47, 0.53, 0.55)),
    Joint("slow", 360, 180, "page", (0.5, 0.36, -0.12, -0.45, -0.53), (0.41, 0.43, 0.5, 0.46, 0.47)),
    Tone(),
    Count(),
    Topic(),
    Joint("day", 1440, 360, "ticket", (-0.12, -0.62, -0.88, -0.88, -0.88), (0.48, 0.38, 0.22, 0.16, 0.2)),
    Surge(),
)
"""In the order of score.DETECTORS. What is usual was measured on 60 calm series: real and simulated volumes of 0.1 to
100 negative authors an hour, with a synthetic tone."""

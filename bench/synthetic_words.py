"""What negative mentions say: words of a vocabulary, and those of the stories that they are about.

Most complaints of a calm day are about this and that. Some are about a story, and a crisis is one. On calm days there
are those that run for some hours; a burst of volume is about one thing; and where the share of negatives is above the
brand's own, what is too much is about one thing as well, since that is why hours differ by more than chance. So a calm
day has topics, and as many as real ones: on 55 days of ten such brands the strongest evidence of a topic together with
a moved share (detector `topic`) is above 3 on 0.2 to 1 days a month, on those of the replays in ../shared on none
(airlines) to three (Sberbank, United).

How many of those who write about a story use its first word is drawn for each from what was seen in the five crises of
the replays three hours after they began: Southwest's "hold" 0.6, JetBlue's "jfk" 0.1 to 0.3, Sberbank's bank notes 0.7
to 1, United's "passenger" 0.2, its "rabbit" 0.6.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bench.volumes import DAY_BINS, HOUR_BINS, Floats, Ints

VOCABULARY = 4000
"""Terms, used by Zipf's law (Mandelbrot's form, 1 / (rank + 2.7))."""
LEAST_TERMS, MORE_TERMS = 4, 4.0
"""Of a text: at least, and on average on top."""
STORIES_A_DAY, STORY_HOURS, STORY_PART = 2.0, 3.0, 0.12
"""Stories of calm days: how many begin, how long they last (median), and the mean part of negative mentions that are
about one."""
BURST = 1.5
"""Times the usual volume in half an hour, from which what is above the usual is about one thing."""
NAMED = (0.15, 0.95)
"""Part of those who write about a story that use its first word lies in between."""
OTHER_WORDS = (1.0, 0.8, 0.65)
"""Times as many use its first, second and third."""
NO_STORY = 0


class Words:
    """The stories of a brand's calm days."""

    def __init__(self, counts: Ints, usual: Floats, share: Floats, lasting: Floats, rng: np.random.Generator) -> None:
        """Of mentions and what is usual, and of the share of negatives and what it is in the long run: (bins,) each."""
        bins = len(counts)
        arising, number = np.zeros(bins), np.zeros(bins, np.int64)
        for _ in range(int(rng.poisson(STORIES_A_DAY * bins / DAY_BINS))):
            begin = int(rng.integers(0, bins))
            length = max(round(STORY_HOURS * HOUR_BINS * float(np.exp(0.8 * rng.normal()))), 1)
            arising[begin : begin + length] = rng.beta(1.0, 1.0 / STORY_PART - 1.0)
            number[begin : begin + length] = _number(rng)
        half_hour = np.convolve(counts, np.ones(6), mode="same"), np.convolve(usual, np.ones(6), mode="same")
        times = (half_hour[0] + 0.5) / (half_hour[1] + 0.5)
        burst = (times > BURST) & (half_hour[0] > half_hour[1] + 2.0 * np.sqrt(half_hour[1]))
        more = share > lasting
        self.part = (arising, np.where(burst, 1.0 - 1.0 / times, 0.0), np.where(more, 1.0 - lasting / share, 0.0))
        """Of the negative mentions of a bin that are about each kind of story."""
        self.story = (number, _spells(burst, rng), _spells(more, rng))

    def stories(self, bins: Ints, rng: np.random.Generator) -> Ints:
        """(m,) the story that negative mentions of these bins are about, or NO_STORY."""
        out = np.full(len(bins), NO_STORY)
        for part, story in zip(self.part, self.story, strict=True):
            out = np.where(rng.random(len(bins)) < part[bins], story[bins], out)
        return out


def crisis(m: int, rng: np.random.Generator) -> Ints:
    """(m,) one new story."""
    return np.full(m, _number(rng))


def write(stories: Ints, rng: np.random.Generator) -> list[str]:
    """Texts about these stories, (m,)."""
    rank = np.cumsum(1.0 / (np.arange(VOCABULARY) + 3.7))
    lengths = LEAST_TERMS + rng.poisson(MORE_TERMS, len(stories))
    terms = np.searchsorted(rank / rank[-1], rng.random(int(lengths.sum()))).tolist()
    # The fractional parts of multiples of the golden ratio are spread evenly.
    named = NAMED[0] + (NAMED[1] - NAMED[0]) * (stories * 0.6180339887498949 % 1.0)
    uses = (rng.random((len(stories), len(OTHER_WORDS))) < named[:, None] * np.array(OTHER_WORDS)).tolist()
    out, begin = [], 0
    for i, (end, story) in enumerate(zip(np.cumsum(lengths).tolist(), stories.tolist(), strict=True)):
        text = [f"w{term}" for term in terms[begin:end]]
        begin = end
        if story != NO_STORY:
            for k, used in enumerate(uses[i]):
                if used:
                    text[(i + k) % len(text)] = f"s{story}x{k}"
        out.append(" ".join(text))
    return out


def said(negative: NDArray[np.bool_], stories: Ints, rng: np.random.Generator) -> list[str]:
    """Texts of mentions (m,): those of the negative ones about these stories, the others empty."""
    texts = iter(write(stories, rng))
    return [next(texts) if it else "" for it in negative.tolist()]


def _number(rng: np.random.Generator) -> int:
    return int(rng.integers(1, 2**40))


def _spells(inside: np.ndarray, rng: np.random.Generator) -> Ints:
    """(bins,) a story for each spell of bins inside."""
    spell = np.cumsum(inside & ~np.append(False, inside[:-1]))
    return np.asarray(rng.integers(1, 2**40, int(spell[-1]) + 1)[spell], np.int64)

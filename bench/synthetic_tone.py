"""Mentions with a synthetic tone, made from a volume: who writes when, and what a classifier makes of it.

The true share of negative mentions has a level per brand, wanders over a day, and differs from hour to hour more than
chance (people talk about the same thing); the classifier errs. Strengths are those measured on 14,640 airline tweets
with a human tone: correlation within an hour 0.03 to 0.1, within a day about 0.02. What negative mentions say is
bench/synthetic_words.py, where words are asked for.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.crisis_shapes import Shape
from bench.synthetic_words import Words, crisis, said
from bench.volumes import BIN, DAY_BINS, HOUR_BINS, Floats, Ints, Volume, wander

SENSITIVITY, SPECIFICITY = 0.8, 0.9
"""Of the classifier: negative mentions called negative, others called not."""
LEVEL = (0.12, 0.3)
"""A brand's usual true share lies in between."""
WANDER = 0.3
"""Standard deviation of the log odds over days."""
CORRELATION = 0.03
"""Of two mentions of an hour, beyond that."""
REGULARS, BY_REGULARS = 2000, 0.3
"""Accounts that write often, and the part of mentions that is theirs."""


@dataclass(frozen=True)
class Mentions:
    """Mentions in order of time; columns (m,)."""

    minute: Ints
    author: Ints
    negative: NDArray[np.bool_]
    """What the classifier says."""
    text: list[str] | None = None
    """None: all say the same."""


@dataclass(frozen=True)
class Brand:
    """A brand with volume and tone."""

    volume: Volume
    usual: Floats
    """(bins,) mentions that a bin usually holds."""
    share: Floats
    """(bins,) true share of negative mentions."""
    mentions: Mentions
    chance: Floats
    """(m,) a mention is truly negative if this is below the share of its bin."""
    error: Floats
    """(m,) decides whether the classifier errs."""

    @staticmethod
    def of(volume: Volume, seed: int, words: bool = True) -> Brand:
        """The volume with the tone of this seed, and words or one text for all."""
        rng = np.random.default_rng([seed, *volume.name.encode()])
        bins = len(volume.counts)
        level = rng.uniform(*LEVEL)
        daily = expit(np.log(level / (1 - level)) + wander(rng, bins, WANDER, DAY_BINS))
        hourly = daily[::HOUR_BINS]
        size = 1 / CORRELATION - 1
        share = np.repeat(rng.beta(size * hourly, size * (1 - hourly)), HOUR_BINS)[:bins]
        at = np.repeat(np.arange(bins), volume.counts)
        minute = np.sort(volume.start + BIN * at + rng.integers(0, BIN, len(at)))
        author = rng.integers(1, 2**62, len(at))
        regular = rng.random(len(at)) < BY_REGULARS
        author[regular] = rng.integers(1, 2**62, REGULARS)[rng.integers(0, REGULARS, int(regular.sum()))]
        chance, error = rng.random(len(at)), rng.random(len(at))
        brand = Brand(volume, volume.usual(), share, Mentions(minute, author, np.zeros(0, np.bool_)), chance, error)
        negative = classified(chance < share[brand.bin(minute)], error)
        text = None
        if words:
            rng = np.random.default_rng([seed, 2, *volume.name.encode()])
            about = Words(volume.counts, brand.usual, share, daily, rng)
            text = said(negative, about.stories(brand.bin(minute[negative]), rng), rng)
        return Brand(volume, brand.usual, share, Mentions(minute, author, negative, text), chance, error)

    def bin(self, minute: Ints) -> Ints:
        """The bin a minute lies in."""
        return np.asarray((minute - self.volume.start) // BIN, np.int64)

    def between(self, begin: int, end: int, crises: tuple[tuple[int, Shape], ...] = (), seed: int = 0) -> Mentions:
        """Mentions of minutes [begin, end), with these crises (onset, shape) in it. The same onset, shape and seed
        give the same mentions on top, whatever came before."""
        a, b = np.searchsorted(self.mentions.minute, [begin, end]).tolist()
        minute, author = self.mentions.minute[a:b], self.mentions.author[a:b]
        negative = self.mentions.negative[a:b].copy()
        text = None if self.mentions.text is None else self.mentions.text[a:b]
        for onset, shape in crises:
            if shape.odds != 1.0:
                c, d = np.searchsorted(self.mentions.minute, [max(onset, begin), min(onset + shape.minutes, end)])
                share = raised(self.share[self.bin(self.mentions.minute[c:d])], shape.odds)
                turned = classified(self.chance[c:d] < share, self.error[c:d])
                if text is not None:
                    rng = np.random.default_rng([seed, onset, 3, *self.volume.name.encode()])
                    new = _about_a_crisis(turned & ~negative[c - a : d - a], rng)
                    text[c - a : d - a] = [t or old for t, old in zip(new, text[c - a : d - a], strict=True)]
                negative[c - a : d - a] = turned
        on_top = [self._on_top(onset, shape, seed) for onset, shape in crises if shape.extra]
        if text is not None or any(top.text is not None for top in on_top):
            text = text or [""] * len(minute)
            text = [t for said in (text, *(top.text or [""] * len(top.minute) for top in on_top)) for t in said]
        minute = np.concatenate([minute, *(top.minute for top in on_top)])
        author = np.concatenate([author, *(top.author for top in on_top)])
        negative = np.concatenate([negative, *(top.negative for top in on_top)])
        order = np.argsort(minute, kind="stable")
        if text is not None:
            text = [text[i] for i in order.tolist()]
        return Mentions(minute[order], author[order], negative[order], text)

    def _on_top(self, onset: int, shape: Shape, seed: int) -> Mentions:
        rng = np.random.default_rng([seed, onset, *self.volume.name.encode(), *shape.name.encode()])
        first = int(self.bin(np.array([onset]))[0])
        bins = np.arange(first, min(first + shape.minutes // BIN + 1, len(self.share)))
        counts = rng.poisson(shape.rate(self.usual[bins]))
        at = np.repeat(np.arange(len(bins)), counts)
        minute = np.sort(onset + BIN * at + rng.integers(0, BIN, len(at)))
        share = self.share[bins[at]] if np.isnan(shape.negative) else np.full(len(at), shape.negative)
        author, text = shape.write(rng, len(at))
        negative = classified(rng.random(len(at)) < share, rng.random(len(at)))
        if text is None and self.mentions.text is not None:
            text = _about_a_crisis(negative, rng)
        return Mentions(minute, author, negative, text)


def _about_a_crisis(negative: NDArray[np.bool_], rng: np.random.Generator) -> list[str]:
    """Texts of mentions (m,): those of the negative ones about one new thing, the others empty."""
    return said(negative, crisis(int(negative.sum()), rng), rng)


def expit(x: Floats) -> Floats:
    """Share from log odds."""
    return np.asarray(1 / (1 + np.exp(-x)), np.float64)


def raised(share: Floats, odds: float) -> Floats:
    """The share when its odds rise by this factor."""
    return np.asarray(share * odds / (1 - share + share * odds), np.float64)


def classified(negative: NDArray[np.bool_], error: Floats) -> NDArray[np.bool_]:
    """What the classifier says of truly negative and other mentions."""
    return np.where(negative, error < SENSITIVITY, error < 1 - SPECIFICITY)

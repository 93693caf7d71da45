"""Loud authors: who writes again and again counts for nobody while it is so, since a few accounts are no crowd."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from detectors.columns import Ints
from detectors.evidence import Sample

LOUD = 2
"""Who wrote more than so many of the negative mentions of a window is loud."""


class Heard(NamedTuple):
    """From when until when mentions count, (pieces,) each, of each brand in order of their beginning."""

    sample: Ints
    """Position among the samples."""
    begin: Ints
    end: Ints
    """The first tick at which it does not count any more."""


def heard(samples: Sequence[Sample], brand: Ints, window: int) -> Heard:
    """When samples, of brands (m,) and in tick order in each, count: for `window` minutes, not while their author is
    loud."""
    at = np.arange(len(samples))
    tick = np.array([sample.tick for sample in samples], np.int64)
    _, author = np.unique(np.array([sample.author for sample in samples], np.uint64), return_inverse=True)
    author = brand * len(samples) + author
    order = np.argsort(author, kind="stable")
    who, when = author[order], tick[order]
    again = np.nonzero((who[LOUD:] == who[:-LOUD]) & (when[LOUD:] - when[:-LOUD] < window))[0]
    if not len(again):
        return Heard(at, tick, tick + window)
    spells: dict[int, list[tuple[int, int]]] = {}
    for j in again.tolist():
        own = spells.setdefault(int(who[j]), [])
        begin, end = int(when[j + LOUD]), int(when[j]) + window
        if own and begin <= own[-1][1]:
            begin, _ = own.pop()
        own.append((begin, end))
    quiet = ~np.isin(author, list(spells))
    pieces: list[tuple[int, int, int]] = []
    for i in np.nonzero(~quiet)[0].tolist():
        begin, end = int(tick[i]), int(tick[i]) + window
        for loud_from, loud_until in spells[int(author[i])]:
            if begin < min(loud_from, end):
                pieces.append((i, begin, min(loud_from, end)))
            begin = max(begin, loud_until)
        if begin < end:
            pieces.append((i, begin, end))
    more = np.array(pieces, np.int64).reshape(-1, 3).T
    every = np.concatenate([[at[quiet], tick[quiet], tick[quiet] + window], more], axis=1)
    sample, begins, ends = every[:, np.lexsort((every[1], brand[every[0]]))]
    return Heard(sample, begins, ends)

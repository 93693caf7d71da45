"""Topics: whether the negative mentions of three hours are about one thing that they are not usually about.

Complaints of a calm day are about this and that; a crisis has a subject. Given how many authors are negative, which
words they use is evidence of its own, beside their number and their share. It is the log Bayes factor

    W = ln( 1/V sum_v 1/2 sum_s BB(k_v; K, s_v, rho) / BB(k_v; K, p_v, rho) ),   s in {1/4, 1/2}, at least 2 p_v

that some term v, each as likely as any other, is used by a share s of the authors and not by the share p that usually
uses it: of K negative authors k use it. Copies speak for the author they repeat (copies.py), who writes again and
again counts for nobody while it is so, terms are counted by hash (evidence.py), and BB is the beta-binomial
probability, since what one says another takes up on calm days too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import special

from detectors import loud
from detectors.columns import Floats, Ints, exp, ln
from detectors.evidence import BUCKETS, Evidence, NormalTerms, Sample

WINDOW = 180
"""Minutes."""
SHARES = (0.25, 0.5)
"""s: of the authors of a crisis, how many may name what it is about."""
TIMES = 2.0
"""Times its usual share that a term must be used to say anything."""
CORRELATION = 0.03
"""rho."""
LEAST_AUTHORS, LEAST_USERS = 5, 3
"""K and k below which W is 0: two who use a word are no topic."""
MOST_NATS = 346.0
"""Of one ratio; more is no number any more."""
LEAST_KNOWN = 30.0
"""Negative authors of the days before, without which nobody knows what is usual."""
_FAR = 1 << 36
"""Later than any minute."""
_MOST_SAMPLES = 4096
"""Of brands taken at once; bounds the memory."""


class Kept(NamedTuple):
    """Samples of some ticks, in tick order."""

    place: Ints
    """(m,) row of each among the observations."""
    brands: list[int]
    """By the position in the engine."""
    samples: list[Sample]


class Topics:
    """W of brands as it stands, and when it may change."""

    def __init__(self) -> None:
        self.now: dict[int, float] = {}
        """W of brands at the tick closed last, where it is not 0."""
        self.ends: dict[int, list[int]] = {}
        """Brands with samples of a tick, by tick: W may change when these leave the window."""
        self.stale = True
        """`now` is not known, as after a restore."""

    def add(self, brands: Sequence[int], samples: Sequence[Sample]) -> None:
        """Note that there are samples, each of a brand."""
        for brand, sample in zip(brands, samples, strict=True):
            of_tick = self.ends.get(sample.tick)
            if of_tick is None:
                self.ends[sample.tick] = [brand]
            elif of_tick[-1] != brand:
                of_tick.append(brand)

    def take_over(self, other: Topics) -> None:
        """Add another group of brands."""
        self.now |= other.now
        self.stale |= other.stale
        for tick, brands in other.ends.items():
            self.ends.setdefault(tick, []).extend(brands)

    def forget(self, closed: int) -> None:
        """Drop what has left the window."""
        self.ends = {tick: brands for tick, brands in self.ends.items() if tick > closed - WINDOW}

    def advance(
        self,
        first: int,
        last: int,
        kept: Kept,
        evidence: Evidence,
        index: Ints,
    ) -> Floats:
        """W of ticks first..last of one UTC day, (n, ticks).

        Parameters
        ----------
        kept : samples of these ticks; `evidence` has those before
        index : (n,) positions of the brands
        """
        k = last + 1 - first
        out = np.zeros((len(index), k))
        new: dict[int, list[Sample]] = {}
        for brand, sample in zip(kept.brands, kept.samples, strict=True):
            new.setdefault(brand, []).append(sample)
        moved = set(new)
        for tick in self.ends.keys() & range(first - WINDOW, last - WINDOW + 1):
            moved.update(self.ends[tick])
        if self.stale or first % 1440 == 0:
            moved.update(evidence.samples)
            self.now, self.stale = {}, False
        rows = {brand: int(np.searchsorted(index, brand)) for brand in (*self.now, *moved)}
        for brand, value in self.now.items():
            if brand not in moved:
                out[rows[brand]] = value
        batch: list[_Brand] = []
        size = 0
        for brand in sorted(moved):
            self.now.pop(brand, None)
            samples = evidence.between(brand, first - WINDOW, first - 1) + new.get(brand, [])
            normal = evidence.normal.get(brand)
            if len(samples) < LEAST_AUTHORS or normal is None:
                continue
            shares = usual_shares(normal, first // 1440)
            if shares is None:
                continue
            batch.append(_Brand(rows[brand], samples, shares))
            size += len(samples)
            if size >= _MOST_SAMPLES:
                _judge(batch, first, last, out)
                batch, size = [], 0
        _judge(batch, first, last, out)
        for brand in moved:
            if out[rows[brand], -1]:
                self.now[brand] = float(out[rows[brand], -1])
        return out


class _Brand(NamedTuple):
    row: int
    samples: list[Sample]
    usual: Floats
    """(BUCKETS,)"""


def usual_shares(normal: NormalTerms, day: int) -> Floats | None:
    """p of each bucket before a day (days since 1970), (BUCKETS,); None where too little is known."""
    shares, authors = normal.shares(day)
    return None if authors < LEAST_KNOWN else shares


def _judge(batch: Sequence[_Brand], first: int, last: int, out: Floats) -> None:
    """Put W of these brands in the ticks first..last into `out`."""
    if not batch:
        return
    steps = _Steps.of(batch, first, last)
    users, authors = steps.counts[:, :-1], steps.counts[:, -1]
    if not users.size:
        return
    # Many cells, and many of them enough: twice as fast as indices of both axes and masks.
    at, term = np.divmod(np.flatnonzero(users >= LEAST_USERS), users.shape[1])
    users_of, authors_of = users[at, term], authors[at]
    usual = np.stack([one.usual for one in batch])[steps.brand[at], steps.terms[term]]
    telling = np.flatnonzero((users_of > TIMES * usual * authors_of) & (authors_of >= LEAST_AUTHORS))
    at = at[telling]
    if not len(at):
        return
    k, every = users_of[telling].astype(np.int64), authors_of[telling].astype(np.int64)
    factor = bayes_factors(k, every, usual[telling])
    total = np.bincount(at, factor, len(authors)) / BUCKETS
    value = np.where(total > 1.0, ln(np.maximum(total, 1.0)), 0.0)
    row = np.array([one.row for one in batch])[steps.brand]
    end = np.append(steps.tick[1:], last + 1)
    end[np.append(steps.brand[1:] != steps.brand[:-1], True)] = last + 1
    for i in np.nonzero(value)[0].tolist():
        out[row[i], steps.tick[i] - first : end[i] - first] = value[i]


class _Steps(NamedTuple):
    """Counts of brands where they change, brand by brand, each from the first tick on."""

    brand: Ints
    """(steps,) place in the batch."""
    tick: Ints
    terms: Ints
    """(terms,) buckets that may tell, ascending."""
    counts: NDArray[np.int32]
    """(steps, terms + 1) distinct authors who use each, and all."""

    @staticmethod
    def of(batch: Sequence[_Brand], first: int, last: int) -> _Steps:
        """Count in windows that end at first..last; samples of each brand stand in order of ticks."""
        samples = [sample for one in batch for sample in one.samples]
        brand = np.repeat(np.arange(len(batch)), [len(one.samples) for one in batch])
        _, voice = np.unique(np.array([sample.speaks_for for sample in samples], np.uint64), return_inverse=True)
        heard = loud.heard(samples, brand, WINDOW)
        pieces = np.arange(len(heard.sample))
        used = [samples[i].used for i in heard.sample.tolist()]
        place = np.frombuffer(b"".join(used), np.uint8).astype(np.int64)
        piece = np.repeat(pieces, [len(u) for u in used])
        often = _often(brand[heard.sample[piece]] * BUCKETS + place, heard.begin[piece], len(batch))
        terms, place = _ranks(place[often], BUCKETS)
        # Each mention counts in the place of each of its terms, and in that of all authors.
        place = np.concatenate([place, np.full(len(pieces), len(terms))])
        piece = np.concatenate([piece[often], pieces])
        sample = heard.sample[piece]
        key = ((brand[sample] * len(samples) + voice[sample]) * (len(terms) + 1)) + place
        order = _in_order(key)
        key, place, piece = key[order], place[order], piece[order]
        begin, end = heard.begin[piece], heard.end[piece]
        # An author counts from a mention on until the last one that came before its end has ended.
        apart = np.append(True, begin[1:] > _latest(key, end)[:-1])
        apart[1:] |= key[1:] != key[:-1]
        starts = np.nonzero(apart)[0]
        whose, where = brand[heard.sample[piece[starts]]], place[starts]
        since, until = np.maximum(begin[starts], first), np.maximum.reduceat(end, starts)
        seen = (since <= last) & (until > first)
        whose, where, since, until = whose[seen], where[seen], since[seen], until[seen]
        # One step a brand and tick at which a count changes, the first one always. Whoever still counts after the last
        # tick leaves at the first step of the next brand, which begins with nobody.
        k = last + 1 - first
        begins = np.arange(len(batch) + 1) * k
        step_of_start, step_of_end = whose * k + (since - first), whose * k + (np.minimum(until, last + 1) - first)
        steps, place_of = _ranks(np.concatenate([begins, step_of_start, step_of_end]), len(batch) * k + 1)
        width = len(terms) + 1
        cell = place_of[len(begins) :] * width + np.concatenate([where, where])
        change = np.zeros(len(steps) * width, np.int32)
        # Not the plain numbers, which would be converted each time anew.
        np.add.at(change, cell, np.repeat(np.array([1, -1], np.int32), len(where)))
        counts = change.reshape(-1, width)
        np.cumsum(counts, axis=0, out=counts)
        own, tick = np.divmod(steps[:-1], k)
        return _Steps(own, tick + first, terms, counts[:-1])


def _ranks(values: Ints, upto: int) -> tuple[Ints, Ints]:
    """Distinct ones of whole numbers below `upto`, ascending, and the place of each among them: `numpy.unique` without
    sorting."""
    found = np.zeros(upto, np.bool_)
    found[values] = True
    return np.nonzero(found)[0], (np.cumsum(found) - 1)[values]


def _in_order(values: Ints) -> Ints:
    """`numpy.argsort(kind="stable")` of whole numbers that are not large, in a third of the time."""
    return np.argsort(values * len(values) + np.arange(len(values)))


def _often(term: Ints, begin: Ints, brands: int) -> NDArray[np.bool_]:
    """(m,) which uses are of a brand's term that was ever used often enough to tell: as many times as it takes authors,
    within a window. Uses of a term stand in order of their beginning. Most terms never are."""
    order = _in_order(term)
    own, when = term[order], begin[order]
    few = LEAST_USERS - 1
    together = (own[few:] == own[:-few]) & (when[few:] - when[:-few] < WINDOW)
    often = np.zeros(brands * BUCKETS, np.bool_)
    often[own[few:][together]] = True
    return often[term]


def _latest(key: Ints, end: Ints) -> Ints:
    """The latest end so far of each key's rows, which stand together."""
    rank = np.cumsum(np.append(0, key[1:] != key[:-1]))
    far = rank * _FAR
    return np.asarray(np.maximum.accumulate(end + far) - far, np.int64)


def bayes_factors(users: Ints, authors: Ints, usual: Floats) -> Floats:
    """Mean over SHARES of BB(k; K, s, rho) / BB(k; K, p, rho), of terms (m,), see above."""
    base = log_beta_binomial(users, authors, usual, CORRELATION)
    twice = TIMES * usual
    total = np.zeros(len(users))
    for share in SHARES:
        moved = _log_beta_binomial_of(share, users, authors)
        own = np.nonzero(twice > share)[0]
        if len(own):
            moved[own] = log_beta_binomial(users[own], authors[own], np.minimum(twice[own], 0.95), CORRELATION)
        total = total + exp(np.minimum(moved - base, MOST_NATS))
    return total / len(SHARES)


def log_beta_binomial(count: Ints, total: Ints, p: Floats, correlation: float) -> Floats:
    """ln BB(k; T, p, rho), but for what does not depend on p and so cancels out of a ratio: the binomial coefficient
    and gamma functions of the sum of both shape parameters."""
    size = (1.0 - correlation) / correlation
    k, rest = count.astype(np.float64), (total - count).astype(np.float64)
    a, b = size * p, size * (1.0 - p)
    return np.asarray(
        special.gammaln(k + a) - special.gammaln(a) + special.gammaln(rest + b) - special.gammaln(b),
        dtype=np.float64,
    )


def _log_beta_binomial_of(p: float, count: Ints, total: Ints) -> Floats:
    """`log_beta_binomial` of one p, of which few arguments of the gamma function are different."""
    size = (1.0 - CORRELATION) / CORRELATION
    a, b = size * p, size * (1.0 - p)
    k = np.arange(int(total.max(initial=0)) + 1, dtype=np.float64)
    of_count, of_rest = special.gammaln(k + a) - special.gammaln(a), special.gammaln(k + b)
    return np.asarray(of_count[count] + of_rest[total - count] - special.gammaln(b), np.float64)

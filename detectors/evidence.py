"""Evidence: the mentions and terms a person is shown with an incident.

Of the negative mentions of the last six hours some are kept per brand, at most a few a minute: enough to show what it
is about, bounded in a storm. Terms are counted by distinct authors and compared with the brand's own normal, a table
of decayed counts over hashed terms.
"""

from __future__ import annotations

import re
import zlib
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

KEEP_MINUTES = 360
PER_TICK = 20
"""Negative mentions kept per brand and tick: a storm of thousands an hour still shows 1,200 of the last one."""
EXCERPT = 200
TOP_MENTIONS = 3
TOP_TERMS = 8
BUCKETS = 256
_NO_TERM = -1
TERM_FADE = 2.0 ** (-1.0 / 168.0)
"""Per hour: what a brand's negatives usually talk about is remembered with a half-life of a week."""
NORMAL_PER_HOUR = 60
"""Mentions of an hour that teach the table of normal terms; more would cost time and teach nothing new."""

_WORD = re.compile(r"[#]?\w[\w'’-]*")
_LINK = re.compile(r"https?://\S+|@\w+")
_COMMON_WORDS = """
a about after again all also am amp an and any are as at back be because been before being but by can can't come
could day did do does doesn't doing don't down even ever every for from get gets getting go going gonna good got had
has have he her here him his how http https i i'm i've if in into is isn't it it's its just know last let like made
make many me more most much my need never new next no not now of off on one only or other our out over people please
re really right rt said same say says see she should since so some still such take than thank thanks that that's the
their them then there these they they're thing this those through time to today too two u up us use very via want
was wasn't way we well were what when where which while who why will with won't would yes yet you you're your а без
будет будто бы был было быть в вам вас вдруг ведь во вот все вы да даже для до его ее ему если еще же за и из или их
к как какой когда кто ли меня мне мы на не него нет ни нибудь но ну о он она опять от по под потом потому при раз с
себе себя со так там теперь то того тоже только ты у уж уже чего что чтоб это этого этот я
"""
"""Function words, English and Russian."""
_COMMON = frozenset(_COMMON_WORDS.split())


class Sample(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A negative mention kept to be shown."""

    tick: int
    author: int
    id: str
    text: str
    url: str | None
    p_negative: float
    reach: float | None


def writable(text: str) -> str:
    """The text without what UTF-8 cannot hold (half of a surrogate pair, as some exports contain)."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def terms_of(text: str) -> set[str]:
    """Words and hashtags of a text worth showing: no links, handles, function words, numbers or single letters."""
    return {term for word in _words(text) if (term := _term(word)) is not None}


def buckets_of(text: str) -> set[int]:
    """Where the terms of a text are counted."""
    used = set(map(_bucket_of_word, _words(text)))
    used.discard(_NO_TERM)
    return used


def _words(text: str) -> list[str]:
    text = text.lower()
    if not text.isascii():
        text = text.replace("’", "'")
    # Most texts have neither links nor handles.
    if "@" in text or "://" in text:
        text = _LINK.sub(" ", text)
    return _WORD.findall(text)


@lru_cache(maxsize=1 << 15)
def _term(word: str) -> str | None:
    term = word.strip("'-_")
    return term if len(term) > 2 and term not in _COMMON and not term.isdigit() else None


@lru_cache(maxsize=1 << 15)
def bucket(term: str) -> int:
    """Where a term is counted."""
    return zlib.crc32(term.encode("utf-8", "replace")) % BUCKETS


@lru_cache(maxsize=1 << 15)
def _bucket_of_word(word: str) -> int:
    term = _term(word)
    return _NO_TERM if term is None else bucket(term)


@dataclass
class NormalTerms:
    """How many authors of negative mentions usually use a term, per hash bucket. The last bucket counts all authors."""

    counts: NDArray[np.float32]

    @staticmethod
    def none() -> NormalTerms:
        """Nothing learned yet."""
        return NormalTerms(np.zeros(BUCKETS + 1, np.float32))

    def learn(self, samples: Iterable[Sample], hours: int) -> None:
        """Fade by `hours` and add an hour's samples."""
        self.counts *= np.float32(TERM_FADE**hours)
        used: list[int] = []
        for sample in samples:
            used += buckets_of(sample.text)
            used.append(BUCKETS)
        # One after the other: the last bit of a sum depends on how it is added up.
        np.add.at(self.counts, used, np.float32(1.0))

    def share(self, term: str) -> float:
        """Part of the authors of negative mentions who usually use the term (an upper bound: buckets are shared)."""
        return float(self.counts[bucket(term)] + 0.5) / float(self.counts[BUCKETS] + 10.0)


def top_mentions(samples: Sequence[Sample]) -> list[dict[str, Any]]:
    """The mentions to show: copies of one text once, the most copied and most negative first."""
    groups: dict[str, list[Sample]] = {}
    for sample in samples:
        groups.setdefault(" ".join(sorted(terms_of(sample.text)))[:80] or sample.text, []).append(sample)
    ranked = []
    for same in groups.values():
        authors = len({s.author for s in same})
        best = min(same, key=lambda s: (s.tick, s.id))
        ranked.append((-authors, -round(best.p_negative, 3), -(best.reach or 0.0), best.id, best))
    ranked.sort(key=lambda r: r[:4])
    shown = []
    for authors, p, _, _, sample in ranked[:TOP_MENTIONS]:
        shown.append({"id": sample.id, "url": sample.url, "text": sample.text, "p_negative": -p, "authors": -authors})
    return shown


def top_terms(samples: Sequence[Sample], normal: NormalTerms, ignore: frozenset[str]) -> list[dict[str, Any]]:
    """Terms that more authors of negative mentions use than is normal for the brand, by how many more."""
    users: dict[str, set[int]] = {}
    everyone = set()
    for sample in samples:
        everyone.add(sample.author)
        for term in terms_of(sample.text):
            if term not in ignore and term.lstrip("#") not in ignore:
                users.setdefault(term, set()).add(sample.author)
    ranked = []
    for term, who in users.items():
        expected = normal.share(term) * len(everyone)
        if len(who) >= 2 and len(who) > 1.5 * expected:
            ranked.append((-round(len(who) - expected, 3), term, len(who), round(len(who) / max(expected, 0.1), 1)))
    ranked.sort()
    return [{"term": term, "authors": n, "times_normal": times} for _, term, n, times in ranked[:TOP_TERMS]]


class Evidence:
    """Samples and normal terms of brands, by the brand's position in the engine."""

    def __init__(self) -> None:
        self.samples: dict[int, deque[Sample]] = {}
        self.normal: dict[int, NormalTerms] = {}
        self.learned: dict[int, int] = {}
        """Hour up to which the normal terms of a brand are faded and learned."""

    def has_room(self, brand: int, tick: int) -> bool:
        """Whether one more sample of the brand's tick, the newest, would be kept."""
        kept = self.samples.get(brand)
        return kept is None or len(kept) < PER_TICK or kept[-PER_TICK].tick != tick

    def keep(self, brand: int, sample: Sample) -> bool:
        """Keep a sample unless the brand's tick is full; says whether it was kept."""
        if not self.has_room(brand, sample.tick):
            return False
        self.add(brand, sample)
        return True

    def add(self, brand: int, sample: Sample) -> None:
        """Keep a sample for which there is room."""
        kept = self.samples.get(brand)
        if kept is None:
            kept = self.samples[brand] = deque()
        kept.append(sample)

    def normal_of(self, brand: int) -> NormalTerms:
        """What is normal for a brand."""
        return self.normal.get(brand) or NormalTerms.none()

    def between(self, brand: int, after: int, upto: int) -> list[Sample]:
        """Samples of ticks after < tick <= upto."""
        found = []
        for sample in reversed(self.samples.get(brand, ())):
            if sample.tick <= after:
                break
            if sample.tick <= upto:
                found.append(sample)
        found.reverse()
        return found

    def learn_hours(self, brand: int, first: int, quiet: Sequence[bool]) -> None:
        """Let the samples of complete hours from `first` on teach what is normal, where it was `quiet`."""
        hours: dict[int, list[Sample]] = {}
        end = first + len(quiet)
        for sample in reversed(self.samples.get(brand, ())):
            hour = sample.tick // 60
            if hour < first:
                break
            if hour < end and quiet[hour - first]:
                hours.setdefault(hour, []).append(sample)
        for hour in sorted(hours):
            normal = self.normal.get(brand)
            if normal is None:
                normal = self.normal[brand] = NormalTerms.none()
            samples = hours[hour][::-1][:NORMAL_PER_HOUR]
            normal.learn(samples, min(hour - self.learned.get(brand, hour), 100_000))
            self.learned[brand] = hour

    def forget(self, closed: int) -> None:
        """Drop samples older than six hours."""
        for brand in list(self.samples):
            kept = self.samples[brand]
            while kept and kept[0].tick <= closed - KEEP_MINUTES:
                kept.popleft()
            if not kept:
                del self.samples[brand]

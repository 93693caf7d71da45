"""Evidence: the mentions and terms a person is shown with an incident.

Of the negative mentions of the last six hours some are kept per brand, at most a few a minute: enough to show what it
is about, bounded in a storm. Terms are counted by distinct authors and compared with the brand's own normal, a table
of decayed counts over hashed terms.
"""

from __future__ import annotations

import re
import unicodedata
import zlib
from bisect import bisect_right
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass
from functools import lru_cache
from itertools import filterfalse
from operator import attrgetter
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from detectors.columns import Floats
from detectors.last_minutes import AUTHOR_MASK
from detectors.plain_text import blanked, blanking
from detectors.word_marks import MARKS
from detectors.word_table import WordTable

KEEP_MINUTES = 360
PER_TICK = 20
"""Negative mentions kept per brand and tick: a storm of thousands an hour still shows 1,200 of the last one."""
EXCERPT = 200
TOP_MENTIONS = 3
TOP_TERMS = 8
BUCKETS = 256
_NO_TERM = -1
_AUTHOR = int(AUTHOR_MASK)
TERM_FADE = 2.0 ** (-1.0 / 7.0)
"""Per day: what a brand's negatives usually talk about is remembered with a half-life of a week."""
NORMAL_PER_HOUR = 60
"""Mentions of an hour that teach the table of normal terms; more would cost time and teach nothing new."""

SMOOTHING = 10.0
"""Authors added to those of whom it is known which terms they use."""

_WORD_OF_ANY_SCRIPT = re.compile(rf"[#]?\w[\w'’\u200c\u200d{MARKS}-]*")
_LINK = re.compile(r"https?://\S+|@\w+")
_PLAIN_SIGNS = blanking(r"[^\w#'-]")
_BEFORE_WORD = re.compile(r"['-](?<![\w'-].)['-]*")
"""Quotes and dashes that begin no word, in what is left of a plain text."""
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
    """A negative mention kept to be shown, and to see what negative mentions are about."""

    tick: int
    author: int
    id: str
    text: str
    url: str | None
    p_negative: float
    reach: float | None
    voice: int = 0
    """For whom it counts where that is not its author (see copies), else 0."""
    terms: bytes | None = None
    """Where its terms are counted, ascending; None in what the release before saved (see `used`)."""

    @property
    def speaks_for(self) -> int:
        """The lower 44 bits of the hash of the author for whom it counts."""
        return (self.voice or self.author) & _AUTHOR

    @property
    def used(self) -> bytes:
        """Where its terms are counted, a byte each, ascending."""
        return packed_buckets(self.text) if self.terms is None else self.terms


def writable(text: str) -> str:
    """The text without what UTF-8 cannot hold (half of a surrogate pair, as some exports contain)."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def ignored(name: str, terms: Iterable[str]) -> frozenset[str]:
    """A brand's name and its own terms as they are compared: whole, word by word, in one word, and each as hashtag."""
    every = (term.lower() for term in (name, *terms))
    words = {word for term in every for word in (term, *term.split(), "".join(term.split()))}
    return frozenset(words | {"#" + word for word in words})


@lru_cache(maxsize=1 << 12)
def terms_of(text: str) -> frozenset[str]:
    """Words and hashtags of a text worth showing: no links, handles, function words, numbers or single letters."""
    return frozenset(term for word in _words(text) if (term := _term(word)) is not None)


def buckets_of(text: str, ignored: Set[str] = frozenset()) -> set[int]:
    """Where the terms of a text are counted, without those of `ignored`: if they were counted, a brand of many keywords
    would see none of the other terms that share their buckets."""
    used = set(map(_BUCKETS.__getitem__, filterfalse(ignored.__contains__, _words(text))))
    used.discard(_NO_TERM)
    return used


def packed_buckets(text: str, ignored: Set[str] = frozenset()) -> bytes:
    """The same as bytes, ascending."""
    return bytes(sorted(buckets_of(text, ignored)))


def _words(text: str) -> list[str]:
    """Words and hashtags, and maybe a "#" that stands alone, which is no term."""
    text = text.lower()
    plain = text.isascii()
    if not plain:
        text = unicodedata.normalize("NFC", text).replace("’", "'")
    # Most texts have neither links nor handles.
    if "@" in text or "://" in text:
        text = _LINK.sub(" ", text)
    if not plain:
        return _WORD_OF_ANY_SCRIPT.findall(text)
    # The same for plain texts, in half the time.
    text = blanked(text, _PLAIN_SIGNS)
    if "'" in text or "-" in text:
        text = _BEFORE_WORD.sub(" ", text)
    return text.replace("#", " #").split()


@lru_cache(maxsize=1 << 15)
def _term(word: str) -> str | None:
    term = word.strip("'-_")
    return term if len(term) > 2 and term not in _COMMON and not term.isdigit() else None


@lru_cache(maxsize=1 << 15)
def bucket(term: str) -> int:
    """Where a term is counted."""
    return zlib.crc32(term.encode("utf-8", "replace")) % BUCKETS


def _bucket_of_word(word: str) -> int:
    term = _term(word)
    return _NO_TERM if term is None else bucket(term)


_BUCKETS = WordTable(_bucket_of_word, 1 << 15)


@dataclass
class NormalTerms:
    """How many authors of negative mentions usually use a term, per hash bucket. The last bucket counts all authors.

    What a day teaches counts from the next day on: what is usual is the same for a whole UTC day.
    """

    usual: NDArray[np.float16]
    """(BUCKETS + 1,) learned before `day`."""
    today: NDArray[np.uint16]
    """(BUCKETS + 1,) learned in it."""
    day: int = -1
    """Days since 1970, the last one in which anything was learned."""

    @staticmethod
    def none() -> NormalTerms:
        """Nothing learned yet."""
        return NormalTerms(np.zeros(BUCKETS + 1, np.float16), np.zeros(BUCKETS + 1, np.uint16))

    def packed(self) -> bytes:
        """Both tables, 16 bits a number."""
        return self.usual.astype("<f2").tobytes() + self.today.astype("<u2").tobytes()

    @staticmethod
    def unpacked(tables: bytes, day: int) -> NormalTerms:
        """What `packed` gave."""
        half = len(tables) // 2
        usual, today = np.frombuffer(tables[:half], "<f2"), np.frombuffer(tables[half:], "<u2")
        return NormalTerms(usual.astype(np.float16), today.astype(np.uint16), day)

    def learn(self, samples: Sequence[Sample], day: int) -> None:
        """Add samples on a day (days since 1970)."""
        if day != self.day:
            self.usual = self._before(day)
            self.today = np.zeros_like(self.today)
            self.day = day
        used = np.frombuffer(b"".join(sample.used for sample in samples), np.uint8)
        self.today[:BUCKETS] += np.bincount(used, minlength=BUCKETS).astype(np.uint16)
        self.today[BUCKETS] += np.uint16(len(samples))

    def adopt(self, samples: Sequence[Sample], day: int) -> None:
        """Let what these samples are about be as usual, from a day on, as it is among them, since an episode is the new
        normal. What was usual before stays so."""
        known = self._before(day).astype(np.float64)
        users = np.bincount(np.frombuffer(b"".join(sample.used for sample in samples), np.uint8), minlength=BUCKETS)
        authors = known[BUCKETS] + SMOOTHING
        known[:BUCKETS] = np.maximum(known[:BUCKETS], users / (len(samples) + SMOOTHING) * authors)
        self.usual, self.today, self.day = known.astype(np.float16), np.zeros_like(self.today), day

    def _before(self, day: int) -> NDArray[np.float16]:
        """(BUCKETS + 1,) what was learned before a day."""
        if day <= self.day:
            return self.usual
        known = self.usual.astype(np.float64) + self.today
        return (known * TERM_FADE ** min(day - self.day, 1000)).astype(np.float16)

    def shares(self, day: int) -> tuple[Floats, float]:
        """Part of the authors of negative mentions who used each bucket before a day, (BUCKETS,), and how many
        authors that rests on."""
        known = self._before(day).astype(np.float64)
        return (known[:BUCKETS] + 0.5) / (known[BUCKETS] + SMOOTHING), float(known[BUCKETS])

    def share(self, term: str) -> float:
        """Part of the authors of negative mentions who usually use the term (an upper bound: buckets are shared)."""
        at = bucket(term)
        own, everyone = float(self.usual[at]) + int(self.today[at]), float(self.usual[-1]) + int(self.today[-1])
        return (own + 0.5) / (everyone + SMOOTHING)


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
    """Terms that more authors of negative mentions use than is normal for the brand, by how many more.

    A copy speaks for the author it repeats, as in the windows.
    """
    users: dict[str, set[int]] = {}
    everyone = set()
    for sample in samples:
        everyone.add(sample.speaks_for)
        for term in terms_of(sample.text):
            if term not in ignore and term.lstrip("#") not in ignore:
                users.setdefault(term, set()).add(sample.speaks_for)
    ranked = []
    for term, who in users.items():
        if len(who) < 2:
            continue
        expected = normal.share(term) * len(everyone)
        if len(who) > 1.5 * expected:
            ranked.append((-round(len(who) - expected, 3), term, len(who), round(len(who) / max(expected, 0.1), 1)))
    ranked.sort()
    return [{"term": term, "authors": n, "times_normal": times} for _, term, n, times in ranked[:TOP_TERMS]]


_TICK = attrgetter("tick")


class Evidence:
    """Samples and normal terms of brands, by the brand's position in the engine."""

    def __init__(self) -> None:
        self.samples: dict[int, list[Sample]] = {}
        """In order of ticks."""
        self.normal: dict[int, NormalTerms] = {}

    def has_room(self, brand: int, tick: int) -> bool:
        """Whether one more sample of the brand's tick, the newest, would be kept."""
        kept = self.samples.get(brand)
        return kept is None or len(kept) < PER_TICK or kept[-PER_TICK].tick != tick

    def keep(self, brand: int, sample: Sample) -> bool:
        """Keep a sample unless the brand's tick is full; says whether it was kept."""
        if not self.has_room(brand, sample.tick):
            return False
        self.add([brand], [sample])
        return True

    def add(self, brands: Sequence[int], samples: Sequence[Sample]) -> None:
        """Keep samples, each of a brand, of which there must be no more than PER_TICK a tick."""
        for brand, sample in zip(brands, samples, strict=True):
            kept = self.samples.get(brand)
            if kept is None:
                kept = self.samples[brand] = []
            kept.append(sample)

    def normal_of(self, brand: int) -> NormalTerms:
        """What is normal for a brand."""
        return self.normal.get(brand) or NormalTerms.none()

    def between(self, brand: int, after: int, upto: int) -> list[Sample]:
        """Samples of ticks after < tick <= upto."""
        kept = self.samples.get(brand, [])
        return kept[bisect_right(kept, after, key=_TICK) : bisect_right(kept, upto, key=_TICK)]

    def learn_hours(self, brand: int, first: int, quiet: Sequence[bool]) -> None:
        """Let the samples of complete hours from `first` on teach what is normal, where it was `quiet`."""
        days: dict[int, list[Sample]] = {}
        for hour, is_quiet in enumerate(quiet, first):
            if is_quiet and (samples := self.between(brand, 60 * hour - 1, 60 * hour + 59)):
                # An hour is learned at the end of the next one.
                days.setdefault((hour + 1) // 24, []).extend(samples[:NORMAL_PER_HOUR])
        for day, samples in days.items():
            normal = self.normal.get(brand)
            if normal is None:
                normal = self.normal[brand] = NormalTerms.none()
            normal.learn(samples, day)

    def adopt(self, brand: int, tick: int) -> None:
        """After the last tick of a UTC day: what is said of a brand now is usual from the next one on."""
        normal = self.normal.get(brand)
        if normal is not None:
            # How long samples are kept beyond six hours depends on how ticks are grouped.
            normal.adopt(self.between(brand, tick - KEEP_MINUTES, tick), (tick + 1) // 1440)

    def begin_anew(self, brand: int) -> None:
        """Forget what is known of a brand."""
        for known in (self.samples, self.normal):
            known.pop(brand, None)

    def forget(self, closed: int) -> None:
        """Drop samples older than six hours."""
        for brand in list(self.samples):
            kept = self.samples[brand]
            del kept[: bisect_right(kept, closed - KEEP_MINUTES, key=_TICK)]
            if not kept:
                del self.samples[brand]

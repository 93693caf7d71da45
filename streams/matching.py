"""Which brands a text names: keywords in one automaton, with word boundaries in any script.

Matching looks at a text as a reader does: upper and lower case are the same (Unicode case folding), so are full-width
and ordinary letters (NFKC), hyphens that break and others, and any run of spaces; a diacritic makes another word, a
trademark sign does not. The rules, each with its reason:

* A keyword counts as a **word**: ``united`` is in "United's staff" and in "(united)", not in "reunited". Where a script
  writes no spaces (Chinese, Hiragana, Thai, Khmer …) no boundary can be demanded. A run of Katakana is a word, or LINE
  (ライン) would be in every オンライン. A Korean word may carry a particle behind it (삼성이). A change of script is a
  boundary (我的Nike鞋).
* ``united`` is also in ``@united`` and ``#united``; the keyword ``@united`` means that handle alone, ``#united`` that
  hashtag alone. ``@unitedfan`` is somebody else.
* A keyword of several words is also found joined in hashtags and handles: ``united airlines`` in ``#UnitedAirlines``
  and ``@united_airlines``.
* A hashtag in camel case is read word by word too, since that is how boycotts are written: ``united`` is in
  ``#BoycottUnited``. A handle is not: it is a name of its own.
* A match inside a longer one does not count ("Delta" in "Delta Force"), whichever brand the longer one belongs to.

This file knows no Kafka.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Final

import ahocorasick

# Classes of characters. Two neighbours are inside one word if both are of the same of these, up to _HANGUL.
_OTHER: Final = 0  # spaces, punctuation, emoji: always a boundary
_SPACED: Final = 1  # alphabets that put spaces between words, and digits
_KATAKANA: Final = 2
_HANGUL: Final = 3
_UNSPACED: Final = 4  # never asks for a boundary
_MARK: Final = 5  # belongs to the letter before it

_UNSPACED_RANGES: Final = (
    (0x0E00, 0x0EFF),  # Thai, Lao
    (0x0F00, 0x0FFF),  # Tibetan: a tsheg between syllables, no spaces between words
    (0x1000, 0x109F),  # Myanmar
    (0x1780, 0x17FF),  # Khmer
    (0x1950, 0x19DF),  # Tai Le, New Tai Lue
    (0x1A20, 0x1AAF),  # Tai Tham
    (0x1B00, 0x1B7F),  # Balinese
    (0x3005, 0x3007),  # iteration mark, zero
    (0x3040, 0x309F),  # Hiragana
    (0x3100, 0x312F),  # Bopomofo
    (0x3400, 0x9FFF),  # Han
    (0xA980, 0xA9DF),  # Javanese
    (0xF900, 0xFAFF),
    (0x20000, 0x3FFFF),
)
_KATAKANA_RANGES: Final = ((0x30A1, 0x30FA), (0x30FC, 0x30FF), (0x31F0, 0x31FF))
_HANGUL_RANGES: Final = ((0x1100, 0x11FF), (0x3130, 0x318F), (0xA960, 0xA97F), (0xAC00, 0xD7FF))

# Invisible characters that platforms and phones put inside words. Kept: the zero-width space and non-joiner, which
# stand between words or parts of them (Thai, Persian) and so are boundaries.
_INVISIBLE: Final = re.compile(
    "[\u00ad\u034f\u0640\u180e\u200d-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufe00-\ufe0f\ufeff]"
)
_APOSTROPHES: Final = re.compile("[\u2018\u2019\u02bc]")
# Trademark signs (\u2122, \u2120), and whether a word begins behind one.
_TRADEMARK: Final = re.compile("[\u2120\u2122](?=(\\w)?)")
# Hashtags as written, before case is folded; a hash inside a word does not begin one. The hash comes first, before what
# must not stand before it, since a search for one character is fast.
_HASHTAG: Final = re.compile(r"#(?<!\w#)(\w+)")
# Some platforms deliver "AT&amp;T" and "it&#39;s".
_ENTITY: Final = re.compile(r"&#?\w{1,8};")
# What lies between the words of a keyword and is left out when they are written as one: "coca-cola", "at&t".
_GAP: Final = re.compile(r"[\W_]+")


def _class_of(character: str) -> int:
    code = ord(character)
    category = unicodedata.category(character)
    if category[0] == "M":
        return _MARK
    for kind, ranges in ((_UNSPACED, _UNSPACED_RANGES), (_KATAKANA, _KATAKANA_RANGES), (_HANGUL, _HANGUL_RANGES)):
        if any(first <= code <= last for first, last in ranges):
            return kind
    return _SPACED if category[0] in "LN" or character == "_" else _OTHER


class _Classes(dict[str, int]):
    """The class of each character met so far; bounded by Unicode."""

    def __missing__(self, character: str) -> int:
        kind = self[character] = _class_of(character)
        return kind


_CLASSES = _Classes()


def folded(text: str) -> str:
    """Return the text in the form in which keywords are compared: NFKC, case folded, single spaces, no invisibles.

    Folding can make a text longer or shorter ("ß" → "ss"), so positions in the result are not positions in the text.
    """
    if text.isascii():
        text = text.lower()
    else:
        text = unicodedata.normalize("NFKC", _composed(text).casefold())
        # NFKC makes U+2010 of a hyphen that does not break.
        text = _APOSTROPHES.sub("'", _INVISIBLE.sub("", text)).replace("\u2010", "-")
    if "  " not in text and text.isprintable():
        return text.strip()  # has single spaces already, for no other white space is printable
    return " ".join(text.split())


def _composed(text: str) -> str:
    """The text in NFKC, but without its trademark signs, of which NFKC makes letters ("niketm")."""
    if "\u2122" in text or "\u2120" in text:
        text = _TRADEMARK.sub(lambda sign: " " if sign[1] else "", text)
    return unicodedata.normalize("NFKC", text)


def can_be_found(keyword: str) -> bool:
    """Whether there is anything in a keyword that a text could hold, once both are folded."""
    return bool(folded(keyword).strip("@#"))


def _camel_words(tag: str) -> str:
    """Return the words of a hashtag in camel case or with underscores, or nothing if it is one word.

    >>> _camel_words("BoycottUnited"), _camel_words("NBAFinals_now"), _camel_words("united")
    ('Boycott United', 'NBA Finals now', '')
    """
    words: list[str] = []
    start = 0
    for i in range(1, len(tag)):
        before, here = tag[i - 1], tag[i]
        begins = here.isupper() and (not before.isupper() or (i + 1 < len(tag) and tag[i + 1].islower()))
        if begins or here == "_" or before == "_":
            words.append(tag[start:i])
            start = i
    words.append(tag[start:])
    words = [word for word in words if word != "_"]
    return " ".join(words) if len(words) > 1 else ""


@lru_cache(maxsize=1 << 14)
def _folded_words(tag: str) -> str:
    """The same as keywords are compared; hashtags come again and again."""
    return folded(_camel_words(tag))


class BrandMatcher:
    """Finds the brands that a text names.

    Parameters
    ----------
    brands : sequence of (name, keywords)
        In the order in which matches are reported. A brand without keywords is never matched.

    Raises
    ------
    ValueError
        For a keyword with nothing in it to be found.

    Examples
    --------
    >>> matcher = BrandMatcher([("Delta", ["delta", "@delta"]), ("Delta Force", ["delta force"])])
    >>> matcher.match("Delta's gate agents play delta  force")
    ('Delta', 'Delta Force')
    >>> matcher.match("#DeltaForce is out"), matcher.match("@deltafan: deltas")
    (('Delta Force',), ())
    """

    def __init__(self, brands: Sequence[tuple[str, Sequence[str]]]) -> None:
        self.brands = brands
        self._names = tuple(name for name, _ in brands)
        # A pattern to (length of what is found, characters of it that are a sigil before a joined keyword, brands).
        patterns: dict[str, tuple[int, int, set[int]]] = {}
        for index, (name, keywords) in enumerate(brands):
            for keyword in keywords:
                for pattern, sigil in self._patterns(name, keyword):
                    patterns.setdefault(pattern, (len(pattern), sigil, set()))[2].add(index)
        self._automaton = None
        self._named: dict[tuple[int, ...], tuple[str, ...]] = {}
        if patterns:
            self._automaton = ahocorasick.Automaton()
            for pattern, (length, sigil, indices) in patterns.items():
                whose = tuple(sorted(indices))
                self._named[whose] = tuple(self._names[i] for i in whose)
                self._automaton.add_word(pattern, (length, sigil, whose))
            self._automaton.make_automaton()

    @staticmethod
    def _patterns(name: str, keyword: str) -> Iterator[tuple[str, int]]:
        if not can_be_found(keyword):
            raise ValueError(f"brand {name!r}: the keyword {keyword!r} has nothing in it that could be found in a text")
        pattern = folded(keyword)
        yield pattern, 0
        if pattern[0] in "@#" or _CLASSES[pattern[0]] == _OTHER or _CLASSES[pattern[-1]] == _OTHER:
            return  # "C++" joined would be "c"
        words = _GAP.split(pattern)
        if len(words) > 1:
            for sigil in "#@":
                yield sigil + "".join(words), 1
                yield sigil + "_".join(words), 1

    def match(self, text: str) -> tuple[str, ...]:
        """Return the names of the brands that the text names, each once, in configured order."""
        if self._automaton is None:
            return ()
        if "&" in text:
            text = _ENTITY.sub(lambda entity: html.unescape(entity[0]), text)
        haystack = folded(text)
        if "#" in haystack:
            haystack = self._with_camel_words(haystack, text)
        last, whose = len(haystack) - 1, None
        for end, (length, _, indices) in self._automaton.iter(haystack):
            if indices == whose:
                continue
            start = end - length + 1
            # `_is_word` without the call, which would cost as much again, and mostly there are spaces.
            if (start == 0 or haystack[start - 1] == " " or _opens(haystack[start - 1], haystack[start])) and (
                end == last or haystack[end + 1] == " " or _closes(haystack[end], haystack[end + 1])
            ):
                if whose is not None:
                    return self._outermost(haystack, self._automaton)
                whose = indices
        # Nearly always: whatever lies inside what, it is one brand's.
        return () if whose is None else self._named[whose]

    def _outermost(self, haystack: str, automaton: ahocorasick.Automaton) -> tuple[str, ...]:
        found = [
            (end - length + 1 + sigil, end, indices)
            for end, (length, sigil, indices) in automaton.iter(haystack)
            if _is_word(haystack, end - length + 1, end)
        ]
        return tuple(self._names[i] for i in sorted({i for _, _, indices in _outermost(found) for i in indices}))

    @staticmethod
    def _with_camel_words(haystack: str, text: str) -> str:
        if not text.isascii():
            text = _INVISIBLE.sub("", _composed(text))
        spelled = [words for tag in _HASHTAG.findall(text) if (words := _folded_words(tag))]
        return "\n".join([haystack, *spelled]) if spelled else haystack


def _is_word(haystack: str, start: int, end: int) -> bool:
    """Whether what stands there, from the first character to the last, begins and ends as words do."""
    return (start == 0 or _opens(haystack[start - 1], haystack[start])) and (
        end == len(haystack) - 1 or _closes(haystack[end], haystack[end + 1])
    )


@lru_cache(maxsize=1 << 14)
def _opens(before: str, first: str) -> bool:
    """Whether a word can begin at `first`, the character after `before`."""
    if before == " ":
        return True
    kind = _CLASSES[first]
    if kind == _OTHER:
        # "@" and "#": "me@united.com" is a mail address, not the handle @united; "$" and the like may follow anything.
        return first not in "@#" or _CLASSES[before] in {_OTHER, _UNSPACED}
    if kind == _MARK:
        return False
    before_kind = _CLASSES[before]
    if before_kind == _MARK:  # the letter under the mark is out of sight; only alphabets with spaces need it
        before_kind = _UNSPACED if kind == _UNSPACED else _SPACED
    return kind != before_kind or kind == _UNSPACED


@lru_cache(maxsize=1 << 14)
def _closes(final: str, after: str) -> bool:
    """Whether a word can end at `final`, the character before `after`."""
    if after == " ":
        return True
    kind = _CLASSES[final]
    after_kind = _CLASSES[after]
    if after_kind == _MARK:
        return kind == _OTHER
    if kind == _MARK:
        kind = _SPACED if after_kind == _SPACED else _UNSPACED
    return kind != after_kind or kind in {_OTHER, _HANGUL, _UNSPACED}


def _outermost(found: list[tuple[int, int, tuple[int, ...]]]) -> list[tuple[int, int, tuple[int, ...]]]:
    """Leave out each match that lies inside a longer one."""
    found.sort(key=lambda match: (match[0], -match[1]))
    kept: list[tuple[int, int, tuple[int, ...]]] = []
    reach = (-1, -1)  # span of the match that reaches furthest
    for start, end, indices in found:
        if end <= reach[1] and (start, end) != reach:
            continue
        if end > reach[1]:
            reach = (start, end)
        kept.append((start, end, indices))
    return kept

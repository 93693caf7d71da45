"""How a report of a forecast is put, whatever the language: a language fills in its words and sentences."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from typing import Final, NamedTuple

# A post of one report has no more; the readers see hardly more of a longer one.
_LONGEST: Final = 300

_RETWEET: Final = re.compile(r"(?:RT @user:?\s*|[\"“«]\s*@user:\s*)+")
_VIA: Final = re.compile(r"\s(?:via|by|from|с помощью|от|через) @user\W*$")
_NO_WORD: Final = re.compile(r"\bhttp\b|…|\.{3}")
_SPACE: Final = re.compile(r"\s+")
_WORD: Final = re.compile(r"[^\W\d_][\w'’&-]*")
# Behind these a capital letter begins a sentence and need not begin a name.
_BEGINS: Final = re.compile(r"(?:^|[.:!—–|›/(«“\"]|\s-)\s*[#«“\"(]*$")
# Letters that a name keeps in all its cases.
_SAME_NAME: Final = 4


def one_of(words: str) -> str:
    """The regular expression of one of some expressions parted by white space; "_" is a space within one."""
    return f"(?:{'|'.join(words.split())})".replace("_", " ")


class _Compiled(NamedTuple):
    """The regular expressions of a :class:`Grammar`."""

    sentences: tuple[re.Pattern[str], ...]
    veto: re.Pattern[str]
    nobody: re.Pattern[str]
    mishap: re.Pattern[str]
    plain: re.Pattern[str]
    places: re.Pattern[str]


@dataclass(frozen=True)
class Grammar:
    """The report of a forecast in one language: regular expressions, compiled when first needed.

    Parameters
    ----------
    likely:
        Parts of words, in lower case; a text without any of them is no report.
    sentences:
        What a report begins with. The group ``source`` is who forecasts, ``where`` the publisher before it.
    veto:
        What no report has, anywhere.
    nobody:
        Words that alone name no source: "analysts", "they", "yesterday".
    mishap:
        Words that no source has: in "Acme crisis: the economy will shrink" Acme is what the economy suffers from.
    plain:
        Words that name nobody where they begin a sentence.
    places:
        Words with a capital letter that name nobody wherever they stand. These four match words in lower case.
    """

    likely: str
    sentences: tuple[str, ...]
    veto: str
    nobody: str
    mishap: str
    plain: str
    places: str

    @functools.cached_property
    def _compiled(self) -> _Compiled:
        rest = (self.veto, self.nobody, self.mishap, self.plain, self.places)
        return _Compiled(tuple(map(re.compile, self.sentences)), *map(re.compile, rest))

    @functools.cached_property
    def _likely(self) -> list[str]:
        return self.likely.split()

    def may_report(self, text: str) -> bool:
        """Whether :meth:`reports` is worth asking: fast, and true for too many."""
        text = text.lower()
        return any(part in text for part in self._likely)

    def reports(self, cleaned: str) -> bool:
        """Whether a text, cleaned (:func:`models.normalise.clean`), reports a forecast."""
        if len(cleaned) > _LONGEST:
            return False
        text = _VIA.sub("", _RETWEET.sub("", cleaned, count=1))
        text = _SPACE.sub(" ", _NO_WORD.sub(" ", text)).strip().replace("ё", "е").replace("Ё", "Е")
        if "@" in text or self._compiled.veto.search(text):
            return False
        return any(
            (found := sentence.match(text)) is not None and self._source_alone_is_named(text, found)
            for sentence in self._compiled.sentences
        )

    def _source_alone_is_named(self, text: str, found: re.Match[str]) -> bool:
        source = [word.lower() for word in _WORD.findall(found["source"])]
        if all(map(self._compiled.nobody.fullmatch, source)) or any(map(self._compiled.mishap.fullmatch, source)):
            return False
        spans = [found.span(group) for group, value in found.groupdict().items() if value is not None]
        for word in _WORD.finditer(text):
            name = word[0].lower()
            if (
                word[0][0].isupper()
                and not any(begin <= word.start() < end for begin, end in spans)
                and not any(name[:_SAME_NAME] == one[:_SAME_NAME] for one in source if len(one) >= _SAME_NAME)
                and not self._compiled.places.fullmatch(name)
                and not (self._compiled.plain.fullmatch(name) and _BEGINS.search(text, 0, word.start()))
            ):
                return False
        return True

"""Which model reads a text, told by its script, and whether that model knows what is written.

Script, not language: a script is certain from the letters alone, so the choice is a pure function of the text. What a
feed declares (``lang``) never changes which model reads, or one text would have two tones; it may only say that the
reader does not know the language. docs/tone.md states the rules for users.
"""

from __future__ import annotations

import re
from typing import Final, Literal

from models.normalise import MAX_CHARACTERS, clean, unescaped

SCRIPT_RULES: Final = 1
"""Version of the rules that choose the reader; part of the routed model's version."""

Reader = Literal["en", "ru"]

# A fifth: Russians write brands, products and tags in Latin letters, writers of English hardly ever use Cyrillic (in
# 47,361 English tweets there is no text between none and a tenth).
_CYRILLIC_SHARE: Final = 5
# One letter in forty: in Russian they do not occur but in a quoted name or tag; in Ukrainian they are one in fourteen.
_FOREIGN_CYRILLIC_SHARE: Final = 40
# Above a third of all letters, what the reader does not know may carry the tone.
_OTHER_SHARE: Final = 3

_LATIN: Final = re.compile(
    "[A-Za-z\u00aa\u00ba\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u024f\u1e00-\u1eff\uff21-\uff3a\uff41-\uff5a]"
)
_CYRILLIC: Final = re.compile("[\u0400-\u0481\u048a-\u052f\u1c80-\u1c8f\u2de0-\u2dff\ua640-\ua69f]")
_RUSSIAN: Final = re.compile("[\u0410-\u044f\u0401\u0451]")
_LETTER: Final = re.compile(r"[^\W\d_]")
_LINK_OR_HANDLE: Final = re.compile(r"(?<!\S)(?:http|@user)(?!\w)")
_PICTURE: Final = re.compile("[\u2300-\u27bf\u2b00-\u2bff\U0001f000-\U0001faff]")
# The faces that tweets have; ")))" and "(((" are the Russian ones.
_FACE: Final = re.compile(r"[:;=][-'^o]?[()\[\]DPpOo/\\|*<]|<3|\){2,}|\({2,}|\^_*\^")

# Languages written in Cyrillic other than Russian (ISO 639-1): declared, they say that the Russian reader does not know
# the language. Any other declared language cannot be that of a Cyrillic text, so the declaration is mistaken.
_CYRILLIC_LANGUAGES: Final = frozenset(
    ("ab", "av", "ba", "be", "bg", "ce", "cv", "kk", "kv", "ky", "mk", "mn", "os", "sah", "sr", "tg", "tt", "udm", "uk")
)
# Codes by which feeds say that they do not know, of BCP 47 and of Twitter.
_NO_LANGUAGE: Final = frozenset(("und", "mul", "mis", "zxx", "art", "qam", "qct", "qht", "qme", "qst"))


def _words(text: str) -> str:
    """What is left of a text without links and handles."""
    return _LINK_OR_HANDLE.sub("", clean(text))


def reader_of(text: str) -> Reader:
    """The language of the model that reads ``text``: ``"ru"`` where at least a fifth of its Latin and Cyrillic letters
    are Cyrillic, else ``"en"``; links and handles aside. Depends on the text alone.
    """
    # Cleaning makes Cyrillic letters out of HTML entities alone.
    read = unescaped(text) if "&" in text else text
    if read.isascii() or not _CYRILLIC.search(read):
        return "en"
    words = _words(text)
    cyrillic = len(_CYRILLIC.findall(words))
    if not cyrillic:
        return "en"
    latin = len(_LATIN.findall(words))
    return "ru" if cyrillic * _CYRILLIC_SHARE >= cyrillic + latin else "en"


def is_known(text: str, lang: str | None = None) -> bool:
    """Whether the model that reads ``text`` knows its language, as far as script and ``lang`` (BCP 47, as the feed
    declares it) tell.

    False where more than a third of the letters belong to other scripts than Latin and Cyrillic; where the Russian
    model reads and a fortieth of the Cyrillic letters are not Russian (Ukrainian, Serbian, Kazakh ...) or ``lang``
    names another language written in Cyrillic; where the English model reads and ``lang`` names another language than
    English; where there is neither a letter nor a picture nor a face to read.
    """
    words = _words(text[:MAX_CHARACTERS])
    cyrillic, latin = len(_CYRILLIC.findall(words)), len(_LATIN.findall(words))
    letters = cyrillic + latin if words.isascii() else len(_LETTER.findall(words))
    if not letters:
        return bool(_PICTURE.search(words) or _FACE.search(words))
    if (letters - cyrillic - latin) * _OTHER_SHARE > letters:
        return False
    declared = (lang or "").replace("_", "-").partition("-")[0].lower()
    if reader_of(text) == "en":
        return declared in {"", "en"} or declared in _NO_LANGUAGE
    foreign = cyrillic - len(_RUSSIAN.findall(words))
    return foreign * _FOREIGN_CYRILLIC_SHARE < cyrillic and declared not in _CYRILLIC_LANGUAGES

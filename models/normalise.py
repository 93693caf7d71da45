"""One normalisation of text, used in training and in serving alike.

Whatever decides a tone is part of the model's version, so a change here must raise :data:`NORMALISATION`; weights
trained under another value are refused at load.
"""

from __future__ import annotations

import html
import re
import unicodedata
from typing import Final

NORMALISATION: Final = 1
"""Version of the rules in this module."""

MAX_CHARACTERS: Final = 2_000
"""Characters looked at. 64 tokens are about 280 characters of English; the rest of a 1 MB text could not reach the
model and would only cost time.
"""

_SURROGATE: Final = re.compile("[\ud800-\udfff]")
# Rules begin with the one character that they look for, and not with what stands around it: searching is much faster.
_URL: Final = re.compile(
    "|".join(
        rf"{first}(?i:{rest})\S*"
        for letter, rest in (("h", "ttps?://"), ("w", r"ww\."), ("p", r"ic\.twitter\.com/"))
        for first in (letter, letter.upper())
    )
)
# A handle starts after anything but a word character, so an e-mail address keeps its "@".
_HANDLES: Final = re.compile(r"@(?<![\w@]@)\w+(?:[\s,]+@\w+)*")
_RUN: Final = re.compile(r"(.)\1\1+")
_DRAWN_OUT_MARKS: Final = frozenset("!?.,-_=*~#\"'")
_PICTURE: Final = "\u2190-\u21ff\u2300-\u27bf\u2b00-\u2bff\U0001f000-\U0001faff"
# Joiners and variation selectors glue pictures together; skin tones and flags' letters say nothing about tone.
_GLUE: Final = "\u200b-\u200f\u2060\ufe00-\ufe0f\U0001f1e6-\U0001f1ff\U0001f3fb-\U0001f3ff\U000e0000-\U000e007f"
_PICTURES: Final = re.compile(f"[{_PICTURE}]")
_GLUES: Final = re.compile(f"[{_GLUE}]")
_PICTURE_OR_GLUE: Final = re.compile(f"[{_PICTURE}{_GLUE}]")


def clean(text: str) -> str:
    """Return ``text`` safe and tidy for any tone model.

    In this order: cut to :data:`MAX_CHARACTERS`; replace lone surrogates (which no tokeniser encodes); undo HTML
    entities; write links as ``http`` and runs of handles as one ``@user``, the convention of tweet corpora, where
    people are not named; collapse white space.
    """
    text = unescaped(text)
    # Every rule has a character or two without which it finds nothing, and most texts lack them.
    if "/" in text or "w." in text or "W." in text:
        text = _URL.sub("http", text)
    if "@" in text:
        text = _HANDLES.sub("@user", text)
    # All white space but the space is not printable.
    if text.isprintable() and "  " not in text and text == text.strip():
        return text
    return " ".join(text.split())


def unescaped(text: str) -> str:
    """The first steps of :func:`clean`, up to HTML entities: all of it that can bring in letters."""
    text = text[:MAX_CHARACTERS]
    # Surrogates are not printable.
    if not (text.isascii() or text.isprintable()):
        text = _SURROGATE.sub("\ufffd", text)
    if "&" in text:
        once = html.unescape(text)
        if once != text:
            # Twice: some feeds escape what was escaped before ("&amp;quot;").
            text = _SURROGATE.sub("\ufffd", html.unescape(once))
    return text


def normalise(text: str) -> str:
    """Return ``text`` as the bundled tone model reads it, in training and in serving.

    After :func:`clean`: shorten drawn-out letters ("soooo") and marks; spell pictures by their Unicode names, once per
    run ("face with tears of joy"), since the encoder's vocabulary knows almost none.

    The result depends on the text and on the interpreter's Unicode tables (:func:`unicode_version`), never on locale or
    environment; never raises for a ``str``.
    """
    text = _RUN.sub(_shortened, clean(text))
    if text.isascii() or not _PICTURE_OR_GLUE.search(text):
        return text
    return " ".join(_spell_pictures(_GLUES.sub("", text)).split())


def _shortened(run: re.Match[str]) -> str:
    """A letter twice, a mark three times, anything else as often as it stands there."""
    character = run[1]
    if character in _DRAWN_OUT_MARKS:
        return run[0][:3]
    return run[0][:2] if character.isalnum() and not character.isdecimal() else run[0]


def unicode_version() -> str:
    """Version of the Unicode tables that give pictures their names, such as ``"14.0.0"``."""
    return unicodedata.unidata_version


def _spell_pictures(text: str) -> str:
    parts: list[str] = []
    last_picture = ""
    position = 0
    for match in _PICTURES.finditer(text):
        between = text[position : match.start()]
        parts.append(between)
        position = match.end()
        if between.strip():
            last_picture = ""
        if match[0] != last_picture:
            parts.append(f" {unicodedata.name(match[0], '').lower()} ")
        last_picture = match[0]
    parts.append(text[position:])
    return "".join(parts)

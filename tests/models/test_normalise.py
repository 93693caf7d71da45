"""Shortcuts of normalisation change nothing: the rules as they are told, each looked for in every text."""

from __future__ import annotations

import html
import re

from hypothesis import given
from hypothesis import strategies as st

from models.normalise import MAX_CHARACTERS, _spell_pictures, clean, normalise
from models.script import Reader, reader_of

_GLUE = "[\u200b-\u200f\u2060\ufe00-\ufe0f\U0001f1e6-\U0001f1ff\U0001f3fb-\U0001f3ff\U000e0000-\U000e007f]"

PIECES = (
    *("http://a", "HTTPS://b", "hTTp\u017f://c", "www.d", "wWw.e", "pic.twitter.com/f", "PIC.tw\u0131tter.com/g"),
    *("p\u0130c.twitter.com/h", "xhttp://", "http:", "ww.", "/", ":", "w", "W", "h", "@a", "@b,", "a@b", "@", ","),
    *("&amp;", "&amp;amp;lt;", "&#1078;", "&amp;#1078;", "&zhcy", "&zhcy;", "&num;", "&#xd800;", "&", "&x", "&nbsp;"),
    *(" ", "  ", "\n", "\t", "\x1c", "\x85", "\xa0", "\u2028", "\u3000", "\u200b", "\ud83d", "\x00", "\ufffd"),
    *(
        "a",
        "aaa",
        "AAAA",
        "aAa",
        "\xe9\xe9\xe9",
        "\u0436\u0436\u0436",
        "111",
        "\xb2\xb2\xb2",
        "___",
        "...",
        "....",
        "!!!!!",
    ),
    *(
        "$$$$",
        "\x27\x27\x27\x27",
        "\u2026\u2026\u2026\u2026",
        "\u4e2d\u4e2d\u4e2d",
        "\U0001f602",
        "\U0001f602\U0001f602",
        "\u2764\ufe0f",
    ),
    *("\U0001f44d\U0001f3fb", "\U0001f1fa\U0001f1f8", "\u2019s", "\u043a"),
)
TEXTS = st.lists(st.sampled_from(PIECES), max_size=14).map("".join) | st.text(max_size=40)


def cleaned_plainly(text: str) -> str:
    text = re.sub("[\ud800-\udfff]", "\ufffd", text[:MAX_CHARACTERS])
    text = re.sub("[\ud800-\udfff]", "\ufffd", html.unescape(html.unescape(text)))
    text = re.sub(r"(https?://|www\.|pic\.twitter\.com/)\S*", "http", text, flags=re.IGNORECASE)
    text = re.sub(r"(?<![\w@])@\w+(?:[\s,]+@\w+)*", "@user", text)
    return " ".join(text.split())


def normalised_plainly(text: str) -> str:
    text = re.sub(r"([^\W\d_])\1{2,}", r"\1\1", cleaned_plainly(text))
    text = re.sub(r"([!?.,\-_=*~#\"'])\1{3,}", r"\1\1\1", text)
    return " ".join(_spell_pictures(re.sub(_GLUE, "", text)).split())


def reader_plainly(text: str) -> Reader:
    words = re.sub(r"(?<!\S)(?:http|@user)(?!\w)", "", cleaned_plainly(text))
    cyrillic = len(re.findall("[\u0400-\u0481\u048a-\u052f\u1c80-\u1c8f\u2de0-\u2dff\ua640-\ua69f]", words))
    latin = len(
        re.findall("[A-Za-z\xaa\xba\xc0-\xd6\xd8-\xf6\xf8-\u024f\u1e00-\u1eff\uff21-\uff3a\uff41-\uff5a]", words)
    )
    return "ru" if cyrillic and cyrillic * 5 >= cyrillic + latin else "en"


@given(TEXTS)
def test_texts_are_cleaned_by_all_rules(text: str) -> None:
    assert clean(text) == cleaned_plainly(text)


@given(TEXTS)
def test_texts_are_normalised_by_all_rules(text: str) -> None:
    assert normalise(text) == normalised_plainly(text)


@given(TEXTS)
def test_the_reader_is_chosen_by_all_letters(text: str) -> None:
    assert reader_of(text) == reader_plainly(text)


def test_each_character_alone_and_four_times() -> None:
    for letter in map(chr, (*range(0x20000), *range(0xE0000, 0xE0100))):
        text = f"{letter * 4}a{letter}b"
        assert clean(text) == cleaned_plainly(text)
        assert normalise(text) == normalised_plainly(text)


def test_links_are_found_in_capitals_and_in_what_counts_as_such() -> None:
    """The long s, the i without its dot ..."""
    letters = [letter for letter in map(chr, range(0x110000)) if re.match("[htpswicer]", letter, re.IGNORECASE)]
    assert len(letters) > 2 * len("htpswicer")
    for link in ("http://x", "https://x", "www.x", "pic.twitter.com/x"):
        for place in range(len(link) - 1):
            for letter in letters:
                text = f"{link[:place]}{letter}{link[place + 1 :]}"
                assert clean(text) == cleaned_plainly(text)

"""Brands are found in the texts in which a reader would find them."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from streams.matching import BrandMatcher, folded


def _names(keyword: str, text: str) -> bool:
    return BrandMatcher([("brand", [keyword])]).match(text) == ("brand",)


@pytest.mark.parametrize(
    ("keyword", "text"),
    [
        ("united", "UNITED's staff"),
        ("united", "United\u2019s staff"),
        ("united", "(united)…"),
        ("united", "thanks, @united!"),
        ("united", "#united"),
        ("united", "#BoycottUnited now"),
        ("united", "#boycott_united"),
        ("united", "ＵＮＩＴＥＤ"),
        ("united", "uni\u00adted"),
        ("@united", "hey @United, why"),
        ("@united", "＠united"),
        ("#united", "so bad #united"),
        ("united airlines", "United\n  Airlines"),
        ("united airlines", "#unitedairlines"),
        ("united airlines", "#UnitedAirlines is trending"),
        ("united airlines", "@united_airlines"),
        ("AT&T", "AT&amp;T is down"),
        ("at&t", "#ATT"),
        ("Coca-Cola", "#CocaCola"),
        ("Coca-Cola", "a Coca\u2011Cola, please"),
        ("Coca\u2010Cola", "a coca-cola, please"),
        ("nike", "Nike\u2122 shoes"),
        ("Nike\u2122", "new nike shoes"),
        ("nike", "NIKE\u2120, NIKE"),
        ("nike", "#Nike\u2122"),
        ("shoes", "Nike\u2122Shoes"),
        ("mercedes-benz", "Mercedes\u2122-Benz"),
        ("Mercedes\u2122-Benz", "a Mercedes-Benz"),
        ("yahoo!", "Yahoo\u2122! and others"),
        ("Yahoo!", "yahoo!s"),
        ("C++", "I like C++ and C"),
        ("McDonald's", "mcdonald\u2019s"),
        ("Straße", "STRASSE"),
        ("café", "CAFE\u0301"),
        ("сбербанк", "Сбербанк, верни деньги"),
        ("Ελλάδα", "ΕΛΛΆΔΑ"),
        ("بنك", "هذا بنك."),
        ("بنك", "بنـــك"),
        ("华为", "我买了华为手机"),
        ("nike", "我的Nike鞋"),
        ("ไทยพาณิชย์", "ธนาคารไทยพาณิชย์ล่ม"),
        ("トヨタ", "新しいトヨタの車"),
        ("ライン", "ラインで送る"),
        ("삼성", "삼성이 좋다"),
        ("nike", "nike는"),
        ("राम", "यह राम है"),
        ("´so", "a ´so b"),
        ("🍏", "love🍏love"),
    ],
)
def test_found(keyword: str, text: str) -> None:
    assert _names(keyword, text)


@pytest.mark.parametrize(
    ("keyword", "text"),
    [
        ("united", "reunited"),
        ("united", "unitedly"),
        ("united", "@unitedfan"),
        ("united", "@united_fan"),
        ("united", "@BoycottUnited"),
        ("united", "#unitedfan"),
        ("united", "unite\u0301d"),
        ("united", "uniteds"),
        ("tm", "Nike\u2122"),
        ("tm", "#Nike\u2122"),
        ("@united", "united"),
        ("@united", "#united"),
        ("@united", "@unitedfan"),
        ("@united", "me@united.com"),
        ("#united", "@united"),
        ("united airlines", "united, airlines"),
        ("C++", "#c"),
        ("сбер", "сбербанк"),
        ("بنك", "بنكي"),
        ("ライン", "オンライン"),
        ("삼성", "새삼성"),
        ("राम", "रामा"),
        ("ไทย", "ไทย์"),
        ("cafe", "café"),
    ],
)
def test_not_found(keyword: str, text: str) -> None:
    assert not _names(keyword, text)


def test_the_longest_name_at_a_place_wins_and_the_shorter_one_counts_elsewhere() -> None:
    matcher = BrandMatcher([("Delta", ["delta"]), ("Delta Force", ["delta force"]), ("Force One", ["force one"])])
    assert matcher.match("Delta Force is a game") == ("Delta Force",)
    assert matcher.match("#DeltaForce") == ("Delta Force",)
    assert matcher.match("delta force on a delta flight") == ("Delta", "Delta Force")
    assert matcher.match("delta force one") == ("Delta Force", "Force One")
    assert matcher.match("delta forces") == ("Delta",)


def test_a_handle_is_more_than_the_word_in_it() -> None:
    matcher = BrandMatcher([("Airline", ["@united"]), ("Club", ["united"])])
    assert matcher.match("@united won") == ("Airline",)
    assert matcher.match("united won") == ("Club",)


def test_brands_that_share_a_keyword_both_match_in_configured_order() -> None:
    matcher = BrandMatcher([("b", ["same", "b only"]), ("a", ["SAME"]), ("none", [])])
    assert matcher.match("the same") == ("b", "a")
    assert matcher.match("b only") == ("b",)


def test_no_brands_match_nothing() -> None:
    assert BrandMatcher([]).match("anything") == ()
    assert BrandMatcher([("a", [])]).match("anything") == ()


@pytest.mark.parametrize("keyword", ["", "  ", "@", "#", "\u200d"])
def test_a_keyword_that_could_not_be_found_is_refused(keyword: str) -> None:
    with pytest.raises(ValueError, match="brand 'x'"):
        BrandMatcher([("x", ["fine", keyword])])


def test_html_entities_are_read_as_characters() -> None:
    assert not _names("#39", "it&#39;s")
    assert _names("wendy's", "Wendy&#39;s &amp; me")


_KEYWORDS = st.text(alphabet="abAB é_", min_size=1, max_size=6).filter(lambda text: text.strip() != "")


@given(
    keywords=st.lists(_KEYWORDS, min_size=1, max_size=6),
    text=st.text(alphabet="abAB é_,.", max_size=24),
)
def test_agrees_with_a_plain_search(keywords: list[str], text: str) -> None:
    """A search by regular expression, one keyword at a time, over a small alphabet without sigils."""
    haystack = folded(text)
    spans = []
    for i, keyword in enumerate(keywords):
        pattern = rf"(?<!\w)(?=({re.escape(folded(keyword))})(?!\w))"
        spans += [(match.start(1), match.end(1), i) for match in re.finditer(pattern, haystack)]
    kept = {i for s, e, i in spans if not any(s2 <= s and e <= e2 and (s2, e2) != (s, e) for s2, e2, _ in spans)}
    matcher = BrandMatcher([(str(i), [keyword]) for i, keyword in enumerate(keywords)])
    assert matcher.match(text) == tuple(str(i) for i in sorted(kept))


@given(text=st.text(alphabet=st.characters(exclude_categories=[]), max_size=60))
@example("\ud800 united \udfff")
@example("İ#ıA")
def test_any_text_can_be_matched(text: str) -> None:
    matcher = BrandMatcher([("a", ["united", "i", "삼"]), ("b", ["i\u0307", "#a"])])
    assert set(matcher.match(text)) <= {"a", "b"}


@given(text=st.text(alphabet=st.sampled_from("aÉ \t\n\x1c\x85\xa0\u1680\u2003\u2028\u3000\u200b\u200d👎"), max_size=20))
def test_any_white_space_is_one_space(text: str) -> None:
    apart = re.sub(r"\s+", " ", text.replace("\u200d", "")).strip(" ")
    assert folded(text) == apart.replace("É", "é")


@given(before=st.text(max_size=20), after=st.text(max_size=20))
def test_a_keyword_between_spaces_is_found_whatever_surrounds_it(before: str, after: str) -> None:
    assert _names("Ünited", f"{before} üNITED {after}")


def test_fast_enough() -> None:
    """A tenth of the promised 100,000 texts/s and more, so that a busy machine does not fail it."""
    matcher = BrandMatcher([(f"brand{i}", [f"brand{i}", f"@brand{i}", f"brand {i}"]) for i in range(200)])
    texts = [
        f"I can't believe how long the queue was at brand{i % 300} today, never again! https://t.co/{i}"
        for i in range(5_000)
    ]
    start = time.perf_counter()
    for text in texts:
        matcher.match(text)
    assert len(texts) / (time.perf_counter() - start) > 10_000

"""What people are shown: bounded, without the brand's own words, copies once."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from detectors.evidence import (
    PER_TICK,
    Evidence,
    NormalTerms,
    Sample,
    bucket,
    buckets_of,
    terms_of,
    top_mentions,
    top_terms,
)


def sample(i: int, text: str, tick: int = 0, author: int | None = None, p: float = 0.9) -> Sample:
    return Sample(tick, i if author is None else author, f"m{i:04}", text, None, p, None)


def test_terms_leave_out_what_says_nothing() -> None:
    got = terms_of("RT @united: They're STILL delaying flight #3411 https://t.co/x в аэропорту, это ужас! 12 a")
    assert got == {"delaying", "flight", "#3411", "аэропорту", "ужас"}


def test_words_are_whole_in_scripts_with_vowel_signs_and_accents() -> None:
    assert terms_of("हड़ताल से दिल्ली बंद") == {"हड़ताल", "दिल्ली", "बंद"}
    assert terms_of("வேலைநிறுத்தம்") == {"வேலைநிறுத்தம்"}
    assert terms_of("الإِضْرَاب") == {"الإِضْرَاب"}
    assert terms_of("می\u200cخواهم") == {"می\u200cخواهم"}
    assert len(terms_of("ประท้วงรถไฟ")) > 1, "no whole sentence where words are not apart"
    composed, apart = "Ausf\u00e4lle", "Ausfa\u0308lle"
    assert terms_of(composed) == terms_of(apart) == {"ausf\u00e4lle"}, "as macOS writes it, and as all others do"
    assert buckets_of(composed) == buckets_of(apart)


def test_a_storm_keeps_a_bounded_sample() -> None:
    evidence = Evidence()
    for tick in range(1000):
        for i in range(100):
            evidence.keep(0, sample(i, "text", tick))
        if tick % 60 == 59:
            evidence.forget(tick)
    assert len(evidence.samples[0]) <= PER_TICK * 420
    evidence.forget(5000)
    assert not evidence.samples


def test_copies_are_shown_once_with_their_number() -> None:
    samples = [sample(i, f"Doctor dragged off flight http://t.co/{i}") for i in range(30)]
    samples += [sample(100 + i, f"own words number {chr(97 + i) * 5}") for i in range(5)]
    shown = top_mentions(samples)
    assert len(shown) == 3
    assert shown[0]["authors"] == 30
    assert shown[0]["id"] == "m0000"
    assert [s["authors"] for s in shown[1:]] == [1, 1]


def test_one_loud_author_makes_no_term() -> None:
    samples = [sample(i, "bankrupt bankrupt", author=7) for i in range(50)]
    samples += [sample(100 + i, "queue") for i in range(4)]
    assert [t["term"] for t in top_terms(samples, NormalTerms.none(), frozenset())] == ["queue"]


def test_terms_are_compared_with_the_brand_s_normal() -> None:
    normal = NormalTerms.none()
    for hour in range(200):
        normal.learn([sample(i, "delayed luggage") for i in range(10)], hour // 24)
    samples = [sample(i, "delayed luggage united") for i in range(10)] + [sample(50 + i, "dragged") for i in range(6)]
    assert [t["term"] for t in top_terms(samples, normal, frozenset({"united"}))] == ["dragged"]
    calm = top_terms(samples, NormalTerms.none(), frozenset())
    assert {"delayed", "luggage", "united"} <= {t["term"] for t in calm}


@given(
    st.lists(st.sampled_from(["Delayed", "the", "12", "#Refund", "it’s", "@united", "https://t.co/x", "задержка", "a"]))
)
def test_buckets_are_those_of_the_terms(words: list[str]) -> None:
    text = " ".join(words)
    assert buckets_of(text) == {bucket(term) for term in terms_of(text)}

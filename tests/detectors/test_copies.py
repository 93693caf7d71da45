"""A syndicated headline is one voice; people who repost are people."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from detectors import Engine
from detectors.config import BrandProfile
from detectors.copies import LIVES, Copies
from detectors.near_copies import REPOST, Mark, mark, words_of
from tests.detectors.worlds import START, of_one

HEADLINE = "Airlines suffer the wrath of a cutting sketch"


PIECES = st.sampled_from(["http://", "https://", "HTTP", "www.", "@", "a", "B", "_", "!", "/", " ", "\n", "\x1c"])


@given(st.lists(PIECES | st.characters(max_codepoint=127), max_size=30).map("".join))
@example("!@a @@b @c@d c!@e @http://f www.@g/@h http://@i/!@j a@k. @-l")
def test_words_of_plain_texts(text: str) -> None:
    """They take a short cut, which must lead to the same words."""
    # A sign of another script that is no part of a word asks for the long way.
    assert words_of(text) == words_of(text + " \u2014 ")


def test_what_makes_a_copy() -> None:
    one = mark(0, HEADLINE)
    assert one is not None
    assert mark(0, f"{HEADLINE.upper()}! https://t.co/1 @user") == one
    assert mark(0, HEADLINE + " indeed") != one, "eight words must be the same"
    assert mark(REPOST, HEADLINE) is None
    assert mark(0, "RT @user: " + HEADLINE) is None
    assert mark(0, "worst airline ever") is None, "people say this by themselves"


LONG = "united airlines passenger says he was hit by a scorpion that fell from an overhead bin"


def voices(*texts: str) -> int:
    """How many voices these texts are, each by another author, at one brand."""
    n = len(texts)
    who, _ = Copies().voices([0] * n, list(range(n)), list(range(100, 100 + n)), [mark(0, t) for t in texts])
    return len(set(who))


@pytest.mark.parametrize(
    "changed",
    [
        "BREAKING: " + LONG,
        LONG + " via @cnn",
        LONG + " - Reuters News",
        LONG.replace("scorpion", "snake"),
        LONG.replace("passenger says he", "passenger said he"),
        LONG.replace("an overhead bin", "the overhead bin"),
        LONG.replace(" from", ""),
    ],
)
def test_a_word_or_two_make_no_other_text(changed: str) -> None:
    assert voices(LONG, changed) == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("united cancelled my flight again thanks", "united cancelled my flight again great thanks"),
        ("I've been on hold for 2 hours!  When will you answer??", "I've been on hold for 2 hours to rebook my flight"),
        (
            "I've been on hold for an hour now. Ridiculous! All I need is the link to the chart that has routes",
            "I've been on hold for an hour and a half trying to change my flight to BNA. Not happy right now",
        ),
        (LONG, "united airlines passenger says he was hit by a trolley, cabin crew laughed and did not help him"),
        ("the queue at counter 4 is a shame and a disgrace", "the queue at counter 7 is a shame and a disgrace"),
        (
            "never again will I fly with these people they lost my bag",
            "they lost my bag never again will I fly with them",
        ),
    ],
)
def test_people_who_complain_alike_are_people(one: str, other: str) -> None:
    assert voices(one, other) == 2


def test_a_short_phrase_with_vowel_signs_is_no_copy() -> None:
    """Its words are counted, not the pieces between its signs."""
    assert words_of("बहुत बुरा है ये") == ["बहुत", "बुरा", "है", "ये"]
    assert mark(0, "बहुत बुरा है ये") is None
    assert mark(0, "आज दिल्ली में सब ट्रेन बंद") is not None
    assert words_of("वाह 1\ufe0f\u20e3 👩\u200d👩 ok") == ["वाह", "1", "ok"]


def test_most_changed_ends_are_seen_through() -> None:
    rng = np.random.default_rng(0)
    seen = 0
    for _ in range(300):
        words = [f"w{i}" for i in rng.integers(0, 5000, int(rng.integers(12, 30)))]
        text = " ".join(words)
        seen += voices(text, f"changed {text}") == 1
        seen += voices(text, f"{text} changed") == 1
        seen += voices(text, " ".join(words[:-1])) == 1
    assert seen > 0.85 * 900


words = st.lists(st.text("abcdefghijklmnop", min_size=3, max_size=8), min_size=14, max_size=40, unique=True)


@settings(max_examples=60, deadline=None)
@given(words=words, data=st.data())
def test_the_same_words_are_copies_and_other_words_are_not(words: list[str], data: st.DataObject) -> None:
    text = " ".join(words)
    assert voices(text, f"{text.upper()}! https://t.co/x", text) == 1
    others = data.draw(st.lists(st.text("qrstuvwxyz", min_size=3, max_size=8), min_size=10, max_size=40))
    assert voices(text, " ".join(others)) == 2
    assert voices(text, " ".join(words[:7] + others)) == 2, "seven words at the beginning are not eight"


def test_a_key_that_another_text_took_over_stays_with_it_when_packed() -> None:
    one, other = Mark((1, 2), 0), Mark((1, 2), (1 << 64) - 1)
    copies = Copies()
    for hour, text in enumerate((one, other)):
        assert copies.voices([0], [60 * hour], [100 + hour], [text])[0] == [100 + hour]
        copies.forget(60 * hour + 59)
    assert [(first.key, first.author) for first in copies.of(0)] == [(1, 100), (2, 101)]
    assert copies.nbytes() == 2 * 24, "the one it was taken from is forgotten"
    assert copies.voices([0, 0], [120, 120], [102, 103], [other, one])[0] == [101, 100]


@settings(max_examples=40, deadline=None)
@given(
    posts=st.lists(
        st.tuples(st.integers(0, 4000), st.integers(0, 2), st.integers(0, 5), st.integers(0, 9)), max_size=40
    ),
    cuts=st.lists(st.integers(0, 66), max_size=5),
)
def test_memory_does_not_change_voices(posts: list[tuple[int, int, int, int]], cuts: list[int]) -> None:
    """All at once, or in pieces with packing, saving and loading, and brands apart and joined."""
    posts = sorted(posts)
    marks = [mark(0, LONG + " so" * word) if word < 3 else mark(0, HEADLINE + f" {word}") for _, _, word, _ in posts]
    ticks, brands, authors = [p[0] for p in posts], [p[1] for p in posts], [p[3] for p in posts]
    expected, _ = Copies().voices(brands, ticks, authors, marks)
    got: list[int] = []
    copies, begin = Copies(), 0
    for cut in [*sorted(60 * c + 59 for c in cuts), 5000]:
        end = next((i for i, tick in enumerate(ticks) if tick > cut), len(ticks))
        got += copies.voices(brands[begin:end], ticks[begin:end], authors[begin:end], marks[begin:end])[0]
        begin = end
        copies.forget(cut)
        parts = []
        for brand in (2, 0, 1):
            part = Copies()
            part.load(copies.of(brand))
            if brand:
                part.forget(cut)
            parts.append(part)
        copies = Copies.merge(parts)
    assert got == expected


def test_copies_speak_for_the_first_for_a_day() -> None:
    copies, one = Copies(), mark(0, HEADLINE)

    def voice(tick: int, author: int) -> int:
        return copies.voices([0], [tick], [author], [one])[0][0]

    assert voice(100, 7) == 7
    assert voice(101, 8) == 7
    copies.forget(159)
    assert voice(100 + LIVES, 9) == 7
    assert voice(101 + LIVES, 9) == 9, "a day later it is news again"
    assert voice(102 + LIVES, 7) == 9
    copies.forget(103 + LIVES)
    assert [f.author for f in copies.of(0)] == [9, 7, 9], "whom 7 and whom 9 copied, and of the text"
    copies.forget(102 + 2 * LIVES)
    assert copies.of(0) == []
    assert copies.nbytes() == 0


def test_who_copies_several_people_speaks_for_the_first_of_them() -> None:
    """Else one account that repeats twenty complaints of the day would be twenty upset people."""
    copies = Copies()
    texts = [mark(0, f"the queue at counter {i} is a shame and a disgrace") for i in range(20)]

    def voices(tick: int, author: int, which: slice = slice(None)) -> list[int]:
        n = len(texts[which])
        return copies.voices([0] * n, [tick] * n, [author] * n, texts[which])[0]

    for i in range(20):
        assert voices(100, i + 1, slice(i, i + 1)) == [i + 1]
    assert voices(101, 77) == [1] * 20
    assert voices(101, 78, slice(5, None)) == [6] * 15, "another account speaks for another one"
    copies.forget(159)
    again = Copies()
    again.load(copies.of(0))
    copies = again
    assert voices(160, 77, slice(3, None)) == [1] * 17, "also after a restore"
    assert voices(161, 3, slice(2, 4)) == [3, 4], "one's own text is no copy"
    assert voices(101 + LIVES, 77, slice(9, 10)) == [77], "a day later it is news again"


def test_one_account_that_repeats_what_others_wrote_pages_nobody() -> None:
    rng = np.random.default_rng(1)
    end = START + 21 * 1440
    tick = np.sort(rng.integers(START, end + 120, 21 * 480 + 40))
    negative = rng.random(len(tick)) < 0.25
    text = [" ".join(f"w{j}" for j in rng.integers(0, 2000, 12)) for _ in tick]
    author = rng.integers(1, 1 << 62, len(tick)).astype(np.uint64)
    repeated = np.flatnonzero(negative & (tick > end - 1300) & (tick < end - 430))[-20:]
    assert len(repeated) == 20
    tick = np.concatenate([tick, end + np.arange(20)])
    order = np.argsort(tick, kind="stable")
    every = [*text, *(text[i] for i in repeated.tolist())]
    observations = of_one(
        tick[order],
        np.concatenate([negative, np.ones(20, np.bool_)])[order],
        np.concatenate([author, np.full(20, 99, np.uint64)])[order],
        [every[i] for i in order.tolist()],
    )
    decisions = Engine([BrandProfile("brand")]).advance(end + 120, observations)
    assert not [d for d in decisions if d.tick >= end and d.notify != "info"]


def play(text: str, kind: int) -> int:
    """A calm week, then sixty negative mentions in half an hour with this text; how many voices they are."""
    rng = np.random.default_rng(0)
    calm = np.sort(rng.integers(0, 7 * 1440, 1400))
    storm = np.sort(rng.integers(7 * 1440, 7 * 1440 + 30, 60))
    tick = START + np.concatenate([calm, storm])
    m, n = len(tick), len(calm)
    negative = np.concatenate([rng.random(n) < 0.2, np.ones(60, np.bool_)])
    texts = ["delayed"] * n + [text.format(i) for i in range(60)]
    posts = of_one(tick, negative, np.arange(1, m + 1, dtype=np.uint64), texts)
    observations = replace(posts, kind=np.full(m, kind, np.uint8))
    engine = Engine([BrandProfile("brand")])
    decisions = engine.advance(int(tick[-1]), observations)
    assert int(engine.levels().authors[0]) >= 60
    assert any(d.pages for d in decisions) == (int(engine.levels().negative_authors[0]) > 50)
    return int(engine.levels().negative_authors[0])


def test_a_syndicated_headline_pages_nobody() -> None:
    assert play(HEADLINE + " http://x.org/{}", 0) < 10


def test_sixty_people_are_sixty_voices() -> None:
    assert play("the queue at counter {} is a shame and a disgrace", 0) >= 60
    assert play(HEADLINE, REPOST) >= 60

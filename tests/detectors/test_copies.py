"""A syndicated headline is one voice; people who repost are people."""

from __future__ import annotations

import numpy as np

from detectors import Engine, Observations
from detectors.config import BrandProfile
from detectors.copies import LIVES, REPOST, Copies, text_key
from tests.detectors.worlds import START

HEADLINE = "Airlines suffer the wrath of a cutting sketch"


def test_what_makes_a_copy() -> None:
    key = text_key("brand", 0, HEADLINE)
    assert key is not None
    assert text_key("brand", 0, f"{HEADLINE.upper()}! https://t.co/1 @user") == key
    assert text_key("other", 0, HEADLINE) != key
    assert text_key("brand", 0, HEADLINE + " indeed") != key
    assert text_key("brand", REPOST, HEADLINE) is None
    assert text_key("brand", 0, "RT @user: " + HEADLINE) is None
    assert text_key("brand", 0, "worst airline ever") is None, "people say this by themselves"


def test_copies_speak_for_the_first_for_a_day() -> None:
    copies = Copies()
    assert copies.voice(0, 100, 7, 55)[0] == 7
    assert copies.voice(0, 101, 8, 55) == (7, None)
    copies.forget(159)
    assert copies.voice(0, 100 + LIVES, 9, 55) == (7, None)
    assert copies.voice(0, 101 + LIVES, 9, 55)[0] == 9, "a day later it is news again"
    assert copies.voice(0, 102 + LIVES, 7, 55)[0] == 9
    copies.forget(103 + LIVES)
    assert [f[3] for f in copies.of(0)] == [9]
    copies.forget(102 + 2 * LIVES)
    assert copies.of(0) == []


def play(text: str, kind: int) -> int:
    """A calm week, then sixty negative mentions in half an hour with this text; how many voices they are."""
    rng = np.random.default_rng(0)
    calm = np.sort(rng.integers(0, 7 * 1440, 1400))
    storm = np.sort(rng.integers(7 * 1440, 7 * 1440 + 30, 60))
    tick = START + np.concatenate([calm, storm])
    m, n = len(tick), len(calm)
    observations = Observations(
        tick=tick,
        minute=tick,
        brand=np.zeros(m, np.int32),
        author=np.arange(1, m + 1, dtype=np.uint64),
        negative=np.concatenate([rng.random(n) < 0.2, np.ones(60, np.bool_)]),
        p_negative=np.ones(m, np.float32),
        kind=np.full(m, kind, np.uint8),
        reach=np.full(m, np.nan),
        id=[str(i) for i in range(m)],
        text=["delayed"] * n + [text.format(i) for i in range(60)],
        url=[None] * m,
    )
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

"""Topics: what negative mentions are about tells a crisis from as many complaints about this and that."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs
from scipy import stats

from detectors import BrandProfile, Decision, Engine
from detectors.built_in import BUILT_IN
from detectors.columns import exp
from detectors.detector import Told
from detectors.evidence import BUCKETS, Evidence, NormalTerms, Sample, ignored, packed_buckets
from detectors.loud import LOUD
from detectors.score import FAST, MID
from detectors.topics import (
    CORRELATION,
    LEAST_AUTHORS,
    LEAST_USERS,
    MOST_NATS,
    SHARES,
    TIMES,
    WINDOW,
    Kept,
    Topics,
    bayes_factors,
    log_beta_binomial,
    usual_shares,
)
from tests.detectors.worlds import START, of_one

DAY_MINUTES = 1440
DAY = START // DAY_MINUTES
WORDS = ["queue", "price", "refund", "screen", "broken", "lawyer", "battery", "support", "crash", "login"]


def sample(tick: int, voice: int, text: str) -> Sample:
    return Sample(tick, voice, f"m{tick}", text, None, 0.9, None, 0, packed_buckets(text))


def known(words: list[str] = WORDS) -> NormalTerms:
    """A brand of which people complain about each of these as often."""
    normal = NormalTerms.none()
    normal.learn([sample(0, i, words[i % len(words)]) for i in range(300)], DAY - 2)
    return normal


def plainly(samples: list[Sample], tick: int, usual: np.ndarray) -> float:
    """W of one brand at a tick, by its definition."""
    inside = [s for s in samples if tick - WINDOW < s.tick <= tick]
    wrote = Counter(s.author for s in inside)
    inside = [s for s in inside if wrote[s.author] <= LOUD]
    users: dict[int, set[int]] = {}
    for s in inside:
        for place in s.used:
            users.setdefault(place, set()).add(s.speaks_for)
    authors = len({s.speaks_for for s in inside})
    if authors < LEAST_AUTHORS:
        return 0.0
    total = 0.0
    size = (1 - CORRELATION) / CORRELATION
    for place, who in users.items():
        k, p = len(who), usual[place]
        if k < LEAST_USERS or k <= TIMES * p * authors:
            continue
        for share in SHARES:
            moved = min(max(share, TIMES * p), 0.95)
            ratio = stats.betabinom.logpmf(k, authors, size * moved, size * (1 - moved)) - stats.betabinom.logpmf(
                k, authors, size * p, size * (1 - p)
            )
            total += math.exp(ratio) / len(SHARES) / BUCKETS
    return max(math.log(total), 0.0) if total else 0.0


@settings(max_examples=25, deadline=None)
@given(data=st.data(), seed=st.integers(0, 10_000))
def test_it_is_the_formula_however_ticks_are_grouped(data: st.DataObject, seed: int) -> None:
    rng = np.random.default_rng(seed)
    first, last = START, START + 400
    index = np.array([2, 5])
    evidence, topics = Evidence(), Topics()
    for brand in index.tolist():
        evidence.normal[brand] = known()
    everything: dict[int, list[Sample]] = {2: [], 5: []}
    ticks = np.sort(rng.integers(first, last + 1, 60)).tolist()
    for tick in ticks:
        brand = int(rng.choice(index))
        words = " ".join(rng.choice([*WORDS, "strike", "strike"], 2))
        # Some write again and again, some repeat what another wrote.
        author = int(rng.integers(1, 6) if rng.random() < 0.3 else rng.integers(6, 40))
        one = sample(tick, author, words)
        everything[brand].append(structs.replace(one, voice=3) if rng.random() < 0.1 else one)
    cuts = sorted({*data.draw(st.lists(st.integers(first, last - 1), max_size=8)), last})
    got = []
    begin = first
    for cut in cuts:
        came = sorted(
            ((s.tick, brand, s) for brand, own in everything.items() for s in own if begin <= s.tick <= cut),
            key=lambda one: one[:2],
        )
        kept = Kept(np.arange(len(came)), [brand for _, brand, _ in came], [s for _, _, s in came])
        got.append(topics.advance(begin, cut, kept, evidence, index))
        for _, brand, s in came:
            evidence.add([brand], [s])
            topics.add([brand], [s])
        topics.forget(cut)
        topics.stale = data.draw(st.booleans())  # As after a restore.
        begin = cut + 1
    usual = usual_shares(known(), DAY)
    assert usual is not None
    expected = [[plainly(own, tick, usual) for tick in range(first, last + 1)] for own in everything.values()]
    np.testing.assert_allclose(np.concatenate(got, axis=1), expected, atol=1e-9)


def test_a_topic_is_worth_more_the_more_name_it_and_the_rarer_it_is() -> None:
    users, authors = np.array([3, 6, 9, 6]), np.array([12, 12, 12, 12])
    factors = bayes_factors(users, authors, np.array([0.01, 0.01, 0.01, 0.1]))
    assert factors[0] < factors[1] < factors[2]
    assert factors[3] < factors[1]


@given(
    st.lists(st.tuples(st.integers(0, 400), st.integers(0, 400), st.floats(1e-4, 1.0, exclude_max=True)), min_size=1)
)
def test_factors_are_ratios_of_beta_binomial_probabilities(terms: list[tuple[int, int, float]]) -> None:
    """Terms whose share would be the same are taken together; the last bit must not depend on it."""
    users = np.array([k for k, _, _ in terms])
    authors = users + [rest for _, rest, _ in terms]
    usual = np.array([p for _, _, p in terms])
    base = log_beta_binomial(users, authors, usual, CORRELATION)
    total = np.zeros(len(terms))
    for share in SHARES:
        moved = log_beta_binomial(users, authors, np.clip(TIMES * usual, share, 0.95), CORRELATION)
        total = total + exp(np.minimum(moved - base, MOST_NATS))
    np.testing.assert_array_equal(bayes_factors(users, authors, usual), total / len(SHARES))


def _now(samples: list[Sample], normal: NormalTerms | None) -> float:
    topics, evidence = Topics(), Evidence()
    if normal is not None:
        evidence.normal[0] = normal
    kept = Kept(np.arange(len(samples)), [0] * len(samples), samples)
    return float(topics.advance(START, START + 30, kept, evidence, np.array([0]))[0, -1])


def test_what_is_a_topic() -> None:
    said = [sample(START + i, i + 1, "strike " + WORDS[i]) for i in range(10)]
    assert _now(said, known()) > 5
    assert _now(said, None) == 0, "nobody knows yet what is usual"
    assert _now(said, known(["strike"])) == 0, "it is what they always say"
    assert _now([sample(START + i, i + 1, WORDS[i]) for i in range(10)], known()) == 0, "this and that"
    assert _now([sample(START + i, 7, "strike " + WORDS[i]) for i in range(10)], known()) == 0, "one author"


def test_keywords_do_not_count_nor_hide_what_shares_their_buckets() -> None:
    keywords = [f"acme{i}" for i in range(1000)]
    said = "acme7 #acme8 strike #strike"
    assert packed_buckets(said, ignored("acme", keywords)) == packed_buckets("strike #strike")
    hidden = {packed_buckets(word)[0] for word in keywords}
    assert hidden >= set(packed_buckets("strike")), "no bucket of a keyword is looked at"


def test_a_few_accounts_are_no_crowd() -> None:
    few = [sample(START + i, i % 4, "strike " + WORDS[i % 10]) for i in range(20)]
    others = [sample(START + i, 10 + i, WORDS[i]) for i in range(6)]
    merged = sorted(few + others, key=lambda s: s.tick)
    assert _now(merged, known()) == 0
    assert _now([s for s in merged if s not in few[8:]], known()) > 0, "before they write for the third time"


def test_what_a_day_teaches_counts_from_the_next_day_on() -> None:
    normal = NormalTerms.none()
    normal.learn([sample(0, i, "refund") for i in range(50)], DAY)
    today, _ = normal.shares(DAY)
    tomorrow, authors = normal.shares(DAY + 1)
    place = packed_buckets("refund")[0]
    assert today[place] == pytest.approx(0.05)
    assert tomorrow[place] > 0.8
    assert authors == pytest.approx(50 * 2 ** (-1 / 7), rel=1e-3)
    before = normal.shares(DAY + 3)[0]
    normal.learn([sample(0, 0, "price")], DAY + 3)
    np.testing.assert_array_equal(before, normal.shares(DAY + 3)[0])


def _surge(
    seed: int,
    subject: float,
    *,
    days: int = 16,
    hours: int = 3,
    more: float = 16.0,
    tone: float = 0.55,
    keywords: tuple[str, ...] = (),
) -> tuple[list[Decision], np.ndarray]:
    """Calm days of eight mentions an hour, a quarter negative; then some hours with `more` an hour, negative with
    probability `tone`, which with probability `subject` name one thing; else the same mentions whatever `subject` is.
    What is decided in these hours, and the scores of `fast`."""
    rng = np.random.default_rng(seed)
    begin, end = days * DAY_MINUTES, days * DAY_MINUTES + 60 * hours
    usual, others = rng.poisson(8 / 60, end), rng.poisson(more / 60, end) * (np.arange(end) >= begin)
    minute = np.repeat(np.arange(end), usual + others)
    of_surge = np.concatenate([np.arange(u + o) >= u for u, o in zip(usual, others, strict=True)])
    negative = rng.random(len(minute)) < np.where(of_surge, tone, 0.25)
    named = of_surge & (rng.random(len(minute)) < subject)
    words = rng.choice(WORDS, (len(minute), 2)).tolist()
    text = [f"{'strike' if one else first} {second}" for (first, second), one in zip(words, named, strict=True)]
    author = np.arange(1, len(minute) + 1).astype(np.uint64)
    scored: list[np.ndarray] = []
    profile = BrandProfile("acme", ignore_terms=keywords)
    engine = Engine([profile], recorder=lambda seen: scored.append(seen.scores[FAST, 0]))
    decided = engine.advance(START + end - 1, of_one(START + minute, negative, author, text))
    return [d for d in decided if d.tick >= START + begin], np.concatenate(scored)[-60 * hours :]


def test_what_an_episode_says_is_usual_after_it() -> None:
    normal = known()
    before, authors = normal.shares(DAY)
    today = normal.shares(DAY - 1)
    normal.adopt([sample(0, i, "strike " + WORDS[i % 2]) for i in range(90)], DAY)
    after, still = normal.shares(DAY)
    strike, refund = (packed_buckets(word)[0] for word in ("strike", "refund"))
    assert after[strike] == pytest.approx(0.9, abs=0.01)
    assert after[refund] == before[refund], "what was usual before stays so"
    assert still == authors
    normal.learn([sample(0, 0, "strike")], DAY)
    np.testing.assert_array_equal(normal.shares(DAY)[0], after)
    assert today[0][strike] < 0.01


def test_a_topic_that_stays_is_the_new_normal_after_three_days() -> None:
    """From one day on twice as many are negative, and name one thing: the incident is released as any is."""
    rng = np.random.default_rng(0)
    days, begin = 16, 9
    minutes = np.sort(rng.integers(0, days * DAY_MINUTES, days * 960))
    negative = rng.random(len(minutes)) < np.where(minutes < begin * DAY_MINUTES, 0.3, 0.6)
    text = [
        f"{'strike ' if minute >= begin * DAY_MINUTES else ''}{rng.choice(WORDS)} {rng.choice(WORDS)}"
        for minute in minutes.tolist()
    ]
    first = DAY * DAY_MINUTES
    observations = of_one(first + minutes, negative, np.arange(1, len(minutes) + 1).astype(np.uint64), text)
    decided = Engine([BrandProfile("acme")]).advance(first + days * DAY_MINUTES, observations)
    (opened,) = (d for d in decided if d.type == "opened" and d.tick >= first + begin * DAY_MINUTES)
    assert opened.detector == "topic"
    (resolved,) = (d for d in decided if d.type == "resolved" and d.tick >= opened.tick)
    # Three days, and the rest of the UTC day: what is usually said changes between days only.
    assert 3 * DAY_MINUTES < resolved.tick - opened.tick < 4 * DAY_MINUTES + 60
    assert "absorbed" in resolved.reason


def _of_topic(days: int, subject: float, tone: float, keywords: tuple[str, ...] = ()) -> list[Decision]:
    every = (_surge(seed, subject, days=days, more=6.0, tone=tone, keywords=keywords)[0] for seed in range(5))
    return [d for decided in every for d in decided if d.detector == "topic"]


def test_few_who_name_one_thing_open_a_ticket_at_first_and_the_event_says_what() -> None:
    about = [d for d in _of_topic(6, subject=0.8, tone=0.8) if d.type == "opened"]
    assert len(about) >= 3
    assert all(d.notify == "ticket" and "“strike” by" in d.reason for d in about)


def test_few_who_name_one_thing_page_once_the_brand_is_known() -> None:
    pages = [d for d in _of_topic(20, subject=0.8, tone=0.8) if d.pages]
    assert len(pages) >= 3
    assert all("“strike” by" in d.reason for d in pages)


def test_it_takes_a_moved_share_and_a_topic() -> None:
    assert not _of_topic(20, subject=0.0, tone=0.8), "more are negative, about this and that"
    rounds = [d for d in _of_topic(20, subject=0.9, tone=0.25) if d.type == "opened"]
    assert len(rounds) <= 1, "something makes the rounds, in the usual tone; in one of five more are negative by chance"


def test_a_surge_about_one_thing_scores_higher_and_the_event_says_what() -> None:
    told, differ = [], 0
    for seed in range(4):
        about, higher = _surge(seed, subject=0.8)
        plain, lower = _surge(seed, subject=0.0)
        assert (higher >= lower).all()
        differ += bool((higher > lower).any())
        assert not any("write" in d.reason for d in plain if d.detector != "topic")
        told += [d for d in about if d.detector in ("fast", "mid") and "“strike” by" in d.reason]
    assert differ >= 2
    assert any(d.pages for d in told)


def test_words_are_told_of_windows_in_which_they_count() -> None:
    """Of three hours those of three hours; nowhere longer, and only where there is a topic."""
    told = Told("3 h", 40, 20.0, 24, 5.0, 0.6, 0.25, (("strike", 9), ("queue", 4)))
    words = "; more than usual write “strike” by 9, “queue” by 4"
    fast, mid = (BUILT_IN[place] for place in (FAST, MID))
    for detector in (fast, mid):
        plain = detector.reason(told)
        assert detector.reason(replace(told, topic=True)) == plain + words
        assert "strike" not in plain
    assert replace(told, terms=()).about == ""
    longer = [d for seed in range(6) for d in _surge(seed, subject=0.8, hours=10, more=8.0)[0] if d.detector == "slow"]
    assert longer
    assert not any("more than usual" in d.reason for d in longer)
    shorter = [d for seed in range(2) for d in _surge(seed, subject=0.8)[0] if d.detector == "mid"]
    told_by = [(d, int(d.reason.split("“strike” by ")[1].split(",")[0])) for d in shorter if "“strike” by" in d.reason]
    # Of the last hour alone not half as many would be told.
    assert max(authors / d.negative_authors for d, authors in told_by) > 0.4


def test_what_the_brand_is_called_is_no_topic() -> None:
    keywords = tuple(f"acme{i}" for i in range(1000))
    assert _of_topic(6, subject=0.8, tone=0.8, keywords=keywords) == _of_topic(6, subject=0.8, tone=0.8)
    assert not _of_topic(6, subject=0.8, tone=0.8, keywords=("strike",))

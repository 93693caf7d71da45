"""The simulated fortnight is the same every time and has in it what the demo shows."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from statistics import fmean, pvariance

import pytest

from streams.matching import BrandMatcher
from streams.records import Limits, Mention, checked_mention, microseconds
from streams.simulation import BRANDS, DAYS, EVENTS, START, brand_keywords, simulate


@pytest.fixture(scope="module")
def mentions() -> list[Mention]:
    return list(simulate())


def _hours(mentions: list[Mention], brand: str, *, negative: bool = False) -> list[int]:
    matcher = BrandMatcher(brand_keywords())
    counts = Counter(
        (mention.created_at - START) // timedelta(hours=1)
        for mention in mentions
        if matcher.match(mention.text) == (brand,) and (not negative or mention.gold_tone == "negative")
    )
    return [counts[hour] for hour in range(DAYS * 24)]


def test_two_runs_give_the_same_mentions(mentions: list[Mention]) -> None:
    assert list(simulate()) == mentions
    assert list(islice(simulate(seed=2), 50)) != mentions[:50]


def test_the_other_brands_do_not_change_what_is_written_about_one(mentions: list[Mention]) -> None:
    alone = list(simulate(brands=1, days=2))
    ids = {mention.id for mention in alone}
    end = START + timedelta(days=2)
    assert [mention for mention in mentions if mention.id in ids and mention.created_at < end] == alone


def test_size_order_and_ids(mentions: list[Mention]) -> None:
    assert 18_000 < len(mentions) < 23_000
    assert all(a.created_at <= b.created_at for a, b in pairwise(mentions))
    assert mentions[0].created_at >= START
    assert mentions[-1].created_at < START + timedelta(days=DAYS)
    assert len({mention.id for mention in mentions}) == len(mentions)
    now_us = microseconds(START + timedelta(days=DAYS))
    assert all(checked_mention(mention, Limits(), now_us=now_us) for mention in mentions)


def test_each_text_names_one_brand_which_is_not_labelled(mentions: list[Mention]) -> None:
    matcher = BrandMatcher(brand_keywords())
    assert all(len(matcher.match(mention.text)) == 1 and mention.brand is None for mention in mentions)
    assert all("{" not in mention.text for mention in mentions)


def test_texts_and_authors_repeat_as_in_life(mentions: list[Mention]) -> None:
    assert 0.7 < len({mention.text for mention in mentions}) / len(mentions) < 0.95
    reposts = [mention for mention in mentions if mention.kind == "repost"]
    ids = {mention.id for mention in mentions}
    assert 0.08 < len(reposts) / len(mentions) < 0.25
    assert all(mention.parent_id in ids for mention in reposts)
    per_author = Counter(mention.author for mention in mentions)
    assert max(per_author.values()) > 50
    assert sum(count == 1 for count in per_author.values()) > len(per_author) / 2


def test_rhythm_and_spread(mentions: list[Mention]) -> None:
    hours = _hours(mentions, "Quenbrook Bank")
    by_hour = [fmean(hours[hour::24]) for hour in range(24)]
    assert min(by_hour) * 4 < max(by_hour)
    weekend = [count for day in (5, 6, 12, 13) for count in hours[24 * day : 24 * day + 24]]
    assert fmean(weekend) < 0.7 * fmean(hours[:120])
    evenings = [hours[24 * day + 19] for day in (0, 1, 2, 3, 4, 7, 8, 9, 10, 11)]
    assert pvariance(evenings) > 1.3 * fmean(evenings)


def test_the_crisis_and_the_harmless_burst_are_there(mentions: list[Mention]) -> None:
    crisis, burst = EVENTS
    assert crisis.is_crisis
    for event, negative in ((crisis, (0.6, 0.85)), (burst, (0.0, 0.12))):
        onset = event.onset // timedelta(hours=1)
        volume = _hours(mentions, event.brand)
        usual = fmean(volume[onset - 24 * day + 1] for day in range(1, 8))
        assert volume[onset + 1] > 0.6 * event.peak * usual
        share = sum(_hours(mentions, event.brand, negative=True)[onset : onset + 4]) / sum(volume[onset : onset + 4])
        assert negative[0] < share < negative[1]


def test_ordinary_hours_have_each_brands_usual_share(mentions: list[Mention]) -> None:
    for brand in BRANDS:
        share = sum(_hours(mentions, brand.name, negative=True)[:240]) / sum(_hours(mentions, brand.name)[:240])
        assert share == pytest.approx(brand.negative, abs=0.05)


def test_it_can_begin_at_another_time() -> None:
    start = datetime(2025, 1, 6, tzinfo=UTC)
    assert [m.text for m in islice(simulate(start=start), 20)] == [m.text for m in islice(simulate(), 20)]
    assert next(iter(simulate(start=start))).created_at - start < timedelta(hours=1)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [({"start": datetime(2026, 3, 2)}, "time zone"), ({"days": 0}, "days"), ({"brands": 4}, "from 1 to 3")],  # noqa: DTZ001
)
def test_arguments_out_of_range_are_refused(arguments: dict[str, datetime | int], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        next(simulate(**arguments))  # type: ignore[arg-type]

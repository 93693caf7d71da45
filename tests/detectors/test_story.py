"""What is kept for plots: peaks always, every minute near incidents and known events, and never too much."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from detectors import Engine
from detectors.detector_set import BUILT_IN_SET
from detectors.incident_log import incident_logs
from detectors.recording import Recording
from detectors.score import DETECTORS
from detectors.story import AROUND, MOST_BINS, MOST_DETAIL, Story, field_names
from tests.detectors.worlds import QUICK, START, profiles, run, span, world

D = len(DETECTORS)
END = START + 60 * 60


def recording(ticks: np.ndarray, n: int = 2, **given: np.ndarray) -> Recording:
    """A block in which nothing happens, but for what is given."""
    k = len(ticks)
    plain: dict[str, np.ndarray] = {
        "mentions": np.ones((5, n, k), np.int64),
        "authors": np.ones((5, n, k), np.int64),
        "negatives": np.zeros((5, n, k), np.int64),
        "authors_expected": np.ones((5, n, k)),
        "negative_expected": np.full((5, n, k), 0.2),
        "scores": np.full((D, n, k), 0.1),
        "page": np.full((n, D), 2.0),
        "ticket": np.full((n, D), 1.0),
        "open": np.zeros((n, k), np.bool_),
        "down": np.zeros(n, np.bool_),
    }
    return Recording(
        detectors=DETECTORS,
        titles=BUILT_IN_SET.titles,
        asks_for=BUILT_IN_SET.asks_for,
        ticks=ticks,
        brands=np.arange(n),
        **{**plain, **given},
    )


def blocks(hours: int) -> list[np.ndarray]:
    return [np.arange(a, b) for a, b in pairwise(range(START, START + 60 * hours + 1, 60))]


def test_a_year_stays_small_and_keeps_every_peak() -> None:
    story = Story(["a", "b"])
    for hour, ticks in enumerate(blocks(24 * 365)):
        scores = np.full((D, 2, 60), 0.1)
        if hour == 5000:
            scores[0, 1, 17] = 9.0
        story.add(recording(ticks, scores=scores))
    tick, values = story.series(1)
    assert len(tick) <= MOST_BINS + 2 * 2880
    assert (np.diff(tick) > 0).all()
    peak = int(np.argmax(values["fast"]))
    assert values["fast"][peak] == 9.0
    at = START + 60 * 5000 + 17
    assert tick[peak] <= at < tick[peak + 1]
    few, drawn = story.series(1, points=500)
    assert len(few) < 1100
    assert drawn["fast"].max() == 9.0
    assert drawn["slow"].max() == pytest.approx(0.1)


@pytest.mark.parametrize("points", [None, 300])
def test_minutes_near_incidents_are_those_that_were_recorded(points: int | None) -> None:
    everything: list[Recording] = []
    story = Story([p.name for p in profiles(3)], {"brand 1": [(START + 600, START + 700)]})

    def both(one: Recording) -> None:
        everything.append(one)
        story.add(one)

    found = run(Engine(profiles(3), QUICK, recorder=both), span(world(5), 0, END + 9 * 1440), END + 9 * 1440, [])
    assert found == run(Engine(profiles(3), QUICK), span(world(5), 0, END + 9 * 1440), END + 9 * 1440, []), (
        "recording changes nothing"
    )
    ticks = np.concatenate([one.ticks for one in everything])
    logs = incident_logs(found)
    assert logs
    for brand in range(3):
        exact = np.concatenate([one.authors[1, brand] for one in everything])
        score = np.concatenate([one.scores[0, brand] for one in everything])
        tick, values = story.series(brand, points)
        place = {t: j for j, t in enumerate(tick.tolist())}
        near = [t for log in logs if log.brand == f"brand {brand}" for s in log.spans for t in s if t is not None]
        wanted = {t + d for t in near for d in (-AROUND, -7, 0, 7, AROUND)}
        if brand == 1:
            wanted |= set(range(START + 600, START + 701))
        for t in wanted:
            if ticks[0] <= t <= ticks[-1]:
                j, i = place[t], t - int(ticks[0])
                assert values["authors"][j] == exact[i]
                assert np.isnan(values["fast"][j]) or values["fast"][j] == pytest.approx(score[i], abs=1e-6)


def test_a_brand_that_flaps_for_ever_does_not_fill_the_memory() -> None:
    story = Story(["a", "b"])
    for hour, ticks in enumerate(blocks(24 * 60)):
        flapping = np.zeros((2, 60), np.bool_)
        flapping[0] = hour % 2 == 0
        story.add(recording(ticks, open=flapping))
    tick, _ = story.series(0)
    assert len(tick) <= MOST_DETAIL + MOST_BINS + 2880


def test_a_feed_that_is_silent_shows() -> None:
    story = Story(["a", "b"])
    for hour, ticks in enumerate(blocks(24 * 6)):
        story.add(recording(ticks, down=np.array([30 <= hour < 50, False])))
    tick, values = story.series(0)
    silent = tick[values["silent"] > 0]
    assert silent[0] // 60 == START // 60 + 30
    assert silent[-1] // 60 == START // 60 + 49
    assert not story.series(1)[1]["silent"].any()
    assert set(values) == set(field_names(DETECTORS))


def test_who_was_never_mentioned_is_not_shown() -> None:
    story = Story(["a", "b"])
    nobody = np.ones((5, 2, 60), np.int64)
    nobody[:, 0] = 0
    story.add(recording(np.arange(START, START + 60), authors=nobody))
    assert story.seen() == [1]

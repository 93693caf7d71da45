"""A backtest in arrays sees what the worker's own classify and detect see: the same members in the same ticks and
order, the same counts, the same events."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.engine import BrandProfile, Engine
from detectors.incidents import Decision
from detectors.observations import Observations
from streams.backtest import GOLD, Backtest
from streams.classification import Batch, Classification
from streams.detection import Detection
from streams.entries import Entry
from streams.matching import BrandMatcher
from streams.records import Advance, Mention, RejectedError, microseconds, tick_of
from streams.simulation import START

KEYWORDS = [("Castor", ["castor"]), ("Lumo", ["lumo"]), ("Arbo", ["arbo"])]
TEXTS = ("lumo and castor and arbo", "castor again", "nothing of ours", "arbo, lumo")
TONES = {"negative": (1.0, 0.0, 0.0), "neutral": (0.0, 1.0, 0.0), "positive": (0.0, 0.0, 1.0)}

mentions = st.lists(
    st.builds(
        lambda second, number, text, author, tone, kind, brand, reach: Mention(
            id=f"m{number}",
            created_at=START + timedelta(seconds=second),
            text=text,
            author=author,
            gold_tone=tone,
            kind=kind,
            brand=brand,
            reach=reach,
        ),
        # Some together in one second, some days apart.
        st.sampled_from([0, 1, 59, 60, 61, 3600, 86_400, 86_460, 90_000]) | st.integers(0, 200_000),
        st.integers(0, 12),
        st.sampled_from(TEXTS),
        st.sampled_from(["ann", "bob", None]),
        st.sampled_from(["negative", "neutral", "positive"]),
        st.sampled_from([None, "post", "repost"]),
        st.sampled_from([None, None, None, "Lumo", "unknown"]),
        st.sampled_from([None, 5.0]),
    ),
    max_size=60,
)


class Watched(Engine):
    """Keeps what it is given."""

    def __init__(self) -> None:
        super().__init__([BrandProfile(name) for name, _ in KEYWORDS], model_version="gold@1")
        self.given: list[tuple[object, ...]] = []

    def advance(self, upto: int, observations: Observations, clock_ticks: Collection[int] = ()) -> list[Decision]:
        names = [name for name in Observations.__dataclass_fields__ if name not in ("model", "models")]
        columns = [getattr(observations, name) for name in names]
        rows = [c.tolist() if isinstance(c, np.ndarray) else list(c) for c in columns]
        if observations.model is None:  # of one model only, which the engine knows
            rows.append(["gold@1"] * len(observations))
        else:
            rows.append([observations.models[code] for code in observations.model.tolist()])
        self.given += [tuple(map(str, row)) for row in zip(*rows, strict=True)]
        return super().advance(upto, observations, clock_ticks)


def classification() -> Classification:
    return Classification(
        brands=[name for name, _ in KEYWORDS],
        matcher=BrandMatcher(KEYWORDS),
        author_key=b"key",
        lateness_us=10_000_000,
        partitions=1,
        model=GOLD,
    )


def as_a_worker(read: list[Mention], engine: Engine, together: int) -> tuple[Detection, list[bytes]]:
    work, detection = classification(), Detection(engine, origins=1)
    events: list[bytes] = []
    position = 0
    batch = Batch()

    def send() -> None:
        nonlocal position, batch
        advance = work.advance(0)
        if advance is not None:
            batch.advances.append(advance)
        tones = np.array([TONES[one.mention.gold_tone or "neutral"] for one in batch.matched]).reshape(-1, 3)
        for one in work.outgoing(batch, tones):
            detection.receive(one.record, position)
            position += 1
        batch = Batch()
        close()

    def close() -> None:
        closing = detection.close()
        if closing is not None:
            events.extend(event.value for event in closing.events)

    newest: datetime | None = None
    for offset, mention in enumerate(read):
        try:
            matched = work.match(mention, 0, offset)
        except RejectedError:
            continue
        newest = mention.created_at if newest is None else max(newest, mention.created_at)
        if matched is not None:
            batch.matched.append(matched)
        if (offset + 1) % together == 0:
            send()
    if newest is not None:
        send()
        end = Advance(partition=0, offset=len(read), tick=tick_of(microseconds(newest)) + 1, cause="end")
        detection.receive(end, position)
        close()
    return detection, events


@settings(max_examples=60, deadline=None)
@given(read=mentions, together=st.integers(1, 70), size=st.integers(1, 70))
def test_members_order_and_counts_are_the_workers(read: list[Mention], together: int, size: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("streams.backtest._BATCH_MENTIONS", size)
        ours, theirs = Watched(), Watched()
        patch.setattr("streams.backtest.Engine", lambda *_, **__: ours)
        backtest = Backtest(ours.brands, classification(), None)
        list(backtest.run(Entry("file", line, one) for line, one in enumerate(read, 1)))
    detection, events = as_a_worker(read, theirs, together)
    assert ours.given == theirs.given
    outcome, counts = backtest.outcome, backtest._detection.counts
    assert [event.value for event in outcome.events] == events
    for name in ("received", "counted", "duplicate", "too_late", "late", "unconfigured"):
        assert getattr(counts, name) == getattr(detection.counts, name), name
    assert counts.received == counts.counted + counts.duplicate + counts.too_late
    assert outcome.read == sum(one.brand != "unknown" for one in read)


def test_events_are_the_workers() -> None:
    """A crisis with late and repeated mentions: the same bytes."""
    rng = np.random.default_rng(1)
    calm = np.sort(rng.uniform(0, 10 * 86_400, 6000))
    storm = np.sort(rng.uniform(9.5 * 86_400, 9.6 * 86_400, 900))
    seconds = np.sort(np.concatenate([calm, storm]))
    seconds += np.where(rng.random(len(seconds)) < 0.05, -rng.uniform(0, 4000, len(seconds)), 0)
    seconds = np.maximum(seconds, 0)
    read = [
        Mention(
            id=f"m{i % 6500}",
            created_at=START + timedelta(seconds=float(second)),
            text=f"lumo {i}",
            author=f"a{rng.integers(0, 3000)}",
            gold_tone="negative"
            if rng.random() < (0.8 if 9.5 * 86_400 < second < 9.6 * 86_400 else 0.2)
            else "neutral",
        )
        for i, second in enumerate(seconds.tolist())
    ]
    backtest = Backtest([BrandProfile(name) for name, _ in KEYWORDS], classification(), None)
    list(backtest.run(Entry("file", line, one) for line, one in enumerate(read, 1)))
    engine = Engine([BrandProfile(name) for name, _ in KEYWORDS], model_version="gold@1")
    _, events = as_a_worker(read, engine, 2048)
    assert events
    assert [event.value for event in backtest.outcome.events] == events

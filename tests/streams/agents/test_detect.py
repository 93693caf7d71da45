"""What a worker knows of its partitions before it has read a record of them."""

from __future__ import annotations

import asyncio
import logging
import math
import random
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from faust.types import TP

from detectors.engine import BrandProfile, Engine
from streams.agents.detect import Detect
from streams.detection import Detection
from streams.metrics import Metrics
from streams.progress import Progress
from streams.records import Advance, tick_of
from streams.settings import Settings
from tests.streams.test_detection import BRANDS, a_crisis, scored

SETTINGS = Settings.model_validate({"brands": [{"name": name, "keywords": [name]} for name in BRANDS]})
#: Of scored mentions; the brands are on the second.
PARTITIONS = (0, 1)


def detection(partition: int) -> Detection:
    brands = BRANDS if partition == 1 else ()
    return Detection(Engine([BrandProfile(name) for name in brands], model_version="test@1"), origins=1)


@pytest.fixture(scope="module")
def before() -> tuple[Detection, dict[bytes, bytes]]:
    """A partition in the middle of a crisis, and what was saved of it."""
    rows = a_crisis(random.Random(1))
    end = tick_of(rows[0].created_us) + 35 * 60
    running, saved = detection(1), dict[bytes, bytes]()
    rows = [row for row in rows if tick_of(row.created_us) < end]
    for position, row in enumerate(rows):
        running.receive(scored(row, 0, position, None), position)
    running.receive(Advance(partition=0, offset=len(rows), tick=end, cause="event"), len(rows))
    while (closing := running.close(1000)) is not None:
        for key, value in closing.changes.items():
            if value is None:
                saved.pop(key, None)
            else:
                saved[key] = value
    assert running.engine.levels().open.any()
    return running, saved


@pytest.fixture
def logging_again() -> Iterator[None]:
    """A worker that stops says nothing more; the tests that follow may."""
    yield
    logging.disable(logging.NOTSET)


def agent(saved: dict[bytes, bytes]) -> tuple[Detect, list[BaseException]]:
    """The agent of a worker that has just been given its partitions, and what it crashed with."""
    crashed: list[BaseException] = []

    async def crash(error: BaseException) -> None:
        crashed.append(error)

    assigned = {TP(SETTINGS.topics.scored, number) for number in PARTITIONS} | {TP(SETTINGS.topics.mentions, 7)}
    app = SimpleNamespace(consumer=SimpleNamespace(assignment=lambda: assigned), crash=crash)
    table = SimpleNamespace(load=lambda partition: saved if partition == 1 else {})
    others: list[Any] = [SimpleNamespace(), Progress(), cast(Metrics, None), lambda _: ()]
    return Detect(cast(Any, app), SETTINGS, cast(Any, table), detection, *others), crashed


def test_what_was_saved_shows_before_a_record_is_read(before: tuple[Detection, dict[bytes, bytes]]) -> None:
    running, saved = before
    detect, crashed = agent(saved)
    asyncio.run(detect.restore())
    detect.look_around()
    assert not crashed
    assert {partition: one.order.closed for partition, one in detect.detections.items()} == {
        0: None,
        1: running.order.closed,
    }
    (levels,) = detect.levels()
    was = running.engine.levels()
    for name in ("closed", "score", "threshold", "ratio", "open", "notify", "silent"):
        np.testing.assert_array_equal(getattr(levels, name), getattr(was, name), name)
    assert levels.severity == was.severity
    assert levels.accounts == was.accounts
    assert not math.isnan(levels.closed[0])
    assert [order.newest() for order in detect.orders()] == [None, running.order.newest()]
    assert detect.finished(1) is None, "how far it has read is what was acknowledged, not the beginning"


def test_another_assignment_begins_with_nothing(before: tuple[Detection, dict[bytes, bytes]]) -> None:
    detect, _ = agent(before[1])
    asyncio.run(detect.restore())
    detect.forget()
    assert not detect.detections
    assert not detect.orders()


@pytest.mark.usefixtures("logging_again")
@pytest.mark.parametrize("key", [b"order", b"engine/brand\0Lumo"])
def test_a_state_that_cannot_be_read_stops_the_worker_with_its_reason(key: bytes) -> None:
    value = b'{"closed": 1, "read": 1, "advances": [[], []]}' if key == b"order" else b"\x00\x01"
    other = {b"order": b'{"closed": 1, "read": 1, "advances": [[]]}', key: value}
    detect, crashed = agent(other)
    asyncio.run(detect.restore())
    assert crashed == [detect.stopped_by]
    assert "state" in str(detect.stopped_by)

"""A broker that is away for a day fills no disk, and what is wrong is still said."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from streams.worker_log import Throttle


class Clock:
    def __init__(self) -> None:
        self.time = 1000.0

    def __call__(self) -> float:
        return self.time


class Lines(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(record.getMessage())


@pytest.fixture
def log() -> Iterator[tuple[logging.Logger, list[str], Clock]]:
    """A library's logger, what comes through of it, and the time."""
    clock, lines, logger = Clock(), Lines(), logging.getLogger("a.library")
    lines.addFilter(Throttle(60, clock))
    logger.addHandler(lines)
    logger.propagate = False
    yield logger, lines.said, clock
    logger.removeHandler(lines)
    logger.propagate = True


def test_a_line_that_comes_again_and_again_is_written_once_a_minute(
    log: tuple[logging.Logger, list[str], Clock],
) -> None:
    logger, said, clock = log
    for _ in range(100):
        for attempt in range(10):
            logger.error("Unable to connect to node %d: [Errno 111] after %.3f s", attempt, clock.time / 7)
        clock.time += 1
    assert said == [
        "Unable to connect to node 0: [Errno 111] after 142.857 s",
        "Unable to connect to node 0: [Errno 111] after 151.429 s (599 more like this since the last)",
    ]


def test_other_lines_come_through(log: tuple[logging.Logger, list[str], Clock]) -> None:
    logger, said, _ = log
    logger.error("the disk is full")
    logger.warning("the disk is full")
    logger.error("the disk is broken")
    assert said == ["the disk is full", "the disk is full", "the disk is broken"]


def test_what_belongs_to_every_start_is_not_written(log: tuple[logging.Logger, list[str], Clock]) -> None:
    logger, said, _ = log
    logger.error("Group Coordinator Request failed: %s", "[Error 15] GroupCoordinatorNotAvailableError")
    logger.warning("Heartbeat failed for group %s because it is rebalancing", "tocsin")
    assert said == []


def test_it_forgets_what_it_has_seen_long_ago(log: tuple[logging.Logger, list[str], Clock]) -> None:
    logger, said, _ = log
    for letter in range(2000):
        logger.error("%s", "x" * letter if letter < 200 else chr(0x4E00 + letter))
    assert len(said) == 2000

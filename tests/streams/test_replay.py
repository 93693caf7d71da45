"""A replay keeps its pace, and one that cannot work says why. Real brokers: tests/integration."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest

from streams.brokers import free_ports
from streams.commands.replay import parsed_speed
from streams.errors import UserError
from streams.replay import _Pace, replay
from streams.settings import Settings
from streams.topics import BrokerUnreachableError

_START = datetime(2026, 3, 2, tzinfo=UTC)


def test_pace_holds_mentions_back_until_they_are_due() -> None:
    pace = _Pace(600.0)  # ten minutes a second
    began = time.monotonic()
    for minute in (0, 1, 2):
        pace.wait_for(_START + timedelta(minutes=minute))
    assert 0.15 < time.monotonic() - began < 1.5
    pace.wait_for(_START)  # a late one does not wait
    unlimited = _Pace(None)
    unlimited.wait_for(_START)
    unlimited.wait_for(_START + timedelta(days=9))


@pytest.mark.parametrize(("given", "speed"), [("max", None), ("60", 60.0), ("0.5", 0.5), ("10x", 10.0)])
def test_speeds(given: str, speed: float | None) -> None:
    assert parsed_speed(given) == speed


@pytest.mark.parametrize("given", ["", "0", "-1", "fast", "nan", "inf"])
def test_speeds_that_are_none(given: str) -> None:
    with pytest.raises(UserError, match="--speed"):
        parsed_speed(given)


def test_no_broker_is_one_clear_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.topics.CONNECT_MS", 300)
    (port,) = free_ports(1)
    settings = Settings.model_validate({"brands": [{"name": "x"}], "kafka": {"bootstrap_servers": f"127.0.0.1:{port}"}})
    with pytest.raises(BrokerUnreachableError, match=rf"no broker can be reached at 127\.0\.0\.1:{port}"):
        replay([], settings)

"""Health is progress: a worker that runs and gets nowhere is not healthy."""

from __future__ import annotations

import json
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
from prometheus_client import CollectorRegistry, Counter

from streams.progress import HEARTBEAT_SECONDS, SILENCE_SECONDS, STALL_SECONDS, Progress
from streams.web import Web


class Clock:
    def __init__(self) -> None:
        self.time = 0.0

    def __call__(self) -> float:
        return self.time


def test_a_blocked_loop_and_a_stall_are_unhealthy() -> None:
    clock = Clock()
    progress = Progress(now=clock)
    assert progress.unhealthy() is None
    clock.time = HEARTBEAT_SECONDS + 1
    assert "event loop" in (progress.unhealthy() or "")
    progress.beat()
    assert progress.unhealthy() is None
    clock.time = SILENCE_SECONDS + 1
    progress.beat()
    assert "broker has not answered" in (progress.unhealthy() or "")
    progress.answered()
    assert progress.unhealthy() is None
    progress.lag["mentions", 0] = 12
    clock.time = STALL_SECONDS + 1
    progress.beat()
    progress.answered()
    progress.moved("detect")
    assert "classify has finished no record" in (progress.unhealthy() or ""), "one agent does not hide the other"
    assert "12 to read" in (progress.unhealthy() or "")
    progress.moved("classify")
    assert progress.unhealthy() is None


def test_readiness_says_what_it_waits_for() -> None:
    progress = Progress(now=Clock())
    assert "assign" in (progress.unready() or "")
    progress.assigned = True
    assert "saved state" in (progress.unready() or "")
    progress.recovered = True
    assert progress.unready() is None


def answer(url: str) -> tuple[int, str]:
    try:
        with urlopen(url, timeout=5) as response:
            return response.status, response.read().decode()
    except HTTPError as error:
        return error.code, error.read().decode()


def test_the_web_server_answers_with_metrics_health_and_readiness() -> None:
    clock, registry = Clock(), CollectorRegistry()
    progress = Progress(now=clock)
    Counter("tocsin_example", "An example", registry=registry).inc(3)
    with Web(progress, registry, host="127.0.0.1", port=0) as web:
        base = f"http://127.0.0.1:{web.port}"
        assert "tocsin_example_total 3.0" in answer(f"{base}/metrics")[1]
        assert answer(f"{base}/healthz")[0] == 200
        status, body = answer(f"{base}/readyz")
        assert (status, json.loads(body)["status"]) == (503, "failing")
        clock.time = 1000.0
        assert answer(f"{base}/healthz")[0] == 503
        assert answer(f"{base}/elsewhere")[0] == 404
        with (
            pytest.raises(OSError, match=r"another worker.*web\.port"),
            Web(progress, registry, host="127.0.0.1", port=web.port),
        ):
            pass

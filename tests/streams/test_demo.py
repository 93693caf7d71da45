"""What the demo needs to tell a good end from a bad one. The demo itself runs in tests/integration."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import cast

import pytest

from streams import demo
from streams.brokers import free_ports
from streams.mention_files import BadLineError
from streams.records import Limits, Mention, RejectedError, decode_mention
from streams.simulation import simulate
from streams.watch import ReceivedEvent


def test_the_bad_records_are_rejected_each_for_its_reason() -> None:
    entries = list(demo.with_bad_records(simulate()))
    reasons = []
    for entry in entries:
        if isinstance(entry.content, BadLineError):
            with pytest.raises(RejectedError) as caught:
                decode_mention(entry.content.raw, Limits(), now_us=1_800_000_000_000_000)
            reasons.append(caught.value.reason)
    assert reasons == ["not_json", "absurd_date", "missing_field", "not_utf8", "wrong_type"]
    mentions = [entry.content for entry in entries if isinstance(entry.content, Mention)]
    assert mentions == list(simulate())


_METRICS = b"""# HELP tocsin_mentions_read_total Mentions read
# TYPE tocsin_mentions_read_total counter
tocsin_mentions_read_total 20203.0
tocsin_mentions_rejected_total{reason="not_json"} 2.0
tocsin_mentions_rejected_total{reason="empty"} 3.0
tocsin_detect_closed_tick{partition="0"} 2.9554559e+07
tocsin_detect_closed_tick{partition="3"} 29554560.0
tocsin_score{brand="Zuvarro Airlines"} NaN
"""


class _Answer(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(_METRICS)

    def log_message(self, *args: object) -> None:
        pass


def test_metrics_are_read() -> None:
    server = HTTPServer(("127.0.0.1", 0), _Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    counters, closed = demo._scraped(f"http://127.0.0.1:{server.server_port}/metrics")
    server.shutdown()
    server.server_close()
    assert counters == {"tocsin_mentions_read_total": 20203, "tocsin_mentions_rejected_total": 5}
    assert closed == {0: 29554559, 3: 29554560}
    (port,) = free_ports(1)
    assert demo._scraped(f"http://127.0.0.1:{port}/metrics") == ({}, {})


def test_a_worker_that_dies_is_told_with_the_end_of_its_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    worker = demo._WorkerProcess(tmp_path / "none.yaml", tmp_path)
    worker._command = [*worker._command[:1], "-c", "print('cannot go on'); raise SystemExit(3)"]
    with worker:
        worker._process.wait(timeout=20)
        with pytest.raises(demo.DemoError, match=r"(?s)exit code 3.*cannot go on"):
            worker.check()


def test_a_worker_is_stopped_whatever_happens(tmp_path: Path) -> None:
    worker = demo._WorkerProcess(tmp_path / "none.yaml", tmp_path)
    worker._command = [*worker._command[:1], "-c", "import time; time.sleep(60)"]
    with pytest.raises(ZeroDivisionError), worker:
        _ = 1 / 0
    assert worker._process.returncode is not None


def test_settings_of_a_real_set_up_stay_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOCSIN__KAFKA__BOOTSTRAP_SERVERS", "kafka.example:9092")
    monkeypatch.setenv("TOCSIN_CONFIG", "/etc/tocsin.yaml")
    monkeypatch.setenv("KEPT", "1")
    environment = demo._environment()
    assert environment["KEPT"] == "1"
    assert not [name for name in environment if name.startswith("TOCSIN")]


def test_fingerprint_tells_events_apart_but_not_their_order() -> None:
    events = [ReceivedEvent(value, {"id": value.decode()}) for value in (b"a", b"b")]
    one, other = demo.Outcome(events=events), demo.Outcome(events=events[::-1])
    assert one.fingerprint == other.fingerprint
    assert demo.Outcome(events=events[:1]).fingerprint != one.fingerprint
    paging = cast("dict[str, object]", {"id": "x", "data": {"pages": True}})
    assert len(demo.Outcome(events=[*events, ReceivedEvent(b"p", paging)]).pages) == 1

"""How far the worker is, as the demo reads it off its metrics."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

from streams.brokers import free_ports
from streams.demo.worker_metrics import scraped

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
    counters, closed = scraped(f"http://127.0.0.1:{server.server_port}/metrics")
    server.shutdown()
    server.server_close()
    assert counters == {"tocsin_mentions_read_total": 20203, "tocsin_mentions_rejected_total": 5}
    assert closed == {0: 29554559, 3: 29554560}
    (port,) = free_ports(1)
    assert scraped(f"http://127.0.0.1:{port}/metrics") == ({}, {})

"""/metrics, /healthz and /readyz, from a thread of their own: they answer also when the event loop does not."""

from __future__ import annotations

import json
from collections.abc import Iterable
from threading import Thread
from types import TracebackType
from typing import TYPE_CHECKING
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import ThreadingWSGIServer, make_wsgi_app

from streams.progress import Progress

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment


class _Quiet(WSGIRequestHandler):
    def log_message(self, *args: object) -> None:
        """A scrape is no news."""


class Web:
    """The web server of a worker; use as a context manager.

    Parameters
    ----------
    host, port
        Where to listen; port 0 takes a free one (see `port`).

    Raises
    ------
    OSError
        On entering, if the port is taken; the message names it and the setting.
    """

    def __init__(self, progress: Progress, registry: CollectorRegistry, *, host: str, port: int) -> None:
        self._progress = progress
        self._metrics = make_wsgi_app(registry)
        self._host, self._wanted_port = host, port
        self._server: WSGIServer | None = None

    @property
    def port(self) -> int:
        """The port it listens on."""
        return self._server.server_port if self._server else self._wanted_port

    def __enter__(self) -> Web:
        """Listen."""
        try:
            self._server = make_server(
                self._host, self._wanted_port, self._serve, ThreadingWSGIServer, handler_class=_Quiet
            )
        except OSError as error:
            raise OSError(
                f"cannot listen on {self._host}:{self._wanted_port} ({error.strerror or error}): another worker may "
                "run on this machine; give this one another port with web.port"
            ) from error
        Thread(target=self._server.serve_forever, name="tocsin-web", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()

    def _serve(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if path == "/metrics":
            metrics: Iterable[bytes] = self._metrics(environ, start_response)
            return metrics
        if path == "/healthz":
            return self._answer(start_response, self._progress.unhealthy())
        if path == "/readyz":
            return self._answer(start_response, self._progress.unready())
        start_response("404 Not Found", [("Content-Type", "text/plain; charset=utf-8")])
        return [b"Tocsin worker: /metrics, /healthz, /readyz\n"]

    def _answer(self, start_response: StartResponse, wrong: str | None) -> Iterable[bytes]:
        progress = self._progress
        body = {
            "status": "ok" if wrong is None else "failing",
            "reason": wrong,
            "ticks_wait_for": progress.waiting_for,
            "lag": sum(progress.lag.values()),
            "seconds_since_progress": round(progress.seconds_since_progress(), 1),
        }
        status = "200 OK" if wrong is None else "503 Service Unavailable"
        start_response(status, [("Content-Type", "application/json")])
        return [json.dumps(body).encode() + b"\n"]

"""The demo's worker: a process of its own, as in production."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

from streams.errors import FailedError

_LOG_LINES: Final = 30


class DemoError(FailedError):
    """The demo could not be brought to its end; the message holds the end of the worker's log."""


class WorkerProcess:
    """``tocsin worker`` as a process of its own; use as a context manager."""

    def __init__(self, config: Path, directory: Path) -> None:
        self._command = [sys.executable, "-m", "streams.cli", "worker", "--config", str(config)]
        self._log = directory / "worker.log"

    def __enter__(self) -> WorkerProcess:
        with self._log.open("wb") as log:
            # A session of its own: Ctrl-C ends the demo, and the demo ends the worker.
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environment(),
                start_new_session=True,
            )
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        try:
            self._process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def check(self) -> None:
        """Raise `DemoError` if the worker has ended."""
        if (code := self._process.poll()) is not None:
            raise DemoError(self.told(f"the worker ended with exit code {code}"))

    def told(self, what: str) -> str:
        """Return the message with the end of the worker's log."""
        lines = self._log.read_text(encoding="utf-8", errors="replace").splitlines()[-_LOG_LINES:]
        return "\n".join([f"{what}; the end of its log:", *(f"  {line}" for line in lines or ["(empty)"])])


def environment() -> dict[str, str]:
    """Return the environment without Tocsin's settings: those of somebody's real set-up are not for the demo."""
    return {name: value for name, value in os.environ.items() if not name.upper().startswith("TOCSIN")}

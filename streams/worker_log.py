"""What a worker writes to standard error: its own lines, and of the libraries' those that tell somebody something.

A broker that is away makes aiokafka and kafka-python log a hundred lines a second. Each kind of line is let through
once a minute, with the number of those that were not.
"""

from __future__ import annotations

import logging
import re
import sys
import time
from collections.abc import Callable
from typing import Final

import structlog

#: Seconds between two library lines of the same kind.
EVERY_SECONDS: Final = 60.0

#: Kinds remembered at most.
_KINDS = 500

#: What is logged as if something were wrong and belongs to a worker's ordinary life: a coordinator that a new broker is
#: still making, members that join.
_ORDINARY = re.compile(r"^Group Coordinator Request failed: \[Error 15\]|because it is rebalancing$")

#: A commit or a step of the event loop took longer than these libraries like: `/healthz` tells what matters of it.
_IMPATIENT = ("mode.timers", "kafka.net.selector")


class Throttle(logging.Filter):
    """Lets one line of a kind through every so often. Lines that differ in numbers alone are of a kind."""

    def __init__(self, every: float = EVERY_SECONDS, now: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._every, self._now = every, now
        #: By kind: when one was let through last, and how many were not since.
        self._kinds: dict[tuple[str, int, str], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether to write the line; adds how many like it were not written since the last one."""
        said, now = record.getMessage(), self._now()
        if _ORDINARY.search(said):
            return False
        kind = record.name, record.levelno, re.sub(r"\d[\d.]*", "#", said.partition("\n")[0][:200])
        at, held = self._kinds.get(kind, (now - self._every, 0))
        if now - at < self._every:
            self._kinds[kind] = at, held + 1
            return False
        if len(self._kinds) >= _KINDS:
            self._kinds.clear()
        self._kinds[kind] = now, 0
        if held:
            record.msg, record.args = f"{said} ({held:,} more like this since the last)", ()
        return True


def log_to_stderr() -> None:
    """Set up logging for the process."""
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(Throttle())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], format="%(levelname)s %(name)s: %(message)s")
    for name in _IMPATIENT:
        logging.getLogger(name).setLevel(logging.ERROR)
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty()),
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )

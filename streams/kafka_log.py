"""kafka-python logs every failed attempt to connect; here the error that is raised at the end says it once."""

from __future__ import annotations

import contextlib
import logging
import re
from collections.abc import Iterator


@contextlib.contextmanager
def quiet() -> Iterator[Reasons]:
    """Connect without kafka-python's lines for each failed attempt; what they say is kept for the error at the end."""
    logger = logging.getLogger("kafka")
    reasons, propagates = Reasons(), logger.propagate
    logger.addHandler(reasons)
    logger.propagate = False
    try:
        yield reasons
    finally:
        logger.propagate = propagates
        logger.removeHandler(reasons)


class Reasons(logging.Handler):
    """Keeps why connecting failed: kafka-python logs it, and raises a time-out without it."""

    last = ""

    def emit(self, record: logging.LogRecord) -> None:
        """Take the reason from a line of kafka-python's, if it names one."""
        found = re.search(
            r"^Bootstrap connection to \S+ failed: (?:(?:\[Error \d+\] )?\w+Error: )*(.*?)(?: \(backoff.*)?$",
            record.getMessage(),
        )
        # The last attempt may be cut short by our own time-out, which says nothing about the broker.
        if found and not (self.last and re.search("timed out|timeout", found[1], re.IGNORECASE)):
            self.last = found[1]

"""Whether a worker gets anywhere: what /healthz and /readyz say. A process that runs is not a worker that works."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

#: The event loop beats every second; after this many seconds without, it is blocked.
HEARTBEAT_SECONDS = 30.0

#: With records to read, this many seconds without finishing one is a stall.
STALL_SECONDS = 120.0


@dataclass(slots=True)
class Progress:
    """What the agents leave behind as they go; read from the thread of the web server."""

    now: Callable[[], float] = time.monotonic
    #: Records not yet read, by topic and partition.
    lag: dict[tuple[str, int], int] = field(default_factory=dict)
    #: Newest event time read, by partition of mentions, microseconds since 1970 UTC.
    newest_us: dict[int, int] = field(default_factory=dict)
    #: The group has given this worker its partitions (possibly none) and their state is read.
    assigned: bool = False
    recovered: bool = False
    #: What holds up the ticks, if anything, in words.
    waiting_for: str | None = None
    _beat: float = field(init=False)
    _moved: float = field(init=False)

    def __post_init__(self) -> None:
        """Start both clocks: a worker has some time to get going."""
        self._beat = self._moved = self.now()

    def beat(self) -> None:
        """The event loop is alive."""
        self._beat = self.now()

    def moved(self) -> None:
        """A record is finished, or there is none to read."""
        self._moved = self.now()

    def seconds_since_progress(self) -> float:
        """Seconds since `moved`."""
        return self.now() - self._moved

    def unhealthy(self) -> str | None:
        """Why a supervisor should restart this worker, or None."""
        silent = self.now() - self._beat
        if silent > HEARTBEAT_SECONDS:
            return f"the event loop has not run for {silent:.0f} s"
        if self.seconds_since_progress() > STALL_SECONDS:
            behind = sum(self.lag.values())
            return f"no record finished for {self.seconds_since_progress():.0f} s with {behind} to read"
        return None

    def unready(self) -> str | None:
        """Why this worker decides nothing at the moment, or None."""
        if not self.assigned:
            return "waiting for the group to assign partitions"
        if not self.recovered:
            return "reading the saved state"
        return self.unhealthy()

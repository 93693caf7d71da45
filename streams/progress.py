"""Whether a worker gets anywhere: what /healthz and /readyz say. A process that runs is not a worker that works."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

Agent = Literal["classify", "detect"]

#: The event loop beats every second; after this many seconds without, it is blocked.
HEARTBEAT_SECONDS = 30.0

#: With records to read, this many seconds without finishing one is a stall.
STALL_SECONDS = 120.0

#: The broker is asked every ten seconds where its topics end.
SILENCE_SECONDS = 60.0


@dataclass(slots=True)
class Progress:
    """What the agents leave behind as they go; read from the thread of the web server."""

    now: Callable[[], float] = time.monotonic
    #: Records not yet finished, by topic and partition.
    lag: dict[tuple[str, int], int] = field(default_factory=dict)
    #: Newest event time read, by partition of mentions, microseconds since 1970 UTC.
    newest_us: dict[int, int] = field(default_factory=dict)
    #: The group has given this worker its partitions (possibly none) and their state is read.
    assigned: bool = False
    recovered: bool = False
    #: What holds up the ticks, if anything, in words.
    waiting_for: str | None = None
    _beat: float = field(init=False)
    _answered: float = field(init=False)
    _moved: dict[Agent, float] = field(init=False)

    def __post_init__(self) -> None:
        """Start the clocks: a worker has some time to get going."""
        self._beat = self._answered = self.now()
        self._moved = {"classify": self.now(), "detect": self.now()}

    def beat(self) -> None:
        """The event loop is alive."""
        self._beat = self.now()

    def answered(self) -> None:
        """The broker is there."""
        self._answered = self.now()

    def moved(self, agent: Agent) -> None:
        """An agent has finished a record, or has none to read."""
        self._moved[agent] = self.now()

    def seconds_since_progress(self) -> float:
        """Seconds since the slower agent `moved`."""
        return self.now() - min(self._moved.values())

    def unhealthy(self) -> str | None:
        """Why a supervisor should restart this worker, or None."""
        now = self.now()
        if now - self._beat > HEARTBEAT_SECONDS:
            return f"the event loop has not run for {now - self._beat:.0f} s"
        if now - self._answered > SILENCE_SECONDS:
            return f"the broker has not answered for {now - self._answered:.0f} s"
        for agent, moved in self._moved.items():
            if now - moved > STALL_SECONDS:
                behind = sum(self.lag.values())
                return f"{agent} has finished no record for {now - moved:.0f} s with {behind} to read"
        return None

    def unready(self) -> str | None:
        """Why this worker decides nothing at the moment, or None."""
        if not self.assigned:
            return "waiting for the group to assign partitions"
        if not self.recovered:
            return "reading the saved state"
        return self.unhealthy()

"""Commands: what people tell the detector about a brand.

Decisions must be the same live, in a replay and after a crash, so a command takes effect at an event time that only
the command itself decides: `DELAY` minutes after the minute in which it was given. By then every worker knows it, and
whoever replays the mentions later knows it from the start. A command that comes too late for that (its minute is
decided already) takes effect at the next minute; a replay will apply it in time, and may then decide otherwise.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Literal, get_args

CommandKind = Literal["ack", "confirm", "false", "statement", "plan", "mute", "unmute", "cancel"]
COMMAND_KINDS: tuple[CommandKind, ...] = get_args(CommandKind)
ABOUT_INCIDENTS: frozenset[CommandKind] = frozenset({"ack", "confirm", "false", "statement"})
DELAY = 5
"""Minutes. A minute closes some ten seconds after its end, so minutes remain for a command to reach every worker."""
FACTOR_RANGE = (1.0, 1000.0)
LONGEST_PLAN = 366 * 1440
"""Minutes that a planned event or a mute may last."""


@dataclass(frozen=True, slots=True)
class Command:
    """One command for one brand. Times are ticks (minutes since 1970-01-01T00:00Z).

    Raises
    ------
    ValueError
        A field that the kind needs is missing or makes no sense; the message names it.
    """

    id: str
    brand: str
    kind: CommandKind
    at: int
    """When it was given."""
    incident: str | None = None
    """ack, confirm, false, statement: which incident."""
    begin: int | None = None
    until: int | None = None
    """plan, mute: from the first to before the second."""
    factor: float | None = None
    """plan: how many times the usual volume is expected."""
    cancels: str | None = None
    """cancel: id of the plan or mute that ends."""
    note: str | None = None

    def __post_init__(self) -> None:
        if self.kind not in COMMAND_KINDS:
            raise ValueError(f"kind: {self.kind!r} is not known; there are {', '.join(COMMAND_KINDS)}")
        if self.kind in ABOUT_INCIDENTS and not self.incident:
            raise ValueError(f"incident: {self.kind} needs the incident's id")
        if self.kind == "cancel" and not self.cancels:
            raise ValueError("cancels: cancel needs the id of a plan or mute")
        if self.kind in ("plan", "mute"):
            if self.begin is None or self.until is None:
                raise ValueError(f"from, until: {self.kind} needs both")
            if self.until <= self.begin:
                raise ValueError(f"until: the {self.kind} ends before it begins")
            if self.until - self.begin > LONGEST_PLAN:
                raise ValueError(f"until: a {self.kind} may last {LONGEST_PLAN // 1440} days at most")
        if self.kind == "plan" and (self.factor is None or not FACTOR_RANGE[0] <= self.factor <= FACTOR_RANGE[1]):
            raise ValueError(
                f"factor: a planned event multiplies the usual volume by {FACTOR_RANGE[0]:g} to {FACTOR_RANGE[1]:g}, "
                f"not {self.factor}"
            )

    @property
    def due(self) -> int:
        """The first tick that knows of it."""
        return self.at + DELAY

    @property
    def key(self) -> int:
        """64 bits of its id, by which a brand remembers that it was applied."""
        return int.from_bytes(hashlib.blake2b(self.id.encode(errors="surrogatepass"), digest_size=8).digest(), "little")

    @property
    def order(self) -> tuple[int, int, str]:
        """Its place among the commands of a brand; of two verdicts on an incident the later one holds."""
        return self.due, self.at, self.id


@dataclass(frozen=True, slots=True)
class Applied:
    """What became of a command."""

    command: Command
    tick: int
    """The first tick that knew of it."""
    late: bool
    """Its own tick had been decided before it was known: a replay may decide otherwise."""
    problem: str | None
    """Why it had no effect."""

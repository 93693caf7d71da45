"""What the demo came to, and the table that sums it up."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from streams.simulation import BRANDS, DAYS
from streams.watch import ReceivedEvent

#: The days of a month, as budgets count them.
_MONTH_DAYS: Final = 30


@dataclass(slots=True)
class Outcome:
    """What the demo came to."""

    sent: int = 0
    counters: dict[str, float] = field(default_factory=dict)
    events: list[ReceivedEvent] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def pages(self) -> list[ReceivedEvent]:
        """The events that page somebody."""
        return [one for one in self.events if data_of(one).get("pages") is True]

    @property
    def fingerprint(self) -> str:
        """Twelve digits that are the same if and only if the events are, whatever order they came in."""
        digest = hashlib.sha256()
        for value in sorted(one.value for one in self.events):
            digest.update(value + b"\n")
        return digest.hexdigest()[:12]


def data_of(one: ReceivedEvent) -> Mapping[str, Any]:
    """What an event tells; empty where it tells nothing."""
    data = one.event.get("data")
    return data if isinstance(data, dict) else {}


def sum_up(outcome: Outcome, console: Console) -> None:
    """Print what the demo came to."""
    counters = outcome.counters

    def count(name: str) -> str:
        return f"{counters.get(f'tocsin_{name}_total', 0):,.0f}"

    types = Counter(str(one.event["type"]).rsplit(".", 1)[-1] for one in outcome.events)
    incidents = {str(data_of(one).get("incident_id")) for one in outcome.events}
    allowed = len(BRANDS) * DAYS / _MONTH_DAYS
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(style="bold")
    table.add_column()
    table.add_row("Mentions", f"{count('mentions_read')} read, {count('mentions_scored')} scored, "
                  f"{count('mentions_unmatched')} without a brand, {count('mentions_rejected')} rejected")  # fmt: skip
    spread = ", ".join(f"{number} {kind}" for kind, number in types.most_common())
    table.add_row(
        "Events", f"{len(outcome.events)} on {len(incidents)} incident{'' if len(incidents) == 1 else 's'}: {spread}"
    )
    brands = ", ".join(sorted({str(one.event.get("subject")) for one in outcome.pages})) or "none"
    table.add_row("Pages", f"{len(outcome.pages)} ({brands}), budget {allowed:.1f} false ones in {DAYS} days: "
                  f"1 a month for each of {len(BRANDS)} brands")  # fmt: skip
    table.add_row("Fingerprint", f"{outcome.fingerprint} (of the events: the same in every run)")
    table.add_row("Time", f"{outcome.seconds:.0f} s from start to last decision")
    console.print()
    console.print(table)

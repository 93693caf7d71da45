"""What a suite came to, or several of different seeds together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from bench.injection.outcome import Outcome

Key = TypeVar("Key")


@dataclass(frozen=True)
class Result:
    """Trials by shape, and pages for nothing."""

    budgets: tuple[float, ...]
    #: Names of the volumes.
    volumes: tuple[str, ...]
    #: By shape and budget, those of second crises beside them.
    outcomes: dict[tuple[str, float], Outcome]
    seconds: dict[tuple[str, float], Outcome]
    #: The same by rule and shape.
    rule_outcomes: dict[tuple[str, str], Outcome]
    rule_seconds: dict[tuple[str, str], Outcome]
    #: Pages for nothing by rule.
    rule_pages: dict[str, int]
    #: False pages and tickets by budget and by how many days were left out at first.
    false_events: dict[tuple[float, int], tuple[int, int]]
    #: Brand-months by how many days were left out at first.
    months: dict[int, float]

    @staticmethod
    def together(results: Sequence[Result]) -> Result:
        """Of the same budgets and volumes, as one."""
        first = results[0]
        return Result(
            first.budgets,
            first.volumes,
            _joined([one.outcomes for one in results]),
            _joined([one.seconds for one in results]),
            _joined([one.rule_outcomes for one in results]),
            _joined([one.rule_seconds for one in results]),
            {rule: sum(one.rule_pages[rule] for one in results) for rule in first.rule_pages},
            {
                at: (sum(one.false_events[at][0] for one in results), sum(one.false_events[at][1] for one in results))
                for at in first.false_events
            },
            {days: sum(one.months[days] for one in results) for days in first.months},
        )


def _joined(every: Sequence[Mapping[Key, Outcome]]) -> dict[Key, Outcome]:
    return {at: Outcome.together([one[at] for one in every]) for at in every[0]}

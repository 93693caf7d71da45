"""The report of ``tocsin backtest``: what was asked for, what came of it, what was left out."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from streams.backtest import Outcome
from streams.entries import Entry
from streams.mention_files import STDIN
from streams.records import Mention

if TYPE_CHECKING:
    from detectors.engine import BrandProfile
    from detectors.known_events import KnownEvent
    from detectors.report import Report

#: From this share of too late mentions on, the backtest is of another history than the files'.
_MANY_TOO_LATE = 0.05


@dataclass(frozen=True, slots=True)
class Options:
    """What was asked for on the command line."""

    tone: Literal["model", "gold"] = "model"
    budget: float | None = None
    events: Path | None = None
    report: Path | None = None
    known_events: Path | None = None
    #: None: where a page is written.
    what_if: bool | None = None
    as_json: bool = False
    sort: bool = False
    config: Path | None = None
    commands: Path | None = None


def report_of(
    files: Sequence[str],
    options: Options,
    outcome: Outcome,
    known: Sequence[KnownEvent],
    model: str,
    profiles: Sequence[BrandProfile],
) -> Report:
    """What a backtest came to, for people and for machines.

    Parameters
    ----------
    files : as they were named on the command line
    known : events that the user knows of
    model : name and version of what read the tone
    profiles : of the brands that were watched
    """
    from detectors.backtest import report as per_brand
    from detectors.incident_log import incident_logs
    from detectors.known_events import compare, not_compared
    from detectors.report import Report
    from detectors.what_if import budget_row, budget_rows, capped

    matches = compare(outcome.decisions, outcome.counts, known)
    budgets = {c.budget for c in outcome.counts if not c.of}
    return Report(
        files=[name if name == STDIN else Path(name).name for name in files],
        command=_command(files, options),
        tone="a human label in each mention" if options.tone == "gold" else model,
        model_version=model,
        release=_release(),
        brands=per_brand(outcome.decisions, outcome.counts),
        counts=outcome.counts,
        incidents=incident_logs(outcome.decisions),
        matches=matches,
        summary=budget_row(min(budgets), outcome.decisions, outcome.counts, matches),
        what_if=budget_rows(outcome.what_if, outcome.counts, known),
        notes=[
            *_left_out(outcome),
            *not_compared(known, outcome.counts),
            *(capped(profiles) if outcome.what_if else ()),
        ],
        totals={
            "read": outcome.read,
            "unmatched": outcome.unmatched,
            "duplicates": outcome.duplicates,
            "late": outcome.late,
            "too_late": outcome.too_late,
            "strays": len(outcome.strays),
            "rejected": outcome.rejected.total(),
            "without_gold": outcome.without_gold,
            "events": len(outcome.decisions),
        },
    )


def _command(files: Sequence[str], options: Options) -> str:
    words = ["tocsin", "backtest", *files, "--tone", options.tone]
    given: list[tuple[str, object]] = [
        ("--config", options.config),
        ("--budget", None if options.budget is None else f"{options.budget:g}"),
        ("--known-events", options.known_events),
        ("--report", options.report),
    ]
    for name, value in given:
        if value is not None:
            words += [name, str(value)]
    if options.sort:
        words.append("--sort")
    return shlex.join(words)


def _release() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("tocsin")
    except PackageNotFoundError:
        return "from its sources"


def after_whom(outcome: Outcome) -> str:
    """Which mention the too late ones came after, and what to do; begins with a blank, empty where it is not known."""
    if outcome.mover is None:
        return ""
    return f" Most come after {_told(outcome.mover)}: if that time is a mistake, correct or remove this mention."


def after_years(entry: Entry, long: timedelta) -> str:
    """That more than a year without a mention is gone through."""
    return (
        f"WARNING: no mention for {long.days / 365.25:.1f} years before "
        f"{_told(entry)}: that time counts in every rate, --report goes through it minute by minute, and a brand of "
        "which nothing is heard for 366 days begins anew. If times are a mistake, correct or remove these mentions."
    )


def _told(entry: Entry) -> str:
    path, line, mention = entry.path, entry.line, entry.content
    if not isinstance(mention, Mention):
        return f"{path}:{line}"
    return f"{path}:{line}, id {mention.id[:80]!r}, dated {mention.created_at:%Y-%m-%dT%H:%M:%SZ}"


def _left_out(outcome: Outcome) -> Iterator[str]:
    if outcome.strays:
        many = len(outcome.strays)
        yield (
            f"WARNING: left out: {many} {'mention is' if many == 1 else 'mentions are'} more than a year from all "
            f"others, the first {_told(outcome.strays[0])}; is that time a mistake?"
        )
    yield from (after_years(*hole) for hole in outcome.holes)
    many = outcome.too_late >= _MANY_TOO_LATE * outcome.read
    if outcome.too_late and many:
        yield (
            f"WARNING: {outcome.too_late:,} of {outcome.read:,} mentions ({outcome.too_late / outcome.read:.0%}) were "
            f"left out: they come more than a day after later ones.{after_whom(outcome)} If the files are not in order "
            "of time, give --sort."
        )
    if outcome.too_late and not many:
        yield f"left out: {outcome.too_late:,} mentions that come more than a day after later ones (see --sort)"
    if outcome.late:
        yield f"late: {outcome.late:,} mentions come after later ones; they count in their own minute"
    if outcome.rejected:
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in sorted(outcome.rejected.items()))
        yield f"rejected: {reasons}"
        yield from (f"  {example}" for example in outcome.examples)

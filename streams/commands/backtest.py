"""``tocsin backtest``: run it, and tell what came of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from streams.backtest import GOLD, Backtest, Outcome, brands_in, classification_of_any_brand
from streams.commands.console import UserError, note, stderr_console
from streams.mention_files import STDIN
from streams.records import Limits, Model
from streams.replay import Entry, merged
from streams.wiring import brand_profiles, event_links, make_classification, mention_limits

if TYPE_CHECKING:
    from detectors.backtest import KnownEvent
    from detectors.engine import BrandProfile
    from models import ToneModel
    from streams.settings import Settings


def run(
    files: Sequence[str],
    settings: Settings | None,
    *,
    tone: Literal["model", "gold"],
    budget: float | None,
    events: Path | None,
    plot: Path | None,
    known_events: Path | None,
) -> None:
    """Run a backtest over files and print its report.

    Raises
    ------
    UserError, MentionFileError
        The files, the known events or the options cannot be used.
    """
    from detectors import backtest as report
    from detectors.plot import Story, write_html

    if budget is not None and not 0 < budget < float("inf"):
        raise UserError(f"--budget must be above 0 pages per brand and month, not {budget:g}")
    known = _known_events(known_events)
    limits = mention_limits(settings) if settings is not None else Limits()
    source = _Source(files, limits)
    total = None if settings is not None and source.once_only else source.count()
    brands = _brands(source, settings, budget)
    model = _model(settings) if tone == "model" else None
    version = GOLD if model is None else Model(model.id.name, model.id.version)
    story = Story([brand.name for brand in brands]) if plot is not None else None
    backtest = Backtest(
        brands,
        classification_of_any_brand(version) if settings is None else make_classification(settings, version),
        model,
        links=event_links(settings) if settings is not None else None,
        recorder=story.add if story is not None else None,
    )
    with _progress() as progress:
        task = progress.add_task("mentions", total=total)
        for done in backtest.run(source.entries()):
            progress.advance(task, done)
    outcome = backtest.outcome
    _refuse_nothing(outcome, settings, tone)
    if events is not None:
        events.write_bytes(b"".join(event.value + b"\n" for event in outcome.events))
    if plot is not None and story is not None:
        write_html(plot, story, outcome.decisions)
    matches = report.compare(outcome.decisions, outcome.counts, known)
    typer.echo(report.render(report.report(outcome.decisions, outcome.counts), matches))
    _sum_up(outcome, tone, str(backtest.model_version), events, plot)


class _Source:
    """Files that may be read twice; standard input is kept in memory for that."""

    def __init__(self, files: Sequence[str], limits: Limits) -> None:
        self._files, self._limits = files, limits
        self.once_only = STDIN in files
        self._kept: list[Entry] | None = None

    def entries(self) -> Iterable[Entry]:
        """All entries, from the start."""
        if self._kept is not None:
            return self._kept
        return merged(self._files, self._limits)

    def count(self) -> int:
        """How many entries there are."""
        return sum(1 for _ in self.again())

    def again(self) -> Iterable[Entry]:
        """All entries, for a reader that is not the last."""
        if self.once_only and self._kept is None:
            self._kept = list(merged(self._files, self._limits))
        return self.entries()


def _brands(source: _Source, settings: Settings | None, budget: float | None) -> list[BrandProfile]:
    from detectors.engine import BrandProfile

    if settings is not None:
        brands = brand_profiles(settings)
        return brands if budget is None else [replace(brand, budget=budget) for brand in brands]
    names = brands_in(source.again())
    if not names:
        raise UserError(
            "no mention in these files names a brand; name your brands and their keywords in a settings file (--config)"
        )
    return [BrandProfile(name=name, budget=budget or 1.0) for name in names]


def _model(settings: Settings | None) -> ToneModel:
    from models import load
    from streams.settings_schema import ToneSettings

    tone = settings.tone if settings is not None else ToneSettings()
    return load(tone.model, revision=tone.revision, threads=tone.threads, cache_size=tone.cache_texts)


def _known_events(path: Path | None) -> list[KnownEvent]:
    from detectors.backtest import read_known_events

    if path is None:
        return []
    try:
        return read_known_events(path.read_text(encoding="utf-8-sig"))
    except ValueError as error:
        raise UserError(f"{path}: {error}") from None


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=stderr_console(),
        transient=True,
    )


def _refuse_nothing(outcome: Outcome, settings: Settings | None, tone: str) -> None:
    if outcome.counts:
        return
    if tone == "gold" and outcome.without_gold:
        raise UserError("no mention has a gold_tone: use --tone model")
    if settings is not None and outcome.unmatched:
        raise UserError(
            f"none of {outcome.unmatched:,} mentions names a configured brand: look at brands and their keywords"
        )
    rejected = outcome.rejected.total()
    first = f", the first: {outcome.examples[0]}" if outcome.examples else ""
    raise UserError(f"no mention could be used ({rejected:,} rejected{first})")


def _sum_up(outcome: Outcome, tone: str, model: str, events: Path | None, plot: Path | None) -> None:
    kinds: dict[str, int] = {}
    for decision in outcome.decisions:
        kinds[decision.type] = kinds.get(decision.type, 0) + 1
    typer.echo()
    typer.echo(
        f"{outcome.read:,} mentions read, {outcome.unmatched:,} name no brand, {outcome.duplicates:,} duplicates"
    )
    typer.echo(f"{len(outcome.decisions)} events" + "".join(f", {n} {kind}" for kind, n in kinds.items()))
    typer.echo(f"tone: {'a human label in each mention' if tone == 'gold' else model}")
    for line in _left_out(outcome):
        note(line)
    rate = outcome.read / outcome.seconds if outcome.seconds > 0 else 0.0
    note(f"{outcome.seconds:.1f} s, {rate:,.0f} mentions a second")
    for path in (events, plot):
        if path is not None:
            note(f"written: {path}")


def _left_out(outcome: Outcome) -> Iterator[str]:
    if outcome.without_gold:
        yield f"left out: {outcome.without_gold:,} mentions without gold_tone"
    if outcome.rejected:
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in sorted(outcome.rejected.items()))
        yield f"rejected: {reasons}"
        yield from (f"  {example}" for example in outcome.examples)

"""``tocsin backtest``: run it, and tell what came of it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from streams.backtest import GOLD, Backtest, Outcome, brands_in, classification_of_any_brand
from streams.commands.backtest_report import Options, after_whom, after_years, report_of
from streams.commands.console import note, stderr_console
from streams.commands.output_files import refuse_unusable
from streams.crisis_commands import read_commands
from streams.entries import Entry
from streams.errors import UserError
from streams.mention_source import MentionSource
from streams.records import Limits, Mention, Model
from streams.wiring import brand_profiles, event_links, make_classification, mention_limits, own_detectors

if TYPE_CHECKING:
    from detectors.commands import Command
    from detectors.engine import BrandProfile
    from detectors.known_events import KnownEvent
    from detectors.report import Report
    from models import ToneModel
    from streams.settings import Settings


def run(files: Sequence[str], settings: Settings | None, options: Options) -> None:
    """Run a backtest over files and print its report.

    Raises
    ------
    UserError, MentionFileError, CommandError
        The files, the known events, the commands or the options cannot be used.
    """
    from detectors.ledger import render as render_accounts
    from detectors.page import write_html
    from detectors.story import Story
    from detectors.what_if import BUDGETS

    if options.budget is not None and not 0 < options.budget < float("inf"):
        raise UserError(f"--budget must be above 0 pages per brand and month, not {options.budget:g}")
    outputs = {"--events": options.events, "--report": options.report}
    refuse_unusable(outputs, [*files, options.known_events, options.commands, options.config])
    known = _known_events(options.known_events)
    limits = mention_limits(settings) if settings is not None else Limits()
    source = MentionSource(files, limits, options.sort)
    # Without settings a file is read for its brands first, and so kept; else it is counted only if somebody watches.
    counted = settings is None or (not source.once_only and stderr_console().is_terminal)
    total = source.count() if counted else None
    brands = _brands(source, settings, options.budget)
    portfolios = {one.portfolio for one in brands if one.portfolio is not None}
    told = [] if options.commands is None else read_commands(options.commands, [one.name for one in brands], portfolios)
    model = _model(settings) if options.tone == "model" else None
    version = GOLD if model is None else Model(model.id.name, model.id.version)
    knows = () if model is None else (model.knows,)
    watched: dict[str, list[tuple[int, int]]] = {}
    for event in known:
        watched.setdefault(event.brand, []).append((event.start, event.end))
    story = Story([brand.name for brand in brands], watched) if options.report is not None else None
    wants_budgets = options.report is not None if options.what_if is None else options.what_if
    backtest = Backtest(
        brands,
        classification_of_any_brand(version, *knows)
        if settings is None
        else make_classification(settings, version, *knows),
        model,
        links=event_links(settings) if settings is not None else None,
        recorder=story.add if story is not None else None,
        budgets=BUDGETS if wants_budgets else (),
        detectors=own_detectors(settings) if settings is not None else (),
        commands=told,
        on_hole=lambda *hole: note(after_years(*hole)),
    )
    with _progress() as progress:
        task = progress.add_task("mentions, at each budget" if wants_budgets else "mentions", total=total)
        for done in backtest.run(source.entries()):
            progress.advance(task, done)
    outcome = backtest.outcome
    _refuse_nothing(outcome, settings, options.tone)
    _refuse_disorder(outcome)
    if options.events is not None:
        options.events.write_bytes(b"".join(event.value + b"\n" for event in outcome.events))
    made = report_of(files, options, outcome, known, str(backtest.model_version), brands)
    if options.report is not None and story is not None:
        write_html(options.report, made, story)
    if options.as_json:
        typer.echo(json.dumps(made.plain(), ensure_ascii=False, indent=2, allow_nan=False))
    else:
        typer.echo(made.text())
        if told:
            typer.echo()
            typer.echo(render_accounts(outcome.accounts))
        _sum_up(outcome, made)
    told_before = [after_years(*hole) for hole in outcome.holes]
    for line in made.notes:
        if line not in told_before:
            note(line)
    for line in _without_effect(outcome, told):
        note(line)
    rate = outcome.read / outcome.seconds if outcome.seconds > 0 else 0.0
    note(f"{outcome.seconds:.1f} s, {rate:,.0f} mentions a second")
    for path in (options.events, options.report):
        if path is not None:
            note(f"written: {path}")


def _brands(source: MentionSource, settings: Settings | None, budget: float | None) -> list[BrandProfile]:
    from detectors.engine import BrandProfile
    from detectors.portfolio.budgets import scaled

    if settings is not None:
        brands = brand_profiles(settings)
        return brands if budget is None else scaled([replace(brand, budget=budget) for brand in brands])
    names = brands_in(source.again())
    if not names:
        raise UserError(_why_no_brand(source.again()))
    return [BrandProfile(name=name, budget=budget or 1.0) for name in names]


def _why_no_brand(entries: Iterable[Entry]) -> str:
    rejected, first = 0, None
    for entry in entries:
        if isinstance(entry.content, Mention):
            return (
                "no mention in these files names a brand; "
                "name your brands and their keywords in a settings file (--config)"
            )
        rejected, first = rejected + 1, first or entry
    if first is None:
        return "these files are empty: there is no mention in them"
    return f"no mention could be used ({rejected:,} rejected, the first: {first.path}:{first.line}: {first.content})"


def _model(settings: Settings | None) -> ToneModel:
    from streams.settings_schema import ToneSettings
    from streams.tone_model import load_tone_model

    return load_tone_model(settings.tone if settings is not None else ToneSettings())


def _known_events(path: Path | None) -> list[KnownEvent]:
    from detectors.known_events import read_known_events

    if path is None:
        return []
    try:
        return read_known_events(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UserError(f"{path}: known events must be UTF-8 text") from None
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
    if not rejected:
        raise UserError("these files are empty: there is no mention in them")
    first = f", the first: {outcome.examples[0]}" if outcome.examples else ""
    raise UserError(f"no mention could be used ({rejected:,} rejected{first})")


def _refuse_disorder(outcome: Outcome) -> None:
    if 2 * outcome.too_late > outcome.read:
        raise UserError(
            f"{outcome.too_late:,} of {outcome.read:,} mentions come more than a day after later ones: "
            f"the files are not in order of time; give --sort.{after_whom(outcome)}"
        )


def _sum_up(outcome: Outcome, report: Report) -> None:
    kinds: dict[str, int] = {}
    for decision in outcome.decisions:
        kinds[decision.type] = kinds.get(decision.type, 0) + 1
    typer.echo()
    typer.echo(
        f"{outcome.read:,} mentions read, {outcome.unmatched:,} name no brand, {outcome.duplicates:,} duplicates"
    )
    typer.echo(f"{len(outcome.decisions)} events" + "".join(f", {n} {kind}" for kind, n in kinds.items()))
    typer.echo(f"tone: {report.tone}")


def _without_effect(outcome: Outcome, told: Sequence[Command]) -> Iterator[str]:
    for one in outcome.applied:
        if one.problem is not None:
            yield f"without effect: {one.command.kind} of {one.command.brand}: {one.problem}"
    if late := len(told) - len(outcome.applied):
        yield f"{late} commands were due only after the last mention"

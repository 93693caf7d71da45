"""``tocsin evaluate``: how well a model reads texts whose tone people have labelled."""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import typer

from streams.commands.console import note, stderr_console
from streams.commands.output_files import refuse_unusable
from streams.errors import UserError
from streams.mention_files import STDIN, BadLineError, UnknownFormatError, read_mentions
from streams.records import Mention

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from models import ToneModel
    from models.evaluate import Figures

#: Texts read between two moves of the progress bar: enough for full batches of every length.
_BATCH: Final = 1024


@dataclass(slots=True)
class _Labelled:
    """The labelled texts of a file, with the language that the feed declared for each."""

    texts: list[str] = field(default_factory=list)
    labels: list[int] = field(default_factory=list)
    languages: list[str | None] = field(default_factory=list)


def run(
    files: Sequence[str],
    *,
    model: str,
    revision: str | None,
    labels: Sequence[str] | None,
    threads: int,
    backend: str,
    neutral_forecasts: bool,
    as_json: bool,
    plot: Path | None,
) -> None:
    """Print the figures of a model on files of labelled texts or mentions.

    Raises
    ------
    UserError, MentionFileError, ModelError
        A file, the model or an option cannot be used.
    """
    import numpy as np

    from models import load
    from models.evaluate import by_language, figures, language_of, reliability
    from streams.tone_model import tell_of_the_choice

    refuse_unusable({"--plot": plot}, files)
    read = [_read(file) for file in files]
    tell_of_the_choice()
    tone_model = load(
        model,
        revision=revision,
        threads=threads,
        backend=backend,
        labels=labels,
        neutral_forecasts=neutral_forecasts,
    )
    bins = {}
    for file, data in zip(files, read, strict=True):
        tones, seconds = _predict(tone_model, data.texts, file)
        truth = np.asarray(data.labels, dtype=np.int64)
        languages = [language_of(text, lang) for text, lang in zip(data.texts, data.languages, strict=True)]
        whole = figures(truth, tones)
        groups = by_language(truth, tones, languages)
        bins[file] = reliability(truth, tones)
        rate = len(data.texts) / seconds if seconds > 0 else 0.0
        if as_json:
            about: dict[str, Any] = {"file": file, "model": str(tone_model.id), **whole.as_dict()}
            about["languages"] = {name: one.as_dict() for name, one in groups.items()}
            about["texts_per_second"] = round(rate, 1)
            typer.echo(json.dumps(about))
        else:
            _print(file, whole, groups)
            note(f"{seconds:.1f} s, {rate:,.0f} texts a second")
    if not as_json:
        typer.echo(f"tone: {tone_model.id}")
    if plot is not None:
        from models.reliability_plot import write_reliability

        write_reliability(plot, bins, f"Reliability of {tone_model.id}")
        note(f"written: {plot}")


def _read(file: str) -> _Labelled:
    from models.labelled import is_named_labelled, read_labelled
    from models.tone import LABELS

    found = _Labelled()
    bad = left_out = ""
    if is_named_labelled(Path(file)):
        try:
            data = read_labelled(Path(file))
        except ValueError as error:
            raise UserError(str(error)) from None
        found.texts, found.labels = data.texts, data.labels.tolist()
        found.languages = [None] * len(data)
    else:
        without = rejected = 0
        for line, mention in _mentions(file):
            if not isinstance(mention, Mention):
                rejected += 1
                bad = bad or f"; the first bad one, line {line}: {_why(mention)}"
            elif mention.gold_tone is None:
                without += 1
            else:
                found.texts.append(mention.text)
                found.labels.append(LABELS.index(mention.gold_tone))
                found.languages.append(mention.lang)
        if without or rejected:
            left_out = f"left out {without:,} mentions without gold_tone and {rejected:,} bad lines{bad}"
    if not found.texts:
        name = "standard input" if file == STDIN else file
        raise UserError(
            f"{name} holds no labelled text: give lines of LABEL<TAB>TEXT in a file named .tsv or .tsv.gz, or mentions "
            f"with gold_tone{left_out and '; ' + left_out}"
        )
    if left_out:
        note(f"{file}: {left_out}")
    return found


def _mentions(file: str) -> Iterator[tuple[int, Mention | BadLineError]]:
    try:
        yield from read_mentions(file)
    except UnknownFormatError as error:
        raise UserError(f"{error}; lines of LABEL<TAB>TEXT are read from files named .tsv or .tsv.gz") from None


def _why(error: BadLineError) -> str:
    """What is wrong with a line, with the tones there are where it is the tone."""
    from models.tone import LABELS

    allowed = (
        f"; a tone is {', '.join(LABELS[:-1])} or {LABELS[-1]}, in small letters" if "gold_tone" in str(error) else ""
    )
    return f"{error}{allowed}"


def _predict(model: ToneModel, texts: list[str], file: str) -> tuple[NDArray[np.float32], float]:
    import numpy as np
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    tones = []
    began = time.perf_counter()
    with Progress(*columns, console=stderr_console(), transient=True, disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task(Path(file).name, total=len(texts))
        for start in range(0, len(texts), _BATCH):
            some = texts[start : start + _BATCH]
            tones.append(model.predict(some))
            progress.advance(task, len(some))
    return np.concatenate(tones), time.perf_counter() - began


def _per_cent(number: float) -> str:
    return "-" if math.isnan(number) else f"{100 * number:.1f}"


def _print(file: str, whole: Figures, groups: dict[str, Figures]) -> None:
    from rich.console import Console
    from rich.table import Table

    from models.tone import LABELS

    table = Table(title=file, title_justify="left", caption_justify="left")
    for column in ("language", "tone", "texts", "recall %", "precision %", "F1 %"):
        table.add_column(column, justify="left" if column in {"language", "tone"} else "right")
    shown = {"all": whole, **groups} if len(groups) > 1 else {next(iter(groups)): whole}
    for language, found in shown.items():
        for index, label in enumerate(LABELS):
            numbers = (found.recall[index], found.precision[index], found.f1[index])
            cells = map(_per_cent, numbers)
            table.add_row(language if not index else "", label, f"{found.counts[index]:,}", *cells)
        table.add_section()
    table.caption = "\n".join(
        f"{language}: {found.texts:,} texts, macro-recall {_per_cent(found.macro_recall)}, "
        f"F1 of negative and positive {_per_cent(found.f1_negative_positive)}, "
        f"calibration error {found.calibration_error:.3f}"
        for language, found in shown.items()
    )
    Console(highlight=False).print(table)

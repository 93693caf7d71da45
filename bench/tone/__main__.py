"""``python -m bench.tone``: the contenders one after the other, and the table."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Annotated, Final

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from bench.tone.measured import Measured, alone
from bench.tone.ours import measure_command, measure_ours, measure_parts
from bench.tone.pipeline import measure_pipeline, measure_pipeline_on_card
from bench.tone.texts import read_stream, read_texts
from models.backends import BACKENDS
from models.cache import DEFAULT_CACHE_SIZE
from models.metrics import macro_recall

SINGLE_TEXTS: Final = 300

app = typer.Typer(add_completion=False)


@app.command()
def main(
    file: Annotated[
        Path | None,
        typer.Option("--texts", help="A .tsv of LABEL<TAB>TEXT, or a text a line. Default: the shared en_val, if any."),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="Use the first LIMIT texts.")] = 12_000,
    pipeline_limit: Annotated[int, typer.Option(min=1, help="Texts for the pipeline, the slowest.")] = 400,
    exact_limit: Annotated[int, typer.Option(min=1, help="Texts for torch in float32, to compare.")] = 3_000,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the figures to this file too.")] = None,
) -> None:
    """Compare texts per second, latency, memory and accuracy; takes one to three minutes on two processors.

    ratio: texts per second against the pipeline. cpu ms: processor time per text, which other work on the machine blurs
    less. MiB: peak of the process. p50, p99: milliseconds for one text asked alone, on one thread.
    """
    # Wide enough for the table in a pipe too, where rich assumes 80 columns.
    console = Console(width=None if sys.stdout.isatty() else 140)
    texts, labels, name = read_texts(file, limit)
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    console.print(
        f"{len(texts)} texts ({name}), the pipeline on the first {min(pipeline_limit, len(texts))}; {processors} "
        f"processors, load before the run {os.getloadavg()[0]:.1f} (other work on the machine blurs the figures)"
    )
    pipeline = alone(measure_pipeline, texts[:pipeline_limit], processors)
    rows = [("pipeline fp32, best", processors, pipeline)]
    for threads in dict.fromkeys((1, processors)):
        single = SINGLE_TEXTS if threads == 1 else 0
        rows.append(("tocsin auto", threads, alone(measure_ours, texts, "auto", threads, single)))
    ours = rows[-1][2]
    command = alone(measure_command, texts, processors)
    stream, stream_name = read_stream(texts, limit)
    # One run a process: in a second one of the same model the cache would know every text.
    repeated = alone(measure_ours, stream, "auto", processors, 0, 1, DEFAULT_CACHE_SIZE)
    # Once more at the end: what else runs on the machine has changed meanwhile.
    pipeline.improve(alone(measure_pipeline, texts[:pipeline_limit], processors))
    exact = alone(measure_ours, texts[:exact_limit], "torch-fp32", processors, 0, 1)
    repeated.improve(alone(measure_ours, stream, "auto", processors, 0, 1, DEFAULT_CACHE_SIZE))
    rows += [
        (f"classify, {stream_name}", processors, repeated),
        ("tocsin classify, whole command", processors, command),
        ("tocsin torch-fp32", processors, exact),
    ]
    card: tuple[Measured, Measured] | None = None
    if BACKENDS["torch-gpu"].why_not() is None:
        # Beside the pipeline on the same card: what a card does says nothing of the processor, and the other way round.
        card = (
            alone(measure_pipeline_on_card, texts, SINGLE_TEXTS),
            alone(measure_ours, texts, "torch-gpu", processors, SINGLE_TEXTS),
        )
        rows += [("pipeline on the card, best", processors, card[0]), ("tocsin torch-gpu", processors, card[1])]

    table = Table(
        "", "threads", "texts/s", "ratio", "cpu ms", "cpu ratio", "start s", "MiB", "p50 ms", "p99 ms", "recall %"
    )
    table.columns[0].no_wrap = True
    for column in table.columns[1:]:
        column.justify = "right"
    figures: list[dict[str, object]] = []
    for title, threads, measured in rows:
        recall = None
        if labels is not None and len(measured.tones) and measured is not repeated:
            judged = labels[: len(measured.tones)]
            recall = 100 * macro_recall(judged, measured.tones.argmax(axis=1).astype(np.int64))
        median, late = np.percentile(measured.latency, [50, 99]) * 1000 if measured.latency else (None, None)
        values = (
            measured.rate,
            measured.rate / pipeline.rate,
            1000 * measured.processor,
            pipeline.processor / measured.processor,
            measured.load,
            measured.memory,
            median,
            late,
            recall,
        )
        formats = (".0f", ".1f", ".2f", ".1f", ".1f", ".0f", ".1f", ".1f", ".2f")
        cells = ["–" if value is None else format(value, form) for value, form in zip(values, formats, strict=True)]
        table.add_row(title, str(threads), *cells)
        names = (
            "texts_per_second",
            "ratio",
            "processor_ms_per_text",
            "processor_ratio",
            "start_s",
            "peak_mib",
            "p50_ms",
            "p99_ms",
            "macro_recall",
        )
        known = {key: None if value is None else float(value) for key, value in zip(names, values, strict=True)}
        figures.append({"what": title, "threads": threads, "detail": measured.detail, **known})
    console.print(table)
    console.print(
        f"pipeline, texts/s by threads x batch: {pipeline.detail}; single texts asked one by one on one thread"
    )
    if card is not None:
        console.print(
            f"on the graphics card {card[1].rate / card[0].rate:.1f} times the pipeline in half precision there "
            f"({card[0].detail})"
        )
    shift = (
        np.abs(pipeline.tones - exact.tones[: len(pipeline.tones)]).max()
        if len(exact.tones) >= len(pipeline.tones)
        else float("nan")
    )
    console.print(f"same model: pipeline and our float32 differ by at most {shift:.0e} in a probability")
    near = ours.tones[: len(exact.tones)]
    flips = int((near.argmax(axis=1) != exact.tones.argmax(axis=1)).sum())
    console.print(
        f"{ours.detail} against float32 on {len(near)} texts: {flips} labels differ, probabilities by at most "
        f"{np.abs(near - exact.tones).max():.3f}; one and {processors} threads give "
        f"{'the same bits' if np.array_equal(rows[1][2].tones, ours.tones) else 'DIFFERENT BITS'}"
    )
    if labels is not None:
        judged = labels[: len(near)]
        lost = macro_recall(judged, exact.tones.argmax(axis=1)) - macro_recall(judged, near.argmax(axis=1))
        console.print(f"macro-recall lost against float32 on them: {100 * lost:.2f} points")
    parts = json.loads(alone(measure_parts, texts[:2000]).detail)
    kind = next((kind for kind in parts["peaks"] if kind in ours.detail), "fp32")
    peak = parts["peaks"][kind]
    left = parts["left"] if kind == "int8" else 1.0
    products, text = left * parts["operations"] / peak, ours.processor
    before = parts["normalising"] + parts["tokenising"]
    console.print(
        f"a text has {parts['tokens']:.1f} tokens, {parts['operations'] / 1e6:.0f} million operations in products, of "
        f"which {100 * left:.0f} % are left where clear texts leave early; one processor reaches "
        f"{', '.join(f'{name} {value / 1e9:.0f}' for name, value in parts['peaks'].items())} GOP/s. "
        f"{ours.detail} works at {100 * products / text:.0f} % of the {kind} peak: of {1e6 * text:.0f} us a text, "
        f"products at peak would take {1e6 * products:.0f}; normalising takes {1e6 * parts['normalising']:.0f}, "
        f"tokenising {1e6 * parts['tokenising']:.0f}, and {1e6 * (text - products - before):.0f} go to attention, "
        "norms, gelu, rounding, copies and Python"
    )
    if json_file is not None:
        json_file.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    app()

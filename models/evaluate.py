"""Measure a tone model on labelled texts: ``python -m models.evaluate --help``."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from models import ModelError, load
from models.labelled import read_labelled
from models.metrics import expected_calibration_error, macro_recall, precisions, recalls
from models.tone import LABELS

app = typer.Typer(add_completion=False, rich_markup_mode="markdown")


@app.command()
def main(
    files: Annotated[list[Path], typer.Argument(help="Files of label, tab, text lines.")],
    model: Annotated[str, typer.Option(help="bundled, a folder, or a name on the Hugging Face hub.")] = "bundled",
    revision: Annotated[str | None, typer.Option(help="Commit or tag of a model on the hub.")] = None,
    labels: Annotated[
        str | None, typer.Option(help="Meaning of a foreign model's outputs, in order, separated by commas.")
    ] = None,
    threads: Annotated[int, typer.Option(min=0, help="Batches computed at once; 0: one per processor.")] = 0,
    backend: Annotated[str, typer.Option(help="auto, torch-bf16 or torch-fp32.")] = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per file instead of tables.")] = False,
) -> None:
    """Tell how well a tone model reads labelled texts.

    Prints macro-recall (mean recall over the classes: the measure of SemEval's tweet task), recall and precision of
    each class, the expected calibration error (15 bins) and texts per second.

    Example: python -m models.evaluate ../shared/data/tone/en_val.tsv
    """
    console = Console()
    try:
        tone_model = load(
            model, revision=revision, threads=threads, backend=backend, labels=labels.split(",") if labels else None
        )
        for file in files:
            data = read_labelled(file)
            if not len(data):
                raise ModelError(f"{file} holds no texts; give a file of label, tab, text lines")
            began = time.perf_counter()
            tones = tone_model.predict(data.texts)
            seconds = time.perf_counter() - began
            predicted = tones.argmax(axis=1)
            recall, precision = recalls(data.labels, predicted), precisions(data.labels, predicted)
            figures = {
                "file": str(file),
                "model": str(tone_model.id),
                "texts": len(data),
                "macro_recall": round(100 * macro_recall(data.labels, predicted), 2),
                "calibration_error": round(expected_calibration_error(data.labels, tones), 4),
                "texts_per_second": round(len(data) / seconds, 1),
            }
            if as_json:
                per_class = {"recall": recall, "precision": precision}
                rounded = {key: np.round(100 * value, 2).tolist() for key, value in per_class.items()}
                typer.echo(json.dumps(figures | rounded))
                continue
            table = Table(title=" · ".join(f"{key} {value}" for key, value in figures.items() if key != "file"))
            table.caption = str(file)
            for column in ("tone", "texts", "recall %", "precision %"):
                table.add_column(column, justify="left" if column == "tone" else "right")
            counts = np.bincount(data.labels, minlength=len(LABELS))
            for index, label in enumerate(LABELS):
                row = (str(counts[index]), f"{100 * recall[index]:.1f}", f"{100 * precision[index]:.1f}")
                table.add_row(label, *row)
            console.print(table)
    except (ModelError, OSError, ValueError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from error


if __name__ == "__main__":
    app()

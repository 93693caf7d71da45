"""Our classifier as a contender: called, as a command, and where its time goes."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from collections.abc import Sequence

import numpy as np

from bench.tone.int8_peak import int8_peak
from bench.tone.measured import RUNS, Measured, best, memory, processor_seconds
from models.normalise import normalise


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
    rate, processor, tones = best(lambda: model.predict(texts), len(texts), runs)
    latency: list[float] = []
    for text in texts[:single]:
        began = time.perf_counter()
        model.predict([text])
        latency.append(time.perf_counter() - began)
    model.close()
    backend = getattr(model, "backend", backend).partition(" ")[0]
    return Measured(rate, processor, load, memory(), tones, backend, latency)


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


def measure_parts(texts: Sequence[str]) -> Measured:
    """Where the time of one processor goes, and the matrix peak: of integers (8 bits) products in registers, of the
    others torch's products of the network's shapes; details as JSON.
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
        name: operations / processor_seconds(lambda a=a, b=b, product=product: product(a, b))  # type: ignore[misc]
        for name, (a, b, product) in kinds.items()
    }
    peaks["int8"] = int8_peak() or peaks["int8"]
    normalised = [normalise(text) for text in texts]
    tokenise = Tokeniser.from_file(bundled_files().tokeniser)
    tokenised = tokenise(normalised)
    tokens = float(np.mean([len(ids) for ids in tokenised]))
    per_token = 2 * LAYERS * (4 * HIDDEN * HIDDEN + 2 * HIDDEN * INTERMEDIATE)
    figures = {
        "peaks": peaks,
        "tokens": tokens,
        "operations": tokens * per_token,
        "left": _left_by_exits(tokenised),
        "normalising": processor_seconds(lambda: [normalise(text) for text in texts], 2) / len(texts),
        "tokenising": processor_seconds(lambda: tokenise(normalised), 2) / len(texts),
    }
    return Measured(0, 0, 0, 0, np.empty((0, 3), np.float32), json.dumps(figures))


def _left_by_exits(texts: Sequence[Sequence[int]]) -> float:
    """Share of the operations that is left where texts leave the network early: in the 8-bit kernels, elsewhere 1."""
    from models.architecture import LAYERS
    from models.batching import padded
    from models.int8_network import Int8Network, why_not
    from models.merged import bundled_files
    from models.tokeniser import PAD

    if why_not() is not None:
        return 1.0
    batch = padded(list(enumerate(texts)), len(texts), max(map(len, texts)), PAD)
    passed = Int8Network(bundled_files()).layers_passed(batch.ids, batch.lengths)
    return float((passed * batch.lengths).sum() / (LAYERS * batch.lengths.sum()))

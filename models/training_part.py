"""One part of a training: followed on the screen, kept on disk."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from models.checkpoint import Checkpoint
from models.encoder import ToneNetwork
from models.fit import fit, learned, logits_of, steps_of
from models.patience import Judge, Watch
from models.recipe import Course

# Every this many steps a line for log files, where a progress bar does not show.
LOG_STEPS: Final = 200

console = Console()


def follow(steps: Iterator[tuple[int, int, float]], what: str, watch: Watch | None = None) -> None:
    """Work off a training, with a progress bar, or lines where the output is no terminal; and a line for each judgement
    of its ``watch``.
    """
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
        recent, first = math.nan, True
        for step, total, loss in steps:
            if first and step > 1:
                console.print(f"{what}: goes on after step {step - 1} of {total}")
            first = False
            recent = loss if math.isnan(recent) else 0.98 * recent + 0.02 * loss
            best = f", best {watch.kept.figure:.2f}" if watch is not None and watch.judged else ""
            progress.update(task, completed=step, total=total, description=f"{what}, loss {recent:.3f}{best}")
            if not console.is_terminal and step % LOG_STEPS == 0:
                console.print(f"{what}: step {step} of {total}, loss {recent:.4f}, {time.monotonic() - began:.0f} s")
            if watch is not None and watch.judged and watch.judged[-1].step == step:
                console.print(f"{what}: {watch.last_in_words()}")
    if watch is not None:
        console.print(f"{what}: {watch.end_in_words()}")


def texts_sha256(texts: Sequence[Sequence[int]], answers: NDArray[np.generic] | None = None) -> str:
    """SHA-256 of n texts as token ids, and of what is to be said of them, if anything."""
    lengths = np.asarray([len(ids) for ids in texts], np.int64)
    digest = hashlib.sha256(lengths.tobytes())
    for ids in texts:
        digest.update(np.asarray(ids, np.int64).tobytes())
    if answers is not None:
        digest.update(np.ascontiguousarray(answers).tobytes())
    return digest.hexdigest()


@dataclass
class Part:
    """One part of the training. What came of it is kept in the folder ``out`` under its ``name``, so that a training
    stopped later need not do it again. ``purpose`` is all that it depends on beside its texts and answers, of which a
    checksum goes into its checkpoints. A ``judge`` looks at the network on the
    way and may stop it early.

    Afterwards ``minutes`` is how long it took, without what was done before a stop, and ``judged`` what the judge found
    (:meth:`models.patience.Watch.outcome`).
    """

    name: str
    out: Path
    purpose: dict[str, Any]
    judge: Judge | None = None
    minutes: float = 0.0
    judged: dict[str, Any] | None = None

    @property
    def files(self) -> tuple[Path, Path]:
        """Where the part stands, and what came of it."""
        return self.out / f"{self.name}.pt", self.out / f"{self.name}-done.pt"

    def run(
        self,
        network: ToneNetwork,
        texts: list[list[int]],
        answers: NDArray[np.float32],
        course: Course,
        seed: int,
        asked: Sequence[list[int]] = (),
    ) -> NDArray[np.float32]:
        """Train ``network`` in place to give n ``texts`` their ``answers`` (n, 3); return its logits (m, 3) for those
        it is ``asked`` afterwards.
        """
        purpose = self.purpose | {"learned_from": texts_sha256(texts, answers), "asked": texts_sha256(asked)}
        standing, done = (Checkpoint(file, purpose) for file in self.files)
        known = done.load()
        if known is not None:
            network.load_state_dict(known["learned"], strict=False)
            self.minutes, self.judged = known["minutes"], known.get("judged")
            console.print(f"{self.name}: done before")
            kept: NDArray[np.float32] = known["logits"].numpy()
            return kept
        began = time.monotonic()
        watch = None if self.judge is None else Watch(self.judge, steps_of(len(texts), course), course.epochs)
        if watch is not None and len(watch.due) <= watch.judge.patience.judgements:
            console.print(
                f"{self.name}: {len(watch.due)} judgements do not exhaust a patience of "
                f"{watch.judge.patience.judgements}; all steps are taken, and the best weights kept"
            )
        follow(fit(network, texts, answers, course, seed, standing, watch), self.name, watch)
        logits = logits_of(network, asked)
        weights = {name: value.detach() for name, value in learned(network).items()}
        self.minutes = (time.monotonic() - began) / 60
        state = {"logits": torch.from_numpy(logits), "learned": weights, "minutes": self.minutes}
        if watch is not None:
            self.judged = state["judged"] = watch.outcome()
        done.save(state)
        standing.remove()
        return logits

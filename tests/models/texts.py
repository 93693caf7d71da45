"""Made-up mentions of all lengths, for tests that must not depend on shared data."""

from __future__ import annotations

import random
from pathlib import Path

from models.tone import LABELS

_OPENINGS = (
    "@united",
    "Dear @BankOf",
    "lol",
    "Honestly,",
    "BREAKING:",
    "So",
    "RT @someone:",
    "Hey",
    "🙄",
    "ну вот,",
    "",
)
_SUBJECTS = ("my flight", "the new phone", "your support team", "this app", "the delivery", "our account manager")
_VERDICTS = (
    "is delayed AGAIN",
    "made my day, thank you so much!!!",
    "was mentioned in the report on Tuesday",
    "is sooooo disappointing",
    "works as described 👍👍",
    "broke after two days, never again",
    "opens at 9 am http://t.co/abc",
    "est arrivé",
)
_FILLERS = (
    "and",
    "because of the weather",
    "in Chicago",
    "with my kids 😂",
    "for the 3rd time",
    "#fail",
    "#love",
    "...",
)


def corpus(size: int, seed: int = 11) -> list[str]:
    """``size`` different texts, from a word to far beyond what the model reads; the same in each process."""
    generator = random.Random(seed)
    texts: dict[str, None] = {}
    while len(texts) < size:
        parts = [generator.choice(_OPENINGS), generator.choice(_SUBJECTS), generator.choice(_VERDICTS)]
        parts += generator.choices((*_FILLERS, *_SUBJECTS, *_VERDICTS), k=generator.choice((0, 0, 1, 2, 4, 8, 16)))
        text = " ".join(parts).strip()
        if generator.random() < 0.1:
            text = text.split()[0]
        texts[f"{text} {len(texts)}" if text in texts else text] = None
    return list(texts)


def write_labelled(file: Path, size: int) -> Path:
    """A file of ``size`` labelled texts, each tone as often."""
    lines = (f"{LABELS[index % len(LABELS)]}\t{text}" for index, text in enumerate(corpus(size)))
    file.write_text("\n".join(lines), encoding="utf-8")
    return file

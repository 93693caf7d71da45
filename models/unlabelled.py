"""Texts that nobody labelled: larger networks are asked what they make of them, and the bundled model learns that.

Of the texts they were trained on, larger networks have learned the labels by heart (83 % right where 69 to 73 % are on
others), so what they say of those is hardly more than the labels again. Texts that they never saw show what they know.
"""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

import numpy as np

from models.errors import ModelError
from models.normalise import normalise
from models.tokeniser import MAX_TOKENS

LEAST_LETTERS: Final = 15
"""A text with fewer letters, links and handles aside, is left out."""

# A part of one text and a part of another: where they are cut, as shares of their lengths.
CUT_BETWEEN: Final = (0.3, 0.7)

_NOT_WORDS: Final = re.compile(r"http\S*|@user|[^a-z ]")


def read_unlabelled(path: Path) -> list[str]:
    """The texts of a file: mentions (``.jsonl``, ``.jsonl.gz``; their ``text``), or else UTF-8 lines, one text each.

    Raises ``OSError``, or ``ModelError`` with file and line for a line that is no mention, with the file for one that
    is not UTF-8.
    """
    try:
        return _texts(path)
    except UnicodeDecodeError as error:
        raise ModelError(f"{path}: not UTF-8 ({error.reason}); save the file as UTF-8, as by iconv -t utf-8") from error


def _texts(path: Path) -> list[str]:
    opened = gzip.open if path.suffix == ".gz" else open
    texts: list[str] = []
    with opened(path, "rt", encoding="utf-8", newline="\n") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            if ".jsonl" not in path.suffixes:
                texts.append(line.rstrip("\r\n"))
                continue
            try:
                text = json.loads(line)["text"]
            except (ValueError, KeyError, TypeError):
                text = None
            if not isinstance(text, str):
                raise ModelError(f"{path}, line {number}: expected an object with a text; found {line[:60].strip()!r}")
            texts.append(text)
    return texts


def distinct(texts: Iterable[str]) -> list[str]:
    """The first of each text that is written with the same letters, links and handles aside, and has enough of them."""
    seen: set[str] = set()
    kept: list[str] = []
    for text in texts:
        letters = " ".join(_NOT_WORDS.sub(" ", normalise(text).lower()).split())
        if len(letters) >= LEAST_LETTERS and letters not in seen:
            seen.add(letters)
            kept.append(text)
    return kept


def draw(texts: Sequence[str], count: int, seed: int) -> list[str]:
    """``count`` of the texts in random order, or all where there are fewer."""
    return [texts[index] for index in np.random.default_rng((seed, 1)).permutation(len(texts))[:count]]


def crossed(ids: Sequence[Sequence[int]], count: int, seed: int) -> list[list[int]]:
    """``count`` new texts, each the beginning of one text and the end of another: words as people write them, in a text
    that no network was trained on. ``ids`` are token ids with one special token at either end; so are the results.
    """
    generator = np.random.default_rng((seed, 2))
    made: list[list[int]] = []
    while len(made) < count:
        first, second = (ids[index] for index in generator.integers(len(ids), size=2))
        cut = generator.uniform(*CUT_BETWEEN)
        head = first[1:-1][: int(cut * (len(first) - 2))]
        tail = second[1:-1][int(cut * (len(second) - 2)) :]
        made.append([first[0], *[*head, *tail][: MAX_TOKENS - 2], first[-1]])
    return made

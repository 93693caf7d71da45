"""Texts to read: labelled ones or made-up ones, and a stream with repeats."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.labelled import read_labelled
from models.normalise import normalise

DEFAULT_TEXTS: Final = (Path("../shared/data/tone/en_val.tsv"), Path("../shared/data/tone/en_train.tsv"))
REPLAY: Final = Path("../shared/data/replays/united_3411_2017.jsonl.gz")
# Share of the replay's mentions whose text, normalised, came before: what a stream is made with where it is absent.
REPLAY_DUPLICATES: Final = 0.267


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

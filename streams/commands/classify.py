"""``tocsin classify``: texts, one per line, to JSON lines with their tone."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from io import BufferedReader
from typing import TYPE_CHECKING, BinaryIO, Final

import msgspec

from streams.records import Tone

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: As many decimals as scored mentions have.
_DECIMALS: Final = 4
_CHUNK: Final = 1 << 16


def run(file: str, *, model: str, revision: str | None, labels: Sequence[str] | None, threads: int, batch: int) -> None:
    """Read texts from a file or standard input ("-") and write their tones to standard output."""
    from models import load
    from streams.mention_files import open_binary

    with open_binary(file, "standard input" if file == "-" else None) as stream:
        tone_model = load(model, revision=revision, labels=labels, threads=threads)
        classify(stream, sys.stdout.buffer, tone_model.predict, batch, tone_model.knows)


def classify(
    stream: BufferedReader,
    out: BinaryIO,
    predict: Callable[[Sequence[str]], NDArray[np.float32]],
    batch: int,
    knows: Callable[[str], bool] = lambda _: True,
) -> None:
    """Write one JSON line for each line of `stream` that has a text in it.

    Parameters
    ----------
    stream : buffered reader
        UTF-8; bytes that are not are replaced.
    out : binary file
        Flushed after each batch.
    predict : callable
        n texts to an array (n, 3): negative, neutral, positive.
    batch : int
        Texts read at most before their tones are written; fewer where no more have come yet, so that a pipe flows.
    knows : callable
        Whether the tone of a text can be relied on; where not, the line says ``"tone_reliable":false``.
    """
    for texts in _batches(stream, batch):
        for text, row in zip(texts, predict(texts).tolist(), strict=True):
            tone = Tone(*(round(probability, _DECIMALS) for probability in row))
            answer: dict[str, object] = {"text": text, "tone": tone, "label": tone.label}
            if not knows(text):
                answer["tone_reliable"] = False
            out.write(msgspec.json.encode(answer) + b"\n")
        out.flush()


def _batches(stream: BufferedReader, size: int) -> Iterator[list[str]]:
    rest = b""
    while chunk := stream.read1(_CHUNK):
        *lines, rest = (rest + chunk).split(b"\n")
        yield from _texts(lines, size)
    yield from _texts([rest], size)


def _texts(lines: list[bytes], size: int) -> Iterator[list[str]]:
    texts = [text for line in lines if (text := line.decode(errors="replace").strip("\r\ufeff")).strip()]
    for start in range(0, len(texts), size):
        yield texts[start : start + size]

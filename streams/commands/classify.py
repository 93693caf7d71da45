"""``tocsin classify``: texts, one per line, to JSON lines with their tone."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

import msgspec

from streams.commands.console import note
from streams.errors import UserError
from streams.mention_files import DAMAGED, STDIN, damaged, open_binary, refuse_what_is_no_text
from streams.records import Tone

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from streams.settings_schema import ToneSettings

#: As many decimals as scored mentions have.
_DECIMALS: Final = 4
_CHUNK: Final = 1 << 16
#: More than a worker takes at once: nobody waits for a single text, and the processors have fewer pauses.
_BATCH: Final = 1024
#: Of a line without end only so much is kept: more than any model reads or any record may hold.
_LONGEST_LINE: Final = 1 << 22


@dataclass(slots=True)
class _Lines:
    """How many whole lines have been read, blank ones among them."""

    whole: int = 0


def run(file: str, tone: ToneSettings) -> None:
    """Read texts from a file or standard input ("-") and write their tones to standard output.

    Raises
    ------
    MentionFileError, ModelError
        The file or the model cannot be used; of a damaged file, the lines before the damage are answered.
    """
    from streams.tone_model import load_tone_model

    name = "standard input" if file == STDIN else file
    read = _Lines()
    if sys.stdout is None:  # closed by who started this process
        raise UserError("standard output is closed, so there is nowhere to write the answers; send them to a file")
    with open_binary(file, name) as stream:
        if file != STDIN and _is_output(file):
            raise UserError(f"{name} is also where the answers go; send them to another file")
        # Nobody asks for the version here, and most feeds hold no Russian.
        model = load_tone_model(tone, at_once=False)
        try:
            _look_at(stream, name)
            classify(stream, sys.stdout.buffer, model.predict, _BATCH, model.knows, read)
        except DAMAGED as error:
            raise damaged(name, read.whole, error) from None


def _is_output(file: str) -> bool:
    """Whether standard output is this very file. Not asked of devices, which lose nothing."""
    try:
        return Path(file).is_file() and os.path.samestat(Path(file).stat(), os.fstat(sys.stdout.fileno()))
    except OSError:  # not a file at all, as where a program reads the answers in memory
        return False


def _look_at(stream: BufferedReader, name: str) -> None:
    """Refuse what is no text, and say what would not be expected of what is."""
    if stream.isatty():
        note("reading texts from the terminal, one per line; Ctrl-D ends")
        return
    refuse_what_is_no_text(stream.peek(_CHUNK), name)
    if holds_mentions(stream):
        note("these lines are records with a text in them, and each is read as a text of its own, braces and all")


def holds_mentions(stream: BufferedReader) -> bool:
    """Whether the first line is a mention in JSON rather than a text; nothing is taken from the stream."""
    try:
        first = msgspec.json.decode(stream.peek(_CHUNK).partition(b"\n")[0])
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return False
    return isinstance(first, dict) and "text" in first


def classify(
    stream: BufferedReader,
    out: BinaryIO,
    predict: Callable[[Sequence[str]], NDArray[np.float32]],
    batch: int,
    knows: Callable[[str], bool] = lambda _: True,
    read: _Lines | None = None,
) -> None:
    """Write one JSON line for each line of `stream` that has a text in it.

    Parameters
    ----------
    stream : buffered reader
        UTF-8; bytes that are not are replaced. A line of more than 4 MiB is cut.
    out : binary file
        Flushed after each batch.
    predict : callable
        n texts to an array (n, 3): negative, neutral, positive.
    batch : int
        Texts read at most before their tones are written; fewer where no more have come yet, so that a pipe flows.
    knows : callable
        Whether the tone of a text can be relied on; where not, the line says ``"tone_reliable":false``.
    read : _Lines, optional
        Counts the lines, for who wants to say where reading failed.
    """
    for texts in _batches(stream, batch, read or _Lines()):
        for text, row in zip(texts, predict(texts).tolist(), strict=True):
            tone = Tone(*(round(probability, _DECIMALS) for probability in row))
            answer: dict[str, object] = {"text": text, "tone": tone, "label": tone.label}
            if not knows(text):
                answer["tone_reliable"] = False
            out.write(msgspec.json.encode(answer) + b"\n")
        out.flush()


def _batches(stream: BufferedReader, size: int, read: _Lines) -> Iterator[list[str]]:
    # The parts of a line that is not yet complete. Joined once: adding each chunk to what came before would copy a long
    # line again and again.
    open_line: list[bytes] = []
    length = 0
    while chunk := stream.read1(_CHUNK):
        first, *lines = chunk.split(b"\n")
        if length < _LONGEST_LINE:
            open_line.append(first)
            length += len(first)
        if not lines:
            continue
        read.whole += len(lines)
        yield from _texts([b"".join(open_line), *lines[:-1]], size)
        open_line, length = [lines[-1]], len(lines[-1])
    yield from _texts([b"".join(open_line)], size)


def _texts(lines: list[bytes], size: int) -> Iterator[list[str]]:
    texts = [text for line in lines if (text := line.decode(errors="replace").strip("\r\ufeff")).strip()]
    for start in range(0, len(texts), size):
        yield texts[start : start + size]

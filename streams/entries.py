"""Lines of mention files, several files as one in order of time. Knows no Kafka."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, repeat
from pathlib import Path

import msgspec

from streams.mention_files import STDIN, BadLineError, MentionFileError, Piece, read_pieces
from streams.records import Limits, Mention, microseconds


class Entry(msgspec.Struct, frozen=True, gc=False):
    """A line of a file: a mention, or why there is none."""

    path: str
    line: int
    content: Mention | BadLineError


def merged(
    paths: Sequence[Path | str], limits: Limits | None = None, contents: Mapping[str, bytes] | None = None
) -> Iterator[Entry]:
    """Read files of mentions as one, in order of time if each is sorted; bad lines stay behind the line before them.

    Parameters
    ----------
    contents : mapping, optional
        What `mention_files.content_of` gave for some of them.

    Raises
    ------
    MentionFileError
        At once, if a file is missing or not a file of mentions, or standard input is named twice.
    """
    if sum(str(path) == STDIN for path in paths) > 1:
        raise MentionFileError("standard input is named twice; it can be read once")
    known = contents or {}
    files = [(str(path), read_pieces(path, limits, content=known.get(str(path)))) for path in paths]
    entries = [chain.from_iterable(_entries(path, piece) for piece in pieces) for path, pieces in files]
    return entries[0] if len(entries) == 1 else _merge([_timed(of_file) for of_file in entries])


def _entries(path: str, piece: Piece) -> Iterator[Entry]:
    return map(Entry, repeat(path), *piece)


def _timed(entries: Iterator[Entry]) -> Iterator[tuple[int, Entry]]:
    # A merge needs each file to be sorted; where it is not, a mention goes with the latest one before it.
    latest = 0
    for entry in entries:
        if isinstance(entry.content, Mention):
            latest = max(latest, microseconds(entry.content.created_at))
        yield latest, entry


def _merge(files: list[Iterator[tuple[int, Entry]]]) -> Iterator[Entry]:
    for _, entry in heapq.merge(*files, key=lambda timed: timed[0]):
        yield entry

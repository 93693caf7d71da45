"""Files of mentions: JSON lines or CSV, plain or gzip, as ``docs/mentions.md`` describes them.

What a file is shows in its content; its name decides only where the content leaves it open. A line that cannot be used
costs that line; a file that cannot be used is a `MentionFileError`. This file knows no Kafka.
"""

from __future__ import annotations

import csv
import gzip
import io
import math
import sys
import time
import zlib
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from itertools import chain, starmap
from pathlib import Path
from typing import BinaryIO, Final, cast

import msgspec
from isal import igzip, isal_zlib

from streams.errors import UserError
from streams.records import Limits, Mention, Reason, RejectedError, decode_mention, lines_reader, mention_reader

#: The name that stands for standard input.
STDIN: Final = "-"

_BLOCK: Final = 1 << 20
_PIECE: Final = 1 << 16
#: What a file may unpack to and still be kept in memory by a reader who needs it more than once.
SMALL: Final = 1 << 25
_BOM: Final = b"\xef\xbb\xbf"
_GZIP: Final = b"\x1f\x8b"
_UNPACKING_ERROR: Final = cast(type[Exception], isal_zlib.error)
#: What reading gzip data raises where they are damaged or cut.
DAMAGED: Final = (EOFError, zlib.error, _UNPACKING_ERROR, gzip.BadGzipFile, OverflowError)
# What people take for a file of mentions, by its first bytes, and what to do about it.
_FOREIGN: Final = (
    (b"\xff\xfe", "UTF-16", "convert it: iconv -f UTF-16 -t UTF-8"),
    (b"\xfe\xff", "UTF-16", "convert it: iconv -f UTF-16 -t UTF-8"),
    (b"PK\x03\x04", "a zip archive or spreadsheet", "unpack it or save the sheet as CSV"),
    (b"PAR1", "Parquet", "export it as CSV or JSON lines"),
    (b"(\xb5/\xfd", "compressed with zstd", "unpack it: zstd -d, or use gzip"),
    (b"\xfd7zXZ", "compressed with xz", "unpack it: xz -d, or use gzip"),
    (b"BZh", "compressed with bzip2", "unpack it: bzip2 -d, or use gzip"),
    (b"[", "one JSON array", "write one object per line: jq -c '.[]' FILE"),
)
_COLUMNS: Final = frozenset(Mention.__struct_fields__)
_REQUIRED: Final = ("id", "created_at", "text")
_NUMBERS: Final = frozenset({"reach", "engagement"})
# A quote that is never closed takes no more than this many lines with it.
_ROW_LINES: Final = 500


class MentionFileError(UserError, ValueError):
    """A file that cannot be read as mentions at all; the message names the file and says what to do."""


class UnknownFormatError(MentionFileError):
    """The file's beginning looks like no format that can be read."""


class BadLineError(RejectedError):
    """A line that is not a mention: reason and message as in `RejectedError`, and the bytes as they came.

    Of a line longer than the limit, ``raw`` holds the beginning.
    """

    def __init__(self, reason: Reason, message: str, raw: bytes) -> None:
        super().__init__(reason, message)
        self.raw = raw


#: Numbers of lines, and the mention in each or the reason why there is none.
Piece = tuple[Sequence[int], Sequence[Mention | BadLineError]]


def read_mentions(
    path: Path | str, limits: Limits | None = None, *, now_us: int | None = None, content: bytes | None = None
) -> Iterator[tuple[int, Mention | BadLineError]]:
    """Read a file of mentions.

    Parameters
    ----------
    path : Path or str
        The file; "-" is standard input.
    limits : Limits, optional
        What a mention may be.
    now_us : int, optional
        What future dates are compared with, in microseconds since 1970; by default the time at which a line is read.
    content : bytes, optional
        What `content_of` gave for the file, which is then not opened.

    Returns
    -------
    iterator of (line, mention or error)
        The number of the line (from 1; of a CSV row that spans lines, its first) with the mention or with the reason
        why there is none. Blank lines are passed over.

    Raises
    ------
    MentionFileError
        At once if the file is missing, empty or of an unknown format; while iterating if it breaks off.
    """
    return chain.from_iterable(starmap(zip, read_pieces(path, limits, now_us=now_us, content=content)))


def read_pieces(
    path: Path | str, limits: Limits | None = None, *, now_us: int | None = None, content: bytes | None = None
) -> Iterator[Piece]:
    """`read_mentions`, as many lines at once as came at once: their numbers, and what is in each."""
    limits = limits or Limits()
    name = "standard input" if str(path) == STDIN else str(path)
    if content is None:
        stream = open_binary(path, name)
    else:
        stream = io.BufferedReader(cast(io.RawIOBase, io.BytesIO(content)), _PIECE)
    head = _head(stream, name)
    if _looks_like_json_lines(head, name):
        pieces = _json_lines(stream, limits, now_us)
    else:
        pieces = (((line,), (row,)) for line, row in _csv_rows(stream, limits, now_us, name))
    return _with_name(pieces, stream, name)


def count_lines(path: Path | str) -> int | None:
    """Return how many lines a file has, quickly, for progress bars; None for standard input and what cannot be read."""
    if str(path) == STDIN:
        return None
    lines, last = 0, b"\n"
    try:
        with open_binary(path, str(path)) as stream:
            while block := stream.read(_BLOCK):
                lines += block.count(b"\n")
                last = block[-1:]
    except (MentionFileError, OSError, *DAMAGED):
        return None
    return lines + (last != b"\n")


def content_of(path: Path | str) -> bytes | None:
    """Return what is in a small file, unpacked; None if it is not small, not a whole file, or cannot be read."""
    try:
        if str(path) == STDIN or Path(path).stat().st_size > SMALL:
            return None
        content = Path(path).read_bytes()
        if not content.startswith(_GZIP):
            return content
        # In pieces, and into what grows in place and gives out what it holds without a copy, which takes two thirds of
        # the time: all at once, memory is grown and copied again and again.
        unpacker, unpacked, left = isal_zlib.decompressobj(wbits=31), io.BytesIO(), SMALL
        for begin in range(0, len(content), _PIECE):
            left -= unpacked.write(unpacker.decompress(content[begin : begin + _PIECE], left))
            if left == 0:
                return None
    except (OSError, *DAMAGED):
        return None
    # Of several gzip files in one, only the first is unpacked in this way.
    return unpacked.getvalue() if unpacker.eof and not unpacker.unused_data else None


def lines_in(content: bytes) -> int:
    """Return how many lines there are."""
    return content.count(b"\n") + (not content.endswith(b"\n") and len(content) > 0)


def open_binary(path: Path | str, name: str | None = None) -> io.BufferedReader:
    """Open a file, or standard input for "-", and unpack it if it is gzip; `name` is what messages call it.

    Raises
    ------
    MentionFileError
        If it cannot be opened.
    """
    name = name or str(path)
    if str(path) == STDIN:
        if sys.stdin is None:  # closed by who started this process
            raise MentionFileError(f"{name} is closed; name a file, or pipe one in")
        raw = cast(io.BufferedReader, sys.stdin.buffer)
    else:
        try:
            raw = io.BufferedReader(io.FileIO(path), _BLOCK)
        except FileNotFoundError:
            raise MentionFileError(f"{name}: there is no such file") from None
        except IsADirectoryError:
            raise MentionFileError(f"{name}: is a directory; name the files in it") from None
        except OSError as error:
            raise MentionFileError(f"{name}: cannot be read: {error.strerror}") from None
    if raw.peek(2)[:2] == _GZIP:
        if str(path) == STDIN:
            # Not igzip, which gives out nothing until half a megabyte has come.
            unpacked = gzip.GzipFile(fileobj=cast(BinaryIO, raw))
        else:
            raw.close()
            unpacked = igzip.IGzipFile(path)  # type: ignore[no-untyped-call]
        # A small buffer, since what it holds is lost when the data breaks off.
        return io.BufferedReader(cast(io.RawIOBase, unpacked), 1 << 16)
    return raw


def refuse_what_is_no_text(head: bytes, name: str) -> None:
    """Raise `MentionFileError` for a file of lines that, by its beginning, is no text in UTF-8.

    Unlike a file of mentions, one of texts may begin with any letters. UTF-16 without a byte order mark shows in its
    zeros; one line of a feed may have one by mistake, so that only the first line is looked at.
    """
    for magic, what, remedy in _FOREIGN:
        if head.startswith(magic) and not (magic.isascii() and magic.decode().isprintable()):
            raise MentionFileError(f"{name}: this is {what}, not text in UTF-8; {remedy}")
    if b"\0" in head.lstrip(b"\r\n").partition(b"\n")[0]:
        raise MentionFileError(
            f"{name}: there are NUL bytes in the first line, so this is no text in UTF-8; if it is UTF-16, convert it: "
            "iconv -f UTF-16LE -t UTF-8"
        )


def damaged(name: str, line: int, error: Exception) -> MentionFileError:
    """What to raise for one of `DAMAGED`; `line` is the last that could be read, 0 if there is none."""
    where = f"breaks off after line {line}" if line else "is damaged from the start"
    return MentionFileError(f"{name}: the gzip data {where}: {error}; fetch or pack the file again (gzip -t tests it)")


def _head(stream: io.BufferedReader, name: str) -> bytes:
    """Return some of the beginning of the file, which stays to be read; a byte order mark is read away."""
    try:
        head = stream.peek(4)
        if head.startswith(_BOM):
            stream.read(len(_BOM))
            head = stream.peek(1)
    except DAMAGED as error:
        raise damaged(name, 0, error) from None
    for magic, what, remedy in _FOREIGN:
        if head.lstrip().startswith(magic):
            raise MentionFileError(f"{name}: this is {what}, not JSON lines or CSV; {remedy}")
    if not head:
        raise MentionFileError(f"{name}: the file is empty")
    return head


def _looks_like_json_lines(head: bytes, name: str) -> bool:
    if head.lstrip().startswith(b"{"):
        return True
    suffixes = {suffix.lower() for suffix in Path(name).suffixes}
    if suffixes & {".jsonl", ".ndjson", ".json"}:
        return True
    # Its first line may be a bad one.
    return not suffixes & {".csv", ".tsv"} and b"\n{" in head


def _with_name(pieces: Iterator[Piece], stream: io.BufferedReader, name: str) -> Iterator[Piece]:
    line = 0
    try:
        for piece in pieces:
            if piece[0]:
                line = piece[0][-1]
                yield piece
    except DAMAGED as error:
        raise damaged(name, line, error) from None
    finally:
        if name != "standard input":
            stream.close()


def _blocks(stream: io.BufferedReader, longest: int) -> Iterator[tuple[bytes, bool]]:
    """Whole lines, many at once, without what ends the last; one that is longer than allowed comes alone, cut: True."""
    rest, told = b"", False
    # What there is, for standard input may be slow; and little, since what was read is lost when gzip data break off.
    while piece := stream.read1(_PIECE):
        lines, end, rest = (rest + piece).rpartition(b"\n")
        if told and end:  # the end of a line that was cut
            _, end, lines = lines.partition(b"\n")
            told = False
        if end and len(lines) <= longest + 1:
            yield lines, False
        elif end:
            for line in lines.split(b"\n"):
                cut = len(line) > longest + 1
                yield line[: longest + 2], cut
        if len(rest) > longest + 1:
            if not told:
                yield rest[: longest + 2], True
            told, rest = True, b""
    if rest and not told:
        yield rest, False


def _lines(stream: io.BufferedReader, longest: int) -> Iterator[tuple[int, bytes, bool]]:
    """Number the lines, without what ends them, and say whether a line was longer than allowed and is cut."""
    number = 0
    for lines, cut in _blocks(stream, longest):
        for line in lines.split(b"\n"):
            number += 1
            yield number, line if cut else line.rstrip(b"\r"), cut


def _now_us() -> int:
    return time.time_ns() // 1000


def _json_lines(stream: io.BufferedReader, limits: Limits, now_us: int | None) -> Iterator[Piece]:
    number = 0
    # Asking for the time at each line would take longer than reading it.
    now = _now_us() if now_us is None else now_us
    read_all = lines_reader(limits, now_us=now)
    for lines, cut in _blocks(stream, limits.record_bytes):
        first = number + 1
        if cut:
            number += 1
            yield (number,), (_too_large(limits, lines),)
        elif (mentions := read_all(lines)) is not None:
            number += len(mentions)
            yield range(first, number + 1), mentions
        else:
            number += lines.count(b"\n") + 1
            if now_us is None:
                now = _now_us()
                read_all = lines_reader(limits, now_us=now)
            yield _each(lines, first, mention_reader(limits, now_us=now))


def _each(lines: bytes, first: int, read: Callable[[bytes], Mention]) -> Piece:
    """Read lines one by one, since one of them is bad or unusual."""
    numbers: list[int] = []
    contents: list[Mention | BadLineError] = []
    for number, ended in enumerate(lines.split(b"\n"), first):
        line = ended.rstrip(b"\r")
        if not line or line.isspace():
            continue
        numbers.append(number)
        try:
            contents.append(read(line))
        except RejectedError as error:
            contents.append(BadLineError(error.reason, str(error), line))
    return numbers, contents


def _too_large(limits: Limits, raw: bytes) -> BadLineError:
    return BadLineError("too_large", f"the line has more than {limits.record_bytes} bytes", raw)


def _csv_rows(
    stream: io.BufferedReader, limits: Limits, now_us: int | None, name: str
) -> Iterator[tuple[int, Mention | BadLineError]]:
    csv.field_size_limit(max(csv.field_size_limit(), limits.record_bytes))
    lines = _PushBack(_lines(stream, limits.record_bytes))
    header, delimiter = _header(lines, name)
    while (numbered := lines.next()) is not None:
        number, line, cut = numbered
        if not line.strip():
            continue
        if cut:
            yield number, _too_large(limits, line)
            continue
        try:
            row, raw = _row(lines, line, delimiter, limits)
            value = _as_json(row, header, raw)
            yield number, decode_mention(value, limits, now_us=_now_us() if now_us is None else now_us)
        except BadLineError as error:
            yield number, error
        except RejectedError as error:
            yield number, BadLineError(error.reason, str(error), raw)


class _PushBack:
    """Numbered lines of which some can be given back."""

    def __init__(self, lines: Iterator[tuple[int, bytes, bool]]) -> None:
        self._lines = lines
        self._again: deque[tuple[int, bytes, bool]] = deque()

    def next(self) -> tuple[int, bytes, bool] | None:
        """Return the next line, or None at the end."""
        return self._again.popleft() if self._again else next(self._lines, None)

    def give_back(self, lines: list[tuple[int, bytes, bool]]) -> None:
        """Have these lines, in this order, come next."""
        self._again.extendleft(reversed(lines))


def _header(lines: _PushBack, name: str) -> tuple[list[str], str]:
    """Read the header and find out the delimiter: the one that yields the required columns."""
    line = b""
    while (numbered := lines.next()) is not None:
        line = numbered[1]
        if line.strip():
            break
    else:
        raise MentionFileError(f"{name}: the file is empty")
    text = line.decode(errors="replace")
    best: list[str] = []
    for delimiter in ",;\t|":
        try:
            columns = [column.strip().lower() for column in next(csv.reader([text], delimiter=delimiter))]
        except csv.Error:
            continue
        if all(column in columns for column in _REQUIRED):
            twice = sorted({column for column in columns if column and columns.count(column) > 1})
            if twice:
                raise MentionFileError(f"{name}: the header names {', '.join(twice)} twice")
            return columns, delimiter
        if len(_COLUMNS.intersection(columns)) > len(_COLUMNS.intersection(best)):
            best = columns
    if best:
        missing = ", ".join(column for column in _REQUIRED if column not in best)
        raise MentionFileError(f"{name}: the CSV header lacks {missing}; id, created_at and text are required")
    shown = text[:60] + ("…" if len(text) > 60 else "")
    raise UnknownFormatError(
        f"{name}: neither JSON lines nor CSV with a header: the first line is {shown!r}; "
        "JSON lines begin with {, a CSV header names at least id, created_at and text"
    )


def _row(lines: _PushBack, first: bytes, delimiter: str, limits: Limits) -> tuple[list[str], bytes]:
    """Parse the row that begins with this line, and with the following ones if a quote is open at its end."""
    taken: list[tuple[int, bytes, bool]] = []
    raw = first
    while True:
        try:
            return next(csv.reader(io.StringIO(raw.decode(), newline=""), delimiter=delimiter, strict=True)), raw
        except UnicodeDecodeError as error:
            if not taken:
                message = f"not UTF-8: {error.reason} at byte {error.start}"
                raise BadLineError("not_utf8", message, first) from None
            following = None
        except csv.Error as error:
            if "unexpected end" not in str(error):
                lines.give_back(taken)
                raise BadLineError("not_json", f"not a CSV row: {error}", first) from None
            following = lines.next() if len(taken) < _ROW_LINES else None
        if following is None or following[2] or len(raw) + len(following[1]) > limits.record_bytes:
            lines.give_back(taken if following is None else [*taken, following])
            raise BadLineError("not_json", "not a CSV row: a quote is opened and never closed", first)
        taken.append(following)
        raw = raw + b"\n" + following[1]


def _as_json(row: list[str], header: list[str], raw: bytes) -> bytes:
    """Return the row as a JSON mention, so that a mention is checked in one way whatever file it comes from."""
    if len(row) > len(header):
        raise BadLineError("not_json", f"the row has {len(row)} fields, the header {len(header)}", raw)
    fields: dict[str, str | float] = {}
    for column, field in zip(header, row, strict=False):
        if not field or column not in _COLUMNS:
            continue
        fields[column] = _number(field) if column in _NUMBERS else field
    return msgspec.json.encode(fields)


def _number(field: str) -> str | float:
    try:
        number = float(field)
    except ValueError:
        return field  # the decoder says what is wrong with it
    return number if math.isfinite(number) else field

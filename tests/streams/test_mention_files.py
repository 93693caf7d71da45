"""Files of mentions: what can be read is read, what cannot is named with its line."""

from __future__ import annotations

import csv
import gzip
import io
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams import mention_files
from streams.mention_files import BadLineError, MentionFileError, content_of, count_lines, read_mentions
from streams.records import Limits, Mention, RejectedError, decode_mention, encode, rfc3339

NOW_US = 1_800_000_000_000_000
_GOOD = b'{"id":"1","created_at":"2026-03-02T10:00:00Z","text":"hi","reach":12}'


def _file(tmp_path: Path, content: bytes, name: str = "mentions") -> Path:
    path = tmp_path / name
    path.write_bytes(content)
    return path


def _read(path: Path, limits: Limits | None = None) -> list[tuple[int, Mention | str]]:
    entries = read_mentions(path, limits, now_us=NOW_US)
    return [(line, entry if isinstance(entry, Mention) else entry.reason) for line, entry in entries]


_HI = Mention(id="1", created_at=datetime(2026, 3, 2, 10, tzinfo=UTC), text="hi", reach=12)


@pytest.mark.parametrize("name", ["mentions", "m.jsonl", "m.jsonl.gz", "m.csv"])
@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n"])
@pytest.mark.parametrize("packed", [False, True])
def test_json_lines_are_known_by_their_content(tmp_path: Path, name: str, bom: bytes, end: bytes, packed: bool) -> None:
    content = bom + b"\n  \n" + _GOOD + end
    assert _read(_file(tmp_path, gzip.compress(content) if packed else content, name)) == [(3, _HI)]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("packed", [False, True])
def test_csv_is_known_by_its_header(tmp_path: Path, delimiter: str, packed: bool) -> None:
    rows = ["id,created_at,Text,reach,author,more", "1,2026-03-02T10:00:00Z,hi,12,,x", "", "2,2026-03-02T10:00:00Z"]
    content = "\r\n".join(rows).replace(",", delimiter).encode()
    path = _file(tmp_path, gzip.compress(content) if packed else content)
    assert _read(path) == [(2, _HI), (4, "missing_field")]


def test_one_bad_line_costs_one_line(tmp_path: Path) -> None:
    bad = [
        (b"{", "not_json"),
        (b'{"id":"1"}', "missing_field"),
        (b"\xff\xfe", "not_utf8"),
        (_GOOD.replace(b"12", b'"many"'), "wrong_type"),
        (_GOOD.replace(b"2026", b"1926"), "absurd_date"),
        (_GOOD.replace(b"2026", b"2126"), "absurd_date"),
        (_GOOD.replace(b"T10:00:00Z", b""), "absurd_date"),
        (_GOOD.replace(b"hi", b" "), "empty"),
        (_GOOD.replace(b"hi", b"h" * 50), "text_too_long"),
        (b"x" * 3000, "too_large"),
        (b"y" * 3_000_000, "too_large"),
        (b"\x00", "not_json"),
    ]
    lines = [line for raw, _ in bad for line in (raw, _GOOD)]
    path = _file(tmp_path, b"\n".join(lines), "m.jsonl")
    limits = Limits(text_chars=40, record_bytes=2000)
    assert _read(path, limits) == [
        entry for i, (_, reason) in enumerate(bad) for entry in ((2 * i + 1, reason), (2 * i + 2, _HI))
    ]
    raws = [entry.raw for _, entry in read_mentions(path, limits, now_us=NOW_US) if isinstance(entry, BadLineError)]
    assert [raw[:2000] for raw in raws] == [raw[:2000] for raw, _ in bad]


def test_a_bad_first_line_does_not_hide_the_format(tmp_path: Path) -> None:
    assert _read(_file(tmp_path, b"oops\n" + _GOOD)) == [(1, "not_json"), (2, _HI)]


def test_bad_csv_rows(tmp_path: Path) -> None:
    rows = [
        b"id,created_at,text,reach",
        b'1,2026-03-02T10:00:00Z,"hi",12',
        b"1,2026-03-02T10:00:00Z,hi,12,extra",
        b'1,2026-03-02T10:00:00Z,"never closed,12',
        b"1,2026-03-02T10:00:00Z,hi,12",
        b"1,2026-03-02T10:00:00Z,\xff,12",
        b"1,2026-03-02T10:00:00Z,hi,lots",
        b"1,2026-03-02T10:00:00Z,hi,nan",
        b'1,2026-03-02T10:00:00Z,"two\nlines",12',
        b'1,2026-03-02T10:00:00Z,a 5" screen,12',
    ]
    entries = _read(_file(tmp_path, b"\n".join(rows), "m.csv"))
    assert [(line, entry if isinstance(entry, str) else entry.text) for line, entry in entries] == [
        (2, "hi"),
        (3, "not_json"),
        (4, "not_json"),
        (5, "hi"),
        (6, "not_utf8"),
        (7, "wrong_type"),
        (8, "wrong_type"),
        (9, "two\nlines"),
        (11, 'a 5" screen'),
    ]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "empty"),
        (gzip.compress(b""), "empty"),
        (b"PK\x03\x04rest", "zip"),
        (b"\xff\xfei\x00d\x00", "UTF-16"),
        (b'[{"id": 1}]', "jq -c"),
        (b"hello world\nagain\n", "neither JSON lines nor CSV"),
        (b"id,text\n1,hi\n", "lacks created_at"),
        (b"id,created_at,text,text\n", "text twice"),
        (b"\x1f\x8bnonsense", "gzip"),
        (b"\x1f\x8b\x08\x08" + bytes(6) + b"n" * 700_000, "gzip"),
    ],
)
def test_a_file_that_is_none_says_why(tmp_path: Path, content: bytes, says: str) -> None:
    path = _file(tmp_path, content)
    with pytest.raises(MentionFileError, match=says) as caught:
        list(read_mentions(path))
    assert str(caught.value).startswith(str(path))


def test_missing_files_and_directories_are_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(MentionFileError, match="no such file"):
        read_mentions(tmp_path / "none")
    with pytest.raises(MentionFileError, match="directory"):
        read_mentions(tmp_path)


def test_a_gzip_file_that_breaks_off_says_after_which_line(tmp_path: Path) -> None:
    packed = gzip.compress(b"\n".join(encode(_mention(i)) for i in range(5_000)))
    entries = read_mentions(_file(tmp_path, packed[: len(packed) // 2]), now_us=NOW_US)
    with pytest.raises(MentionFileError, match=r"breaks off after line \d+"):
        for _ in entries:
            pass


@pytest.mark.parametrize("where", ["contents", "checksum", "behind the end"])
def test_what_can_be_read_of_a_damaged_gzip_file_is_read(tmp_path: Path, where: str) -> None:
    packed = bytearray(gzip.compress(b"\n".join(encode(_mention(i)) for i in range(5_000))))
    if where == "behind the end":
        packed += b"junk"
    else:
        packed[-6 if where == "checksum" else len(packed) // 2] ^= 0xFF
    path = _file(tmp_path, bytes(packed))
    read: list[object] = []
    with pytest.raises(MentionFileError, match=r"breaks off after line \d+: .*fetch or pack the file again"):
        read.extend(read_mentions(path, now_us=NOW_US))
    assert len(read) > (1_000 if where == "contents" else 4_900)
    assert count_lines(path) is None


def test_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(io.BytesIO(gzip.compress(_GOOD)))))
    assert [entry for _, entry in read_mentions("-", now_us=NOW_US)] == [_HI]


@pytest.mark.parametrize(("content", "lines"), [(b"", 0), (b"a", 1), (b"a\n", 1), (b"a\nb", 2), (b"\n\n", 2)])
def test_lines_are_counted(tmp_path: Path, content: bytes, lines: int) -> None:
    assert count_lines(_file(tmp_path, content)) == lines
    assert count_lines(_file(tmp_path, gzip.compress(content))) == lines
    assert count_lines("-") is None
    assert count_lines(tmp_path / "none") is None


def _mention(i: int, text: str = "hello") -> Mention:
    return Mention(id=f"id{i}", created_at=datetime(2026, 3, 2, tzinfo=UTC) + timedelta(seconds=i), text=text)


_TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r"), min_size=1).filter(
    lambda text: not text.isspace()
)


@given(texts=st.lists(_TEXTS, min_size=1, max_size=8))
def test_what_is_written_is_read_again_from_both_formats(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str]
) -> None:
    mentions = [_mention(i, text) for i, text in enumerate(texts)]
    tmp_path = tmp_path_factory.mktemp("files")
    lines = _file(tmp_path, b"".join(encode(mention) + b"\n" for mention in mentions))
    assert [entry for _, entry in _read(lines)] == mentions
    sheet = io.StringIO(newline="")
    writer = csv.writer(sheet)
    writer.writerow(["id", "created_at", "text"])
    writer.writerows([mention.id, rfc3339(mention.created_at), mention.text] for mention in mentions)
    assert [entry for _, entry in _read(_file(tmp_path, sheet.getvalue().encode()))] == mentions


_FRAGMENTS = [
    _GOOD,
    _GOOD + b"\n" + _GOOD,
    _GOOD.replace(b"hi", "hí 😂".encode()),
    _GOOD.replace(b"hi", b" "),
    _GOOD.replace(b"hi", b"}\n{"),
    _GOOD.replace(b"hi", b"h" * 40),
    _GOOD.replace(b"2026", b"2126"),
    _GOOD.replace(b",", b",\n"),
    _GOOD[:-1] + b',"more":{}',
    _GOOD[:-1] + b',"more":"\xff"}',
    b'{"id":"1"}',
    *(b"\n", b"\n\n", b"\r\n", b"\r", b" ", b"\f", b",", b"{", b"}", b"\xff", b"x" * 400),
]


@given(
    fragments=st.lists(st.sampled_from(_FRAGMENTS), max_size=12),
    between=st.sampled_from([b"", b"\n", b"\r\n"]),
    piece=st.sampled_from([1, 100, 1 << 16]),
    limits=st.sampled_from([Limits(), Limits(record_bytes=100, text_chars=30)]),
)
def test_many_lines_at_once_are_read_as_each_alone(
    tmp_path_factory: pytest.TempPathFactory, fragments: list[bytes], between: bytes, piece: int, limits: Limits
) -> None:
    content = between.join([_GOOD, *fragments])
    expected: list[tuple[int, Mention | tuple[str, str, bytes]]] = []
    for number, whole in enumerate(content.split(b"\n"), 1):
        longer = len(whole) > limits.record_bytes + 1
        line = whole[: limits.record_bytes + 2] if longer else whole.rstrip(b"\r")
        try:
            if line.strip():
                expected.append((number, decode_mention(line, limits, now_us=NOW_US)))
        except RejectedError as error:
            message = f"the line has more than {limits.record_bytes} bytes" if longer else str(error)
            expected.append((number, (error.reason, message, line)))
    file = _file(tmp_path_factory.mktemp("files"), content, "m.jsonl")
    with patch.object(mention_files, "_PIECE", piece):
        read = list(read_mentions(file, limits, now_us=NOW_US))
    assert expected == [
        (number, one if isinstance(one, Mention) else (one.reason, str(one), one.raw)) for number, one in read
    ]


def test_a_blank_line_counts_wherever_a_piece_ends(tmp_path: Path) -> None:
    content = _GOOD + b"\n\n" + _GOOD + b"\n \n\n" + _GOOD
    for piece in range(1, len(content) + 1):
        with patch.object(mention_files, "_PIECE", piece):
            assert _read(_file(tmp_path, content)) == [(1, _HI), (3, _HI), (6, _HI)]


@pytest.mark.parametrize("piece", [7, 1 << 16])
def test_a_small_file_is_kept_if_it_is_whole(tmp_path: Path, piece: int) -> None:
    content = b"\n".join([_GOOD] * 50)
    packed = gzip.compress(content)
    with patch.object(mention_files, "_PIECE", piece):
        for whole in (content, packed):
            assert content_of(_file(tmp_path, whole)) == content
        for other in (packed[:-1], packed + packed, packed[:20] + b"x" + packed[21:]):
            assert content_of(_file(tmp_path, other)) is None
        with patch.object(mention_files, "SMALL", len(content)):
            assert content_of(_file(tmp_path, packed)) is None
    assert content_of("-") is None
    assert content_of(tmp_path / "none") is None

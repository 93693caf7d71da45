"""`tocsin classify`: an answer for each line, in order, as soon as it can be had."""

from __future__ import annotations

import gzip
import io
import json
import os
import random
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.typing import NDArray
from typer.testing import CliRunner

from streams import cli
from streams.commands.classify import classify, holds_mentions


def _predict(texts: Sequence[str]) -> NDArray[np.float32]:
    rows = [[0.7, 0.2, 0.1] if "bad" in text else [0.1, 0.3, 0.6] for text in texts]
    return np.array(rows, np.float32).reshape(-1, 3)


def _run(monkeypatch: pytest.MonkeyPatch, file: Path) -> tuple[int, list[str], str]:
    """Exit code, texts answered and standard error of the command, with a model that costs no time."""
    model = SimpleNamespace(predict=_predict, knows=lambda _: True)
    monkeypatch.setattr("streams.tone_model.load_tone_model", lambda *_, **__: model)
    result = CliRunner().invoke(cli.app, ["classify", str(file)])
    return result.exit_code, [json.loads(line)["text"] for line in result.stdout.splitlines()], result.stderr


def test_classify_answers_each_line_in_order(tmp_path: Path) -> None:
    out = io.BytesIO()
    stream = tmp_path / "texts"
    stream.write_bytes("\ufeffbad day\r\n\n  \nnice é\nbad".encode() + b"\xff")
    with stream.open("rb") as texts:
        classify(texts, out, _predict, batch=2)
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [line["label"] for line in lines] == ["negative", "positive", "negative"]
    assert lines[0]["tone"] == {"negative": 0.7, "neutral": 0.2, "positive": 0.1}
    assert [line["text"] for line in lines] == ["bad day", "nice é", "bad\ufffd"]


def test_classify_says_which_tones_are_guesses(tmp_path: Path) -> None:
    out = io.BytesIO()
    stream = tmp_path / "texts"
    stream.write_text("bad\nסתם\n", encoding="utf-8")
    with stream.open("rb") as texts:
        classify(texts, out, _predict, 10, str.isascii)
    known, guessed = (json.loads(line) for line in out.getvalue().splitlines())
    assert "tone_reliable" not in known
    assert guessed["tone_reliable"] is False


@pytest.mark.parametrize(
    ("content", "found"),
    [('{"id": "1", "text": "bad"}\n', True), ("bad\n", False), ("{}\n", False), ("", False), ("7", False)],
)
def test_classify_tells_mentions_from_texts_and_takes_nothing(tmp_path: Path, content: str, found: bool) -> None:
    stream = tmp_path / "texts"
    stream.write_text(content)
    with stream.open("rb") as texts:
        assert holds_mentions(texts) is found
        assert texts.read().decode() == content


def test_classify_batches_are_bounded(tmp_path: Path) -> None:
    sizes: list[int] = []

    def predict(texts: Sequence[str]) -> NDArray[np.float32]:
        sizes.append(len(texts))
        return _predict(texts)

    stream = tmp_path / "texts"
    stream.write_bytes(b"".join(b"text %d\n" % i for i in range(1000)))
    out = io.BytesIO()
    with stream.open("rb") as texts:
        classify(texts, out, predict, batch=64)
    assert max(sizes) == 64
    assert [json.loads(line)["text"] for line in out.getvalue().splitlines()] == [f"text {i}" for i in range(1000)]


def test_classify_does_not_wait_for_a_slow_writer_to_end() -> None:
    reading, writing = os.pipe()
    out = io.BytesIO()
    answered: list[int] = []

    def predict(texts: Sequence[str]) -> NDArray[np.float32]:
        answered.append(len(texts))
        if len(answered) == 1:
            os.write(writing, b"second\n")  # only now: the first was answered before this came
        else:
            os.close(writing)
        return _predict(texts)

    os.write(writing, b"first\n")
    with open(reading, "rb") as stream:  # noqa: PTH123 - a descriptor, not a path
        classify(stream, out, predict, batch=100)
    assert answered == [1, 1]


def test_damaged_gzip_is_told_with_file_line_and_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chance = random.Random(1)
    lines = [f"{number} {chance.random()}" for number in range(20_000)]
    packed = gzip.compress("\n".join(lines).encode())
    file = tmp_path / "texts.gz"
    for content in (packed[: len(packed) // 2], packed[:-8] + bytes(8)):
        file.write_bytes(content)
        code, answered, err = _run(monkeypatch, file)
        assert code == 2
        assert answered == lines[: len(answered)]
        assert len(answered) > 1000
        assert f"{file}: the gzip data breaks off after line {len(answered)}: " in err
        assert "fetch or pack the file again" in err
    for content in (packed[:12], packed[:10] + b"\xff" * 20):  # cut, and no deflate data
        file.write_bytes(content)
        code, answered, err = _run(monkeypatch, file)
        assert (code, answered) == (2, [])
        assert f"{file}: the gzip data is damaged from the start: " in err


def test_answers_are_not_written_to_the_file_that_is_read(tmp_path: Path) -> None:
    file = tmp_path / "texts"
    file.write_text("bad\n")
    with file.open("ab") as end:
        result = subprocess.run(
            [sys.executable, "-m", "streams.cli", "classify", file], check=False, stdout=end, stderr=subprocess.PIPE
        )
    assert result.returncode == 2
    assert f"{file} is also where the answers go".encode() in result.stderr
    assert file.read_text() == "bad\n"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("bad day\n".encode("utf-16"), "this is UTF-16, not text in UTF-8; convert it: iconv -f UTF-16 -t UTF-8"),
        (b"\xfe\xff" + "плохо\n".encode("utf-16-be"), "this is UTF-16"),
        ("\nbad day\n".encode("utf-16-le"), "iconv -f UTF-16LE -t UTF-8"),
        ("плохо, плохо\n".encode("utf-16-be"), "NUL bytes in the first line"),
        (b"PK\x03\x04rest", "this is a zip archive or spreadsheet, not text in UTF-8; unpack it"),
        (b"\xfd7zXZ\0rest", "this is compressed with xz"),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_what_is_no_text_is_refused_with_advice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, says: str, packed: bool
) -> None:
    file = tmp_path / "texts"
    file.write_bytes(gzip.compress(content) if packed else content)
    code, answered, err = _run(monkeypatch, file)
    assert (code, answered) == (2, [])
    assert f"{file}: " in err
    assert says in err


def test_texts_may_begin_with_any_letters_and_hold_a_zero_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "texts"
    for text in ("BZh is bad", "PAR1", "[sigh] bad", "PK is nice"):
        file.write_bytes(text.encode() + b"\none \0 zero\n")
        assert _run(monkeypatch, file)[:2] == (0, [text, "one \0 zero"])
    file.write_bytes(b"")
    assert _run(monkeypatch, file) == (0, [], "")


@pytest.mark.parametrize(
    ("closed", "says"), [("<&-", "standard input is closed"), (">&-", "standard output is closed")]
)
def test_a_closed_input_or_output_costs_one_message(closed: str, says: str) -> None:
    command = [f'echo bad | "{sys.executable}" -m streams.cli classify {closed}']
    result = subprocess.run(command, shell=True, check=False, capture_output=True, text=True)
    assert result.returncode == 2
    assert result.stderr.startswith(f"tocsin: {says}")
    assert len(result.stderr.splitlines()) == 1

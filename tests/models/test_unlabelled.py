"""Texts without labels: read, thinned out, crossed."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.errors import ModelError
from models.tokeniser import MAX_TOKENS
from models.unlabelled import crossed, distinct, draw, read_unlabelled

FIRST, LAST = 101, 102


def test_mentions_and_lines_are_read(tmp_path: Path) -> None:
    texts = ["one\u2028line", "an æther\nin two lines"]
    packed = tmp_path / "mentions.jsonl.gz"
    packed.write_bytes(gzip.compress("\n".join(json.dumps({"id": "1", "text": text}) for text in texts).encode()))
    assert read_unlabelled(packed) == texts
    plain = tmp_path / "texts.txt"
    plain.write_text("one\u2028line\r\n\nanother\n", encoding="utf-8", newline="")
    assert read_unlabelled(plain) == ["one\u2028line", "another"]


@pytest.mark.parametrize("line", ['{"id": "1"}', '["text"]', '{"text": 5}', "text"])
def test_line_without_text_is_named(line: str, tmp_path: Path) -> None:
    file = tmp_path / "mentions.jsonl"
    file.write_text('{"text": "fine"}\n' + line, encoding="utf-8")
    with pytest.raises(ModelError, match=r"mentions\.jsonl, line 2: expected an object with a text"):
        read_unlabelled(file)


def test_a_file_in_another_encoding_is_named(tmp_path: Path) -> None:
    file = tmp_path / "texts.txt"
    file.write_bytes("naïve".encode("latin-1"))
    with pytest.raises(ModelError, match=r"texts\.txt: not UTF-8"):
        read_unlabelled(file)


def test_reposts_and_scraps_are_left_out() -> None:
    texts = [
        "They lost my bags again! http://a.b/1",
        "@you They lost my BAGS again http://a.b/2",
        "ok",
        "Thanks a whole lot",
    ]
    assert distinct(texts) == [texts[0], texts[3]]


def test_draw_repeats_with_the_seed() -> None:
    texts = [f"text {index}" for index in range(50)]
    assert draw(texts, 20, seed=1) == draw(texts, 20, seed=1)
    assert draw(texts, 20, seed=1) != draw(texts, 20, seed=2)
    assert sorted(draw(texts, 99, seed=1)) == sorted(texts)


@given(st.lists(st.lists(st.integers(1000, 2000), max_size=MAX_TOKENS - 2), min_size=1, max_size=8), st.integers(0, 99))
def test_crossed_text_begins_as_one_and_ends_as_another(words: list[list[int]], seed: int) -> None:
    texts = [[FIRST, *row, LAST] for row in words]
    made = crossed(texts, 10, seed)
    assert made == crossed(texts, 10, seed)
    assert len(made) == 10
    for text in made:
        assert (text[0], text[-1]) == (FIRST, LAST)
        assert len(text) <= MAX_TOKENS
        inner = text[1:-1]
        assert any(
            inner[:cut] == first[:cut]
            and (inner[cut:] == (second[len(second) - len(inner) + cut :]) or len(text) == MAX_TOKENS)
            for first in words
            for second in words
            for cut in range(len(inner) + 1)
        )

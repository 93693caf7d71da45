"""A table of words fills itself, and stays small."""

from __future__ import annotations

from detectors.word_table import WordTable


def test_it_is_the_function_and_asks_it_once() -> None:
    asked = []

    def length(word: str) -> int:
        asked.append(word)
        return len(word)

    table = WordTable(length, 3)
    words = ["one", "three", "one", "eleven", "one"]
    assert list(map(table.__getitem__, words)) == [3, 5, 3, 6, 3]
    assert asked == ["one", "three", "eleven"]


def test_it_begins_anew_when_it_is_full() -> None:
    table = WordTable(len, 3)
    for i in range(100):
        assert table["x" * i] == i
        assert len(table) <= 3

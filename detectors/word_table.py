"""What words stand for, kept once computed."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

Value = TypeVar("Value")


class WordTable(dict[str, Value]):
    """A function of words as a table that fills itself and, once full, begins anew.

    Words are looked up by the dozen for each mention, at half the cost of `functools.lru_cache`.
    """

    def __init__(self, of: Callable[[str], Value], most: int) -> None:
        super().__init__()
        self._of = of
        self._most = most

    def __missing__(self, word: str) -> Value:
        if len(self) >= self._most:
            self.clear()
        value = self[word] = self._of(word)
        return value

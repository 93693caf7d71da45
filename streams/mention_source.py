"""Files of mentions that a command reads more than once: to count them, to look for brands, to take them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from streams.entries import Entry, merged
from streams.mention_files import SMALL, STDIN, content_of, count_lines, lines_in
from streams.records import Limits, Mention


class MentionSource:
    """Standard input is kept in memory to be read again, and so are small files and what is to be sorted."""

    def __init__(self, files: Sequence[str], limits: Limits, sort: bool) -> None:
        self._files, self._limits, self._sort = files, limits, sort
        self.once_only = STDIN in files
        self._kept: list[Entry] | None = None
        self._contents: dict[str, bytes] = {}

    def entries(self) -> Iterable[Entry]:
        """All entries, from the start."""
        if self._kept is None and self._sort:
            self._kept = sorted(merged(self._files, self._limits, self._contents), key=_moment)
        if self._kept is not None:
            return self._kept
        return merged(self._files, self._limits, self._contents)

    def count(self) -> int | None:
        """How many lines there are, blank ones included; None where nobody knows."""
        if self.once_only:
            return sum(1 for _ in self.again())
        lines = [self._lines(file) for file in self._files]
        return None if None in lines else sum(line for line in lines if line is not None)

    def _lines(self, file: str) -> int | None:
        content = content_of(file)
        if content is None or sum(map(len, self._contents.values())) + len(content) > SMALL:
            return count_lines(file)
        # It is read again, and need not be unpacked again.
        self._contents[file] = content
        return lines_in(content)

    def again(self) -> Iterable[Entry]:
        """All entries, for a reader that is not the last."""
        small = len(self._contents) == len(self._files)
        if (self.once_only or small) and self._kept is None and not self._sort:
            self._kept = list(merged(self._files, self._limits, self._contents))
        return self.entries()


def _moment(entry: Entry) -> datetime:
    return entry.content.created_at if isinstance(entry.content, Mention) else datetime.min.replace(tzinfo=UTC)

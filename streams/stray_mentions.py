"""Mentions of a history that are dated years away from all others, as dates that could not be read are: 2000, 2001.

A history is gone through minute by minute, also where nothing is in it, so a single one of them costs minutes of time;
and the months over which pages are counted would be those between, in which nobody was mentioned.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from typing import Final

from streams.entries import Entry
from streams.records import Mention

FAR: Final = timedelta(days=366)
#: So few mentions teach nothing about a brand.
FEW: Final = 10


class StrayMentions:
    """Leaves out up to `FEW` mentions that are more than `FAR` from all others, where there are more of these.

    Parameters
    ----------
    on_hole : callable, optional
        Called before the first mention after so long a time without any, where there are many before it as well.
    """

    def __init__(self, on_hole: Callable[[Entry, timedelta], None] = lambda _entry, _long: None) -> None:
        self._on_hole = on_hole
        #: Those that were left out.
        self.found: list[Entry] = []
        #: The first mention after each time without any that was gone through, and how long that was.
        self.holes: list[tuple[Entry, timedelta]] = []

    def without(self, entries: Iterable[Entry]) -> Iterator[Entry]:
        """The entries that remain, in their order; bad lines all do."""
        few: list[list[Entry]] = []
        held: list[Entry] = []
        count, many = 0, False
        newest: datetime | None = None
        before: datetime | None = None
        last: datetime | None = None
        for entry in entries:
            content = entry.content
            if isinstance(content, Mention):
                at = content.created_at
                if newest is None:
                    newest = at
                elif at > newest:
                    if at - newest > FAR:
                        if count > FEW:
                            last = newest
                        else:
                            few.append(held)
                        held, count, before = [], 0, last
                    newest = at
                count += 1
            if count <= FEW:
                held.append(entry)
                continue
            if held:
                if many and before is not None:
                    first, at = next((e, e.content.created_at) for e in held if isinstance(e.content, Mention))
                    self.holes.append((first, at - before))
                    self._on_hole(first, at - before)
                many = True
                for stretch in few:
                    yield from self._left_out(stretch)
                few = []
                yield from held
                held = []
            yield entry
        if count <= FEW:
            few.append(held)
        for stretch in few:
            yield from self._left_out(stretch) if many else stretch

    def _left_out(self, stretch: Iterable[Entry]) -> Iterator[Entry]:
        for entry in stretch:
            if isinstance(entry.content, Mention):
                self.found.append(entry)
            else:
                yield entry

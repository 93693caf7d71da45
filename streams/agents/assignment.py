"""Which records an agent may still work on, now that partitions may have gone to another worker."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import faust
from faust.types import TP, EventT


def committed_offset(app: faust.App, tp: TP) -> int:
    """Where reading begins after a start: the committed offset, 0 where there is none. Faust tells it to nobody."""
    return cast(Any, app.consumer)._committed_offset.get(tp) or 0


class Assignment:
    """Between the moment partitions are revoked and the moment they are assigned anew, nothing may be taken.

    Faust's generation number alone does not say it: it changes only when the new assignment comes. A record taken in
    between would be taken by an agent that has dropped its memory and has not read again what lies before the record.
    """

    def __init__(self, app: faust.App) -> None:
        self._app = app
        self._epoch = 0
        self._open = False

    def revoked(self) -> None:
        """Partitions are taken away; what is in memory is void."""
        self._epoch += 1
        self._open = False

    def assigned(self) -> None:
        """Partitions are given, and will be read from their committed offsets."""
        self._epoch += 1
        self._open = True

    @property
    def epoch(self) -> int:
        """Compare it before and after an ``await``: if it has changed, drop what was at hand."""
        return self._epoch

    def fresh(self, events: Sequence[EventT[Any]]) -> list[EventT[Any]]:
        """Those of a batch that belong to the present assignment; the others are read again by whoever has them now."""
        if not self._open:
            return []
        generation = self._app.consumer_generation_id
        return [event for event in events if event.message.generation_id == generation]

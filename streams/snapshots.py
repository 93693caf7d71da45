"""Where detect's state survives: a Faust table whose keys say which partition they belong to."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import faust
from faust import streams as faust_streams
from faust.types import EventT, FutureMessage

#: Name of the table; the changelog is ``<app id>-detect-state-changelog``.
TABLE_NAME = "detect-state"


def changelog_topic(app_id: str) -> str:
    """The name of the changelog topic, which has to have as many partitions as the topic of scored mentions."""
    return f"{app_id}-{TABLE_NAME}-changelog"


class SnapshotTable(faust.Table[bytes, bytes]):
    """Key/value records per partition of scored mentions, each confirmed by the broker before `save` returns.

    A key is the partition's number, a slash, and the record's own key: a partition's state is read as a whole after a
    rebalance, and the changelog of each partition holds nothing else.
    """

    def __init__(self, app: faust.App, *, partitions: int, **kwargs: Any) -> None:
        super().__init__(
            app,
            name=TABLE_NAME,
            key_type=bytes,
            value_type=bytes,
            partitions=partitions,
            **kwargs,
        )
        self._unconfirmed: list[FutureMessage] = []

    def partition_for_key(self, key: bytes) -> int:
        """The partition that a key names."""
        return int(key.split(b"/", 1)[0])

    def send_changelog(self, *args: Any, **kwargs: Any) -> FutureMessage:
        """Send a change, and remember to wait for it."""
        sent = super().send_changelog(*args, **kwargs)
        self._unconfirmed.append(sent)
        return sent

    def load(self, partition: int) -> dict[bytes, bytes]:
        """Everything saved for a partition."""
        prefix = b"%d/" % partition
        return {key[len(prefix) :]: value for key, value in self.items() if key.startswith(prefix)}

    async def save(self, partition: int, changes: Mapping[bytes, bytes | None], event: EventT[Any]) -> None:
        """Write changes (None removes a key) in order, and wait until the broker has them.

        Parameters
        ----------
        event : Event
            A record of the partition: the store files a key under the partition of the record at hand.
        """
        with _at_hand(event):
            for key, value in changes.items():
                name = b"%d/%s" % (partition, key)
                if value is not None:
                    self[name] = value
                elif name in self:
                    del self[name]
        unconfirmed, self._unconfirmed = self._unconfirmed, []
        if unconfirmed:
            await asyncio.gather(*unconfirmed)


@contextmanager
def _at_hand(event: EventT[Any]) -> Iterator[None]:
    """Make a record the current one, as it is inside ``async for``; batches of `Stream.noack_take` have none."""
    token = faust_streams._current_event.set(weakref.ref(event))
    try:
        yield
    finally:
        faust_streams._current_event.reset(token)

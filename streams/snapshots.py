"""Where detect's state survives: a Faust table whose keys say which partition they belong to."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, cast

import faust
from faust import streams as faust_streams
from faust.types import TP, EventT

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

    def load(self, partition: int) -> dict[bytes, bytes]:
        """Everything saved for a partition."""
        prefix = b"%d/" % partition
        return {key[len(prefix) :]: value for key, value in self._items(partition) if key.startswith(prefix)}

    def _items(self, partition: int) -> Iterator[tuple[bytes, bytes]]:
        store = cast(Any, self.data)
        if not hasattr(store, "_db_for_partition"):
            yield from self.items()
            return
        # RocksDB has a directory for each partition: with many of them, do not read all for each.
        for key, value in store._visible_items(store._db_for_partition(partition)):
            yield store._decode_key(key), store._decode_value(value)

    async def save(self, partition: int, changes: Mapping[bytes, bytes | None], event: EventT[Any]) -> None:
        """Write changes (None removes a key) in order, and wait until the broker has them.

        The broker first, the local store afterwards, and last how far the store has come: a store ahead of the
        changelog would know what no other worker can be told, one behind its own mark would never catch up.

        Parameters
        ----------
        event : Event
            A record of the partition: the store files a key under the partition of the record at hand.
        """
        named = {b"%d/%s" % (partition, key): value for key, value in changes.items()}
        sent = [
            self.changelog_topic.send_soon(
                key=key,
                value=value,
                partition=partition,
                key_serializer="raw",
                value_serializer="raw",
                eager_partitioning=True,
            )
            for key, value in named.items()
        ]
        confirmed = await asyncio.gather(*sent)
        with _at_hand(event):
            for key, value in named.items():
                if value is not None:
                    self.data[key] = value
                elif key in self.data:
                    del self.data[key]
        if confirmed:
            place = confirmed[-1]
            self.data.set_persisted_offset(TP(place.topic, place.partition), max(one.offset for one in confirmed))


@contextmanager
def _at_hand(event: EventT[Any]) -> Iterator[None]:
    """Make a record the current one, as it is inside ``async for``; batches of `Stream.noack_take` have none."""
    token = faust_streams._current_event.set(weakref.ref(event))
    try:
        yield
    finally:
        faust_streams._current_event.reset(token)

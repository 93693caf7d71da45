"""Faust's consumer, with a hole closed through which records are lost at an assignment (Faust 0.15.3).

When partitions are assigned, Faust resumes those of streams first and seeks them to their committed offsets afterwards,
while its fetcher is running. What is fetched in between is compared with a last offset read that the seek is about to
set: it is dropped as old, or what lies between is taken for a gap in the log and committed unread.

Here the partitions of streams are fetched only once they have been sought in the present generation, no seek runs
beside a fetch, and the last offset read is forgotten before a seek.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from faust.transport.drivers import aiokafka
from faust.types import TP

#: How long to wait before looking again whether the partitions have been sought, seconds.
_PAUSE = 0.02


class SeekingConsumer(aiokafka.Consumer):
    """Fetches the records of streams only from where they were sought to in this generation."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._sought: int | None = None
        self._fetching = asyncio.Lock()

    async def perform_seek(self) -> None:
        """Seek every partition to its committed offset, with no fetch under way."""
        self._sought = None
        async with self._fetching:
            generation = self.app.consumer_generation_id
            for tp in self.assignment():
                self._read_offset[tp] = None
            await super().perform_seek()
            self._sought = generation

    async def _getmany(self, active_partitions: set[TP] | None, timeout: float) -> Mapping[TP, list[Any]]:
        async with self._fetching:
            generation = self.app.consumer_generation_id
            wanted = active_partitions
            if wanted is not None and self._sought != generation:
                wanted = {tp for tp in set(wanted) if self._is_changelog_tp(tp)}
            records: Mapping[TP, list[Any]] = {}
            if wanted is None or wanted:
                records = await super()._getmany(wanted, timeout)
        if not records:
            await asyncio.sleep(_PAUSE)
        # What was fetched while the partitions changed hands is fetched again: they will be sought.
        return records if self.app.consumer_generation_id == generation else {}

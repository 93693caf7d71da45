"""The commands that a worker knows: all of `crisis.commands`, read before anything is decided, and followed from then.

Every worker reads every partition: the topic is small, and which worker has a brand changes. Reading is a thread of
its own, so that the event loop never waits for it.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence

import structlog

from detectors.commands import Command
from streams.crisis_commands import CommandError, usable_command
from streams.records import partition_of
from streams.settings import Settings
from streams.topic_reader import TopicReader, TopicReadError
from streams.topics import BrokerUnreachableError

log = structlog.get_logger()

#: Seconds between two attempts to read after one has failed.
_AGAIN = 5.0


class CommandFollower:
    """Reads commands; `known` only ever grows, so that whoever remembers its length knows what is new."""

    def __init__(self, settings: Settings) -> None:
        #: By brand or portfolio, the name that chooses its partition.
        self._homes = {brand.name: brand.portfolio or brand.name for brand in settings.brands}
        self._portfolios = settings.portfolio_names
        self._homes |= {name: name for name in self._portfolios}
        self._partitions = settings.topics.partitions
        self._reader = TopicReader(settings.topics.commands, settings)
        self._known: list[list[Command]] = [[] for _ in range(self._partitions)]
        self._ids: set[tuple[str, str]] = set()
        self._stop = threading.Event()
        #: Commands read and usable.
        self.taken = 0
        #: Records that are no commands, or for a brand or portfolio that is not configured, or not for portfolios.
        self.refused = 0

    def known(self, partition: int) -> Sequence[Command]:
        """The commands for the brands of a partition of scored mentions, in the order in which they came."""
        return self._known[partition]

    def start(self) -> None:
        """Read all that is there, then go on in a thread. Raises what `TopicReader` raises."""
        with self._reader:
            for record in self._reader.to_end():
                self._take(record.value)
        threading.Thread(target=self._follow, name="commands", daemon=True).start()

    def stop(self) -> None:
        """Let the thread end."""
        self._stop.set()

    def _follow(self) -> None:
        while not self._stop.is_set():
            try:
                with self._reader:
                    while not self._stop.is_set():
                        for record in self._reader.poll():
                            self._take(record.value)
            except (TopicReadError, BrokerUnreachableError) as error:
                log.warning("commands cannot be read; those given meanwhile come late", error=str(error))
                self._stop.wait(_AGAIN)
            except Exception:
                log.exception("reading commands failed; trying again")
                self._stop.wait(_AGAIN)

    def _take(self, value: bytes | None) -> None:
        try:
            command = usable_command(value, self._homes, self._portfolios)
        except CommandError as error:
            self.refused += 1
            log.warning("a command cannot be used", error=str(error))
            return
        if (command.brand, command.id) not in self._ids:
            self._ids.add((command.brand, command.id))
            self.taken += 1
            self._known[partition_of(self._homes[command.brand], self._partitions)].append(command)

"""The demo's replay: the simulated mentions, a few bad records among them, into Kafka while events come out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import takewhile
from threading import Event, Thread

from streams.entries import Entry
from streams.mention_files import BadLineError
from streams.records import Mention, encode
from streams.replay import replay
from streams.settings import Settings


def with_bad_records(mentions: Iterator[Mention]) -> Iterator[Entry]:
    """Put a few records among the mentions that have to be rejected, as in any real feed."""
    bad: dict[int, Callable[[Mention], bytes]] = {
        1_500: lambda _: b'{"id": "cut off", "created_at": "2026-03-0',
        5_000: lambda mention: encode(mention).replace(b'"created_at":"20', b'"created_at":"19'),
        9_000: lambda _: b'{"id": "no text", "created_at": "2026-03-08T12:00:00Z"}',
        12_000: lambda _: '{"id": "Latin-1", "text": "caf\xe9"}'.encode("latin-1"),
        16_000: lambda mention: encode(mention).replace(b'"id":"', b'"id":["').replace(b'","created', b'"],"created'),
    }
    for number, mention in enumerate(mentions, 1):
        yield Entry("simulation", number, mention)
        if number in bad:
            raw = bad[number](mention)
            yield Entry("simulation", number, BadLineError("not_json", "made to be rejected", raw))


class Replaying:
    """The replay, in a thread: the worker is far slower than the producer, and events come meanwhile."""

    def __init__(self, entries: list[Entry], settings: Settings) -> None:
        self.entries = entries
        self._settings = settings
        self._error: Exception | None = None
        self._stop = Event()
        self._thread = Thread(target=self._run, name="replay", daemon=True)

    def __enter__(self) -> Replaying:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End it while its broker is there still: the producer would complain of a broker that is gone."""
        self._stop.set()
        self._thread.join(timeout=5)

    def check(self) -> None:
        """Raise what the replay failed with, if it did."""
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        try:
            replay(takewhile(lambda _: not self._stop.is_set(), self.entries), self._settings, send_bad=True)
        except Exception as error:  # noqa: BLE001 - raised again where the demo looks
            self._error = error

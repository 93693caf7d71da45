"""What tells two runs of the demo apart."""

from __future__ import annotations

from typing import cast

from streams.demo.outcome import Outcome
from streams.watch import ReceivedEvent


def test_fingerprint_tells_events_apart_but_not_their_order() -> None:
    events = [ReceivedEvent(value, {"id": value.decode()}) for value in (b"a", b"b")]
    one, other = Outcome(events=events), Outcome(events=events[::-1])
    assert one.fingerprint == other.fingerprint
    assert Outcome(events=events[:1]).fingerprint != one.fingerprint
    paging = cast("dict[str, object]", {"id": "x", "data": {"pages": True}})
    assert len(Outcome(events=[*events, ReceivedEvent(b"p", paging)]).pages) == 1

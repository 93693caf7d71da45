"""The bad records of the demo are bad, each in its own way, and nothing else is."""

from __future__ import annotations

import pytest

from streams.demo.replaying import with_bad_records
from streams.mention_files import BadLineError
from streams.records import Limits, Mention, RejectedError, decode_mention
from streams.simulation import simulate


def test_the_bad_records_are_rejected_each_for_its_reason() -> None:
    entries = list(with_bad_records(simulate()))
    reasons = []
    for entry in entries:
        if isinstance(entry.content, BadLineError):
            with pytest.raises(RejectedError) as caught:
                decode_mention(entry.content.raw, Limits(), now_us=1_800_000_000_000_000)
            reasons.append(caught.value.reason)
    assert reasons == ["not_json", "absurd_date", "missing_field", "not_utf8", "wrong_type"]
    mentions = [entry.content for entry in entries if isinstance(entry.content, Mention)]
    assert mentions == list(simulate())

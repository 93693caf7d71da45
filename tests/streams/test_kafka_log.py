"""The reason for which no broker could be reached is kept from kafka-python's lines."""

from __future__ import annotations

import logging

import pytest

from streams.kafka_log import quiet

LINE = "Bootstrap connection to b:9092 failed: %s"


@pytest.mark.parametrize("cut_short", ["Timeout during ApiVersions check", "Connection timed out"])
def test_an_attempt_that_our_own_time_out_cut_short_does_not_hide_the_reason(cut_short: str) -> None:
    with quiet() as reasons:
        log = logging.getLogger("kafka.net")
        log.warning(LINE, cut_short)
        assert reasons.last == cut_short, "where nothing else is known"
        log.warning(LINE, "[Error 58] SaslAuthenticationFailedError: Authentication failed")
        log.warning(LINE, cut_short)
    assert reasons.last == "Authentication failed"

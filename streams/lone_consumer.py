"""A consumer that joins no group and commits nothing: any number of people and workers can read beside each other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from streams import topics
from streams.kafka_log import quiet
from streams.settings import Settings

if TYPE_CHECKING:
    from kafka import KafkaConsumer


def lone_consumer(settings: Settings, name: str, *, begin: Literal["earliest", "latest"] = "earliest") -> KafkaConsumer:
    """Connect, with no partition assigned yet.

    Parameters
    ----------
    name : tells whose it is, in the broker's log
    begin : where a partition begins that is not sought in

    Raises
    ------
    KafkaError, OSError, ValueError
        There is no broker, or it does not let us in.
    """
    from kafka import KafkaConsumer

    with quiet():
        return KafkaConsumer(
            **settings.kafka.client(),
            client_id=f"tocsin-{name}",
            group_id=None,
            enable_auto_commit=False,
            allow_auto_create_topics=False,
            auto_offset_reset=begin,
            bootstrap_timeout_ms=topics.CONNECT_MS,
        )

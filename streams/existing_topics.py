"""Whether a topic is there, asked without making it: a client's own look would create it on some brokers."""

from __future__ import annotations

from streams.errors import UserError
from streams.settings import Settings
from streams.topics import admin


class MissingTopicError(UserError):
    """A topic is not there; the message says how to create it."""


def partitions_of_topic(name: str, settings: Settings) -> int:
    """Return how many partitions a topic has.

    Raises
    ------
    MissingTopicError
        There is no such topic.
    BrokerUnreachableError
        No broker answers, or it does not let us in.
    """
    with admin(settings) as client:
        if name not in client.list_topics():
            servers = settings.kafka.bootstrap_servers
            raise MissingTopicError(f"the broker at {servers} has no topic {name!r}; create it: tocsin topics")
        (topic,) = client.describe_topics([name])
        return len(topic["partitions"])

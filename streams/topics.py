"""The topics that Tocsin needs, and the checked step that makes them.

Nothing is left to a broker's automatic creation: a topic with too few partitions would not fail, it would put brands
where nobody reads them. ``ensure`` makes what is missing, refuses to go on where an existing topic has another number
of partitions, and warns of everything else that differs. It may be repeated, also by several workers at once.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient
from kafka.errors import KafkaError, KafkaTimeoutError, TopicAlreadyExistsError, for_code

from streams.errors import UserError
from streams.kafka_log import quiet
from streams.settings import Settings

#: Longest wait for a broker to answer at all, in milliseconds.
CONNECT_MS: Final = 10_000

#: A compacted topic is read whole after a crash. Small segments and an eager cleaner keep that short: the cleaner never
#: touches the newest segment, which may have a gigabyte by default.
COMPACTED: Final[Mapping[str, str]] = {
    "cleanup.policy": "compact",
    "segment.bytes": str(64 * 2**20),
    "min.cleanable.dirty.ratio": "0.2",
}

#: The members of one tick are one record: at the end of an outage that may be a million mentions.
SNAPSHOT_BYTES: Final = 16 * 2**20

#: Settings where more than we ask for is as good.
_AT_LEAST: Final = frozenset({"max.message.bytes"})


class BrokerUnreachableError(UserError):
    """No broker answers, or it does not let us in; `found` says so without the advice."""

    def __init__(self, found: str) -> None:
        self.found = found
        super().__init__(
            f"{found}; is it running, and are the kafka settings those it expects? tocsin doctor says more"
        )


class TopicsError(UserError):
    """The topics cannot be used as they are; `report` has the details."""

    def __init__(self, message: str, report: Report) -> None:
        super().__init__(message)
        self.report = report


@dataclass(frozen=True)
class TopicSpec:
    """A topic as it should be; `configs` are the broker's own setting names and values."""

    name: str
    partitions: int
    replication: int = 1
    configs: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Difference:
    """Where an existing topic is not as it should be; a fatal one must be mended before any worker may run."""

    topic: str
    what: str
    found: str
    wanted: str
    fatal: bool

    def __str__(self) -> str:
        return f"{self.topic}: {self.what} is {self.found}, should be {self.wanted}"


@dataclass(frozen=True)
class Report:
    """What was found: names of topics that were made, that were there, that are missing; and what differs."""

    created: tuple[str, ...] = ()
    present: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    differences: tuple[Difference, ...] = ()

    @property
    def fatal(self) -> tuple[Difference, ...]:
        """Differences that forbid to go on."""
        return tuple(difference for difference in self.differences if difference.fatal)

    @property
    def warnings(self) -> tuple[Difference, ...]:
        """Differences that a worker can live with."""
        return tuple(difference for difference in self.differences if not difference.fatal)


def specs(settings: Settings) -> list[TopicSpec]:
    """The topics that every worker needs, in the order of a mention's way."""
    topics, limits = settings.topics, settings.limits

    def kept(name: str, hours: float, **configs: str) -> TopicSpec:
        retention = {"cleanup.policy": "delete", "retention.ms": str(round(hours * 3_600_000))}
        size = {"max.message.bytes": str(limits.message_bytes)}
        return TopicSpec(name, topics.partitions, topics.replication, {**retention, **size, **configs})

    hours = topics.retention_hours
    arrival = {
        # Sources are strangers: retention and the check for dates in the future must not hang on their clocks.
        "message.timestamp.type": "LogAppendTime",
        "max.message.bytes": str(limits.mention_message_bytes),
    }
    return [
        kept(topics.mentions, hours.mentions, **arrival),
        kept(topics.scored, hours.scored),
        kept(topics.rejected, hours.rejected),
        kept(topics.events, hours.events),
        compacted(topics.state, settings),
        kept(topics.commands, hours.commands),
    ]


def compacted(name: str, settings: Settings) -> TopicSpec:
    """A topic that keeps the newest record of each key, such as the changelog of a table."""
    size = {"max.message.bytes": str(max(settings.limits.message_bytes, SNAPSHOT_BYTES))}
    return TopicSpec(name, settings.topics.partitions, settings.topics.replication, {**COMPACTED, **size})


@contextlib.contextmanager
def admin(settings: Settings) -> Iterator[KafkaAdminClient]:
    """An admin client, closed at the end. Raises BrokerUnreachableError."""
    try:
        with quiet() as reasons:
            client = KafkaAdminClient(
                **settings.kafka.client(), client_id="tocsin-admin", bootstrap_timeout_ms=CONNECT_MS
            )
    except (KafkaError, OSError, ValueError) as error:
        servers = settings.kafka.bootstrap_servers
        why = reasons.last or "no answer" if isinstance(error, KafkaTimeoutError) else str(error)
        if settings.kafka.username is not None and "disconnected" in why:
            why += ", as brokers do when user name or password are wrong"
        raise BrokerUnreachableError(f"no broker can be reached at {servers}: {why}") from error
    try:
        yield client
    finally:
        client.close()


def inspect(wanted: Sequence[TopicSpec], settings: Settings) -> Report:
    """Compare the broker's topics with `wanted` and change nothing. Raises BrokerUnreachableError."""
    with admin(settings) as client:
        return _inspect(client, wanted)


def ensure(wanted: Sequence[TopicSpec], settings: Settings) -> Report:
    """Make the topics of `wanted` that are missing.

    Raises
    ------
    TopicsError
        A topic that is there has another number of partitions (then none was made), or one could not be made.
    BrokerUnreachableError
        No broker answers.
    """
    with admin(settings) as client:
        report = _inspect(client, wanted)
        _refuse(report)
        if not report.missing:
            return report
        new = {spec.name: spec for spec in wanted if spec.name in report.missing}
        errors = dict(_create(client, new.values()))
        # A topic that another worker made in the meantime is checked like one that was there before.
        problems = [
            f"{name}: {error}" for name, error in errors.items() if not isinstance(error, TopicAlreadyExistsError)
        ]
        if problems:
            raise TopicsError("topics could not be made:\n  " + "\n  ".join(problems), report)
        client.wait_for_topics(list(new))
        after = _inspect(client, wanted)
        _refuse(after)
        created = tuple(name for name in new if name not in errors)
        present = tuple(name for name in after.present if name not in created)
        return Report(created, present, after.missing, after.differences)


def _refuse(report: Report) -> None:
    if not report.fatal:
        return
    lines = [str(difference) for difference in report.fatal]
    advice = (
        "Partitions decide where a brand is counted, so they are not changed under running workers. "
        "Set topics.partitions to the number found if it is the same everywhere, or take a new topics.prefix."
    )
    raise TopicsError("\n  ".join(["existing topics do not fit:", *lines]) + f"\n{advice}", report)


def _create(client: KafkaAdminClient, wanted: Iterable[TopicSpec]) -> Iterator[tuple[str, KafkaError]]:
    """Create topics; yields name and error of each that failed."""
    request = {
        spec.name: {
            "num_partitions": spec.partitions,
            "replication_factor": spec.replication,
            "configs": dict(spec.configs),
        }
        for spec in wanted
    }
    answer = client.create_topics(request, raise_errors=False)
    for topic in answer["topics"]:
        if topic["error_code"]:
            yield topic["name"], for_code(topic["error_code"])(topic.get("error_message") or "")


def _inspect(client: KafkaAdminClient, wanted: Sequence[TopicSpec]) -> Report:
    there = set(client.list_topics())
    present = [spec for spec in wanted if spec.name in there]
    missing = tuple(spec.name for spec in wanted if spec.name not in there)
    if not present:
        return Report(missing=missing)
    layout = {topic["name"]: topic["partitions"] for topic in client.describe_topics([spec.name for spec in present])}
    configs = _configs(client, [spec.name for spec in present])
    differences: list[Difference] = []
    for spec in present:
        partitions = layout[spec.name]
        if len(partitions) != spec.partitions:
            differences.append(
                Difference(spec.name, "number of partitions", str(len(partitions)), str(spec.partitions), fatal=True)
            )
        copies = min((len(partition["replica_nodes"]) for partition in partitions), default=0)
        if copies < spec.replication:
            differences.append(
                Difference(spec.name, "replication factor", str(copies), str(spec.replication), fatal=False)
            )
        differences.extend(_differing(spec, configs.get(spec.name)))
    return Report(present=tuple(spec.name for spec in present), missing=missing, differences=tuple(differences))


def _differing(spec: TopicSpec, found: Mapping[str, str] | None) -> Iterator[Difference]:
    if found is None:  # the broker does not tell us, for example for want of the right to ask
        return
    for name, value in spec.configs.items():
        actual = found.get(name, "not set")
        enough = name in _AT_LEAST and actual.isdigit() and int(actual) >= int(value)
        if actual != value and not enough:
            yield Difference(spec.name, name, actual, value, fatal=False)


def _configs(client: KafkaAdminClient, names: Sequence[str]) -> dict[str, dict[str, str]]:
    """Settings of each topic; empty where the broker does not tell. The embedded one tells only what was set."""
    resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
    try:
        answer: dict[str, dict[str, Any]] = client.describe_configs(resources, config_filter="all").get("topic", {})
    except KafkaError:
        return {}
    return {
        name: {key: str(entry["value"]) for key, entry in entries.items()}
        for name, entries in answer.items()
        if entries
    }

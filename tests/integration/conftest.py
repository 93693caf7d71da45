"""Real brokers on loopback, once per session: ``kafka`` (Apache Kafka) and ``embedded``; ``broker`` is each in turn.

A test takes a broker for its address and ``prefix`` for names of topics and groups that no other test uses. It leaves
its topics behind: the broker's data goes with the session.
"""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Callable, Iterator

import pytest

from streams.apache_kafka import ApacheKafka
from streams.brokers import Broker, BrokerError, EmbeddedBroker, embedded_program
from streams.settings import Settings


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whatever lies beside this file starts servers."""
    for item in items:
        if "/tests/integration/" in item.path.as_posix():
            item.add_marker(pytest.mark.integration)


@pytest.fixture(scope="session")
def needs_java() -> None:
    """Java and Maven are there; else the test is skipped, or fails where that would go unseen."""
    lacking = [tool for tool in ("java", "mvn") if shutil.which(tool) is None]
    if lacking:
        reason = f"Apache Kafka needs {' and '.join(lacking)} on the PATH (Java 17 and Maven)"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory, needs_java: None) -> Iterator[ApacheKafka]:
    """Apache Kafka, shared by the session: do not stop it."""
    with ApacheKafka(tmp_path_factory.mktemp("kafka")) as broker:
        yield broker


@pytest.fixture
def own_kafka(tmp_path_factory: pytest.TempPathFactory, needs_java: None) -> Iterator[ApacheKafka]:
    """An Apache Kafka of the test's own, which it may kill, stop and start."""
    with ApacheKafka(tmp_path_factory.mktemp("own-kafka")) as broker:
        yield broker


@pytest.fixture(scope="session")
def embedded() -> Iterator[EmbeddedBroker]:
    """The embedded broker, shared by the session: do not stop it."""
    try:
        embedded_program()
    except BrokerError as error:
        pytest.skip(str(error))
    with EmbeddedBroker() as broker:
        yield broker


@pytest.fixture(params=["kafka", "embedded"])
def broker(request: pytest.FixtureRequest) -> Broker:
    """Each broker in turn."""
    found: Broker = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def prefix() -> str:
    """For names of topics and consumer groups that no other test uses; ends in a dot."""
    return f"t{uuid.uuid4().hex[:12]}."


@pytest.fixture
def settings_for(prefix: str) -> Callable[..., Settings]:
    """Make settings for a broker: ``settings_for(broker, brands=[...], topics={"partitions": 2})``.

    Topics and group carry the test's `prefix`; a brand is there unless `brands` says otherwise.
    """

    def make(broker: Broker, **sections: object) -> Settings:
        values: dict[str, object] = {
            "brands": [{"name": "Acme", "keywords": ["acme"]}],
            **sections,
            "kafka": _over({"bootstrap_servers": broker.bootstrap, "group": f"{prefix}group"}, sections.get("kafka")),
            "topics": _over({"prefix": prefix}, sections.get("topics")),
        }
        return Settings.model_validate(values)

    return make


def _over(values: dict[str, object], more: object) -> dict[str, object]:
    return {**values, **more} if isinstance(more, dict) else values

"""Starting, stopping and killing the brokers that tests and demo run on."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from streams.apache_kafka import ApacheKafka
from streams.brokers import HOST, Broker, BrokerError, EmbeddedBroker, answers


def test_a_running_broker_answers_on_loopback(broker: Broker) -> None:
    assert answers(broker.bootstrap)
    assert broker.bootstrap.startswith(f"{HOST}:")


def test_the_embedded_broker_goes_when_stopped_and_comes_back_on_its_address() -> None:
    broker = EmbeddedBroker()
    address = broker.bootstrap
    for end in (broker.stop, broker.kill):
        broker.start()
        assert answers(address)
        end()
        assert not answers(address)
        end()  # nothing runs any more: nothing happens


def test_a_taken_port_is_refused_before_anything_starts() -> None:
    with EmbeddedBroker() as first, pytest.raises(BrokerError, match=f"port {first.port}"):
        EmbeddedBroker(port=first.port).start()


def test_records_survive_a_hard_kill_of_apache_kafka(own_kafka: ApacheKafka) -> None:
    address = own_kafka.bootstrap
    with KafkaProducer(bootstrap_servers=address, acks="all") as producer:
        from kafka.admin import KafkaAdminClient

        client = KafkaAdminClient(bootstrap_servers=address)
        client.create_topics({"kept": {"num_partitions": 1, "replication_factor": 1}}, wait_for_metadata=True)
        client.close()
        for number in range(100):
            producer.send("kept", str(number).encode())
        producer.flush()
    own_kafka.kill()
    assert not answers(address)
    own_kafka.start()
    assert own_kafka.bootstrap == address
    consumer = KafkaConsumer(bootstrap_servers=address, auto_offset_reset="earliest", consumer_timeout_ms=20_000)
    consumer.assign([TopicPartition("kept", 0)])
    read = [next(consumer).value for _ in range(100)]
    consumer.close()
    assert read == [str(number).encode() for number in range(100)]


def test_another_process_can_stop_what_make_kafka_started(own_kafka: ApacheKafka) -> None:
    command = [sys.executable, "-m", "streams.apache_kafka"]
    where = ["--data-dir", str(own_kafka.data_dir)]
    root = Path(__file__).parents[2]
    again = subprocess.run([*command, "start", *where], cwd=root, capture_output=True, text=True, check=True)
    assert "already runs" in again.stdout
    assert own_kafka.bootstrap in again.stdout
    subprocess.run([*command, "stop", *where], cwd=root, capture_output=True, text=True, check=True)
    assert not answers(own_kafka.bootstrap)
    assert own_kafka.pid is None

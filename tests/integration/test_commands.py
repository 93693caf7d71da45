"""What people tell the detector, over Kafka: workers obey, the same after a kill as in a backtest."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaProducer

from detectors.commands import Command
from models import ToneModel, load
from streams import topics
from streams.apache_kafka import ApacheKafka
from streams.app import topic_specs
from streams.backtest import Backtest
from streams.brokers import Broker
from streams.command_sender import brand_of_incident, send_command
from streams.crisis_commands import CommandError, CrisisCommand, decode_command
from streams.entries import Entry
from streams.records import Mention, Model
from streams.sent_commands import must_be_planned
from streams.settings import Settings
from streams.simulation import BRANDS
from streams.topic_reader import TopicReader
from streams.wiring import brand_profiles, make_classification
from tests.integration.test_worker import CRISIS_DAYS, START_SECONDS, has_scored, send_all, simulated_mentions
from tests.integration.workers import WorkerProcess, decided, events, records, wait_until

BRAND = "Zuvarro Airlines"


@pytest.fixture(scope="module")
def model() -> ToneModel:
    return load()


def backtested(
    mentions: list[Mention], settings: Settings, model: ToneModel, commands: list[Command]
) -> dict[str, bytes]:
    work = make_classification(settings, Model(model.id.name, model.id.version), model.knows)
    backtest = Backtest(brand_profiles(settings), work, model, commands=commands)
    for _ in backtest.run(Entry("test", number, mention) for number, mention in enumerate(mentions)):
        pass
    return {event.id: event.value for event in backtest.outcome.events}


def first_page(sent: dict[str, bytes]) -> dict[str, Any]:
    """The first event that pages."""
    return next(event for event in map(json.loads, sent.values()) if event["data"]["pages"])


def tocsin(config: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "streams.cli", *arguments, "--config", str(config)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def _span(begin: datetime, until: datetime) -> tuple[str, ...]:
    return "--from", begin.isoformat(), "--until", until.isoformat()


def told(settings: Settings) -> list[Command]:
    """The commands on the topic; one record there is none."""
    values = [record.value for record in records(settings, settings.topics.commands)]
    return [decode_command(value).command() for value in values if value.startswith(b"{")]


def test_a_worker_obeys_and_a_killed_one_sends_the_same_events(
    kafka: ApacheKafka, settings_for: Callable[..., Settings], model: ToneModel, tmp_path: Path
) -> None:
    brands = [{"name": brand.name, "keywords": list(brand.keywords)} for brand in BRANDS]
    settings = settings_for(kafka, brands=brands)
    topics.ensure(topic_specs(settings), settings)
    mentions = simulated_mentions(*CRISIS_DAYS)
    plain = backtested(mentions, settings, model, [])
    paged = datetime.fromisoformat(first_page(plain)["time"])
    with WorkerProcess(tmp_path, settings, tone={"batch_texts": 64}) as worker:
        # Another's record is no reason to stop; a command that came before the worker is obeyed as well.
        producer = KafkaProducer(**settings.kafka.client())
        producer.send(settings.topics.commands, b"please be quiet", partition=1)
        producer.flush()
        producer.close()
        span = _span(paged - timedelta(hours=40), paged - timedelta(hours=30))
        before = (paged - timedelta(days=2)).isoformat()
        done = tocsin(worker.config, "plan", BRAND, *span, "--factor", "3", "--at", before, "--note", "a match")
        assert done.returncode == 0, done.stderr
        # What was planned may move the minute at which the incident opens, and with it the incident's id.
        page = first_page(backtested(mentions, settings, model, told(settings)))
        incident, paged = page["data"]["incident_id"], datetime.fromisoformat(page["time"])
        false = CrisisCommand(
            id="v1", at=paged + timedelta(minutes=2), kind="false", brand=BRAND, incident=incident, by="ann"
        )
        send_command(false, settings)
        wait_until(
            lambda: worker.metric("tocsin_commands_read_total") == 2, START_SECONDS, "two commands read", [worker]
        )
        span = _span(paged, paged + timedelta(minutes=90))
        done = tocsin(worker.config, "mute", "Fjordfizz", *span, "--at", before)
        assert done.returncode == 0, done.stderr
        wait_until(
            lambda: worker.metric("tocsin_commands_read_total") == 3, START_SECONDS, "a third one followed", [worker]
        )
        assert worker.metric("tocsin_commands_refused_total") == 1
        last = send_all(mentions, settings)
        for _ in range(2):
            wait_until(partial(has_scored, worker, len(mentions) / 8), START_SECONDS + 300, "an eighth", [worker])
            assert not decided(settings, [worker], last), "it was to be killed in the middle of the replay"
            worker.kill()
            worker.start()
        wait_until(lambda: decided(settings, [worker], last), 600, "all ticks decided", [worker])
        wanted = backtested(mentions, settings, model, told(settings))
        got = events(settings, len(wanted))
        assert got == wanted
        verdicts = [json.loads(value)["data"]["response"] for value in got.values()]
        assert {"false alarm"} == {one["verdict"] for one in verdicts if one is not None}
        # The same incident is found by its id, and the ledger says what became of its page.
        assert brand_of_incident(incident, settings) == BRAND
        done = tocsin(worker.config, "ack", "000000000000")
        assert done.returncode == 2
        assert incident in done.stderr, "the latest incidents are named"
        done = tocsin(worker.config, "ack", incident, "--by", "bob")
        assert done.returncode == 0, done.stderr
        done = tocsin(worker.config, "ledger", "--brand", BRAND)
        assert done.returncode == 0, done.stderr
        assert incident in done.stdout
        assert "false alarm" in done.stdout
        lines = tocsin(worker.config, "ledger", "--json").stdout.splitlines()
        (line,) = [json.loads(one) for one in lines if BRAND in one]
        assert (line["pages"], line["false"], line["marked"]) == (1, 1, 1)
        shown = worker.metrics()
        assert shown[f'tocsin_brand_false_pages{{brand="{BRAND}"}}'] == 1
        assert shown[f'tocsin_brand_budget{{brand="{BRAND}"}}'] == 1


def test_a_topic_is_read_to_its_end_and_followed(broker: Broker, settings_for: Callable[..., Settings]) -> None:
    embedded = not isinstance(broker, ApacheKafka)
    settings = settings_for(broker, worker={"embedded": embedded})
    topics.ensure(topics.specs(settings), settings)
    with TopicReader(settings.topics.commands, settings) as reader:
        assert list(reader.to_end()) == []
    at = datetime.fromisoformat("2026-03-12T14:00+00:00")
    sent = [CrisisCommand(id=f"c{number}", at=at, kind="unmute", brand="Acme") for number in range(5)]
    for command in sent[:3]:
        send_command(command, settings)
    with reader:
        assert [decode_command(one.value) for one in reader.to_end()] == sent[:3]
        for command in sent[3:]:
            send_command(command, settings)
        found: list[CrisisCommand] = []
        for _ in range(20):
            found += [decode_command(one.value) for one in reader.poll(0.5)]
            if len(found) == 2:
                break
        assert found == sent[3:]
    with pytest.raises(CommandError, match="there is none yet"):
        brand_of_incident("3f9a0c61d2b4", settings)
    with pytest.raises(CommandError, match="has no planned event or mute 'c0' to end; there is none yet"):
        must_be_planned("Acme", "c0", settings)
    until = at + timedelta(hours=1)
    mute = CrisisCommand(id="m1", at=at, kind="mute", brand="Acme", begin=at, until=until)
    send_command(mute, settings)
    must_be_planned("Acme", "m1", settings)
    with pytest.raises(CommandError, match="the latest are m1"):
        must_be_planned("Acme", "m2", settings)

"""Workers on real brokers: the events of a backtest, byte for byte, whatever happens to the workers."""

from __future__ import annotations

import json
import random
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import takewhile
from pathlib import Path

import pytest
from kafka import KafkaProducer

from models import ToneModel, load
from streams import topics
from streams.agents.classify import REJECTED_HEADERS
from streams.apache_kafka import ApacheKafka
from streams.app import topic_specs
from streams.backtest import Backtest
from streams.brokers import Broker
from streams.classification import CONTROL_HEADER
from streams.entries import Entry
from streams.mention_files import read_mentions
from streams.records import EndOfReplay, Mention, Model, encode, microseconds, partition_of, tick_of
from streams.replay import replay
from streams.settings import Settings
from streams.simulation import BRANDS, START, simulate
from streams.wiring import brand_profiles, make_classification
from tests.integration.workers import WorkerProcess, decided, events, records, wait_until
from tests.streams.test_records import BAD, altered

SettingsFor = Callable[..., Settings]

#: A worker loads its model and joins its group; on a busy machine that takes a minute.
START_SECONDS = 180
#: Thousands of mentions on a busy machine with two cores.
REPLAY_SECONDS = 600


@pytest.fixture(scope="module")
def model() -> ToneModel:
    return load()


@pytest.fixture
def simulated(settings_for: SettingsFor) -> Callable[[Broker], Settings]:
    """Settings with the simulated brands."""
    brands = [{"name": brand.name, "keywords": list(brand.keywords)} for brand in BRANDS]

    def make(broker: Broker) -> Settings:
        settings = settings_for(broker, brands=brands)
        topics.ensure(topic_specs(settings), settings)
        return settings

    return make


def simulated_mentions(first: float, last: float) -> list[Mention]:
    """The simulated mentions from one day to another."""
    begin, end = START + timedelta(days=first), START + timedelta(days=last)
    return [one for one in takewhile(lambda one: one.created_at < end, simulate()) if one.created_at >= begin]


#: The crisis of the simulation begins on day 10 at 14:00; three days before it are enough to page.
CRISIS_DAYS = (7.0, 11.5)


def backtested(mentions: list[Mention], settings: Settings, model: ToneModel) -> dict[str, bytes]:
    work = make_classification(settings, Model(model.id.name, model.id.version), model.knows)
    backtest = Backtest(brand_profiles(settings), work, model)
    for _ in backtest.run(Entry("test", number, mention) for number, mention in enumerate(mentions)):
        pass
    return {event.id: event.value for event in backtest.outcome.events}


@pytest.fixture(scope="module")
def expected(model: ToneModel) -> dict[str, bytes]:
    """What a backtest says about the simulated crisis."""
    brands = [{"name": brand.name, "keywords": list(brand.keywords)} for brand in BRANDS]
    found = backtested(simulated_mentions(*CRISIS_DAYS), Settings.model_validate({"brands": brands}), model)
    assert any(json.loads(value)["data"]["pages"] for value in found.values())
    return found


def send_all(mentions: list[Mention], settings: Settings) -> int:
    """Replay mentions; returns the last tick that will close."""
    replay((Entry("test", number, mention) for number, mention in enumerate(mentions)), settings)
    return tick_of(max(microseconds(one.created_at) for one in mentions))


def test_a_worker_sends_the_events_of_a_backtest(
    broker: Broker, simulated: Callable[[Broker], Settings], expected: dict[str, bytes], tmp_path: Path
) -> None:
    settings = simulated(broker)
    embedded = not isinstance(broker, ApacheKafka)
    mentions = simulated_mentions(*CRISIS_DAYS)
    last = send_all(mentions, settings)
    with WorkerProcess(tmp_path, settings, worker={"embedded": embedded, "store": "memory"}) as worker:
        wait_until(lambda: decided(settings, [worker], last), REPLAY_SECONDS, "all ticks decided", [worker])
        assert events(settings, len(expected)) == expected
        count = worker.metric
        assert count("tocsin_mentions_read_total") == len(mentions)
        assert count("tocsin_mentions_matched_total") + count("tocsin_mentions_unmatched_total") == len(mentions)
        assert count("tocsin_detect_received_total") == count("tocsin_mentions_scored_total")
        assert count("tocsin_detect_counted_total") + count("tocsin_detect_duplicate_total") == count(
            "tocsin_detect_received_total"
        )
        assert count("tocsin_crisis_events_total") == len(expected)
        assert worker.get("/healthz") is not None
        assert worker.get("/readyz") is not None
        state = {record.key.decode(): json.loads(record.value) for record in records(settings, settings.topics.state)}
        assert {event["data"]["incident_id"] for event in state.values()} == set(state)
        stands = where_things_stand(worker)
        assert worker.terminate() == 0
        if embedded:
            return  # it says wrongly where topics end, so a changelog is not read whole
        worker.start()
        wait_until(lambda: worker.get("/readyz") is not None, START_SECONDS, "ready again", [worker])
        assert where_things_stand(worker) == stands, "with nothing left to read, what was saved shows"
        assert worker.metric("tocsin_detect_received_total") == 0
        assert worker.terminate() == 0


def where_things_stand(worker: WorkerProcess) -> dict[str, float]:
    """What the metrics say of partitions and brands."""
    what = "detect_closed_tick score threshold negative_ratio incident_open brand_silent brand_pages brand_budget"
    names = {f"tocsin_{one}" for one in what.split()}
    found = {name: value for name, value in worker.metrics().items() if name.partition("{")[0] in names}
    assert {name.partition("{")[0] for name in found} == names
    return found


def has_scored(worker: WorkerProcess, mentions: float) -> bool:
    return worker.metric("tocsin_mentions_scored_total") > mentions


def test_killed_workers_send_the_same_events(
    kafka: ApacheKafka, simulated: Callable[[Broker], Settings], expected: dict[str, bytes], tmp_path: Path
) -> None:
    settings = simulated(kafka)
    mentions = simulated_mentions(*CRISIS_DAYS)
    last = send_all(mentions, settings)
    worker = WorkerProcess(tmp_path, settings, tone={"batch_texts": 64})
    with worker:
        for _ in range(3):
            wait_until(
                partial(has_scored, worker, len(mentions) / 8),
                START_SECONDS + REPLAY_SECONDS,
                "an eighth of the replay read",
                [worker],
            )
            assert not decided(settings, [worker], last), "it was to be killed in the middle of the replay"
            worker.kill()
            worker.start()
        wait_until(lambda: decided(settings, [worker], last), REPLAY_SECONDS, "all ticks decided", [worker])
        assert events(settings, len(expected)) == expected


def test_two_workers_and_partitions_at_different_paces(
    kafka: ApacheKafka, simulated: Callable[[Broker], Settings], expected: dict[str, bytes], tmp_path: Path
) -> None:
    settings = simulated(kafka)
    mentions = simulated_mentions(*CRISIS_DAYS)
    assert through_two_workers(mentions, settings, tmp_path, len(expected)) == expected


def test_workers_that_join_and_leave_lose_nothing(
    kafka: ApacheKafka, simulated: Callable[[Broker], Settings], expected: dict[str, bytes], tmp_path: Path
) -> None:
    settings = simulated(kafka)
    mentions = simulated_mentions(*CRISIS_DAYS)
    last = send_all(mentions, settings)
    tone = {"threads": 1, "batch_texts": 64}
    with WorkerProcess(tmp_path, settings, "w0", tone=tone) as first:
        wait_until(partial(has_scored, first, len(mentions) / 8), REPLAY_SECONDS, "an eighth read", [first])
        with WorkerProcess(tmp_path, settings, "w1", tone=tone) as second:
            wait_until(lambda: second.get("/readyz") is not None, START_SECONDS, "the second ready", [first, second])
            assert first.terminate() == 0
            first.start()
            wait_until(lambda: decided(settings, [first, second], last), REPLAY_SECONDS, "all", [first, second])
            assert events(settings, len(expected)) == expected


#: ``tocsin``, but told to stop at the very moment at which a new process takes its place.
TOLD_WHILE_STARTING_AGAIN = """
import os, signal
from streams.cli import main
execv = os.execv
def told(*command):
    signal.raise_signal(signal.SIGTERM)
    execv(*command)
os.execv = told
main()
"""


def test_a_worker_that_is_told_to_stop_while_it_starts_again_stops(
    kafka: ApacheKafka, simulated: Callable[[Broker], Settings], tmp_path: Path
) -> None:
    settings = simulated(kafka)
    program = ("-c", TOLD_WHILE_STARTING_AGAIN)
    with WorkerProcess(tmp_path, settings, "w0", program) as first:
        wait_until(lambda: first.get("/readyz") is not None, START_SECONDS, "the first ready", [first])
        with WorkerProcess(tmp_path, settings, "w1") as second:
            assert first.wait(START_SECONDS) == 0, first.said()
            assert "starting again" in first.said()
            assert second.terminate() == 0


def through_two_workers(mentions: list[Mention], settings: Settings, directory: Path, count: int) -> dict[str, bytes]:
    """The events, `count` or more, of two workers while the partitions of mentions are written at different paces."""
    with ExitStack() as stack:
        workers = [
            stack.enter_context(WorkerProcess(directory, settings, f"w{number}", tone={"threads": 1}))
            for number in range(2)
        ]
        last = send_at_different_paces(mentions, settings)
        wait_until(lambda: decided(settings, workers, last), REPLAY_SECONDS, "all ticks decided", workers)
        return events(settings, count)


def send_at_different_paces(mentions: list[Mention], settings: Settings) -> int:
    """Write one partition whole, then another by halves, then the other two, as four sources of their own might."""
    parts = by_partition(mentions, settings)
    half = len(parts[1]) // 2
    for partition, some in ((3, parts[3]), (1, parts[1][:half]), (0, parts[0]), (1, parts[1][half:]), (2, parts[2])):
        write({partition: some}, settings)
        time.sleep(1)
    return write_end(mentions, settings)


def by_partition(mentions: list[Mention], settings: Settings) -> dict[int, list[Mention]]:
    """Mentions by the partition that a replay would write them to."""
    partitions: dict[int, list[Mention]] = {number: [] for number in range(settings.topics.partitions)}
    for mention in mentions:
        partitions[partition_of(mention.id, len(partitions))].append(mention)
    return partitions


def write(partitions: dict[int, list[Mention]], settings: Settings) -> None:
    """Write mentions, and no end of a replay."""
    producer = KafkaProducer(**settings.kafka.client(), linger_ms=20)
    for partition, mentions in partitions.items():
        for one in mentions:
            producer.send(settings.topics.mentions, encode(one), key=one.id.encode(), partition=partition)
    producer.flush()
    producer.close()


def write_end(mentions: list[Mention], settings: Settings) -> int:
    """Write the end of a replay to every partition; returns the last tick that will close."""
    end = EndOfReplay(control="end", created_at=max(one.created_at for one in mentions))
    producer = KafkaProducer(**settings.kafka.client())
    for partition in range(settings.topics.partitions):
        headers = [(CONTROL_HEADER, b"end")]
        producer.send(settings.topics.mentions, encode(end), partition=partition, headers=headers)
    producer.flush()
    producer.close()
    return tick_of(microseconds(end.created_at))


def test_each_kind_of_bad_input_is_kept_with_its_reason_and_counted_once(
    broker: Broker, settings_for: SettingsFor, tmp_path: Path
) -> None:
    settings = settings_for(broker, topics={"partitions": 2})
    topics.ensure(topic_specs(settings), settings)
    now = datetime.now(UTC)
    good = [
        Mention(id=f"good{number}", created_at=now + timedelta(seconds=number), text="acme is late", author="ann")
        for number in range(40)
    ]
    good += [good[0], Mention(id="else", created_at=now, text="nobody we know")]
    bad = [(value, reason) for title, value, reason in BAD if title != "far ahead"]  # that one's day has come
    bad.append((altered(kind="k" * 900_000), "wrong_type"))  # the reason quotes it, but not whole
    bad.append((encode(Mention(id="f", created_at=now + timedelta(hours=2), text="acme")), "absurd_date"))
    bad.append((encode(Mention(id="b", created_at=now, text="hello", brand="Nobody")), "unknown_brand"))
    producer = KafkaProducer(**settings.kafka.client(), max_request_size=2_000_000)
    for number, mention in enumerate(good):
        producer.send(settings.topics.mentions, encode(mention), partition=number % 2)
        if number < len(bad):
            producer.send(settings.topics.mentions, bad[number][0], key=b"bad", partition=number % 2)
    end = encode(EndOfReplay(control="end", created_at=now + timedelta(minutes=2)))
    for partition in range(2):
        producer.send(settings.topics.mentions, end, partition=partition, headers=[(CONTROL_HEADER, b"end")])
    producer.flush()
    producer.close()
    embedded = not isinstance(broker, ApacheKafka)
    with WorkerProcess(tmp_path, settings, worker={"embedded": embedded, "store": "memory"}) as worker:
        last = tick_of(microseconds(now + timedelta(minutes=2)))
        wait_until(lambda: decided(settings, [worker], last), START_SECONDS, "all ticks decided", [worker])
        count = worker.metric
        assert count("tocsin_mentions_read_total") == len(good) + len(bad)
        assert count("tocsin_mentions_matched_total") == 41
        assert count("tocsin_mentions_unmatched_total") == 1
        assert count("tocsin_mentions_rejected_total") == len(bad)
        assert count("tocsin_detect_received_total") == 41
        assert count("tocsin_detect_counted_total") == 40
        assert count("tocsin_detect_duplicate_total") == 1
        reasons = Counter(reason for _, reason in bad)
        shown = worker.metrics()
        assert {key: shown[f'tocsin_mentions_rejected_total{{reason="{key}"}}'] for key in reasons} == reasons
    kept = []
    for record in records(settings, settings.topics.rejected):
        headers = {name: value.decode() for name, value in record.headers}
        assert set(headers) == set(REJECTED_HEADERS)
        assert headers["tocsin-topic"] == settings.topics.mentions
        assert headers["tocsin-message"]
        kept.append((record.value or None, headers["tocsin-reason"]))
    assert Counter(kept) == Counter((value or None, reason) for value, reason in bad)


def test_a_broken_feed_stops_the_worker_with_a_reason(
    kafka: ApacheKafka, settings_for: SettingsFor, tmp_path: Path
) -> None:
    settings = settings_for(kafka, topics={"partitions": 1}, limits={"rejected_in_a_row": 20})
    topics.ensure(topic_specs(settings), settings)
    producer = KafkaProducer(**settings.kafka.client())
    for number in range(50):
        producer.send(settings.topics.mentions, b"<html>%d" % number)
    producer.flush()
    producer.close()
    with WorkerProcess(tmp_path, settings) as worker:
        assert worker.wait(START_SECONDS) == 1
        said = worker.said()
    assert said.splitlines()[-1].startswith("tocsin: 20 records in a row were rejected")
    assert "mentions.rejected" in said
    assert "Traceback" not in said
    assert [record.value for record in records(settings, settings.topics.rejected)][:2] == [b"<html>0", b"<html>1"]


def test_a_real_crisis_through_two_workers(
    kafka: ApacheKafka, settings_for: SettingsFor, shared: Path, model: ToneModel, tmp_path: Path
) -> None:
    settings = settings_for(kafka, brands=[{"name": "United Airlines", "keywords": ["united airlines", "@united"]}])
    topics.ensure(topic_specs(settings), settings)
    source = shared / "data/replays/united_3411_2017.jsonl.gz"
    until = datetime(2017, 4, 11, 1, tzinfo=UTC)
    mentions = [one for _, one in read_mentions(source) if isinstance(one, Mention) and one.created_at < until]
    want = backtested(mentions, settings, model)
    pages = [json.loads(value) for value in want.values() if json.loads(value)["data"]["pages"]]
    assert [event["time"] for event in pages if event["time"] < "2017-04-10T22"] == []
    assert "2017-04-10T22:00" <= pages[0]["time"] <= "2017-04-10T22:15"
    assert through_two_workers(mentions, settings, tmp_path, len(want)) == want


def test_the_clock_closes_ticks_where_mentions_come_live_and_partitions_are_quiet(
    broker: Broker, settings_for: SettingsFor, tmp_path: Path
) -> None:
    settings = settings_for(
        broker, topics={"partitions": 2}, time={"idle_after_seconds": 2, "lateness_seconds": 1, "live_within_hours": 1}
    )
    topics.ensure(topic_specs(settings), settings)
    embedded = not isinstance(broker, ApacheKafka)
    now = datetime.now(UTC) - timedelta(minutes=3)
    producer = KafkaProducer(**settings.kafka.client())
    for number in range(5):  # one partition stays empty
        mention = Mention(id=f"live{number}", created_at=now, text="acme is late")
        producer.send(settings.topics.mentions, encode(mention), partition=0)
    producer.flush()
    producer.close()
    with WorkerProcess(tmp_path, settings, worker={"embedded": embedded, "store": "memory"}) as worker:
        tick = tick_of(microseconds(now))
        wait_until(lambda: decided(settings, [worker], tick), START_SECONDS, "a tick closed by the clock", [worker])
        assert worker.metric("tocsin_detect_counted_total") == 5
        if not embedded:
            assert worker.terminate() == 0
            tick = tick_of(microseconds(datetime.now(UTC)))
            worker.start()
            wait_until(
                lambda: decided(settings, [worker], tick), 150 + START_SECONDS, "the clock goes on after it", [worker]
            )
            assert worker.metric("tocsin_detect_received_total") == 0
    advances = [json.loads(one.value) for one in records(settings, settings.topics.scored)]
    assert {one["partition"] for one in advances if one["type"] == "advance" and one["cause"] == "clock"} == {0, 1}


def test_the_clock_has_no_say_in_a_replay_of_the_past(
    kafka: ApacheKafka, settings_for: SettingsFor, tmp_path: Path
) -> None:
    settings = settings_for(kafka, topics={"partitions": 2}, time={"idle_after_seconds": 1})
    topics.ensure(topic_specs(settings), settings)
    producer = KafkaProducer(**settings.kafka.client())
    mention = Mention(id="old", created_at=START, text="acme is late")
    producer.send(settings.topics.mentions, encode(mention), partition=0)
    producer.flush()
    producer.close()
    with WorkerProcess(tmp_path, settings) as worker:
        wait_until(lambda: worker.metric("tocsin_detect_received_total") == 1, START_SECONDS, "a mention", [worker])
        time.sleep(5)
        assert worker.metric("tocsin_detect_pending") == 1
        assert "partition 1 of" in (worker.get("/readyz") or "")


def an_outage() -> list[Mention]:
    """Three days, and then everybody complains about all three brands for two hours."""
    rng = random.Random(1)
    begin = START + timedelta(days=9.6)
    complaints = []
    for brand in BRANDS:
        for n in range(400):
            text = f"{brand.keywords[0]} {rng.choice(ANGER)} {rng.choice(ANGER)} {n}"
            at = begin + timedelta(seconds=rng.uniform(0, 7200))
            author = f"angry {brand.name} {n}"
            complaints.append(Mention(id=f"{brand.name} {n}", created_at=at, text=text, author=author, source="test"))
    return sorted([*simulated_mentions(7.0, 10.0), *complaints], key=lambda one: one.created_at)


ANGER = ("is terrible", "is broken again", "what a disgrace", "worst service ever", "I hate this", "so angry")


def test_a_portfolio_lives_on_one_partition_and_survives_kills(
    kafka: ApacheKafka, settings_for: SettingsFor, model: ToneModel, tmp_path: Path
) -> None:
    brands = [{"name": brand.name, "keywords": list(brand.keywords), "portfolio": "platform"} for brand in BRANDS]
    settings = settings_for(kafka, brands=brands)
    topics.ensure(topic_specs(settings), settings)
    mentions = an_outage()
    wanted = backtested(mentions, settings, model)
    told = [json.loads(value) for value in wanted.values()]
    paged = [event["subject"] for event in told if event["data"]["pages"]]
    assert paged.count("platform") == 1
    assert any("muted_by" in event["data"] for event in told)
    last = send_all(mentions, settings)
    worker = WorkerProcess(tmp_path, settings, tone={"batch_texts": 64})
    with worker:
        for _ in range(2):
            wait_until(
                partial(has_scored, worker, len(mentions) / 4),
                START_SECONDS + REPLAY_SECONDS,
                "a quarter of the replay read",
                [worker],
            )
            worker.kill()
            worker.start()
        wait_until(lambda: decided(settings, [worker], last), REPLAY_SECONDS, "all ticks decided", [worker])
        assert events(settings, len(wanted)) == wanted
    scored = [record for record in records(settings, settings.topics.scored) if record.key]
    assert {record.key.decode() for record in scored} == {brand.name for brand in BRANDS}
    assert {record.partition for record in scored} == {partition_of("platform", settings.topics.partitions)}

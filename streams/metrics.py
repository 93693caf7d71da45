"""What a worker tells Prometheus. Each name is declared once, here, with its meaning and unit."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, GCCollector, Histogram, PlatformCollector, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from detectors.engine import Levels
from streams import classification, detection
from streams.progress import Progress

#: Seconds; a batch takes from a few milliseconds (one cached text) to a second (hundreds of long ones).
_INFERENCE_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
#: Texts per batch.
_BATCH_BUCKETS = (1, 2, 5, 10, 25, 50, 100, 250, 500, 1000)
#: Seconds from the end of a tick to its closing; below a minute is normal.
_CLOSE_BUCKETS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 900, 3600)


class Metrics:
    """The registry of one worker: histograms that are observed, counters read from the work itself at each scrape."""

    def __init__(self, work: Work) -> None:
        self.registry = CollectorRegistry()
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self.registry)
        self.inference = Histogram(
            "tocsin_inference_seconds",
            "Time to read the tone of a batch, seconds",
            buckets=_INFERENCE_BUCKETS,
            registry=self.registry,
        )
        self.batch = Histogram("tocsin_batch_texts", "Texts in a batch", buckets=_BATCH_BUCKETS, registry=self.registry)
        self.close_delay = Histogram(
            "tocsin_tick_close_delay_seconds",
            "Time from the end of a tick to its closing, seconds; large while history is replayed",
            buckets=_CLOSE_BUCKETS,
            registry=self.registry,
        )
        self.registry.register(work)


@dataclass(frozen=True, kw_only=True, eq=False)  # a registry files it by identity
class Work(Collector):
    """Reads the counts at each scrape, so that no count is kept twice. It runs in the web server's thread: it may read
    numbers that the event loop writes, and must not ask an engine for anything."""

    progress: Progress
    classified: classification.Counts
    detected: detection.Counts
    detections: Callable[[], dict[int, detection.Detection]]
    levels: Callable[[], list[Levels]]
    cache: Callable[[], tuple[int, int]] = lambda: (0, 0)
    #: Commands that were read, and records that were none.
    commands: Callable[[], tuple[int, int]] = lambda: (0, 0)

    def describe(self) -> list[Metric]:
        """Nothing to say before the first scrape."""
        return []

    def collect(self) -> Iterator[Metric]:
        """All counters and gauges."""
        yield from self._classify()
        yield from self._detect()
        yield from self._brands()
        yield from self._positions()

    def _classify(self) -> Iterator[Metric]:
        counts = self.classified
        yield _counter("mentions_read", "Mentions read: matched + unmatched + rejected", counts.read)
        yield _counter("mentions_matched", "Mentions that name a brand", counts.matched)
        yield _counter("mentions_unmatched", "Mentions that name no configured brand", counts.unmatched)
        rejected = CounterMetricFamily(
            "tocsin_mentions_rejected", "Records sent to mentions.rejected, by reason", labels=["reason"]
        )
        for reason, count in sorted(counts.rejected.items()):
            rejected.add_metric([reason], count)
        yield rejected
        yield _counter("mentions_scored", "Scored mentions sent, one for each brand a mention names", counts.scored)
        yield _counter(
            "tone_unreliable",
            "Matched mentions in a language or script that the tone model does not know",
            counts.unreliable,
        )
        yield _counter("control_records", "Control records read from mentions (ends of replays)", counts.control)
        hits, misses = self.cache()
        yield _counter("tone_cache_hits", "Texts whose tone was known from an equal text before", hits)
        yield _counter("tone_cache_misses", "Texts whose tone the model read", misses)

    def _detect(self) -> Iterator[Metric]:
        counts = self.detected
        yield _counter(
            "detect_received",
            "Received: counted + redelivered + duplicate + too late + unconfigured + rejected + pending",
            counts.received,
        )
        yield _counter("detect_counted", "Scored mentions that entered the windows", counts.counted)
        yield _counter("detect_redelivered", "Scored mentions that had come before, or come again", counts.redelivered)
        yield _counter("detect_duplicate", "Mentions whose id was seen within 24 hours", counts.duplicate)
        yield _counter("detect_too_late", "Mentions older than the longest window when they came", counts.too_late)
        yield _counter("detect_unconfigured", "Mentions of brands no longer configured", counts.unconfigured)
        yield _counter("detect_rejected", "Records of mentions.scored that could not be read", counts.rejected)
        yield _counter("detect_late", "Counted mentions that came after their own tick", counts.late)
        events = CounterMetricFamily("tocsin_crisis_events", "Crisis events sent, by type", labels=["type"])
        for kind, count in sorted(counts.events.items()):
            events.add_metric([kind], count)
        yield events
        commands = CounterMetricFamily(
            "tocsin_commands", "Commands that were due, by what became of them", labels=["outcome"]
        )
        for outcome, count in sorted(counts.commands.items()):
            commands.add_metric([outcome], count)
        yield commands
        taken, refused = self.commands()
        yield _counter("commands_read", "Commands read from crisis.commands, of all brands", taken)
        yield _counter("commands_refused", "Records of crisis.commands that are no commands we can use", refused)
        pending = GaugeMetricFamily(
            "tocsin_detect_pending", "Scored mentions that wait for their tick to close", labels=["partition"]
        )
        closed = GaugeMetricFamily(
            "tocsin_detect_closed_tick", "Last closed tick, minutes since 1970 UTC", labels=["partition"]
        )
        for partition, one in sorted(self.detections().items()):
            pending.add_metric([str(partition)], len(one.order))
            if one.order.closed is not None:
                closed.add_metric([str(partition)], one.order.closed)
        yield pending
        yield closed

    def _brands(self) -> Iterator[Metric]:
        of_detectors = {
            "score": _gauge("score", "Score of a detector at the brand's last closed tick", "brand", "detector"),
            "threshold": _gauge("threshold", "Score at which the detector pages", "brand", "detector"),
        }
        of_brands = {
            "ratio": _gauge("negative_ratio", "Negative authors in the last hour over the expected", "brand"),
            "open": _gauge("incident_open", "1 while the brand has an open incident", "brand"),
            "silent": _gauge("brand_silent", "1 while the brand's feed is improbably silent", "brand"),
        }
        accounts = {
            "pages": _gauge("brand_pages", "Pages of the last 12 months", "brand"),
            "false": _gauge("brand_false_pages", "Of these: marked as false, or not confirmed within 24 h", "brand"),
            "confirmed": _gauge("brand_confirmed_pages", "Of these: of confirmed crises", "brand"),
            "months": _gauge("brand_watched_months", "Months of 30 days that these counts cover", "brand"),
            "budget": _gauge("brand_budget", "False pages a month that were agreed", "brand"),
            "offset": _gauge("budget_offset", "Scales by which the controller has moved the page thresholds", "brand"),
        }
        rate = _gauge("false_pages_per_month", "Realised false pages a month; absent in the first month", "brand")
        for levels in self.levels():
            for account in levels.accounts:
                for name, family in accounts.items():
                    family.add_metric([account.brand], float(getattr(account, name)))
                if account.rate is not None:
                    rate.add_metric([account.brand], account.rate)
            for row, brand in enumerate(levels.brands):
                for name, family in of_brands.items():
                    family.add_metric([brand], float(getattr(levels, name)[row]))
                for name, family in of_detectors.items():
                    for detector, value in zip(levels.detectors, getattr(levels, name)[row].tolist(), strict=True):
                        if not math.isnan(value):  # none yet: cold start
                            family.add_metric([brand, detector], value)
        yield from of_detectors.values()
        yield from of_brands.values()
        yield from accounts.values()
        yield rate

    def _positions(self) -> Iterator[Metric]:
        progress = self.progress
        lag = GaugeMetricFamily(
            "tocsin_consumer_lag", "Records of a partition not yet read, by topic", labels=["topic", "partition"]
        )
        for (topic, partition), behind in sorted(progress.lag.items()):
            lag.add_metric([topic, str(partition)], behind)
        yield lag
        event_lag = GaugeMetricFamily(
            "tocsin_event_time_lag_seconds",
            "Now less the newest event time read from a partition of mentions, seconds",
            labels=["partition"],
        )
        for partition, newest_us in sorted(progress.newest_us.items()):
            event_lag.add_metric([str(partition)], time.time() - newest_us / 1e6)
        yield event_lag
        yield GaugeMetricFamily(
            "tocsin_seconds_since_progress",
            "Time since the worker last finished any record, seconds",
            value=progress.seconds_since_progress(),
        )


def _gauge(name: str, meaning: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"tocsin_{name}", meaning, labels=labels)


def _counter(name: str, meaning: str, value: float) -> CounterMetricFamily:
    return CounterMetricFamily(f"tocsin_{name}", meaning, value=value)

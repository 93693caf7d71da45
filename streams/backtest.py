"""``tocsin backtest``: what would Tocsin have paged for? The worker's classify and detect over files, no Kafka.

The files are merged in order of time and read as one origin, as a replay to a topic with one partition would be. Where
they are sorted by time, the number of partitions makes no difference, and the events are the worker's byte for byte.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from detectors import backtest as report
from detectors.detector import Detector
from detectors.engine import BrandProfile, Engine
from detectors.incidents import Decision
from detectors.what_if import WhatIf
from streams.classification import Batch, Classification, Matched
from streams.crisis_events import CrisisEvent, Links
from streams.detection import Detection
from streams.matching import BrandMatcher
from streams.records import Advance, Mention, Model, RejectedError, ScoredMention, microseconds, tick_of
from streams.replay import Entry

if TYPE_CHECKING:
    from models import ToneModel

#: Mentions taken at once: enough for full batches of every length, few enough to show progress.
_BATCH_MENTIONS = 2048

#: What stands for a model where the tone is a human's.
GOLD = Model("gold", "1")
_GOLD_TONES = {"negative": (1.0, 0.0, 0.0), "neutral": (0.0, 1.0, 0.0), "positive": (0.0, 0.0, 1.0)}

#: Authors of files without settings are hashed too, with a key that nobody needs to know.
_AUTHOR_KEY = b"tocsin backtest"
_LATENESS_US = 10_000_000


@dataclass(slots=True)
class Outcome:
    """What a backtest came to."""

    decisions: list[Decision] = field(default_factory=list)
    events: list[CrisisEvent] = field(default_factory=list)
    counts: list[report.BrandCounts] = field(default_factory=list)
    read: int = 0
    unmatched: int = 0
    duplicates: int = 0
    #: Mentions that came in a later minute than their own; too late ones were left out.
    late: int = 0
    too_late: int = 0
    #: What was decided at other budgets, where they were asked for.
    what_if: dict[float, list[Decision]] = field(default_factory=dict)
    without_gold: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    #: The first few that were rejected, as "file:line: reason".
    examples: list[str] = field(default_factory=list)
    seconds: float = 0.0


class Backtest:
    """Runs entries of mention files through classify's and detect's own code.

    Parameters
    ----------
    brands : sequence of BrandProfile
        Who is watched.
    classification : Classification
        Matches and carries on.
    model : ToneModel or None
        Reads the tone; None takes each mention's ``gold_tone``.
    recorder : callable, optional
        Given to the engine, for plots.
    budgets : sequence of float
        Other budgets to try on the same observations.
    detectors : sequence of Detector
        A user's own, which judge beside the built-in ones.
    """

    def __init__(
        self,
        brands: Sequence[BrandProfile],
        classification: Classification,
        model: ToneModel | None,
        *,
        links: Links | None = None,
        recorder: Callable[[Any], None] | None = None,
        budgets: Sequence[float] = (),
        detectors: Sequence[Detector] = (),
    ) -> None:
        self._classification, self._model = classification, model
        self.model_version = str(model.id) if model is not None else f"{GOLD.name}@{GOLD.version}"
        self._what_if = None
        if budgets:
            self._what_if = WhatIf(
                brands, budgets, model_version=self.model_version, recorder=recorder, detectors=detectors
            )
        engine = self._what_if or Engine(
            brands, model_version=self.model_version, recorder=recorder, detectors=detectors
        )
        self._detection = Detection(engine, origins=1, links=links)
        self._brands = brands
        self._hours: dict[str, Counter[int]] = {}
        self._span: dict[str, tuple[int, int]] = {}
        self._position = 0
        self._offset = 0
        self._newest_us: int | None = None
        self._outcome = Outcome()

    def run(self, entries: Iterable[Entry]) -> Iterator[int]:
        """Go through the entries; yields how many were dealt with since the last time. The result is in `outcome`."""
        started = time.monotonic()
        entries = iter(entries)
        while some := list(islice(entries, _BATCH_MENTIONS)):
            self._take(some)
            yield len(some)
        if self._newest_us is not None:
            # What a replay ends with: nothing follows, so the last minutes close as well.
            end = Advance(partition=0, offset=self._offset, tick=tick_of(self._newest_us) + 1, cause="end")
            self._receive(end)
            self._close()
        self._outcome.seconds = time.monotonic() - started

    @property
    def outcome(self) -> Outcome:
        """What it came to."""
        self._outcome.counts = [
            report.BrandCounts(
                brand.name,
                self._hours[brand.name].total(),
                *self._span[brand.name],
                brand.budget,
                self._hours[brand.name],
            )
            for brand in self._brands
            if brand.name in self._hours
        ]
        self._outcome.read = self._classification.counts.read
        self._outcome.unmatched = self._classification.counts.unmatched
        counts = self._detection.counts
        self._outcome.duplicates, self._outcome.late = counts.duplicate, counts.late
        self._outcome.too_late = counts.too_late
        self._outcome.what_if = self._what_if.decisions if self._what_if is not None else {}
        return self._outcome

    def _take(self, entries: Sequence[Entry]) -> None:
        batch = Batch()
        for entry in entries:
            try:
                if not isinstance(entry.content, Mention):
                    raise entry.content
                matched = self._match(entry.content)
            except RejectedError as error:
                self._outcome.rejected[error.reason] += 1
                if len(self._outcome.examples) < 5:
                    self._outcome.examples.append(f"{entry.path}:{entry.line}: {error}")
                continue
            if matched is not None:
                batch.matched.append(matched)
        advance = self._classification.advance(0)
        if advance is not None:
            batch.advances.append(advance)
        for one in self._classification.outgoing(batch, self._tones(batch.matched)):
            self._receive(one.record)
        self._close()

    def _match(self, mention: Mention) -> Matched | None:
        if self._model is None and mention.gold_tone is None:
            self._outcome.without_gold += 1
            return None
        self._offset += 1
        us = microseconds(mention.created_at)
        self._newest_us = us if self._newest_us is None else max(us, self._newest_us)
        matched = self._classification.match(mention, 0, self._offset - 1)
        for brand in matched.brands if matched is not None else ():
            tick = tick_of(us)
            self._hours.setdefault(brand, Counter())[tick // 60] += 1
            first, last = self._span.get(brand, (tick, tick))
            self._span[brand] = (min(first, tick), max(last, tick))
        return matched

    def _tones(self, matched: Sequence[Matched]) -> NDArray[np.float32]:
        if self._model is not None:
            return self._model.predict([one.mention.text for one in matched])
        tones = [_GOLD_TONES[one.mention.gold_tone or "neutral"] for one in matched]
        return np.array(tones, np.float32).reshape(len(matched), 3)

    def _receive(self, record: ScoredMention | Advance) -> None:
        self._detection.receive(record, self._position)
        self._position += 1

    def _close(self) -> None:
        closing = self._detection.close()
        if closing is not None:
            self._outcome.decisions += closing.decisions
            self._outcome.events += closing.events


def classification_of_any_brand(
    model: Model, knows: Callable[[str, str | None], bool] = lambda _text, _lang: True
) -> Classification:
    """Without settings each brand that a mention names is a brand, and none is looked for in texts."""
    return Classification(
        brands=None,
        matcher=BrandMatcher([]),
        author_key=_AUTHOR_KEY,
        lateness_us=_LATENESS_US,
        partitions=1,
        model=model,
        knows=knows,
    )


def brands_in(entries: Iterable[Entry]) -> list[str]:
    """The brands that mentions name, in order of their names."""
    found = {entry.content.brand for entry in entries if isinstance(entry.content, Mention) and entry.content.brand}
    return sorted(found)

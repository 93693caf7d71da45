"""``tocsin backtest``: what would Tocsin have paged for? What the worker does, over files, without Kafka.

The files are merged in order of time and read as one origin, as a replay to a topic with one partition would be. Where
they are sorted by time, the number of partitions makes no difference, and the events are the worker's byte for byte.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from detectors.brand_counts import BrandCounts, portfolio_counts
from detectors.commands import Applied, Command
from detectors.detector import Detector
from detectors.engine import BrandProfile, Engine
from detectors.incidents import Decision
from detectors.ledger import Account
from detectors.what_if import WhatIf
from streams.classification import Classification, rounded_tone
from streams.crisis_events import CrisisEvent, Links
from streams.detection import Closing
from streams.entries import Entry
from streams.matching import BrandMatcher
from streams.moved_clock import MovedClock
from streams.one_origin import Batch, OneOrigin
from streams.records import MINUTE_US, Mention, Model, RejectedError, microseconds
from streams.reliable_tone import counted
from streams.stray_mentions import StrayMentions

if TYPE_CHECKING:
    from models import ToneModel

#: Mentions taken at once: enough for full batches of every length and for arrays to pay, few enough to show progress.
_BATCH_MENTIONS = 8192

#: What stands for a model where the tone is a human's.
GOLD = Model("gold", "1")

#: Authors of files without settings are hashed too, with a key that nobody needs to know.
_AUTHOR_KEY = b"tocsin backtest"
_LATENESS_US = 10_000_000


@dataclass(slots=True)
class Outcome:
    """What a backtest came to."""

    decisions: list[Decision] = field(default_factory=list)
    events: list[CrisisEvent] = field(default_factory=list)
    counts: list[BrandCounts] = field(default_factory=list)
    #: How each brand's pages turned out.
    accounts: list[Account] = field(default_factory=list)
    #: What became of the commands that were due.
    applied: list[Applied] = field(default_factory=list)
    read: int = 0
    unmatched: int = 0
    duplicates: int = 0
    #: Mentions that came in a later minute than their own; too late ones were left out.
    late: int = 0
    too_late: int = 0
    #: The mention after which most of the too late ones came.
    mover: Entry | None = None
    #: Mentions that were left out, since they are more than a year from all others.
    strays: list[Entry] = field(default_factory=list)
    #: The first mention after more than a year without any, and how long that was.
    holes: list[tuple[Entry, timedelta]] = field(default_factory=list)
    #: What was decided at other budgets, where they were asked for.
    what_if: dict[float, list[Decision]] = field(default_factory=dict)
    without_gold: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    #: The first few that were rejected, as "file:line: reason".
    examples: list[str] = field(default_factory=list)
    seconds: float = 0.0


class Backtest:
    """Runs entries of mention files through classify's matching and detect's engine.

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
    commands : iterable of Command
        What people said meanwhile.
    on_hole : callable, optional
        Called before more than a year without a mention is gone through, with the mention that ends it and how long
        that is.
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
        commands: Iterable[Command] = (),
        on_hole: Callable[[Entry, timedelta], None] = lambda _entry, _long: None,
    ) -> None:
        self._classification, self._model = classification, model
        self.model_version = str(model.id) if model is not None else f"{GOLD.name}@{GOLD.version}"
        self._what_if = None
        if budgets:
            self._what_if = WhatIf(
                brands, budgets, model_version=self.model_version, recorder=recorder, detectors=detectors, saves=False
            )
        engine = self._what_if or Engine(
            brands, model_version=self.model_version, recorder=recorder, detectors=detectors, saves=False
        )
        self._engine = engine
        self._detection = OneOrigin(
            engine, lateness_us=classification.lateness_us, author_key=classification.author_key, links=links
        )
        self._detection.tell(commands)
        self._brands = brands
        self._hours: dict[str, Counter[int]] = {}
        self._span: dict[str, tuple[int, int]] = {}
        self._clock = MovedClock()
        self._strays = StrayMentions(on_hole)
        self._outcome = Outcome()

    def run(self, entries: Iterable[Entry]) -> Iterator[int]:
        """Go through the entries; yields how many were dealt with since the last time. The result is in `outcome`."""
        started = time.monotonic()
        entries = self._strays.without(entries)
        while some := list(islice(entries, _BATCH_MENTIONS)):
            self._take(some)
            yield len(some)
        # What a replay ends with: nothing follows, so the last minutes close as well.
        self._note(self._detection.end())
        self._outcome.seconds = time.monotonic() - started

    @property
    def outcome(self) -> Outcome:
        """What it came to."""
        self._outcome.counts = [
            BrandCounts(
                brand.name,
                self._hours[brand.name].total() - self._detection.repeated[brand.name],
                *self._span[brand.name],
                brand.budget,
                self._hours[brand.name],
            )
            for brand in self._brands
            if brand.name in self._hours
        ]
        self._outcome.accounts = self._engine.ledger()
        self._outcome.counts += portfolio_counts(self._outcome.counts, self._brands)
        self._outcome.duplicates, self._outcome.late = self._detection.duplicates, self._detection.late
        self._outcome.too_late, self._outcome.mover = self._detection.too_late, self._clock.mover
        self._outcome.strays, self._outcome.holes = self._strays.found, self._strays.holes
        self._outcome.what_if = self._what_if.decisions if self._what_if is not None else {}
        return self._outcome

    def _take(self, entries: Sequence[Entry]) -> None:
        used: list[Entry] = []
        read: list[Mention] = []
        named: list[tuple[str, ...]] = []
        gold, brands_of = self._model is None, self._classification.brands_of
        for entry in entries:
            mention = entry.content
            if not isinstance(mention, Mention):
                self._reject(entry, mention)
                continue
            if gold and mention.gold_tone is None:
                self._outcome.without_gold += 1
                continue
            try:
                found = brands_of(mention)
            except RejectedError as error:
                self._reject(entry, error)
                continue
            used.append(entry)
            read.append(mention)
            named.append(found)
        read_us = np.array([microseconds(one.created_at) for one in read], np.int64)
        self._outcome.read += len(read)
        self._outcome.unmatched += named.count(())
        self._clock.take(read_us, used)
        place = np.repeat(np.arange(len(read)), [len(found) for found in named])
        mentions = [read[i] for i in place.tolist()]
        brands = [brand for found in named for brand in found]
        negative, p_negative = self._tones(mentions)
        self._count(read_us, place, brands)
        self._note(self._detection.take(Batch(read_us, place, mentions, brands, negative, p_negative)))

    def _reject(self, entry: Entry, error: RejectedError) -> None:
        self._outcome.rejected[error.reason] += 1
        if len(self._outcome.examples) < 5:
            self._outcome.examples.append(f"{entry.path}:{entry.line}: {error}")

    def _count(self, read_us: NDArray[np.int64], place: NDArray[np.int64], brands: Sequence[str]) -> None:
        """Note when mentions of each brand came."""
        ticks = read_us[place] // MINUTE_US
        codes = {brand: code for code, brand in enumerate(dict.fromkeys(brands))}
        code = np.array([codes[brand] for brand in brands], np.int64)
        ends = np.cumsum(np.bincount(code, minlength=len(codes)))
        for brand, own in zip(codes, np.split(np.argsort(code, kind="stable"), ends[:-1]), strict=False):
            tick = ticks[own]
            hours, times = np.unique(tick // 60, return_counts=True)
            self._hours.setdefault(brand, Counter()).update(dict(zip(hours.tolist(), times.tolist(), strict=True)))
            first, last = int(tick.min()), int(tick.max())
            before = self._span.get(brand, (first, last))
            self._span[brand] = (min(first, before[0]), max(last, before[1]))

    def _tones(self, mentions: Sequence[Mention]) -> tuple[NDArray[np.bool_], NDArray[np.float32]]:
        """Whether each is negative, and with which probability."""
        if self._model is None:
            gold = np.array([one.gold_tone == "negative" for one in mentions], np.bool_)
            return gold, gold.astype(np.float32)
        known = [self._classification.knows(one) for one in mentions]
        # A mention of several brands stands there several times in a row; its tone is read once.
        texts, which = [], []
        for i, one in enumerate(mentions):
            if i == 0 or one is not mentions[i - 1]:
                texts.append(one.text)
            which.append(len(texts) - 1)
        read = [rounded_tone(*row) for row in np.asarray(self._model.predict(texts), float).tolist()] if texts else []
        negative = [read[i].label == "negative" for i in which]
        return counted(negative, [read[i].negative for i in which], known)

    def _note(self, closing: Closing | None) -> None:
        if closing is not None:
            self._outcome.decisions += closing.decisions
            self._outcome.events += closing.events
            self._outcome.applied += closing.applied


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

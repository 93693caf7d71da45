"""Mentions in, scored mentions out: decode, match brands, read the tone, keep the origin. Knows no Kafka.

The order is the point: records of one origin are taken in offset order, and behind them goes an advance to every
partition of scored mentions (see `streams.ordering`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from streams.ordering import Watermark
from streams.records import (
    Advance,
    Limits,
    Mention,
    Model,
    Origin,
    RejectedError,
    ScoredMention,
    Tone,
    decode_control,
    decode_mention,
    hashed_author,
    microseconds,
    partition_of,
    tick_of,
)

#: The header that marks a control record in the topic of mentions.
CONTROL_HEADER = "tocsin-control"

#: Four decimals: no detector needs more, and a record stays short.
TONE_DECIMALS = 4


class Matcher(Protocol):
    """Names the brands in a text, in the configured order."""

    def match(self, text: str) -> tuple[str, ...]:
        """The brands that ``text`` names."""
        ...


@dataclass(frozen=True, slots=True)
class Incoming:
    """A record of ``mentions`` as it came."""

    partition: int
    offset: int
    value: bytes | None
    headers: Mapping[str, bytes] = field(default_factory=dict)
    #: When the broker says that it was written, microseconds since 1970 UTC.
    timestamp_us: int = 0
    key: bytes | None = None


@dataclass(frozen=True, slots=True)
class Rejected:
    """A record for the dead-letter topic: what came, and why it cannot be used."""

    record: Incoming
    error: RejectedError


@dataclass(frozen=True, slots=True)
class Matched:
    """A mention that names brands, before its tone is known."""

    mention: Mention
    brands: tuple[str, ...]
    origin: Origin


@dataclass(slots=True)
class Batch:
    """What a batch of records came to, in the order in which it has to be sent."""

    matched: list[Matched] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    #: Sent behind the mentions, to every partition.
    advances: list[Advance] = field(default_factory=list)

    @property
    def texts(self) -> list[str]:
        """The texts whose tone is to be read, one for each of ``matched``."""
        return [one.mention.text for one in self.matched]


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A record for a partition of ``mentions.scored``."""

    partition: int
    key: bytes
    record: ScoredMention | Advance


@dataclass(slots=True)
class Counts:
    """read = matched + unmatched + rejected, always; control records are none of these."""

    read: int = 0
    matched: int = 0
    unmatched: int = 0
    control: int = 0
    #: Records sent: one for each brand that a mention names.
    scored: int = 0
    #: Among the matched: those in a language or script that the model does not know.
    unreliable: int = 0
    rejected: Counter[str] = field(default_factory=Counter)


def rounded_tone(negative: float, neutral: float, positive: float) -> Tone:
    """A tone as records carry it."""
    return Tone(round(negative, TONE_DECIMALS), round(neutral, TONE_DECIMALS), round(positive, TONE_DECIMALS))


class Classification:
    """Classify's work on the records of any number of origins.

    Parameters
    ----------
    brands : collection of str
        The names that a mention may carry in ``brand``; None lets any name pass (a backtest without a configuration).
    matcher : Matcher
        Finds the brands of a mention that names none.
    author_key : bytes
        The key of the authors' hashes.
    lateness_us : int
        How far behind the newest event time of its origin a mention may come and still count in its own tick.
    partitions : int
        How many partitions the topic of scored mentions has.
    knows : callable
        Whether the tone of a text, in the language that the feed declares or None, can be relied on.
    homes : mapping, optional
        Brand -> the name that chooses its partition, where that is not its own: brands of a portfolio live together.
    """

    def __init__(
        self,
        *,
        brands: Collection[str] | None,
        matcher: Matcher,
        author_key: bytes,
        lateness_us: int,
        partitions: int,
        limits: Limits | None = None,
        model: Model,
        knows: Callable[[str, str | None], bool] = lambda _text, _lang: True,
        homes: Mapping[str, str] | None = None,
    ) -> None:
        self._brands = None if brands is None else frozenset(brands)
        self._matcher = matcher
        self._author_key = author_key
        self._lateness_us = lateness_us
        self._partitions = partitions
        self._limits = limits or Limits()
        self._model = model
        self._knows = knows
        self._homes = homes or {}
        self._watermarks: dict[int, Watermark] = {}
        self._next: dict[int, int] = {}
        self.counts = Counts()

    @property
    def author_key(self) -> bytes:
        """The key of the authors' hashes."""
        return self._author_key

    @property
    def lateness_us(self) -> int:
        """How far behind a mention may come, microseconds."""
        return self._lateness_us

    def knows(self, mention: Mention) -> bool:
        """Whether the tone of a mention can be relied on: the model knows its language."""
        return self._knows(mention.text, mention.lang)

    def forget(self, origins: Iterable[int] | None = None) -> None:
        """Drop what is known of origins (all by default): they are read again from the acknowledged offset."""
        for origin in list(self._watermarks) if origins is None else origins:
            self._watermarks.pop(origin, None)
            self._next.pop(origin, None)

    def watermark(self, origin: int) -> Watermark:
        """The watermark of an origin."""
        if origin not in self._watermarks:
            self._watermarks[origin] = Watermark(self._lateness_us)
        return self._watermarks[origin]

    def next_offset(self, origin: int) -> int | None:
        """The offset after the last record taken from an origin; None before the first."""
        return self._next.get(origin)

    def read(self, records: Iterable[Incoming], verdict: Callable[[Rejected | None], None] | None = None) -> Batch:
        """Take records, those of one origin in offset order; origins may be mixed.

        Parameters
        ----------
        verdict : callable, optional
            Told of each record in turn: None where it is good, else the rejection.
        """
        batch = Batch()
        origins: dict[int, None] = {}
        for record in records:
            origins[record.partition] = None
            rejected = self._take(record, batch)
            if verdict is not None:
                verdict(rejected)
        for origin in origins:
            advance = self.advance(origin)
            if advance is not None:
                batch.advances.append(advance)
        return batch

    def _take(self, record: Incoming, batch: Batch) -> Rejected | None:
        origin = record.partition
        if record.offset < self._next.get(origin, 0):
            # The origin is read again from further back. What is known of it includes records that are yet to come and
            # would overstate the tick that they reached: start anew.
            self.forget([origin])
        self._next[origin] = record.offset + 1
        try:
            if CONTROL_HEADER in record.headers:
                end = decode_control(record.value)
                if microseconds(end.created_at) > record.timestamp_us + self._limits.future_us:
                    raise RejectedError("absurd_date", f"control record: {end.created_at.isoformat()} lies ahead")
                self.watermark(origin).enter(tick_of(microseconds(end.created_at)) + 1, "end")
                self.counts.control += 1
                return None
            mention = decode_mention(record.value, self._limits, now_us=record.timestamp_us)
            matched = self.match(mention, origin, record.offset, record.timestamp_us)
        except RejectedError as error:
            rejected = Rejected(record, error)
            self.counts.read += 1
            self.counts.rejected[error.reason] += 1
            batch.rejected.append(rejected)
            return rejected
        if matched is not None:
            batch.matched.append(matched)
        return None

    def brands_of(self, mention: Mention) -> tuple[str, ...]:
        """The brands of a mention, in the configured order; nothing is counted.

        Raises
        ------
        RejectedError
            When it carries a brand that is not configured.
        """
        if mention.brand is None:
            return self._matcher.match(mention.text)
        if self._brands is None or mention.brand in self._brands:
            return (mention.brand,)
        raise RejectedError("unknown_brand", f"brand {mention.brand!r} is not among the configured brands")

    def match(self, mention: Mention, origin: int, offset: int, written_us: int | None = None) -> Matched | None:
        """Find the brands of a mention; None where it names none.

        ``written_us`` is when the broker wrote it, where there is one.

        Raises
        ------
        RejectedError
            When it carries a brand that is not configured. The mention then does not count as read.
        """
        brands = self.brands_of(mention)
        reached = self.watermark(origin).observe(microseconds(mention.created_at), written_us)
        self._next[origin] = offset + 1
        self.counts.read += 1
        if not brands:
            self.counts.unmatched += 1
            return None
        self.counts.matched += 1
        return Matched(mention, brands, Origin(origin, offset, reached))

    def advance(self, origin: int) -> Advance | None:
        """What to announce behind the records taken from an origin; None where everyone has been told."""
        watermark = self.watermark(origin)
        tick = watermark.announce()
        if tick is None:
            return None
        return Advance(partition=origin, offset=self._next[origin], tick=tick, cause=watermark.cause)

    def quiet(self, origin: int, offset: int, tick: int) -> Advance | None:
        """Advance an origin by the clock: it has been read up to ``offset`` and nothing is left in it."""
        self.watermark(origin).enter(tick, "clock")
        self._next.setdefault(origin, offset)
        return self.advance(origin)

    def outgoing(self, batch: Batch, tones: NDArray[np.float32] | Sequence[Sequence[float]]) -> list[Outgoing]:
        """What to send, in order: each mention to its brand's partition, then each advance to all.

        Parameters
        ----------
        tones : array of shape (len(batch.matched), 3)
            Probabilities of negative, neutral, positive.
        """
        out = []
        for one, (negative, neutral, positive) in zip(batch.matched, np.asarray(tones, float).tolist(), strict=True):
            tone = rounded_tone(negative, neutral, positive)
            reliable = self.knows(one.mention)
            self.counts.unreliable += not reliable
            for brand in one.brands:
                record = self._scored(one.mention, brand, tone, one.origin, reliable=reliable)
                out.append(
                    Outgoing(partition_of(self._homes.get(brand, brand), self._partitions), brand.encode(), record)
                )
        self.counts.scored += len(out)
        for advance in batch.advances:
            out.extend(Outgoing(partition, b"", advance) for partition in range(self._partitions))
        return out

    def _scored(self, mention: Mention, brand: str, tone: Tone, origin: Origin, *, reliable: bool) -> ScoredMention:
        author = mention.author
        return ScoredMention(
            id=mention.id,
            created_at=mention.created_at,
            text=mention.text,
            brand=brand,
            tone=tone,
            tone_reliable=reliable,
            model=self._model,
            origin=origin,
            source=mention.source,
            author=hashed_author(author, mention.source, self._author_key) if author else None,
            lang=mention.lang,
            url=mention.url,
            kind=mention.kind,
            parent_id=mention.parent_id,
            root_id=mention.root_id,
            reach=mention.reach,
            engagement=mention.engagement,
            gold_tone=mention.gold_tone,
        )

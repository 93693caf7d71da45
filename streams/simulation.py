"""A simulated fortnight: mentions of three invented brands, one crisis, one burst that nobody should be paged for.

Made for the demo and for tests: the same arguments always give the same mentions, on any machine. Counts follow a daily
and a weekly rhythm and vary more than chance alone would (negative binomial), as real ones do; a few authors write
often, most once; texts are passed on verbatim. The brands are not labelled: their keywords are to be matched from the
text. The intended tone is kept as ``gold_tone``, so that the detector can be tried without a model.
This file knows no Kafka.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Final, NamedTuple

from streams.records import Kind, Label, Mention
from streams.simulated_texts import compose

#: When the fortnight begins by default: a Monday.
START: Final = datetime(2026, 3, 2, tzinfo=UTC)
DAYS: Final = 14


class SimulatedBrand(NamedTuple):
    """A brand of the simulation: what to configure, and how it is written about on an ordinary day."""

    name: str
    keywords: tuple[str, ...]
    topic: str
    #: Mentions an hour, on average.
    hourly: float
    #: Usual shares of negative and of positive mentions.
    negative: float
    positive: float
    #: Mentions on a Sunday as a share of those on a weekday.
    weekend: float


class SimulatedEvent(NamedTuple):
    """A time in which a brand is written about more than usual."""

    brand: str
    topic: str
    is_crisis: bool
    #: Since the start of the simulation.
    onset: timedelta
    #: Volume at the peak, in times the usual.
    peak: float
    ramp: timedelta
    #: How long the peak lasts, and after which time the volume has fallen by a factor e.
    plateau: timedelta
    decay: timedelta
    duration: timedelta
    negative: float
    positive: float


BRANDS: Final = (
    SimulatedBrand("Zuvarro Airlines", ("zuvarro", "zuvarro airlines", "@flyzuvarro"), "airline", 23, 0.36, 0.2, 0.9),
    SimulatedBrand("Quenbrook Bank", ("quenbrook", "quenbrook bank", "@quenbrook"), "bank", 18, 0.28, 0.15, 0.45),
    SimulatedBrand("Fjordfizz", ("fjordfizz", "fjord fizz"), "drink", 18, 0.1, 0.45, 1.25),
)

EVENTS: Final = (
    SimulatedEvent(
        brand="Zuvarro Airlines",
        topic="tarmac",
        is_crisis=True,
        onset=timedelta(days=10, hours=14),
        peak=8,
        ramp=timedelta(hours=1),
        plateau=timedelta(hours=1),
        decay=timedelta(hours=2.7),
        duration=timedelta(hours=10),
        negative=0.76,
        positive=0.03,
    ),
    SimulatedEvent(
        brand="Fjordfizz",
        topic="walrus",
        is_crisis=False,
        onset=timedelta(days=11, hours=17),
        peak=6,
        ramp=timedelta(hours=1.5),
        plateau=timedelta(hours=1),
        decay=timedelta(hours=2),
        duration=timedelta(hours=8),
        negative=0.03,
        positive=0.72,
    ),
)

# Mentions by hour of the day, as shares of the mean: quiet at night, a peak after work.
_HOURS: Final = (0.45, 0.3, 0.22, 0.2, 0.25, 0.4, 0.7, 1.0, 1.2, 1.25, 1.2, 1.2,
                 1.3, 1.25, 1.2, 1.2, 1.25, 1.4, 1.55, 1.6, 1.55, 1.4, 1.1, 0.75)  # fmt: skip
# The gamma factors that make counts vary more than chance: by the hour (what people talk about) and by the minute.
_HOUR_SHAPE: Final = 14.0
_MINUTE_SHAPE: Final = 1.5
_AUTHORS: Final = 6000
_REPOST_SHARE: Final = 0.12
_EVENT_REPOST_SHARE: Final = 0.3
_SOURCES: Final = ("x",) * 6 + ("bluesky",) * 3 + ("mastodon",)
_NAMES_A: Final = (
    "blue",
    "quiet",
    "happy",
    "tiny",
    "northern",
    "salty",
    "daily",
    "retro",
    "lucky",
    "grumpy",
    "urban",
    "misty",
)
_NAMES_B: Final = (
    "otter",
    "maple",
    "rider",
    "baker",
    "comet",
    "fox",
    "heron",
    "pixel",
    "tea",
    "walker",
    "violin",
    "cloud",
)


def simulate(seed: int = 1, start: datetime = START, days: int = DAYS, brands: int = len(BRANDS)) -> Iterator[Mention]:
    """Yield the mentions of the simulation in order of time.

    Parameters
    ----------
    seed : int
        Another seed gives other mentions with the same rhythm and the same events.
    start : datetime
        When it begins; with a time zone. Events keep their distance from it.
    days : int
        How long it lasts.
    brands : int
        How many of `BRANDS` are written about, from the first.

    Raises
    ------
    ValueError
        If `start` has no zone, or `days` or `brands` is out of range.
    """
    if start.tzinfo is None:
        raise ValueError("start has no time zone; give it one, for instance UTC")
    if days < 1:
        raise ValueError(f"days is {days}; it must be at least 1")
    if not 1 <= brands <= len(BRANDS):
        raise ValueError(f"brands is {brands}; it must be from 1 to {len(BRANDS)}")
    start = start.astimezone(UTC)
    crowd = [_Writers(Random(f"{seed} {brand.name}"), brand, f"sim{seed}-{brand.topic}") for brand in BRANDS[:brands]]
    for minute in range(days * 1440):
        since = timedelta(minutes=minute)
        mentions = [mention for writers in crowd for mention in writers.minute(since, start + since)]
        yield from sorted(mentions, key=lambda mention: mention.created_at)


def brand_keywords(brands: int = len(BRANDS)) -> list[tuple[str, tuple[str, ...]]]:
    """Return the names and keywords of the simulated brands, as `streams.matching.BrandMatcher` takes them."""
    return [(brand.name, brand.keywords) for brand in BRANDS[:brands]]


def settings_text(extra: str = "") -> str:
    """Return settings, as YAML, with the simulated brands and whatever sections come before them."""
    brands = "".join(
        f"  - name: {brand.name}\n    keywords: [{', '.join(f'{keyword!r}' for keyword in brand.keywords)}]\n"
        for brand in BRANDS
    )
    return f"{extra}brands:\n{brands}"


class _Post(NamedTuple):
    """What a repost repeats."""

    id: str
    author: str
    text: str
    tone: Label


class _Writers:
    """All who write about one brand, with random numbers of their own, so that brands do not disturb each other."""

    def __init__(self, rng: Random, brand: SimulatedBrand, label: str) -> None:
        self._rng = rng
        self._brand = brand
        self._label = label
        self._events = [event for event in EVENTS if event.brand == brand.name]
        self._written = 0
        self._hour_factor = 1.0
        self._recent: deque[_Post] = deque(maxlen=80)
        self._of_event: list[_Post] = []

    def minute(self, since: timedelta, now: datetime) -> list[Mention]:
        """Return the mentions of the minute that begins `since` the start, in order of time."""
        rng = self._rng
        if now.minute == 0:
            self._hour_factor = rng.gammavariate(_HOUR_SHAPE, 1 / _HOUR_SHAPE)
        usual = self._brand.hourly / 60 * _HOURS[now.hour] * (self._brand.weekend if now.weekday() > 4 else 1.0)
        events: list[SimulatedEvent | None] = [None] * _count(rng, usual * self._hour_factor)
        for event in self._events:
            events += [event] * _count(rng, usual * (volume_of(event, since - event.onset) - 1))
        times = sorted(rng.randrange(60_000) for _ in events)
        rng.shuffle(events)
        return [self._write(event, now + timedelta(milliseconds=ms)) for event, ms in zip(events, times, strict=True)]

    def _write(self, event: SimulatedEvent | None, when: datetime) -> Mention:
        rng = self._rng
        self._written += 1
        identifier = f"{self._label}-{self._written:06}"
        author = _author(rng, self._brand.name, crowd=event is not None and rng.random() < 0.8)
        pool: deque[_Post] | list[_Post] = self._of_event if event else self._recent
        kind: Kind = "post"
        original = None
        if pool and rng.random() < (_EVENT_REPOST_SHARE if event else _REPOST_SHARE):
            # The first posts of an event are those that go around; on an ordinary day, any recent one.
            original = pool[int(len(pool) * rng.random() ** (3 if event else 1))]
            kind, tone = "repost", original.tone
            text = f"RT @{original.author}: {original.text}"[:280]
        else:
            tone = _tone(rng, *((event.negative, event.positive) if event else self._usual_shares()))
            text = compose(rng, event.topic if event else self._brand.topic, tone)
            pool.append(_Post(identifier, author, text, tone))
        return Mention(
            id=identifier,
            created_at=when,
            text=text,
            source=rng.choice(_SOURCES),
            author=author,
            lang="en",
            url=f"https://social.example/{author}/{identifier}",
            kind=kind,
            parent_id=original.id if original else None,
            reach=float(int(rng.lognormvariate(5.3, 1.4))),
            gold_tone=tone,
        )

    def _usual_shares(self) -> tuple[float, float]:
        # Sunny hours and grumpy ones, whatever the volume.
        mood = 0.85 + 0.3 * self._rng.random()
        return self._brand.negative * mood, self._brand.positive / mood


def volume_of(event: SimulatedEvent, age: timedelta) -> float:
    """Return the volume, in times the usual, at an age of an event; 1 before and after it."""
    if not timedelta(0) <= age < event.duration:
        return 1.0
    if age < event.ramp:
        return 1 + (event.peak - 1) * ((age + timedelta(minutes=1)) / event.ramp)
    over = max(timedelta(0), age - event.ramp - event.plateau)
    return 1 + (event.peak - 1) * math.exp(-(over / event.decay))


def _count(rng: Random, mean: float) -> int:
    """Return a negative binomial count: Poisson with a gamma mean."""
    if mean <= 0:
        return 0
    # Knuth's product of uniforms: means here are a few at most.
    limit = math.exp(-mean * rng.gammavariate(_MINUTE_SHAPE, 1 / _MINUTE_SHAPE))
    count, product = 0, rng.random()
    while product > limit:
        count += 1
        product *= rng.random()
    return count


def _tone(rng: Random, negative: float, positive: float) -> Label:
    draw = rng.random()
    return "negative" if draw < negative else "positive" if draw < negative + positive else "neutral"


def _author(rng: Random, brand: str, *, crowd: bool) -> str:
    """Return a name: of the few who write often about the brand, or of a crowd that comes for an event."""
    number = 100_000 + rng.randrange(60_000) if crowd else int(_AUTHORS * rng.random() ** 2.5)
    shuffled = (number * 7919 + len(brand)) % 999_983
    return f"{_NAMES_A[shuffled % 12]}_{_NAMES_B[shuffled // 12 % 12]}{shuffled}"

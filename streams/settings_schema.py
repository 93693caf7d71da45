"""What can be set: sections, keys, defaults and what each value may be. ``docs/operations.md`` explains each key."""

from __future__ import annotations

import re
import socket
from datetime import date
from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import BeforeValidator, Field, PrivateAttr, SecretStr, field_validator, model_validator

from streams.kafka_settings import KafkaSettings
from streams.setting_values import (
    Budget,
    Count,
    ExistingFile,
    Hours,
    Keyword,
    ModelName,
    Seconds,
    Section,
    Text,
    TimeZone,
    WebAddress,
)

#: Hashes authors where no key is set. Everybody knows it, so anybody can test whether a name they know is in the data:
#: right for a demo on one machine, and the doctor says so elsewhere.
PUBLIC_AUTHOR_KEY: Final = b"tocsin: a key that everybody knows"

#: Brands of a portfolio at least (detectors.portfolio.incident.LEAST_BRANDS, which would load numpy here).
LEAST_BRANDS: Final = 3

#: What a topic takes where nobody says otherwise (max.message.bytes).
KAFKA_MESSAGE_BYTES: Final = 1_048_588


def _host_name() -> str:
    return re.sub(r"[^A-Za-z0-9._-]", "-", socket.gethostname())


class RetentionHours(Section):
    """How long each topic keeps its records, in hours."""

    mentions: Hours = 168
    scored: Hours = 168
    rejected: Hours = 720
    events: Hours = 8760
    commands: Hours = 8760


class TopicSettings(Section):
    """Names, partitions and retention of Tocsin's topics."""

    prefix: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{0,200}$")] = ""
    partitions: Count = 4
    replication: Annotated[int, Field(ge=1, le=32767)] = 1
    retention_hours: RetentionHours = Field(default_factory=RetentionHours)

    @property
    def mentions(self) -> str:
        """Topic that sources write mentions to."""
        return f"{self.prefix}mentions"

    @property
    def scored(self) -> str:
        """Topic of mentions with their tone, keyed by brand."""
        return f"{self.prefix}mentions.scored"

    @property
    def rejected(self) -> str:
        """Topic of records that could not be taken."""
        return f"{self.prefix}mentions.rejected"

    @property
    def events(self) -> str:
        """Topic of crisis events."""
        return f"{self.prefix}crisis.events"

    @property
    def state(self) -> str:
        """Compacted topic of open incidents."""
        return f"{self.prefix}crisis.state"

    @property
    def commands(self) -> str:
        """Topic of what people tell the detector."""
        return f"{self.prefix}crisis.commands"


class WorkerSettings(Section):
    """One worker process; `id` is stable over its restarts and differs between workers."""

    id: Annotated[str, BeforeValidator(lambda value: _host_name() if value is None else value)] = Field(
        default_factory=_host_name, pattern=r"^[A-Za-z0-9._-]{1,200}$"
    )
    data_dir: Path = Path(".tocsin/data")
    store: Literal["rocksdb", "memory"] = "rocksdb"
    embedded: bool = False


class ToneSettings(Section):
    """Which model reads the tone, on which backend, and how it batches. Threads: 0 means as many as there are cores.

    `labels` is what the outputs of a named model mean, in their order, where it calls them LABEL_0 and so on.
    `neutral_forecasts`: reports of a brand's economic forecasts are not held against it (the bundled models alone).
    """

    model: ModelName = "bundled"
    revision: Text | None = None
    labels: tuple[Literal["negative", "neutral", "positive"], ...] | None = None
    backend: Text = "auto"
    neutral_forecasts: bool = True
    threads: Annotated[int, Field(ge=0)] = 0
    batch_texts: Count = 256
    batch_wait_seconds: Seconds = 0.2
    cache_texts: Annotated[int, Field(ge=0)] = 100_000

    @field_validator("labels")
    @classmethod
    def _labels_differ(cls, value: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if value is not None and (len(set(value)) != len(value) or not {"negative", "positive"} <= set(value)):
            raise ValueError(f"labels are {', '.join(value)}: name each tone once, negative and positive among them")
        return value


class TimeSettings(Section):
    """Event time: how late a mention may come, and when the wall clock may close a quiet brand's tick."""

    lateness_seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 10
    idle_after_seconds: Seconds = 60
    live_within_hours: Hours = 24
    max_ahead_hours: Hours = 24


class LimitSettings(Section):
    """What is refused, and how much of it stops the worker."""

    text_chars: Count = 65_536
    record_bytes: Count = 1_000_000
    future_seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 3600
    earliest: date = date(2000, 1, 1)
    rejected_in_a_row: Count = 100
    rejected_share: Annotated[float, Field(gt=0, le=1)] = 0.5
    rejected_share_over: Count = 1000

    @property
    def mention_message_bytes(self) -> int:
        """Largest message that `mentions` takes: over `record_bytes`, so that it is us who refuse and say why."""
        return max(KAFKA_MESSAGE_BYTES, self.record_bytes + 4096)

    @property
    def message_bytes(self) -> int:
        """Largest message that the other topics take and that producers send: any mention plus what we add."""
        return self.mention_message_bytes + 65_536


class BrandSettings(Section):
    """A brand that is watched; without keywords it is found by the `brand` field of mentions alone."""

    name: Annotated[Text, Field(max_length=512)]
    keywords: tuple[Keyword, ...] = ()
    budget: Budget | None = None
    runbook_url: WebAddress | None = None
    time_zone: TimeZone = "UTC"
    portfolio: Annotated[Text, Field(max_length=512)] | None = None


class PortfolioSettings(Section):
    """What all brands of a portfolio may cost together, and what its own incidents link to."""

    name: Text
    budget: Budget | None = None
    runbook_url: WebAddress | None = None


class LinkSettings(Section):
    """Where crisis events point people."""

    dashboard_url: WebAddress | None = None
    false_alarm_url: WebAddress | None = None


class WebSettings(Section):
    """Address of metrics and health; loopback unless set otherwise. Port 0 takes any free one."""

    host: Text = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 6066


class PrivacySettings(Section):
    """Authors are stored as keyed hashes; the key is ``TOCSIN_AUTHOR_KEY`` or the content of `author_key_file`."""

    author_key_file: ExistingFile | None = None
    _author_key: SecretStr | None = PrivateAttr(default=None)

    @property
    def author_key(self) -> bytes:
        """Key of the authors' hashes: the secret one where it is set, else `PUBLIC_AUTHOR_KEY`."""
        return PUBLIC_AUTHOR_KEY if self._author_key is None else self._author_key.get_secret_value().encode()

    @property
    def author_key_is_public(self) -> bool:
        """Whether no secret key was set."""
        return self._author_key is None


class Settings(Section):
    """Everything that can be set; only `brands` has no default."""

    kafka: KafkaSettings = Field(default_factory=KafkaSettings)
    topics: TopicSettings = Field(default_factory=TopicSettings)
    worker: WorkerSettings = Field(default_factory=WorkerSettings)
    tone: ToneSettings = Field(default_factory=ToneSettings)
    time: TimeSettings = Field(default_factory=TimeSettings)
    limits: LimitSettings = Field(default_factory=LimitSettings)
    budget: Budget = 1.0
    brands: Annotated[tuple[BrandSettings, ...], Field(min_length=1)]
    portfolios: tuple[PortfolioSettings, ...] = ()
    detectors: tuple[Text, ...] = ()
    links: LinkSettings = Field(default_factory=LinkSettings)
    web: WebSettings = Field(default_factory=WebSettings)
    privacy: PrivacySettings = Field(default_factory=PrivacySettings)

    @field_validator("brands")
    @classmethod
    def _names_differ(cls, value: tuple[BrandSettings, ...]) -> tuple[BrandSettings, ...]:
        seen: dict[str, int] = {}
        for number, brand in enumerate(value):
            first = seen.setdefault(brand.name.casefold(), number)
            if first != number:
                raise ValueError(f"brands.{number} and brands.{first} are both named {brand.name!r}; names must differ")
        return value

    @field_validator("detectors")
    @classmethod
    def _are_installed(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if value:
            from detectors.installed import unknown

            if problem := unknown(value):
                raise ValueError(problem)
        return value

    @model_validator(mode="after")
    def _portfolios_fit(self) -> Self:
        brands: dict[str, int] = {}
        for brand in self.brands:
            if brand.portfolio is not None:
                brands[brand.portfolio] = brands.get(brand.portfolio, 0) + 1
        for name, count in brands.items():
            if any(brand.name == name for brand in self.brands):
                raise ValueError(f"portfolio {name!r} is named as a brand; its own events could not be told apart")
            if count < LEAST_BRANDS:
                raise ValueError(
                    f"portfolio {name!r} has {count} of the brands; it takes {LEAST_BRANDS} at least to alarm together"
                )
        seen = set()
        for portfolio in self.portfolios:
            if portfolio.name not in brands:
                raise ValueError(f"portfolios: no brand belongs to {portfolio.name!r} (brands[].portfolio)")
            if portfolio.name in seen:
                raise ValueError(f"portfolios: {portfolio.name!r} is there twice")
            seen.add(portfolio.name)
        return self

    @property
    def portfolio_budgets(self) -> dict[str, float]:
        """Pages a month of portfolios that have a budget of their own, by name."""
        return {one.name: one.budget for one in self.portfolios if one.budget is not None}

    @property
    def portfolio_names(self) -> tuple[str, ...]:
        """The portfolios that brands belong to, sorted."""
        return tuple(sorted({brand.portfolio for brand in self.brands if brand.portfolio is not None}))

    @property
    def portfolio_runbooks(self) -> dict[str, str]:
        """What the own incidents of portfolios link to, by name."""
        return {one.name: one.runbook_url for one in self.portfolios if one.runbook_url is not None}

    def budget_of(self, brand: BrandSettings) -> float:
        """False pages per month that `brand` may cost: its own budget, else the common one."""
        return self.budget if brand.budget is None else brand.budget

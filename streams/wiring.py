"""From the settings to the parts that know no Kafka; the worker and the backtest use the same ones."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from detectors.detector import Detector
from detectors.engine import BrandProfile
from detectors.installed import load
from detectors.portfolio.budgets import scaled
from streams.classification import Classification
from streams.crisis_events import Links
from streams.matching import BrandMatcher
from streams.records import Limits, Model, microseconds
from streams.settings import Settings


def mention_limits(settings: Settings) -> Limits:
    """What a mention may be."""
    limits = settings.limits
    return Limits(
        record_bytes=limits.record_bytes,
        text_chars=limits.text_chars,
        earliest_us=microseconds(datetime.combine(limits.earliest, datetime.min.time(), UTC)),
        future_us=int(limits.future_seconds * 1e6),
    )


def make_classification(
    settings: Settings, model: Model, knows: Callable[[str, str | None], bool] = lambda _text, _lang: True
) -> Classification:
    """Classify's work; `knows` tells whether the model's tone of a text in a declared language can be relied on."""
    return Classification(
        brands=[brand.name for brand in settings.brands],
        matcher=BrandMatcher([(brand.name, brand.keywords) for brand in settings.brands]),
        author_key=settings.privacy.author_key,
        lateness_us=int(settings.time.lateness_seconds * 1e6),
        partitions=settings.topics.partitions,
        limits=mention_limits(settings),
        model=model,
        knows=knows,
        homes={brand.name: brand.portfolio for brand in settings.brands if brand.portfolio is not None},
    )


def brand_profiles(settings: Settings) -> list[BrandProfile]:
    """The brands as the engine sees them, with budgets that fit into their portfolios'."""
    brands = [
        BrandProfile(
            name=brand.name,
            budget=settings.budget_of(brand),
            time_zone=brand.time_zone,
            ignore_terms=tuple(brand.keywords),
            runbook_url=brand.runbook_url,
            portfolio=brand.portfolio,
            portfolio_budget=settings.portfolio_budgets.get(brand.portfolio) if brand.portfolio else None,
            portfolio_runbook_url=settings.portfolio_runbooks.get(brand.portfolio) if brand.portfolio else None,
        )
        for brand in settings.brands
    ]
    return scaled(brands)


def own_detectors(settings: Settings) -> tuple[Detector, ...]:
    """The detectors of installed packages that the settings switch on. Raises DetectorError."""
    return load(settings.detectors)


def event_links(settings: Settings) -> Links:
    """What events link to."""
    return Links(settings.links.dashboard_url, settings.links.false_alarm_url)

"""Levels: where each brand stands, for metrics and plots."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from detectors.budget import NEVER
from detectors.casebook import Made
from detectors.columns import Floats, Ints
from detectors.config import BrandProfile
from detectors.core import Core
from detectors.detector_set import DetectorSet
from detectors.incidents import SEVERITY
from detectors.ledger import Account
from detectors.planned import expected_now
from detectors.score import UNSCORED
from detectors.windows import AUTHORS, MENTIONS, NEGATIVES


@dataclass(frozen=True)
class Levels:
    """Where each brand stands after its last closed tick, for metrics and plots. Rows are brands in the engine's
    order."""

    brands: tuple[str, ...]
    detectors: tuple[str, ...]
    closed: NDArray[np.float64]
    """(n,) last closed tick; nan before the first."""
    score: Floats
    """(n, detectors); nan where there is none: cold start, or the feed is silent."""
    threshold: Floats
    """(n, detectors) page thresholds (of `day` the ticket's, of `surge` the info's); nan where a detector cannot yet
    reach one."""
    ticket_threshold: Floats
    ratio: Floats
    """(n,) negative authors of the last hour against expected, both plus 2."""
    mentions: Ints
    """(n,) in the last hour, as the following."""
    authors: Ints
    negative_authors: Ints
    authors_expected: Floats
    negative_expected: Floats
    open: NDArray[np.bool_]
    """(n,) an incident is open."""
    notify: Ints
    """(n,) 0 none, 1 info, 2 ticket, 3 page."""
    severity: tuple[str | None, ...]
    silent: NDArray[np.bool_]
    """(n,) the feed is improbably silent."""
    quiet_days: Ints
    """(n,) days the thresholds rest on."""
    accounts: tuple[Account, ...]
    """How each brand's pages turned out, and after them each portfolio's own."""


def levels(
    brands: Sequence[BrandProfile], cores: Sequence[Core], detectors: DetectorSet, accounts: Sequence[Account]
) -> Levels:
    """Where each of these brands stands, each being in one of the cores."""
    n = len(brands)
    closed = np.full(n, np.nan)
    score, threshold, ticket = (np.full((n, len(detectors)), np.nan) for _ in range(3))
    ratio, mu, nu = np.ones(n), np.zeros(n), np.zeros(n)
    mentions, authors, negative = (np.zeros(n, np.int64) for _ in range(3))
    is_open, silent = np.zeros(n, np.bool_), np.zeros(n, np.bool_)
    notify, days = np.zeros(n, np.int64), np.zeros(n, np.int64)
    severity: list[str | None] = [None] * n
    for core in cores:
        at = core.index
        if core.closed is None:
            continue
        closed[at] = core.closed
        score[at] = np.where(core.track.score > UNSCORED, core.track.score, np.nan)
        page = core.budget.page
        ticket[at] = np.where(core.budget.ticket < NEVER, core.budget.ticket, np.nan)
        threshold[at] = np.where(page < NEVER, page, ticket[at])
        mu[at], nu[at] = expected_now(core, 1)
        counts = core.windows.counts[:, 1]
        mentions[at], authors[at], negative[at] = (
            counts[MENTIONS],
            counts[AUTHORS],
            np.minimum(counts[NEGATIVES], counts[AUTHORS]),
        )
        ratio[at] = (negative[at] + 2.0) / (nu[at] + 2.0)
        silent[at] = core.gaps.down
        days[at] = core.budget.days
        for position, incident in core.incidents.items():
            if incident.closed is None:
                is_open[position] = True
                notify[position] = incident.notify
                severity[position] = SEVERITY[incident.severity]
    return Levels(
        tuple(b.name for b in brands),
        detectors.names,
        closed,
        score,
        threshold,
        ticket,
        ratio,
        mentions,
        authors,
        negative,
        mu,
        nu,
        is_open,
        notify,
        tuple(severity),
        silent,
        days,
        tuple(accounts),
    )


def ledger(
    brands: Sequence[BrandProfile], cores: Iterable[Core], made: Mapping[str, Made] = MappingProxyType({})
) -> list[Account]:
    """How each brand's pages turned out, each being in one of the cores; `made` is what portfolios made of them, by
    their names (`Portfolios.made`)."""
    found: dict[int, Account] = {}
    for core in cores:
        for i, position in enumerate(core.index.tolist()):
            own = made.get(brands[position].portfolio or "")
            found[position] = core.account(i, 0 if core.closed is None else core.closed, own)
    return [found[position] for position in range(len(brands))]

"""Budget: thresholds from return levels of the brand's own quiet days.

The largest score of each quiet day is kept per detector. The log of a day's largest burst is Gumbel distributed
(DETECTION.md, "What the data do obey"), so the level that is exceeded on N of 30 days is loc - s ln(-ln(1 - N/30))
(Coles 2001, ch. 3). Location and scale come from L-moments (Hosking 1990): s = l2 / ln 2, loc = l1 - 0.5772 s, which
beat maximum likelihood for a few dozen values. The scale is drawn to what is usual for brands: s <- (n s + 14 s0) /
(n + 14) while n <= 28.

Several detectors share one budget: what counts is the largest of their standardised daily maxima y = (m - loc) / s,
and each detector's threshold stands at the level that this exceeds on N of 30 days. An equal split of N would waste
what they have in common, which is most of it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from detectors.columns import Columns, Floats, Ints, column, ln, row_sum
from detectors.config import EngineConfig
from detectors.score import DAY, DETECTORS, PAGING, SURGE, TONE

NEVER = 99.0
"""A threshold no score reaches."""
DAYS = 56
MONTH = 30.0
EULER = 0.5772156649015329
PRIOR_DAYS = 14.0
PRIOR_SCALE = np.array([0.4, 0.4, 1.2, 0.3, 0.35])
"""Usual scale of the daily maxima per detector, over brands."""
FLOOR_PAGE = np.array([1.1, 1.1, 3.0, NEVER, 1.1])
"""A brand so quiet that its return levels are near nothing is still not in a crisis below three times what is
expected."""
FLOOR_TICKET = np.array([0.9, 0.9, 2.5, 0.9, NEVER])
FIRST_DAYS = 3
"""Quiet days before a return level is computed at all."""
NOT_ABLE = -5.0
SEEN_DAYS = 28
"""Quiet days from which their own quantile counts."""
LONGEST_RETURN = 3650.0

_D = len(DETECTORS)


@dataclass
class Budget(Columns):
    """Per brand and detector. `maxima` holds the last 56 quiet days, newest first, nan where none; changes once a
    day."""

    maxima: NDArray[np.float32] = field(metadata=column(np.float32, _D, DAYS, fill=np.nan))
    days: Ints = field(metadata=column(np.int64))
    loc: Floats = field(metadata=column(np.float64, _D))
    scale: Floats = field(metadata=column(np.float64, _D, fill=1.0))
    page: Floats = field(metadata=column(np.float64, _D, fill=NEVER))
    ticket: Floats = field(metadata=column(np.float64, _D, fill=NEVER))

    def keep_day(self, which: NDArray[np.bool_], maxima: Floats) -> None:
        """Keep a quiet day's maxima, (n, detectors), of these brands."""
        at = np.nonzero(which)[0]
        if len(at):
            self.maxima[at, :, 1:] = self.maxima[at, :, :-1]
            self.maxima[at, :, 0] = maxima[at]
            self.days[at] += 1

    def set_thresholds(self, pages: Floats, config: EngineConfig) -> None:
        """Thresholds from the maxima kept and the budget (n,), in pages a month."""
        n_days = np.minimum(self.days, DAYS)
        self.loc, self.scale = gumbel(self.maxima.astype(np.float64), n_days)
        every, able = self._together()
        share = np.clip(pages / MONTH, 1e-6, 0.9)
        share_ticket = np.clip(config.ticket_budget_factor * pages / MONTH, 1e-6, 0.9)
        known = (n_days >= FIRST_DAYS)[:, None]
        page = self.loc + self.scale * together_level(every, able, n_days, share)[:, None]
        ticket = self.loc + self.scale * together_level(every, able, n_days, share_ticket)[:, None]
        # Without days of its own a brand is judged by ratios that would be unusual for nearly all; later the two are
        # blended, and a brand that is burstier than that keeps its own level.
        own = (n_days / (n_days + PRIOR_DAYS))[:, None]
        cold_page = np.full(_D, np.log(config.cold_page_ratio))
        cold_page[TONE] = 12.0
        cold_ticket = np.full(_D, np.log(config.cold_ticket_ratio))
        cold_ticket[TONE] = 6.0
        blend = own * page + (1.0 - own) * cold_page
        blend_ticket = own * ticket + (1.0 - own) * cold_ticket
        cold = (n_days < config.cold_days)[:, None]
        young = (n_days <= 2 * config.cold_days)[:, None]
        self.page = np.where(cold, np.maximum(np.where(known, page, 0.0), cold_page), page)
        self.page = np.where(young & ~cold, np.maximum(page, blend), self.page)
        self.ticket = np.where(known, np.where(young, np.maximum(ticket, blend_ticket), ticket), cold_ticket)
        self.page[:, TONE] = np.where(cold[:, 0], NEVER, self.page[:, TONE])
        self.page[:, DAY] = NEVER
        self.ticket[:, SURGE] = NEVER
        self.page = np.asarray(np.round(np.maximum(self.page, FLOOR_PAGE), 6), np.float64)
        self.ticket = np.asarray(np.round(np.minimum(np.maximum(self.ticket, FLOOR_TICKET), self.page), 6), np.float64)
        self.ticket[:, SURGE] = NEVER

    def info_level(self) -> Floats:
        """Threshold of a surge of any tone, (n,)."""
        return np.asarray(self.page[:, SURGE])

    def _together(self) -> tuple[Floats, Floats]:
        """The largest standardised daily maximum over the detectors that page, (n, days), nan where there is no day.

        Once among all of them, once among those that reached the lowest level at which they may page (-5 where none).
        """
        which = list(PAGING)
        maxima = self.maxima[:, which].astype(np.float64)
        y = (maxima - self.loc[:, which, None]) / self.scale[:, which, None]
        able = np.where(maxima >= FLOOR_PAGE[which][:, None], y, NOT_ABLE)
        return np.asarray(np.max(y, axis=1), np.float64), np.asarray(np.max(able, axis=1), np.float64)


def together_level(every: Floats, able: Floats, n_days: Ints, share: Floats) -> Floats:
    """Level in standard units that the largest of the detectors exceeds on this share of days, (n,).

    The mean of two estimates. One is Gumbel with a location between 0 (detectors always agree) and ln d (they are
    independent), estimated from the mean. The other is the empirical quantile (Weibull's plotting position, which is
    exceeded as often as asked whatever the distribution); from 28 days on it has the weight n / (n + 14), because daily
    maxima of calm brands have lighter tails than Gumbel, and a brand should get the pages that were agreed, not fewer.
    It looks at days on which a detector was `able` to page; a detector that never is should not use up the budget.
    """
    valid = np.arange(DAYS) < n_days[:, None]
    mean = row_sum(np.where(valid, every, 0.0)) / np.maximum(n_days, 1)
    highest = float(np.log(len(PAGING)))
    overlap = np.clip(mean - EULER, 0.0, highest)
    overlap = (n_days * overlap + PRIOR_DAYS * 0.7 * highest) / (n_days + PRIOR_DAYS)
    model = overlap - ln(-ln(1.0 - share))
    ordered = np.sort(np.where(valid, able, np.nan), axis=1)
    place = np.clip((n_days + 1) * (1.0 - share) - 1.0, 0.0, np.maximum(n_days - 1, 0))
    low = place.astype(np.int64)
    high = np.minimum(low + 1, np.maximum(n_days - 1, 0))
    row = np.arange(len(n_days))
    below, above = ordered[row, low], ordered[row, high]
    seen = below + (place - low) * (above - below)
    weight = np.where(n_days >= SEEN_DAYS, n_days / (n_days + PRIOR_DAYS), 0.0)
    return model + weight * (np.where(n_days > 0, seen, model) - model)


def gumbel(maxima: Floats, n_days: Ints) -> tuple[Floats, Floats]:
    """Location and shrunk scale, (n, detectors) each, of maxima (n, detectors, days), nan beyond n_days."""
    ordered = np.sort(maxima, axis=2)  # nan last
    days = n_days[:, None]
    total = np.zeros(ordered.shape[:2])
    ranked = np.zeros(ordered.shape[:2])
    for j in range(ordered.shape[2]):
        value = np.where(j < days, ordered[:, :, j], 0.0)
        total = total + value
        ranked = ranked + j * value
    mean = total / np.maximum(days, 1)
    b1 = ranked / np.maximum(days * (days - 1), 1)
    own = np.maximum(2.0 * b1 - mean, 0.0) / np.log(2.0)
    young = (days * own + PRIOR_DAYS * PRIOR_SCALE) / (days + PRIOR_DAYS)
    scale = np.where(days <= 28, young, np.maximum(own, 0.3 * PRIOR_SCALE))
    return mean - EULER * scale, scale


def return_period(score: float, loc: float, scale: float) -> float:
    """About once in how many days a quiet day reaches this score."""
    y = max(min((score - loc) / scale, 50.0), -3.0)
    once = -math.expm1(-math.exp(-y))
    return min(1.0 / max(once, 1.0 / LONGEST_RETURN), LONGEST_RETURN)

"""Budget: thresholds from return levels of the brand's own quiet days.

The largest score of each quiet day is kept per detector. The log of a day's largest burst is Gumbel distributed
(DETECTION.md, "What the data do obey"), so the level that is exceeded on N of 30 days is loc - s ln(-ln(1 - N/30))
(Coles 2001, ch. 3). Location and scale come from L-moments (Hosking 1990): s = l2 / ln 2, loc = l1 - 0.5772 s, which
beat maximum likelihood for a few dozen values.

Both are drawn to what is usual for brands with as many negative authors: the mean of the daily maxima as if 6 more
days had been seen, the scale 14. Scores are made so that this differs little between brands of one size, so a brand
has sober thresholds from its first day on, and its own after a few weeks.

Several detectors share one budget: what counts is the largest of their standardised daily maxima y = (m - loc) / s,
and each detector's threshold stands at the level that this exceeds on N of 30 days. An equal split of N would waste
what they have in common, which is most of it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from detectors.columns import Columns, Floats, Ints, Minutes, column, ln, row_sum
from detectors.config import EngineConfig
from detectors.detector_set import BUILT_IN_SET, DetectorSet
from detectors.score import DETECTOR_AXIS

NEVER = 99.0
"""A threshold no score reaches."""
DAYS = 56
MONTH = 30.0
EULER = 0.5772156649015329
PRIOR_DAYS = 14.0
"""Days that the usual scale counts for."""
LOCATION_DAYS = 6.0
"""Days that the usual mean of the daily maxima counts for."""
TAIL, TAIL_AT = 0.75, 0.95
"""Daily maxima of calm brands have lighter tails than Gumbel: of its reduced variate g, 0.75 g + 0.95 is exceeded as
often (measured on calm series of real and simulated volumes)."""
CAUTION = 2.0
"""Scales by which a page's threshold is raised on the first day, falling to none at EngineConfig.cold_days."""
OVERLAP = 0.43
"""Of ln d, what d detectors that overlap usually raise the level by."""
FIRST_DAYS = 3
"""Quiet days before a return level is computed at all."""
NOT_ABLE = -5.0
SEEN_DAYS = 28
"""Quiet days from which their own quantile counts."""
SEEN_MARGIN = 0.1
"""Added to it: days with a crisis are left out of them, so the rarest that chance would bring are missing (a calm year
had a quarter more pages than agreed without it)."""
LONGEST_RETURN = 3650.0


@dataclass
class Budget(Columns):
    """Per brand and detector; changes once a day. `maxima` holds the last 56 quiet days, newest first, to three digits,
    nan where none."""

    maxima: NDArray[np.float16] = field(metadata=column(np.float16, DETECTOR_AXIS, DAYS, fill=np.nan))
    days: Minutes = field(metadata=column(np.int32))
    negative: Floats = field(metadata=column(np.float64, fill=1.0))
    """Negative authors expected an hour at the end of the last day; says what is usual."""
    loc: NDArray[np.float32] = field(metadata=column(np.float32, DETECTOR_AXIS))
    scale: NDArray[np.float32] = field(metadata=column(np.float32, DETECTOR_AXIS, fill=1.0))
    page: NDArray[np.float32] = field(metadata=column(np.float32, DETECTOR_AXIS, fill=NEVER))
    ticket: NDArray[np.float32] = field(metadata=column(np.float32, DETECTOR_AXIS, fill=NEVER))
    offset: Floats = field(metadata=column(np.float64))
    """By how many scales the controller has moved the page thresholds."""
    kept: NDArray[np.uint64] = field(metadata=column(np.uint64))
    """Of the last 64 days, newest in the lowest bit: whether the day is among the maxima."""

    def keep_day(self, which: NDArray[np.bool_], maxima: Floats) -> None:
        """Keep a day's maxima, (n, detectors), of these brands, which had a quiet one."""
        self.kept = (self.kept << np.uint64(1)) | which.astype(np.uint64)
        at = np.nonzero(which)[0]
        if len(at):
            self.maxima[at, :, 1:] = self.maxima[at, :, :-1]
            self.maxima[at, :, 0] = maxima[at]
            self.days[at] += 1

    def forget_day(self, i: int, ago: int) -> bool:
        """Drop what brand i's day taught, `ago` days before the last one kept; says whether there was anything."""
        kept = int(self.kept[i])
        if not 0 <= ago < 64 or not kept >> ago & 1:
            return False
        self.kept[i] = np.uint64(kept & ~(1 << ago))
        at = (kept & ((1 << ago) - 1)).bit_count()
        if at >= DAYS:
            return False
        self.maxima[i, :, at:-1] = self.maxima[i, :, at + 1 :]
        self.maxima[i, :, -1] = np.nan
        self.days[i] = min(int(self.days[i]), DAYS) - 1
        return True

    def left_out(self, days: int, known: Ints) -> Ints:
        """How many of the last ``days`` (at most 63) are not among the maxima, (n,), of a brand ``known`` (n,) days."""
        asked = np.clip(known, 0, days).astype(np.uint64)
        kept = np.bitwise_count(self.kept & ((np.uint64(1) << asked) - np.uint64(1)))
        return np.asarray(asked.astype(np.int64) - kept.astype(np.int64), np.int64)

    def keep_newest(self, i: int, days: int) -> None:
        """Forget all but brand i's newest quiet days."""
        self.maxima[i, :, days:] = np.nan
        self.days[i] = min(int(self.days[i]), days)
        kept, left = int(self.kept[i]), 0
        for bit in range(64):
            if kept >> bit & 1 and left.bit_count() < days:
                left |= 1 << bit
        self.kept[i] = np.uint64(left)

    def set_thresholds_of(
        self, rows: Ints, pages: Floats, config: EngineConfig, detectors: DetectorSet = BUILT_IN_SET
    ) -> None:
        """The same as `set_thresholds`, of some brands only; `pages` (n,) is of all."""
        part = Budget.concat([self], rows)
        part.set_thresholds(pages[rows], config, detectors)
        for name in ("loc", "scale", "page", "ticket"):
            getattr(self, name)[rows] = getattr(part, name)

    def set_thresholds(self, pages: Floats, config: EngineConfig, detectors: DetectorSet = BUILT_IN_SET) -> None:
        """Thresholds from the maxima kept and the budget (n,), in pages a month."""
        n_days = self.own_days()
        usual_location, usual_scale = detectors.usual(self.negative)
        loc, scale = gumbel(self.maxima.astype(np.float64), n_days, usual_location, usual_scale, detectors.least_scale)
        self.loc, self.scale = loc.astype(np.float32), scale.astype(np.float32)
        # One that cannot page yet must not use up what is the others'.
        young = np.maximum(1.0 - n_days / config.cold_days, 0.0)
        cold = young > 0
        shares = detectors.pages & ~(cold & ~detectors.pages_when_cold) & ((n_days > 0) | detectors.has_usual)
        every, able = self._together(shares, detectors)
        days = np.minimum(self.days, DAYS)
        share = np.clip(pages / MONTH, 1e-6, 0.9)
        share_ticket = np.clip(config.ticket_budget_factor * pages / MONTH, 1e-6, 0.9)
        most = np.maximum(shares.sum(axis=1), 1)
        page = loc + scale * together_level(every, able, days, share, most)[:, None]
        page = page + np.where(detectors.pages, scale * self.offset[:, None], 0.0)
        ticket = loc + scale * together_level(every, able, days, share_ticket, most)[:, None]
        cold_page, _ = detectors.cold_levels(config)
        page, ticket = self._drawn_to_cold(page, ticket, detectors, config)
        # Until the brand's own days say how bursty it is, a page needs more than what is usual for others.
        page = page + np.where(detectors.has_usual, CAUTION * young * scale, 0.0)
        page = np.where(cold & ~detectors.has_usual, np.maximum(page, cold_page), page)
        page = np.where(cold & ~detectors.pages_when_cold, NEVER, page)
        page = np.where(detectors.pages | detectors.informs, np.maximum(page, detectors.floor), NEVER)
        ticket = np.minimum(np.maximum(ticket, detectors.ticket_floor), page)
        ticket = np.where(detectors.informs, NEVER, ticket)
        self.page, self.ticket = page.astype(np.float32), ticket.astype(np.float32)

    def _drawn_to_cold(
        self, page: Floats, ticket: Floats, detectors: DetectorSet, config: EngineConfig
    ) -> tuple[Floats, Floats]:
        """Thresholds of young brands where it is not known what is usual: drawn to ratios that would be unusual for
        nearly all; a brand that is burstier than that keeps its own level."""
        n_days = self.own_days()
        cold_page, cold_ticket = detectors.cold_levels(config)
        own = n_days / (n_days + PRIOR_DAYS)
        young = ~detectors.has_usual & (n_days <= 2 * config.cold_days)
        known = n_days >= FIRST_DAYS
        blend = np.where(known, np.maximum(page, own * page + (1.0 - own) * cold_page), cold_page)
        blend_ticket = np.where(known, np.maximum(ticket, own * ticket + (1.0 - own) * cold_ticket), cold_ticket)
        return np.where(young, blend, page), np.where(young, blend_ticket, ticket)

    def own_days(self) -> Ints:
        """Days behind each detector's thresholds, (n, detectors): fewer for one that was added later."""
        return np.asarray((~np.isnan(self.maxima)).sum(axis=2), np.int64)

    def _together(self, shares: NDArray[np.bool_], detectors: DetectorSet) -> tuple[Floats, Floats]:
        """The largest standardised daily maximum over the detectors that share in the budget, (n, detectors), as (n,
        days), nan where there is no day.

        Once among all of them, once among those that reached the lowest level at which they may page (-5 where none).
        """
        which = list(detectors.paging)
        maxima: Floats = np.where(shares[:, which, None], self.maxima[:, which].astype(np.float64), np.nan)
        y = (maxima - self.loc[:, which, None]) / self.scale[:, which, None]
        able = np.where(maxima >= detectors.floor[which][:, None], y, NOT_ABLE)
        return _largest(y), _largest(np.where(np.isnan(y), np.nan, able))


def _largest(y: Floats) -> Floats:
    """Over the detectors that have the day: (n, days) from (n, detectors, days), nan where none has."""
    out = y[:, 0]
    for d in range(1, y.shape[1]):
        out = np.fmax(out, y[:, d])
    return np.asarray(out, np.float64)


def together_level(every: Floats, able: Floats, n_days: Ints, share: Floats, most: Ints) -> Floats:
    """Level in standard units that the largest of `most` (n,) detectors exceeds on this share of days, (n,).

    The mean of two estimates. One is Gumbel with a location between 0 (detectors always agree) and ln d (they are
    independent), estimated from the mean. The other is the empirical quantile (Weibull's plotting position, which is
    exceeded as often as asked whatever the distribution); from 28 days on it has the weight n / (n + 14), because daily
    maxima of calm brands have lighter tails than Gumbel, and a brand should get the pages that were agreed, not fewer.
    It looks at days on which a detector was `able` to page; a detector that never is should not use up the budget.
    """
    valid = np.arange(DAYS) < n_days[:, None]
    mean = row_sum(np.where(valid, every, 0.0)) / np.maximum(n_days, 1)
    highest = ln(most)
    overlap = np.clip(mean - EULER, 0.0, highest)
    overlap = (n_days * overlap + PRIOR_DAYS * OVERLAP * highest) / (n_days + PRIOR_DAYS)
    model = overlap + TAIL_AT - TAIL * ln(-ln(1.0 - share))
    ordered = np.sort(np.where(valid, able, np.nan), axis=1)
    place = np.clip((n_days + 1) * (1.0 - share) - 1.0, 0.0, np.maximum(n_days - 1, 0))
    low = place.astype(np.int64)
    high = np.minimum(low + 1, np.maximum(n_days - 1, 0))
    row = np.arange(len(n_days))
    below, above = ordered[row, low], ordered[row, high]
    seen = below + (place - low) * (above - below) + SEEN_MARGIN
    weight = np.where(n_days >= SEEN_DAYS, n_days / (n_days + PRIOR_DAYS), 0.0)
    return model + weight * (np.where(n_days > 0, seen, model) - model)


def gumbel(
    maxima: Floats, n_days: Ints, usual_location: Floats, usual_scale: Floats, least_scale: Floats | float = 0.0
) -> tuple[Floats, Floats]:
    """Location and scale, (n, detectors) each, of maxima (n, detectors, days), of which n_days (n, detectors) are
    numbers and the others nan, drawn to what is usual (n, detectors); a location that is nan is not known."""
    ordered = np.sort(maxima, axis=2)  # nan last
    days = n_days
    total = np.zeros(ordered.shape[:2])
    ranked = np.zeros(ordered.shape[:2])
    for j in range(int(days.max(initial=0))):
        value = np.where(j < days, ordered[:, :, j], 0.0)
        total = total + value
        ranked = ranked + j * value
    mean = total / np.maximum(days, 1)
    b1 = ranked / np.maximum(days * (days - 1), 1)
    own = np.maximum(2.0 * b1 - mean, 0.0) / np.log(2.0)
    known = np.where(days > 1, days, 0)
    scale = (known * own + PRIOR_DAYS * usual_scale) / (known + PRIOR_DAYS)
    usual_mean = usual_location + EULER * usual_scale
    drawn = (days * mean + LOCATION_DAYS * usual_mean) / (days + LOCATION_DAYS)
    mean = np.where(np.isnan(usual_mean), mean, drawn)
    return mean - EULER * scale, np.maximum(scale, least_scale)


def return_period(score: float, loc: float, scale: float) -> float:
    """About once in how many days a quiet day reaches this score, with the tail that thresholds reckon with."""
    y = max(min((score - loc) / scale, 50.0), -3.0)
    once = -math.expm1(-math.exp((TAIL_AT - y) / TAIL))
    return min(1.0 / max(once, 1.0 / LONGEST_RETURN), LONGEST_RETURN)

"""What evidence is worth: a page, a ticket, an info, nothing; how severe it is; and when a detector is calm again.

Pure functions of scores, counts and thresholds.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from detectors.budget import NEVER, Budget
from detectors.columns import Floats, Ints, exp
from detectors.config import EngineConfig
from detectors.detector_set import DetectorSet
from detectors.score import FAST, MID, SLOW, SMALL
from detectors.windows import AUTHORS, NEGATIVES

IMMEDIATE = 2.0
"""Scales of the daily maxima above a threshold at which one tick is enough."""
SEVERE = ((2.0, 15), (5.0, 50))
"""Excess over the page threshold in scales, and negative authors in six hours, from which an incident is major,
critical."""
UNSETTLED_VOLUME = 3.0
"""While a tone model is new: times the usual volume from which more negatives are not its doing."""
INFO, TICKET, PAGE = 1, 2, 3
"""Index of incidents.NOTIFY."""


def worth(
    raw: Floats,
    twice: Floats,
    counts: Ints,
    mu: Floats,
    nu: Floats,
    settled: NDArray[np.bool_],
    unsettled: NDArray[np.bool_],
    budget: Budget,
    config: EngineConfig,
    detectors: DetectorSet,
) -> tuple[NDArray[np.int8], Ints]:
    """What each tick's evidence is worth (index of NOTIFY) and bits of the detectors that agree, (n, ticks) each.

    Parameters
    ----------
    raw, twice : (detectors, n, ticks) the score, and the lower one of this tick's and the tick's before
    counts : (3, 5, n, ticks)
    mu, nu : (5, n, ticks) authors and negative authors expected
    settled : (n,) brands known long enough for more than pages
    unsettled : (n,) brands whose tone model is new: tone alone is worth a ticket at most
    """
    page, ticket, scale = budget.page.T[:, :, None], budget.ticket.T[:, :, None], budget.scale.T[:, :, None]
    level = np.zeros(raw.shape[1:], np.int8)
    agree = np.zeros(raw.shape[1:], np.int64)
    if not reached(raw, twice, budget, detectors).any():
        return level, agree
    young = np.maximum(1.0 - budget.days / config.cold_days, 0.0)[:, None]
    least = exp(young * np.log(config.cold_page_ratio))
    over_pages = (twice >= page) | (raw >= page + IMMEDIATE * scale)
    over_tickets = (twice >= ticket) | (raw >= ticket + IMMEDIATE * scale)
    # Of most detectors no score is anywhere near.
    for d in np.nonzero((over_pages | over_tickets).any(axis=(1, 2)))[0].tolist():
        w, over_page, over_ticket = detectors.window[d], over_pages[d], over_tickets[d]
        enough = counts[detectors.counts[d], w]
        if detectors.informs[d]:
            over_page &= settled[:, None] & (enough >= config.min_surge_authors)
            level = np.maximum(level, np.where(over_page, INFO, 0)).astype(np.int8)
            agree |= np.where(over_page, 1 << d, 0)
            continue
        # Before the brand's own days say what is usual, the bonus of a moved share must not make a page: ten times as
        # many negative authors on the first day, three times after a week.
        ratio = (enough + SMALL) / ((nu if detectors.counts[d] == NEGATIVES else mu)[w] + SMALL)
        over_page &= ratio >= least
        over_page &= enough >= config.min_page_authors
        if unsettled.any():
            volume = (counts[AUTHORS, w] + 2.0 * SMALL) / (mu[w] + 2.0 * SMALL)
            tone_only = unsettled[:, None] & (volume < UNSETTLED_VOLUME)
            over_ticket |= over_page & tone_only
            over_page &= ~tone_only
        over_ticket &= settled[:, None] & (enough >= config.min_ticket_authors)
        agree |= np.where(over_ticket | over_page, 1 << d, 0)
        level = np.maximum(level, np.where(over_ticket, TICKET, 0)).astype(np.int8)
        if detectors.pages[d]:
            level = np.maximum(level, np.where(over_page, PAGE, 0)).astype(np.int8)
    return level, agree


def reached(raw: Floats, twice: Floats, budget: Budget, detectors: DetectorSet) -> NDArray[np.bool_]:
    """(n, ticks) whether any score is at a threshold: elsewhere the evidence is worth nothing, whatever the counts."""
    page, ticket, scale = budget.page.T[:, :, None], budget.ticket.T[:, :, None], budget.scale.T[:, :, None]
    at_once = np.minimum(ticket, page) + IMMEDIATE * scale
    some = ((twice >= ticket) | (raw >= at_once)).any(axis=0)
    for d in detectors.informing:
        some |= twice[d] >= page[d]
    return np.asarray(some, np.bool_)


def excess_over_page(twice: Floats, page: Floats, scale: Floats) -> Floats:
    """By how many scales of the daily maxima scores (detectors, n, ticks) exceed page thresholds (detectors, n, 1), (n,
    ticks)."""
    joint = [FAST, MID, SLOW]
    return np.asarray(np.max((twice[joint] - page[joint]) / scale[joint], axis=0), np.float64)


def severity(excess: Floats, negative_six_hours: Ints) -> Ints:
    """Index of incidents.SEVERITY, (n, ticks) as the arguments."""
    out = np.zeros(excess.shape, np.int64)
    for step, (margin, authors) in enumerate(SEVERE, 1):
        out[(excess >= margin) & (negative_six_hours >= authors)] = step
    return out


def resolve_levels(page: Floats, ticket: Floats) -> Floats:
    """Below which score a detector is calm: half its page threshold, and clearly below its ticket threshold."""
    half = np.where(page < NEVER, page / 2.0, np.inf)
    return np.asarray(np.minimum(half, np.where(ticket < NEVER, 0.75 * ticket, np.inf)), np.float64)


def active(raw: Floats, resolve: Floats) -> Ints:
    """Bits of the detectors that are not calm, (n, ticks), from scores (detectors, n, ticks) and `resolve_levels`
    (detectors, n, 1)."""
    bits = (1 << np.arange(len(raw)))[:, None, None]
    return np.asarray(np.bitwise_or.reduce(np.where(raw >= resolve, bits, 0), axis=0), np.int64)

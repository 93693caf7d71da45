"""Why it fired: a decision with all the numbers it rests on, and a sentence that says them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from detectors import topics
from detectors.brand_rows import BrandRows
from detectors.budget import NEVER, return_period
from detectors.casebook import CRISIS, FALSE, UNKNOWN, Casebook
from detectors.columns import Floats
from detectors.core import Core
from detectors.detector import Detector, Told
from detectors.detector_set import DetectorSet
from detectors.evidence import top_mentions, top_terms
from detectors.incidents import NOTIFY, SEVERITY, Decision, EventType, Incident, instant
from detectors.own_detectors import reason_of
from detectors.score import FAST, MID, SLOW, TOPIC, expected_shares
from detectors.windows import AUTHORS, MENTIONS, NEGATIVES, WIDTHS
from detectors.worth import INFO, PAGE, resolve_levels

_WINDOW_NAMES = ("10 min", "1 h", "3 h", "6 h", "24 h")
TOLD_TERMS = 3
"""Named in a sentence."""
FEWEST_DAYS = 3
"""Quiet days without which no return period is told."""


def describe(
    core: Core,
    i: int,
    j: int,
    rows: BrandRows,
    incident: Incident,
    event: EventType,
    pages: bool,
    by_clock: bool,
) -> Decision:
    """The decision of brand i at tick j of `rows`. Notes in `incident` what was told, for amendments."""
    name = int(core.index[i])
    profile = core.profiles[name]
    tick = int(rows.ticks[j])
    page, ticket, scale, loc = core.budget.page[i], core.budget.ticket[i], core.budget.scale[i], core.budget.loc[i]
    level = int(rows.worth[j])
    threshold = page if level == PAGE else ticket
    shown = np.where(threshold >= NEVER, page, threshold)
    detector = _decisive(core.detectors, rows, j, level, shown, scale)
    score, limit = float(rows.raw[detector, j]), float(shown[detector])
    amends = incident.revision - 1 if event == "amended" else None
    if event == "amended":
        _tell_again(incident)
    else:
        _tell(incident, rows, j, core.detectors.window[detector])
    window = incident.event_window
    authors, negative = incident.event_authors, incident.event_negative
    mu, nu = incident.event_authors_expected, incident.event_negative_expected
    share = negative / authors if authors else 0.0
    share_expected = float(expected_shares(rows.nu[:, j], rows.mu[:, j])[window])
    period = None
    if core.budget.days[i] >= FEWEST_DAYS:
        period = return_period(score, float(loc[detector]), float(scale[detector]))
    book = core.casebooks.get(name)
    ledger = core.account(i, tick)
    width = WIDTHS[core.detectors.window[detector]]
    # An amendment tells what came late for the numbers told before, and not what people say now.
    has_topic = event != "amended" and width <= topics.WINDOW and bool(rows.raw[TOPIC, j] > 0.0)
    # What is told of a topic are the mentions of the window that is told.
    span = topics.WINDOW if detector == TOPIC or (has_topic and width == topics.WINDOW) else 60
    samples = core.evidence.between(name, tick - span, tick) or core.evidence.between(name, tick - 360, tick)
    terms = tuple(top_terms(samples, core.evidence.normal_of(name), core.ignored_terms.get(name, frozenset())))
    return Decision(
        type=event,
        brand=profile.name,
        tick=tick,
        incident_id=incident.id,
        revision=incident.revision,
        notify=NOTIFY[incident.notify],
        pages=pages,
        severity=SEVERITY[incident.severity],
        kind="unknown",
        since=incident.since,
        since_earliest=incident.since_earliest,
        window_minutes=WIDTHS[window],
        ratio=short((negative + 2.0) / (nu + 2.0)),
        volume_ratio=short((authors + 4.0) / (mu + 4.0)),
        mentions=incident.event_mentions,
        authors=authors,
        authors_expected=short(mu),
        negative_authors=negative,
        negative_expected=short(nu),
        share=short(share),
        share_expected=short(share_expected),
        detector=core.detectors.names[detector],
        score=short(score),
        threshold=short(limit),
        return_period_days=None if period is None else short(period),
        budget=profile.budget,
        detectors=tuple(core.detectors.names[d] for d in _places(int(rows.agree[j]))),
        windows=_windows(rows, j),
        reason=_reason(event, core.detectors.all[detector], incident, share, share_expected, terms, has_topic),
        resolves_when=_resolves_when(core, incident, page, ticket),
        amends=amends,
        closed_by="clock" if by_clock else "event",
        top_mentions=tuple(top_mentions(samples)),
        top_terms=terms,
        runbook_url=profile.runbook_url,
        detector_version=core.versions[0],
        model_version=core.model_of(i),
        opened=incident.opened,
        budget_offset=float(core.budget.offset[i]),
        months=round(ledger.months, 3),
        false_pages=ledger.false,
        planned=_planned(book, tick),
        response=response(book, incident.id),
    )


def _planned(book: Casebook | None, tick: int) -> dict[str, Any] | None:
    if book is None:
        return None
    mute, plan = book.mute_at(tick), book.plan_at(tick)
    if mute is None and plan is None:
        return None
    shown = mute or plan
    assert shown is not None
    return {
        "command": shown.id,
        "from": instant(shown.begin),
        "until": instant(shown.until),
        "factor": None if plan is None else plan.factor,
        "muted": mute is not None,
        "note": shown.note,
    }


def response(book: Casebook | None, incident: str) -> dict[str, Any] | None:
    """What people have said of an incident, as its events tell; None where they have said nothing."""
    case = None if book is None else book.case(incident)
    if case is None or (case.verdict == UNKNOWN and case.acknowledged is None and case.statement is None):
        return None
    return {
        "verdict": {CRISIS: "crisis", FALSE: "false alarm"}.get(case.verdict),
        "acknowledged_at": None if case.acknowledged is None else instant(case.acknowledged),
        "statement_at": None if case.statement is None else instant(case.statement),
    }


def short(value: float) -> float:
    """Four significant digits: what people read, and alike everywhere."""
    return float(f"{value:.4g}")


def _places(bits: int) -> list[int]:
    """The bits that are set."""
    return [d for d in range(bits.bit_length()) if bits >> d & 1]


def _decisive(detectors: DetectorSet, rows: BrandRows, j: int, level: int, threshold: Floats, scale: Floats) -> int:
    """Of the detectors that agree the one that stands highest above its threshold."""
    candidates = _places(int(rows.agree[j])) or [FAST, MID, SLOW]
    if level == PAGE:
        candidates = [d for d in candidates if detectors.pages[d]] or candidates
    elif level == INFO:
        candidates = [d for d in candidates if detectors.informs[d]]
    return max(candidates, key=lambda d: (float((rows.raw[d, j] - threshold[d]) / scale[d]), -d))


def _tell(incident: Incident, rows: BrandRows, j: int, window: int) -> None:
    """Note the numbers an event tells, which are those of one window."""
    incident.event_window = window
    incident.event_mentions = int(rows.counts[MENTIONS, window, j])
    incident.event_authors = int(rows.counts[AUTHORS, window, j])
    incident.event_negative = int(rows.counts[NEGATIVES, window, j])
    incident.event_authors_expected = float(rows.mu[window, j])
    incident.event_negative_expected = float(rows.nu[window, j])


def _tell_again(incident: Incident) -> None:
    """Add to the numbers told last what came late for them."""
    incident.event_mentions += incident.late_mentions
    incident.event_authors += incident.late_authors
    incident.event_negative += incident.late_negative
    incident.late_mentions = incident.late_authors = incident.late_negative = 0


def _windows(rows: BrandRows, j: int) -> tuple[dict[str, Any], ...]:
    return tuple(
        {
            "minutes": width,
            "mentions": int(rows.counts[MENTIONS, w, j]),
            "authors": int(rows.counts[AUTHORS, w, j]),
            "authors_expected": short(float(rows.mu[w, j])),
            "negative_authors": int(rows.counts[NEGATIVES, w, j]),
            "negative_expected": short(float(rows.nu[w, j])),
        }
        for w, width in enumerate(WIDTHS)
    )


def _resolves_when(core: Core, incident: Incident, page: Floats, ticket: Floats) -> str:
    calm_below = resolve_levels(page, ticket)
    watched = sorted({FAST, MID, SLOW} | set(_places(incident.detectors)))
    parts = ", ".join(f"{core.detectors.names[d]} {short(float(calm_below[d]))}" for d in watched)
    return f"scores below {parts} for {incident.resolve_minutes(core.config)} minutes in which the feed is heard"


def _reason(
    event: EventType,
    detector: Detector,
    incident: Incident,
    share: float,
    share_expected: float,
    terms: Sequence[dict[str, Any]],
    has_topic: bool,
) -> str:
    negative, nu = incident.event_negative, incident.event_negative_expected
    span = _WINDOW_NAMES[incident.event_window]
    if event == "resolved":
        ending = (
            "after 72 h the new level was absorbed into the baseline" if incident.absorbed else "scores fell to normal"
        )
        return f"{ending}; {negative} negative authors in {span} against {nu:.3g} expected"
    told = Told(
        window=span,
        authors=incident.event_authors,
        authors_expected=incident.event_authors_expected,
        negative=negative,
        negative_expected=nu,
        share=share,
        share_expected=share_expected,
        terms=tuple((term["term"], term["authors"]) for term in terms[:TOLD_TERMS]),
        topic=has_topic,
    )
    return reason_of(detector, told)

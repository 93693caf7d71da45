"""The event of a portfolio's incident: what its brands' incidents come to together."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from detectors.config import BrandProfile
from detectors.incidents import SEVERITY, Decision, EventType
from detectors.ledger import Account
from detectors.portfolio.incident import WITHIN, least
from detectors.portfolio.state import SUMS, Member, State
from detectors.why import response, short


def event_of(
    name: str,
    profiles: Sequence[BrandProfile],
    state: State,
    tick: int,
    event: tuple[EventType, bool],
    *,
    by_clock: bool,
    ledger: Account,
    versions: tuple[str, str],
) -> Decision:
    """The event that tells what the portfolio's incident has come to at a tick.

    Parameters
    ----------
    profiles : of the portfolio's brands
    event : what happened, and whether it pages
    by_clock : whether the wall clock closed the tick for all brands that decided in it
    ledger : how the portfolio's own pages turned out so far
    versions : of detectors and model
    """
    incident = state.incident
    assert incident is not None
    kind, pages = event
    still = state.still_open()
    shown = [state.members[b] for b in (still if kind != "resolved" else incident.brands) or incident.brands]
    sums = {key: sum(m.size[key] for m in shown) for key in SUMS}
    authors, negative = sums["authors"], sums["negative_authors"]
    expected = sums["negative_expected"] / max(sums["authors_expected"], 1e-9)
    named = ", ".join(incident.brands[:8]) + (" and others" if len(incident.brands) > 8 else "")
    if kind == "resolved":
        rest = f"; still in an incident of their own: {', '.join(still)}" if still else ""
        reason = f"fewer than half of {len(incident.brands)} brands are still in an incident{rest}"
    else:
        reason = (
            f"{len(incident.brands)} of {len(profiles)} brands alarm together: {named}; "
            f"{negative:.0f} negative authors against {sums['negative_expected']:.3g} expected"
        )
    return Decision(
        type=kind,
        brand=name,
        tick=tick,
        incident_id=incident.id,
        revision=incident.revision,
        notify=incident.notify,
        pages=pages,
        severity=SEVERITY[incident.severity],
        kind="unknown",
        since=min(m.since for m in shown),
        since_earliest=min(m.since_earliest for m in shown),
        window_minutes=WITHIN,
        ratio=short(statistics.median(m.size["ratio"] for m in shown)),
        volume_ratio=short(statistics.median(m.size["volume_ratio"] for m in shown)),
        mentions=round(sums["mentions"]),
        authors=round(authors),
        authors_expected=short(sums["authors_expected"]),
        negative_authors=round(negative),
        negative_expected=short(sums["negative_expected"]),
        share=short(negative / authors if authors else 0.0),
        share_expected=short(min(expected, 1.0)),
        detector="portfolio",
        score=float(len(incident.brands)),
        threshold=float(least(len(profiles))),
        return_period_days=None,
        budget=ledger.budget,
        detectors=tuple(sorted({d for m in shown for d in m.detectors})),
        windows=tuple(_summed(m.windows for m in shown)),
        reason=reason,
        resolves_when="fewer than half of the brands that took part are still in an incident",
        amends=None,
        closed_by="clock" if by_clock else "event",
        top_mentions=tuple(_mentions(shown)),
        top_terms=tuple(_terms(shown)),
        runbook_url=profiles[0].portfolio_runbook_url,
        detector_version=versions[0],
        model_version=versions[1],
        opened=incident.opened,
        months=round(ledger.months, 3),
        false_pages=ledger.false,
        response=response(state.book, incident.id),
        portfolio=tuple(incident.brands),
    )


def _summed(windows: Iterable[Sequence[Mapping[str, Any]]]) -> list[dict[str, Any]]:
    out: list[dict[str, Any]] = []
    for one in windows:
        for at, window in enumerate(one):
            if at == len(out):
                out.append(dict.fromkeys(window, 0) | {"minutes": window["minutes"]})
            for key, value in window.items():
                if key != "minutes":
                    out[at][key] = out[at][key] + value
    return [{k: short(v) if isinstance(v, float) else v for k, v in window.items()} for window in out]


def _mentions(members: Sequence[Member]) -> list[dict[str, Any]]:
    """The first mention of each of the three brands with the most negative authors."""
    loudest = sorted(members, key=lambda m: -m.size["negative_authors"])
    return [dict(m.top_mentions[0]) for m in loudest if m.top_mentions][:3]


def _terms(members: Sequence[Member]) -> list[dict[str, Any]]:
    """Terms that brands have in common first."""
    found: dict[str, tuple[int, int, float]] = {}
    for m in members:
        for term in m.top_terms:
            brands, authors, times = found.get(term["term"], (0, 0, 0.0))
            found[term["term"]] = (brands + 1, authors + term["authors"], max(times, term["times_normal"]))
    ranked = sorted(found.items(), key=lambda one: (-one[1][0], -one[1][1], one[0]))[:8]
    return [{"term": term, "authors": authors, "times_normal": times} for term, (_, authors, times) in ranked]

"""What a change of the tone model does to a group of brands (what it is: model_versions.py)."""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

from detectors.core import Core
from detectors.exposure import ALL, NEGATIVE
from detectors.incidents import Decision
from detectors.members import Members
from detectors.model_versions import KEPT_DAYS, OTHER, OWN
from detectors.score import expected_share
from detectors.why import short
from detectors.windows import AUTHORS, MENTIONS, NEGATIVES, WIDTHS

_HOUR = 1
"""Index in windows.WIDTHS."""


def note_models(core: Core, members: Members) -> dict[int, list[int]]:
    """Note by which versions members were read; returns the rows of brands that meet an unknown one, by its first
    tick."""
    codes = members.models()
    if codes is None or not len(members):
        return {}
    core.model_names.update(members.observations.models)
    first: dict[int, list[int]] = {}
    for i, tick in core.models.take(members.row, members.tick, codes).items():
        first.setdefault(tick, []).append(i)
    return first


def change_models(core: Core, tick: int, out: list[Decision]) -> NDArray[np.bool_]:
    """At the end of an hour: let brands go over to the version that took over, and tell; returns whose hour was read
    by two versions, (n,)."""
    models = core.models
    mixed = (models.heard & OTHER) > 0
    for i in models.switching():
        old, known = core.model_of(i), models.switch(i, core.baseline.share(i), tick)
        mixed[i] = bool(models.heard[i] & OWN)
        core.baseline.take_share(i, known)
        if known is None:
            core.budget.keep_newest(i, KEPT_DAYS)
            core.budget.offset[i] = max(float(core.budget.offset[i]), 0.0)
            core.budget.set_thresholds_of(np.array([i]), core.budgets, core.config, core.detectors)
        out.append(_told(core, i, tick, old, known))
        position = int(core.index[i])
        core.dirty.add(position)
        core.relearned.add(position)
    models.heard = np.zeros_like(models.heard)
    return mixed


def _told(core: Core, i: int, tick: int, old: str, known: float | None) -> Decision:
    """The event that says so."""
    position = int(core.index[i])
    profile, new = core.profiles[position], core.model_of(i)
    counts = core.last.counts[:, :, i]
    level, level_negative = core.baseline.level()
    mu = float(core.last.exposure[ALL, _HOUR, i] * level[i])
    nu = float(core.last.exposure[NEGATIVE, _HOUR, i] * level_negative[i])
    authors, negative = int(counts[AUTHORS, _HOUR]), int(min(counts[NEGATIVES, _HOUR], counts[AUTHORS, _HOUR]))
    usual = core.baseline.share(i)
    how = f"its share of negative authors, {usual:.0%}, is known from before"
    if known is None:
        how = (
            f"its share of negative authors is learned from the one so far, {usual:.0%}; for two days tone alone asks "
            "for a ticket at most"
        )
    ledger = core.account(i, tick)
    identity = hashlib.blake2b(f"{profile.name}\0{tick}\0model".encode(), digest_size=6).hexdigest()
    return Decision(
        type="model_changed",
        brand=profile.name,
        tick=tick,
        incident_id=identity,
        revision=1,
        notify="info",
        pages=False,
        severity="minor",
        kind="unknown",
        since=tick,
        since_earliest=tick,
        window_minutes=WIDTHS[_HOUR],
        ratio=short((negative + 2.0) / (nu + 2.0)),
        volume_ratio=short((authors + 4.0) / (mu + 4.0)),
        mentions=int(counts[MENTIONS, _HOUR]),
        authors=authors,
        authors_expected=short(mu),
        negative_authors=negative,
        negative_expected=short(nu),
        share=short(negative / authors if authors else 0.0),
        share_expected=short(float(expected_share(np.array(nu), np.array(mu)))),
        detector="model",
        score=0.0,
        threshold=0.0,
        return_period_days=None,
        budget=profile.budget,
        detectors=(),
        windows=(),
        reason=f"the tone model changed from {old or 'an unnamed one'} to {new or 'an unnamed one'}; {how}",
        resolves_when="nothing is open",
        amends=None,
        closed_by="event",
        top_mentions=(),
        top_terms=(),
        runbook_url=profile.runbook_url,
        detector_version=core.versions[0],
        model_version=new,
        opened=tick,
        budget_offset=ledger.offset,
        months=round(ledger.months, 3),
        false_pages=ledger.false,
    )

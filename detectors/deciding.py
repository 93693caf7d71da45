"""Moving one brand's incident through the ticks of a segment, and saying so."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from detectors import incidents
from detectors.anew import SILENT
from detectors.brand_rows import BrandRows
from detectors.core import Core
from detectors.incidents import Decision, Incident, TickView, step
from detectors.late import Late, amend
from detectors.planned import muted_ticks
from detectors.telling import file_event
from detectors.why import describe
from detectors.windows import LONG_AGO, NEGATIVES, WIDTHS
from detectors.worth import INFO, PAGE

ONSET_SLACK = 10
"""Minutes by which an onset may be earlier than it is estimated."""


def decide(
    core: Core,
    i: int,
    rows: BrandRows,
    late: Late,
    clock_ticks: Collection[int],
    out: list[Decision],
    opened: NDArray[np.bool_] | None,
) -> None:
    """Move brand i's incident through the ticks of a segment.

    Parameters
    ----------
    out : decisions are added to it
    opened : (ticks,) is told after which of them an incident is open
    """
    name = int(core.index[i])
    profile = core.profiles[name]
    ratio = (rows.counts[NEGATIVES, 1] + 2.0) / (rows.nu[1] + 2.0)
    incident = core.incidents.get(name)
    waiting = int(core.track.waiting[i])
    muted = muted_ticks(core, i, rows.ticks)
    columns = (rows.ticks, rows.worth, rows.severity, rows.excess, rows.active, rows.heard, ratio, rows.agree)
    # As Python's numbers all at once: one by one it takes longer than what is done with them.
    for j, (tick, worth, severity, excess, active, heard, times, agree) in enumerate(
        zip(*(column.tolist() for column in columns), strict=True)
    ):
        level = worth
        if muted is not None and muted[j]:
            level = min(level, INFO)
        if incident is None or incident.closed is not None:
            waiting = waiting + 1 if level else max(waiting - 1, 0)
            if level < PAGE and waiting < core.config.patience_minutes:
                level = 0
        else:
            waiting = 0
        view = TickView(tick, level, severity, excess, active, heard, times, agree)
        notify_before = 0 if incident is None or incident.closed is not None else incident.notify
        incident, event = step(incident, view, profile.name, core.config)
        if incident is None:
            continue
        if event == "opened":
            _set_onset(core, i, j, rows, incident)
            core.incidents[name] = incident
        if event is None and incident.closed is None:
            event = amend(incident, tick, late.get((i, tick), ()))
        if event is not None:
            core.dirty.add(name)
            pages = incident.notify == PAGE and notify_before != PAGE and event in ("opened", "reopened", "escalated")
            file_event(core, name, incident, event, tick, page=pages)
            out.append(describe(core, i, j, rows, incident, event, pages, tick in clock_ticks))
        if incident.closed is None or incident.closed == tick:
            core.track.last_open[i] = tick
        if opened is not None:
            opened[j] = incident.closed is None
    core.track.waiting[i] = waiting
    if incident is None:
        core.incidents.pop(name, None)


def give_up(
    core: Core,
    i: int,
    rows: BrandRows,
    clock_ticks: Collection[int],
    out: list[Decision],
    opened: NDArray[np.bool_] | None,
) -> None:
    """Brand i begins anew after the last tick of a segment: an incident that is open still is over. Parameters as in
    `decide`."""
    name, j, tick = int(core.index[i]), len(rows.ticks) - 1, int(rows.ticks[-1])
    incident = core.incidents.get(name)
    if incident is None or incident.closed is not None:
        return
    # Whoever is silent has no score; what is usual is one of 0.
    rows = replace(rows, raw=np.maximum(rows.raw, 0.0))
    ratio = float((rows.counts[NEGATIVES, 1, j] + 2.0) / (rows.nu[1, j] + 2.0))
    view = TickView(tick, 0, incident.severity, 0.0, 0, False, ratio, 0)
    event = incidents.give_up(incident, view, core.config)
    file_event(core, name, incident, event, tick, page=False)
    told = describe(core, i, j, rows, incident, event, pages=False, by_clock=tick in clock_ticks)
    why = f"nothing was heard of the brand for {SILENT // 1440} days: what comes next is taken as of a new one"
    out.append(replace(told, reason=why))
    if opened is not None:
        opened[j] = False


def _set_onset(core: Core, i: int, j: int, rows: BrandRows, incident: Incident) -> None:
    """Since when: the tick after the last one at which the past hour was still usual; a gap hides what was before
    its end."""
    earlier = np.nonzero(rows.calm[: j + 1])[0]
    calm = int(rows.ticks[earlier[-1]]) if len(earlier) else int(core.track.calm[i])
    since = min(max(calm + 1, incident.opened - WIDTHS[-1]), incident.opened)
    earliest = since - ONSET_SLACK
    until = int(core.gaps.until[i, 0])
    if until + 1 >= since - WIDTHS[1] and int(core.gaps.since[i, 0]) > LONG_AGO:
        since = max(since, until + 1) if until + 1 <= incident.opened else since
        earliest = min(earliest, int(core.gaps.since[i, 0]))
    incident.since, incident.since_earliest = since, earliest

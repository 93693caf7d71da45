"""The lifecycle: opened once, resolved with hysteresis, re-opened as the same incident, updates bounded."""

from __future__ import annotations

import pytest

from detectors.config import EngineConfig
from detectors.incidents import Incident, TickView, incident_id, step
from detectors.score import DAY, FAST, SLOW

CONFIG = EngineConfig()
FAST_BIT = 1 << FAST


def view(
    tick: int, level: int = 0, severity: int = 0, active: bool | None = None, ratio: float = 1.0, heard: bool = True
) -> TickView:
    on = FAST_BIT if (level > 0 if active is None else active) else 0
    return TickView(tick, level, severity, 1.0, on, heard, ratio, FAST_BIT if level else 0)


def play(views: list[TickView]) -> list[tuple[int, str, Incident]]:
    incident: Incident | None = None
    out: list[tuple[int, str, Incident]] = []
    for v in views:
        incident, event = step(incident, v, "brand", CONFIG)
        if event is not None and incident is not None:
            out.append((v.tick, event, incident))
    return out


def test_opens_and_resolves_after_thirty_calm_minutes() -> None:
    got = play([view(t, 3 if t < 20 else 0) for t in range(100)])
    assert [(t, e) for t, e, _ in got] == [(0, "opened"), (49, "resolved")]


def test_neither_half_calm_nor_silence_resolves() -> None:
    simmering = play([view(t, 3 if t < 5 else 0, active=True) for t in range(500)])
    assert [e for _, e, _ in simmering] == ["opened"]
    silent = play([view(t, 3 if t < 5 else 0, heard=t < 5) for t in range(5000)])
    assert [e for _, e, _ in silent] == ["opened"]


def test_returns_within_six_hours_as_the_same_incident() -> None:
    views = [
        view(0, 3),
        *[view(t) for t in range(1, 200)],
        view(200, 3),
        *[view(t) for t in range(201, 700)],
        view(700, 3),
    ]
    got = play(views)
    assert [e for _, e, _ in got] == ["opened", "resolved", "reopened", "resolved", "opened"]
    assert got[-1][2].id == incident_id("brand", 700)
    assert got[-1][2].revision == 1


def test_revisions_count_up_and_the_id_stays() -> None:
    incident: Incident | None = None
    seen = []
    for t in range(3000):
        level = 3 if t % 100 < 40 else 0
        incident, event = step(incident, view(t, level, severity=t // 300 % 3, ratio=1.0 + t % 37), "brand", CONFIG)
        if event is not None and incident is not None:
            seen.append((incident.id, incident.revision))
    assert seen == [(seen[0][0], i + 1) for i in range(len(seen))]


def test_severity_rises_at_once_and_falls_after_an_hour() -> None:
    got = play([view(t, 3, severity=2 if 10 <= t < 20 else 0) for t in range(200)])
    assert [(t, e) for t, e, _ in got] == [(0, "opened"), (10, "escalated"), (79, "deescalated"), (139, "deescalated")]


def test_a_ticket_that_grows_becomes_a_page_once() -> None:
    got = play([view(t, 2 if t < 30 else 3) for t in range(100)])
    assert [(t, e) for t, e, _ in got] == [(0, "opened"), (30, "escalated")]


@pytest.mark.parametrize("period", [2, 7, 40])
def test_flapping_is_bounded(period: int) -> None:
    """A ratio and a severity that swing wildly for ten days do not make an event a minute."""
    views = []
    for t in range(14400):
        high = t % period < period / 2
        views.append(view(t, 3, severity=2 if high else 0, active=True, ratio=100.0 if high else 1.0))
    assert len(play(views)) < 120


@pytest.mark.parametrize(("on", "off"), [(5, 31), (15, 45), (60, 60), (100, 100), (30, 330)])
def test_an_incident_that_comes_and_goes_for_days_is_told_ever_more_rarely(on: int, off: int) -> None:
    period = on + off
    got = play([view(t, 3 if t % period < on else 0, severity=int(t % period < on)) for t in range(14400)])
    assert len(got) < 20
    assert sum(event == "reopened" for _, event, _ in got) <= 4
    # In the end it is resolved all the same.
    last = play([view(t, 3 if t < 14400 and t % period < on else 0) for t in range(14400 + 361)])
    assert last[-1][1] == "resolved"


@pytest.mark.parametrize("period", [100, 130, 200, 400, 900])
def test_a_severity_that_comes_and_goes_for_days_is_told_ever_more_rarely(period: int) -> None:
    views = []
    for t in range(14400):
        high = t % period < period / 3
        views.append(view(t, 3, severity=2 if high else 0, active=True, ratio=100.0 if high else 1.0))
    assert len(play(views)) < 100


def test_each_return_doubles_the_calm_that_resolves_it() -> None:
    views: list[TickView] = []
    for calm in (100, 100, 300):
        views += [view(len(views), 3)]
        views += [view(len(views) + k) for k in range(calm)]
    got = play(views)
    assert [(t, e) for t, e, _ in got] == [
        (0, "opened"),
        (30, "resolved"),
        (101, "reopened"),
        (161, "resolved"),
        (202, "reopened"),
        (322, "resolved"),
    ]


def test_a_day_detector_holds_only_what_it_had_a_part_in() -> None:
    """24 hours of memory keep an incident open only if it was about 24 hours."""

    def calm(t: int) -> TickView:
        return TickView(t, 0, 0, 0.0, 1 << DAY, True, 1.0, 0)

    opened = [TickView(0, 3, 0, 1.0, 1 << DAY | FAST_BIT, True, 1.0, FAST_BIT)]
    assert [e for _, e, _ in play([*opened, *map(calm, range(1, 60))])] == ["opened", "resolved"]
    by_day = [TickView(0, 2, 0, 1.0, 1 << DAY, True, 1.0, 1 << DAY)]
    assert [e for _, e, _ in play([*by_day, *map(calm, range(1, 60))])] == ["opened"]
    assert SLOW != DAY


def test_ids_are_short_and_differ() -> None:
    ids = {incident_id(b, t) for b in ("a", "b", "a\0", "бренд") for t in range(1000)}
    assert len(ids) == 4000
    assert all(len(i) == 12 for i in ids)

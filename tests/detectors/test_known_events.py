"""Known events: read, compared with what was decided, and told where they cannot be."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from detectors import Decision, Engine
from detectors.backtest import render, report
from detectors.brand_counts import BrandCounts
from detectors.known_events import compare, not_compared, read_known_events
from tests.detectors.worlds import QUICK, START, profiles, run, span, world

END = START + 60 * 60
HEAD = "brand,event,kind,onset_utc,window_start,window_end\n"


def decisions() -> list[Decision]:
    return run(Engine(profiles(3), QUICK), span(world(5), 0, END), END)


def decision(tick: int, type_: str = "opened", notify: str = "page", brand: str = "brand 0") -> Decision:
    pages = notify == "page" and type_ != "resolved"
    return dataclasses.replace(decisions()[0], tick=tick, type=type_, notify=notify, pages=pages, brand=brand)  # type: ignore[arg-type]


HOURS = {START // 60 + h: 5 for h in range(48)}
COUNTS = [BrandCounts("brand 0", 240, START, START + 48 * 60 - 1, 1.0, HOURS)]


def known(kind: str, hour: int, length: int = 3) -> str:
    def at(h: int) -> str:
        return str(np.datetime64(START + 60 * h, "m")) + "Z"

    return HEAD + f'brand 0,"storm, again",{kind},{at(hour)} (observed),{at(hour)},{at(hour + length)}\n'


def test_a_field_that_is_no_field_is_told_with_its_line() -> None:
    endless = known("crisis", 10).replace("storm, again", "x" * 200_000)
    with pytest.raises(ValueError, match=r"known events, line 2: field larger than .*is a quote opened"):
        read_known_events(endless)


@pytest.mark.parametrize(
    ("kind", "events", "outcome", "delay"),
    [
        ("crisis", [], "missed", None),
        ("crisis", [(10 * 60 + 25, "opened", "ticket")], "found", 25),
        ("crisis", [(10 * 60 + 25, "opened", "info")], "missed", None),
        ("crisis", [(15 * 60, "opened", "page")], "late", 300),
        ("crisis", [(3 * 60, "opened", "page")], "open already", None),
        ("crisis", [(3 * 60, "opened", "page"), (4 * 60, "resolved", "page")], "missed", None),
        ("crisis", [(3 * 60, "opened", "ticket"), (11 * 60, "escalated", "page")], "found", 60),
        ("control (volume)", [], "not paged", None),
        ("control (volume)", [(11 * 60, "opened", "ticket")], "not paged", None),
        ("control (volume)", [(11 * 60, "opened", "page")], "paged", 60),
        ("control (volume)", [(20 * 60, "opened", "page")], "not paged", None),
    ],
)
def test_known_events(kind: str, events: list[tuple[int, str, str]], outcome: str, delay: int | None) -> None:
    made = [decision(START + minute, type_, notify) for minute, type_, notify in events]
    (match,) = compare(made, COUNTS, read_known_events(known(kind, 10)))
    assert (match.outcome, match.delay_minutes) == (outcome, delay)
    assert "storm, again" in render(report(made, COUNTS), [match])


def test_missing_data_are_told() -> None:
    holes = dataclasses.replace(COUNTS[0], per_hour={h: n for h, n in HOURS.items() if h != START // 60 + 10})
    (match,) = compare([], [holes], read_known_events(known("crisis", 10)))
    assert (match.outcome, match.note) == ("missed", "data in 2 of 3 hours")
    dark = dataclasses.replace(COUNTS[0], per_hour={START // 60: 5})
    (match,) = compare([], [dark], read_known_events(known("crisis", 10)))
    assert match.outcome == "no data"
    assert compare([], COUNTS, read_known_events(known("crisis", 1000))) == [], "not in the time that was read"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("brand,event\n", "window_end"),
        (HEAD + "a,b,crisis,soon,2015-01-01,2015-01-02\n", "line 2, onset_utc: 'soon'"),
        (HEAD + "a,b,rumour,2015-01-01,2015-01-01,2015-01-02\n", "rumour"),
        (HEAD + "a,b,crisis,2015-01-01,2015-01-02,2015-01-01\n", "before it begins"),
        ("", "lack"),
        (HEAD + "a,b,crisis,2015-02-30,2015-01-01,2015-01-02\n", "line 2, onset_utc: '2015-02-30'.*out of range"),
        (HEAD + "a,b,crisis,2015-01-01T25:00Z,2015-01-01,2015-01-02\n", "line 2, onset_utc"),
        (HEAD + "a,b,crisis,2015-01-01,2015-01-01T00:00Zulu,2015-01-02\n", "line 2, window_start"),
        (HEAD + "a,b,crisis,2015-01-01,2015-01-01\n", "line 2, window_end: ''"),
        (HEAD + "a,b,crisis,,2015-01-01,2015-01-02\n", "line 2, onset_utc: ''"),
        (HEAD + ",b,crisis,2015-01-01,2015-01-01,2015-01-02\n", "line 2: it names no brand"),
        (HEAD + "a\n", "line 2: kind"),
    ],
)
def test_bad_known_events_are_refused_with_their_line(text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        read_known_events(text)


def test_times_of_known_events_are_read_with_their_offset() -> None:
    row = "a,b,crisis,2015-01-01T03:00+03:00 (observed),2015-01-01 00:30,2014-12-31T20:00:00-05:00\n"
    (event,) = read_known_events(HEAD + row + row)
    midnight = 1_420_070_400 // 60
    assert (event.onset, event.start, event.end) == (midnight, midnight + 30, midnight + 60), "a row twice is one event"


def test_known_events_that_cannot_be_compared_are_told() -> None:
    events = read_known_events(known("crisis", 1000) + known("crisis", 10)[len(HEAD) :].replace("brand 0", "brnd 0"))
    unknown, outside = not_compared(events, COUNTS)
    assert "'brnd 0'" in unknown
    assert "did you mean 'brand 0'?" in unknown
    assert outside.endswith(": 1")
    assert not_compared(read_known_events(known("crisis", 10)), COUNTS) == []

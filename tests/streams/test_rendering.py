"""A crisis event reads well, says what it knows, and cannot harm a terminal."""

from __future__ import annotations

import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from streams.rendering import explanation, headline, printable, render

_EVENT: dict[str, Any] = {
    "specversion": "1.0",
    "id": "2ee86c537838-2",
    "type": "tocsin.crisis.opened",
    "subject": "Zuvarro Airlines",
    "time": "2026-03-12T14:47:00Z",
    "data": {
        "incident_id": "2ee86c537838",
        "notify": "page",
        "pages": True,
        "severity": "major",
        "since": "2026-03-12T14:17:00Z",
        "since_earliest": "2026-03-12T14:07:00Z",
        "closed_by": "event",
        "size": {
            "window_minutes": 60,
            "ratio": 8.2,
            "volume_ratio": 4.04,
            "mentions": 120,
            "authors": 103,
            "authors_expected": 24.0,
            "negative_authors": 66,
            "negative_expected": 8.2,
            "share": 0.641,
            "share_expected": 0.354,
        },
        "why": {
            "detector": "fast",
            "score": 2.84,
            "threshold": 2.69,
            "return_period_days": 43.2,
            "budget_pages_per_month": 1.0,
        },
        "resolves_when": "scores below fast 1.3 for 30 minutes",
        "top_mentions": [
            {"id": "1", "url": "https://social.example/1", "text": "nine hours\n on the tarmac \x1b[31m", "authors": 9}
        ],
        "top_terms": [{"term": "tarmac", "authors": 20, "times_normal": 6.5}, {"term": "zv218"}],
        "links": {"runbook": "https://wiki.example/crisis", "dashboard": None, "false_alarm": None},
    },
}


def _printed(event: dict[str, Any]) -> str:
    console = Console(file=io.StringIO(), width=200, highlight=False)
    console.print(render(event))
    output = console.file
    assert isinstance(output, io.StringIO)
    return output.getvalue()


def test_headline_says_when_what_and_whose() -> None:
    assert headline(_EVENT).plain == "2026-03-12 14:47Z  OPENED       PAGE    major    Zuvarro Airlines"


def test_an_event_of_a_paged_incident_does_not_page_again() -> None:
    data = {**_EVENT["data"], "pages": False}
    line = headline({**_EVENT, "type": "tocsin.crisis.updated", "data": data}).plain
    assert "UPDATED" in line
    assert " paged " in line
    assert "PAGE" not in line


def test_explanation_is_in_plain_words() -> None:
    assert explanation(_EVENT) == [
        "66 authors wrote negatively in the last hour; 8.2 would be normal (8.2 times that).",
        "64 % of 103 authors were negative against 35 % expected. Volume is 4.04 times normal.",
        "Score 2.84 over threshold 2.69: about once in 43 days, at a budget of 1 page a month.",
        "Began about 14:17 UTC, not before 14:07: 30 minutes ago.",
        "Resolves when scores below fast 1.3 for 30 minutes.",
        "Top terms: tarmac, zv218",
        "\u201cnine hours on the tarmac  [31m\u201d (9 authors) https://social.example/1",
        "Runbook: https://wiki.example/crisis",
    ]


def test_what_people_announced_and_said_is_told() -> None:
    planned = {"from": "2026-03-12T14:00:00Z", "until": "2026-03-12T20:00:00Z", "factor": 5.0, "muted": False}
    why = {"planned": planned | {"note": "the launch"}}
    response = {"verdict": "false alarm", "acknowledged_at": "2026-03-12T14:50:00Z", "statement_at": None}
    said = explanation({"type": "tocsin.crisis.updated", "data": {"why": why, "response": response}})
    assert said == [
        "Planned event, 5 times the usual expected, until 2026-03-12 20:00 UTC: the launch",
        "Marked as a false alarm.",
        "Acknowledged at 14:50 UTC.",
    ]
    muted = explanation({"data": {"why": {"planned": planned | {"muted": True}}}})
    assert muted == ["Muted, until 2026-03-12 20:00 UTC."]


def test_a_change_of_the_model_reads_as_one() -> None:
    event = {
        "type": "tocsin.crisis.model_changed",
        "data": {"notify": "info", "why": {"reason": "the tone model changed"}},
    }
    assert explanation(event) == ["The tone model changed."]
    assert "MODEL CHANGED" in headline(event).plain


def test_it_can_be_cut_to_a_few_lines() -> None:
    console = Console(file=io.StringIO(), width=200)
    with console.capture() as captured:
        console.print(render(_EVENT, lines=2))
    assert len(captured.get().splitlines()) == 3


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"closed_by": "clock"}, "wall clock"),
        ({"since": "2026-03-10T12:47:00Z"}, "2 days 2 h ago"),
        ({"since": "2026-03-12T12:32:00Z"}, "2 h 15 min ago"),
        ({"why": {"score": 1.0, "threshold": 2.0}}, "Score 1 under threshold 2."),
        ({"why": {"score": 5, "threshold": 2, "return_period_days": 3650}}, "rarer than once in 10 years"),
        ({"size": {"negative_authors": 1, "window_minutes": 360}}, "1 author wrote negatively in the last 6 hours."),
    ],
)
def test_other_wordings(change: dict[str, Any], says: str) -> None:
    assert says in " ".join(explanation({**_EVENT, "data": {**_EVENT["data"], **change}}))


def test_what_is_not_told_is_left_out() -> None:
    bare = {"id": "x-1", "type": "tocsin.crisis.opened"}
    assert explanation(bare) == []
    assert "OPENED" in _printed(bare)


@given(
    data=st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from([*_EVENT["data"], *_EVENT["data"]["size"], "text", "term", "url"]), inner)
        ),
        max_leaves=12,
    )
)
def test_no_event_can_break_it(data: Any) -> None:
    shown = _printed({"type": "tocsin.crisis.opened", "id": "x", "data": data, "subject": data, "time": data})
    assert "\x1b" not in shown


def test_markup_in_texts_is_text() -> None:
    data = {**_EVENT["data"], "top_mentions": [{"text": "[bold]hi[/bold]"}]}
    assert "[bold]hi[/bold]" in _printed({**_EVENT, "data": data})


def test_only_printable_characters_reach_the_terminal() -> None:
    assert printable("a\x1b]0;title\x07\u202eb") == "a ]0;title  b"
    assert printable("👩\u200d✈️ ok") == "👩\u200d✈️ ok"


def test_a_portfolios_part_is_told() -> None:
    muted = {**_EVENT, "data": {**_EVENT["data"], "notify": "ticket", "pages": False, "muted_by": "abc"}}
    assert any("its portfolio was paged, incident abc" in line for line in explanation(muted))
    together = {**_EVENT, "data": {**_EVENT["data"], "portfolio": ["A", "B"]}}
    assert "Brands that alarm together: A, B." in explanation(together)

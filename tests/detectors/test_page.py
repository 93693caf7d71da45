"""The page: one file, no network, no foreign script; its numbers are those that were recorded."""

from __future__ import annotations

import base64
import dataclasses
import json
import re
from typing import Any

import numpy as np
import pytest

from detectors.backtest import report
from detectors.brand_counts import count
from detectors.config import BrandProfile
from detectors.incident_log import incident_logs
from detectors.incidents import instant
from detectors.known_events import compare, read_known_events
from detectors.page import page
from detectors.plot import as_plotly, figure
from detectors.plot.overview import overview
from detectors.plot.palette import DARK, LIGHT
from detectors.report import Report
from detectors.story import Story
from detectors.what_if import BUDGETS, WhatIf, budget_row, budget_rows
from tests.detectors.worlds import QUICK, START, profiles, run, span, world

END = START + 60 * 60
NASTY = "</script><img src=x onerror=alert(1)>"


def made(brands: list[BrandProfile], nasty: bool = False) -> tuple[Report, Story]:
    observations = span(world(5, len(brands)), 0, END)
    if nasty:
        # Words of its own before it, or they would all be copies of one text.
        texts = [f"{' '.join(f'{i}x{j}' for j in range(12))} {NASTY}" for i in range(len(observations.text))]
        observations = dataclasses.replace(observations, text=texts, url=["javascript:alert(2)"] * len(texts))
    story = Story([b.name for b in brands])
    engine = WhatIf(brands, BUDGETS, QUICK, recorder=story.add)
    decisions = run(engine, observations, END)
    counts = count(observations, brands)
    first = next(d for d in decisions if d.type == "opened")
    name = NASTY if nasty else "a storm"
    begin, end = instant(first.tick - 9), instant(first.tick + 99)
    row = f'"{first.brand}",{name},crisis,{begin},{begin},{end}\n'
    known = read_known_events("brand,event,kind,onset_utc,window_start,window_end\n" + row)
    matches = compare(decisions, counts, known)
    return Report(
        files=["a file.jsonl"],
        command="tocsin backtest 'a file.jsonl'",
        tone="gold",
        model_version="m@1",
        release="0",
        brands=report(decisions, counts),
        counts=counts,
        incidents=incident_logs(decisions),
        matches=matches,
        summary=budget_row(1.0, decisions, counts, matches),
        what_if=budget_rows(engine.decisions, counts, known),
        notes=[f"left out: {NASTY}"] if nasty else [],
    ), story


@pytest.fixture(scope="module")
def plain() -> tuple[Report, Story]:
    return made(profiles(3))


def own_html(text: str) -> str:
    """The page without the library and what it draws."""
    return re.sub(r"<script.*?</script>|<style>.*?</style>", "", text, flags=re.DOTALL)


def test_it_is_one_file_that_needs_no_network(plain: tuple[Report, Story]) -> None:
    text = page(*plain)
    assert not re.search(r"<(script|link|img|iframe)[^>]*\b(src|href)=", own_html(text) + text[:20_000])
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)
    assert policy
    assert "default-src 'none'" in policy[1]
    assert "http" not in policy[1]
    html = own_html(text)
    for part in ("a file.jsonl", "brand 2", "Known events", "a storm", "What if the budget", "tocsin backtest", "m@1"):
        assert part in html
    for log in plain[0].incidents:
        assert f'id="i-{log.id}"' in html
    assert text == page(*plain), "the same report gives the same page"


def test_what_strangers_wrote_stays_text() -> None:
    brands = [BrandProfile(f"{NASTY} {i}") for i in range(2)]
    text = page(*made(brands, nasty=True))
    assert NASTY not in text
    assert "<img" not in own_html(text)
    assert "&lt;/script&gt;&lt;img src=x" in own_html(text), "it is shown"
    assert "javascript:alert" not in own_html(text)
    # The library's own text ends where its element ends: nothing was closed early.
    assert text.count("</script>") == text.count("<script")


def decoded(packed: dict[str, Any]) -> np.ndarray:
    kind = np.dtype("<" + packed["d"])
    values = np.frombuffer(base64.b64decode(packed["b"]), kind)
    if "r" not in packed:
        return values
    starts = np.frombuffer(base64.b64decode(packed["r"]), "<i4")
    return np.repeat(values, np.diff(starts, append=packed["n"]))


def test_the_figures_in_it_hold_the_numbers(plain: tuple[Report, Story]) -> None:
    told, story = plain
    text = page(told, story)
    decisions = [d for log in told.incidents for d in log.events]
    brands = sorted(told.brands, key=lambda b: (-b.pages, -b.tickets, -b.infos))
    for at, brand in enumerate(brands):
        found = re.search(rf'id="figure-brand-{at}">(.*?)</script>', text, re.DOTALL)
        assert found
        packed = json.loads(found[1])
        expected = figure(story, story.brands.index(brand.brand), decisions, known=told.matches)
        assert len(packed["figure"]["data"]) == len(expected["data"])
        for trace, wanted in zip(packed["figure"]["data"], expected["data"], strict=True):
            for axis in ("x", "y"):
                values = decoded(packed["arrays"][trace[axis]["$array"]])
                np.testing.assert_array_equal(values, wanted[axis].astype(values.dtype))


def test_plotly_takes_the_figures(plain: tuple[Report, Story]) -> None:
    told, story = plain
    decisions = [d for log in told.incidents for d in log.events]
    spans = {c.brand: (c.first, c.last) for c in told.counts}
    for palette in (LIGHT, DARK):
        for one in [
            figure(story, 0, decisions, known=told.matches),
            figure(story, 1, decisions, START + 100, START + 900, detectors=("fast",)),
            overview(told.incidents, spans, told.matches),
        ]:
            drawn = as_plotly(one, palette).to_json()
            assert not re.search(r'"\$[a-z]+"', drawn), "each colour has a value"
    assert LIGHT.keys() == DARK.keys()


def test_thresholds_take_no_room() -> None:
    from detectors.page import _array

    steps = np.repeat([1.0, np.nan, 2.0], 2000)
    packed = _array(steps)
    assert len(json.dumps(packed)) < 150
    np.testing.assert_array_equal(decoded(packed), steps.astype(np.float32))


def test_json_and_text_tell_the_same(plain: tuple[Report, Story]) -> None:
    told, _ = plain
    again = json.loads(json.dumps(told.plain(), allow_nan=False))
    assert [b["brand"] for b in again["brands"]] == [b.brand for b in told.brands]
    assert {i["incident_id"] for i in again["incidents"]} == {log.id for log in told.incidents}
    assert [w["budget"] for w in again["what_if"]] == list(BUDGETS)
    assert again["known_events"][0]["outcome"] == told.matches[0].outcome
    text = told.text()
    for log in told.incidents:
        assert instant(log.opened)[:16] in text
    assert "What if" in text


def test_an_incident_that_was_opened_again_says_how_often(plain: tuple[Report, Story]) -> None:
    """Each opening is a ticket of its own in the table of brands."""
    told, story = plain
    log = told.incidents[0]
    begin, end = log.opened, log.opened + 90
    twice = dataclasses.replace(log, spans=((begin, begin + 30), (begin + 60, end)))
    once = dataclasses.replace(log, spans=((begin, end),))
    for incident, says in ((twice, True), (once, False)):
        shown = dataclasses.replace(told, incidents=[incident])
        for text in (shown.text(), own_html(page(shown, story))):
            assert ("1 h 30, opened 2 times" in text) == says

"""Real data: crises found, controls not paged. Skipped where the replays are not there; tone is gold or a crude
lexicon."""

from __future__ import annotations

import datetime as dt
import gzip
import hashlib
import json
import re
from pathlib import Path

import numpy as np
import pytest

from detectors import Decision, Engine, Observations
from detectors.brand_counts import count
from detectors.config import BrandProfile
from detectors.known_events import Match, compare, read_known_events

REPLAYS = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "replays"
pytestmark = pytest.mark.skipif(not (REPLAYS / "events.csv").is_file(), reason=f"no replays in {REPLAYS}")

# No word for what happened (dragged, dragging): news of the settlement tell it again without being upset.
NEGATIVE = re.compile(
    r"\b(assault\w*|awful|bad|beat\w*|bloody|boycott\w*|brutal\w*|cancel\w*|damage\w*|dead|delay\w*|die[ds]?|disgrace\w*|"
    r"disgust\w*|dumb|evil|fail\w*|fuck\w*|furious|hate\w*|hell|horr\w*|hurt\w*|idiot\w*|ill|injur\w*|insane|kill\w*|"
    r"lost|mess|nasty|never|nightmare|outrag\w*|pathetic|poor\w*|punch\w*|ridiculous|rude|sad\w*|scandal|shame\w*|shit\w*|"
    r"shock\w*|sick\w*|sorry|stupid|suck\w*|terribl\w*|thug\w*|unacceptable|upset|violen\w*|worst|wrong|wtf)\b",
    re.IGNORECASE,
)


def read(name: str) -> tuple[Observations, list[BrandProfile]]:
    with gzip.open(REPLAYS / name, "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    brands = sorted({r["brand"] for r in rows})
    tick = np.array([int(dt.datetime.fromisoformat(r["created_at"]).timestamp() // 60) for r in rows], np.int64)
    order = np.argsort(tick, kind="stable")
    who = [hashlib.blake2b((r.get("author") or r["id"]).encode(), digest_size=8).digest() for r in rows]
    gold = [r.get("gold_tone") for r in rows]
    negative = [g == "negative" if g else bool(NEGATIVE.search(r["text"])) for g, r in zip(gold, rows, strict=True)]
    m = len(rows)
    observations = Observations(
        tick=tick,
        minute=tick,
        brand=np.array([brands.index(r["brand"]) for r in rows], np.int32),
        author=np.array([int.from_bytes(w, "big") for w in who], np.uint64),
        negative=np.array(negative),
        p_negative=np.array(negative, np.float32),
        kind=np.zeros(m, np.uint8),
        reach=np.full(m, np.nan),
        id=[r["id"] for r in rows],
        text=[r["text"] for r in rows],
        url=[None] * m,
    )
    return observations.rows(order), [BrandProfile(b) for b in brands]


def minute(text: str) -> int:
    return int(dt.datetime.fromisoformat(text).timestamp()) // 60


def matches(decisions: list[Decision], observations: Observations, brands: list[BrandProfile]) -> dict[str, Match]:
    known = read_known_events((REPLAYS / "events.csv").read_text(encoding="utf-8"))
    return {m.known.event: m for m in compare(decisions, count(observations, brands), known)}


def test_united() -> None:
    observations, brands = read("united_3411_2017.jsonl.gz")
    end = int(observations.tick[-1]) + 1
    decisions = Engine(brands).advance(end, observations)
    pages = [d for d in decisions if d.pages]
    assert pages[0].type == "opened"
    assert minute("2017-04-10T22:00Z") <= pages[0].tick < minute("2017-04-10T22:25Z"), "data resume at 22:10Z"
    settlement = [d for d in pages if minute("2017-04-27T18:58Z") <= d.tick <= minute("2017-04-27T22:00Z")]
    assert settlement == []
    found = matches(decisions, observations, brands)
    assert all(m.outcome == "not paged" for m in found.values() if not m.known.crisis)
    assert len(decisions) < 100, "fifty days with the crisis of the decade are still readable"
    pieces = Engine(brands)
    again = []
    bounds = np.searchsorted(observations.tick, np.arange(int(observations.tick[0]), end + 997, 997))
    for stop, (a, b) in zip(
        range(int(observations.tick[0]) + 996, end + 997, 997),
        np.lib.stride_tricks.sliding_window_view(bounds, 2),
        strict=False,
    ):
        again += pieces.advance(stop, observations.rows(np.arange(a, b)))
    assert again == decisions


def test_airlines_gold() -> None:
    observations, brands = read("us_airlines_feb2015_gold.jsonl.gz")
    decisions = Engine(brands).advance(int(observations.tick[-1]) + 1, observations)
    found = matches(decisions, observations, brands)
    outcome = {m.known.event[:9]: m.outcome for m in found.values()}
    assert outcome == {"JetBlue (": "found", "Winter-st": "found", 'JetBlue "': "not paged"}
    assert not [d for d in decisions if d.pages], "eight days are a cold start: tickets"


def test_banks_gold() -> None:
    """A sample of about one mention an hour: the controls stay silent, the crisis does not stand out of it."""
    observations, brands = read("ru_banks_2015_gold.jsonl.gz")
    observations = observations.rows(np.nonzero(observations.tick < minute("2015-08-04T00:00Z"))[0])
    decisions = Engine(brands).advance(int(observations.tick[-1]) + 1, observations)
    found = matches(decisions, observations, brands)
    assert all(m.outcome == "not paged" for m in found.values() if not m.known.crisis)
    assert sum(d.pages for d in decisions) <= 2

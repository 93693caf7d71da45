"""``tocsin backtest``: the report of what would have been paged, and what it says about files it cannot use."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from pathlib import Path

import pytest
from typer.testing import CliRunner

from detectors.engine import BrandProfile
from streams.backtest import GOLD, Backtest, classification_of_any_brand
from streams.cli import app
from streams.records import Mention, encode_lines
from streams.replay import Entry
from streams.simulation import BRANDS, START, simulate
from streams.wiring import make_classification

CLI = CliRunner()

KNOWN = """brand,event,kind,onset_utc,window_start,window_end
Zuvarro Airlines,Hours on the tarmac,crisis,2026-03-12T14:00Z,2026-03-12T14:00Z,2026-03-13T00:00Z
Fjordfizz,An advert everybody shares,control,2026-03-09T18:00Z,2026-03-09T18:00Z,2026-03-10T00:00Z
"""


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The simulated fortnight up to and with the crisis, and settings for it."""
    directory = tmp_path_factory.mktemp("simulated")
    end = START + timedelta(days=11, hours=12)
    mentions = takewhile(lambda one: one.created_at < end, simulate())
    (directory / "mentions.jsonl").write_bytes(encode_lines(mentions))
    brands = [{"name": brand.name, "keywords": list(brand.keywords)} for brand in BRANDS]
    (directory / "tocsin.yaml").write_text(json.dumps({"brands": brands}))
    (directory / "known.csv").write_text(KNOWN)
    return directory


def backtest(*arguments: str | Path) -> tuple[int, str]:
    result = CLI.invoke(app, ["backtest", *map(str, arguments)])
    return result.exit_code, result.output


def test_the_simulated_crisis_is_paged_once_and_everything_is_written(simulated: Path, tmp_path: Path) -> None:
    events, plot = tmp_path / "events.jsonl", tmp_path / "plot.html"
    files = (simulated / "mentions.jsonl", "--config", simulated / "tocsin.yaml")
    known = ("--known-events", simulated / "known.csv")
    code, said = backtest(*files, "--tone", "gold", "--events", events, "--plot", plot, *known)
    assert code == 0, said
    assert "found" in said
    told = [json.loads(line) for line in events.read_text().splitlines()]
    assert [event["subject"] for event in told if event["data"]["pages"]] == ["Zuvarro Airlines"]
    assert [event["time"] for event in told] == sorted(event["time"] for event in told)
    assert len({event["id"] for event in told}) == len(told)
    assert "<html" in plot.read_text()[:200].lower()
    again = tmp_path / "again.jsonl"
    assert backtest(*files, "--tone", "gold", "--events", again)[0] == 0
    assert again.read_bytes() == events.read_bytes()


def test_a_tighter_budget_pages_no_sooner(simulated: Path, tmp_path: Path) -> None:
    first = []
    for budget in ("0.1", "4"):
        events = tmp_path / f"{budget}.jsonl"
        files = (simulated / "mentions.jsonl", "--config", simulated / "tocsin.yaml")
        assert backtest(*files, "--tone", "gold", "--budget", budget, "--events", events)[0] == 0
        told = [json.loads(line) for line in events.read_text().splitlines()]
        first.append(min(event["time"] for event in told if event["data"]["pages"]))
        assert {event["data"]["why"]["budget_pages_per_month"] for event in told} == {float(budget)}
    assert first[0] >= first[1]


def mention(number: int, **fields: object) -> Mention:
    values = {
        "id": f"m{number}",
        "created_at": START + timedelta(minutes=number),
        "text": "late",
        "gold_tone": "negative",
    }
    return Mention(**{**values, **fields})  # type: ignore[arg-type]


def written(path: Path, mentions: Sequence[Mention]) -> Path:
    path.write_bytes(encode_lines(mentions))
    return path


def test_without_settings_each_brand_that_is_named_is_a_brand(tmp_path: Path) -> None:
    file = written(tmp_path / "m.jsonl", [mention(n, brand="Ä" if n % 2 else "B") for n in range(20)] + [mention(99)])
    code, said = backtest(file, "--tone", "gold")
    assert code == 0
    assert "Ä" in said
    assert "21 mentions read, 1 name no brand" in said


@pytest.mark.parametrize(
    ("mentions", "options", "message"),
    [
        ([mention(1)], [], "no mention in these files names a brand"),
        ([mention(1, brand="B", gold_tone=None)], [], "no mention has a gold_tone"),
        ([mention(1, brand="B")], ["--budget", "0"], "--budget must be above 0"),
        ([mention(1, brand="B")], ["--budget", "-1"], "--budget must be above 0"),
    ],
)
def test_what_cannot_be_tested_gets_one_message(
    mentions: list[Mention], options: list[str], message: str, tmp_path: Path
) -> None:
    code, said = backtest(written(tmp_path / "m.jsonl", mentions), "--tone", "gold", *options)
    assert code == 2
    assert message in said
    assert "Traceback" not in said


def test_a_keyword_that_nobody_uses_is_said(tmp_path: Path) -> None:
    (tmp_path / "tocsin.yaml").write_text('brands: [{name: "Acme", keywords: ["acme"]}]')
    file = written(tmp_path / "m.jsonl", [mention(1), mention(2)])
    code, said = backtest(file, "--tone", "gold", "--config", tmp_path / "tocsin.yaml")
    assert code == 2
    assert "none of 2 mentions names a configured brand" in said


def test_known_events_that_cannot_be_read_are_told_with_their_line(simulated: Path, tmp_path: Path) -> None:
    bad = tmp_path / "known.csv"
    bad.write_text(KNOWN.replace("2026-03-09T18:00Z,2026-03-10", "noon,2026-03-10"))
    code, said = backtest(simulated / "mentions.jsonl", "--tone", "gold", "--known-events", bad)
    assert code == 2
    assert f"{bad}: known events, line 3" in said


def test_bad_lines_and_duplicates_cost_one_mention_each(tmp_path: Path) -> None:
    file = tmp_path / "m.jsonl"
    lines = encode_lines([mention(n, brand="B") for n in range(5)] + [mention(4, brand="B")])
    file.write_bytes(lines + b"{broken\n" + encode_lines([mention(9, brand="B")]))
    code, said = backtest(file, "--tone", "gold")
    assert code == 0
    assert "7 mentions read" in said
    assert "1 duplicates" in said
    assert "rejected: 1 not_json" in said
    assert f"{file}:7: not JSON" in said


def test_mentions_of_unsettled_brands_are_rejected_and_told(tmp_path: Path) -> None:
    (tmp_path / "tocsin.yaml").write_text('brands: [{name: "Acme", keywords: ["acme"]}]')
    file = written(tmp_path / "m.jsonl", [mention(1, brand="Acme"), mention(2, brand="Other")])
    code, said = backtest(file, "--tone", "gold", "--config", tmp_path / "tocsin.yaml")
    assert code == 0
    assert "rejected: 1 unknown_brand" in said


def test_chunks_of_reading_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [mention(n, brand="B", gold_tone="negative" if n > 3000 else "neutral") for n in range(0, 3600, 7)]
    rows += [mention(3000 + n % 50, id=f"x{n}", brand="B", author=f"a{n}") for n in range(200)]
    rows.sort(key=lambda one: one.created_at)
    results = []
    for size in (1, 17, 100_000):
        monkeypatch.setattr("streams.backtest._BATCH_MENTIONS", size)
        run = Backtest([BrandProfile("B")], classification_of_any_brand(GOLD), None)
        assert sum(run.run(Entry("test", n, one) for n, one in enumerate(rows))) == len(rows)
        results.append([event.value for event in run.outcome.events])
    assert results[0] == results[1] == results[2]
    assert results[0]


def test_settings_and_files_agree_on_what_a_mention_may_be(tmp_path: Path) -> None:
    from streams.settings import Settings

    settings = Settings.model_validate({"brands": [{"name": "B", "keywords": ["b"]}], "limits": {"text_chars": 10}})
    work = make_classification(settings, GOLD)
    assert work.match(mention(1, text="b b"), 0, 0) is not None
    (tmp_path / "tocsin.yaml").write_text(json.dumps({"brands": [{"name": "B"}], "limits": {"text_chars": 10}}))
    file = written(tmp_path / "m.jsonl", [mention(1, brand="B", text="x" * 11), mention(2, brand="B")])
    code, said = backtest(file, "--tone", "gold", "--config", tmp_path / "tocsin.yaml")
    assert code == 0
    assert "rejected: 1 text_too_long" in said


def test_an_old_moment_needs_no_clock(tmp_path: Path) -> None:
    old = datetime(2001, 1, 1, tzinfo=UTC)
    file = written(tmp_path / "m.jsonl", [mention(n, brand="B", created_at=old + timedelta(hours=n)) for n in range(9)])
    assert backtest(file, "--tone", "gold")[0] == 0

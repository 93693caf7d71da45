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
from streams.entries import Entry
from streams.records import Mention, encode_lines
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
    code, said = backtest(*files, "--tone", "gold", "--events", events, "--report", plot, *known)
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


def test_commands_in_a_file_are_obeyed_and_the_ledger_shows_them(simulated: Path, tmp_path: Path) -> None:
    """A first run names the incident; the second is told what people said about it."""
    first, second, told = tmp_path / "first.jsonl", tmp_path / "second.jsonl", tmp_path / "commands.jsonl"
    files = (simulated / "mentions.jsonl", "--config", simulated / "tocsin.yaml", "--tone", "gold")
    assert backtest(*files, "--events", first)[0] == 0
    page = next(event for event in map(json.loads, first.read_text().splitlines()) if event["data"]["pages"])
    incident, brand = page["data"]["incident_id"], page["subject"]
    # The planned event makes the second run's page a little later than the first's.
    at = (datetime.fromisoformat(page["time"]) + timedelta(minutes=5)).isoformat()
    commands: list[dict[str, object]] = [
        {"at": at, "kind": "false", "brand": brand, "incident": incident},
        {"at": at, "kind": "ack", "brand": brand, "incident": "nowhere"},
        {"kind": "plan", "brand": brand, "from": "2026-03-05T10:00Z", "until": "2026-03-05T20:00Z", "factor": 4},
    ]
    told.write_text("".join(json.dumps(one) + "\n" for one in commands))
    code, said = backtest(*files, "--events", second, "--commands", told)
    assert code == 0, said
    assert "no ticket or page of an incident nowhere is remembered" in said
    events = [json.loads(line) for line in second.read_text().splitlines()]
    later = [event for event in events if event["data"]["incident_id"] == incident and event["time"] > at]
    assert {event["data"]["response"]["verdict"] for event in later if event["time"] > at[:-3]} >= {"false alarm"}
    result = CLI.invoke(app, ["ledger", "--events", str(second), "--commands", str(told), "--brand", brand])
    assert result.exit_code == 0, result.output
    assert incident in result.output
    assert "false alarm" in result.output
    result = CLI.invoke(app, ["ledger", "--events", str(second), "--commands", str(told), "--json"])
    lines = {line["brand"]: line for line in map(json.loads, result.output.splitlines())}
    assert (lines[brand]["pages"], lines[brand]["false"], lines[brand]["marked"]) == (1, 1, 1)
    table = said[said.index("of them marked") :].splitlines()
    (row,) = [line.split() for line in table if line.startswith(brand)]
    assert row[3:6] == ["1", "1", "1"], "the backtest's own ledger says the same"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "line 2: not JSON"),
        ("[]", "line 2: not a JSON object"),
        ('{"kind": "ack", "brand": "Lumo"}', "line 2: not a command"),
        ('{"at": "2026-03-05T10:00Z", "kind": "ack", "brand": "Zuvarro Airlines"}', "line 2: incident"),
        (
            '{"at": "2026-03-05T10:00Z", "kind": "unmute", "brand": "Nobody"}',
            "'Nobody' is no brand or portfolio that is watched",
        ),
        ('{"kind": "mute", "brand": "Fjordfizz", "from": "yesterday", "until": "2026-03-05T10:00Z"}', "'yesterday'"),
    ],
)
def test_a_command_that_cannot_be_used_is_one_message(simulated: Path, tmp_path: Path, line: str, message: str) -> None:
    told = tmp_path / "commands.jsonl"
    told.write_text(f"\n{line}\n")
    files = (simulated / "mentions.jsonl", "--config", simulated / "tocsin.yaml", "--tone", "gold")
    code, said = backtest(*files, "--commands", told)
    assert code == 2
    assert message in said
    assert "Traceback" not in said


def test_a_tighter_budget_pages_no_sooner(simulated: Path, tmp_path: Path) -> None:
    first = []
    for budget in ("0.1", "4"):
        events = tmp_path / f"{budget}.jsonl"
        files = (simulated / "mentions.jsonl", "--config", simulated / "tocsin.yaml")
        assert backtest(*files, "--tone", "gold", "--budget", budget, "--events", events)[0] == 0
        told = [json.loads(line) for line in events.read_text().splitlines()]
        # At a tenth of a page a month it may be a ticket for good.
        first.append(min((event["time"] for event in told if event["data"]["pages"]), default="never"))
        assert {event["data"]["why"]["budget_pages_per_month"] for event in told} == {float(budget)}
    assert first[0] >= first[1] != "never"


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


@pytest.mark.parametrize("batch", [3, 100_000])
def test_the_mentions_of_a_brand_are_without_duplicates(batch: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.backtest._BATCH_MENTIONS", batch)
    rows = [mention(n // 2, brand="B") for n in range(20)] + [mention(10 + n, brand="C") for n in range(5)]
    # The same id more than a day later is another mention.
    rows.append(mention(0, brand="B", created_at=START + timedelta(days=2)))
    run = Backtest([BrandProfile("B"), BrandProfile("C")], classification_of_any_brand(GOLD), None)
    list(run.run(Entry("test", n, one) for n, one in enumerate(rows)))
    assert [(one.brand, one.mentions) for one in run.outcome.counts] == [("B", 11), ("C", 5)]
    assert run.outcome.duplicates == 10


def test_a_mention_of_several_brands_is_one_mention(tmp_path: Path) -> None:
    """What is told of the mentions read adds up, however many brands a mention names."""
    (tmp_path / "tocsin.yaml").write_text("brands: [{name: A, keywords: [acme]}, {name: B, keywords: [acme]}]")
    rows = [mention(n, text="acme") for n in range(9)]
    rows += [mention(8, text="acme"), mention(20, text="acme"), mention(10, text="acme")]
    rows += [mention(9000, text="acme"), mention(30, text="acme")]
    file = written(tmp_path / "m.jsonl", rows)
    code, said = backtest(file, "--tone", "gold", "--config", tmp_path / "tocsin.yaml")
    assert code == 0
    assert "14 mentions read, 0 name no brand, 1 duplicates" in said
    assert "late: 1 mentions" in said
    assert "1 of 14 mentions (7%) were left out" in said


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


def test_the_report_as_json_says_what_the_tables_say(simulated: Path, tmp_path: Path) -> None:
    known = ("--known-events", simulated / "known.csv")
    files = (simulated / "mentions.jsonl", "--config", simulated / "tocsin.yaml", "--tone", "gold", *known)
    result = CLI.invoke(app, ["backtest", *map(str, files), "--json", "--what-if"])
    assert result.exit_code == 0
    told = json.loads(result.stdout)
    assert [b["brand"] for b in told["brands"] if b["pages"]] == ["Zuvarro Airlines"]
    assert [k["outcome"] for k in told["known_events"]] == ["found", "not paged"]
    assert [w["budget"] for w in told["what_if"]] == [0.5, 1.0, 2.0, 4.0]
    own = next(w for w in told["what_if"] if w["budget"] == 1.0)
    assert own["pages"] == told["summary"]["pages"] == sum(i["pages"] for i in told["incidents"])
    assert told["totals"]["events"] == sum(len(i["events"]) for i in told["incidents"])
    assert "--known-events" in told["command"]


def test_files_out_of_order_are_refused_unless_they_are_to_be_sorted(tmp_path: Path) -> None:
    rows = [mention(60 * n, brand="B") for n in range(200)]
    backwards = written(tmp_path / "newest-first.jsonl", rows[::-1])
    code, said = backtest(backwards, "--tone", "gold")
    assert code == 2
    assert "not in order of time; give --sort" in said
    forwards = written(tmp_path / "oldest-first.jsonl", rows)
    events = [tmp_path / "a.jsonl", tmp_path / "b.jsonl"]
    assert backtest(backwards, "--tone", "gold", "--sort", "--events", events[0])[0] == 0
    assert backtest(forwards, "--tone", "gold", "--events", events[1])[0] == 0
    assert events[0].read_bytes() == events[1].read_bytes()


def test_a_few_mentions_out_of_order_are_counted_where_they_belong_and_told(tmp_path: Path) -> None:
    rows = [mention(60 * n, brand="B") for n in range(200)]
    rows.insert(150, mention(60 * 140 + 7, id="late", brand="B"))
    rows.insert(190, mention(30, id="far too late", brand="B"))
    code, said = backtest(written(tmp_path / "m.jsonl", rows), "--tone", "gold")
    assert code == 0
    assert "late: 1 mentions" in said
    assert "left out: 1 mentions that come more than a day after later ones" in said


@pytest.mark.parametrize("batch", [7, 100_000])
def test_a_mention_of_the_future_that_costs_many_is_named_first(
    batch: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streams.backtest._BATCH_MENTIONS", batch)
    rows = [mention(60 * n, brand="B") for n in range(200)]
    rows.insert(20, mention(-60 * 48, id="far too late", brand="B"))
    rows.insert(150, mention(60 * 24 * 90, id="the future", brand="B"))
    rows.insert(160, mention(60 * 24 * 91, id="more of it", brand="B"))
    result = CLI.invoke(app, ["backtest", str(written(tmp_path / "m.jsonl", rows)), "--tone", "gold"])
    assert result.exit_code == 0
    first = result.stderr.strip().splitlines()[0]
    assert first.startswith("WARNING: 52 of 203 mentions (26%) were left out")
    assert "m.jsonl:151, id 'the future', dated 2026-05-31T00:00:00Z" in first
    assert "--sort" in first
    assert "left out" not in result.stderr.replace(first, "")
    rows = [mention(60 * 24 * 90, id="the future", brand="B"), *rows[:100]]
    code, said = backtest(written(tmp_path / "m.jsonl", rows), "--tone", "gold")
    assert code == 2
    assert "m.jsonl:1, id 'the future'" in said


@pytest.mark.parametrize("at_the_end", [False, True])
def test_a_few_mentions_years_from_all_others_are_left_out_and_told(tmp_path: Path, at_the_end: bool) -> None:
    rows = [mention(60 * n, brand="B") for n in range(200)]
    years = 60 * 24 * 366 * 26
    if at_the_end:
        rows = [mention(n - years, id=f"old {n}", brand="B") for n in range(200)] + rows[:1]
    else:
        rows = [mention(n - years, id=f"old {n}", brand="B") for n in range(3)] + rows
    file = written(tmp_path / "m.jsonl", rows)
    with file.open("ab") as more:
        more.write(b"no mention\n")
    result = CLI.invoke(app, ["backtest", str(file), "--tone", "gold", "--json"])
    assert result.exit_code == 0
    told = json.loads(result.stdout)
    assert told["totals"]["strays"] == (1 if at_the_end else 3)
    assert told["totals"]["read"] == 200
    assert told["totals"]["rejected"] == 1
    which = "m.jsonl:201, id 'm0'" if at_the_end else "m.jsonl:1, id 'old 0', dated 2000-"
    assert told["notes"][0].startswith("WARNING: left out: ")
    assert which in told["notes"][0]
    assert told["brands"][0]["days"] < 9


def test_years_between_many_mentions_are_gone_through_and_told_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streams.stray_mentions.FAR", timedelta(days=9))
    rows = [mention(60 * n - 60 * 24 * 12, brand="B") for n in range(40)]
    rows += [mention(60 * n, id=f"later {n}", brand="B") for n in range(40)]
    result = CLI.invoke(app, ["backtest", str(written(tmp_path / "m.jsonl", rows)), "--tone", "gold"])
    assert result.exit_code == 0
    first = result.stderr.strip().splitlines()[0]
    assert first.startswith("WARNING: no mention for 0.0 years before ")
    assert "m.jsonl:41, id 'later 0'" in first
    assert "a brand of which nothing is heard for 366 days begins anew" in first
    assert result.stderr.count("no mention for") == 1, "told once, and in the report"
    assert "80 mentions read" in result.stdout


def test_gaps_cost_no_page_and_are_drawn(tmp_path: Path) -> None:
    rows = [
        mention(2 * n, brand="B", author=f"a{n}", gold_tone="negative" if n % 4 == 0 else "neutral")
        for n in range(30 * 24 * 10)
        if not 3000 < n < 3900
    ]
    page = tmp_path / "m.html"
    code, said = backtest(written(tmp_path / "m.jsonl", rows), "--tone", "gold", "--report", page)
    assert code == 0
    assert "PAGE" not in said
    assert "feed silent for" in page.read_text()


@pytest.mark.parametrize("settings", [False, True])
def test_an_empty_file_is_said_to_be_empty(tmp_path: Path, settings: bool) -> None:
    (tmp_path / "empty.jsonl").write_text("")
    (tmp_path / "tocsin.yaml").write_text('brands: [{name: "Acme", keywords: ["acme"]}]')
    given = ("--config", tmp_path / "tocsin.yaml") if settings else ()
    code, said = backtest(tmp_path / "empty.jsonl", "--tone", "gold", *given)
    assert code == 2
    assert "empty" in said
    assert "Traceback" not in said


def test_a_brand_seen_once_has_its_row(tmp_path: Path) -> None:
    rows = [mention(n, brand="B") for n in range(100)] + [mention(200, brand="Once")]
    page = tmp_path / "m.html"
    file = written(tmp_path / "m.jsonl", rows)
    code, said = backtest(file, "--tone", "gold", "--report", page)
    assert code == 0
    assert "Once" in said
    assert "watched for less than a day" in page.read_text()
    code, said = backtest(file, "--tone", "gold")
    (row,) = [line for line in said.splitlines() if line.startswith("Once")]
    assert "under a day" in row
    assert row.rstrip().endswith("too short to say")
    told = json.loads(CLI.invoke(app, ["backtest", str(file), "--tone", "gold", "--json"]).stdout)
    assert [(one["pages_per_month"], one["interval"]) for one in told["brands"]] == [(None, None)] * 2
    assert (told["summary"]["rate"], told["summary"]["interval"]) == (None, None)


def test_known_events_of_nobody_are_told_with_a_guess(simulated: Path, tmp_path: Path) -> None:
    known = tmp_path / "known.csv"
    known.write_text(KNOWN.replace("Fjordfizz", "Fjordfiz"))
    files = (simulated / "mentions.jsonl", "--config", simulated / "tocsin.yaml", "--tone", "gold")
    code, said = backtest(*files, "--known-events", known)
    assert code == 0
    assert "did you mean 'Fjordfizz'?" in said


@pytest.mark.parametrize("option", ["--report", "--events"])
@pytest.mark.parametrize(("place", "problem"), [("nowhere/out", "there is no directory"), (".", "is a directory")])
def test_a_place_that_cannot_be_written_is_said_before_the_work(
    option: str, place: str, problem: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = written(tmp_path / "m.jsonl", [mention(1, brand="B")])
    monkeypatch.setattr(Backtest, "run", None)
    code, said = backtest(file, "--tone", "gold", option, tmp_path / place)
    assert code == 2
    assert problem in said


@pytest.mark.parametrize("option", ["--report", "--events"])
def test_no_file_that_is_read_is_written_over(option: str, simulated: Path, tmp_path: Path) -> None:
    for name in ("mentions.jsonl", "tocsin.yaml", "known.csv"):
        (tmp_path / name).write_bytes((simulated / name).read_bytes())
    (tmp_path / "link").symlink_to(tmp_path / "mentions.jsonl")
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    files = (tmp_path / "mentions.jsonl", "--config", tmp_path / "tocsin.yaml", "--tone", "gold")
    for name in ("mentions.jsonl", "link", "tocsin.yaml", "known.csv"):
        out = tmp_path / name
        code, said = backtest(*files, "--known-events", tmp_path / "known.csv", option, out)
        assert code == 2
        assert f"{option} {out} would overwrite a file that is read" in said
    assert {path: path.read_bytes() for path in before} == before


def test_two_outputs_are_two_files(tmp_path: Path) -> None:
    file, out = written(tmp_path / "m.jsonl", [mention(1, brand="B")]), tmp_path / "out"
    code, said = backtest(file, "--tone", "gold", "--events", out, "--report", out)
    assert code == 2
    assert f"--events and --report both name {out}" in said


def test_files_of_bad_lines_alone_are_told_with_the_first(tmp_path: Path) -> None:
    file = tmp_path / "m.jsonl"
    file.write_bytes(b"{broken\n\x00\x01\n")
    code, said = backtest(file, "--tone", "gold")
    assert code == 2
    assert f"no mention could be used (2 rejected, the first: {file}:1: " in said


def test_a_portfolios_budget_holds_at_another_budget_of_its_brands(tmp_path: Path) -> None:
    begin = datetime(2026, 3, 2, tzinfo=UTC)
    mentions = [
        Mention(id=f"{brand}{n}", created_at=begin + timedelta(hours=n), text=brand, brand=brand, gold_tone="neutral")
        for n in range(30)
        for brand in ("Acme", "Bolt", "Coil")
    ]
    (tmp_path / "mentions.jsonl").write_bytes(encode_lines(mentions))
    brands = [{"name": name, "keywords": [name.lower()], "portfolio": "shops"} for name in ("Acme", "Bolt", "Coil")]
    settings = {"brands": brands, "portfolios": [{"name": "shops", "budget": 3}]}
    (tmp_path / "tocsin.yaml").write_text(json.dumps(settings))
    options = ["--config", str(tmp_path / "tocsin.yaml"), "--tone", "gold", "--budget", "8", "--what-if", "--json"]
    result = CLI.invoke(app, ["backtest", str(tmp_path / "mentions.jsonl"), *options])
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert {row["brand"]: row["budget"] for row in told["brands"]} == {
        "Acme": 1.0,
        "Bolt": 1.0,
        "Coil": 1.0,
        "shops": 3.0,
    }
    assert "no budget gives its 3 brands more than 1 each" in result.stderr

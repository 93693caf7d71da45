"""`tocsin score-counts`: a row out for a row in, one clear message for each kind of bad file."""

from __future__ import annotations

import csv
import gzip
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from typer.testing import CliRunner

from streams import cli
from streams.commands import count_bins

BEGIN = datetime(2026, 1, 1, 0, 2, 53, tzinfo=UTC)


def _run(*arguments: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(cli.app, ["score-counts", *map(str, arguments)])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout, result.stderr


def _counts(days: int = 10, minutes: int = 5) -> list[int]:
    counts = np.random.default_rng(3).poisson(4, days * 1440 // minutes)
    counts[-100:-80] += 80
    return [int(count) for count in counts]


def _lines(counts: list[int], minutes: int = 5, form: str = "%Y-%m-%d %H:%M:%S") -> list[str]:
    rows = [f"{(BEGIN + timedelta(minutes=minutes * i)).strftime(form)},{c}" for i, c in enumerate(counts)]
    return ["timestamp,value", *rows]


def _file(tmp_path: Path, lines: list[str]) -> Path:
    path = tmp_path / "volume.csv"
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def _scores(text: str) -> list[float]:
    return [float(row["anomaly_score"]) for row in csv.DictReader(text.splitlines())]


def test_the_counts_are_not_written_over(tmp_path: Path) -> None:
    path = _file(tmp_path, _lines(_counts()))
    before = path.read_bytes()
    code, _, stderr = _run(path, "--out", path)
    assert code == 2
    assert f"--out {path} would overwrite a file that is read; name another file" in stderr
    assert path.read_bytes() == before


def test_a_row_for_a_row(tmp_path: Path) -> None:
    lines = _lines(_counts())
    path, out = _file(tmp_path, lines), tmp_path / "scores.csv"
    code, stdout, stderr = _run(path, "--out", out)
    assert (code, stdout) == (0, "")
    assert "2,880 rows in bins of 5 min, 10.0 days; 1 alarm (" in stderr
    written = out.read_text(encoding="utf-8")
    assert written.splitlines()[0] == "timestamp,anomaly_score"
    assert [line.split(",")[0] for line in written.splitlines()] == [line.split(",")[0] for line in lines]
    alarms = [i for i, score in enumerate(_scores(written)) if score >= 0.5]
    assert alarms == [2780]
    assert _run(path)[1] == written


def test_other_columns_a_bom_gzip_and_stdin(tmp_path: Path) -> None:
    lines = _lines(_counts(3))
    code, plain, _ = _run(_file(tmp_path, lines))
    assert code == 0
    assert _run(_file(tmp_path, ["", *(line.replace(",", ";") for line in lines)]))[1] == plain
    more = ["\ufeffnote, Value ,Timestamp", *(",".join(["x", *line.split(",")[::-1]]) for line in lines[1:]), ""]
    packed = gzip.compress("\r\n".join(more).encode())
    command = [sys.executable, "-m", "streams.cli", "score-counts", "-"]
    done = subprocess.run(command, input=packed, capture_output=True, check=True)
    assert done.stdout.decode() == plain
    assert done.stderr.startswith(b"standard input: 864 rows")


def test_help_shows_an_example() -> None:
    code, out, _ = _run("--help")
    assert code == 0
    assert "Example: tocsin score-counts volume.csv" in out


def test_a_zone_moves_the_clock_not_the_scores(tmp_path: Path) -> None:
    """Written without a zone, or as the same moments in UTC or elsewhere."""
    counts = _counts(3)
    plain = _scores(_run(_file(tmp_path, _lines(counts)))[1])
    zoned = _lines(counts, form="%Y-%m-%dT%H:%M:%SZ")
    assert _scores(_run(_file(tmp_path, zoned))[1]) == plain
    named = _lines(counts, form="%Y-%m-%d %H:%M:%S UTC")
    assert _scores(_run(_file(tmp_path, named))[1]) == plain
    elsewhere = ["timestamp,value"]
    for i, count in enumerate(counts):
        moment = (BEGIN + timedelta(minutes=5 * i)).astimezone(tz=None)
        elsewhere.append(f"{moment.isoformat()},{count}")
    assert _scores(_run(_file(tmp_path, elsewhere))[1]) == plain


def test_later_rows_do_not_change_earlier_scores(tmp_path: Path) -> None:
    lines = _lines(_counts())
    whole = _scores(_run(_file(tmp_path, lines))[1])
    for keep in (101, 700, 2790):
        assert _scores(_run(_file(tmp_path, lines[: keep + 1]))[1]) == whole[:keep]
    hourly = [*lines[:700], *_lines(_counts(10, 60), 60)[60:]]
    assert _scores(_run(_file(tmp_path, hourly))[1])[:699] == whole[:699]


def test_missing_rows_and_values_are_gaps(tmp_path: Path) -> None:
    lines = _lines(_counts())
    lines[50] = lines[50].split(",")[0] + ","
    lines[60] = lines[60].split(",")[0] + ",NaN"
    code, out, stderr = _run(_file(tmp_path, [*lines[:1000], "", *lines[1400:]]))
    assert code == 0
    assert "1 gap, 2 counts missing" in stderr
    assert len(_scores(out)) == 2880 - 400
    assert [i for i, score in enumerate(_scores(out)) if score >= 0.5] == [2380]


def _sparse(mean: float, seed: int = 0, days: int = 30) -> tuple[list[str], list[str]]:
    """All rows of a quiet series with a surge, and those that a GROUP BY leaves of it."""
    counts = np.random.default_rng(seed).poisson(mean, days * 288)
    counts[0] = counts[-1] = 1
    counts[-600:-588] += 3
    lines = _lines(counts.tolist())
    return lines, [line for line in lines if not line.endswith(",0")]


@pytest.mark.parametrize("mean", [0.05, 0.2])
@pytest.mark.parametrize("seed", range(3))
def test_rows_of_zero_that_were_left_out_may_be_read_as_zero(tmp_path: Path, mean: float, seed: int) -> None:
    lines, grouped = _sparse(mean, seed)
    whole, path = _run(_file(tmp_path, lines))[1], _file(tmp_path, grouped)
    code, out, stderr = _run(path, "--missing-is-zero")
    assert code == 0
    assert f"bins of 5 min, 30.0 days, {len(lines) - len(grouped):,} missing rows read as 0" in stderr
    assert "WARNING" not in stderr
    kept = {line.split(",")[0] for line in grouped}
    # No alarm of this series begins in a row of 0.
    assert out.splitlines() == [line for line in whole.splitlines() if line.split(",")[0] in kept]
    assert any(score >= 0.5 for score in _scores(out)[-200:])


@pytest.mark.parametrize(("score", "told"), [(0.5, [0, 0, 0, 0.5, 0, 0]), (0.25, [0, 0, 0, 0, 0, 0])])
def test_an_alarm_in_a_row_that_was_left_out_is_told_in_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, score: float, told: list[float]
) -> None:
    monkeypatch.setattr("detectors.counts.score_counts", lambda times, *_: score * np.eye(len(times))[4])
    lines = _lines([1] * 8)
    path = _file(tmp_path, [*lines[:4], *lines[6:]])
    assert _scores(_run(path, "--missing-is-zero")[1]) == told


@pytest.mark.parametrize("mean", [0.02, 0.2])
def test_a_file_without_its_rows_of_zero_is_warned_of(tmp_path: Path, mean: float) -> None:
    lines, grouped = _sparse(mean)
    code, _, stderr = _run(_file(tmp_path, grouped))
    assert code == 0
    share = 100 * (len(lines) - len(grouped)) // len(lines)
    first = stderr.splitlines()[0]
    assert first.startswith("WARNING")
    assert f"{share}%" in first or f"{share + 1}%" in first
    assert "give --missing-is-zero" in first
    assert "WARNING" not in _run(_file(tmp_path, lines))[2]


def test_nights_without_rows_are_no_rows_of_zero_left_out(tmp_path: Path) -> None:
    lines = _lines([count + 1 for count in _counts()])
    by_day = [line for i, line in enumerate(lines) if i == 0 or 96 <= i % 288 < 216]
    assert "WARNING" not in _run(_file(tmp_path, by_day))[2]


def test_a_feed_that_is_down_is_a_gap_though_missing_rows_are_zeros(tmp_path: Path) -> None:
    """By the rule for runs of zeros: what follows is compared with what was before, and is no surge."""
    lines = _lines(_counts(20))
    begin = 10 * 288
    down = [*lines[:begin], *lines[begin + 576 :]]
    code, out, _ = _run(_file(tmp_path, down), "--missing-is-zero")
    assert code == 0
    assert not any(score >= 0.5 for score in _scores(out)[begin - 2 : begin + 288])


def test_the_width_may_be_given(tmp_path: Path) -> None:
    path = _file(tmp_path, _lines(_counts(3)[::3], 15))
    assert "bins of 15 min" in _run(path)[2]
    assert "bins of 5 min" in _run(path, "--width", 5)[2]
    code, _, stderr = _run(path, "--width", 60)
    assert code == 2
    assert "comes 15 min after the row before, though bins are 1 h wide by --width" in stderr
    for width in (0, -5, 61, "nan"):
        code, _, stderr = _run(path, "--width", width)
        assert code == 2
        assert "--width: bins must be above 0 and at most 60 minutes wide" in stderr


def test_times_that_are_a_little_off_do_not_change_the_width(tmp_path: Path) -> None:
    """A feed that began again at another minute, and seconds of delay."""
    lines = _lines([1] * 50)
    later = [
        f"{(BEGIN + timedelta(minutes=5 * i + 2, seconds=i % 7)).strftime('%Y-%m-%d %H:%M:%S')},1"
        for i in range(50, 100)
    ]
    assert "bins of 5 min" in _run(_file(tmp_path, [*lines, *later]))[2]


@pytest.mark.parametrize(("early", "late"), [(1, 60), (10, 5), (5, 15)])
def test_bins_of_another_width_further_on_are_warned_of(tmp_path: Path, early: int, late: int) -> None:
    begin = _lines([5] * 300, early)
    place = 300 * early // late
    rest = _lines([5] * (place + 30), late)[place + 1 :]
    code, _, stderr = _run(_file(tmp_path, [*begin, *rest]))
    assert code == 0
    from_then = (BEGIN + timedelta(minutes=300 * early)).strftime("%Y-%m-%d %H:%M")
    assert f"WARNING: {tmp_path / 'volume.csv'}: from {from_then[:13]}" in stderr
    assert f"rows are {late // 60} h apart" in stderr or f"rows are {late} min apart" in stderr
    assert "WARNING" not in _run(_file(tmp_path, begin))[2]


@pytest.mark.parametrize("minutes", [1, 5, 60])
def test_local_times_when_the_clock_is_put_back_are_told_so(tmp_path: Path, minutes: int) -> None:
    """Summer time ends in Berlin: from 03:00 on 25 October it is 02:00 once more."""
    begin, lines = datetime(2026, 10, 24, 12, tzinfo=UTC), ["timestamp,value"]
    for i in range(1440 // minutes):
        moment = (begin + timedelta(minutes=minutes * i)).astimezone(ZoneInfo("Europe/Berlin"))
        lines.append(f"{moment:%Y-%m-%d %H:%M:%S},5")
    code, _, stderr = _run(_file(tmp_path, lines))
    assert code == 2
    assert f"2026-10-25 02:00:00 is {'there twice' if minutes == 60 else 'earlier than the row before'}; " in stderr
    assert "if the clock was put back by an hour here, as summer time ends, write times in UTC or with their" in stderr
    code, _, stderr = _run(_file(tmp_path, [*lines[:12], lines[5]]))
    assert code == 2
    assert "clock" not in stderr


def test_a_row_years_off_is_named_before_the_years_are_filled_with_zeros(tmp_path: Path) -> None:
    lines = _lines([1] * 100, 60)
    path = _file(tmp_path, ["timestamp,value", "2000-01-01 00:00:00,1", *lines[1:]])
    code, out, stderr = _run(path, "--missing-is-zero")
    assert (code, out) == (2, "")
    first = lines[1].split(",")[0]
    assert f"line 3: {first} is " in stderr
    assert "days after the row before (line 2: 2000-01-01 00:00:00)" in stderr
    assert "correct it or leave the row out" in stderr
    assert _run(path)[0] == 0, "a gap is none of this"


@pytest.mark.parametrize(("days", "code"), [(366, 0), (367, 2)])
def test_a_year_of_zeros_is_believed(tmp_path: Path, days: int, code: int) -> None:
    lines = _lines([1] * 100, 60)
    last = datetime.fromisoformat(lines[-1].split(",")[0]) + timedelta(days=days)
    assert _run(_file(tmp_path, [*lines, f"{last},1"]), "--missing-is-zero")[0] == code


def test_so_many_zeros_are_a_mistake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(count_bins, "_MOST_ROWS", 1000)
    lines = [*_lines([1] * 100, 1), "2026-01-21 00:02:53,1"]
    code, _, stderr = _run(_file(tmp_path, lines), "--missing-is-zero")
    assert code == 2
    assert "is the first or the last time a mistake?" in stderr


@pytest.mark.parametrize("minutes", [1, 10, 60])
def test_other_bins(tmp_path: Path, minutes: int) -> None:
    code, _, stderr = _run(_file(tmp_path, _lines(_counts(3, minutes), minutes)))
    assert code == 0
    assert f"bins of {'1 h' if minutes == 60 else f'{minutes} min'}" in stderr


def test_the_first_day_is_said_not_to_be_scored(tmp_path: Path) -> None:
    for n in (1, 2, 100):
        code, out, stderr = _run(_file(tmp_path, _lines([5] * n)))
        assert code == 0
        assert _scores(out) == [0.0] * n
        assert "first day is not scored" in stderr


def test_the_budget_moves_the_alarms(tmp_path: Path) -> None:
    path = _file(tmp_path, _lines(_counts(40)))
    found = [sum(score >= 0.5 for score in _scores(_run(path, "--budget", n)[1])) for n in (0.1, 2, 20)]
    assert found == sorted(found)
    assert found[0] < found[2]


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        ([], "the file is empty"),
        (["", ""], "the file is empty"),
        (["timestamp,value"], "no rows"),
        (["2026-01-01 00:00:00,4", "2026-01-01 00:05:00,4"], "the first line must name the columns timestamp,value"),
        (["time,count", "2026-01-01 00:00:00,4"], "the first line must name the columns timestamp,value"),
        (["timestamp,value,value", "2026-01-01 00:00:00,4,4"], "the first line must name the columns"),
        (
            ["timestamp,value", "2026-01-01 00:05:00,4", "2026-01-01 00:00:00,4"],
            "line 3: 2026-01-01 00:00:00 is earlier",
        ),
        (["timestamp,value", "2026-01-01 00:05:00,4", "2026-01-01 00:05:00,4"], "line 3: 2026-01-01 00:05:00 is there"),
        (["timestamp,value", "2026-01-01 00:05:00,-4"], "line 2: a count cannot be -4"),
        (["timestamp,value", "2026-01-01 00:05:00,inf"], "line 2: inf is no count of mentions"),
        (["timestamp,value", "2026-01-01 00:05:00,1e308"], "line 2: 1e308 is no count of mentions"),
        (["timestamp,value", "2026-01-01 00:05:00,-inf"], "line 2: a count cannot be -inf"),
        (["timestamp,value", "2026-01-01 00:05:00,many"], "line 2: 'many' is not a count"),
        (["timestamp,value", "yesterday,4"], "line 2: 'yesterday' is not a time such as"),
        (["timestamp,value", "0001-01-01 00:00:00,4"], "not a year"),
        (["timestamp,value", "2026-01-01 00:05:00"], "line 2: 1 of 2 columns"),
        (["timestamp,value", "2026-01-01 00:00:00,4", "2026-01-01T00:05:00Z,4"], "line 3: some timestamps name a time"),
        (["timestamp,value", "2026-01-01,4", "2026-01-02,4", "2026-01-03,4"], "rows are 1 d apart"),
        (
            ["timestamp,value", "2026-01-01,4", "2026-01-02,4", "2026-01-03,4"],
            "--missing-is-zero and the bins' --width",
        ),
        ([*_lines([1] * 9), "2026-01-01 00:42:55,1"], "00:42:55 comes 2 s after the row before, though bins are 5 min"),
    ],
)
def test_a_bad_file_is_one_clear_message(tmp_path: Path, lines: list[str], why: str) -> None:
    out = tmp_path / "scores.csv"
    code, stdout, stderr = _run(_file(tmp_path, lines), "--out", out)
    assert (code, stdout) == (2, "")
    assert why in stderr
    assert stderr.count("\n") == 1
    assert not out.exists()


def test_what_is_no_csv_at_all(tmp_path: Path) -> None:
    path = tmp_path / "volume.csv"
    path.write_bytes(b"\xff\xfe\x00\x80")
    assert _run(path)[0] == 2
    packed = gzip.compress("\n".join(_lines(_counts(1))).encode())
    for content in (packed[:-12], packed[:-8] + bytes(8), packed[:30] + b"\xff\xff" + packed[32:]):
        path.write_bytes(content)
        code, _, stderr = _run(path)
        assert code == 2
        assert "damaged" in stderr
    code, _, stderr = _run(tmp_path / "none.csv")
    assert code == 2
    assert "no such file" in stderr
    path.write_text("\n".join(_lines([1, 2])))
    assert _run(path, "--out", tmp_path / "no" / "such.csv")[0] == 2


@pytest.mark.parametrize("longest", [131_072, 1_000_000])
@pytest.mark.parametrize("rows", [20, 8000])
@pytest.mark.parametrize("opened", ['2026-02-01 00:00:00,"1', '"2026-02-01 00:00:00,1', '2026-02-01 00:00:00,1,"a'])
def test_a_quote_that_is_never_closed_is_told_where_it_is_opened(
    tmp_path: Path, rows: int, opened: str, longest: int
) -> None:
    """Also in a process in which a file of mentions was read, which allows longer fields."""
    before_it = csv.field_size_limit(longest)
    before = ["timestamp,value,note", "", '2026-01-31 00:00:00,1,"a note', 'of two lines"', "2026-01-31 00:05:00,1,"]
    after = ["2026-02-01 00:05:00,2," for _ in range(rows)]
    code, stdout, stderr = _run(_file(tmp_path, [*before, opened, *after]))
    csv.field_size_limit(before_it)
    assert code == 2
    assert stdout == ""
    assert "line 6: " in stderr
    assert "is a quote opened and never closed?" in stderr


def test_a_note_of_two_lines_may_be_the_last(tmp_path: Path) -> None:
    lines = ["timestamp,value,note", *(f"{line}," for line in _lines(_counts(days=2))[1:])]
    assert _run(_file(tmp_path, [*lines[:-1], f'{lines[-1]}"a note', 'of two lines"']))[0] == 0


def test_the_rhythm_of_the_week_may_be_learned_too(tmp_path: Path) -> None:
    path = _file(tmp_path, _lines(_counts(40)))
    plain, weekly = _run(path), _run(path, "--weekdays")
    assert (plain[0], weekly[0]) == (0, 0)
    assert plain[1] != weekly[1]


@pytest.mark.parametrize("budget", ["0", "-1", "30", "nan"])
def test_a_budget_that_is_none(tmp_path: Path, budget: str) -> None:
    code, _, stderr = _run(_file(tmp_path, _lines([1, 2])), "--budget", budget)
    assert code == 2
    assert "--budget: a budget must be above 0" in stderr

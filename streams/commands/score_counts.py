"""``tocsin score-counts``: a bare series of counts to anomaly scores, row by row."""

from __future__ import annotations

import csv
import io
import itertools
import math
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from streams.commands.console import note
from streams.commands.count_bins import left_out, missing_between, other_width, refuse_years, span, width_of, with_zeros
from streams.commands.output_files import refuse_unusable
from streams.errors import UserError
from streams.mention_files import DAMAGED, STDIN, open_binary

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_TIME, _VALUE = "timestamp", "value"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_OPEN_QUOTE: Final = "; is a quote opened and never closed?"
_MISSING: Final = frozenset({"", "nan", "na", "n/a", "null", "none"})
_YEARS: Final = (1971, 9998)


@dataclass(frozen=True, slots=True)
class Series:
    """A series as read: timestamps as they stood, seconds since 1970, counts (nan where missing), seconds of a bin."""

    stamps: Sequence[str]
    seconds: Sequence[int]
    counts: Sequence[float]
    width: int
    lines: Sequence[int] = ()
    """Of the file, where each row ends."""


def run(
    file: str,
    *,
    out: Path | None,
    budget: float,
    weekdays: bool = False,
    missing_is_zero: bool = False,
    width: float | None = None,
) -> None:
    """Score a file, or standard input ("-"), and write ``timestamp,anomaly_score`` to a file or standard output.

    Parameters
    ----------
    missing_is_zero : whether rows that are missing between the first and the last were left out because they are 0
    width : minutes of a bin; None reads it from the rows

    Raises
    ------
    UserError, MentionFileError
        The file or the budget cannot be used.
    """
    import numpy as np

    from detectors.counts import ALARM, CountsConfig, score_counts

    try:
        config = CountsConfig(budget, weekdays)
    except ValueError as error:
        raise UserError(f"--budget: {error}") from None
    refuse_unusable({"--out": out}, [file])
    name = "standard input" if file == STDIN else file
    series = read_series(file, name, width)
    seconds, counts, places = series.seconds, series.counts, list(range(len(series.stamps)))
    if missing_is_zero:
        refuse_years(series.seconds, series.stamps, series.lines, name)
        seconds, counts, places = with_zeros(seconds, counts, series.width, name)
    scores = score_counts(np.array(seconds, np.int64), np.array(counts, np.float64), series.width, config)
    # An alarm that begins in a row that the file does not have is told with the next one.
    alarms = np.where(scores >= ALARM, scores, 0.0)
    scores = np.maximum(scores[places], np.maximum.reduceat(alarms, [0, *(place + 1 for place in places[:-1])]))
    text = _table(series.stamps, scores)
    if out is None:
        sys.stdout.write(text)
        sys.stdout.flush()
    else:
        out.write_text(text, encoding="utf-8")
    _sum_up(name, series, int(np.sum(scores >= ALARM)), missing_is_zero, out)


def read_series(file: str, name: str, width: float | None = None) -> Series:
    """Read a CSV with the columns ``timestamp`` and ``value``; others are passed over. `width` as in `run`.

    Raises
    ------
    UserError
        With the line, and what to do about it.
    """
    stamps: list[str] = []
    lines: list[int] = []
    seconds: list[int] = []
    counts: list[float] = []
    zoned: bool | None = None
    for line, stamp, value in _rows(file, name):
        where = f"{name}, line {line}"
        at, has_zone = _moment(stamp, where)
        if zoned is None:
            zoned = has_zone
        elif zoned != has_zone:
            raise UserError(f"{where}: some timestamps name a time zone and some do not; make them alike")
        if seconds and at <= seconds[-1]:
            clock = ""
            if not has_zone and _put_back(seconds, at):
                clock = (
                    "if the clock was put back by an hour here, as summer time ends, write times in UTC or with their "
                    "offset, such as 2026-10-25T02:05:00+01:00; else "
                )
            if at == seconds[-1]:
                raise UserError(
                    f"{where}: {stamp} is there twice; {clock}keep one row of each time, or add the counts up"
                )
            raise UserError(f"{where}: {stamp} is earlier than the row before; {clock}sort the rows by time")
        stamps.append(stamp)
        lines.append(line)
        seconds.append(at)
        counts.append(_count(value, where))
    if not stamps:
        raise UserError(f"{name}: no rows; wanted is a CSV with the columns {_TIME},{_VALUE}")
    return Series(stamps, seconds, counts, width_of(seconds, stamps, name, width), lines)


def _put_back(seconds: Sequence[int], at: int) -> bool:
    """Whether a local time `at` repeats an hour of the night, as when summer time ends."""
    if len(seconds) < 2:
        return False
    step = seconds[-1] - seconds[-2]
    return abs(seconds[-1] + step - at - 3600) <= step // 2 and at % 86400 < 4 * 3600


def _rows(file: str, name: str) -> Iterator[tuple[int, str, str]]:
    """Number of the line that begins it, timestamp and value of each row that is not blank."""
    begin = 1
    with open_binary(file, name) as raw:
        text = io.TextIOWrapper(raw, "utf-8-sig", newline="")
        reader = csv.reader(text)
        try:
            # Up to the line that names the columns, which tells what separates them.
            before = list(_through_first(text))
            semicolons = bool(before) and ";" in before[-1] and "," not in before[-1]
            reader = csv.reader(itertools.chain(before, text), delimiter=";" if semicolons else ",")
            header = next((row for row in reader if any(cell.strip() for cell in row)), None)
            if header is None:
                raise UserError(f"{name}: the file is empty; wanted is a CSV with the columns {_TIME},{_VALUE}")
            columns = [cell.strip().lower() for cell in header]
            for column in (_TIME, _VALUE):
                if columns.count(column) != 1:
                    raise UserError(
                        f"{name}: the first line must name the columns {_TIME},{_VALUE}, not {','.join(header)[:80]!r}"
                    )
            time_at, value_at = columns.index(_TIME), columns.index(_VALUE)
            begin = reader.line_num + 1
            line = begin
            for row in reader:
                line, begin = begin, reader.line_num + 1
                if not any(cell.strip() for cell in row):
                    continue
                if len(row) <= max(time_at, value_at):
                    advice = _OPEN_QUOTE if begin > line + 1 else ""
                    raise UserError(f"{name}, line {line}: {len(row)} of {len(columns)} columns{advice}")
                stamp, value = row[time_at].strip(), row[value_at].strip()
                if "\n" in stamp or "\n" in value:
                    raise UserError(f"{name}, line {line}: a field goes on in the next line{_OPEN_QUOTE}")
                yield line, stamp, value
            # Else what follows an open quote would be taken for one long note, without a word.
            if begin > line + 1 and row[-1].endswith("\n"):
                raise UserError(f"{name}, line {line}: this row goes on to the end of the file{_OPEN_QUOTE}")
        except UnicodeDecodeError:
            raise UserError(f"{name}: not a CSV in UTF-8") from None
        except csv.Error as error:
            advice = _OPEN_QUOTE if "field limit" in str(error) else ""
            raise UserError(f"{name}, line {begin}: {error}{advice}") from None
        except DAMAGED as error:
            raise UserError(f"{name}: the gzip data is damaged: {error}") from None


def _through_first(lines: Iterable[str]) -> Iterator[str]:
    """The lines up to the first that is not blank."""
    for line in lines:
        yield line
        if line.strip(" \t\r\n,;"):
            return


def _moment(stamp: str, where: str) -> tuple[int, bool]:
    """Seconds since 1970, and whether a zone was named; without one it is taken for UTC."""
    try:
        # As BigQuery writes it.
        moment = datetime.fromisoformat(f"{stamp[:-4]}Z" if stamp.endswith(" UTC") else stamp)
    except ValueError:
        raise UserError(f"{where}: {stamp[:40]!r} is not a time such as 2026-03-01 12:05:00") from None
    if not _YEARS[0] <= moment.year <= _YEARS[1]:
        raise UserError(f"{where}: {stamp} is not a year to count mentions in")
    has_zone = moment.tzinfo is not None
    moment = moment.astimezone(UTC) if has_zone else moment.replace(tzinfo=UTC)
    return math.floor((moment - _EPOCH).total_seconds()), has_zone


def _count(value: str, where: str) -> float:
    """The count, nan where it is missing."""
    from detectors.counts import LARGEST_COUNT

    if value.lower() in _MISSING:
        return math.nan
    try:
        count = float(value)
    except ValueError:
        raise UserError(f"{where}: {value[:40]!r} is not a count; leave the field empty where none is known") from None
    if count > LARGEST_COUNT:
        raise UserError(f"{where}: {value[:40]} is no count of mentions; leave the field empty where none is known")
    if not count >= 0:
        raise UserError(f"{where}: a count cannot be {value[:40]}; leave the field empty where none is known")
    return count


def _table(stamps: Sequence[str], scores: NDArray[np.float64]) -> str:
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow((_TIME, "anomaly_score"))
    writer.writerows((stamp, f"{score:.6g}") for stamp, score in zip(stamps, scores.tolist(), strict=True))
    return table.getvalue()


def _sum_up(name: str, series: Series, alarms: int, missing_is_zero: bool, out: Path | None) -> None:
    between = [missing_between(a, b, series.width) for a, b in itertools.pairwise(series.seconds)]
    unknown = sum(map(math.isnan, series.counts))
    days = (series.seconds[-1] - series.seconds[0] + series.width) / 86400
    share = left_out(series.seconds, series.counts, series.width)
    if share is not None and not missing_is_zero:
        note(
            f"WARNING: {name}: {share:.0%} of the rows are missing, and none is 0. A missing row is taken for a gap, "
            "in which nothing was observed. If rows without mentions were left out instead (as by a GROUP BY), most "
            "surges are not found: then give --missing-is-zero"
        )
    if change := other_width(series.seconds, series.width):
        at, width = change
        note(
            f"WARNING: {name}: from {series.stamps[at]} on rows are {span(width)} apart, though bins are "
            f"{span(series.width)} wide. Their counts are of other bins: score these rows on their own, or add all up "
            "to bins of one width"
        )
    parts = [
        f"{len(series.stamps):,} row{'s' if len(series.stamps) > 1 else ''} in bins of {span(series.width)}",
        f"{days:.1f} days",
    ]
    if missing_is_zero:
        parts.append(f"{sum(between):,} missing rows read as 0")
    elif gaps := sum(missing > 0 for missing in between):
        parts.append(f"{gaps:,} gap{'s' if gaps > 1 else ''}")
    if unknown:
        parts.append(f"{unknown:,} count{'s' if unknown > 1 else ''} missing")
    note(f"{name}: {', '.join(parts)}; {alarms} alarm{'' if alarms == 1 else 's'} (rows at 0.5 or more)")
    if days <= 1:
        note("The first day is not scored: nothing is known yet that a count could be compared with.")
    if out is not None:
        note(f"written: {out}")

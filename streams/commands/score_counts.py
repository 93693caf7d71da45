"""``tocsin score-counts``: a bare series of counts to anomaly scores, row by row."""

from __future__ import annotations

import csv
import io
import itertools
import math
import sys
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from streams.commands.console import note
from streams.errors import UserError
from streams.mention_files import STDIN, open_binary

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_TIME, _VALUE = "timestamp", "value"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
#: The width of a bin is the most common step of so many rows at the start: later rows must not change earlier scores.
_ROWS_FOR_WIDTH: Final = 100
_MISSING: Final = frozenset({"", "nan", "na", "n/a", "null", "none"})
_YEARS: Final = (1971, 9998)


@dataclass(frozen=True, slots=True)
class Series:
    """A series as read: timestamps as they stood, seconds since 1970, counts (nan where missing), seconds of a bin."""

    stamps: Sequence[str]
    seconds: Sequence[int]
    counts: Sequence[float]
    width: int


def run(file: str, *, out: Path | None, budget: float, weekdays: bool = False) -> None:
    """Score a file, or standard input ("-"), and write ``timestamp,anomaly_score`` to a file or standard output.

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
    name = "standard input" if file == STDIN else file
    series = read_series(file, name)
    counts = np.array(series.counts, np.float64)
    scores = score_counts(np.array(series.seconds, np.int64), counts, series.width, config)
    text = _table(series.stamps, scores)
    if out is None:
        sys.stdout.write(text)
        sys.stdout.flush()
    else:
        out.write_text(text, encoding="utf-8")
    _sum_up(name, series, int(np.sum(np.isnan(counts))), int(np.sum(scores >= ALARM)), out)


def read_series(file: str, name: str) -> Series:
    """Read a CSV with the columns ``timestamp`` and ``value``; others are passed over.

    Raises
    ------
    UserError
        With the line, and what to do about it.
    """
    stamps: list[str] = []
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
        if seconds and at == seconds[-1]:
            raise UserError(f"{where}: {stamp} is there twice; keep one row of each time, or add the counts up")
        if seconds and at < seconds[-1]:
            raise UserError(f"{where}: {stamp} is earlier than the row before; sort the rows by time")
        stamps.append(stamp)
        seconds.append(at)
        counts.append(_count(value, where))
    if not stamps:
        raise UserError(f"{name}: no rows; wanted is a CSV with the columns {_TIME},{_VALUE}")
    return Series(stamps, seconds, counts, _width(seconds, stamps, name))


def _rows(file: str, name: str) -> Iterator[tuple[int, str, str]]:
    """Line number, timestamp and value of each row that is not blank."""
    with open_binary(file, name) as raw:
        reader = csv.reader(io.TextIOWrapper(raw, "utf-8-sig", newline=""))
        try:
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
            for row in reader:
                if not any(cell.strip() for cell in row):
                    continue
                if len(row) <= max(time_at, value_at):
                    raise UserError(f"{name}, line {reader.line_num}: {len(row)} of {len(columns)} columns")
                yield reader.line_num, row[time_at].strip(), row[value_at].strip()
        except UnicodeDecodeError:
            raise UserError(f"{name}: not a CSV in UTF-8") from None
        except csv.Error as error:
            raise UserError(f"{name}, line {reader.line_num}: {error}") from None
        except (EOFError, zlib.error) as error:
            raise UserError(f"{name}: the gzip data is damaged: {error}") from None


def _moment(stamp: str, where: str) -> tuple[int, bool]:
    """Seconds since 1970, and whether a zone was named; without one it is taken for UTC."""
    try:
        moment = datetime.fromisoformat(stamp)
    except ValueError:
        raise UserError(f"{where}: {stamp[:40]!r} is not a time such as 2026-03-01 12:05:00") from None
    if not _YEARS[0] <= moment.year <= _YEARS[1]:
        raise UserError(f"{where}: {stamp} is not a year to count mentions in")
    has_zone = moment.tzinfo is not None
    moment = moment.astimezone(UTC) if has_zone else moment.replace(tzinfo=UTC)
    return math.floor((moment - _EPOCH).total_seconds()), has_zone


def _count(value: str, where: str) -> float:
    """The count, nan where it is missing."""
    if value.lower() in _MISSING:
        return math.nan
    try:
        count = float(value)
    except ValueError:
        raise UserError(f"{where}: {value[:40]!r} is not a count; leave the field empty where none is known") from None
    if not 0 <= count < math.inf:
        raise UserError(f"{where}: a count cannot be {value[:40]}; leave the field empty where none is known")
    return count


def _width(seconds: Sequence[int], stamps: Sequence[str], name: str) -> int:
    """The width of a bin. Steps may be longer (gaps) and a little off, but not shorter than half of it."""
    from detectors.counts import LONGEST_BIN

    steps = [b - a for a, b in itertools.pairwise(seconds)]
    if not steps:
        return LONGEST_BIN
    common = Counter(steps[: _ROWS_FOR_WIDTH - 1])
    width = min(common, key=lambda step: (-common[step], step))
    if width > LONGEST_BIN:
        raise UserError(f"{name}: rows are {_span(width)} apart; a surge shows in bins of at most an hour")
    for i, step in enumerate(steps):
        if 2 * step < width:
            raise UserError(
                f"{name}: {stamps[i + 1]} comes {_span(step)} after the row before, though bins are {_span(width)} wide"
            )
    return width


def _span(seconds: int) -> str:
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size and seconds % size == 0:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def _table(stamps: Sequence[str], scores: NDArray[np.float64]) -> str:
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow((_TIME, "anomaly_score"))
    writer.writerows((stamp, f"{score:.6g}") for stamp, score in zip(stamps, scores.tolist(), strict=True))
    return table.getvalue()


def _sum_up(name: str, series: Series, missing: int, alarms: int, out: Path | None) -> None:
    gaps = sum(2 * (b - a) >= 3 * series.width for a, b in itertools.pairwise(series.seconds))
    days = (series.seconds[-1] - series.seconds[0] + series.width) / 86400
    parts = [f"{len(series.stamps):,} rows in bins of {_span(series.width)}", f"{days:.1f} days"]
    if gaps:
        parts.append(f"{gaps:,} gaps")
    if missing:
        parts.append(f"{missing:,} counts missing")
    note(f"{name}: {', '.join(parts)}; {alarms} alarms (rows at 0.5 or more)")
    if days <= 1:
        note("The first day is not scored: nothing is known yet that a count could be compared with.")
    if out is not None:
        note(f"written: {out}")

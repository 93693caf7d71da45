"""The bins of a bare series of counts: how wide they are, which rows are missing, and whether those were zeros."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Sequence
from typing import Final

from streams.errors import UserError

#: The width of a bin is read from so many rows at the start: later rows must not change earlier scores.
_ROWS_FOR_WIDTH: Final = 100
#: Where more of the first steps than this are no multiple of the commonest one, it is not the width of a bin.
_ODD_STEPS: Final = 0.25
_DAY: Final = 86400
_MISSING_SHARE: Final = 1 / 3
_SAME_STEPS: Final = 24
_LONGEST_LULL: Final = 4 * 3600
#: Seconds between two rows that are filled with zeros at most.
_LONGEST_OF_ZEROS: Final = 366 * _DAY
#: So many rows are filled in at most: 95 years in bins of five minutes.
_MOST_ROWS: Final = 10_000_000


def width_of(seconds: Sequence[int], stamps: Sequence[str], name: str, minutes: float | None = None) -> int:
    """Seconds of a bin. Steps may be longer (gaps) and a little off, but not shorter than half of it.

    Parameters
    ----------
    seconds : since 1970, increasing
    stamps : the same as they stood
    name : of the file, for messages
    minutes : the width where the user gave it; None reads it from the rows

    Raises
    ------
    UserError
        Bins of more than an hour, a width that is none, rows closer together than half a bin.
    """
    from detectors.counts import LONGEST_BIN

    steps = [b - a for a, b in itertools.pairwise(seconds)]
    if minutes is not None:
        if not 0 < 60 * minutes <= LONGEST_BIN:
            raise UserError(f"--width: bins must be above 0 and at most 60 minutes wide, not {minutes:g}")
        width = max(round(60 * minutes), 1)
    elif not steps:
        return LONGEST_BIN
    else:
        width = _likely_width(steps[: _ROWS_FOR_WIDTH - 1])
        if width > LONGEST_BIN:
            raise UserError(
                f"{name}: rows are {span(width)} apart; a surge shows in bins of at most an hour. Where rows without "
                "mentions were left out, give --missing-is-zero and the bins' --width MINUTES"
            )
    for i, step in enumerate(steps):
        if 2 * step < width:
            raise UserError(
                f"{name}: {stamps[i + 1]} comes {span(step)} after the row before, though bins are {span(width)} wide"
                + ("; if they are not, give --width MINUTES" if minutes is None else " by --width")
            )
    return width


def _likely_width(steps: Sequence[int]) -> int:
    """The most common step, or the greatest common divisor of all, where the rows contradict the most common one.

    Where rows are left out, as those of no mentions are by a GROUP BY, two or three bins may be the most common step.
    """
    common = Counter(steps)
    width = min(common, key=lambda step: (-common[step], step))
    odd = sum(abs(step / width - max(round(step / width), 1)) > 0.25 for step in steps)
    if odd <= _ODD_STEPS * len(steps):
        return width
    divisor = math.gcd(*steps)
    # Less than a minute that is no step either: times that are a few seconds off, not bins.
    return divisor if divisor >= 60 or divisor == min(steps) else width


def left_out(seconds: Sequence[int], counts: Sequence[float], width: int) -> float | None:
    """The share of rows, 0..1, that are missing, where it looks as if zeros had been left out; else None.

    That is where no row is 0 and more than a third are missing. A gap counts for four hours at most: a feed that is
    closed at night, or was down for a month, is no sign of it.
    """
    if 0 in counts:
        return None
    missing = sum(min(missing_between(a, b, width), _LONGEST_LULL // width) for a, b in itertools.pairwise(seconds))
    share = missing / (missing + len(seconds))
    return share if share > _MISSING_SHARE else None


def other_width(seconds: Sequence[int], width: int) -> tuple[int, int] | None:
    """Where rows begin to be further apart or closer together than a bin, 24 times or more, and by how many seconds.

    Rows that are missing now and then have steps of several lengths; as many of one length in a row are other bins.
    """
    run, begin, length = 0, 0, width
    for i, (a, b) in enumerate(itertools.pairwise(seconds)):
        step = b - a
        if 4 * abs(step - width) <= width or 10 * abs(step - length) > length:
            run, begin, length = 0, i, step
        run += 1
        if run >= _SAME_STEPS and 4 * abs(length - width) > width:
            return begin, length
    return None


def missing_between(before: int, after: int, width: int) -> int:
    """How many rows are missing between two that follow each other."""
    return max(round((after - before) / width) - 1, 0)


def refuse_years(seconds: Sequence[int], stamps: Sequence[str], lines: Sequence[int], name: str) -> None:
    """Raise UserError where more than `_LONGEST_OF_ZEROS` would be filled with zeros: a date is wrong, as 2000 is where
    one could not be read, or the series ended and is another one."""
    for i, (a, b) in enumerate(itertools.pairwise(seconds)):
        if b - a > _LONGEST_OF_ZEROS:
            raise UserError(
                f"{name}, line {lines[i + 1]}: {stamps[i + 1]} is {(b - a) // _DAY:,} days after the row before (line "
                f"{lines[i]}: {stamps[i]}), which --missing-is-zero would fill with 0. If one of the two times is "
                "a mistake, correct it or leave the row out; if not, score the rows before and from there on separately"
            )


def with_zeros(
    seconds: Sequence[int], counts: Sequence[float], width: int, name: str
) -> tuple[list[int], list[float], list[int]]:
    """The series with a row of 0 for each that is missing between the first and the last.

    Returns
    -------
    seconds, counts
        Of all rows.
    places
        Where among them each row of the file stands.

    Raises
    ------
    UserError
        Too many would be filled in.
    """
    if (rows := (seconds[-1] - seconds[0]) // width) > _MOST_ROWS:
        raise UserError(
            f"{name}: --missing-is-zero would make it {rows:,} rows of {span(width)}, more than {_MOST_ROWS:,}: "
            "is the first or the last time a mistake? Else give wider bins"
        )
    all_seconds, all_counts, places = [seconds[0]], [counts[0]], [0]
    for (a, b), count in zip(itertools.pairwise(seconds), counts[1:], strict=True):
        missing = missing_between(a, b, width)
        all_seconds += [a + width * k for k in range(1, missing + 1)]
        all_counts += [0.0] * missing
        places.append(len(all_seconds))
        all_seconds.append(b)
        all_counts.append(count)
    return all_seconds, all_counts, places


def span(seconds: int) -> str:
    """A length of time in its largest whole unit."""
    for unit, size in (("d", _DAY), ("h", 3600), ("min", 60)):
        if seconds >= size and seconds % size == 0:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"

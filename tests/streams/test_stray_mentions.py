"""A few mentions years from all others are left out, whatever their place; nothing else is."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from streams.entries import Entry
from streams.mention_files import BadLineError
from streams.records import Mention
from streams.stray_mentions import FEW, StrayMentions

START = datetime(2026, 3, 2, tzinfo=UTC)
YEAR = 365.25


def _entries(days: Sequence[float]) -> list[Entry]:
    return [
        Entry("m.jsonl", n, Mention(id=f"m{n}", created_at=START + timedelta(days=day), text="late"))
        for n, day in enumerate(days, 1)
    ]


def _stretch(day: float, many: int) -> list[float]:
    return [day + n / 24 for n in range(many)]


@pytest.mark.parametrize(
    ("days", "strays"),
    [
        ([-56 * YEAR, *_stretch(0, 40)], [0]),
        ([*_stretch(-26 * YEAR, FEW), *_stretch(0, 40)], range(FEW)),
        ([-56 * YEAR, -26 * YEAR, *_stretch(0, 40)], [0, 1]),
        ([*_stretch(-26 * YEAR, 40), 0], [40]),
        ([*_stretch(-26 * YEAR, 40), -9 * YEAR, *_stretch(0, 40)], [40]),
        # As many as that are no mistake of a few; a year of silence is none either; nor is disorder.
        ([*_stretch(-26 * YEAR, FEW + 1), *_stretch(0, 40)], []),
        ([-366, *_stretch(0, 40)], []),
        ([*_stretch(0, 40), -26 * YEAR, *_stretch(3, 40)], []),
        # Where there are few everywhere, who is to say which are strays?
        ([-26 * YEAR, 0], []),
        ([], []),
    ],
)
def test_a_few_years_from_all_others_are_left_out(days: Sequence[float], strays: Sequence[int]) -> None:
    entries = _entries(days)
    seen = StrayMentions()
    kept = list(seen.without(entries))
    assert seen.found == [entries[i] for i in strays]
    assert kept == [entry for i, entry in enumerate(entries) if i not in strays]


def test_bad_lines_are_all_kept() -> None:
    bad = [Entry("m.jsonl", 100 + n, BadLineError("not_json", "no mention", b"x")) for n in range(3)]
    entries = _entries([-26 * YEAR, *_stretch(0, 40)])
    seen = StrayMentions()
    kept = list(seen.without([bad[0], entries[0], bad[1], *entries[1:], bad[2]]))
    assert kept == [bad[0], bad[1], *entries[1:], bad[2]]
    assert list(StrayMentions().without(bad)) == bad


def test_years_between_many_are_told_before_they_are_gone_through() -> None:
    entries = _entries([*_stretch(-26 * YEAR, 40), *_stretch(0, 40)])
    told: list[tuple[Entry, timedelta]] = []
    seen = StrayMentions(lambda *hole: told.append(hole))
    going = seen.without(entries)
    assert [next(going) for _ in range(40)] == entries[:40]
    assert not told
    assert next(going) is entries[40]
    assert [entry for entry, _ in told] == [entries[40]]
    assert told[0][1] == timedelta(days=26 * YEAR) - timedelta(hours=39)
    assert seen.holes == told
    assert list(going) == entries[41:]

"""Score anomaly scores by the rules of the Numenta Anomaly Benchmark (Lavin & Ahmad 2015).

usage: python -m bench.nab_rules SCORES_DIR --data NAB_DIR [--threshold T]

SCORES_DIR holds one CSV `timestamp,anomaly_score` per series of NAB_DIR, which holds the series and windows.json. The
first min(0.15 n, 750) rows are ignored. Of a labelled window the earliest detection counts, worth up to 1 at its left
edge and 0 at its right; a missed window and every detection outside of windows cost by profile. 0 is no detection at
all, 100 every window caught on its first row and nothing else. Printed are, for each profile, the score at the one
best threshold over all series and with each series' threshold chosen on the others.
"""

from __future__ import annotations

import argparse
import bisect
import csv
import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

PROFILES = {"standard": (1.0, 0.11), "reward_low_FP_rate": (1.0, 0.22), "reward_low_FN_rate": (2.0, 0.11)}
"""Cost of a missed window and of a false detection; a detection on the first row of its window is worth 1."""


@dataclass(frozen=True)
class Row:
    """A row after probation: its score, its window (None outside of all) and what a detection is worth there."""

    score: float
    window: int | None
    worth: float


@dataclass(frozen=True)
class Series:
    """The rows that can detect something, and the number of labelled windows."""

    rows: list[Row]
    windows: int


def sigmoid(y: float) -> float:
    return -1.0 if y > 3 else 2 / (1 + math.exp(5 * y)) - 1


def read(data: Path, scores: Path, name: str, windows: list[list[str]]) -> Series:
    with (data / name).open() as file:
        times = [row["timestamp"] for row in csv.DictReader(file)]
    with (scores / name).open() as file:
        got = [float(row["anomaly_score"]) for row in csv.DictReader(file)]
    if len(got) != len(times):
        raise SystemExit(f"{scores / name}: {len(got)} rows, expected {len(times)}")
    edges = [(bisect.bisect_left(times, a[:19]), bisect.bisect_right(times, b[:19]) - 1) for a, b in windows]
    rows = []
    for i in range(min(math.floor(0.15 * len(times)), 750), len(times)):
        window = next((k for k, (a, b) in enumerate(edges) if a <= i <= b), None)
        past = [(a, b) for a, b in edges if b < i]
        if window is not None:
            a, b = edges[window]
            worth = sigmoid(-(b - i + 1) / (b - a + 1)) / sigmoid(-1.0)
        elif past:
            a, b = past[-1]
            worth = sigmoid((i - b) / max(b - a, 1))
        else:
            worth = -1.0
        rows.append(Row(got[i], window, worth))
    return Series(rows, len(windows))


def result(series: Series, threshold: float, profile: str) -> tuple[float, int, int]:
    """Raw score, windows caught, detections outside of windows."""
    missed, false = PROFILES[profile]
    caught: dict[int, float] = {}
    cost, outside = 0.0, 0
    for row in series.rows:
        if row.score < threshold:
            continue
        if row.window is None:
            cost += false * row.worth
            outside += 1
        else:
            caught[row.window] = max(caught.get(row.window, -missed), row.worth)
    return sum(caught.values()) - missed * (series.windows - len(caught)) + cost, len(caught), outside


def best_threshold(parts: list[Series], profile: str) -> float:
    """The threshold with the highest total, by one pass over the rows in falling order of score."""
    missed, false = PROFILES[profile]
    rows = sorted(((row, j) for j, part in enumerate(parts) for row in part.rows), key=lambda r: -r[0].score)
    total, caught = -missed * sum(part.windows for part in parts), dict[tuple[int, int], float]()
    best, at = total, 1.1
    for i, (row, j) in enumerate(rows):
        if row.window is None:
            total += false * row.worth
        else:
            old = caught.get((j, row.window), -missed)
            caught[j, row.window] = max(old, row.worth)
            total += caught[j, row.window] - old
        if total > best and (i + 1 == len(rows) or rows[i + 1][0].score < row.score):
            best, at = total, row.score
    return at


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scores", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--threshold", type=float)
    asked = parser.parse_args()
    labels = json.loads((asked.data / "windows.json").read_text())
    parts = {name: read(asked.data, asked.scores, name, windows) for name, windows in sorted(labels.items())}
    n = sum(part.windows for part in parts.values())
    for profile in PROFILES:

        def total(threshold: Callable[[str], float], profile: str = profile) -> tuple[float, int, int]:
            each = [result(part, threshold(name), profile) for name, part in parts.items()]
            raw, caught, outside = (sum(column) for column in zip(*each, strict=True))
            missed = PROFILES[profile][0]
            return 100 * (raw + n * missed) / (n + n * missed), int(caught), int(outside)

        best = best_threshold(list(parts.values()), profile)
        score, caught, outside = total(lambda _, t=best: t)  # type: ignore[misc]  # bound now, for the loop goes on
        line = f"{profile:19s} best {score:6.2f} (threshold {best:.4g}, {caught}/{n} windows, {outside} false rows)"
        if len(parts) > 1:
            others = {name: best_threshold([p for m, p in parts.items() if m != name], profile) for name in parts}
            line += f"   leave-one-out {total(others.__getitem__)[0]:6.2f}"
        if asked.threshold is not None:
            score, caught, outside = total(lambda _: asked.threshold)
            line += f"   fixed {score:6.2f} ({caught}/{n} windows, {outside} false rows)"
        print(line)


if __name__ == "__main__":
    main()

"""Score the detector of bare counts on the Numenta Anomaly Benchmark, beside simpler ones.

usage: python -m bench.nab [NAB_DIR] [--perturb] [--scorer nab_score.py]

NAB_DIR (default ../shared/data/nab) holds Twitter_volume_*.csv of NAB's realTweets and windows.json, their labelled
windows. Three numbers a line, for NAB's profiles standard / low FP / low FN: at the one best threshold, and with each
series' threshold chosen on the others. --perturb does it again with each constant 30 % lower and higher, with half of
the mentions left out at random, with wider bins, and with other budgets.

The rules are bench/nab_rules.py, or another script with the same options (../shared/tools/nab_score.py where it is
there).
"""

from __future__ import annotations

import argparse
import csv
import re
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from detectors import counts
from detectors.columns import Floats, Ints
from detectors.counts import CountsConfig, baseline, log_ratios, return_period, score_counts
from detectors.counts.return_period import DAY, LOCATION_AT_HOUR, gumbel

ROOT = Path(__file__).resolve().parents[1]
WIDTH = 300
ONE_BY_ONE = (
    "WINDOWS", "SMALL", "LEVEL_HALF_LIFE", "RHYTHM_HALF_LIFE", "RHYTHM_PRIOR", "GATE", "PHI_PRIOR", "PHI_PRIOR_HOURS",
    "SETTLED", "DAYS", "SCALE", "SCALE_DAYS", "LOCATION_AT_HOUR", "LOCATION_SLOPE", "LOCATION_DAYS", "CAP", "TOGETHER",
    "REARM",
)  # fmt: skip

Detector = Callable[[Ints, Floats], Floats]


def tocsin(times: Ints, counts: Floats) -> Floats:
    return score_counts(times, counts, WIDTH)


def new_peaks(times: Ints, values: Floats) -> Floats:
    """A row keeps its value if no row of the past 24 hours reached it; others are 0."""
    out, recent = np.zeros(len(values)), deque[tuple[int, float]]()
    for i, (at, value) in enumerate(zip(times.tolist(), values.tolist(), strict=True)):
        while recent and recent[0][0] < at - DAY:
            recent.popleft()
        if not recent or value > recent[0][1]:
            out[i] = value
        while recent and recent[-1][1] <= value:
            recent.pop()
        recent.append((at, value))
    return out


def mean_and_deviation(times: Ints, counts: Floats) -> Floats:
    """Deviations from the mean of the past 12 hours; 3 of them are the rule that products document."""
    rows = 12 * 12
    sums = np.concatenate([[0.0], np.cumsum(counts)])
    squares = np.concatenate([[0.0], np.cumsum(counts * counts)])
    at = np.arange(len(counts))
    low = np.maximum(at - rows, 0)
    n = np.maximum(at - low, 1)
    mean = (sums[at] - sums[low]) / n
    deviation = np.sqrt(np.maximum((squares[at] - squares[low]) / n - mean * mean, 1e-9))
    z = np.where(at >= rows, np.maximum((counts - mean) / np.maximum(deviation, 0.1), 0.0), 0.0)
    return new_peaks(times, z / (z + 3.0))


def log_ratio(times: Ints, counts: Floats) -> Floats:
    """Log ratio of 30 minutes to the gated baseline over the Gumbel scale of its past daily maxima."""
    x = np.nan_to_num(log_ratios(times, counts, WIDTH)[0][2], nan=0.0)
    day = (times - times[0]) // DAY
    y, maxima = np.zeros(len(x)), list[float]()
    for d in range(int(day[-1]) + 1):
        here = day == d
        if maxima:
            y[here] = np.maximum(x[here], 0.0) / gumbel(np.array(maxima), LOCATION_AT_HOUR)[1]
        maxima.append(float(np.max(x[here])))
    return new_peaks(times, y / (y + 3.0))


def read(data: Path) -> dict[str, tuple[list[str], Ints, Floats]]:
    out = {}
    for path in sorted(data.glob("Twitter_volume_*.csv")):
        with path.open() as file:
            rows = list(csv.DictReader(file))
        stamps = [row["timestamp"] for row in rows]
        times = [int(datetime.fromisoformat(stamp).replace(tzinfo=UTC).timestamp()) for stamp in stamps]
        out[path.name] = (stamps, np.array(times, np.int64), np.array([float(row["value"]) for row in rows]))
    if not out or not (data / "windows.json").exists():
        raise SystemExit(f"{data}: no Twitter_volume_*.csv with windows.json here (NAB: data/realTweets, labels)")
    return out


class Bench:
    def __init__(self, data: Path, scorer: list[str]) -> None:
        self.data, self.scorer, self.series = data, scorer, read(data)
        print(f"{'':34}{'best threshold':>22}{'leave-one-out':>26}   windows, false rows, threshold (standard)")

    def line(self, label: str, detector: Detector) -> list[float]:
        """Score all series with a detector and print what it is worth; returns the best three."""
        begin = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            for name, (stamps, times, counts) in self.series.items():
                with (Path(folder) / name).open("w", newline="") as file:
                    writer = csv.writer(file)
                    writer.writerow(("timestamp", "anomaly_score"))
                    writer.writerows(zip(stamps, detector(times, counts).tolist(), strict=True))
            seconds = time.perf_counter() - begin
            command = [*self.scorer, folder, "--data", str(self.data)]
            text = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stdout
        best = [float(x) for x in re.findall(r" best +(-?[\d.]+)", text)]
        others = [float(x) for x in re.findall(r"leave-one-out +(-?[\d.]+)", text)]
        how = re.search(r"threshold ([\d.e-]+), (\d+/\d+) windows, (\d+) false", text)
        if len(best) != 3 or how is None:
            raise SystemExit(f"not understood: {text}")
        three = ["".join(f"{x:7.1f} " for x in numbers) for numbers in (best, others or [float("nan")] * 3)]
        print(f"{label:34}{three[0]}  {three[1]}  {how[2]:>6} {how[3]:>4}  {how[1]:6}  {seconds:.1f} s", flush=True)
        return best


@contextmanager
def changed(name: str, factor: float) -> Iterator[None]:
    """A constant of the detector times a factor."""
    places = [module for module in (counts, baseline, return_period) if hasattr(module, name)]
    value = getattr(places[0], name)
    if isinstance(value, tuple):
        new: object = tuple(factor * x for x in value)
    else:
        new = int(factor * value) if isinstance(value, int) else factor * value
    for module in places:
        setattr(module, name, new)
    try:
        yield
    finally:
        for module in places:
            setattr(module, name, value)


def perturb(bench: Bench) -> None:
    print("each constant times 0.7 and 1.3")
    found = []
    for name in ONE_BY_ONE:
        for factor in (0.7, 1.3):
            with changed(name, factor):
                found.append(bench.line(f"  {name} x {factor}", tocsin))
    low, middle = np.min(found, axis=0), np.median(found, axis=0)
    print("  lowest " + " / ".join(f"{x:.1f}" for x in low) + ", median " + " / ".join(f"{x:.1f}" for x in middle))
    print("other budgets, half of the mentions, wider bins")
    for budget in (1.5, 2.0, 2.5, 3.5, 4.0):
        bench.line(f"  budget {budget:g}", lambda t, c, b=budget: score_counts(t, c, WIDTH, CountsConfig(b)))  # type: ignore[misc]
    found = []
    for seed in range(5):
        rng = np.random.default_rng(seed)
        found.append(
            bench.line(f"  half, seed {seed}", lambda t, c, r=rng: tocsin(t, r.binomial(c.astype(int), 0.5) * 1.0))  # type: ignore[misc]
        )
    print("  mean " + " / ".join(f"{x:.1f}" for x in np.mean(found, axis=0)))
    for times_wider in (2, 3, 6):
        bench.line(f"  bins of {5 * times_wider} minutes", lambda t, c, k=times_wider: widened(t, c, k))  # type: ignore[misc]


def widened(times: Ints, counts: Floats, k: int) -> Floats:
    """Scores of bins k times as wide, each on the last row of its bin, when it is known."""
    whole = len(times) // k * k
    out = np.zeros(len(times))
    out[k - 1 : whole : k] = score_counts(times[:whole:k], counts[:whole].reshape(-1, k).sum(1), k * WIDTH)
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="?", type=Path, default=ROOT.parent / "shared/data/nab")
    parser.add_argument("--perturb", action="store_true")
    parser.add_argument("--scorer", type=Path, default=ROOT.parent / "shared/tools/nab_score.py")
    asked = parser.parse_args()
    scorer = [str(asked.scorer.resolve())] if asked.scorer.exists() else ["-m", "bench.nab_rules"]
    bench = Bench(asked.data.resolve(), [sys.executable, *scorer])
    bench.line("tocsin score-counts", tocsin)
    bench.line("log ratio of 30 min over its scale", log_ratio)
    bench.line("mean + SDs of the past 12 h", mean_and_deviation)
    if asked.perturb:
        perturb(bench)


if __name__ == "__main__":
    main()

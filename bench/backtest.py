"""Speed of `tocsin backtest` from file to report, with tone from human labels, beside reading the same file as JSON.

usage: python -m bench.backtest [FILE.jsonl.gz ...] [--days 14] [--runs 7]

Without a file: a fortnight as `tocsin simulate` makes it (three brands, sparse hours), and a denser one made of it (the
same mentions in a tenth of the time), and what they say a mention and an hour of a brand cost: how fast a history is
depends on how many mentions its hours hold. CPU time of one core, imports left out; the best of the runs.
"""

from __future__ import annotations

import argparse
import contextlib
import gzip
import io
import json
import sys
import tempfile
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path

import msgspec
from typer.main import get_command

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from streams.cli import app
from streams.records import encode_lines
from streams.simulation import BRANDS, START, simulate

LEAST = 50_000
"""Mentions a second and core that a backtest should reach."""


def whole_way(file: Path, config: Path | None) -> None:
    arguments = ["backtest", str(file), "--tone", "gold", *(["--config", str(config)] if config else [])]
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        command_line()(arguments, standalone_mode=False)


@cache
def command_line() -> Callable[..., object]:
    """Made once, as imports are."""
    return get_command(app)


def plain_json(file: Path) -> int:
    with gzip.open(file, "rb") as lines:
        return sum(1 for line in lines if json.loads(line))


def best(runs: int, work: Callable[[], object]) -> float:
    took = []
    for _ in range(runs):
        began = time.process_time()
        work()
        took.append(time.process_time() - began)
    return min(took)


def simulated(directory: Path, days: int) -> list[tuple[str, Path]]:
    made = list(simulate(days=days))
    dense = [msgspec.structs.replace(one, created_at=START + (one.created_at - START) / 10) for one in made]
    files = []
    for name, mentions in ((f"{days} days simulated", made), ("ten times as dense", dense)):
        path = directory / f"{name.replace(' ', '-')}.jsonl.gz"
        path.write_bytes(gzip.compress(encode_lines(mentions)))
        files.append((name, path))
    return files


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--days", type=int, default=14)
    parser.add_argument("--runs", type=int, default=7)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        directory = Path(scratch)
        config = directory / "tocsin.yaml"
        config.write_text(json.dumps({"brands": [{"name": b.name, "keywords": list(b.keywords)} for b in BRANDS]}))
        cases: list[tuple[str, Path, Path | None]] = [(path.name, path, None) for path in asked.files]
        if not cases:
            cases = [(name, path, config) for name, path in simulated(directory, asked.days)]
        whole_way(cases[0][1], cases[0][2])  # imports and caches
        print(f"{'':30} {'mentions':>9} {'a second':>9} {'json.loads of the file':>23}")
        measured: list[tuple[int, float]] = []
        for name, path, settings in cases:
            mentions = plain_json(path)
            took = best(asked.runs, lambda path=path, settings=settings: whole_way(path, settings))  # type: ignore[misc]
            plain = best(asked.runs, lambda path=path: plain_json(path))  # type: ignore[misc]
            measured.append((mentions, took))
            ratio = f"{mentions / plain:,.0f} a second ({took / plain:.1f} times as fast)"
            print(f"{name[:30]:30} {mentions:>9,} {mentions / took:>9,.0f} {ratio:>23}", flush=True)
    slowest = min(mentions / took for mentions, took in measured)
    print(f"at least {LEAST:,} a second: {'yes' if slowest >= LEAST else 'no'}")
    if not asked.files:
        (mentions, sparse), (_, dense) = measured
        print(costs(mentions, len(BRANDS) * 24.0 * asked.days, sparse, dense))


def costs(mentions: int, hours: float, sparse: float, dense: float) -> str:
    """What a mention and an hour of a brand cost, from the seconds that so many mentions took in so many hours of
    brands and in a tenth of them, and from which density on LEAST is reached."""
    an_hour = max(sparse - dense, 0.0) / (0.9 * hours)
    a_mention = (dense - an_hour * hours / 10) / mentions
    left = 1 / LEAST - a_mention
    reached = f"from {an_hour / left:.0f} mentions a brand and hour on" if left > 0 else "at no density"
    told = f"{1e6 * a_mention:.0f} microseconds a mention and {1e6 * an_hour:.0f} an hour of a brand"
    return f"{told}: {LEAST:,} a second {reached}"


if __name__ == "__main__":
    main()

"""``python -m bench.injection``: what is asked for, and the run."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from bench import injection
from bench.injection.report import report
from bench.injection.suite import Plan, Suite
from bench.synthetic_tone import Brand
from bench.volumes import DAY_BINS, read_nab, simulated

ROOT = Path(__file__).resolve().parents[2]
NAB = ROOT.parent / "shared" / "data" / "nab"
QUICK, FULL = Plan(8.0, 1, 6), Plan(20.0, 2, 16)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m bench.injection",
        description=injection.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--full", action="store_true", help="more trials, busier series (about a quarter of an hour)")
    parser.add_argument("--volumes", type=Path, default=NAB, help="folder with Twitter_volume_*.csv and windows.json")
    parser.add_argument("--simulated", type=int, metavar="SEED", help="simulated volumes instead")
    parser.add_argument(
        "--seed", "--seeds", dest="seeds", type=seeds_of, default=[1], metavar="N[-M]",
        help="of tone, onsets and crises; of several, as 9-20, the tables are of all together",
    )  # fmt: skip
    parser.add_argument("--no-words", action="store_true", help="all mentions say the same")
    parser.add_argument("--by-volume", action="store_true", help="recall of each volume too")
    parser.add_argument("--budgets", default="0.5,1,2,4", help="1 must be among them")
    asked = parser.parse_args()
    plan = FULL if asked.full else QUICK
    console = Console(width=150)
    if asked.simulated is None and not asked.volumes.is_dir():
        console.print(f"no folder {asked.volumes}: simulated volumes instead")
        asked.simulated = 1
    if asked.simulated is None:
        volumes = read_nab(asked.volumes, plan.most)
    else:
        volumes = simulated(asked.simulated, 55, plan.most)
    many = ", ".join(f"{v.name} {np.mean(v.counts) * DAY_BINS:.0f}" for v in volumes)
    said = "all say the same" if asked.no_words else "with words"
    given = ", ".join(map(str, asked.seeds))
    console.print(f"mentions a day: {many}; {plan.tones} tones each; seeds {given}; {said}")
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    results = []
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("days run", total=None)
        for place, seed in enumerate(asked.seeds):
            tones = [1000 * seed + tone for tone in range(plan.tones)]
            brands = [Brand.of(v, tone, not asked.no_words) for tone in tones for v in volumes]
            suite = Suite(brands, plan, seed, [float(b) for b in asked.budgets.split(",")])
            progress.update(task, total=suite.runs * len(asked.seeds), completed=suite.runs * place)
            suite.run(lambda days: progress.advance(task, days))
            results.append(suite.result())
    report(results, console, asked.by_volume)


def seeds_of(text: str) -> list[int]:
    """One seed, or all from the first to the last."""
    first, dash, last = text.partition("-")
    try:
        out = list(range(int(first), int(last if dash else first) + 1))
    except ValueError:
        out = []
    if not out:
        raise argparse.ArgumentTypeError(f"expected a seed, as 9, or the first and the last, as 9-20, not {text!r}")
    return out


if __name__ == "__main__":
    main()

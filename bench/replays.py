"""Real mentions with known events: which crises are opened, how soon, and which controls stay silent.

usage: python -m bench.replays [FOLDER] [--gold-only]

FOLDER (default ../shared/data/replays) holds *.jsonl.gz of mentions and events.csv. Each replay is run through
`tocsin backtest`: with the tone a person gave (gold) where there is one, and with the model's. A crisis is found if a
ticket or a page is opened within three hours of its first bad hour, or of where data begin in it; no control should be
paged. `missed` and `late` are what they say; the note tells how much of the event the data hold.
"""

from __future__ import annotations

import argparse
import gzip
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parents[1]
REPLAYS = ROOT.parent / "shared" / "data" / "replays"


def has_gold(file: Path) -> bool:
    """Whether its first mention was labelled by a person."""
    with gzip.open(file, "rt", encoding="utf-8") as lines:
        return bool(json.loads(next(lines)).get("gold_tone"))


def backtest(file: Path, tone: str, events: Path) -> dict[str, Any]:
    """What `tocsin backtest --json` tells of a file."""
    command = [sys.executable, "-m", "streams.cli", "backtest", str(file), "--tone", tone, "--json"]
    done = subprocess.run(
        [*command, "--known-events", str(events)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"{file.name}, tone {tone}: {done.stderr.strip().splitlines()[-1]}")
    out: dict[str, Any] = json.loads(done.stdout)
    return out


def rows(replay: str, tone: str, told: dict[str, Any]) -> list[tuple[str, ...]]:
    """A row per known event that the data can show."""
    out: list[tuple[str, ...]] = []
    for m in told["known_events"]:
        if m["outcome"] == "no data":
            continue
        after = "" if m["delay_minutes"] is None else f"{m['delay_minutes']} min"
        name = ("" if m["kind"].startswith("crisis") else "control: ") + m["event"][:44]
        out.append((replay, tone, m["brand"], name, m["outcome"], m["notify"] or "nothing", after, m["note"]))
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, default=REPLAYS)
    parser.add_argument("--gold-only", action="store_true", help="leave the model out, which takes minutes")
    asked = parser.parse_args()
    events = asked.folder / "events.csv"
    if not events.is_file():
        raise SystemExit(f"no events.csv in {asked.folder}: name the folder of the replays")
    known = Table("replay", "tone", "brand", "known event", "outcome", "notify", "after", "note", title="Known events")
    rates = Table(
        "replay", "tone", "crises found", "controls paged", "brand-months", "pages a month", "tickets a month", "s"
    )
    console = Console(width=170)
    for file in sorted(asked.folder.glob("*.jsonl.gz")):
        replay = file.name.removesuffix(".jsonl.gz")
        tones = [*(["gold"] if has_gold(file) else []), *([] if asked.gold_only else ["model"])]
        for tone in tones:
            begin = time.perf_counter()
            told = backtest(file, tone, events)
            took = time.perf_counter() - begin
            s = told["summary"]
            for row in rows(replay, tone, told):
                known.add_row(*row)
            rates.add_row(
                replay, tone, f"{s['found']} of {s['crises']}", f"{s['controls_paged']} of {s['controls']}",
                f"{s['brand_months']:.2f}", f"{s['rate']:.2f}", f"{s['tickets'] / s['brand_months']:.1f}",
                f"{took:.0f}",
            )  # fmt: skip
    console.print(known)
    console.print(rates)


if __name__ == "__main__":
    main()

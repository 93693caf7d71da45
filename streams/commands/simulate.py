"""``tocsin simulate``: the simulated fortnight as a file, and settings that fit it."""

from __future__ import annotations

import gzip
import sys
from pathlib import Path

from streams.commands.console import note
from streams.mention_files import STDIN
from streams.records import encode, encode_lines
from streams.simulation import BRANDS, settings_text, simulate


def run(file: str, *, seed: int, days: int, config: Path | None) -> None:
    """Write mentions as JSON lines to a file (gzip by its name) or to standard output ("-")."""
    mentions = list(simulate(seed=seed, days=days))
    if file == STDIN:
        # One by one: unbuffered, one large write is cut short without an error if its reader leaves.
        for mention in mentions:
            sys.stdout.buffer.write(encode(mention) + b"\n")
        sys.stdout.buffer.flush()
    else:
        lines = encode_lines(mentions)
        # No name and no time in the archive: equal mentions make equal files.
        Path(file).write_bytes(gzip.compress(lines, mtime=0) if file.endswith(".gz") else lines)
        note(f"{file}: {len(mentions):,} mentions of {', '.join(brand.name for brand in BRANDS)}")
    if config is not None:
        config.write_text(settings_text(), encoding="utf-8")
        note(f"{config}: settings with these brands")

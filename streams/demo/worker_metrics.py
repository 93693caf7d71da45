"""What the demo reads off its worker's metrics: how far it is."""

from __future__ import annotations

import re
import urllib.error
import urllib.request
from collections import Counter
from typing import Final

_SAMPLE: Final = re.compile(r"^(\w+)(?:\{(.*)\})? (\S+)$", re.MULTILINE)
_PARTITION: Final = re.compile(r'partition="(\d+)"')


def scraped(address: str) -> tuple[dict[str, float], dict[int, float]]:
    """Return the worker's counters, summed over labels, and the last closed ticks; empty where it does not answer."""
    try:
        # Loopback, so no proxy may come between.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(address, timeout=5) as answer:
            text = answer.read().decode()
    except (OSError, urllib.error.URLError):
        return {}, {}
    counters: Counter[str] = Counter()
    closed: dict[int, float] = {}
    for name, labels, value in _SAMPLE.findall(text):
        if name.endswith("_total"):
            counters[name] += float(value)  # type: ignore[assignment]
        elif name == "tocsin_detect_closed_tick" and (partition := _PARTITION.search(labels)):
            closed[int(partition[1])] = float(value)
    return dict(counters), closed

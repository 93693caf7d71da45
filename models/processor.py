"""What of the processor can change a bit of a result, or how fast it comes. Needs no torch."""

from __future__ import annotations

import functools
import hashlib
import platform
from pathlib import Path


@functools.cache
def describe_processor() -> str:
    """Its architecture, model, and a checksum of the instructions it has.

    Where the system does not tell (all but Linux), the name alone.
    """
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    fields: dict[str, str] = {}
    for line in lines:
        key, _, value = line.partition(":")
        fields.setdefault(key.strip().lower(), value.strip())
    family = "/".join(fields[key] for key in ("cpu family", "model", "stepping") if key in fields)
    model = fields.get("model name") or platform.processor()
    flags = " ".join(sorted(fields.get("flags", fields.get("features", "")).split()))
    digest = hashlib.sha256(flags.encode()).hexdigest()[:8]
    return f"{platform.machine()} {model} {family} {digest}"

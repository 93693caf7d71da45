"""Packages that offer detectors, as an installer would leave them in a folder on the path."""

from __future__ import annotations

import re
from pathlib import Path

from detectors.installed import GROUP

MANUAL = Path(__file__).parents[2] / "docs" / "detection.md"


def manual(language: str) -> list[str]:
    """Code in the manual's section on one's own detector."""
    section = MANUAL.read_text(encoding="utf-8").split("## Your own detector")[1].split("\n## ")[0]
    return re.findall(rf"```{language}\n(.*?)```", section, re.DOTALL)


def install(where: Path, package: str, offers: dict[str, str], code: str = "", version: str = "1.0") -> None:
    """What an installer leaves on the path: a module, and who offers what."""
    if code:
        (where / f"{package}.py").write_text(code, encoding="utf-8")
    info = where / f"{package}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n")
    lines = [f"[{GROUP}]", *(f"{name} = {value}" for name, value in offers.items())]
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n")

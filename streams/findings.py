"""A finding of ``tocsin doctor``, and how a list of them is shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

Status = Literal["ok", "warn", "fail"]

_STYLES: Final[dict[Status, str]] = {"ok": "green", "warn": "yellow", "fail": "bold red"}


@dataclass(frozen=True)
class Finding:
    """One thing looked at: what was found, and what to do about it where it is not well."""

    name: str
    status: Status
    message: str
    advice: str = ""


def worst(findings: Sequence[Finding]) -> Status:
    """The worst status among `findings`: what an exit status should tell."""
    statuses = {finding.status for finding in findings}
    return "fail" if "fail" in statuses else "warn" if "warn" in statuses else "ok"


def render(findings: Sequence[Finding]) -> RenderableType:
    """The findings as a table and a closing line, for rich to print."""
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for finding in findings:
        message = Text(finding.message)
        if finding.advice and finding.status != "ok":
            message.append(f"\n→ {finding.advice}", style="dim")
        table.add_row(Text(finding.status.upper(), style=_STYLES[finding.status]), finding.name, message)
    counts = {status: sum(finding.status == status for finding in findings) for status in _STYLES}
    summary = f"{counts['ok']} ok, {counts['warn']} to look at, {counts['fail']} failed"
    return Group(table, Text(f"\n{summary}", style=_STYLES[worst(findings)]))

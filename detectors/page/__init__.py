"""A backtest as one HTML file: opens from disk, asks the network for nothing, and draws a brand when it is looked at.

Texts in it were written by strangers: everything goes through the template's escaping, links only if they are http,
and a content policy forbids whatever is not in the file itself.
"""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors.incident_log import IncidentLog
from detectors.incidents import NOTIFY, Decision, instant
from detectors.plot import MOST_POINTS, figure
from detectors.plot.overview import overview
from detectors.plot.palette import DARK, LIGHT
from detectors.report import Report, again, lasting
from detectors.story import Story

_HERE = Path(__file__).parent
_LEAST_POINTS = 1500
_ALL_POINTS = 60_000
"""Of a line over all brands: with more brands each gets fewer, so that the file stays a few megabytes."""
_FEW_BRANDS = 3
"""So many are shown unfolded."""


def write_html(path: Path, report: Report, story: Story) -> None:
    """Write the page.

    Raises
    ------
    OSError
        It cannot be written.
    """
    path.write_text(page(report, story), encoding="utf-8")


def page(report: Report, story: Story) -> str:
    """The page as text; the same report gives the same text."""
    import jinja2
    import plotly.offline

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters.update(instant=_short_instant, lasting=lasting, again=again, number=_number, link=_link)
    decisions = [d for log in report.incidents for d in log.events]
    position = {name: at for at, name in enumerate(story.brands)}
    # The brands that something happened to come first; the others stay in the order of the settings.
    brands = sorted(report.brands, key=lambda b: (-b.pages, -b.tickets, -b.infos))
    spans = {c.brand: (c.first, c.last) for c in report.counts}
    points = max(_LEAST_POINTS, min(MOST_POINTS, _ALL_POINTS // max(len(brands), 1)))
    drawn: dict[str, Any] = {}
    own = _by_brand(decisions)
    for at, brand in enumerate(brands):
        where = position.get(brand.brand)
        if where is not None and where in story.seen():
            drawn[f"brand-{at}"] = figure(story, where, own.get(brand.brand, []), known=report.matches, points=points)
    drawn["overview"] = overview(report.incidents, {b.brand: spans[b.brand] for b in brands}, report.matches)
    return environment.get_template("page.html").render(
        report=report,
        brands=brands,
        incidents={b.brand: report.incidents_of(b.brand) for b in brands},
        known={b.brand: [m for m in report.matches if m.known.brand == b.brand] for b in brands},
        figures={name: _packed(made) for name, made in drawn.items()},
        palettes=_script_json({"light": LIGHT, "dark": DARK}),
        few=len(brands) <= _FEW_BRANDS,
        scale=_scale(report),
        silent={c.brand: _silent_hours(story, position.get(c.brand)) for c in report.counts},
        urgency=NOTIFY.index,
        css=_text("page.css"),
        js=_text("page.js"),
        plotly=plotly.offline.get_plotlyjs(),
        first_of=_first_of,
    )


def _text(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8")


def _by_brand(decisions: list[Decision]) -> dict[str, list[Decision]]:
    out: dict[str, list[Decision]] = {}
    for d in decisions:
        out.setdefault(d.brand, []).append(d)
    return out


def _first_of(log: IncidentLog) -> dict[str, Any]:
    """Of an incident: the data of the event to read first, with whatever mentions and terms any of its events had."""
    data = log.telling.data()
    for d in log.events:
        data["top_mentions"] = data["top_mentions"] or [dict(m) for m in d.top_mentions]
        data["top_terms"] = data["top_terms"] or [dict(t) for t in d.top_terms]
    return data


def _scale(report: Report) -> float:
    """Right end of the axis of rates: twice the largest budget, or what was reached."""
    return max(1.15 * max(2.0 * b.budget, b.pages_per_month or 0.0) for b in report.brands)


def _silent_hours(story: Story, brand: int | None) -> float:
    if brand is None or brand not in story.seen():
        return 0.0
    tick, values = story.series(brand)
    width = np.diff(tick, append=tick[-1] + 1)
    return float(np.sum(width * (values["silent"] > 0))) / 60.0


def _short_instant(tick: int) -> str:
    return instant(tick)[:16].replace("T", " ") + "Z"


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _link(url: str | None) -> str | None:
    """The address of a mention if a browser may be sent there."""
    return url if url is not None and url.lower().startswith(("https://", "http://")) else None


def _packed(made: dict[str, Any]) -> str:
    """A figure as JSON for a script element: each array once, as base64 of its bytes."""
    arrays: list[dict[str, Any]] = []
    known: dict[bytes, int] = {}

    def walk(value: Any) -> Any:
        if isinstance(value, np.ndarray):
            packed = _array(value)
            key = json.dumps(packed, sort_keys=True).encode()
            if key not in known:
                known[key] = len(arrays)
                arrays.append(packed)
            return {"$array": known[key]}
        if isinstance(value, dict):
            return {k: walk(v) for k, v in value.items()}
        if isinstance(value, list):
            return [walk(v) for v in value]
        return value

    return _script_json({"figure": walk(made), "arrays": arrays})


def _array(values: NDArray[Any]) -> dict[str, Any]:
    kind = "i4" if np.issubdtype(values.dtype, np.integer) else "f4"
    plain = values.astype(f"<{kind}")
    if len(plain) > 16:
        same = (plain[1:] == plain[:-1]) | (np.isnan(plain[1:]) & np.isnan(plain[:-1])) if kind == "f4" else None
        runs = np.nonzero(np.append(True, ~same))[0] if same is not None else np.arange(len(plain))
        # Thresholds change once a day.
        if 4 * len(runs) < len(plain):
            return {"d": kind, "b": _base64(plain[runs]), "r": _base64(runs.astype("<i4")), "n": len(plain)}
    return {"d": kind, "b": _base64(plain)}


def _base64(values: NDArray[Any]) -> str:
    return base64.b64encode(values.tobytes()).decode()


def _script_json(value: Any) -> str:
    """JSON that cannot end the script element it stands in."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")

"""A page with the story of each brand: volume, negatives, the expected band, score against threshold, incidents.
Self-contained HTML.

Give `Story.add` to an engine as its recorder, and afterwards the story and the decisions to `write_html`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from detectors.budget import NEVER
from detectors.columns import Floats, Ints
from detectors.incidents import Decision
from detectors.recording import Recording
from detectors.score import FAST, SLOW, UNSCORED

if TYPE_CHECKING:
    import plotly.graph_objects as go

MOST_POINTS = 6000
"""Of a line: more cannot be seen on a screen and make the page heavy."""
_COLOURS = {"page": "#c1121f", "ticket": "#e07a1f", "info": "#3a6ea5"}


@dataclass
class _Series:
    tick: list[Ints] = field(default_factory=list)
    values: dict[str, list[Floats]] = field(default_factory=dict)


@dataclass
class Story:
    """Collects what an engine records, per brand, one number a minute in single precision."""

    brands: Sequence[str]
    _series: dict[int, _Series] = field(default_factory=dict)

    def add(self, recording: Recording) -> None:
        """The recorder to give to an engine."""
        for row, brand in enumerate(recording.brands.tolist()):
            if not recording.authors[3, row].any() and brand not in self._series:
                continue
            series = self._series.setdefault(brand, _Series())
            series.tick.append(recording.ticks)
            width = len(recording.ticks)
            excess = []
            for d in (FAST, SLOW):
                limit = recording.page[row, d]
                score = recording.scores[d, row].astype(np.float64)
                excess.append(np.where(score > UNSCORED, score / limit if limit < NEVER else np.nan, np.nan))
            numbers = {
                "authors": recording.authors[1, row],
                "negatives": recording.negatives[1, row],
                "authors_expected": recording.authors_expected[1, row],
                "negative_expected": recording.negative_expected[1, row],
                "fast": np.where(recording.scores[FAST, row] > UNSCORED, recording.scores[FAST, row], np.nan),
                "slow": np.where(recording.scores[SLOW, row] > UNSCORED, recording.scores[SLOW, row], np.nan),
                "page_fast": np.full(width, recording.page[row, FAST]),
                "page_slow": np.full(width, recording.page[row, SLOW]),
                "relative": np.fmax(excess[0], excess[1]),
            }
            for name, value in numbers.items():
                series.values.setdefault(name, []).append(np.asarray(value, np.float32).astype(np.float64))

    def series(self, brand: int) -> tuple[Ints, dict[str, Floats]]:
        """Ticks and named values of a brand."""
        s = self._series[brand]
        return np.concatenate(s.tick), {name: np.concatenate(v) for name, v in s.values.items()}

    def seen(self) -> list[int]:
        """Brands with anything to show."""
        return sorted(self._series)


def _when(tick: Ints) -> NDArray[Any]:
    return (tick * 60).astype("datetime64[s]")


def _at(tick: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(tick * 60, dt.UTC).replace(tzinfo=None)


def thin(tick: Ints, values: dict[str, Floats], most: int = MOST_POINTS) -> tuple[Ints, dict[str, Floats]]:
    """At most about `most` points, each the largest of its stretch, so that no peak is lost."""
    n = len(tick)
    step = -(-n // most)
    if step <= 1:
        return tick, values
    whole = n - n % step
    out = {}
    for name, value in values.items():
        folded = value[:whole].reshape(-1, step)
        blank = np.isnan(folded).all(axis=1)
        out[name] = np.where(blank, np.nan, np.max(np.where(np.isnan(folded), -np.inf, folded), axis=1))
    return tick[:whole].reshape(-1, step)[:, 0], out


def figure(
    story: Story, brand: int, decisions: Sequence[Decision], begin: int | None = None, end: int | None = None
) -> go.Figure:
    """The picture of one brand, from tick `begin` to `end`."""
    import plotly.graph_objects as go
    from plotly.subplots import make_subplots

    tick, values = story.series(brand)
    keep = np.ones(len(tick), np.bool_)
    if begin is not None:
        keep &= tick >= begin
    if end is not None:
        keep &= tick <= end
    tick, values = thin(tick[keep], {name: v[keep] for name, v in values.items()})
    when = _when(tick)
    picture = make_subplots(
        rows=3,
        cols=1,
        shared_xaxes=True,
        vertical_spacing=0.06,
        row_heights=[0.36, 0.28, 0.36],
        subplot_titles=(
            "authors in the last hour",
            "negative authors in the last hour",
            "score against the page threshold",
        ),
    )
    bands = (
        (1, "authors", "authors_expected", "#4d6a8a", "authors"),
        (2, "negatives", "negative_expected", "#b23a48", "negative authors"),
    )
    for row, name, expected, colour, label in bands:
        mu = values[expected]
        spread = 2.0 * np.sqrt(4.0 * np.maximum(mu, 0.25))
        edge = {"mode": "lines", "line": {"width": 0}, "hoverinfo": "skip", "showlegend": False}
        picture.add_trace(go.Scatter(x=when, y=np.maximum(mu - spread, 0), **edge), row, 1)
        band = {**edge, "fill": "tonexty", "fillcolor": "rgba(120,120,120,0.22)"}
        band.update(name="expected", showlegend=row == 1)
        picture.add_trace(go.Scatter(x=when, y=mu + spread, **band), row, 1)
        picture.add_trace(go.Scatter(x=when, y=values[name], name=label, line={"color": colour, "width": 1.4}), row, 1)
    lines = (
        ("fast", "score, 1 h", "#1d3557", "solid"),
        ("slow", "score, 6 h", "#7b9e87", "solid"),
        ("page_fast", "page threshold, 1 h", "#1d3557", "dash"),
        ("page_slow", "page threshold, 6 h", "#7b9e87", "dash"),
    )
    for name, label, colour, dash in lines:
        y = np.where(values[name] >= NEVER, np.nan, values[name])
        y = np.maximum(y, -1.0)
        style = {"color": colour, "width": 1.4, "dash": dash}
        picture.add_trace(go.Scatter(x=when, y=y, name=label, line=style), 3, 1)
    picture.update_annotations(x=0, xanchor="left", font={"size": 13, "color": "#444"}, yshift=6)
    _mark(picture, [d for d in decisions if d.brand == story.brands[brand]], int(tick[0]), int(tick[-1]))
    picture.update_layout(
        title=story.brands[brand],
        template="plotly_white",
        height=760,
        legend={"orientation": "h", "y": -0.06},
        margin={"l": 50, "r": 20, "t": 70, "b": 40},
        hovermode="x unified",
    )
    return picture


def _mark(picture: go.Figure, decisions: Sequence[Decision], begin: int, end: int) -> None:
    """Shade incidents by the most urgent thing they asked for, and mark the events that were sent."""
    incidents: dict[str, list[Decision]] = {}
    for d in decisions:
        incidents.setdefault(d.incident_id, []).append(d)
    for events in incidents.values():
        opened: int | None = None
        worst = "info"
        spans: list[tuple[int, int]] = []
        for d in events:
            worst = max(worst, d.notify, key=("info", "ticket", "page").index)
            if d.type in ("opened", "reopened"):
                opened = d.tick
            elif d.type == "resolved" and opened is not None:
                spans.append((opened, d.tick))
                opened = None
        if opened is not None:
            spans.append((opened, end))
        for a, b in spans:
            if b >= begin and a <= end:
                shade = {"fillcolor": _COLOURS[worst], "opacity": 0.12, "line_width": 0}
                picture.add_vrect(x0=_at(max(a, begin)), x1=_at(min(b, end)), row="all", col=1, **shade)
        for d in events:
            if begin <= d.tick <= end and (d.pages or d.type in ("opened", "reopened", "resolved")):
                label = "page" if d.pages else d.type
                style = {
                    "line_color": _COLOURS[d.notify],
                    "line_width": 1.2,
                    "line_dash": "solid" if d.pages else "dot",
                }
                picture.add_vline(x=_at(d.tick), row="all", col=1, **style)
                picture.add_annotation(
                    x=_at(d.tick),
                    y=1.0,
                    yref="paper",
                    text=label,
                    hovertext=f"{d.type} r{d.revision}: {d.reason}",
                    showarrow=False,
                    # A ticket is often raised to a page within minutes: their labels stand on either side.
                    xanchor="right" if d.type in ("opened", "reopened") and not d.pages else "left",
                    yshift=8,
                    font={"size": 10, "color": _COLOURS[d.notify]},
                )


def write_html(path: Path, story: Story, decisions: Sequence[Decision], title: str = "Tocsin backtest") -> None:
    """All brands, one below the other, in one file that needs no network."""
    import html

    safe = html.escape(title)
    head = f"<!doctype html><html><head><meta charset='utf-8'><title>{safe}</title></head>"
    parts = [head, f"<body style='font-family:sans-serif;max-width:1200px;margin:auto'><h1>{safe}</h1>"]
    for position, brand in enumerate(story.seen()):
        picture = figure(story, brand, decisions)
        parts.append(picture.to_html(full_html=False, include_plotlyjs=position == 0))
    if not story.seen():
        parts.append("<p>No mentions, nothing to show.</p>")
    parts.append("</body></html>")
    path.write_text("".join(parts), encoding="utf-8")

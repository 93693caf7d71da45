"""Panels one below the other on one time axis, as plain plotly data: what figures are drawn on."""

from __future__ import annotations

import datetime as dt
import html
import textwrap
from collections.abc import Sequence
from typing import Any

from detectors.columns import Ints

Figure = dict[str, Any]
"""``{"data": [...], "layout": {...}}`` with arrays as values."""
SYMBOL = {"page": "triangle-up", "ticket": "square", "info": "circle"}
"""How an incident is marked, by what it asks for."""


class Panels:
    """Panels one below the other on one time axis."""

    def __init__(self, tick: Ints, heights: Sequence[float], titles: Sequence[str], gap: float = 26.0) -> None:
        self.tick = tick
        self.data: list[dict[str, Any]] = []
        self.shapes: list[dict[str, Any]] = []
        self.notes: list[dict[str, Any]] = []
        margin = {"l": 78, "r": 16, "t": 26, "b": 34}
        whole = sum(heights) + gap * (len(heights) - 1)
        axis = {"gridcolor": "$grid", "linecolor": "$grid", "zeroline": False, "tickfont": {"size": 10}}
        self.layout: dict[str, Any] = {
            "height": whole + margin["t"] + margin["b"],
            "margin": margin,
            "paper_bgcolor": "$paper",
            "plot_bgcolor": "$paper",
            "font": {"color": "$ink", "family": "system-ui, sans-serif", "size": 12},
            "hovermode": "x unified",
            "hoversubplots": "axis",
            "hoverlabel": {"bgcolor": "$paper", "bordercolor": "$faint", "font": {"color": "$ink"}, "namelength": -1},
            "showlegend": False,
            "dragmode": "zoom",
        }
        top = 1.0
        self.top: dict[int, float] = {}
        for row, (height, title) in enumerate(zip(heights, titles, strict=True), 1):
            low = top - height / whole
            self.layout[self.axis(row)] = {
                **axis,
                "domain": [max(low, 0.0), top],
                "anchor": "x",
                "title": {"text": title, "font": {"size": 11, "color": "$faint"}},
                "nticks": 4,
                "fixedrange": True,
            }
            self.top[row] = top
            top = low - gap / whole
        self.layout["xaxis"] = {
            **axis,
            "type": "date",
            "anchor": f"y{len(heights)}",
            "showspikes": True,
            "spikemode": "across",
            "spikethickness": 1,
            "spikedash": "solid",
            "spikecolor": "$faint",
            "spikesnap": "cursor",
            "hoverformat": "%a %d %b %Y %H:%MZ",
        }

    @staticmethod
    def axis(row: int) -> str:
        """Key of a panel's y axis in the layout."""
        return "yaxis" if row == 1 else f"yaxis{row}"

    def add(self, row: int, **trace: Any) -> None:
        """A line or points."""
        made = {"type": "scatter", "xaxis": "x", "yaxis": "y" if row == 1 else f"y{row}", "mode": "lines", **trace}
        made.setdefault("x", self.tick)
        self.data.append(made)

    def title(self, row: int, text: str) -> None:
        """Say above a panel what it shows."""
        self.notes.append(
            {
                "x": 0,
                "xref": "paper",
                "xanchor": "left",
                "y": self.top[row],
                "yref": "paper",
                "yanchor": "bottom",
                "text": text,
                "showarrow": False,
                "font": {"size": 11.5, "color": "$ink"},
            }
        )

    def figure(self) -> Figure:
        """What plotly takes."""
        return {"data": self.data, "layout": {**self.layout, "shapes": self.shapes, "annotations": self.notes}}


def wrapped(text: str) -> str:
    """Text in lines that fit a hover label, for HTML."""
    return "<br>".join(html.escape(line) for line in textwrap.wrap(text, 64))


def at(tick: int) -> str:
    """A tick as plotly takes a moment."""
    return dt.datetime.fromtimestamp(tick * 60, dt.UTC).strftime("%Y-%m-%d %H:%M")

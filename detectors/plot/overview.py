"""The figure of all brands' incidents on one time axis."""

from __future__ import annotations

import html
import textwrap
from collections.abc import Mapping, Sequence

import numpy as np

from detectors.incident_log import IncidentLog
from detectors.incidents import instant
from detectors.known_events import Match
from detectors.plot.panels import SYMBOL, Figure, Panels, at, wrapped


def overview(logs: Sequence[IncidentLog], spans: Mapping[str, tuple[int, int]], known: Sequence[Match]) -> Figure:
    """All brands' incidents and known events on one time axis, a line each."""
    brands = list(spans)
    row = {brand: len(brands) - 1 - place for place, brand in enumerate(brands)}
    each = 24.0 if len(brands) <= 15 else 15.0
    picture = Panels(np.zeros(0, np.int64), [max(each * len(brands), 48.0)], [""])
    first = min((a for a, _ in spans.values()), default=0)
    last = max((b for _, b in spans.values()), default=1)
    for brand, (a, b) in spans.items():
        where = {"type": "line", "x0": at(a), "x1": at(b), "y0": row[brand], "y1": row[brand]}
        line = {"line": {"color": "$grid", "width": 5}, "layer": "below"}
        picture.shapes.append({**where, "xref": "x", "yref": "y", **line})
    for match in known:
        if match.known.brand in row:
            y = row[match.known.brand]
            colour = "$known" if match.known.crisis else "$control"
            where = {"type": "rect", "x0": at(match.known.start), "x1": at(match.known.end), "xref": "x"}
            edge = {"color": colour, "width": 1.2, "dash": "solid" if match.known.crisis else "dot"}
            picture.shapes.append({**where, "yref": "y", "y0": y - 0.42, "y1": y + 0.42, "line": edge})
    for log in logs:
        for begin, until in log.spans:
            y = row[log.brand]
            where = {"type": "rect", "x0": at(begin), "x1": at(last if until is None else until), "xref": "x"}
            style = {"fillcolor": f"${log.notify}", "opacity": 0.5, "line": {"width": 0}}
            picture.shapes.append({**where, "yref": "y", "y0": y - 0.3, "y1": y + 0.3, **style})
    picture.add(
        1,
        x=np.array([log.opened for log in logs], np.int64),
        y=np.array([row[log.brand] for log in logs], np.float64),
        mode="markers",
        marker={
            "color": [f"${log.notify}" for log in logs],
            "symbol": [SYMBOL[log.notify] for log in logs],
            "size": [13 if log.pages else 8 for log in logs],
            "line": {"width": 1, "color": "$ink"},
        },
        text=[
            f"<b>{html.escape(log.brand)}</b>: {log.notify}, {log.severity}, {instant(log.opened)[:16]}Z<br>"
            + wrapped(log.telling.reason)
            for log in logs
        ],
        customdata=[log.id for log in logs],
        hovertemplate="%{text}<extra></extra>",
        name="incidents",
    )
    picture.layout["yaxis"].update(
        tickvals=list(row.values()),
        ticktext=[html.escape(textwrap.shorten(brand, 24, placeholder="…")) for brand in brands],
        range=[-0.7, len(brands) - 0.3],
        showgrid=False,
        autorange=False,
    )
    picture.layout["margin"] = {"l": 150, "r": 16, "t": 8, "b": 34}
    picture.layout.update(hovermode="closest", height=picture.layout["height"] - 18)
    picture.layout["xaxis"].update(range=[at(first), at(last + 1)], showspikes=False)
    return picture.figure()

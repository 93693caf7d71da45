"""The figure of a brand's story in a backtest, as plain plotly data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from detectors.columns import Floats, Ints
from detectors.incident_log import IncidentLog, incident_logs
from detectors.incidents import Decision, instant
from detectors.known_events import Match
from detectors.plot.palette import LIGHT, coloured
from detectors.plot.panels import SYMBOL, Figure, Panels, at, wrapped
from detectors.story import Story

if TYPE_CHECKING:
    import plotly.graph_objects as go

MOST_POINTS = 4000
_AT_MOST = {"ticket": "; a ticket at most", "info": "; an info at most"}
_OPACITY = {"page": 0.20, "ticket": 0.16, "info": 0.14}
_DONE = "line-ns"
_LOWEST = 0.0
"""Of a score that is drawn: how far a calm hour is below what is expected tells nothing."""


def figure(
    story: Story,
    brand: int,
    decisions: Sequence[Decision],
    begin: int | None = None,
    end: int | None = None,
    *,
    known: Sequence[Match] = (),
    points: int = MOST_POINTS,
    detectors: Sequence[str] | None = None,
) -> Figure:
    """One brand's story from tick `begin` to `end`: ``{"data": [...], "layout": {...}}`` with arrays as values.

    From above: incidents and known events, volume with what is expected, share of negative authors with what is
    expected, and per detector the score with its page and ticket thresholds.
    """
    if detectors is None:
        detectors = story.detectors
    tick, values = story.series(brand, points)
    keep = np.ones(len(tick), np.bool_)
    if begin is not None:
        keep &= tick >= begin
    if end is not None:
        keep &= tick <= end
    tick, values = tick[keep], {name: v[keep] for name, v in values.items()}
    name = story.brands[brand]
    logs = incident_logs(d for d in decisions if d.brand == name)
    matches = [m for m in known if m.known.brand == name]
    heights = [46.0, 160.0, 110.0, *(92.0 for _ in detectors)]
    picture = Panels(tick, heights, ["", "authors", "share", *("" for _ in detectors)])
    first, last = (int(tick[0]), int(tick[-1])) if len(tick) else (0, 1)
    _strip(picture, logs, matches, _runs(tick, values["silent"] > 0), first, last)
    _volume(picture, values)
    _share(picture, values)
    first_to_page = next((one for one in detectors if story.asks_for.get(one) == "page"), None)
    for row, detector in enumerate(detectors, 4):
        note = _AT_MOST.get(story.asks_for.get(detector, "page"), "")
        if detector == first_to_page:
            note = "; dashed: page, dotted: ticket"
        _score(picture, row, detector, story.titles.get(detector, detector), note, values)
    picture.layout["xaxis"]["range"] = [at(first), at(last + 1)]
    return picture.figure()


def _volume(picture: Panels, values: Mapping[str, Floats]) -> None:
    mu = values["authors_expected"]
    spread = 2.0 * np.sqrt(4.0 * np.maximum(mu, 0.25))
    _band(picture, 2, np.maximum(mu - spread, 0.0), mu + spread)
    told = "%{y:,.0f} authors in 1 h, %{customdata:,.1f} expected<extra></extra>"
    style = {"color": "$volume", "width": 1.3}
    picture.add(2, y=values["authors"], customdata=mu, line=style, hovertemplate=told, name="authors")
    told = "%{y:,.0f} of them negative, %{customdata:,.1f} expected<extra></extra>"
    picture.add(
        2,
        y=values["negatives"],
        customdata=values["negative_expected"],
        line={"color": "$negative", "width": 1.2},
        fill="tozeroy",
        fillcolor="$area",
        hovertemplate=told,
        name="negative authors",
    )
    picture.layout["yaxis2"]["rangemode"] = "tozero"
    picture.title(2, "<b>Volume</b>: authors in the last hour, <b>negative</b> ones filled; grey: expected")


def _share(picture: Panels, values: Mapping[str, Floats]) -> None:
    p, spread = values["share_expected"], 2.0 * values["share_spread"]
    _band(picture, 3, np.maximum(p - spread, 0.0), np.minimum(p + spread, 1.0))
    picture.add(
        3,
        y=values["share"],
        customdata=p,
        line={"color": "$negative", "width": 1.3},
        hovertemplate="%{y:.0%} of authors negative in 6 h, %{customdata:.0%} expected<extra></extra>",
        name="negative share",
    )
    picture.layout["yaxis3"].update(tickformat=".0%", rangemode="tozero")
    picture.title(3, "<b>Negative share</b> of the authors of the last six hours; grey: expected")


def _band(picture: Panels, row: int, low: Floats, high: Floats) -> None:
    edge = {"line": {"width": 0}, "hoverinfo": "skip"}
    picture.add(row, y=low, **edge)
    picture.add(row, y=high, fill="tonexty", fillcolor="$band", name="expected", **edge)


def _score(picture: Panels, row: int, detector: str, title: str, note: str, values: Mapping[str, Floats]) -> None:
    score = np.maximum(values[detector], _LOWEST)
    page, ticket = values[f"page_{detector}"], values[f"ticket_{detector}"]
    # Only what asks for a page has both thresholds; what asks for an info has that of a page alone.
    informs = bool(np.isnan(ticket).all()) and not np.isnan(page).all()
    pages = not np.isnan(page).all() and not informs
    limit = page if pages or informs else ticket
    picture.add(
        row,
        y=score,
        customdata=limit,
        line={"color": "$ink", "width": 1.2},
        hovertemplate=f"{title}: %{{y:.2f}}, threshold %{{customdata:.2f}}<extra></extra>",
        name=f"score {detector}",
    )
    step = {"shape": "hv"}
    if pages:
        line = {"color": "$page", "width": 1.5, "dash": "dash", **step}
        picture.add(row, y=page, line=line, hoverinfo="skip", name="page threshold")
    if informs:
        line = {"color": "$info", "width": 1.5, "dash": "dashdot", **step}
        picture.add(row, y=page, line=line, hoverinfo="skip", name="info threshold")
    else:
        line = {"color": "$ticket", "width": 1.3, "dash": "dot", **step}
        picture.add(row, y=ticket, line=line, hoverinfo="skip", name="ticket threshold")
    head, comma, window = title.partition(", ")
    picture.title(row, f"<b>{head[:1].upper()}{head[1:]}</b>{comma}{window}{note}")
    picture.layout[picture.axis(row)]["rangemode"] = "normal"


def _strip(
    picture: Panels,
    logs: Sequence[IncidentLog],
    matches: Sequence[Match],
    silent: Sequence[tuple[int, int]],
    first: int,
    last: int,
) -> None:
    """The uppermost panel: incidents, known events, silence; and their shades over all panels."""
    lanes = ["incidents"]
    if matches:
        lanes.append("known")
    if silent:
        lanes.append("silent feed")
    height = {lane: float(len(lanes) - 1 - place) for place, lane in enumerate(lanes)}
    picture.layout["yaxis"].update(
        tickvals=list(height.values()),
        ticktext=list(height),
        range=[-0.6, len(lanes) - 0.4],
        showgrid=False,
        nticks=0,
        autorange=False,
    )
    for log in logs:
        for begin, until in log.spans:
            end = last if until is None else until
            if end < first or begin > last:
                continue
            shade = {"fillcolor": f"${log.notify}", "line": {"width": 0}, "layer": "below"}
            where = {"type": "rect", "x0": at(max(begin, first)), "x1": at(min(end, last) + 1)}
            whole = {"xref": "x", "yref": "paper", "y0": 0, "y1": 1, "opacity": _OPACITY[log.notify]}
            picture.shapes.append({**where, **shade, **whole})
            bar = {"xref": "x", "yref": "y", "y0": height["incidents"] - 0.3, "y1": height["incidents"] + 0.3}
            picture.shapes.append({**where, **shade, **bar, "opacity": 0.55})
    _events(picture, [log for log in logs if log.events[-1].tick >= first and log.opened <= last], height["incidents"])
    for match in matches:
        event = match.known
        if event.end < first or event.start > last:
            continue
        colour = "$known" if event.crisis else "$control"
        where = {"type": "rect", "x0": at(max(event.start, first)), "x1": at(min(event.end, last))}
        bar = {"xref": "x", "yref": "y", "y0": height["known"] - 0.3, "y1": height["known"] + 0.3}
        picture.shapes.append({**where, **bar, "fillcolor": colour, "opacity": 0.6, "line": {"width": 0}})
        edge = {"color": colour, "width": 1, "dash": "solid" if event.crisis else "dot"}
        rim = {"xref": "x", "yref": "paper", "y0": 0, "y1": 1, "line": edge, "layer": "below"}
        picture.shapes.append({**where, **rim, "fillcolor": "rgba(0,0,0,0)"})
    if matches:
        picture.add(
            1,
            x=np.array([m.known.start for m in matches], np.int64),
            y=np.full(len(matches), height["known"]),
            mode="markers",
            marker={
                "color": ["$known" if m.known.crisis else "$control" for m in matches],
                "symbol": ["diamond" if m.known.crisis else "diamond-open" for m in matches],
                "size": 9,
            },
            text=[_known_told(m) for m in matches],
            hovertemplate="%{text}<extra></extra>",
            name="known events",
        )
    for begin, end in silent:
        picture.shapes.append(
            {
                "type": "rect",
                "x0": at(begin),
                "x1": at(end),
                "xref": "x",
                "yref": "y",
                "y0": height["silent feed"] - 0.3,
                "y1": height["silent feed"] + 0.3,
                "fillcolor": "$silence",
                "line": {"width": 0},
            }
        )


def _events(picture: Panels, logs: Sequence[IncidentLog], height: float) -> None:
    told = [(log, d) for log in logs for d in log.events if d.pages or d.type not in ("updated", "amended")]
    picture.add(
        1,
        x=np.array([d.tick for _, d in told], np.int64),
        y=np.full(len(told), height),
        mode="markers",
        marker={
            "color": [f"${d.notify}" for _, d in told],
            "symbol": [_DONE if d.type == "resolved" else SYMBOL["page" if d.pages else d.notify] for _, d in told],
            "size": [15 if d.pages else 9 for _, d in told],
            "line": {"width": [2 if d.type == "resolved" else 1 for _, d in told], "color": "$ink"},
        },
        text=[_told(d) for _, d in told],
        customdata=[log.id for log, _ in told],
        hovertemplate="%{text}<extra></extra>",
        name="incidents",
    )


def _told(d: Decision) -> str:
    what = "<b>PAGE</b>" if d.pages else f"<b>{d.type}</b>, {d.notify}"
    return f"{what}, {d.severity}, {instant(d.tick)[11:16]}Z<br>{wrapped(d.reason)}"


def _known_told(match: Match) -> str:
    kind = "known crisis" if match.known.crisis else "control"
    delay = "" if match.delay_minutes is None else f" after {match.delay_minutes} min"
    return f"<b>{kind}</b>: {wrapped(match.known.event)}<br>{match.outcome}{delay}"


def as_plotly(made: Figure, palette: Mapping[str, str] = LIGHT) -> go.Figure:
    """The figure as an object of plotly, checked by it."""
    import plotly.graph_objects as go

    plain = coloured(made, palette)
    for trace in plain["data"]:
        trace["x"] = (trace["x"] * 60).astype("datetime64[s]")
    return go.Figure(plain)


def _runs(tick: Ints, where: Any) -> list[tuple[int, int]]:
    """Stretches of ticks for which it is true, as first and last tick."""
    edge = np.diff(np.concatenate([[False], where, [False]]).astype(np.int8))
    begins, ends = np.nonzero(edge == 1)[0], np.nonzero(edge == -1)[0]
    return [
        (int(tick[a]), int(tick[min(b, len(tick) - 1)])) for a, b in zip(begins.tolist(), ends.tolist(), strict=True)
    ]

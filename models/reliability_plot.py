"""The reliability plot: one HTML page that needs nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import plotly.graph_objects as go

from models.evaluate import ReliabilityBin


def write_reliability(path: Path, bins: Mapping[str, Sequence[ReliabilityBin]], title: str) -> None:
    """Write confidence against accuracy, a line for each group of texts; the diagonal is what a model should do.

    Points below it are promises that the model does not keep. Hovering tells how many texts stand behind a point.
    """
    figure = go.Figure()
    figure.add_scatter(
        x=[1 / 3, 1], y=[1 / 3, 1], mode="lines", name="as promised", line={"dash": "dot", "color": "#888888"}
    )
    for name, points in bins.items():
        most = max(point.texts for point in points)
        figure.add_scatter(
            x=[point.confidence for point in points],
            y=[point.accuracy for point in points],
            customdata=[point.texts for point in points],
            mode="lines+markers",
            name=name,
            marker={"size": [6 + 18 * (point.texts / most) ** 0.5 for point in points]},
            hovertemplate="confidence %{x:.1%}, right %{y:.1%}, %{customdata:,} texts<extra>%{fullData.name}</extra>",
        )
    figure.update_layout(
        title=title,
        template="plotly_white",
        xaxis={"title": "confidence: mean probability of the tone that was told", "tickformat": ".0%"},
        yaxis={"title": "accuracy: share that was right", "tickformat": ".0%", "range": [0, 1.02]},
    )
    path.write_text(figure.to_html(include_plotlyjs=True, full_html=True), encoding="utf-8")

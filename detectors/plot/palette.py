"""The colours of figures, light and dark.

They stand for what is asked of people, and are told apart without seeing red and green (Okabe & Ito 2008). In a figure
they are names that begin with ``$`` until `coloured` puts a palette's in: a page may be light or dark.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

LIGHT = {
    "$ink": "#1b2733",
    "$faint": "#5b6b7a",
    "$grid": "#e3e8ee",
    "$paper": "#ffffff",
    "$band": "rgba(86,101,115,0.20)",
    "$silence": "rgba(86,101,115,0.35)",
    "$volume": "#0072B2",
    "$negative": "#B5380A",
    "$area": "rgba(213,94,0,0.22)",
    "$page": "#D55E00",
    "$ticket": "#B87A00",
    "$info": "#2E86C1",
    "$known": "#7A3E9D",
    "$control": "#5b6b7a",
}
DARK = {
    **LIGHT,
    "$ink": "#e8edf2",
    "$faint": "#9fb0c0",
    "$grid": "#2a3744",
    "$paper": "#121a22",
    "$band": "rgba(160,176,192,0.22)",
    "$silence": "rgba(160,176,192,0.40)",
    "$volume": "#56B4E9",
    "$negative": "#FF8A4C",
    "$area": "rgba(255,138,76,0.25)",
    "$page": "#FF7A2F",
    "$ticket": "#E69F00",
    "$info": "#56B4E9",
    "$known": "#CC9BE0",
    "$control": "#9fb0c0",
}


def coloured(value: Any, palette: Mapping[str, str]) -> Any:
    """The same with the colours of a palette in place of their names."""
    if isinstance(value, str):
        return palette.get(value, value)
    if isinstance(value, dict):
        return {key: coloured(one, palette) for key, one in value.items()}
    if isinstance(value, list):
        return [coloured(one, palette) for one in value]
    return value

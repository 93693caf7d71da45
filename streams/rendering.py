"""How a crisis event reads for a person: a headline and an explanation in plain words.

Takes the CloudEvent as it came, so that events of newer and older workers can be shown too: what a field does not tell
is left out. Texts were written by strangers: nothing in them reaches the terminal but printable characters.
This file knows no Kafka.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

_TYPE_PREFIX: Final = "tocsin.crisis."
_NOTIFY: Final = {"page": "PAGE", "ticket": "TICKET", "info": "info", "paged": "paged"}
_NOTIFY_STYLES: Final = {
    "page": "bold white on red",
    "ticket": "bold black on yellow",
    "info": "bold",
    "paged": "red",
}
_SEVERITY_STYLES: Final = {"critical": "bold red", "major": "red", "minor": "yellow"}
_TYPE_STYLES: Final = {"opened": "bold", "reopened": "bold", "escalated": "bold", "resolved": "bold green"}
_EXCERPT: Final = 140
_TERMS: Final = 6
_MENTIONS: Final = 3
# What the engine says where it cannot tell how rare a score is, since it would be rarer: days.
_LONGEST_RETURN: Final = 3650.0
# Not printable by themselves, but parts of emoji and of words in some scripts.
_JOINERS: Final = "\u200c\u200d"


def render(event: Mapping[str, Any], *, lines: int | None = None) -> RenderableType:
    """Return a crisis event, a CloudEvent as a dictionary, as something that rich can print.

    Parameters
    ----------
    event : mapping
        The event as it came.
    lines : int, optional
        How much of the explanation to show; by default all of it.
    """
    parts: list[RenderableType] = [headline(event)]
    parts += [Padding(Text(line), (0, 0, 0, 4), expand=False) for line in explanation(event)[:lines]]
    return Group(*parts)


def headline(event: Mapping[str, Any]) -> Text:
    """Return one line: when, what happened, what to do, how bad, and whose crisis it is."""
    data = _section(event, "data")
    kind = str(event.get("type", "")).removeprefix(_TYPE_PREFIX)
    notify, severity = str(data.get("notify", "")), str(data.get("severity", ""))
    line = Text(_when(event.get("time")))
    line.append("  ")
    line.append(f"{printable(kind.upper().replace('_', ' ')):<11}", _TYPE_STYLES.get(kind, ""))
    line.append(" ")
    # Only the event that pages says PAGE: the others tell those who were paged already.
    asked = notify if notify != "page" or data.get("pages", True) else "paged"
    label = f" {_NOTIFY.get(asked, printable(asked))} "
    line.append(label, "dim" if kind == "resolved" else _NOTIFY_STYLES.get(asked, ""))
    line.append(" " * (9 - len(label)) + f"{printable(severity):<9}", _SEVERITY_STYLES.get(severity, ""))
    line.append(printable(str(event.get("subject") or data.get("brand") or "")), "bold")
    return line


def explanation(event: Mapping[str, Any]) -> list[str]:
    """Return why the event was sent, as lines of plain words."""
    data = _section(event, "data")
    if str(event.get("type", "")).endswith("model_changed"):
        reason = str(_section(data, "why").get("reason", ""))
        return [printable(f"{reason[:1].upper()}{reason[1:]}.")] if reason else []
    lines = [*_size(_section(data, "size")), *_why(_section(data, "why")), *_course(event, data), *_people(data)]
    lines += _together(data)
    lines += _evidence(data)
    links = _section(data, "links")
    for name, label in (("runbook", "Runbook"), ("dashboard", "Dashboard"), ("false_alarm", "Not a crisis? Say so")):
        if links.get(name):
            lines.append(f"{label}: {printable(str(links[name]))}")
    return [printable(line) for line in lines if line]


def _size(size: Mapping[str, Any]) -> Iterator[str]:
    window = _window(_number(size, "window_minutes"))
    negative, expected, ratio = (_number(size, key) for key in ("negative_authors", "negative_expected", "ratio"))
    if negative is not None:
        sentence = f"{_count(negative, 'author')} wrote negatively in the last {window}"
        if expected is not None:
            sentence += f"; {_short(expected)} would be normal"
        if ratio is not None:
            sentence += f" ({_short(ratio)} times that)" if expected is not None else f", {_short(ratio)} times normal"
        yield sentence + "."
    share, usual, authors = (_number(size, key) for key in ("share", "share_expected", "authors"))
    sentences = []
    if share is not None:
        of = f" of {_count(authors, 'author')}" if authors is not None else ""
        against = f" against {_percent(usual)} expected" if usual is not None else ""
        sentences.append(f"{_percent(share)}{of} were negative{against}.")
    if (volume := _number(size, "volume_ratio")) is not None:
        sentences.append(f"Volume is {_short(volume)} times normal.")
    yield " ".join(sentences)


def _why(why: Mapping[str, Any]) -> Iterator[str]:
    score, threshold, days, budget = (
        _number(why, key) for key in ("score", "threshold", "return_period_days", "budget_pages_per_month")
    )
    if score is not None and threshold is not None:
        relation = "over" if score >= threshold else "under"
        sentence = f"Score {_short(score)} {relation} threshold {_short(threshold)}"
        if days is not None and score >= threshold:
            rarity = "rarer than" if days >= _LONGEST_RETURN else "about"
            sentence += f": {rarity} once in {_days(days)}"
        if budget is not None:
            sentence += f", at a budget of {_short(budget)} {'page' if budget == 1 else 'pages'} a month"
        yield sentence + "."


def _course(event: Mapping[str, Any], data: Mapping[str, Any]) -> Iterator[str]:
    since, earliest = _moment(data.get("since")), _moment(data.get("since_earliest"))
    if since is not None:
        begun = f"Began about {since:%H:%M} UTC"
        if earliest is not None and earliest < since:
            begun += f", not before {earliest:%H:%M}"
        now = _moment(event.get("time"))
        if now is not None and now > since:
            begun += f": {_span((now - since).total_seconds() / 60)} ago"
        yield begun + "."
    if data.get("resolves_when") and not str(event.get("type", "")).endswith("resolved"):
        yield f"Resolves when {_clause(str(data['resolves_when']), 'resolves when')}"
    if data.get("closed_by") == "clock":
        yield "The wall clock closed this minute, since no mentions came."


def _together(data: Mapping[str, Any]) -> Iterator[str]:
    if data.get("muted_by"):
        yield f"No page of its own: its portfolio was paged, incident {data['muted_by']}."
    brands = data.get("portfolio")
    if isinstance(brands, list) and brands:
        yield f"Brands that alarm together: {', '.join(map(str, brands))}."


def _people(data: Mapping[str, Any]) -> Iterator[str]:
    """What people have announced and said."""
    planned, response = _section(_section(data, "why"), "planned"), _section(data, "response")
    if planned:
        until, factor = _moment(planned.get("until")), _number(planned, "factor")
        what = "Muted" if planned.get("muted") else "Planned event"
        if factor is not None and not planned.get("muted"):
            what += f", {_short(factor)} times the usual expected"
        what += f", until {until:%Y-%m-%d %H:%M} UTC" if until is not None else ""
        yield f"{what}{': ' + str(planned['note']) if planned.get('note') else '.'}"
    if response.get("verdict"):
        yield f"Marked as {'a' if response['verdict'] == 'false alarm' else 'a true'} {response['verdict']}."
    for key, label in (("acknowledged_at", "Acknowledged"), ("statement_at", "A statement was published")):
        if (moment := _moment(response.get(key))) is not None:
            yield f"{label} at {moment:%H:%M} UTC."


def _evidence(data: Mapping[str, Any]) -> Iterator[str]:
    terms = [str(term["term"]) for term in _list(data, "top_terms")[:_TERMS] if term.get("term")]
    if terms:
        yield f"Top terms: {', '.join(terms)}"
    for mention in _list(data, "top_mentions")[:_MENTIONS]:
        text = " ".join(str(mention.get("text", "")).split())
        if not text:
            continue
        if len(text) > _EXCERPT:
            text = text[: _EXCERPT - 1].rstrip() + "…"
        authors = _number(mention, "authors")
        copies = f" ({_count(authors, 'author')})" if authors is not None and authors > 1 else ""
        url = f" {mention['url']}" if mention.get("url") else ""
        yield f"\u201c{text}\u201d{copies}{url}"


def printable(text: str) -> str:
    """Return the text with a space for each control character, so that it cannot steer a terminal."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in _JOINERS else " " for c in text)


def _section(record: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    section = record.get(key)
    return section if isinstance(section, Mapping) else {}


def _list(record: Mapping[str, Any], key: str) -> Sequence[Mapping[str, Any]]:
    items = record.get(key)
    return [item for item in items if isinstance(item, Mapping)] if isinstance(items, list) else []


def _number(record: Mapping[str, Any], key: str) -> float | None:
    value = record.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) >= 1e15:
        return None
    return float(value) if math.isfinite(value) else None


def _moment(value: object) -> datetime | None:
    try:
        return datetime.fromisoformat(str(value)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _when(value: object) -> str:
    moment = _moment(value)
    return f"{moment:%Y-%m-%d %H:%M}Z" if moment else printable(str(value))


def _short(value: float) -> str:
    """Three digits at most after what matters: 0.42, 8.2, 153."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.{1 if abs(value) >= 10 else 2}f}".rstrip("0").rstrip(".")


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _count(value: float, noun: str) -> str:
    return f"{value:,.0f} {noun}{'' if value == 1 else 's'}"


def _window(minutes: float | None) -> str:
    if minutes is None:
        return "window"
    if minutes == 60:
        return "hour"
    return _span(minutes)


def _span(minutes: float) -> str:
    """Return a length of time in the two units that matter."""
    whole = round(minutes)
    if whole < 60:
        return f"{whole} minute{'' if whole == 1 else 's'}"
    hours, rest = divmod(whole, 60)
    if hours >= 48:
        return f"{hours // 24} days" + (f" {hours % 24} h" if hours % 24 else "")
    if not rest:
        return f"{hours} hour{'' if hours == 1 else 's'}"
    return f"{hours} h {rest} min"


def _days(days: float) -> str:
    if days < 1:
        return _span(days * 1440)
    if days > 730:
        return f"{days / 365:,.0f} years"
    return "a day" if round(days) == 1 else f"{days:,.0f} days"


def _clause(text: str, opening: str) -> str:
    """Return a sentence's remainder if it begins with the opening already, and one full stop at its end."""
    if text.lower().startswith(opening):
        text = text[len(opening) :].lstrip()
    return text if text.endswith(".") else text + "."

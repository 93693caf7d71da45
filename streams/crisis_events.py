"""The crisis event on the wire: CloudEvents 1.0, structured JSON, a pure function of the decision. Knows no Kafka."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

import msgspec

from detectors.incidents import Decision
from streams.records import rfc3339, tick_start

#: An hour before the onset belongs on the dashboard, so that one sees the calm. Minutes.
_DASHBOARD_LEAD = 60


@dataclass(frozen=True, slots=True)
class Links:
    """Where an event leads. Templates may hold {brand}, {incident}, {from_ms} and {to_ms}, filled in URL-quoted."""

    dashboard_url: str | None = None
    false_alarm_url: str | None = None


@dataclass(frozen=True, slots=True)
class CrisisEvent:
    """An event ready to send."""

    id: str
    type: str
    brand: str
    incident_id: str
    notify: str
    value: bytes


def crisis_event(decision: Decision, links: Links) -> CrisisEvent:
    """Wrap a decision; equal decisions and links give equal bytes."""
    data = decision.data()
    end = decision.tick + 1
    data["links"] |= {
        "dashboard": _filled(links.dashboard_url, decision, end),
        "false_alarm": _filled(links.false_alarm_url, decision, end),
    }
    event_id = f"{decision.incident_id}-{decision.revision}"
    event = {
        "specversion": "1.0",
        "id": event_id,
        "source": "tocsin",
        "type": f"tocsin.crisis.{decision.type}",
        "subject": decision.brand,
        "time": rfc3339(tick_start(decision.tick)),
        "datacontenttype": "application/json",
        "partitionkey": decision.brand,
        "data": data,
    }
    return CrisisEvent(
        event_id,
        decision.type,
        decision.brand,
        decision.incident_id,
        decision.notify,
        msgspec.json.encode(event),
    )


def _filled(template: str | None, decision: Decision, end: int) -> str | None:
    if template is None:
        return None
    values = {
        "{brand}": quote(decision.brand, safe=""),
        "{incident}": quote(decision.incident_id, safe=""),
        "{from_ms}": str((decision.since - _DASHBOARD_LEAD) * 60_000),
        "{to_ms}": str(end * 60_000),
    }
    for name, value in values.items():
        template = template.replace(name, value)
    return template

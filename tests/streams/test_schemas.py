"""The JSON Schemas in deploy/schemas say what the code reads and writes, no more and no less."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from jsonschema import Draft202012Validator, FormatChecker

from streams.records import (
    Advance,
    EndOfReplay,
    Limits,
    Mention,
    Model,
    Origin,
    ScoredMention,
    Tone,
    decode_mention,
    encode,
    hashed_author,
)
from tests.streams.test_detection import a_crisis, events, split
from tests.streams.test_records import BAD, NOW, altered

SCHEMAS = Path(__file__).parent.parent.parent / "deploy" / "schemas"
STRUCTS: dict[str, type[msgspec.Struct]] = {
    "mention": Mention,
    "end-of-replay": EndOfReplay,
    "scored-mention": ScoredMention,
    "advance": Advance,
}


def schema(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((SCHEMAS / f"{name}.schema.json").read_text())
    return found


def validator(name: str) -> Draft202012Validator:
    Draft202012Validator.check_schema(schema(name))
    return Draft202012Validator(schema(name), format_checker=FormatChecker())


def full(**fields: Any) -> dict[str, Any]:
    values = {
        "id": "1",
        "created_at": datetime(2025, 1, 1, tzinfo=UTC),
        "text": "late",
        "source": "x",
        "brand": "Lumo",
        "lang": "en",
        "url": "https://example.org/1",
        "kind": "reply",
        "parent_id": "0",
        "root_id": "0",
        "reach": 10.0,
        "engagement": 2.0,
        "gold_tone": "negative",
    }
    return values | fields


def test_there_is_a_schema_for_each_record_and_none_besides() -> None:
    names = {path.name.removesuffix(".schema.json") for path in SCHEMAS.iterdir()}
    assert names == {*STRUCTS, "crisis-event", "crisis-command"}


@pytest.mark.parametrize("name", STRUCTS)
def test_fields_and_what_is_required_agree(name: str) -> None:
    info = msgspec.structs.fields(STRUCTS[name])
    tagged = {"type"} if STRUCTS[name].__struct_config__.tag else set()
    assert set(schema(name)["properties"]) == {field.name for field in info} | tagged
    assert set(schema(name)["required"]) == {field.name for field in info if field.required} | tagged


def test_what_is_written_is_valid() -> None:
    tone, model = Tone(0.5, 0.3, 0.2), Model("m", "1")
    scored = full(author=hashed_author("ann", "x", b"key"), tone=tone, model=model)
    written: dict[str, list[Mention | ScoredMention | Advance | EndOfReplay]] = {
        "mention": [
            Mention(**full(author="ann")),
            Mention(id="1", created_at=datetime(2025, 1, 1, tzinfo=UTC), text="x"),
        ],
        "scored-mention": [
            ScoredMention(**scored, origin=Origin(1, 2, 3)),
            ScoredMention(**scored, origin=Origin(1, 2, None)),
        ],
        "advance": [Advance(partition=0, offset=1, tick=2, cause="end")],
        "end-of-replay": [EndOfReplay(control="end", created_at=datetime(2025, 1, 1, tzinfo=UTC))],
    }
    for name, some in written.items():
        for record in some:
            validator(name).validate(json.loads(encode(record)))


def test_what_the_schema_of_mentions_takes_or_refuses_the_code_does_too() -> None:
    check = validator("mention")
    for absent in (
        "brand",
        "author",
        "lang",
        "url",
        "kind",
        "parent_id",
        "root_id",
        "reach",
        "engagement",
        "gold_tone",
    ):
        value = altered(**{absent: None})
        check.validate(json.loads(value))
        decode_mention(value, Limits(), now_us=NOW)
    structural = [
        (title, value)
        for title, value, reason in BAD
        if reason in ("missing_field", "wrong_type") and value is not None
    ]
    assert len(structural) > 8
    for title, value in structural:
        assert not check.is_valid(json.loads(value)), title


def unknown_keys(value: Any, description: dict[str, Any], where: str = "") -> list[str]:
    """Keys of a value that its schema does not tell of."""
    found: list[str] = []
    if isinstance(value, dict):
        properties = description.get("properties", {})
        for key, inner in value.items():
            if key not in properties:
                found.append(f"{where}.{key}")
            else:
                found += unknown_keys(inner, properties[key], f"{where}.{key}")
    elif isinstance(value, list):
        for inner in value:
            found += unknown_keys(inner, description.get("items", {}), f"{where}[]")
    return found


def test_crisis_events_are_as_their_schema_says() -> None:
    rng = random.Random(5)
    found = [json.loads(value) for value in events(rng, split(a_crisis(rng), 1, rng), 1, 0.0).values()]
    assert len({event["type"] for event in found}) >= 3
    for event in found:
        validator("crisis-event").validate(event)
        assert unknown_keys(event, schema("crisis-event")) == []

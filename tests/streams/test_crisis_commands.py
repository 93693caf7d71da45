"""Commands on the wire and as people type them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator, FormatChecker

from detectors.commands import COMMAND_KINDS
from streams.crisis_commands import (
    CommandError,
    CrisisCommand,
    decode_command,
    encode_command,
    new_id,
    parse_moment,
    read_commands,
)

NOW = datetime(2026, 3, 12, 14, 0, tzinfo=UTC)
SCHEMA = json.loads((Path(__file__).parents[2] / "deploy" / "schemas" / "crisis-command.schema.json").read_text())


def command(kind: Any, **fields: Any) -> CrisisCommand:
    more: dict[str, Any] = {}
    if kind in ("ack", "confirm", "false", "statement"):
        more["incident"] = "3f9a0c61d2b4"
    if kind in ("plan", "mute"):
        more |= {"begin": NOW, "until": NOW + timedelta(hours=2)}
    if kind == "plan":
        more["factor"] = 5.0
    if kind == "cancel":
        more["cancels"] = "x"
    return CrisisCommand(**({"id": new_id(), "at": NOW, "kind": kind, "brand": "Acme"} | more | fields))


@pytest.mark.parametrize("kind", COMMAND_KINDS)
def test_every_kind_goes_over_the_wire_and_fits_its_schema(kind: str) -> None:
    sent = command(kind, by="ann", note="why")
    value = encode_command(sent)
    assert decode_command(value) == sent
    Draft202012Validator.check_schema(SCHEMA)
    Draft202012Validator(SCHEMA, format_checker=FormatChecker()).validate(json.loads(value))
    assert set(json.loads(value)) <= set(SCHEMA["properties"])


def test_the_schema_and_the_code_refuse_the_same() -> None:
    check = Draft202012Validator(SCHEMA)
    for kind, missing in (("false", "incident"), ("plan", "factor"), ("mute", "until"), ("cancel", "cancels")):
        value = json.loads(encode_command(command(kind)))
        del value[missing]
        assert not check.is_valid(value)
        with pytest.raises(CommandError, match=missing):
            decode_command(json.dumps(value).encode())
    assert set(SCHEMA["properties"]["kind"]["enum"]) == set(COMMAND_KINDS)


@pytest.mark.parametrize("value", [None, b"", b"{", b"[]", b'{"id": 1}', b"\xff", b'{"id": "1", "at": "now"}'])
def test_what_is_no_command_is_refused(value: bytes | None) -> None:
    with pytest.raises(CommandError):
        decode_command(value)


def test_unknown_fields_are_passed_over() -> None:
    value = json.loads(encode_command(command("unmute"))) | {"colour": "red"}
    assert decode_command(json.dumps(value).encode()).kind == "unmute"


@pytest.mark.parametrize(
    ("text", "minutes"),
    [
        ("2026-03-12T15:30Z", 90),
        ("2026-03-12T15:30+00:00", 90),
        ("2026-03-12T10:30", 90),  # Chicago is five hours behind
        ("2026-03-12 10:30", 90),
        ("+90m", 90),
        ("+2h", 120),
        ("+1d", 1440),
        ("+1w", 10_080),
    ],
)
def test_times_as_people_write_them(text: str, minutes: int) -> None:
    assert parse_moment(text, "--until", "America/Chicago", NOW) == NOW + timedelta(minutes=minutes)


@pytest.mark.parametrize("text", ["tomorrow", "+2", "+h", "", "2026-13-01", "+999999999999d"])
def test_times_that_are_none_name_the_option(text: str) -> None:
    with pytest.raises(CommandError, match="--until"):
        parse_moment(text, "--until", "UTC", NOW)


def test_a_file_may_leave_out_what_can_be_told(tmp_path: Path) -> None:
    path = tmp_path / "commands.jsonl"
    path.write_text(
        '{"kind": "plan", "brand": "Acme", "from": "2026-03-12T14:00Z", "until": "2026-03-12T18:00Z", "factor": 3}\n'
        "\n"
        '{"at": "2026-03-12T20:00Z", "kind": "unmute", "brand": "Acme"}\n'
    )
    plan, unmute = read_commands(path, ["Acme"])
    assert plan.begin is not None
    assert plan.due < plan.begin, "it is known before it begins"
    assert plan.id != unmute.id
    assert read_commands(path, ["Acme"]) == [plan, unmute], "ids are the lines' own"
    path.write_text(path.read_text().splitlines()[0] * 1 + "\n" + path.read_text().splitlines()[0] + "\n")
    with pytest.raises(CommandError, match="that of line 1 too"):
        read_commands(path, ["Acme"])


def test_portfolios_take_words_on_their_incidents_only_and_wrong_names_get_advice(tmp_path: Path) -> None:
    path = tmp_path / "commands.jsonl"
    path.write_text('{"at": "2026-03-12T20:00Z", "kind": "confirm", "brand": "shops", "incident": "i1"}\n')
    (one,) = read_commands(path, ["Acme"], ["shops"])
    assert (one.brand, one.incident) == ("shops", "i1")
    path.write_text('{"at": "2026-03-12T20:00Z", "kind": "unmute", "brand": "shops"}\n')
    with pytest.raises(CommandError, match=r"line 1: unmute: 'shops' is a portfolio.*each of its brands"):
        read_commands(path, ["Acme"], ["shops"])
    path.write_text('{"at": "2026-03-12T20:00Z", "kind": "unmute", "brand": "shop"}\n')
    with pytest.raises(CommandError, match="did you mean 'shops'"):
        read_commands(path, ["Acme"], ["shops"])

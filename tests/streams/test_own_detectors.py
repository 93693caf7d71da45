"""A detector of an installed package, from the settings to events and the doctor."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
import yaml
from typer.testing import CliRunner

from streams import doctor
from streams.cli import app
from streams.records import Mention, encode_lines
from streams.settings import Settings
from tests.detectors.packages import install

CODE = """
import numpy as np
from detectors import Detector

class Count(Detector):
    name = "acme_count"
    version = "7"

    def score(self, view):
        return np.where(view.negative[1] >= 5, 5.0, 0.0)
"""


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A settings file that switches on the detector of an installed package."""
    monkeypatch.syspath_prepend(tmp_path)
    install(tmp_path, "acme_counting", {"acme_count": "acme_counting:Count"}, CODE)
    path = tmp_path / "tocsin.yaml"
    path.write_text(yaml.safe_dump({"brands": [{"name": "B", "keywords": ["b"]}], "detectors": ["acme_count"]}))
    return path


def test_it_decides_in_a_backtest_and_every_event_names_its_version(settings: Path, tmp_path: Path) -> None:
    start = datetime(2026, 1, 5, tzinfo=UTC)
    mentions = []
    for number in range(3000):
        minutes = number if number < 2900 else 2900 + (number - 2900) / 5
        at = start + timedelta(minutes=minutes)
        bad = number >= 2900 or number % 8 == 0
        mention = Mention(id=f"m{number}", created_at=at, text=f"b {number}", author=f"a{number}")
        mentions.append(msgspec.structs.replace(mention, gold_tone="negative" if bad else "positive"))
    file = tmp_path / "m.jsonl"
    file.write_bytes(encode_lines(mentions))
    events = tmp_path / "events.jsonl"
    arguments = ["backtest", str(file), "--config", str(settings), "--tone", "gold", "--events", str(events)]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    told = [json.loads(line)["data"] for line in events.read_text().splitlines()]
    assert any("acme_count" in event["why"]["detectors"] for event in told)
    assert {event["versions"]["detector"].split("+")[1] for event in told} == {"acme_count@7"}


def test_the_doctor_looks_whether_it_can_be_used(settings: Path, tmp_path: Path) -> None:
    loaded = Settings.model_validate(yaml.safe_load(settings.read_text()))
    (finding,) = doctor.check_detectors(loaded)
    assert (finding.status, finding.message) == ("ok", "beside the built-in ones: acme_count 7 (ticket)")
    install(tmp_path, "acme_broken", {"acme_broken": "acme_broken:Count"}, "import nothing_of_that_name")
    (finding,) = doctor.check_detectors(loaded.model_copy(update={"detectors": ("acme_broken",)}))
    assert finding.status == "fail"
    assert "acme_broken 1.0 (acme_broken:Count) cannot be loaded" in finding.message
    assert not list(doctor.check_detectors(loaded.model_copy(update={"detectors": ()})))


def test_one_that_cannot_be_loaded_is_one_message(settings: Path, tmp_path: Path) -> None:
    install(tmp_path, "acme_broken", {"acme_broken": "acme_broken:Count"}, "import nothing_of_that_name")
    settings.write_text(settings.read_text().replace("- acme_count", "- acme_broken"))
    (tmp_path / "m.jsonl").write_bytes(
        encode_lines([Mention(id="m", created_at=datetime(2026, 1, 5, tzinfo=UTC), text="b", gold_tone="neutral")])
    )
    arguments = ["backtest", str(tmp_path / "m.jsonl"), "--config", str(settings), "--tone", "gold"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 2
    assert "detector acme_broken of acme_broken 1.0" in result.output
    assert "Traceback" not in result.output

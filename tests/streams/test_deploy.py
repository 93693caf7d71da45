"""The files in deploy/ fit the program: what a compose file sets is what the settings know."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from streams.settings import load

DEPLOY = Path(__file__).parents[2] / "deploy"


def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
    return loaded


def test_the_worker_in_the_compose_file_has_settings_that_can_be_used() -> None:
    worker = compose()["services"]["worker"]
    environment = {name: value for name, value in worker["environment"].items() if value is not None}
    inside = environment.pop("TOCSIN_CONFIG")
    mounts = dict(mount.split(":")[:2] for mount in worker["volumes"])
    (file,) = [DEPLOY / source for source, target in mounts.items() if target == inside]
    settings = load(file, environment)
    assert settings.kafka.servers == ["kafka:19092"]
    assert "TOCSIN_AUTHOR_KEY" in worker["environment"], "passed on from the shell"


def test_the_compose_file_publishes_on_loopback_only() -> None:
    for service in compose()["services"].values():
        for port in service.get("ports", ()):
            assert port.startswith("127.0.0.1:")


def test_compose_and_maven_run_the_same_kafka() -> None:
    image = compose()["services"]["kafka"]["image"]
    version = image.removeprefix("apache/kafka:")
    assert f"<kafka.version>{version}</kafka.version>" in (DEPLOY / "kafka" / "pom.xml").read_text(encoding="utf-8")

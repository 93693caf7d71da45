"""The doctor: each thing that can be wrong is found, and says what to do. Real brokers: tests/integration."""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.console import Console

from models.checkup import Finding as ModelFinding
from streams import doctor, topics
from streams.brokers import HOST, free_ports
from streams.doctor import Finding
from streams.doctor_broker import check_broker, check_clock
from streams.settings import Settings, load


def settings(**sections: object) -> Settings:
    return Settings.model_validate({"brands": [{"name": "Acme", "keywords": ["acme"]}], **sections})


def statuses(findings: list[Finding]) -> set[str]:
    return {finding.status for finding in findings}


@pytest.fixture(autouse=True)
def fast_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """The model has tests of its own; here it only has to be asked for by what is set."""
    monkeypatch.setattr(
        "models.check",
        lambda model, **options: [
            ModelFinding(
                model == "bundled", "tone model", f"{model} {options['revision']} {options['neutral_forecasts']}"
            )
        ],
    )


def test_settings_that_cannot_be_used_are_findings(tmp_path: Path) -> None:
    path = tmp_path / "tocsin.yaml"
    path.write_text("budget: -1\nbrands: []\n")
    findings = doctor.examine(path)
    assert [finding.name for finding in findings] == ["settings"] * 2
    assert doctor.worst(findings) == "fail"


def test_an_absent_broker_fails_with_advice_and_the_rest_is_still_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(topics, "CONNECT_MS", 200)
    address = f"{HOST}:{free_ports(1)[0]}"
    findings = doctor.checks(settings(kafka={"bootstrap_servers": address}, worker={"data_dir": str(tmp_path)}))
    (broker,) = [finding for finding in findings if finding.name == "broker"]
    assert broker.status == "fail"
    assert address in broker.message
    assert "make kafka" in broker.advice
    assert {"brands", "clock", "tone model", "author key", "data directory", "web"} <= {f.name for f in findings}
    assert doctor.worst(findings) == "fail"


def test_brands_that_cannot_be_told_apart_are_warned_of() -> None:
    brands = [{"name": "A", "keywords": ["Acme"]}, {"name": "B", "keywords": ["acme"]}, {"name": "C"}]
    messages = [finding.message for finding in doctor.check_brands(settings(brands=brands)) if finding.status == "warn"]
    assert any("A and B share the keyword 'acme'" in message for message in messages)
    assert any("C has no keywords" in message for message in messages)


def test_an_unencrypted_way_to_another_machine_is_warned_of(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(_: Settings) -> None:
        raise topics.BrokerUnreachableError("not asked")

    monkeypatch.setattr(topics, "admin", unreachable)
    for address, protocol, warned in (
        ("kafka.example.org:9092", "PLAINTEXT", True),
        ("kafka.example.org:9092", "SSL", False),
        ("127.0.0.1:9092", "PLAINTEXT", False),
        ("[::1]:9092", "PLAINTEXT", False),
    ):
        chosen = settings(kafka={"bootstrap_servers": address, "security_protocol": protocol})
        assert any("unencrypted" in finding.message for finding in check_broker(chosen, [])) == warned, address


def test_a_clock_before_the_installation_fails() -> None:
    (finding,) = check_clock(settings(), ask_broker=False, now=lambda: 0.0)
    assert finding.status == "fail"
    assert "1970-01-01T00:00:00+00:00" in finding.message


def test_the_model_that_is_set_is_the_one_looked_at() -> None:
    (finding,) = doctor.check_model(
        settings(tone={"model": "org/other", "revision": "abc", "neutral_forecasts": False})
    )
    assert (finding.status, finding.message) == ("fail", "org/other abc False")


def test_the_public_author_key_is_fine_for_a_demo_only(tmp_path: Path) -> None:
    assert statuses(list(doctor.check_privacy(settings()))) == {"warn"}
    assert statuses(list(doctor.check_privacy(settings(worker={"embedded": True})))) == {"ok"}
    path = tmp_path / "tocsin.yaml"
    path.write_text("brands: [{name: A}]")
    assert statuses(list(doctor.check_privacy(load(path, {"TOCSIN_AUTHOR_KEY": "0123456789abcdef"})))) == {"ok"}


def test_a_data_directory_is_looked_at_without_being_made(tmp_path: Path) -> None:
    place = tmp_path / "not" / "yet"
    (finding,) = doctor.check_data_dir(settings(worker={"data_dir": str(place)}))
    assert finding.status == "ok"
    assert not place.parent.exists()


def test_a_data_directory_below_a_file_fails(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (finding,) = doctor.check_data_dir(settings(worker={"data_dir": str(tmp_path / "file" / "data")}))
    assert finding.status == "fail"


def test_web_tells_a_taken_port_and_an_open_address() -> None:
    import socket

    with socket.create_server((HOST, 0)) as listener:
        port = listener.getsockname()[1]
        assert statuses(list(doctor.check_web(settings(web={"port": port})))) == {"warn"}
    assert statuses(list(doctor.check_web(settings(web={"port": port})))) == {"ok"}
    (finding,) = doctor.check_web(settings(web={"host": "0.0.0.0", "port": port}))
    assert "other machines" in finding.message


def test_advice_is_shown_where_something_is_wrong_and_only_there() -> None:
    console = Console(width=100, record=True, file=open("/dev/null", "w"))  # noqa: SIM115, PTH123
    console.print(doctor.render([Finding("a", "ok", "fine", "unneeded"), Finding("b", "fail", "broken", "mend it")]))
    text = console.export_text()
    assert "mend it" in text
    assert "unneeded" not in text
    assert "1 ok, 0 to look at, 1 failed" in text

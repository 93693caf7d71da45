"""Apache Kafka before it runs: clear errors, its settings, and whose process is signalled."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from streams import apache_kafka
from streams.apache_kafka import KAFKA_HOME, ApacheKafka, fetch
from streams.brokers import BrokerError


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Kafka's files without its jars."""
    place = tmp_path / "home"
    place.mkdir()
    for name in ("pom.xml", "server.properties.in", "log4j2.xml"):
        shutil.copy(KAFKA_HOME / name, place)
    return place


def test_missing_java_is_named_with_what_to_install(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BrokerError, match=r"'java' is not on the PATH.*openjdk"):
        ApacheKafka(tmp_path / "data", home=home).start()


def test_missing_maven_is_named_with_what_to_install(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(home))
    with pytest.raises(BrokerError, match=r"'mvn' is not on the PATH.*maven"):
        fetch(home)


def test_an_installed_package_says_that_it_lacks_the_files(tmp_path: Path) -> None:
    with pytest.raises(BrokerError, match="started from a checkout"):
        fetch(tmp_path)


def test_jars_are_fetched_once_per_version(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    maven = tools / "mvn"
    maven.write_text(f"#!{sys.executable}\nimport pathlib, sys\n")
    with maven.open("a") as script:
        script.write("lib = pathlib.Path(sys.argv[3]).parent / 'lib'\nlib.mkdir()\n(lib / 'kafka.jar').touch()\n")
        script.write(f"open({str(tmp_path / 'calls')!r}, 'a').write('x')\n")
    maven.chmod(0o755)
    monkeypatch.setenv("PATH", str(tools), prepend=os.pathsep)
    for _ in range(3):
        assert (fetch(home) / "kafka.jar").exists()
    assert (tmp_path / "calls").read_text() == "x"
    pom = home / "pom.xml"
    pom.write_text(pom.read_text().replace("4.1.0", "4.1.1"))
    fetch(home)
    assert (tmp_path / "calls").read_text() == "xx"


def test_ports_are_kept_in_the_data_directory(tmp_path: Path) -> None:
    (tmp_path / "server.properties").write_text(
        "node.id=1\nlisteners=PLAINTEXT://127.0.0.1:4711,CONTROLLER://127.0.0.1:4712\n"
    )
    assert ApacheKafka(tmp_path).bootstrap == "127.0.0.1:4711"
    assert ApacheKafka(tmp_path, port=4713).bootstrap == "127.0.0.1:4713"


def test_the_template_listens_on_loopback_only() -> None:
    lines = (KAFKA_HOME / "server.properties.in").read_text().splitlines()
    listeners = [line for line in lines if "://" in line]
    assert len(listeners) == 2
    for line in listeners:
        assert line.count("://127.0.0.1:") == 2
    assert "auto.create.topics.enable=false" in lines


def test_a_process_that_is_not_ours_is_left_alone_even_under_our_old_number(tmp_path: Path) -> None:
    stranger = subprocess.Popen(["sleep", "60"])
    try:
        (tmp_path / "kafka.pid").write_text(f"{stranger.pid}\n")
        kafka = ApacheKafka(tmp_path)
        assert kafka.pid is None
        kafka.stop()
        kafka.kill()
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_stopping_where_nothing_runs_is_no_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert apache_kafka.main(["stop", "--data-dir", str(tmp_path)]) == 0
    assert "does not run" in capsys.readouterr().out

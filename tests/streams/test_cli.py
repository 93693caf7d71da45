"""The command line: help at once, one clear message for each mistake, exit codes as promised."""

from __future__ import annotations

import gzip
import importlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from streams import cli
from streams.brokers import free_ports
from streams.commands import console
from streams.errors import FailedError, UserError
from streams.mention_files import read_mentions
from streams.settings import load
from streams.simulation import BRANDS

_TOLD = ("confirm", "false", "ack", "statement", "plan", "mute", "unmute", "cancel")
_COMMANDS = (
    "worker",
    "replay",
    "watch",
    "topics",
    "doctor",
    "demo",
    "classify",
    "evaluate",
    "train",
    "backtest",
    "simulate",
    "score-counts",
    "ledger",
    *_TOLD,
)


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.upper().startswith("TOCSIN"):
            monkeypatch.delenv(name)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Settings whose broker does not answer."""
    (port,) = free_ports(1)
    path = tmp_path / "tocsin.yaml"
    path.write_text(f"kafka: {{bootstrap_servers: '127.0.0.1:{port}'}}\nbrands: [{{name: Acme, keywords: [acme]}}]\n")
    return path


def _run(*arguments: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(cli.app, [str(argument) for argument in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout, result.stderr


def test_help_reads_like_a_manual() -> None:
    code, out, _ = _run("--help")
    assert code == 0
    for word in (*_COMMANDS, "Environment", "TOCSIN_CONFIG", "Exit codes", "130"):
        assert word in out
    for command in _COMMANDS:
        code, out, _ = _run(command, "--help")
        assert code == 0
        assert f"Example: tocsin {command}" in out or f"| tocsin {command}" in out


def test_help_imports_nothing_heavy() -> None:
    heavy = ("torch", "transformers", "faust", "kafka", "numpy", "pydantic", "streams.settings")
    code = f"import sys, streams.cli; print([name for name in {heavy} if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_a_backtest_with_human_tones_waits_for_neither_kafka_nor_a_model() -> None:
    heavy = ("torch", "transformers", "faust", "kafka", "aiokafka", "llvmlite", "plotly")
    code = f"import sys, streams.commands.backtest; print([name for name in {heavy} if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_version() -> None:
    code, out, _ = _run("--version")
    assert code == 0
    assert out.startswith("tocsin ")


@pytest.mark.parametrize("command", [["watch"], ["topics"], ["replay", "x.jsonl"], ["worker"]])
def test_no_settings_is_one_clear_message(command: list[str]) -> None:
    code, out, err = _run(*command)
    assert code == 2
    assert out == ""
    assert err.startswith("tocsin: ")
    assert "brands" in err
    assert "Traceback" not in err


def test_settings_file_before_or_behind_the_command_or_from_the_environment(
    config: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for arguments in (["--config", config, "replay", "none.jsonl"], ["replay", "none.jsonl", "--config", config]):
        code, _, err = _run(*arguments)
        assert (code, err) == (2, "tocsin: none.jsonl: there is no such file\n")
    monkeypatch.setenv("TOCSIN_CONFIG", str(config))
    assert _run("replay", "none.jsonl")[2] == "tocsin: none.jsonl: there is no such file\n"
    missing = tmp_path / "missing.yaml"
    assert str(missing) in _run("replay", "none.jsonl", "--config", missing)[2]


@pytest.mark.parametrize("command", ["watch", "topics"])
def test_no_broker_is_one_clear_message(config: Path, monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    monkeypatch.setattr("streams.topics.CONNECT_MS", 300)
    code, _, err = _run(command, "--config", config)
    assert code == 2
    assert "no broker can be reached at 127.0.0.1" in err
    assert "Traceback" not in err


def test_mistakes_in_options(config: Path, tmp_path: Path) -> None:
    good = tmp_path / "m.jsonl"
    good.write_text('{"id":"1","created_at":"2026-03-02T10:00:00Z","text":"hi"}\n')
    assert "--speed fast" in _run("replay", good, "--speed", "fast", "--config", config)[2]
    assert "did you mean 'Acme'?" in _run("watch", "--brand", "acme", "--config", config)[2]
    assert _run("replay", good, "--nonsense")[0] == 2
    assert _run("backtest", good, "--tone", "guess")[0] == 2
    assert _run("nonsense")[0] == 2


def test_the_events_of_a_portfolio_can_be_watched(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("streams.topics.CONNECT_MS", 300)
    (port,) = free_ports(1)
    path = tmp_path / "shops.yaml"
    brands = ", ".join(f"{{name: Shop {i}, portfolio: shops}}" for i in range(3))
    path.write_text(f"kafka: {{bootstrap_servers: '127.0.0.1:{port}'}}\nbrands: [{brands}]\n")
    assert "no broker can be reached" in _run("watch", "--brand", "shops", "--config", path)[2]
    assert "is no brand or portfolio" in _run("watch", "--brand", "shop", "--config", path)[2]


def test_every_error_meant_for_users_exists() -> None:
    for name in console._FOR_USERS:
        module, _, kind = name.rpartition(".")
        assert issubclass(getattr(importlib.import_module(module), kind), Exception), name


@pytest.mark.parametrize(
    ("error", "code", "says"),
    [
        (KeyboardInterrupt(), 130, ""),
        (UserError("do this"), 2, "tocsin: do this\n"),
        (FailedError("it broke"), 1, "tocsin: it broke\n"),
        (PermissionError(13, "Permission denied", "out.jsonl"), 2, "tocsin: out.jsonl: Permission denied\n"),
    ],
)
def test_exit_codes(monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int, says: str) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("streams.commands.simulate.run", fail)
    assert _run("simulate", "-") == (code, "", says)


def test_a_bug_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("streams.commands.simulate.run", fail)
    with pytest.raises(ZeroDivisionError):
        _run("simulate", "-")


def test_a_reader_that_leaves_is_no_error() -> None:
    command = [sys.executable, "-m", "streams.cli", "simulate", "-"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert json.loads(process.stdout.readline())["text"]
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 141


def test_simulate_writes_mentions_and_settings_that_fit(tmp_path: Path) -> None:
    file, settings = tmp_path / "fortnight.jsonl.gz", tmp_path / "fortnight.yaml"
    code, _, err = _run("simulate", file, "--days", "2", "--config-out", settings)
    assert code == 0
    assert str(file) in err
    assert gzip.decompress(file.read_bytes()).count(b"\n") == len(list(read_mentions(file)))
    brands = load(settings, {}).brands
    assert [(brand.name, brand.keywords) for brand in brands] == [(brand.name, brand.keywords) for brand in BRANDS]
    before = file.read_bytes()
    _run("simulate", file, "--days", "2")
    assert file.read_bytes() == before


def test_backtest_hands_over_what_was_asked(monkeypatch: pytest.MonkeyPatch, config: Path) -> None:
    from streams.commands.backtest_report import Options

    calls: list[tuple[Any, ...]] = []
    monkeypatch.setattr("streams.commands.backtest.run", lambda *arguments: calls.append(arguments))
    assert _run("backtest", "a.csv", "b.csv", "--tone", "gold", "--budget", "2", "--events", "e.jsonl")[0] == 0
    assert _run("backtest", "a.csv", "--config", config, "--plot", "p.html", "--no-what-if", "--json", "--sort")[0] == 0
    assert calls[0] == (["a.csv", "b.csv"], None, Options("gold", 2.0, Path("e.jsonl")))
    assert [brand.name for brand in calls[1][1].brands] == ["Acme"]
    asked = Options(report=Path("p.html"), what_if=False, as_json=True, sort=True, config=config)
    assert calls[1][2] == asked


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["mute", "Nobody", "--until", "+2h"], "'Nobody' is no brand or portfolio that is watched; there are Acme"),
        (["mute", "Acme", "--until", "later"], "--until: 'later' is no time"),
        (["mute", "Acme", "--until", "2020-01-01T00:00Z"], "is over already"),
        (["mute", "Acme", "--until", "+2h", "--from", "+3h"], "ends before it begins"),
        (["mute", "Acme", "--until", "+500d"], "366 days"),
        (["plan", "Acme", "--until", "+2h", "--factor", "0.2"], "1 to 1000"),
        (["unmute", "Acme", "--at", "+2h"], "in the future"),
        (["false", "3f9a0c61d2b4"], "no broker can be reached"),
        (["mute", "Acme", "--until", "+2h"], "no broker can be reached"),
        (["ledger"], "no broker can be reached"),
        (["ledger", "--commands", "x.jsonl"], "goes with --events"),
        (["ledger", "--events", "/nowhere/x.jsonl"], "/nowhere/x.jsonl: No such file"),
    ],
)
def test_what_people_tell_is_checked_before_it_is_sent(
    config: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    monkeypatch.setattr("streams.topics.CONNECT_MS", 300)
    code, out, said = _run(*arguments, "--config", config)
    assert code == 2
    assert message in said
    assert out == ""
    assert said.count("\n") == 1

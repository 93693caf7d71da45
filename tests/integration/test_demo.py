"""The demo, as a user runs it: once to its end, once interrupted."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from streams.brokers import BrokerError, embedded_program
from tests.conftest import ROOT

_DEMO = [sys.executable, "-m", "streams.cli", "demo", "--keep"]


@pytest.fixture(autouse=True)
def _needs_the_embedded_broker() -> None:
    try:
        embedded_program()
    except BrokerError as error:
        pytest.skip(str(error))


def test_one_crisis_one_page_and_nothing_left_running(tmp_path: Path) -> None:
    result = subprocess.run([*_DEMO, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, timeout=400, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    assert re.search(r"20,203 read, 20,198 scored, 0 without a brand, 5\s+rejected", result.stdout), result.stdout
    events = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    (page,) = [event for event in events if event["data"]["pages"]]
    assert page["subject"] == "Zuvarro Airlines"
    assert "2026-03-12T14:10" < page["time"] < "2026-03-12T15:30"
    in_burst = [event["subject"] for event in events if "2026-03-13T17" < event["time"] < "2026-03-14T03"]
    assert "Fjordfizz" not in in_burst, "nobody is bothered with a harmless burst"
    assert len({event["id"] for event in events}) == len(events)
    assert not _running(tmp_path)


def test_ctrl_c_stops_everything_quietly(tmp_path: Path) -> None:
    # Where the tests run in the background of a shell, Ctrl-C is ignored, and a child would inherit that.
    command = ["env", "--default-signal=INT", *_DEMO, str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 60
        while not (tmp_path / "worker.log").exists() and time.monotonic() < deadline:
            time.sleep(0.1)
        time.sleep(2)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert err == ""
    assert not _running(tmp_path)


def _running(directory: Path) -> list[str]:
    """Command lines of processes that mention a directory."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
            if str(directory) in command:
                found.append(command)
    return found

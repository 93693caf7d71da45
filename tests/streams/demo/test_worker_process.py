"""The worker of the demo: how its end is told, that it is stopped, and what it does not inherit."""

from __future__ import annotations

from pathlib import Path

import pytest

from streams.demo.worker_process import DemoError, WorkerProcess, environment


def test_a_worker_that_dies_is_told_with_the_end_of_its_log(tmp_path: Path) -> None:
    worker = WorkerProcess(tmp_path / "none.yaml", tmp_path)
    worker._command = [*worker._command[:1], "-c", "print('cannot go on'); raise SystemExit(3)"]
    with worker:
        worker._process.wait(timeout=20)
        with pytest.raises(DemoError, match=r"(?s)exit code 3.*cannot go on"):
            worker.check()


def test_a_worker_is_stopped_whatever_happens(tmp_path: Path) -> None:
    worker = WorkerProcess(tmp_path / "none.yaml", tmp_path)
    worker._command = [*worker._command[:1], "-c", "import time; time.sleep(60)"]
    with pytest.raises(ZeroDivisionError), worker:
        _ = 1 / 0
    assert worker._process.returncode is not None


def test_settings_of_a_real_set_up_stay_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOCSIN__KAFKA__BOOTSTRAP_SERVERS", "kafka.example:9092")
    monkeypatch.setenv("TOCSIN_CONFIG", "/etc/tocsin.yaml")
    monkeypatch.setenv("KEPT", "1")
    found = environment()
    assert found["KEPT"] == "1"
    assert not [name for name in found if name.startswith("TOCSIN")]

"""The choice of a backend: fastest, remembered, the same for all workers of a machine, never from a damaged file."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models import backends, choice
from models.backends import BACKENDS, Backend
from models.choice import Measured, choose, fastest, recall
from models.comparison import judge

PARTS = {"adapter": "abc"}
FIGURES = {
    "int8-avx512": Measured(refused="the processor lacks avx512vnni"),
    "openvino-bf16": Measured(1.0, 0.01, 0),
    "torch-fp32": Measured(5.0, 0.0, 0),
}


def _measure() -> Mapping[str, Measured]:
    return FIGURES


def _must_not_measure() -> Mapping[str, Measured]:
    raise AssertionError("measured again")


@pytest.fixture(autouse=True)
def can_run(monkeypatch: pytest.MonkeyPatch) -> dict[str, Backend]:
    """All backends, as if each could run here; to be changed."""
    every = {name: replace(backend, why_not=lambda: None) for name, backend in BACKENDS.items()}
    monkeypatch.setattr(choice, "BACKENDS", every)
    return every


def test_the_fastest_is_taken_and_remembered_with_its_figures(tmp_path: Path) -> None:
    first = choose(PARTS, _measure, tmp_path)
    assert (first.backend, first.remembered) == ("openvino-bf16", False)
    again = choose(PARTS, _must_not_measure, tmp_path)
    assert (again.backend, again.remembered) == ("openvino-bf16", True)
    assert dict(again.figures) == FIGURES


def test_another_model_or_library_is_measured_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    choose(PARTS, _measure, tmp_path)
    with pytest.raises(AssertionError, match="measured again"):
        choose({"adapter": "abd"}, _must_not_measure, tmp_path)
    monkeypatch.setattr(choice, "installed", lambda _: "torch 99")
    with pytest.raises(AssertionError, match="measured again"):
        choose(PARTS, _must_not_measure, tmp_path)


def test_another_graphics_card_is_measured_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    choose(PARTS, _measure, tmp_path)
    card = tmp_path / "cards" / "0000:00:04.0" / "information"
    card.parent.mkdir(parents=True)
    card.write_text("Model: \t\t NVIDIA H200\nIRQ:   \t\t 11\n")
    monkeypatch.setattr(backends, "_NVIDIA", tmp_path / "cards")
    assert "NVIDIA H200" in backends.cards()
    with pytest.raises(AssertionError, match="measured again"):
        choose(PARTS, _must_not_measure, tmp_path)


def _broken() -> str | None:
    raise ImportError("libcuda.so.1: cannot open shared object file")


@pytest.mark.parametrize(("why_not", "told"), [(lambda: "there is no card", "there is no card"), (_broken, "libcuda")])
def test_a_remembered_backend_that_cannot_run_any_more_is_not_taken(
    tmp_path: Path,
    can_run: dict[str, Backend],
    caplog: pytest.LogCaptureFixture,
    why_not: Callable[[], str | None],
    told: str,
) -> None:
    with_card = {**FIGURES, "torch-gpu": Measured(0.1, 0.01, 0)}
    assert choose(PARTS, lambda: with_card, tmp_path).backend == "torch-gpu"
    can_run["torch-gpu"] = replace(can_run["torch-gpu"], why_not=why_not)
    assert recall(PARTS, tmp_path) is None
    again = choose(PARTS, _measure, tmp_path)
    assert (again.backend, again.remembered) == ("openvino-bf16", False)
    assert told in caplog.text
    assert choose(PARTS, _must_not_measure, tmp_path).backend == "openvino-bf16"


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"format": 1}', '{"format": 1, "choices": {"x": 1}}'])
def test_a_damaged_file_is_made_anew(tmp_path: Path, damage: str) -> None:
    choose(PARTS, _measure, tmp_path)
    (file,) = tmp_path.glob("*.json")
    file.write_text(damage)
    assert not choose(PARTS, _measure, tmp_path).remembered
    assert choose(PARTS, _must_not_measure, tmp_path).remembered


def test_a_remembered_backend_that_does_not_exist_is_not_believed(tmp_path: Path) -> None:
    choose(PARTS, _measure, tmp_path)
    (file,) = tmp_path.glob("*.json")
    content = json.loads(file.read_text())
    for entry in content["choices"].values():
        entry["backend"] = "abacus"
    file.write_text(json.dumps(content))
    assert not choose(PARTS, _measure, tmp_path).remembered


def test_workers_that_start_together_choose_alike(tmp_path: Path) -> None:
    # Each would see another order; only the first may look.
    looks: list[int] = []
    found: list[str] = []

    def work(number: int) -> None:
        def measure() -> Mapping[str, Measured]:
            looks.append(number)
            return {name: Measured(1.0 if index == number else 9.0) for index, name in enumerate(BACKENDS)}

        found.append(choose(PARTS, measure, tmp_path).backend)

    workers = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(looks) == 1
    assert len(found) == 4
    assert len(set(found)) == 1


def test_who_waits_for_another_process_is_told_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    with choice._alone(tmp_path):
        waiting = threading.Thread(target=choose, args=(PARTS, _measure, tmp_path), daemon=True)
        waiting.start()
        until = time.monotonic() + 30
        while "waiting for it" not in caplog.text and time.monotonic() < until:
            time.sleep(0.01)
        assert "another process is choosing" in caplog.text
        assert "this takes some seconds" not in caplog.text, "it did not wait"
    waiting.join()
    caplog.clear()
    with choice._alone(tmp_path):
        assert "waiting" not in caplog.text, "nobody holds it any more"


def test_without_a_place_to_remember_there_is_no_race(
    can_run: dict[str, Backend], caplog: pytest.LogCaptureFixture
) -> None:
    can_run["torch-gpu"] = replace(can_run["torch-gpu"], why_not=lambda: "there is no card")
    can_run["int8-avx512"] = replace(can_run["int8-avx512"], why_not=_broken)
    taken = choose(PARTS, _must_not_measure, Path(os.devnull) / "nothing")
    assert taken.backend == "openvino-bf16"
    assert "TOCSIN_CACHE_DIR" in caplog.text


def test_the_folder_may_lie_in_the_home_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.setenv("TOCSIN_CACHE_DIR", "~/kept")
    assert choice.cache_directory() == Path("/home/me/kept")
    monkeypatch.setenv("TOCSIN_CACHE_DIR", "~nobody-of-that-name/kept")
    assert choice.cache_directory() == Path(os.devnull) / "tocsin"


def test_near_ties_go_to_the_one_that_stands_first() -> None:
    assert fastest({"openvino-bf16": Measured(1.1), "torch-bf16": Measured(1.0)}) == "openvino-bf16"
    assert fastest({"openvino-bf16": Measured(1.3), "torch-bf16": Measured(1.0)}) == "torch-bf16"


def test_what_strays_from_float32_is_not_offered() -> None:
    exact = np.tile(np.asarray([0.6, 0.3, 0.1], np.float32), (50, 1))
    assert judge(exact + np.float32(0.01), exact, 1.0).milliseconds == 1.0
    assert judge(exact + np.float32(0.2), exact, 1.0).refused is not None
    assert judge(np.full_like(exact, np.nan), exact, 1.0).refused is not None
    flipped = exact.copy()
    flipped[:5] = [0.4, 0.41, 0.19]
    assert "5 of 50 labels" in str(
        judge(flipped, np.tile(np.asarray([0.45, 0.4, 0.15], np.float32), (50, 1)), 1.0).refused
    )

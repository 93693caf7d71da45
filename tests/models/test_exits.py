"""Exits on disk: read back as written, and refused where they are not what the configuration tells of."""

from __future__ import annotations

import dataclasses
import hashlib
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.adapter import BUNDLED
from models.architecture import HIDDEN
from models.bundled import load_bundled, merged_network
from models.errors import ModelFileError
from models.exits import AFTER, FEATURES, FILE, QUERIES, WIDTH, Exit, read_exits, save_exits


def _exit(layers: int) -> Exit:
    rng = np.random.default_rng(layers)

    def numbers(*shape: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
        # Those that half precision holds.
        return rng.normal(size=shape).astype(np.float16).astype(np.float32)

    return Exit(
        layers,
        numbers(QUERIES, HIDDEN),
        numbers(WIDTH, FEATURES),
        numbers(WIDTH),
        numbers(3, WIDTH),
        numbers(3),
        0.5 + layers / 10,
    )


EXITS = tuple(_exit(layers) for layers in AFTER)


def test_exits_are_read_back_in_the_order_of_their_layers(tmp_path: Path) -> None:
    told = save_exits(EXITS[::-1], tmp_path)
    read = read_exits(tmp_path, {"exits": told})
    assert [one.layers for one in read] == list(AFTER)
    for one, written in zip(read, EXITS, strict=True):
        assert one.sure == written.sure
        for name in ("queries", "dense", "dense_bias", "output", "output_bias"):
            assert getattr(one, name).dtype == np.float32
            assert np.array_equal(getattr(one, name), getattr(written, name)), name


def test_what_is_not_told_of_is_not_read(tmp_path: Path) -> None:
    save_exits(EXITS, tmp_path)
    assert read_exits(tmp_path, {}) == ()


def _refused(directory: Path, config: dict[str, Any], why: str) -> None:
    with pytest.raises(ModelFileError, match=rf"the exits in .*{FILE} cannot be used: .*{why}.*models\.train_exits"):
        read_exits(directory, config)


def test_another_file_than_told_of_is_refused(tmp_path: Path) -> None:
    told = save_exits(EXITS, tmp_path)
    save_exits(EXITS[:2], tmp_path)
    _refused(tmp_path, {"exits": told}, "its SHA-256 is")
    (tmp_path / FILE).unlink()
    _refused(tmp_path, {"exits": told}, "No such file")


def test_a_head_that_is_none_is_refused(tmp_path: Path) -> None:
    layers = AFTER[1]
    narrow = dataclasses.replace(EXITS[1], dense=EXITS[1].dense[:, :-1].copy())
    told = save_exits((EXITS[0], narrow), tmp_path)
    _refused(tmp_path, {"exits": told}, rf"{layers}\.dense has the shape \({WIDTH}, {FEATURES - 1}\), not")
    endless = dataclasses.replace(EXITS[1], output=np.full_like(EXITS[1].output, np.inf))
    _refused(tmp_path, {"exits": save_exits((EXITS[0], endless), tmp_path)}, rf"{layers}\.output holds what is no")


def test_a_file_that_holds_no_tensors_is_refused(tmp_path: Path) -> None:
    told = save_exits(EXITS, tmp_path)
    (tmp_path / FILE).write_bytes(b"tensors")
    _refused(tmp_path, {"exits": told | {"sha256": hashlib.sha256(b"tensors").hexdigest()}}, "")


@pytest.mark.parametrize(
    ("sure", "why"),
    [
        ({"5": 0.9}, r"5\.queries is missing"),
        ({"-1": 0.9}, "an exit is after 0 to 5 layers, not '-1'"),
        ({"6": 0.9}, "not '6'"),
        ({"01": 0.9}, "not '01'"),
        ({"1": 0.0}, "between 0 and 1 on, not 0"),
        ({"1": -1}, "not -1"),
        ({"1": 3}, "not 3"),
        ({"1": float("nan")}, "not nan"),
        ({"1": None}, "NoneType"),
        ([0.9], ""),
        (None, ""),
    ],
)
def test_what_is_told_must_make_sense(tmp_path: Path, sure: object, why: str) -> None:
    _refused(tmp_path, {"exits": save_exits(EXITS, tmp_path) | {"sure": sure}}, why)


@pytest.mark.parametrize("told", [{}, [], "exits", {"sure": {}}])
def test_an_entry_without_its_fields_is_refused(tmp_path: Path, told: object) -> None:
    save_exits(EXITS, tmp_path)
    _refused(tmp_path, {"exits": told}, "")


def test_broken_exits_are_told_of_with_every_backend_but_not_of_the_network_alone(tmp_path: Path) -> None:
    folder = shutil.copytree(BUNDLED, tmp_path / "adapter")
    (folder / FILE).unlink()
    for backend in ("auto", "torch-fp32"):
        with pytest.raises(ModelFileError, match=r"the exits in .* cannot be used"):
            load_bundled(adapter_directory=folder, backend=backend)
    # So that exits can be learned anew where they are lost.
    assert merged_network(folder)[1] > 0

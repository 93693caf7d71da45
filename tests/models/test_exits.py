"""Exits on disk: read back as written, and refused where they are not what the configuration tells of."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from models.errors import ModelFileError
from models.exits import AFTER, FEATURES, FILE, WIDTH, Exit, read_exits, save_exits


def _exit(layers: int) -> Exit:
    rng = np.random.default_rng(layers)

    def numbers(*shape: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
        # Those that half precision holds.
        return rng.normal(size=shape).astype(np.float16).astype(np.float32)

    return Exit(layers, numbers(WIDTH, FEATURES), numbers(WIDTH), numbers(3, WIDTH), numbers(3), 0.5 + layers / 10)


EXITS = tuple(_exit(layers) for layers in AFTER)


def test_exits_are_read_back_in_the_order_of_their_layers(tmp_path: Path) -> None:
    told = save_exits(EXITS[::-1], tmp_path)
    read = read_exits(tmp_path, {"exits": told})
    assert [one.layers for one in read] == list(AFTER)
    for one, written in zip(read, EXITS, strict=True):
        assert one.sure == written.sure
        for name in ("dense", "dense_bias", "output", "output_bias"):
            assert getattr(one, name).dtype == np.float32
            assert np.array_equal(getattr(one, name), getattr(written, name)), name


def test_what_is_not_told_of_is_not_read(tmp_path: Path) -> None:
    save_exits(EXITS, tmp_path)
    assert read_exits(tmp_path, {}) == ()


def test_another_file_than_told_of_is_refused(tmp_path: Path) -> None:
    told = save_exits(EXITS, tmp_path)
    save_exits(EXITS[:2], tmp_path)
    with pytest.raises(ModelFileError, match=rf"{FILE} is not the file this model was made with: its SHA-256 is"):
        read_exits(tmp_path, {"exits": told})
    (tmp_path / FILE).unlink()
    with pytest.raises(ModelFileError, match=f"cannot read model file .*{FILE}"):
        read_exits(tmp_path, {"exits": told})


def test_a_head_of_another_shape_is_refused(tmp_path: Path) -> None:
    narrow = dataclasses.replace(EXITS[1], dense=EXITS[1].dense[:, :-1].copy())
    told = save_exits((EXITS[0], narrow), tmp_path)
    with pytest.raises(ValueError, match=rf"3\.dense has the shape \({WIDTH}, {FEATURES - 1}\), not"):
        read_exits(tmp_path, {"exits": told})


def test_an_exit_that_the_file_lacks_is_refused(tmp_path: Path) -> None:
    told = save_exits(EXITS[:1], tmp_path)
    told["sure"]["4"] = 0.9
    with pytest.raises(KeyError, match=r"4\.dense"):
        read_exits(tmp_path, {"exits": told})

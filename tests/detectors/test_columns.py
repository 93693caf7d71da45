"""Columns keep their types: the memory of a brand and its snapshots stay what they were."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from detectors import BrandProfile, Engine
from detectors.columns import Columns, Minutes, column, exp, ln, row_sum
from tests.detectors.worlds import QUICK, START, profiles, run, span, world


@dataclass
class Some(Columns):
    minute: Minutes = field(metadata=column(np.int32))
    ratio: NDArray[np.float16] = field(metadata=column(np.float16, 3))


def test_a_column_keeps_its_type() -> None:
    some = Some.of(2)
    some.minute = np.array([29_000_000, -(1 << 30)], np.int64)
    some.ratio = np.full((2, 3), 1.23456)
    assert some.minute.dtype == np.int32
    assert some.ratio.dtype == np.float16
    assert some.nbytes() == 2 * (4 + 6)
    again = Some.of(2)
    again.set_row(1, some.row(1))
    assert again.row(1) == some.row(1)
    with pytest.raises(TypeError):
        some.minute = np.array([1.5, 2.0])


def test_running_an_engine_widens_no_column() -> None:
    engine = Engine(profiles(3), QUICK)
    fresh = [c.nbytes() for c in (engine._cores[0].baseline, engine._cores[0].budget)]
    run(engine, span(world(1), 0, START + 1600), START + 1600)
    core = engine._cores[0]
    assert [c.nbytes() for c in (core.baseline, core.budget)] == fresh
    assert core.track.start.dtype == core.gaps.last_seen.dtype == core.gaps.since.dtype == np.int32


def test_a_brand_takes_less_than_six_kilobytes() -> None:
    """Without its mentions; `make bench-detectors` adds those of five an hour."""
    engine = Engine([BrandProfile(f"brand {i}") for i in range(100)])
    a_day_at_five_an_hour = 120 * 10 + 24 * 10 + 120 * 6
    assert engine.nbytes() / 100 + a_day_at_five_an_hour < 6000


def test_sums_do_not_depend_on_the_company() -> None:
    x = np.random.default_rng(0).random((500, 24)) * 10.0 ** np.random.default_rng(1).integers(-8, 8, (500, 24))
    by_hand = np.zeros(500)
    for j in range(24):
        by_hand = by_hand + x[:, j]
    np.testing.assert_array_equal(row_sum(x), by_hand)
    np.testing.assert_array_equal(row_sum(x[7:8]), by_hand[7:8])


@pytest.mark.parametrize(("function", "low", "high"), [(ln, 1e-3, 1e3), (exp, -40.0, 40.0)])
def test_a_number_has_the_same_logarithm_wherever_it_stands(
    function: Callable[[Any], NDArray[np.float64]], low: float, high: float
) -> None:
    x = np.random.default_rng(0).uniform(low, high, (8, 9, 40))
    whole = function(x)
    np.testing.assert_allclose(whole, (np.log if function is ln else np.exp)(x), rtol=1e-15)
    np.testing.assert_array_equal(function(x.T), whole.T)
    np.testing.assert_array_equal(function(x[:, ::3, ::-7]), whole[:, ::3, ::-7])
    for size in range(1, 40):
        at = 3 * size % 40
        np.testing.assert_array_equal(function(x.reshape(-1)[at : at + size]), whole.reshape(-1)[at : at + size])
    assert [float(function(one)) for one in x[0, 0].tolist()] == whole[0, 0].tolist()
    assert function(x[:0]).shape == (0, 9, 40)

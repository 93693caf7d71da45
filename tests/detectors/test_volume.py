"""Hours of few brands in plain numbers: the same bits as in columns."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors import Engine, hours_ahead
from detectors.baseline import DELAY, HISTORY, MIXED, Baseline
from detectors.config import EngineConfig
from detectors.exposure import in_reach
from detectors.level_sums import LevelSums, Taught
from detectors.volume import Volume, level_sums_of, taught_of
from tests.detectors.worlds import QUICK, START, learn, profiles, run, world

CONFIGS = (EngineConfig(), QUICK)


def _known(hours: int, rng: np.random.Generator) -> Baseline:
    """A brand of which so many hours are known."""
    baseline = Baseline.of(1)
    for hour in range(hours):
        mean = 20.0 * (1.0 + 0.8 * np.sin(hour / 4.0))
        authors = int(rng.poisson(mean) * rng.choice([1.0, 1.0, 6.0]))
        learn(baseline, hour, authors, rng.binomial(authors, 0.3), float(rng.choice([1.0, 1.0, 0.4])))
    return baseline


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), known=st.sampled_from([0, 3, 30, 400]), config=st.sampled_from(CONFIGS))
def test_a_brand_learns_the_same_in_numbers_as_in_columns(seed: int, known: int, config: EngineConfig) -> None:
    rng = np.random.default_rng(seed)
    columns = _known(known, rng)
    if rng.random() < 0.3:
        columns.held_negative[0, int(rng.integers(DELAY))] = MIXED
    columns.share_factor = rng.uniform(0.5, 2.0, columns.share_factor.shape).astype(np.float16)
    numbers = columns.copy()
    local = np.arange(known, known + 24, dtype=np.int64)
    counts = [(float(a), float(rng.binomial(a, 0.3))) for a in rng.poisson(25, 24).tolist()]
    skips = (rng.random(24) < 0.2).tolist()
    hears = bool(rng.random() < 0.9)

    factors = columns.share_factors(in_reach(local[None]))[0]
    volume = Volume(numbers, 0, config)
    learned = volume.learn(local.tolist(), factors[:, HISTORY - 1 - DELAY].tolist(), counts, skips, hears)
    volume.store()
    levels = level_sums_of([learned])
    taught = taught_of([learned], (local - DELAY)[:, None], levels)

    before, told = [], []
    for hour, (authors, negative) in enumerate(counts):
        shapes = columns.shapes(in_reach(local[None, hour]))
        np.testing.assert_array_equal(shapes[0, 0], learned.shapes[hour])
        single = shapes.astype(np.float32).astype(np.float64)
        before.append(columns.level_sums())
        skip = np.array([skips[hour]])
        at = single[:, :, HISTORY - 1 - DELAY]
        told.append(columns.learn_volume(np.array([local[hour] - DELAY]), at, columns.day_rhythm(), skip, config))
        reach = np.cumsum(single[0, 0])
        observed = min((reach[-1] - reach[-2]) / single[0, 0, -1], 1.0) if hears else 0.0
        assert learned.observed == np.float32(observed)
        columns.hold(np.array([authors]), np.array([negative]), np.array([observed]))
        assert learned.level[hour] == columns.level()[0][0]
    for f in dataclasses.fields(Baseline):
        np.testing.assert_array_equal(getattr(numbers, f.name), getattr(columns, f.name), err_msg=f.name)
    for one, other in zip(
        (*levels, *taught[:-1]), (*LevelSums.in_order(before), *Taught.in_order(told)[:-1]), strict=True
    ):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("seed", range(3))
def test_an_engine_decides_the_same_with_either(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def decided() -> tuple[object, object]:
        engine = Engine(profiles(3), QUICK)
        return run(engine, world(seed, hours=84), START + 84 * 60), engine.state_dict()["items"]

    used: list[Volume] = []
    real = Volume.store

    def watched(volume: Volume) -> None:
        used.append(volume)
        real(volume)

    monkeypatch.setattr(Volume, "store", watched)
    in_numbers = decided()
    assert used
    monkeypatch.setattr(hours_ahead, "FEW", 0)
    used.clear()
    assert decided() == in_numbers
    assert not used

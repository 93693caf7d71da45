"""The interval of a rate is the exact one."""

from __future__ import annotations

import pytest

from detectors.poisson import poisson_interval


def test_interval_is_exact() -> None:
    low, high = poisson_interval(0, 1.0)
    assert low == 0.0
    assert high == pytest.approx(3.689, abs=1e-3)
    low, high = poisson_interval(10, 5.0)
    assert low == pytest.approx(0.959, abs=1e-3)
    assert high == pytest.approx(3.678, abs=1e-3)
    with pytest.raises(ValueError, match="exposure"):
        poisson_interval(1, 0.0)

"""What the benchmark of backtests says of density follows from its two cases."""

from __future__ import annotations

from bench.backtest import LEAST, costs


def _took(mentions: int, hours: float, a_mention: float, an_hour: float) -> float:
    return mentions * a_mention + hours * an_hour


def test_costs_and_the_density_that_is_fast_enough() -> None:
    assert LEAST == 50_000
    sparse, dense = (_took(10_000, hours, 15e-6, 200e-6) for hours in (1000.0, 100.0))
    told = costs(10_000, 1000.0, sparse, dense)
    assert (
        told
        == "15 microseconds a mention and 200 an hour of a brand: 50,000 a second from 40 mentions a brand and hour on"
    )
    slow = costs(10_000, 1000.0, *(_took(10_000, hours, 21e-6, 200e-6) for hours in (1000.0, 100.0)))
    assert slow.endswith("50,000 a second at no density")

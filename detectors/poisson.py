"""The exact confidence interval of a rate: few pages say little about one, and whoever shows it should show that."""

from __future__ import annotations

from scipy import special


def poisson_interval(events: int, exposure: float, level: float = 0.95) -> tuple[float, float]:
    """Exact confidence interval of a rate, [chi2(a/2, 2k) / 2T, chi2(1 - a/2, 2k + 2) / 2T] (Garwood 1936).

    Parameters
    ----------
    events : k, how many were counted
    exposure : T, over how long, in the unit of time that the rate is per
    level : 1 - a

    Raises
    ------
    ValueError
        Unless exposure > 0.
    """
    if exposure <= 0:
        raise ValueError(f"exposure must be positive, not {exposure}")
    tail = (1.0 - level) / 2.0
    low = float(special.gammaincinv(events, tail)) / exposure if events else 0.0
    return low, float(special.gammaincinv(events + 1, 1.0 - tail)) / exposure

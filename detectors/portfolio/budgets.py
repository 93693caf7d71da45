"""The budgets of a portfolio's brands, as far as the portfolio leaves them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from detectors.config import BrandProfile


def scaled(brands: Sequence[BrandProfile]) -> list[BrandProfile]:
    """Brands whose budgets fit into their portfolio's: where they add up to more, each is lowered in proportion."""
    total: dict[str, float] = {}
    for b in brands:
        if b.portfolio is not None:
            total[b.portfolio] = total.get(b.portfolio, 0.0) + b.budget
    out = []
    for b in brands:
        whole = b.portfolio_budget
        if b.portfolio is not None and whole is not None and total[b.portfolio] > whole:
            out.append(replace(b, budget=b.budget * whole / total[b.portfolio]))
        else:
            out.append(b)
    return out

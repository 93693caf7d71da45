"""State of many brands as columns: one array per quantity, one row per brand.

Every array is written to a snapshot bit by bit, so a restored row continues with exactly the numbers it had.
Arithmetic on columns is element-wise only; where elements of a row are added up, it is done in a fixed order
(`row_sum`), because numpy's pairwise summation may associate differently for different shapes, and the last bit of a
sum must not depend on how many brands share the array.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from functools import cache
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Minutes = NDArray[np.signedinteger[Any]]
"""Ticks and other whole numbers that fit into 32 bits: enough for minutes since 1970 until the year 6053."""
FEW = 12
"""Brands up to which plain numbers are faster than columns of them, where one step depends on the one before."""


def ln(x: Any) -> Floats:
    """Natural logarithm, the same bits for the same number wherever it stands in an array.

    numpy picks a vector or a scalar routine by what an array looks like in memory, and these differ in the last bit; so
    may processors with other vectors. Scores are rounded before they are compared (score.DECIMALS).
    """
    return _one_by_one(np.log, x)


def exp(x: Any) -> Floats:
    """e to the power of x, the same bits as well wherever it stands."""
    return _one_by_one(np.exp, x)


def _one_by_one(function: np.ufunc, x: Any) -> Floats:
    """A function of each number, by numpy's vector routine always: of numbers side by side, and never of one alone."""
    x = np.asarray(x, np.float64, "C")
    if x.size > 1:
        return np.asarray(function(x), np.float64)
    return np.asarray(function(np.repeat(x.reshape(-1), 2))[: x.size].reshape(x.shape), np.float64)


def row_sum(x: NDArray[Any]) -> Floats:
    """Sums over the last axis, from left to right."""
    # A running sum has no choice of order; numpy's sum has.
    return np.asarray(np.cumsum(x, axis=-1, dtype=np.float64)[..., -1], np.float64)


def clipped(x: Floats, low: float, high: float) -> Floats:
    """`numpy.clip`, at half its cost for short arrays."""
    return np.asarray(np.minimum(np.maximum(x, low), high), np.float64)


@cache
def _kind(cls: type[Columns], name: str) -> np.dtype[Any] | None:
    """Type of a column."""
    return next((f.metadata["dtype"] for f in fields(cls) if f.name == name), None)  # type: ignore[arg-type]


class Axis(NamedTuple):
    """An axis whose length is known only when columns are made."""

    name: str
    usual: int
    """Its length unless told otherwise."""


def column(dtype: Any, *shape: int | Axis, fill: Any = 0) -> dict[str, Any]:
    """Metadata of a field of a `Columns` dataclass: an array with one row per brand, each of `shape`."""
    return {"dtype": np.dtype(dtype), "shape": shape, "fill": fill}


class Columns:
    """Base of dataclasses whose fields are arrays with one row per brand.

    A column keeps its type: what is assigned to it is rounded to it, since a wider one would cost memory and be
    written to snapshots that nobody can read. Whole numbers stay whole (TypeError).
    """

    def __setattr__(self, name: str, value: Any) -> None:
        kind = _kind(type(self), name)  # type: ignore[arg-type]
        # Nearly always the type is right already, and small columns are set often.
        if kind is not None and not (type(value) is np.ndarray and value.dtype is kind and value.flags.c_contiguous):
            value = np.asarray(value).astype(kind, "C", "same_kind", copy=False)
        object.__setattr__(self, name, value)

    @classmethod
    def of(cls, n: int, lengths: Mapping[str, int] | None = None) -> Self:
        """Columns of n brands about which nothing is known yet; `lengths` are of axes, by name."""
        made = {}
        for f in fields(cls):  # type: ignore[arg-type]  # subclasses are dataclasses
            shape = [s if isinstance(s, int) else (lengths or {}).get(s.name, s.usual) for s in f.metadata["shape"]]
            made[f.name] = np.full((n, *shape), f.metadata["fill"], f.metadata["dtype"])
        return cls(**made)

    def frozen(self) -> Self:
        """The same columns, which nobody can change through what is returned."""
        made = {}
        for f in fields(self):  # type: ignore[arg-type]
            made[f.name] = getattr(self, f.name).view()
            made[f.name].flags.writeable = False
        return type(self)(**made)

    def copy(self) -> Self:
        """The same columns, which go their own way from here on."""
        return type(self)(**{f.name: getattr(self, f.name).copy() for f in fields(self)})  # type: ignore[arg-type]

    def begin_anew(self, rows: Ints) -> None:
        """Forget what is known of these brands, as if they were new."""
        for f in fields(self):  # type: ignore[arg-type]  # subclasses are dataclasses
            getattr(self, f.name)[rows] = f.metadata["fill"]

    def row(self, i: int) -> dict[str, bytes]:
        """Brand i's row as little-endian bytes per field."""
        out = {}
        for f in fields(self):  # type: ignore[arg-type]
            values = getattr(self, f.name)[i : i + 1]
            out[f.name] = values.astype(values.dtype.newbyteorder("<"), copy=False).tobytes()
        return out

    def set_row(self, i: int, row: Mapping[str, bytes]) -> None:
        """Put back what `row` gave. Raises ValueError where a field is missing or of another size."""
        for f in fields(self):  # type: ignore[arg-type]
            into = getattr(self, f.name)
            if f.name not in row:
                raise ValueError(f"state record lacks {type(self).__name__}.{f.name}")
            values = np.frombuffer(row[f.name], into.dtype.newbyteorder("<"))
            if values.size != into[i : i + 1].size:
                raise ValueError(f"state record holds {values.size} numbers for {type(self).__name__}.{f.name}")
            into[i : i + 1] = values.reshape(into[i : i + 1].shape)

    @classmethod
    def concat(cls, parts: Sequence[Self], order: Ints) -> Self:
        """All rows of `parts`, one after the other, then taken in `order`."""
        made = {}
        for f in fields(cls):  # type: ignore[arg-type]
            made[f.name] = np.ascontiguousarray(np.concatenate([getattr(p, f.name) for p in parts])[order])
        return cls(**made)

    def nbytes(self) -> int:
        """Bytes of all columns."""
        return sum(getattr(self, f.name).nbytes for f in fields(self))  # type: ignore[arg-type]

"""Products in 8-bit integers on the processor's matrix unit (Intel AMX), where there is one and it may be used.

Sums of integers are exact in any order, so the bits are those of the code without it. Sixteen rows by 64 inputs are one
tile, 64 inputs by sixteen columns another as the panels of a matrix hold them already.
"""

from __future__ import annotations

import ctypes
import platform
import sys
from collections.abc import Callable
from functools import cache
from typing import Final

import llvmlite.binding as llvm
from llvmlite import ir

from models.vector_code import I8, I32, INTS, LANES, POINTER, Code, Value

_TILE_ROWS: Final = 16
_TILE_INPUTS: Final = 64

ROWS: Final = 32
"""Rows that are worked on at once. Those beyond the last are read, and what comes of them is not used."""

COLUMN_VECTORS: Final = 2
"""Vectors of columns at once: of the eight tiles that there are four hold sums, two rows and two columns."""

_OF_ROWS: Final = (4, 5)
_OF_COLUMNS: Final = (6, 7)

# Asks Linux to let this process use the unit's registers, which is what makes them exist (arch_prctl(2)).
_SYS_ARCH_PRCTL: Final = 158
_ARCH_REQ_XCOMP_PERM: Final = 0x1023
_XFEATURE_XTILEDATA: Final = 18


@cache
def allowed() -> bool:
    """Whether this process may use the matrix unit for bytes."""
    if sys.platform != "linux" or platform.machine() != "x86_64":
        return False
    features = llvm.get_host_cpu_features()
    if not (features.get("amx-tile") and features.get("amx-int8")):
        return False
    return bool(ctypes.CDLL(None).syscall(_SYS_ARCH_PRCTL, _ARCH_REQ_XCOMP_PERM, _XFEATURE_XTILEDATA) == 0)


def tile(code: Code, name: str, *operands: int | Value) -> None:
    """One instruction of the unit; an ``int`` is the number of a tile."""
    values = [ir.Constant(I8, one) if isinstance(one, int) else one for one in operands]
    code.intrinsic(f"llvm.x86.{name}", ir.VoidType(), values)


def begin(code: Code) -> None:
    """Say how large tiles are; whoever used the unit before in this thread may have said something else."""
    described = [1, *[0] * 15]  # palette 1, and what is reserved
    for size in [_TILE_INPUTS] * 8 + [0] * 8:
        described += [size & 0xFF, size >> 8]
    described += [_TILE_ROWS] * 8 + [0] * 8
    kind = ir.ArrayType(I8, len(described))
    table = ir.GlobalVariable(code.module, kind, "tiles")
    table.linkage, table.global_constant, table.align = "internal", True, 64
    table.initializer = ir.Constant(kind, described)
    tile(code, "ldtilecfg", code.b.bitcast(table, POINTER))


def end(code: Code) -> None:
    """Leave the unit to others."""
    tile(code, "tilerelease")


def product_of_rows(
    code: Code,
    source: Value,
    panel: Value,
    *,
    inputs: int,
    panel_columns: int,
    sums: Value,
    ahead: Callable[[Value], None],
    use: Callable[[int, Callable[[Value, int], Value]], None],
) -> None:
    """:data:`ROWS` rows of bytes (``source``) times a ``panel`` of a matrix.

    ``sums`` is memory for their sums of :data:`COLUMN_VECTORS` vectors of columns. When these are there, ``use`` is
    called with the number of the first of these vectors, and with what loads the sums of a row and one of them.
    ``ahead`` is called at each step, with its number among all.
    """
    b = code.b
    steps = inputs // _TILE_INPUTS
    line = COLUMN_VECTORS * LANES * 4  # bytes of a row of sums

    def of_row(row: Value, vector: int) -> Value:
        return code.load(sums, b.add(code.times(row, line), code.number(64 * vector)), INTS)

    for first in range(0, panel_columns // LANES, COLUMN_VECTORS):
        for number in range(len(_OF_ROWS) * COLUMN_VECTORS):
            tile(code, "tilezero", number)

        def step(index: Value, _: list[Value], first: int = first) -> None:
            ahead(b.add(index, code.number(steps * first // COLUMN_VECTORS)))
            columns = code.at(panel, code.times(index, _TILE_INPUTS * panel_columns))
            rows = code.at(source, code.times(index, _TILE_INPUTS))
            for vector, number in enumerate(_OF_COLUMNS):
                tile(
                    code, "tileloadd64", number, code.at(columns, 64 * (first + vector)), code.number(4 * panel_columns)
                )
            for row, number in enumerate(_OF_ROWS):
                tile(code, "tileloadd64", number, code.at(rows, row * _TILE_ROWS * inputs), code.number(inputs))
                for vector, other in enumerate(_OF_COLUMNS):
                    tile(code, "tdpbusd", row * COLUMN_VECTORS + vector, number, other)

        code.loop(steps, step)
        for row in range(len(_OF_ROWS)):
            for vector in range(COLUMN_VECTORS):
                place = code.at(sums, row * _TILE_ROWS * line + 64 * vector)
                tile(code, "tilestored64", row * COLUMN_VECTORS + vector, place, code.number(line))
        use(first, of_row)


def memory(code: Code) -> Value:
    """What :func:`product_of_rows` needs for sums, as long as the function runs."""
    kind = ir.ArrayType(I32, ROWS * COLUMN_VECTORS * LANES)
    place = code.b.alloca(kind)
    place.align = 64
    return place

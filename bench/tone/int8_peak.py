"""How many operations in 8-bit integers one processor does at most: products in registers, nothing read or written."""

from __future__ import annotations

import time

import numpy as np
from llvmlite import ir

from models import int8_tiles
from models.int8_network import why_not
from models.vector_code import I64, INTS, POINTER, Code, MachineCode, Value, translated

SUMS = 24
"""Products under way at once: more than any processor needs to hide how long one takes."""
ROUNDS = 4_000_000
_OPERATIONS = 2 * 64
"""Of one instruction: a product and a sum a byte."""
TILES = 4
"""Of the matrix unit: sums under way at once, as the network's products have them."""
_OPERATIONS_OF_TILES = 2 * 16 * 16 * 64


def int8_peak(runs: int = 5) -> float | None:
    """Operations a second, the best of some runs; None where the processor has no such instructions."""
    if why_not() is not None:
        return None
    if int8_tiles.allowed():
        return _rate(_of_tiles(), TILES * _OPERATIONS_OF_TILES, runs)
    return _rate(_of_vectors(), SUMS * _OPERATIONS, runs)


def _of_vectors() -> ir.Module:
    module = ir.Module("peak")
    code = Code(module, "peak", [POINTER, I64], public=True)
    place, rounds = code.arguments
    a, b = code.load(place, 0, INTS), code.load(place, 64, INTS)

    def once(_index: Value, sums: list[Value]) -> list[Value]:
        return [code.dot(total, a, b) for total in sums]

    # Each from a place of its own, or the translator would see that all are one.
    start = [code.load(place, 64 * (2 + number), INTS) for number in range(SUMS)]
    for number, total in enumerate(code.loop(rounds, once, *start)):
        code.store(total, place, 64 * (2 + number))
    code.finish()
    return module


def _of_tiles() -> ir.Module:
    module = ir.Module("peak")
    code = Code(module, "peak", [POINTER, I64], public=True)
    _, rounds = code.arguments

    int8_tiles.begin(code)
    for number in range(TILES + 2):
        int8_tiles.tile(code, "tilezero", number)

    def once(_index: Value, _: list[Value]) -> None:
        for number in range(TILES):
            int8_tiles.tile(code, "tdpbusd", number, TILES, TILES + 1)

    code.loop(rounds, once)
    int8_tiles.end(code)
    code.finish()
    return module


def _rate(module: ir.Module, operations: int, runs: int) -> float:
    """Operations a second of code that does so many in each round."""
    machine_code = MachineCode(translated(module))
    run = machine_code.function("peak", 2)
    room = np.ones(64 * (2 + SUMS), np.uint8)
    best = 0.0
    for _ in range(runs):
        began = time.process_time()
        run(room.ctypes.data, ROUNDS)
        best = max(best, ROUNDS * operations / (time.process_time() - began))
    return best

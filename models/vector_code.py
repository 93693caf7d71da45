"""Words for writing loops over vectors of sixteen numbers as LLVM code, and for turning them into machine code.

What is written here is strict: every addition, product and fused multiply-add is rounded as IEEE 754 says, in the order
written, and LLVM may not regroup any. So the result depends on the numbers alone, not on processor or LLVM version.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable, Sequence
from typing import Any, Final

import llvmlite.binding as llvm
import numpy as np
from llvmlite import ir

Value = Any
"""A value of the code being written (``llvmlite`` has no types of its own)."""

LANES: Final = 16
F32: Final = ir.FloatType()
I8: Final = ir.IntType(8)
I32: Final = ir.IntType(32)
I64: Final = ir.IntType(64)
POINTER: Final = ir.PointerType()
FLOATS: Final = ir.VectorType(F32, LANES)
INTS: Final = ir.VectorType(I32, LANES)

# Adding it leaves the rounded integer in the low bits of a float's pattern (for up to 22 bits of it).
ROUNDING: Final = 12_582_912.0

_LOG2_E: Final = math.log2(math.e)
# 2^f on [-0.5, 0.5] as a Taylor series; its error is 3e-6.
_POWER: Final = tuple(math.log(2) ** k / math.factorial(k) for k in range(6))


def single(value: float) -> float:
    """``value`` rounded to single precision, which a constant of LLVM must be."""
    return float(np.float32(value))


class Code:
    """The body of one function: straight code through ``b`` (llvmlite's builder), loops through :meth:`loop`.

    Addresses are pointers plus an offset in bytes.
    """

    def __init__(self, module: ir.Module, name: str, arguments: Sequence[ir.Type], *, public: bool = False) -> None:
        kind = ir.FunctionType(ir.VoidType(), list(arguments))
        self.function = ir.Function(module, kind, name)
        if not public:
            self.function.linkage = "internal"
            self.function.attributes.add("noinline")
        self.module = module
        self.b = ir.IRBuilder(self.function.append_basic_block())
        self.arguments: Sequence[Value] = self.function.args

    def finish(self) -> ir.Function:
        """End the function."""
        self.b.ret_void()
        return self.function

    # -- numbers

    def number(self, value: int) -> Value:
        """A 64-bit constant."""
        return ir.Constant(I64, value)

    def floats(self, value: float | Value) -> Value:
        """A vector with ``value`` in all lanes; ``value`` is a constant or a float of the code."""
        if isinstance(value, float):
            return ir.Constant(FLOATS, [ir.Constant(F32, single(value))] * LANES)
        return self._spread(value, FLOATS)

    def ints(self, value: int | Value) -> Value:
        """A vector of 32-bit integers with ``value`` in all lanes."""
        if isinstance(value, int):
            return ir.Constant(INTS, [ir.Constant(I32, value)] * LANES)
        return self._spread(value, INTS)

    def _spread(self, value: Value, kind: ir.VectorType) -> Value:
        one = self.b.insert_element(ir.Constant(kind, ir.Undefined), value, ir.Constant(I32, 0))
        return self.shuffle(one, one, [0] * LANES)

    # -- memory

    def at(self, pointer: Value, offset: Value | int) -> Value:
        """``pointer`` moved by ``offset`` bytes."""
        return self.b.gep(pointer, [self.number(offset) if isinstance(offset, int) else offset], source_etype=I8)

    def load(self, pointer: Value, offset: Value | int = 0, kind: ir.Type = FLOATS) -> Value:
        """What lies at ``pointer`` + ``offset``."""
        return self.b.load(self.at(pointer, offset), typ=kind, align=1 if kind is I8 else 4)

    def store(self, value: Value, pointer: Value, offset: Value | int = 0) -> None:
        """Write ``value`` to ``pointer`` + ``offset``."""
        self.b.store(value, self.at(pointer, offset), align=1 if value.type is I8 else 4)

    def address(self, table: Value, index: int) -> Value:
        """The pointer at place ``index`` of a table of pointers."""
        return self.b.load(self.at(table, 8 * index), typ=POINTER, align=8)

    def fetch(self, pointer: Value, offset: Value | int = 0) -> None:
        """Ask for the cache line at ``pointer`` + ``offset``, which may lie anywhere, into the second-level cache."""
        hints = [ir.Constant(I32, hint) for hint in (0, 2, 1)]  # to read; used again; data
        self.intrinsic("llvm.prefetch.p0", ir.VoidType(), [self.at(pointer, offset), *hints])

    # -- control

    def loop(
        self, count: Value | int, body: Callable[[Value, list[Value]], Sequence[Value] | None], *start: Value
    ) -> list[Value]:
        """Run ``body(index, values)`` for index 0 to ``count`` - 1, at least once; the values that it returns go into
        its next turn, and the last ones come back.
        """
        b = self.b
        before = b.block
        head = self.function.append_basic_block()
        b.branch(head)
        b.position_at_end(head)
        index = b.phi(I64)
        index.add_incoming(self.number(0), before)
        values = [b.phi(value.type) for value in start]
        for phi, value in zip(values, start, strict=True):
            phi.add_incoming(value, before)
        results = list(body(index, values) or ())
        following = b.add(index, self.number(1))
        end = b.block
        index.add_incoming(following, end)
        for phi, value in zip(values, results, strict=True):
            phi.add_incoming(value, end)
        after = self.function.append_basic_block()
        again = b.icmp_signed("<", following, self.number(count) if isinstance(count, int) else count)
        b.cbranch(again, head, after)
        b.position_at_end(after)
        return results

    def times(self, a: Value, factor: int) -> Value:
        """A 64-bit product with a constant."""
        return self.b.mul(a, self.number(factor))

    def call(self, function: ir.Function, *arguments: Value | int) -> None:
        """Call a function of the same module."""
        self.b.call(function, [self.number(value) if isinstance(value, int) else value for value in arguments])

    # -- arithmetic on vectors

    def fma(self, a: Value, b: Value, c: Value) -> Value:
        """a * b + c, rounded once."""
        return self.intrinsic("llvm.fma.v16f32", FLOATS, [a, b, c])

    def root(self, a: Value) -> Value:
        """Square root of one number."""
        return self.intrinsic("llvm.sqrt.f32", F32, [a])

    def dot(self, sums: Value, unsigned: Value, signed: Value) -> Value:
        """``sums`` plus, in each lane, the products of four unsigned and four signed bytes: exact integers."""
        return self.intrinsic("llvm.x86.avx512.vpdpbusd.512", INTS, [sums, unsigned, signed])

    def intrinsic(self, name: str, result: ir.Type, values: list[Value]) -> Value:
        """Call an instruction that LLVM has a name for."""
        function = self.module.globals.get(name)
        if function is None:
            function = ir.Function(self.module, ir.FunctionType(result, [value.type for value in values]), name)
        return self.b.call(function, values)

    def larger(self, a: Value, b: Value) -> Value:
        """The larger of each pair of lanes."""
        return self.b.select(self.b.fcmp_ordered(">", a, b), a, b)

    def smaller(self, a: Value, b: Value) -> Value:
        """The smaller of each pair of lanes."""
        return self.b.select(self.b.fcmp_ordered("<", a, b), a, b)

    def absolute(self, a: Value) -> Value:
        """Without the sign."""
        return self.as_floats(self.b.and_(self.as_ints(a), self.ints(0x7FFFFFFF)))

    def choose(self, mask: int, a: Value, b: Value) -> Value:
        """The bits of ``a`` where ``mask`` has ones in each lane, else those of ``b``."""
        return self.b.or_(self.b.and_(a, self.ints(mask)), self.b.and_(b, self.ints(~mask & 0xFFFFFFFF)))

    def as_ints(self, a: Value) -> Value:
        """The pattern of floats, read as integers."""
        return self.b.bitcast(a, INTS)

    def as_floats(self, a: Value) -> Value:
        """The other way round."""
        return self.b.bitcast(a, FLOATS)

    def shuffle(self, a: Value, b: Value, places: Sequence[int]) -> Value:
        """Lanes of ``a`` (0 to 15) and ``b`` (16 to 31) in another order."""
        mask = ir.Constant(ir.VectorType(I32, len(places)), [ir.Constant(I32, place) for place in places])
        return self.b.shuffle_vector(a, b, mask)

    def across(self, a: Value, combine: Callable[[Value, Value], Value]) -> Value:
        """All lanes of ``a`` combined, pair by pair; the result stands in each lane."""
        for step in (8, 4, 2, 1):
            a = combine(a, self.shuffle(a, a, [lane ^ step for lane in range(LANES)]))
        return a

    def sum(self, values: Sequence[Value]) -> Value:
        """The sum of several vectors over vectors and lanes, in each lane."""
        return self.across(self._tree(values, self.b.fadd), self.b.fadd)

    def maximum(self, values: Sequence[Value]) -> Value:
        """The largest of several vectors and their lanes, in each lane."""
        return self.across(self._tree(values, self.larger), self.larger)

    def _tree(self, values: Sequence[Value], combine: Callable[[Value, Value], Value]) -> Value:
        level = list(values)
        while len(level) > 1:
            paired = [combine(level[i], level[i + 1]) for i in range(0, len(level) - 1, 2)]
            level = paired + ([level[-1]] if len(level) % 2 else [])
        return level[0]

    def lane(self, a: Value, index: int = 0) -> Value:
        """One number out of a vector."""
        return self.b.extract_element(a, ir.Constant(I32, index))

    def exp(self, a: Value) -> Value:
        """e^a for a up to 87, to 3e-6 of itself; e^-87 below -87."""
        b = self.b
        a = self.larger(a, self.floats(-87.0))
        scaled = b.fmul(a, self.floats(_LOG2_E))
        shifted = b.fadd(scaled, self.floats(ROUNDING))
        fraction = b.fsub(scaled, b.fsub(shifted, self.floats(ROUNDING)))
        power = self.polynomial(fraction, _POWER)
        # The whole part goes into the exponent.
        return self.as_floats(b.add(self.as_ints(power), b.shl(self.as_ints(shifted), self.ints(23))))

    def real_lanes(self, count: Value, vectors: int) -> list[Value]:
        """For each of so many vectors, which of their lanes are among the first ``count`` (64 bits) of all."""
        numbers = ir.Constant(INTS, [ir.Constant(I32, lane) for lane in range(LANES)])
        most = self.ints(self.b.trunc(count, I32))
        return [
            self.b.icmp_signed("<", self.b.add(numbers, self.ints(LANES * vector)), most) for vector in range(vectors)
        ]

    def powers(self, scores: Sequence[Value], real: Sequence[Value]) -> list[Value]:
        """e^(score - largest score) in ``real`` lanes, 0 in the others: a softmax but for the division by their sum."""
        b = self.b
        masked = [b.select(own, score, self.floats(-1e30)) for own, score in zip(real, scores, strict=True)]
        largest = self.maximum(masked)
        return [
            b.select(own, self.exp(b.fsub(score, largest)), self.floats(0.0))
            for own, score in zip(real, masked, strict=True)
        ]

    def polynomial(self, a: Value, coefficients: Sequence[float]) -> Value:
        """c0 + c1 a + c2 a^2 ... by Horner's rule."""
        result = self.floats(coefficients[-1])
        for coefficient in reversed(coefficients[:-1]):
            result = self.fma(result, a, self.floats(coefficient))
        return result


def _target() -> llvm.TargetMachine:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    return llvm.Target.from_default_triple().create_target_machine(
        cpu=llvm.get_host_cpu_name(), features=llvm.get_host_cpu_features().flatten(), opt=3
    )


def translator() -> str:
    """What translates: LLVM's version and the processor's name and abilities, all that machine code depends on besides
    the module.
    """
    version = ".".join(map(str, llvm.llvm_version_info))
    return f"{version} {llvm.get_host_cpu_name()} {llvm.get_host_cpu_features().flatten()}"


def translated(module: ir.Module) -> bytes:
    """A module as machine code for the processor at hand, in the form that :class:`MachineCode` reads."""
    parsed = llvm.parse_assembly(str(module))
    parsed.verify()
    code: bytes = _target().emit_object(parsed)
    return code


class MachineCode:
    """Machine code that can be run, kept as long as this object lives."""

    def __init__(self, code: bytes) -> None:
        self._engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), _target())
        self._engine.add_object_file(llvm.ObjectFileRef.from_data(code))
        self._engine.finalize_object()

    def function(self, name: str, arguments: int) -> Callable[..., None]:
        """A function of the module that takes so many pointers or 64-bit integers. It runs without Python's lock."""
        kind = ctypes.CFUNCTYPE(None, *[ctypes.c_int64] * arguments)
        return kind(self._engine.get_function_address(name))

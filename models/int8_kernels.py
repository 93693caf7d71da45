"""The bundled network in 8-bit integers, written as vector code for processors with AVX512-VNNI; products are by the
matrix unit where there is one (models.int8_tiles).

Each row (token) of an activation gets a scale of its own, each column of a matrix too, so that a row's result knows
nothing of other rows; products are summed in exact integers. Between the products everything is single precision, one
token or one text at a time, in an order that its own length decides. Hence "one text, one tone" by construction: no
padding, no fixed shapes, and the same bits on any processor that has the instructions.

Tokens lie packed, one text behind the other; a *group* is what goes through all layers while it fits the caches. Before
the first layer and behind some others texts leave it whose tone is clear already (models.exits); those that stay move
together.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

from llvmlite import ir

from models import code_cache, int8_attention, int8_heads, int8_layout, int8_tiles, vector_code
from models.int8_layout import (
    EXIT_FIELDS,
    HEAD_FIELDS,
    LAYER_FIELDS,
    MODEL_FIELDS,
    NO_EXIT,
    PRODUCT_FIELDS,
    PRODUCTS,
    SCRATCH_FIELDS,
    Sizes,
)
from models.vector_code import (
    F32,
    FLOATS,
    I32,
    I64,
    INTS,
    LANES,
    POINTER,
    Code,
    MachineCode,
    Value,
    single,
    translated,
    translator,
)

KERNELS: Final = 4
"""Version of the arithmetic here and in what code is taken from; raise it with any change that can change a bit."""

ROW_BLOCK: Final = 6
"""Rows that a product works on at once: 6 rows by 64 columns of sums fill 24 of the 32 registers."""

PANEL: Final = 64
"""Columns that a product works on at once; matrices are stored panel by panel."""

_COLUMN_VECTORS: Final = PANEL // LANES
_UNROLLED: Final = 8
# Cache lines of the next panel that each turn of the inner loop asks for: all of a panel within sixteen blocks of rows.
_FETCHED: Final = 2

# The same at each step of the matrix unit, which goes through five times as many rows.
_FETCHED_BY_TILES: Final = 10

WIDENED_ROWS: Final = 96
"""Rows that go through the feed-forward part at once: a quarter of their widened activations stays in the second-level
cache, beside the quarter of the matrices that makes and takes it.
"""

ZERO_POINT: Final = 128
"""The byte that stands for zero where an activation has both signs."""

BYTE_ORDER: Final = tuple(LANES * (place % 4) + place // 4 for place in range(4 * LANES))
"""Column of each byte within 64 of an activation: what four vectors hold in one lane lies together, since that is the
cheapest to write. Matrices have their inputs in the same order.
"""

# A sum with it has the bytes 0 to 255 in the second byte of its pattern, and 256 steps between two of them.
_BYTE_IN_SECOND: Final = 49_152.0

# gelu(x) = max(x, 0) - t Phi(-t), t = |x|; that bump is t times this polynomial of t (its negative is written) up to
# here, and stays what it is there beyond; fitted for the least absolute error, 6.9e-04.
_BUMP: Final = (
    -0.510235071182251,
    0.4447186589241028,
    -0.0566612109541893,
    -0.05536244809627533,
    0.02110990509390831,
    -0.002183394506573677,
)
_BUMP_END: Final = 3.4

LOWEST_GELU: Final = 0.1695
"""gelu as computed here never falls below minus this: its bytes need no room for less."""


_FIRST_OF_EXIT: Final = f"exit.{EXIT_FIELDS[0]}"

Epilogue = Callable[[Code, Value, Value, Value], Value]


def _keep(code: Code, value: Value, target: Value, offset: Value) -> Value:  # noqa: ARG001
    return value


def _add_to_target(code: Code, value: Value, target: Value, offset: Value) -> Value:
    return code.b.fadd(value, code.load(target, offset))


def gelu(code: Code, value: Value) -> Value:
    r"""x Phi(x) (Hendrycks and Gimpel, 2016) as max(x, 0) less a polynomial of \|x\|, to 8e-4."""
    near = code.smaller(code.absolute(value), code.floats(_BUMP_END))
    return code.fma(near, code.polynomial(near, _BUMP), code.larger(value, code.floats(0.0)))


def _product(module: ir.Module, name: str, inputs: int, outputs: int, epilogue: Epilogue, tiles: bool) -> ir.Function:
    """``target`` (rows, outputs) float = epilogue(bytes (rows, inputs) times a matrix + bias).

    Arguments: bytes, row scales, the four fields of a product, the matrix that is read next, target, blocks of rows.
    With ``tiles`` by the matrix unit.
    """
    code = Code(module, name, [POINTER] * 8 + [I64])
    b = code.b
    source, row_scales, matrix, scales, bias, start, following_matrix, target, blocks = code.arguments
    turns = inputs // (4 * _UNROLLED)
    panels = outputs // PANEL
    memory = int8_tiles.memory(code) if tiles else None

    def panel(index: Value, _: list[Value]) -> None:
        columns = code.times(index, PANEL * 4)  # offset of the panel's columns in tables of 4-byte numbers
        panel_start = code.at(matrix, code.times(index, PANEL * inputs))
        last = b.icmp_signed("==", index, code.number(panels - 1))
        ahead = b.select(last, following_matrix, code.at(panel_start, PANEL * inputs))

        def of_columns(table: Value, vectors: range, kind: ir.Type = FLOATS) -> list[Value]:
            return [code.load(table, b.add(columns, code.number(64 * vector)), kind) for vector in vectors]

        def finish(row: Value, whole: list[Value], vectors: range, factors: list[Value], biases: list[Value]) -> None:
            """Write a row's sums, told as integers."""
            row_scale = code.floats(code.load(row_scales, code.times(row, 4), F32))
            row_start = b.add(code.times(row, outputs * 4), columns)
            for place, vector in enumerate(vectors):
                scaled = b.fmul(b.sitofp(whole[place], FLOATS), row_scale)
                value = code.fma(scaled, factors[place], biases[place])
                goal = b.add(row_start, code.number(64 * vector))
                code.store(epilogue(code, value, target, goal), target, goal)

        def chunk(number: Value, _: list[Value]) -> None:
            first_row = code.times(number, int8_tiles.ROWS)
            left = b.sub(code.times(blocks, ROW_BLOCK), first_row)
            count = b.select(b.icmp_signed("<", left, code.number(int8_tiles.ROWS)), left, code.number(int8_tiles.ROWS))
            fetched = code.at(ahead, code.times(number, _FETCHED_BY_TILES * 2 * inputs))

            def fetch(step: Value) -> None:
                for line in range(_FETCHED_BY_TILES):
                    code.fetch(fetched, b.add(code.times(step, _FETCHED_BY_TILES * 64), code.number(64 * line)))

            def use(first: int, of_row: Callable[[Value, int], Value]) -> None:
                vectors = range(first, first + int8_tiles.COLUMN_VECTORS)
                starts = of_columns(start, vectors, INTS)
                tables = of_columns(scales, vectors), of_columns(bias, vectors)

                def row(index: Value, _: list[Value]) -> None:
                    whole = [b.add(of_row(index, place), starts[place]) for place in range(len(vectors))]
                    finish(b.add(first_row, index), whole, vectors, *tables)

                code.loop(count, row)

            rows = code.at(source, code.times(first_row, inputs))
            int8_tiles.product_of_rows(
                code, rows, panel_start, inputs=inputs, panel_columns=PANEL, sums=memory, ahead=fetch, use=use
            )

        def block(row_block: Value, _: list[Value]) -> None:
            rows = [code.at(source, code.times(row_block, ROW_BLOCK * inputs))]
            rows += [code.at(rows[0], row * inputs) for row in range(1, ROW_BLOCK)]
            fetched = code.at(ahead, code.times(row_block, turns * _FETCHED * 64))
            every = range(_COLUMN_VECTORS)
            sums = of_columns(start, every, INTS)

            def step(chunk: Value, accumulated: list[Value]) -> list[Value]:
                for line in range(_FETCHED):
                    code.fetch(fetched, b.add(code.times(chunk, _FETCHED * 64), code.number(64 * line)))
                for part in range(_UNROLLED):
                    at_matrix = b.add(code.times(chunk, _UNROLLED * PANEL * 4), code.number(part * PANEL * 4))
                    at_row = b.add(code.times(chunk, _UNROLLED * 4), code.number(part * 4))
                    weights = [
                        code.load(panel_start, b.add(at_matrix, code.number(64 * vector)), INTS) for vector in every
                    ]
                    following = []
                    for row in range(ROW_BLOCK):
                        four = code.ints(code.load(rows[row], at_row, I32))
                        following += [
                            code.dot(accumulated[row * _COLUMN_VECTORS + vector], four, weights[vector])
                            for vector in every
                        ]
                    accumulated = following
                return accumulated

            done = code.loop(turns, step, *(sums * ROW_BLOCK))
            tables = of_columns(scales, every), of_columns(bias, every)
            first_row = code.times(row_block, ROW_BLOCK)
            for row in range(ROW_BLOCK):
                whole = done[row * _COLUMN_VECTORS : (row + 1) * _COLUMN_VECTORS]
                finish(b.add(first_row, code.number(row)), whole, every, *tables)

        if tiles:
            of_chunks = b.add(code.times(blocks, ROW_BLOCK), code.number(int8_tiles.ROWS - 1))
            code.loop(b.sdiv(of_chunks, code.number(int8_tiles.ROWS)), chunk)
        else:
            code.loop(blocks, block)

    code.loop(panels, panel)
    return code.finish()


def _store_bytes(code: Code, values: list[Value], target: Value, scale: Value, zero: Value) -> None:
    """round(value * scale + zero) as a byte each, 64 at a time in the order of :data:`BYTE_ORDER`."""
    b = code.b
    # Half of one, since what follows cuts and does not round.
    shift = b.fadd(zero, code.floats(_BYTE_IN_SECOND + 0.5))
    for group in range(0, len(values), 4):
        one, two, three, four = (code.as_ints(code.fma(v, scale, shift)) for v in values[group : group + 4])
        low = code.choose(0x000000FF, b.lshr(one, code.ints(8)), two)
        high = code.choose(0x00FF0000, b.shl(three, code.ints(8)), b.shl(four, code.ints(16)))
        code.store(code.choose(0x0000FFFF, low, high), target, group * LANES)


def _store_signed(code: Code, values: list[Value], target: Value, scales: Value) -> None:
    """A row of both signs to bytes, and its scale."""
    b = code.b
    largest = code.lane(code.maximum([code.absolute(value) for value in values]))
    smallest = ir.Constant(F32, single(1e-20))
    largest = b.select(b.fcmp_ordered(">", largest, smallest), largest, smallest)
    scale = code.floats(b.fdiv(ir.Constant(F32, 127.0), largest))
    _store_bytes(code, values, target, scale, code.floats(float(ZERO_POINT)))
    code.store(b.fmul(largest, ir.Constant(F32, single(1 / 127))), scales)


def _load_row(code: Code, pointer: Value, width: int) -> list[Value]:
    return [code.load(pointer, 64 * vector) for vector in range(width // LANES)]


def _normed(code: Code, values: list[Value], weight: Value, bias: Value, epsilon: float) -> list[Value]:
    """Layer normalisation of one row."""
    b = code.b
    count = len(values) * LANES
    mean = b.fmul(code.sum(values), code.floats(1.0 / count))
    centred = [b.fsub(value, mean) for value in values]
    squares = code.floats(0.0)
    parts = [squares] * 4
    for index, value in enumerate(centred):
        parts[index % 4] = code.fma(value, value, parts[index % 4])
    variance = code.fma(code.sum(parts), code.floats(1.0 / count), code.floats(epsilon))
    # One number: a division of sixteen equal ones takes four times as long.
    scale = code.floats(b.fdiv(ir.Constant(F32, 1.0), code.root(code.lane(variance))))
    return [
        code.fma(b.fmul(value, scale), code.load(weight, 64 * index), code.load(bias, 64 * index))
        for index, value in enumerate(centred)
    ]


def _norm(module: ir.Module, sizes: Sizes) -> ir.Function:
    """Rows normed in place, and as bytes. Arguments: rows, weight, bias, bytes, scales, number of rows."""
    code = Code(module, "norm", [POINTER] * 5 + [I64])
    rows, weight, bias, target, scales, count = code.arguments

    def row(index: Value, _: list[Value]) -> None:
        here = code.at(rows, code.times(index, sizes.hidden * 4))
        normed = _normed(code, _load_row(code, here, sizes.hidden), weight, bias, sizes.epsilon)
        for place, value in enumerate(normed):
            code.store(value, here, 64 * place)
        goal = code.at(target, code.times(index, sizes.hidden))
        _store_signed(code, normed, goal, code.at(scales, code.times(index, 4)))

    code.loop(count, row)
    return code.finish()


def _to_bytes(module: ir.Module, sizes: Sizes) -> ir.Function:
    """Rows of both signs as bytes. Arguments: rows, bytes, scales, number of rows."""
    code = Code(module, "to_bytes", [POINTER] * 3 + [I64])
    rows, target, scales, count = code.arguments

    def row(index: Value, _: list[Value]) -> None:
        values = _load_row(code, code.at(rows, code.times(index, sizes.hidden * 4)), sizes.hidden)
        goal = code.at(target, code.times(index, sizes.hidden))
        _store_signed(code, values, goal, code.at(scales, code.times(index, 4)))

    code.loop(count, row)
    return code.finish()


def _gelu_to_bytes(module: ir.Module, sizes: Sizes) -> ir.Function:
    """gelu of rows as bytes of its value + :data:`LOWEST_GELU`, so that all bytes are used although gelu's range is
    lopsided. Arguments as `to_bytes`.
    """
    code = Code(module, "gelu_to_bytes", [POINTER] * 3 + [I64])
    b = code.b
    rows, target, scales, count = code.arguments

    def row(index: Value, _: list[Value]) -> None:
        here = code.at(rows, code.times(index, sizes.hidden * 4))
        values = [gelu(code, value) for value in _load_row(code, here, sizes.hidden)]
        largest = code.larger(code.maximum(values), code.floats(0.0))
        span = code.lane(b.fadd(largest, code.floats(LOWEST_GELU)))
        scale = code.floats(b.fdiv(ir.Constant(F32, 255.0), span))
        goal = code.at(target, code.times(index, sizes.hidden))
        _store_bytes(code, values, goal, scale, b.fmul(scale, code.floats(LOWEST_GELU)))
        code.store(b.fmul(span, ir.Constant(F32, single(1 / 255))), scales, code.times(index, 4))

    code.loop(count, row)
    return code.finish()


def _embed(module: ir.Module, sizes: Sizes) -> ir.Function:
    """Token ids to rows (not yet normed). Arguments: model table, ids, ids from text to text, lengths, number of texts,
    rows.
    """
    code = Code(module, "embed", [POINTER, POINTER, I64, POINTER, I64, POINTER])
    b = code.b
    table, ids, stride, lengths, texts, hidden = code.arguments
    words, positions = code.address(table, 0), code.address(table, 1)

    def text(index: Value, row: list[Value]) -> list[Value]:
        tokens = code.load(lengths, code.times(index, 8), I64)

        def token(place: Value, _: list[Value]) -> None:
            number = code.load(ids, code.times(b.add(b.mul(index, stride), place), 8), I64)
            word = code.at(words, code.times(number, sizes.hidden * 4))
            position = code.at(positions, code.times(place, sizes.hidden * 4))
            goal = code.at(hidden, code.times(b.add(row[0], place), sizes.hidden * 4))
            for offset in range(0, sizes.hidden * 4, 64):
                code.store(b.fadd(code.load(word, offset), code.load(position, offset)), goal, offset)

        code.loop(tokens, token)
        return [b.add(row[0], tokens)]

    code.loop(texts, text, code.number(0))
    return code.finish()


def _group(module: ir.Module, sizes: Sizes, tiles: bool) -> ir.Function:
    """A group of texts through the whole network. Arguments: model table, layers' table, number of layers, scratch
    table, ids, ids from text to text, lengths, number of texts, number of tokens, tones.
    """
    hidden = sizes.hidden
    keep = _product(module, "keep", hidden, hidden, _keep, tiles)
    add = _product(module, "add", hidden, hidden, _add_to_target, tiles)
    norm, to_bytes, gelu_to_bytes = _norm(module, sizes), _to_bytes(module, sizes), _gelu_to_bytes(module, sizes)
    attend, embed = int8_attention.attend_texts(module, sizes), _embed(module, sizes)
    leave, tones = int8_heads.leave(module, sizes), int8_heads.tones(module, sizes)

    code = Code(module, "group", [POINTER] * 2 + [I64] + [POINTER] * 2 + [I64, POINTER, I64, I64, POINTER])
    b = code.b
    model, layers, depth, scratch, ids, stride, lengths, texts, tokens, results = code.arguments
    at = {name: code.address(scratch, place) for place, name in enumerate(SCRATCH_FIELDS)}
    bytes_of = (at["bytes"], at["scales"])
    wide_bytes = (at["widened_bytes"], at["widened_scales"])
    own = (at["lengths"], at["places"], at["left"])

    def note(index: Value, _: list[Value]) -> None:
        code.store(code.load(lengths, code.times(index, 8), I64), at["lengths"], code.times(index, 8))
        code.store(index, at["places"], code.times(index, 8))

    code.loop(texts, note)
    code.store(texts, at["left"])
    code.store(tokens, at["left"], 8)
    code.call(embed, model, ids, stride, lengths, texts, at["hidden"])
    code.call(norm, at["hidden"], code.address(model, 2), code.address(model, 3), *bytes_of, tokens)

    def leave_after(exit_: Value, passed: Value) -> None:
        sure = code.load(code.address(exit_, EXIT_FIELDS.index("sure")), 0, F32)
        with b.if_then(b.fcmp_ordered("<", sure, ir.Constant(F32, NO_EXIT))):
            scratch_of = (at["shares"], at["features"])
            code.call(leave, exit_, passed, at["hidden"], *bytes_of, *own, *scratch_of, results)

    leave_after(code.at(model, 8 * MODEL_FIELDS.index(_FIRST_OF_EXIT)), code.number(0))

    def layer(index: Value, _: list[Value]) -> None:
        left = code.load(at["left"], 0, I64)
        with b.if_then(b.icmp_signed(">", left, code.number(0))):
            one_layer(index, left, code.load(at["left"], 8, I64))

    def one_layer(index: Value, texts: Value, tokens: Value) -> None:
        table = code.at(layers, code.times(index, 8 * len(LAYER_FIELDS)))
        blocks = b.sdiv(b.add(tokens, code.number(ROW_BLOCK - 1)), code.number(ROW_BLOCK))

        def product(name: str) -> list[Value]:
            return [code.address(table, LAYER_FIELDS.index(f"{name}.{field}")) for field in PRODUCT_FIELDS]

        def norm_of(name: str) -> tuple[Value, Value]:
            place = LAYER_FIELDS.index(f"{name}.weight")
            return code.address(table, place), code.address(table, place + 1)

        def of_part(fields: list[Value], number: Value) -> list[Value]:
            return [
                code.at(fields[0], code.times(number, hidden * hidden)),
                *(code.at(field, code.times(number, hidden * 4)) for field in fields[1:]),
            ]

        reading, joining, widening, narrowing = (product(name) for name in PRODUCTS)

        def heads(number: Value, _: list[Value]) -> None:
            into = of_part(reading, number)
            last = b.icmp_signed("==", number, code.number(sizes.head_parts - 1))
            after = b.select(last, joining[0], code.at(into[0], hidden * hidden))
            code.call(keep, *bytes_of, *into, after, at["projected"], blocks)
            goal = code.at(at["context"], code.times(number, hidden // sizes.head_parts * 4))
            code.call(attend, at["projected"], goal, at["keys"], at["shares"], at["lengths"], texts)

        code.loop(sizes.head_parts, heads)
        code.call(to_bytes, at["context"], *bytes_of, tokens)
        code.call(add, *bytes_of, *joining, widening[0], at["hidden"], blocks)
        code.call(norm, at["hidden"], *norm_of("attention_norm"), *bytes_of, tokens)

        per_turn = WIDENED_ROWS // ROW_BLOCK
        turns = b.sdiv(b.add(blocks, code.number(per_turn - 1)), code.number(per_turn))

        def part(number: Value, _: list[Value]) -> None:
            into, out_of = of_part(widening, number), of_part(narrowing, number)
            after = code.at(into[0], hidden * hidden)

            def rows(turn: Value, _: list[Value]) -> None:
                first = code.times(turn, WIDENED_ROWS)
                left = b.sub(blocks, code.times(turn, per_turn))
                here = b.select(b.icmp_signed("<", left, code.number(per_turn)), left, code.number(per_turn))
                source = code.at(at["bytes"], code.times(first, hidden)), code.at(at["scales"], code.times(first, 4))
                code.call(keep, *source, *into, out_of[0], at["widened"], here)
                code.call(gelu_to_bytes, at["widened"], *wide_bytes, code.times(here, ROW_BLOCK))
                goal = code.at(at["hidden"], code.times(first, hidden * 4))
                code.call(add, *wide_bytes, *out_of, after, goal, here)

            code.loop(turns, rows)

        code.loop(sizes.parts, part)
        code.call(norm, at["hidden"], *norm_of("output_norm"), *bytes_of, tokens)
        leave_after(code.at(table, 8 * LAYER_FIELDS.index(_FIRST_OF_EXIT)), b.add(index, code.number(1)))

    code.loop(depth, layer)
    last = code.load(at["left"], 0, I64)
    head = code.at(model, 8 * MODEL_FIELDS.index(f"head.{HEAD_FIELDS[0]}"))
    with b.if_then(b.icmp_signed(">", last, code.number(0))):
        code.call(tones, head, depth, at["hidden"], at["lengths"], at["places"], last, at["features"], results)
    return code.finish()


def _forward(module: ir.Module, sizes: Sizes, tiles: bool) -> None:
    """Groups, one after the other. Arguments: model table, layers' table, number of layers, scratch table, ids, ids
    from text to text, lengths, tones, number of groups, first text of each group and one more, tokens of each group.
    """
    group = _group(module, sizes, tiles)
    kinds = [POINTER] * 2 + [I64] + [POINTER] * 2 + [I64, POINTER, POINTER, I64, POINTER, POINTER]
    code = Code(module, "forward", kinds, public=True)
    b = code.b
    model, layers, depth, scratch, ids, stride, lengths, results, groups, starts, totals = code.arguments

    def one(index: Value, _: list[Value]) -> None:
        place = code.times(index, 8)
        first = code.load(starts, place, I64)
        texts = b.sub(code.load(starts, b.add(place, code.number(8)), I64), first)
        code.call(
            group,
            model,
            layers,
            depth,
            scratch,
            code.at(ids, code.times(b.mul(first, stride), 8)),
            stride,
            code.at(lengths, code.times(first, 8)),
            texts,
            code.load(totals, place, I64),
            code.at(results, code.times(first, 64)),
        )

    if tiles:
        int8_tiles.begin(code)
    code.loop(groups, one)
    if tiles:
        int8_tiles.end(code)
    code.finish()


# What writes the code: whatever one of them says can change it.
_WRITERS: Final = (int8_layout, int8_attention, int8_heads, int8_tiles, vector_code)


def _own_source() -> str | None:
    """What the machine code is written by, where that can be read."""
    try:
        files = (__file__, *(module.__file__ for module in _WRITERS))
        return "\n".join(Path(str(file)).read_text(encoding="utf-8") for file in files)
    except OSError:
        return None


# Now and not when it is needed: what lies there then may be another release, and not what has been imported.
_WRITTEN_BY: Final = _own_source()
_translated: Final[dict[tuple[Sizes, bool], MachineCode]] = {}
_translating: Final = threading.Lock()


def translate(sizes: Sizes, tiles: bool | None = None) -> MachineCode:
    """Machine code with one public function, ``forward``; the same for all networks of these sizes, however deep, and
    written once. Products are by the matrix unit where there is one, unless ``tiles`` says otherwise; the bits are the
    same with and without it.
    """
    by_tiles = int8_tiles.allowed() if tiles is None else tiles

    def write() -> bytes:
        module = ir.Module("tone")
        _forward(module, sizes, by_tiles)
        return translated(module)

    with _translating:
        if (sizes, by_tiles) not in _translated:
            key = f"{translator()}\n{sizes} {by_tiles}\n{_WRITTEN_BY}"
            _translated[sizes, by_tiles] = MachineCode(write() if _WRITTEN_BY is None else code_cache.kept(key, write))
        return _translated[sizes, by_tiles]

"""The bundled network in 8-bit integers, written as vector code for processors with AVX512-VNNI.

Each row (token) of an activation gets a scale of its own, each column of a matrix too, so that a row's result knows
nothing of other rows; products are summed in exact integers. Between the products everything is single precision, one
token or one text at a time, in an order that its own length decides. Hence "one text, one tone" by construction: no
padding, no fixed shapes, and the same bits on any processor that has the instructions.

Tokens lie packed, one text behind the other; a *group* is what goes through all layers while it fits the caches.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from llvmlite import ir

from models.vector_code import (
    BYTES,
    F32,
    FLOATS,
    I32,
    I64,
    INTS,
    LANES,
    POINTER,
    ROUNDING,
    Code,
    MachineCode,
    Value,
)

KERNELS: Final = 1
"""Version of the arithmetic in this module; raise it with any change that can change a bit."""

ROW_BLOCK: Final = 6
"""Rows that a product works on at once: 6 rows by 64 columns of sums fill 24 of the 32 registers."""

PANEL: Final = 64
"""Columns that a product works on at once; matrices are stored panel by panel."""

_COLUMN_VECTORS: Final = PANEL // LANES
_UNROLLED: Final = 8

WIDENED_ROWS: Final = 96
"""Rows that go through the feed-forward part at once: their widened activations stay in the second-level cache."""

ZERO_POINT: Final = 128
"""The byte that stands for zero where an activation has both signs."""

# gelu never falls below this: its bytes need no room for less.
_LOWEST_GELU: Final = 0.1701
_QUERIES: Final = 4
MOST_TOKENS: Final = 64

# The normal distribution function less one half is x P(x^2) on [-4.5, 4.5]; fitted for the least absolute error of
# x times it, 6e-5.
_NORMAL: Final = (
    0.3987125483985627,
    -0.06598456421879566,
    0.009585152850032762,
    -0.0010375779795295064,
    8.14232036957479e-05,
    -4.451560715297245e-06,
    1.590912893977983e-07,
    -3.3144349415777244e-09,
    3.036167879383088e-11,
)
_NORMAL_END: Final = 4.5


@dataclass(frozen=True)
class Sizes:
    """Widths of the network."""

    hidden: int = 384
    heads: int = 12
    widened: int = 1536
    epsilon: float = 1e-12

    @property
    def head(self) -> int:
        """Width of one attention head."""
        return self.hidden // self.heads


# Places in the tables of pointers that the code gets.
PRODUCT_FIELDS: Final = ("matrix", "scales", "bias", "minus_sums")
PRODUCTS: Final = ("attention_input", "attention_output", "intermediate", "output")
NORMS: Final = ("attention_norm", "output_norm")
LAYER_FIELDS: Final = (
    *(f"{product}.{field}" for product in PRODUCTS for field in PRODUCT_FIELDS),
    *(f"{norm}.{field}" for norm in NORMS for field in ("weight", "bias")),
)
MODEL_FIELDS: Final = (
    "words",
    "positions",
    "embedding_norm.weight",
    "embedding_norm.bias",
    "head_dense.weight",
    "head_dense.bias",
    "head_output.weight",
    "head_output.bias",
)
SCRATCH_FIELDS: Final = (
    "hidden",
    "bytes",
    "scales",
    "zeros",
    "projected",
    "context",
    "widened",
    "widened_bytes",
    "widened_scales",
    "widened_zeros",
    "keys",
    "shares",
    "features",
)

Epilogue = Callable[[Code, Value, Value, Value], Value]


def _keep(code: Code, value: Value, target: Value, offset: Value) -> Value:  # noqa: ARG001
    return value


def _add_to_target(code: Code, value: Value, target: Value, offset: Value) -> Value:
    return code.b.fadd(value, code.load(target, offset))


def gelu(code: Code, value: Value, target: Value, offset: Value) -> Value:  # noqa: ARG001
    """x Phi(x) (Hendrycks and Gimpel, 2016), to 6e-5."""
    b = code.b
    near = code.larger(code.smaller(value, code.floats(_NORMAL_END)), code.floats(-_NORMAL_END))
    return b.fmul(value, code.fma(near, code.polynomial(b.fmul(near, near), _NORMAL), code.floats(0.5)))


def _product(module: ir.Module, name: str, inputs: int, outputs: int, epilogue: Epilogue) -> ir.Function:
    """``target`` (rows, outputs) float = epilogue(bytes (rows, inputs) times a matrix + bias).

    Arguments: bytes, row scales, row zero points, layer table from the product's first field, target, blocks of rows.
    """
    code = Code(module, name, [POINTER] * 5 + [I64])
    b = code.b
    source, row_scales, row_zeros, table, target, blocks = code.arguments
    matrix, scales, bias, minus_sums = (code.address(table, place) for place in range(4))
    steps = inputs // 4

    def panel(index: Value, _: list[Value]) -> None:
        columns = code.times(index, PANEL * 4)  # offset of the panel's columns in tables of 4-byte numbers
        panel_start = code.at(matrix, code.times(index, PANEL * inputs))

        def block(row_block: Value, _: list[Value]) -> None:
            rows = [code.at(source, code.times(row_block, ROW_BLOCK * inputs))]
            rows += [code.at(rows[0], row * inputs) for row in range(1, ROW_BLOCK)]
            first = code.times(row_block, ROW_BLOCK * 4)
            zeros = [code.ints(code.load(row_zeros, b.add(first, code.number(4 * r)), I32)) for r in range(ROW_BLOCK)]
            sums = [
                code.load(minus_sums, b.add(columns, code.number(64 * vector)), INTS)
                for vector in range(_COLUMN_VECTORS)
            ]
            start = [b.mul(zero, total) for zero in zeros for total in sums]

            def step(chunk: Value, accumulated: list[Value]) -> list[Value]:
                for part in range(_UNROLLED):
                    at_matrix = b.add(code.times(chunk, _UNROLLED * PANEL * 4), code.number(part * PANEL * 4))
                    at_row = b.add(code.times(chunk, _UNROLLED * 4), code.number(part * 4))
                    weights = [
                        code.load(panel_start, b.add(at_matrix, code.number(64 * vector)), INTS)
                        for vector in range(_COLUMN_VECTORS)
                    ]
                    following = []
                    for row in range(ROW_BLOCK):
                        four = code.ints(code.load(rows[row], at_row, I32))
                        following += [
                            code.dot(accumulated[row * _COLUMN_VECTORS + vector], four, weights[vector])
                            for vector in range(_COLUMN_VECTORS)
                        ]
                    accumulated = following
                return accumulated

            done = code.loop(steps // _UNROLLED, step, *start)
            column_scales = [code.load(scales, b.add(columns, code.number(64 * v))) for v in range(_COLUMN_VECTORS)]
            biases = [code.load(bias, b.add(columns, code.number(64 * v))) for v in range(_COLUMN_VECTORS)]
            for row in range(ROW_BLOCK):
                row_scale = code.floats(code.load(row_scales, b.add(first, code.number(4 * row)), F32))
                row_start = b.add(
                    code.times(row_block, ROW_BLOCK * outputs * 4), b.add(columns, code.number(row * outputs * 4))
                )
                for vector in range(_COLUMN_VECTORS):
                    whole = b.sitofp(done[row * _COLUMN_VECTORS + vector], FLOATS)
                    value = code.fma(b.fmul(whole, row_scale), column_scales[vector], biases[vector])
                    place = b.add(row_start, code.number(64 * vector))
                    code.store(epilogue(code, value, target, place), target, place)

        code.loop(blocks, block)

    code.loop(outputs // PANEL, panel)
    return code.finish()


def _store_bytes(code: Code, values: list[Value], target: Value, scale: Value, zero: Value) -> None:
    """round(value * scale) + zero as a byte each."""
    shift = code.b.fadd(zero, code.floats(ROUNDING))
    for index, value in enumerate(values):
        rounded = code.as_ints(code.fma(value, scale, shift))
        code.store(code.b.trunc(rounded, BYTES), target, index * LANES)


def _store_signed(code: Code, values: list[Value], target: Value, scales: Value, zeros: Value) -> None:
    """A row of both signs to bytes, its scale and its zero point."""
    b = code.b
    largest = code.maximum([code.absolute(value) for value in values])
    largest = code.larger(largest, code.floats(1e-20))
    _store_bytes(code, values, target, b.fdiv(code.floats(127.0), largest), code.floats(float(ZERO_POINT)))
    code.store(b.fdiv(code.lane(largest), ir.Constant(F32, 127.0)), scales)
    code.store(ir.Constant(I32, ZERO_POINT), zeros)


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
    scale = b.fdiv(code.floats(1.0), code.root(variance))
    return [
        code.fma(b.fmul(value, scale), code.load(weight, 64 * index), code.load(bias, 64 * index))
        for index, value in enumerate(centred)
    ]


def _norm(module: ir.Module, sizes: Sizes) -> ir.Function:
    """Rows normed in place, and as bytes. Arguments: rows, weight, bias, bytes, scales, zero points, number of rows."""
    code = Code(module, "norm", [POINTER] * 6 + [I64])
    rows, weight, bias, target, scales, zeros, count = code.arguments

    def row(index: Value, _: list[Value]) -> None:
        here = code.at(rows, code.times(index, sizes.hidden * 4))
        normed = _normed(code, _load_row(code, here, sizes.hidden), weight, bias, sizes.epsilon)
        for place, value in enumerate(normed):
            code.store(value, here, 64 * place)
        four = code.times(index, 4)
        _store_signed(
            code, normed, code.at(target, code.times(index, sizes.hidden)), code.at(scales, four), code.at(zeros, four)
        )

    code.loop(count, row)
    return code.finish()


def _to_bytes(module: ir.Module, sizes: Sizes) -> ir.Function:
    """Rows of both signs as bytes. Arguments: rows, bytes, scales, zero points, number of rows."""
    code = Code(module, "to_bytes", [POINTER] * 4 + [I64])
    rows, target, scales, zeros, count = code.arguments

    def row(index: Value, _: list[Value]) -> None:
        four = code.times(index, 4)
        _store_signed(
            code,
            _load_row(code, code.at(rows, code.times(index, sizes.hidden * 4)), sizes.hidden),
            code.at(target, code.times(index, sizes.hidden)),
            code.at(scales, four),
            code.at(zeros, four),
        )

    code.loop(count, row)
    return code.finish()


def _gelu_to_bytes(module: ir.Module, sizes: Sizes) -> ir.Function:
    """Rows after gelu as bytes, all of which are used although gelu's range is lopsided. Arguments as `to_bytes`."""
    code = Code(module, "gelu_to_bytes", [POINTER] * 4 + [I64])
    b = code.b
    rows, target, scales, zeros, count = code.arguments
    vectors = sizes.widened // LANES
    chunk = 8

    def row(index: Value, _: list[Value]) -> None:
        here = code.at(rows, code.times(index, sizes.widened * 4))

        def look(part: Value, largest: list[Value]) -> list[Value]:
            start = code.at(here, code.times(part, 64 * chunk))
            return [
                code.larger(
                    largest[place], code.larger(code.load(start, 64 * place), code.load(start, 64 * (place + 4)))
                )
                for place in range(4)
            ]

        largest = code.maximum(code.loop(vectors // chunk, look, *[code.floats(0.0)] * 4))
        span = b.fadd(largest, code.floats(_LOWEST_GELU))
        # 254 and not 255: the zero point is rounded, and so is the largest value.
        scale = b.fdiv(code.floats(254.0), span)
        zero = b.fsub(code.fma(scale, code.floats(_LOWEST_GELU), code.floats(ROUNDING)), code.floats(ROUNDING))

        def write(part: Value, _: list[Value]) -> None:
            start = code.at(here, code.times(part, 64 * chunk))
            values = [code.load(start, 64 * place) for place in range(chunk)]
            goal = code.at(target, b.add(code.times(index, sizes.widened), code.times(part, LANES * chunk)))
            _store_bytes(code, values, goal, scale, zero)

        code.loop(vectors // chunk, write)
        four = code.times(index, 4)
        code.store(b.fdiv(code.lane(span), ir.Constant(F32, 254.0)), scales, four)
        code.store(b.fptosi(code.lane(zero), I32), zeros, four)

    code.loop(count, row)
    return code.finish()


def _transposed(code: Code, rows: list[Value]) -> list[Value]:
    """Sixteen vectors as the columns of a square instead of its rows."""
    lanes = range(LANES)
    for step in (8, 4, 2, 1):
        turned = list(rows)
        for index in lanes:
            if index & step:
                continue
            a, c = rows[index], rows[index + step]
            turned[index] = code.shuffle(a, c, [lane if not lane & step else LANES + lane - step for lane in lanes])
            turned[index + step] = code.shuffle(
                a, c, [lane + step if not lane & step else LANES + lane for lane in lanes]
            )
        rows = turned
    return rows


def _attention(module: ir.Module, sizes: Sizes, vectors: int) -> ir.Function:
    """Attention within one text of at most 16 * ``vectors`` tokens, all heads (queries carry the factor 1/sqrt(width)).

    Arguments: the text's first row of projections (query, key, value side by side), its first row of context, scratch
    for keys, scratch for shares, number of tokens.
    """
    code = Code(module, f"attention_{vectors}", [POINTER] * 4 + [I64])
    b = code.b
    projected, context, keys, shares, tokens = code.arguments
    width, stride = sizes.head, 3 * sizes.hidden * 4
    lane_numbers = ir.Constant(INTS, [ir.Constant(I32, lane) for lane in range(LANES)])
    count = code.ints(b.trunc(tokens, I32))
    real = [b.icmp_signed("<", b.add(lane_numbers, code.ints(LANES * vector)), count) for vector in range(vectors)]

    def head(index: Value, _: list[Value]) -> None:
        query = code.at(projected, code.times(index, width * 4))
        key = code.at(query, sizes.hidden * 4)
        value = code.at(query, 2 * sizes.hidden * 4)
        output = code.at(context, code.times(index, width * 4))
        for part in range(width // LANES):
            for vector in range(vectors):
                # Rows beyond the text's last are another text's or none's; their shares become exact zeros.
                rows = [code.load(key, (vector * LANES + row) * stride + part * 64) for row in range(LANES)]
                for row, column in enumerate(_transposed(code, rows)):
                    code.store(column, keys, ((part * LANES + row) * vectors + vector) * 64)

        def queries(block: Value, _: list[Value]) -> None:
            first = code.at(query, code.times(block, _QUERIES * stride))

            def similar(place: Value, sums: list[Value]) -> list[Value]:
                columns = [
                    code.load(keys, b.add(code.times(place, 64 * vectors), code.number(64 * v))) for v in range(vectors)
                ]
                result = []
                for row in range(_QUERIES):
                    one = code.floats(code.load(first, b.add(code.times(place, 4), code.number(row * stride)), F32))
                    result += [code.fma(one, columns[v], sums[row * vectors + v]) for v in range(vectors)]
                return result

            scores = code.loop(width, similar, *[code.floats(0.0)] * (_QUERIES * vectors))
            inverses = []
            for row in range(_QUERIES):
                masked = [b.select(real[v], scores[row * vectors + v], code.floats(-1e30)) for v in range(vectors)]
                largest = code.maximum(masked)
                powers = [
                    b.select(real[v], code.exp(b.fsub(masked[v], largest)), code.floats(0.0)) for v in range(vectors)
                ]
                inverses.append(b.fdiv(code.floats(1.0), code.sum(powers)))
                for v in range(vectors):
                    code.store(powers[v], shares, (row * vectors + v) * 64)

            def weigh(token: Value, sums: list[Value]) -> list[Value]:
                at = code.times(token, stride)
                parts = [code.load(value, b.add(at, code.number(64 * part))) for part in range(width // LANES)]
                result = []
                for row in range(_QUERIES):
                    share = code.floats(
                        code.load(shares, b.add(code.times(token, 4), code.number(row * vectors * 64)), F32)
                    )
                    result += [
                        code.fma(share, parts[part], sums[row * len(parts) + part]) for part in range(len(parts))
                    ]
                return result

            start = [code.floats(0.0)] * (_QUERIES * width // LANES)
            weighed = code.loop(tokens, weigh, *start)
            for row in range(_QUERIES):
                # The rows beyond the last are the next text's, written again in its turn, or spare.
                for part in range(width // LANES):
                    place = b.add(
                        code.times(block, _QUERIES * sizes.hidden * 4), code.number(row * sizes.hidden * 4 + 64 * part)
                    )
                    code.store(b.fmul(weighed[row * (width // LANES) + part], inverses[row]), output, place)

        code.loop(b.sdiv(b.add(tokens, code.number(_QUERIES - 1)), code.number(_QUERIES)), queries)

    code.loop(sizes.heads, head)
    return code.finish()


def _attend_texts(module: ir.Module, sizes: Sizes, kinds: dict[int, ir.Function]) -> ir.Function:
    """Attention for each text of a group. Arguments: projections, context, keys, shares, lengths, number of texts."""
    code = Code(module, "attend_texts", [POINTER] * 5 + [I64])
    b = code.b
    projected, context, keys, shares, lengths, texts = code.arguments

    def text(index: Value, row: list[Value]) -> list[Value]:
        tokens = code.load(lengths, code.times(index, 8), I64)
        here = code.at(projected, code.times(row[0], 3 * sizes.hidden * 4))
        goal = code.at(context, code.times(row[0], sizes.hidden * 4))
        end = code.function.append_basic_block()
        choice = b.switch(b.sdiv(b.sub(tokens, code.number(1)), code.number(LANES)), end)
        for vectors, function in kinds.items():
            branch = code.function.append_basic_block()
            choice.add_case(code.number(vectors - 1), branch)
            b.position_at_end(branch)
            code.call(function, here, goal, keys, shares, tokens)
            b.branch(end)
        b.position_at_end(end)
        return [b.add(row[0], tokens)]

    code.loop(texts, text, code.number(0))
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


def _tones(module: ir.Module, sizes: Sizes) -> ir.Function:
    """Mean over each text's tokens, head and softmax. Arguments: model table, rows, lengths, number of texts, scratch
    for features, tones (16 floats a text, of which three count).
    """
    code = Code(module, "tones", [POINTER] * 3 + [I64, POINTER, POINTER])
    b = code.b
    table, hidden, lengths, texts, features, tones = code.arguments
    dense, dense_bias, output, output_bias = (code.address(table, place) for place in range(4, 8))
    vectors = sizes.hidden // LANES
    counts = ir.Constant(
        ir.VectorType(ir.IntType(1), LANES), [ir.Constant(ir.IntType(1), int(lane < 3)) for lane in range(LANES)]
    )

    def text(index: Value, row: list[Value]) -> list[Value]:
        tokens = code.load(lengths, code.times(index, 8), I64)
        first = code.at(hidden, code.times(row[0], sizes.hidden * 4))
        share = b.fdiv(code.floats(1.0), code.floats(b.sitofp(tokens, F32)))

        def add(place: Value, sums: list[Value]) -> list[Value]:
            here = code.at(first, code.times(place, sizes.hidden * 4))
            return [b.fadd(total, code.load(here, 64 * v)) for v, total in enumerate(sums)]

        for v, total in enumerate(code.loop(tokens, add, *[code.floats(0.0)] * vectors)):
            code.store(b.fmul(total, share), features, 64 * v)

        def widen(place: Value, sums: list[Value]) -> list[Value]:
            one = code.floats(code.load(features, code.times(place, 4), F32))
            here = code.at(dense, code.times(place, sizes.hidden * 4))
            return [code.fma(one, code.load(here, 64 * v), total) for v, total in enumerate(sums)]

        start = [code.load(dense_bias, 64 * v) for v in range(vectors)]
        for v, total in enumerate(code.loop(sizes.hidden, widen, *start)):
            # tanh(x) = 1 - 2 / (e^2x + 1)
            grown = b.fadd(code.exp(b.fadd(total, total)), code.floats(1.0))
            code.store(b.fsub(code.floats(1.0), b.fdiv(code.floats(2.0), grown)), features, 64 * v)

        def decide(place: Value, sums: list[Value]) -> list[Value]:
            one = code.floats(code.load(features, code.times(place, 4), F32))
            return [code.fma(one, code.load(output, code.times(place, 64)), sums[0])]

        (logits,) = code.loop(sizes.hidden, decide, code.load(output_bias))
        logits = b.select(counts, logits, code.floats(-1e30))
        powers = b.select(counts, code.exp(b.fsub(logits, code.maximum([logits]))), code.floats(0.0))
        code.store(b.fdiv(powers, code.sum([powers])), tones, code.times(index, 64))
        return [b.add(row[0], tokens)]

    code.loop(texts, text, code.number(0))
    return code.finish()


def _group(module: ir.Module, sizes: Sizes) -> ir.Function:
    """A group of texts through the whole network. Arguments: model table, layers' table, number of layers, scratch
    table, ids, ids from text to text, lengths, number of texts, number of tokens, tones.
    """
    wide = 3 * sizes.hidden
    inward = _product(module, "attention_input", sizes.hidden, wide, _keep)
    outward = _product(module, "attention_output", sizes.hidden, sizes.hidden, _add_to_target)
    widen = _product(module, "intermediate", sizes.hidden, sizes.widened, gelu)
    narrow = _product(module, "output", sizes.widened, sizes.hidden, _add_to_target)
    norm, to_bytes, gelu_to_bytes = _norm(module, sizes), _to_bytes(module, sizes), _gelu_to_bytes(module, sizes)
    kinds = {vectors: _attention(module, sizes, vectors) for vectors in range(1, MOST_TOKENS // LANES + 1)}
    attend, embed, tones = _attend_texts(module, sizes, kinds), _embed(module, sizes), _tones(module, sizes)

    code = Code(module, "group", [POINTER] * 2 + [I64] + [POINTER] * 2 + [I64, POINTER, I64, I64, POINTER])
    b = code.b
    model, layers, depth, scratch, ids, stride, lengths, texts, tokens, results = code.arguments
    at = {name: code.address(scratch, place) for place, name in enumerate(SCRATCH_FIELDS)}
    blocks = b.sdiv(b.add(tokens, code.number(ROW_BLOCK - 1)), code.number(ROW_BLOCK))
    bytes_of = (at["bytes"], at["scales"], at["zeros"])
    code.call(embed, model, ids, stride, lengths, texts, at["hidden"])
    code.call(norm, at["hidden"], code.address(model, 2), code.address(model, 3), *bytes_of, tokens)

    def layer(index: Value, _: list[Value]) -> None:
        table = code.at(layers, code.times(index, 8 * len(LAYER_FIELDS)))

        def product(name: str) -> Value:
            return code.at(table, 8 * LAYER_FIELDS.index(f"{name}.{PRODUCT_FIELDS[0]}"))

        def norm_of(name: str) -> tuple[Value, Value]:
            place = LAYER_FIELDS.index(f"{name}.weight")
            return code.address(table, place), code.address(table, place + 1)

        code.call(inward, *bytes_of, product("attention_input"), at["projected"], blocks)
        code.call(attend, at["projected"], at["context"], at["keys"], at["shares"], lengths, texts)
        code.call(to_bytes, at["context"], *bytes_of, tokens)
        code.call(outward, *bytes_of, product("attention_output"), at["hidden"], blocks)
        code.call(norm, at["hidden"], *norm_of("attention_norm"), *bytes_of, tokens)

        per_part = WIDENED_ROWS // ROW_BLOCK
        parts = b.sdiv(b.add(blocks, code.number(per_part - 1)), code.number(per_part))

        def part(number: Value, _: list[Value]) -> None:
            first = code.times(number, WIDENED_ROWS)
            left = b.sub(blocks, code.times(number, per_part))
            here = b.select(b.icmp_signed("<", left, code.number(per_part)), left, code.number(per_part))
            four = code.times(first, 4)
            source = (
                code.at(at["bytes"], code.times(first, sizes.hidden)),
                code.at(at["scales"], four),
                code.at(at["zeros"], four),
            )
            wide_bytes = (at["widened_bytes"], at["widened_scales"], at["widened_zeros"])
            code.call(widen, *source, product("intermediate"), at["widened"], here)
            code.call(gelu_to_bytes, at["widened"], *wide_bytes, code.times(here, ROW_BLOCK))
            goal = code.at(at["hidden"], code.times(first, sizes.hidden * 4))
            code.call(narrow, *wide_bytes, product("output"), goal, here)

        code.loop(parts, part)
        code.call(norm, at["hidden"], *norm_of("output_norm"), *bytes_of, tokens)

    code.loop(depth, layer)
    code.call(tones, model, at["hidden"], lengths, texts, at["features"], results)
    return code.finish()


def _forward(module: ir.Module, sizes: Sizes) -> None:
    """Groups, one after the other. Arguments: model table, layers' table, number of layers, scratch table, ids, ids
    from text to text, lengths, tones, number of groups, first text of each group and one more, tokens of each group.
    """
    group = _group(module, sizes)
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

    code.loop(groups, one)
    code.finish()


@functools.cache
def translate(sizes: Sizes) -> MachineCode:
    """Machine code with one public function, ``forward``; the same for all networks of these sizes, however deep."""
    module = ir.Module("tone")
    _forward(module, sizes)
    return MachineCode(module)

"""Code of heads: what a text's hidden states say of its tone, behind the last layer and where it may leave before.

One text at a time, in an order that its own length decides, as everything in models.int8_kernels.
"""

from __future__ import annotations

from typing import Final

from llvmlite import ir

from models.int8_layout import DEPTH_LANE, EXIT_FIELDS, HEAD_FIELDS, MOST_TOKENS, Sizes
from models.vector_code import F32, I32, I64, LANES, POINTER, Code, Value

# Vectors of a row whose weighted means are taken at once: four queries' sums of them, and they, fill the registers.
_SUMMED: Final = 6


def _mean(code: Code, rows: Value, tokens: Value, sizes: Sizes) -> list[Value]:
    """Mean of a text's rows."""
    b = code.b
    share = b.fdiv(code.floats(1.0), code.floats(b.sitofp(tokens, F32)))

    def add(place: Value, sums: list[Value]) -> list[Value]:
        here = code.at(rows, code.times(place, sizes.hidden * 4))
        return [b.fadd(total, code.load(here, 64 * v)) for v, total in enumerate(sums)]

    totals = code.loop(tokens, add, *[code.floats(0.0)] * (sizes.hidden // LANES))
    return [b.fmul(total, share) for total in totals]


def _means_by_queries(
    code: Code, rows: Value, tokens: Value, queries: Value, shares: Value, features: Value, sizes: Sizes
) -> None:
    """For each query a mean of a text's rows, weighted by the softmax of their products with it, one behind the other
    into ``features``. ``shares``: room for a number of each token and query.
    """
    b = code.b
    vectors, row = sizes.hidden // LANES, sizes.hidden * 4
    of_query = 4 * MOST_TOKENS

    def close(token: Value, _: list[Value]) -> None:
        here = code.at(rows, code.times(token, row))
        own = [code.load(here, 64 * v) for v in range(vectors)]
        for query in range(sizes.queries):
            parts = [code.floats(0.0)] * 4
            for v, value in enumerate(own):
                parts[v % 4] = code.fma(value, code.load(queries, query * row + 64 * v), parts[v % 4])
            place = b.add(code.times(token, 4), code.number(query * of_query))
            code.store(code.lane(code.sum(parts)), shares, place)

    code.loop(tokens, close)
    places = range(0, MOST_TOKENS, LANES)
    real = code.real_lanes(tokens, len(places))
    for query in range(sizes.queries):
        at = [query * of_query + 4 * place for place in places]
        # Beyond the text's last token lies what another text left.
        powers = code.powers([code.load(shares, a) for a in at], real)
        share = code.floats(b.fdiv(ir.Constant(F32, 1.0), code.lane(code.sum(powers))))
        for power, a in zip(powers, at, strict=True):
            code.store(b.fmul(power, share), shares, a)

    for first in range(0, vectors, _SUMMED):

        def weigh(token: Value, sums: list[Value], first: int = first) -> list[Value]:
            here = code.at(rows, code.times(token, row))
            own = [code.load(here, 64 * (first + v)) for v in range(_SUMMED)]
            result = []
            for query in range(sizes.queries):
                place = b.add(code.times(token, 4), code.number(query * of_query))
                share = code.floats(code.load(shares, place, F32))
                result += [code.fma(share, own[v], sums[query * _SUMMED + v]) for v in range(_SUMMED)]
            return result

        sums = code.loop(tokens, weigh, *[code.floats(0.0)] * (sizes.queries * _SUMMED))
        for number, total in enumerate(sums):
            query, v = divmod(number, _SUMMED)
            code.store(total, features, query * row + 64 * (first + v))


def _tone(code: Code, head: Value, features: Value, inputs: int, width: int) -> Value:
    """softmax(output tanh(dense features)) in the first lanes, the others 0. ``head``: a table of :data:`HEAD_FIELDS`;
    ``features`` are overwritten.
    """
    b = code.b
    dense, dense_bias, output, output_bias = (code.address(head, place) for place in range(len(HEAD_FIELDS)))
    counts = ir.Constant(
        ir.VectorType(ir.IntType(1), LANES), [ir.Constant(ir.IntType(1), int(lane < 3)) for lane in range(LANES)]
    )

    def widen(place: Value, sums: list[Value]) -> list[Value]:
        one = code.floats(code.load(features, code.times(place, 4), F32))
        here = code.at(dense, code.times(place, width * 4))
        return [code.fma(one, code.load(here, 64 * v), total) for v, total in enumerate(sums)]

    start = [code.load(dense_bias, 64 * v) for v in range(width // LANES)]
    for v, total in enumerate(code.loop(inputs, widen, *start)):
        # tanh(x) = 1 - 2 / (e^2x + 1)
        grown = b.fadd(code.exp(code.smaller(b.fadd(total, total), code.floats(87.0))), code.floats(1.0))
        code.store(b.fsub(code.floats(1.0), b.fdiv(code.floats(2.0), grown)), features, 64 * v)

    def decide(place: Value, sums: list[Value]) -> list[Value]:
        one = code.floats(code.load(features, code.times(place, 4), F32))
        return [code.fma(one, code.load(output, code.times(place, 64)), sums[0])]

    (logits,) = code.loop(width, decide, code.load(output_bias))
    powers = code.powers([logits], [counts])
    return b.fdiv(powers[0], code.sum(powers))


def _tell(code: Code, tone: Value, layers: Value, tones: Value, place: Value) -> None:
    """Write a text's row of results."""
    depth = code.b.sitofp(layers, F32)
    told = code.b.insert_element(tone, depth, ir.Constant(I32, DEPTH_LANE))
    code.store(told, tones, code.times(place, 4 * LANES))


def tones(module: ir.Module, sizes: Sizes) -> ir.Function:
    """Tones of the texts that went through all layers. Arguments: table of the head, number of layers, rows, lengths,
    places, number of texts, scratch for features, tones (16 floats a text, see :data:`DEPTH_LANE`).
    """
    code = Code(module, "tones", [POINTER, I64] + [POINTER] * 3 + [I64, POINTER, POINTER])
    b = code.b
    head, layers, hidden, lengths, places, texts, features, tones = code.arguments

    def text(index: Value, row: list[Value]) -> list[Value]:
        tokens = code.load(lengths, code.times(index, 8), I64)
        rows = code.at(hidden, code.times(row[0], sizes.hidden * 4))
        for v, value in enumerate(_mean(code, rows, tokens, sizes)):
            code.store(value, features, 64 * v)
        tone = _tone(code, head, features, sizes.hidden, sizes.hidden)
        _tell(code, tone, layers, tones, code.load(places, code.times(index, 8), I64))
        return [b.add(row[0], tokens)]

    code.loop(texts, text, code.number(0))
    return code.finish()


def leave(module: ir.Module, sizes: Sizes) -> ir.Function:
    """Tones of all texts of a group by an exit's head; those that are not sure of theirs stay, and move together.

    Arguments: table of :data:`EXIT_FIELDS`, number of layers passed, rows, their bytes and scales, lengths, places,
    numbers of texts and tokens left, scratch for shares and for features, tones. A tone that is not sure is written
    again later.
    """
    code = Code(module, "leave", [POINTER, I64] + [POINTER] * 9)
    b = code.b
    exit_, layers, hidden, bytes_, scales, lengths, places, left, shares, features, tones = code.arguments
    sure = code.load(code.address(exit_, EXIT_FIELDS.index("sure")), 0, F32)
    queries = code.address(exit_, EXIT_FIELDS.index("queries"))
    row = sizes.hidden

    def text(index: Value, at: list[Value]) -> list[Value]:
        source, target, kept = at
        tokens = code.load(lengths, code.times(index, 8), I64)
        rows = code.at(hidden, code.times(source, row * 4))
        _means_by_queries(code, rows, tokens, queries, shares, features, sizes)
        tone = _tone(code, exit_, features, sizes.queries * row, sizes.exit)
        place = code.load(places, code.times(index, 8), I64)
        _tell(code, tone, layers, tones, place)
        stays = b.fcmp_ordered("<", code.lane(code.maximum([tone])), sure)

        def move(token: Value, _: list[Value]) -> None:
            old, new = b.add(source, token), b.add(target, token)
            for offset in range(0, row * 4, 64):
                code.store(
                    code.load(code.at(hidden, code.times(old, row * 4)), offset),
                    code.at(hidden, code.times(new, row * 4)),
                    offset,
                )
            for offset in range(0, row, 64):
                code.store(
                    code.load(code.at(bytes_, code.times(old, row)), offset),
                    code.at(bytes_, code.times(new, row)),
                    offset,
                )
            code.store(code.load(scales, code.times(old, 4), F32), scales, code.times(new, 4))

        with b.if_then(stays):
            code.store(tokens, lengths, code.times(kept, 8))
            code.store(place, places, code.times(kept, 8))
            with b.if_then(b.icmp_signed("!=", source, target)):
                code.loop(tokens, move)
        more = b.select(stays, tokens, code.number(0))
        return [b.add(source, tokens), b.add(target, more), b.add(kept, b.zext(stays, I64))]

    zero = code.number(0)
    _, tokens_left, texts_left = code.loop(code.load(left, 0, I64), text, zero, zero, zero)
    code.store(texts_left, left)
    code.store(tokens_left, left, 8)
    return code.finish()

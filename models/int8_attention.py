"""Code of attention within texts, in single precision: see models.int8_kernels."""

from __future__ import annotations

from typing import Final

from llvmlite import ir

from models.int8_layout import MOST_TOKENS, Sizes
from models.vector_code import F32, I64, LANES, POINTER, Code, Value

# Queries of a text that attention works on at once, by the number of vectors that its keys fill: enough sums to keep
# the processor busy while each waits for its last one, no more than the registers hold.
_QUERIES: Final = {1: 8, 2: 6, 3: 4, 4: 4}


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
    """Attention within one text of at most 16 * ``vectors`` tokens, a part of the heads (queries carry the factor
    1/sqrt(width)).

    Arguments: the text's first row of projections (queries, keys, values of the part side by side), its first row of
    context, scratch for keys, scratch for shares, number of tokens.
    """
    code = Code(module, f"attention_{vectors}", [POINTER] * 4 + [I64])
    b = code.b
    projected, context, keys, shares, tokens = code.arguments
    width, stride = sizes.head, sizes.hidden * 4
    at_once = _QUERIES[vectors]
    real = code.real_lanes(tokens, vectors)

    def head(index: Value, _: list[Value]) -> None:
        query = code.at(projected, code.times(index, width * 4))
        key = code.at(query, sizes.hidden // sizes.head_parts * 4)
        value = code.at(key, sizes.hidden // sizes.head_parts * 4)
        output = code.at(context, code.times(index, width * 4))
        for part in range(width // LANES):
            for vector in range(vectors):
                # Rows beyond the text's last are another text's or none's; their shares become exact zeros.
                rows = [code.load(key, (vector * LANES + row) * stride + part * 64) for row in range(LANES)]
                for row, column in enumerate(_transposed(code, rows)):
                    code.store(column, keys, ((part * LANES + row) * vectors + vector) * 64)

        def queries(block: Value, _: list[Value]) -> None:
            first = code.at(query, code.times(block, at_once * stride))

            def similar(place: Value, sums: list[Value]) -> list[Value]:
                columns = [
                    code.load(keys, b.add(code.times(place, 64 * vectors), code.number(64 * v))) for v in range(vectors)
                ]
                result = []
                for row in range(at_once):
                    one = code.floats(code.load(first, b.add(code.times(place, 4), code.number(row * stride)), F32))
                    result += [code.fma(one, columns[v], sums[row * vectors + v]) for v in range(vectors)]
                return result

            scores = code.loop(width, similar, *[code.floats(0.0)] * (at_once * vectors))
            inverses = []
            for row in range(at_once):
                powers = code.powers(scores[row * vectors : (row + 1) * vectors], real)
                inverses.append(code.floats(b.fdiv(ir.Constant(F32, 1.0), code.lane(code.sum(powers)))))
                for v in range(vectors):
                    code.store(powers[v], shares, (row * vectors + v) * 64)

            def weigh(token: Value, sums: list[Value]) -> list[Value]:
                at = code.times(token, stride)
                parts = [code.load(value, b.add(at, code.number(64 * part))) for part in range(width // LANES)]
                result = []
                for row in range(at_once):
                    share = code.floats(
                        code.load(shares, b.add(code.times(token, 4), code.number(row * vectors * 64)), F32)
                    )
                    result += [
                        code.fma(share, parts[part], sums[row * len(parts) + part]) for part in range(len(parts))
                    ]
                return result

            start = [code.floats(0.0)] * (at_once * width // LANES)
            weighed = code.loop(tokens, weigh, *start)
            for row in range(at_once):
                # The rows beyond the last are the next text's, written again in its turn, or spare.
                for part in range(width // LANES):
                    place = b.add(
                        code.times(block, at_once * sizes.hidden * 4), code.number(row * sizes.hidden * 4 + 64 * part)
                    )
                    code.store(b.fmul(weighed[row * (width // LANES) + part], inverses[row]), output, place)

        code.loop(b.sdiv(b.add(tokens, code.number(at_once - 1)), code.number(at_once)), queries)

    code.loop(sizes.heads // sizes.head_parts, head)
    return code.finish()


def attend_texts(module: ir.Module, sizes: Sizes) -> ir.Function:
    """Attention for each text of a group. Arguments: projections, context, keys, shares, lengths, number of texts."""
    kinds = {vectors: _attention(module, sizes, vectors) for vectors in range(1, MOST_TOKENS // LANES + 1)}
    code = Code(module, "attend_texts", [POINTER] * 5 + [I64])
    b = code.b
    projected, context, keys, shares, lengths, texts = code.arguments

    def text(index: Value, row: list[Value]) -> list[Value]:
        tokens = code.load(lengths, code.times(index, 8), I64)
        here = code.at(projected, code.times(row[0], sizes.hidden * 4))
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

"""The bundled network's numbers as the 8-bit code reads them: rounded, in panels, and tables that point to them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.architecture import CLASSES, HEADS, HIDDEN, INTERMEDIATE, NORM_EPSILON, layers_of
from models.exits import FEATURES, QUERIES, WIDTH, Exit
from models.int8_kernels import BYTE_ORDER, LOWEST_GELU, PANEL, WIDENED_ROWS, ZERO_POINT
from models.int8_layout import (
    EXIT_FIELDS,
    HEAD_FIELDS,
    LAYER_FIELDS,
    MODEL_FIELDS,
    MOST_TOKENS,
    NO_EXIT,
    NORMS,
    PRODUCT_FIELDS,
    PRODUCTS,
    SCRATCH_FIELDS,
    Sizes,
)
from models.merged import Arrays
from models.vector_code import LANES

SIZES: Final = Sizes(HIDDEN, HEADS, INTERMEDIATE, NORM_EPSILON, WIDTH, QUERIES)

# A load that crosses the border of a cache line costs two.
_ALIGNMENT: Final = 64
_LARGEST: Final = 127


def together(arrays: Sequence[NDArray[np.generic]]) -> list[NDArray[np.generic]]:
    """Copies of arrays in C order, one behind the other in one piece of memory, each from the border of a cache line.

    In one piece, since numpy asks the system for large pages where that is 4 MB or more: fewer addresses to look up.
    """
    places = np.cumsum([0, *(-(-array.nbytes // _ALIGNMENT) * _ALIGNMENT for array in arrays)])
    room = np.zeros(int(places[-1]) + _ALIGNMENT, np.uint8)
    room = room[-room.ctypes.data % _ALIGNMENT :]
    copies: list[NDArray[np.generic]] = []
    for array, place in zip(arrays, places[:-1].tolist(), strict=True):
        copy = room[place : place + array.nbytes].view(array.dtype).reshape(array.shape)
        copy[...] = array
        copies.append(copy)
    return copies


def rounded(weight: NDArray[np.float32]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Bytes (out, in) and scales (out,) whose product is nearest to ``weight`` (out, in), each row its own scale."""
    scales = np.maximum(np.abs(weight).max(axis=1) / np.float32(_LARGEST), np.float32(1e-20))
    whole = np.clip(np.rint(weight / scales[:, None]), -_LARGEST, _LARGEST).astype(np.int8)
    return whole, scales.astype(np.float32)


def in_panels(whole: NDArray[np.int8]) -> NDArray[np.int8]:
    """A matrix (out, in) in the order in which a product reads it: 64 outputs at a time, four inputs of each, the
    inputs in the order of :data:`models.int8_kernels.BYTE_ORDER`.
    """
    outputs, inputs = whole.shape
    ordered = whole.reshape(outputs, -1, len(BYTE_ORDER))[:, :, BYTE_ORDER]
    return np.ascontiguousarray(ordered.reshape(outputs // PANEL, PANEL, inputs // 4, 4).transpose(0, 2, 1, 3))


def _product(weight: NDArray[np.float32], bias: NDArray[np.float32]) -> dict[str, NDArray[np.generic]]:
    """Fields of a product with activations of both signs."""
    whole, scales = rounded(weight)
    start = -ZERO_POINT * whole.sum(axis=1, dtype=np.int32)
    values = (in_panels(whole), scales, bias.astype(np.float32), start.astype(np.int32))
    return dict(zip(PRODUCT_FIELDS, values, strict=True))


def _after_gelu(weight: NDArray[np.float32], bias: NDArray[np.float32]) -> dict[str, NDArray[np.generic]]:
    """Fields of a product with what gelu left, in parts one behind the other, each as wide as a row; their sum is the
    product. Bytes stand for a value + ``LOWEST_GELU``: the bias takes that back.
    """
    parts: list[tuple[NDArray[np.generic], ...]] = []
    for number in range(SIZES.parts):
        whole, scales = rounded(weight[:, number * HIDDEN : (number + 1) * HIDDEN])
        lowest = np.float32(LOWEST_GELU) * scales * whole.sum(axis=1, dtype=np.int32)
        rest = (bias if number == 0 else 0) - lowest
        parts.append((in_panels(whole), scales, rest.astype(np.float32), np.zeros(len(whole), np.int32)))
    return {field: np.stack(values) for field, values in zip(PRODUCT_FIELDS, zip(*parts, strict=True), strict=True)}


def _head(
    name: str,
    dense: NDArray[np.float32],
    dense_bias: NDArray[np.float32],
    output: NDArray[np.float32],
    output_bias: NDArray[np.float32],
) -> dict[str, NDArray[np.generic]]:
    """Fields of a head with matrices (out, in); what comes out is one vector wide."""
    wide = np.zeros((output.shape[1], LANES), np.float32)
    wide[:, :CLASSES] = output.T
    bias = np.zeros(LANES, np.float32)
    bias[:CLASSES] = output_bias
    values: tuple[NDArray[np.generic], ...] = (dense.T, dense_bias, wide, bias)
    return {f"{name}.{field}": value for field, value in zip(HEAD_FIELDS, values, strict=True)}


def _exit(found: Exit | None) -> dict[str, NDArray[np.generic]]:
    """Fields of an exit, and of none."""
    if found is None:
        nothing: NDArray[np.generic] = np.zeros(0, np.float32)
        return {f"exit.{field}": nothing for field in EXIT_FIELDS} | {"exit.sure": np.array([NO_EXIT], np.float32)}
    head = _head("exit", found.dense, found.dense_bias, found.output, found.output_bias)
    return head | {"exit.sure": np.array([found.sure], np.float32), "exit.queries": found.queries}


def _layer(arrays: Arrays, index: int, leaving: Exit | None) -> Iterator[NDArray[np.generic]]:
    def of(name: str, kind: str) -> NDArray[np.float32]:
        return arrays[f"layers.{index}.{name}.{kind}"]

    # Query, key and value in one product, part of the heads by part; the queries bring attention's factor along.
    factor = np.float32(1 / np.sqrt(SIZES.head))
    three: dict[str, NDArray[np.float32]] = {}
    for kind in ("weight", "bias"):
        kinds = [
            np.split(values, SIZES.head_parts)
            for values in (of("query", kind) * factor, of("key", kind), of("value", kind))
        ]
        three[kind] = np.concatenate([kinds[which][part] for part in range(SIZES.head_parts) for which in range(3)])
    fields: dict[str, NDArray[np.generic]] = {}
    products = {"attention_input": (three["weight"], three["bias"])}
    products |= {name: (of(name, "weight"), of(name, "bias")) for name in PRODUCTS[1:]}
    for name, (weight, bias) in products.items():
        prepared = _after_gelu(weight, bias) if name == "output" else _product(weight, bias)
        fields |= {f"{name}.{field}": value for field, value in prepared.items()}
    for norm in NORMS:
        fields |= {f"{norm}.{kind}": of(norm, kind) for kind in ("weight", "bias")}
    fields |= _exit(leaving)
    yield from (fields[name] for name in LAYER_FIELDS)


def _model(arrays: Arrays, temperature: float, leaving: Exit | None) -> Iterator[NDArray[np.generic]]:
    # What the head says is divided by the temperature at once.
    head = _head(
        "head",
        arrays["head_dense.weight"],
        arrays["head_dense.bias"],
        arrays["head_output.weight"] / np.float32(temperature),
        arrays["head_output.bias"] / np.float32(temperature),
    )
    fields: dict[str, NDArray[np.generic]] = {
        "words": arrays["words.weight"],
        "positions": arrays["positions.weight"] + arrays["kinds.weight"][0],
        "embedding_norm.weight": arrays["embedding_norm.weight"],
        "embedding_norm.bias": arrays["embedding_norm.bias"],
        **head,
        **_exit(leaving),
    }
    yield from (fields[name] for name in MODEL_FIELDS)


class Table:
    """Addresses of arrays, which it keeps alive, as the code reads them."""

    def __init__(self, arrays: Iterator[NDArray[np.generic]]) -> None:
        self.arrays = together(list(arrays))
        self._addresses = np.asarray([array.ctypes.data for array in self.arrays], dtype=np.int64)
        self.address = int(self._addresses.ctypes.data)


class Int8Weights:
    """Tables of the model and its layers, how many those are, and a checksum of all their bytes."""

    def __init__(self, arrays: Arrays, temperature: float, exits: Sequence[Exit] = ()) -> None:
        self.vocabulary = len(arrays["words.weight"])
        after = {exit_.layers: exit_ for exit_ in exits}
        self.model = Table(_model(arrays, temperature, after.get(0)))
        self.depth = layers_of(arrays)
        self.layers = Table(
            array for index in range(self.depth) for array in _layer(arrays, index, after.get(index + 1))
        )
        whole = hashlib.sha256()
        for array in (*self.model.arrays, *self.layers.arrays):
            whole.update(array.data)
        self.checksum = whole.hexdigest()


def scratch(tokens: int) -> Table:
    """Room for a group of at most ``tokens`` tokens; code may write, and read for nothing, some rows beyond."""
    rows = tokens + WIDENED_ROWS + 2 * LANES
    kinds: dict[str, tuple[tuple[int, ...], type[np.generic]]] = {
        "hidden": ((rows, HIDDEN), np.float32),
        "bytes": ((rows, HIDDEN), np.uint8),
        "scales": ((rows,), np.float32),
        "projected": ((rows, HIDDEN), np.float32),
        "context": ((rows, HIDDEN), np.float32),
        "widened": ((WIDENED_ROWS, HIDDEN), np.float32),
        "widened_bytes": ((WIDENED_ROWS, HIDDEN), np.uint8),
        "widened_scales": ((WIDENED_ROWS,), np.float32),
        "keys": ((SIZES.head, MOST_TOKENS), np.float32),
        "shares": ((max(8, QUERIES), MOST_TOKENS), np.float32),
        "features": ((FEATURES,), np.float32),
        "lengths": ((tokens,), np.int64),
        "places": ((tokens,), np.int64),
        "left": ((2,), np.int64),
    }
    return Table(np.zeros(*kinds[name]) for name in SCRATCH_FIELDS)

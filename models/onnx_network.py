"""The bundled network in ONNX Runtime as a backend, in single precision: several times as fast as torch on processors
without instructions for narrower numbers.

Not in 8-bit integers: its dynamic quantisation takes one scale from the whole batch, so that a text's tone would depend
on its neighbours.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from types import ModuleType
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from models.architecture import HEADS, HIDDEN, NORM_EPSILON, layers_of
from models.errors import ModelError
from models.merged import Arrays, EncoderFiles
from models.processor import describe_processor

NAME: Final = "onnx-fp32"

# The oldest opset that has the operator Gelu, and the layout that goes with it.
_OPSET: Final = 20
_IR_VERSION: Final = 9


def silent_runtime() -> ModuleType:
    """ONNX Runtime, told to send nothing to anybody: from 1.29 on its builds for Linux report models and machines to
    their maker unless the environment forbids it."""
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    import onnxruntime

    found: ModuleType = onnxruntime
    return found


class OnnxNetwork:
    """A :class:`models.network.Network`; each batch is computed on the calling thread."""

    any_shape = False

    def __init__(self, files: EncoderFiles) -> None:
        onnxruntime = silent_runtime()
        self._version = onnxruntime.__version__
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        model = _Graph(files.arrays(), files.temperature).model()
        try:
            self._session = onnxruntime.InferenceSession(
                model.SerializeToString(), options, providers=["CPUExecutionProvider"]
            )
        except RuntimeError as error:
            raise ModelError(f"backend {NAME}: ONNX Runtime cannot read the model ({error})") from error

    @property
    def description(self) -> str:
        """See ``models.network.Network``."""
        return f"{NAME} {self._version} {describe_processor()}"

    def __call__(self, ids: NDArray[np.int64], lengths: NDArray[np.int64]) -> NDArray[np.float32]:
        """See ``models.network.Network``."""
        real = np.arange(ids.shape[1])[None, :] < lengths[:, None]
        mask = np.where(real, np.float32(0), np.float32(-1e4))[:, None, None, :]
        share = (real / lengths[:, None]).astype(np.float32)[:, None, :]
        tones: NDArray[np.float32] = self._session.run(None, {"ids": ids, "mask": mask, "share": share})[0]
        return tones


class _Graph:
    """The network written down operator by operator."""

    def __init__(self, arrays: Arrays, temperature: float) -> None:
        self._arrays = arrays
        self._temperature = np.float32(temperature)
        self._nodes: list[Any] = []
        self._constants: list[Any] = []
        self._names: Iterator[str] = (f"t{number}" for number in range(1 << 20))

    def model(self) -> Any:
        """An ONNX model: ids (rows, tokens), mask (rows, 1, 1, tokens), share (rows, 1, tokens) -> tones (rows, 3)."""
        from onnx import TensorProto, helper

        arrays = self._arrays
        positions = self._constant(arrays["positions.weight"] + arrays["kinds.weight"][0])
        tokens = self._op("Gather", self._op("Shape", "ids"), self._constant(np.int64(1)))
        places = self._op("Range", self._constant(np.int64(0)), tokens, self._constant(np.int64(1)))
        words = self._op("Gather", self._constant(arrays["words.weight"]), "ids")
        hidden = self._normed(self._op("Add", words, self._op("Gather", positions, places)), "embedding_norm")
        for index in range(layers_of(arrays)):
            hidden = self._layer(hidden, f"layers.{index}")
        features = self._op("Squeeze", self._op("MatMul", "share", hidden), self._constant(np.asarray([1])))
        features = self._op("Tanh", self._linear(features, arrays["head_dense.weight"], arrays["head_dense.bias"]))
        output = (arrays["head_output.weight"] / self._temperature, arrays["head_output.bias"] / self._temperature)
        tones = self._op("Softmax", self._linear(features, *output), axis=-1)
        shapes: dict[str, list[Any]] = {
            "ids": ["rows", "tokens"],
            "mask": ["rows", 1, 1, "tokens"],
            "share": ["rows", 1, "tokens"],
        }
        inputs = [
            helper.make_tensor_value_info(name, TensorProto.INT64 if name == "ids" else TensorProto.FLOAT, shape)
            for name, shape in shapes.items()
        ]
        result = helper.make_tensor_value_info(tones, TensorProto.FLOAT, ["rows", 3])
        graph = helper.make_graph(self._nodes, "tone", inputs, [result], self._constants)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=_IR_VERSION)

    def _layer(self, hidden: str, layer: str) -> str:
        heads = self._constant(np.asarray([0, 0, HEADS, HIDDEN // HEADS]))
        flat = self._constant(np.asarray([0, 0, HIDDEN]))
        factor = float(1 / np.sqrt(HIDDEN // HEADS))

        def product(values: str, name: str, times: float = 1.0) -> str:
            weight, bias = (self._arrays[f"{layer}.{name}.{kind}"] * np.float32(times) for kind in ("weight", "bias"))
            return self._linear(values, weight, bias)

        def split(values: str, order: list[int]) -> str:
            return self._op("Transpose", self._op("Reshape", values, heads), perm=order)

        query = split(product(hidden, "query", factor), [0, 2, 1, 3])
        key = split(product(hidden, "key"), [0, 2, 3, 1])
        value = split(product(hidden, "value"), [0, 2, 1, 3])
        shares = self._op("Softmax", self._op("Add", self._op("MatMul", query, key), "mask"), axis=-1)
        context = self._op("Transpose", self._op("MatMul", shares, value), perm=[0, 2, 1, 3])
        attended = product(self._op("Reshape", context, flat), "attention_output")
        hidden = self._normed(self._op("Add", hidden, attended), f"{layer}.attention_norm")
        widened = product(self._op("Gelu", product(hidden, "intermediate")), "output")
        return self._normed(self._op("Add", hidden, widened), f"{layer}.output_norm")

    def _linear(self, values: str, weight: NDArray[np.float32], bias: NDArray[np.float32]) -> str:
        product = self._op("MatMul", values, self._constant(np.ascontiguousarray(weight.T)))
        return self._op("Add", product, self._constant(bias))

    def _normed(self, values: str, name: str) -> str:
        weight, bias = (self._constant(self._arrays[f"{name}.{kind}"]) for kind in ("weight", "bias"))
        return self._op("LayerNormalization", values, weight, bias, axis=-1, epsilon=NORM_EPSILON)

    def _constant(self, values: Any) -> str:
        from onnx import numpy_helper

        name = next(self._names)
        self._constants.append(numpy_helper.from_array(np.asarray(values), name))
        return name

    def _op(self, kind: str, *inputs: str, **attributes: Any) -> str:
        from onnx import helper

        name = next(self._names)
        self._nodes.append(helper.make_node(kind, list(inputs), [name], **attributes))
        return name

"""The bundled network in OpenVINO as a backend: for processors with matrix units of their own (AMX), and for those that
the 8-bit code does not know.
"""

from __future__ import annotations

import os
import threading
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from models.architecture import HEADS, HIDDEN, NORM_EPSILON, layers_of
from models.errors import ModelError
from models.merged import Arrays, EncoderFiles
from models.processor import describe_processor

PRECISIONS: Final = {"openvino-bf16": "bf16", "openvino-fp32": "f32"}
"""Name of each backend of this module -> the precision that OpenVINO is asked for."""


def why_not(name: str) -> str | None:
    """Why this installation or processor cannot run a backend named as in ``PRECISIONS``; ``None`` where it can."""
    try:
        import openvino
    except (ImportError, OSError) as error:
        return f"openvino cannot be imported ({error}); pip install tocsin[openvino]"
    if PRECISIONS[name] == "bf16" and "BF16" not in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        return "the processor has no bfloat16 instructions"
    return None


class OpenVinoNetwork:
    """A :class:`models.network.Network`; each batch is computed by one thread."""

    any_shape = False

    def __init__(self, files: EncoderFiles, name: str, threads: int = 0) -> None:
        import openvino

        self._name = name
        self._version = openvino.__version__
        streams = threads or os.cpu_count() or 1
        options = {
            "INFERENCE_PRECISION_HINT": PRECISIONS[name],
            "INFERENCE_NUM_THREADS": streams,
            "NUM_STREAMS": streams,
            "ENABLE_CPU_PINNING": False,
        }
        try:
            self._model = openvino.Core().compile_model(_graph(files.arrays(), files.temperature), "CPU", options)
        except RuntimeError as error:
            raise ModelError(f"backend {name}: OpenVINO cannot compile the model ({error})") from error
        self._requests = threading.local()

    @property
    def description(self) -> str:
        """See ``models.network.Network``."""
        return f"{self._name} {self._version} {describe_processor()}"

    def __call__(self, ids: NDArray[np.int64], lengths: NDArray[np.int64]) -> NDArray[np.float32]:
        """See ``models.network.Network``."""
        request = getattr(self._requests, "request", None)
        if request is None:
            request = self._requests.request = self._model.create_infer_request()
        real = np.arange(ids.shape[1])[None, :] < lengths[:, None]
        mask = np.where(real, np.float32(0), np.float32(-1e4))[:, None, None, :]
        share = (real / lengths[:, None]).astype(np.float32)[:, None, :]
        results = request.infer([ids.astype(np.int32), mask, share])
        return np.array(results[0], dtype=np.float32)


def _graph(arrays: Arrays, temperature: float) -> Any:
    import openvino
    from openvino import opset13 as op

    def constant(values: Any, kind: Any = np.float32) -> Any:
        return op.constant(np.array(values, dtype=kind, order="C"))

    def linear(values: Any, weight: NDArray[np.float32], bias: NDArray[np.float32]) -> Any:
        return op.add(op.matmul(values, constant(weight), False, True), constant(bias))

    def normed(values: Any, name: str) -> Any:
        centred = op.mvn(values, constant([-1], np.int64), True, NORM_EPSILON, "inside_sqrt")
        scaled = op.multiply(centred, constant(arrays[f"{name}.weight"]))
        return op.add(scaled, constant(arrays[f"{name}.bias"]))

    ids = op.parameter([-1, -1], np.int32)
    mask = op.parameter([-1, 1, 1, -1], np.float32)
    share = op.parameter([-1, 1, -1], np.float32)
    shape = op.shape_of(ids, "i64")
    heads = op.concat([shape, constant([3, HEADS, HIDDEN // HEADS], np.int64)], 0)
    flat = op.concat([shape, constant([HIDDEN], np.int64)], 0)
    tokens = op.gather(shape, constant(1, np.int64), constant(0, np.int64))
    places = op.range(constant(0, np.int64), tokens, constant(1, np.int64), "i64")
    zero = constant(0, np.int64)
    positions = constant(arrays["positions.weight"] + arrays["kinds.weight"][0])
    embedded = op.add(op.gather(constant(arrays["words.weight"]), ids, zero), op.gather(positions, places, zero))
    hidden = normed(embedded, "embedding_norm")
    factor = np.float32(1 / np.sqrt(HIDDEN // HEADS))
    for index in range(layers_of(arrays)):

        def of(name: str, kind: str, index: int = index) -> NDArray[np.float32]:
            return arrays[f"layers.{index}.{name}.{kind}"]

        def product(values: Any, name: str, of: Any = of) -> Any:
            return linear(values, of(name, "weight"), of(name, "bias"))

        three = [
            np.concatenate([of("query", kind) * factor, of("key", kind), of("value", kind)])
            for kind in ("weight", "bias")
        ]
        projected = op.reshape(linear(hidden, *three), heads, False)
        projected = op.transpose(projected, constant([2, 0, 3, 1, 4], np.int64))
        query, key, value = (
            op.squeeze(part, constant([0], np.int64)) for part in op.split(projected, zero, 3).outputs()
        )
        context = op.scaled_dot_product_attention(query, key, value, mask, constant(1.0))
        context = op.reshape(op.transpose(context, constant([0, 2, 1, 3], np.int64)), flat, False)
        hidden = normed(op.add(hidden, product(context, "attention_output")), f"layers.{index}.attention_norm")
        widened = op.gelu(product(hidden, "intermediate"), "erf")
        hidden = normed(op.add(hidden, product(widened, "output")), f"layers.{index}.output_norm")
    features = op.squeeze(op.matmul(share, hidden, False, False), constant([1], np.int64))
    features = op.tanh(linear(features, arrays["head_dense.weight"], arrays["head_dense.bias"]))
    logits = linear(features, arrays["head_output.weight"] / temperature, arrays["head_output.bias"] / temperature)
    return openvino.Model([op.result(op.softmax(logits, -1))], [ids, mask, share], "tone")

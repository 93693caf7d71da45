"""ONNX Runtime reads the bundled network and nothing else comes of it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SESSION = """
from onnx import TensorProto, helper
from models.onnx_network import silent_runtime

x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in "xy")
graph = helper.make_graph([helper.make_node("Neg", ["x"], ["y"])], "graph", [x], [y])
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
silent_runtime().InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
"""


def test_it_reports_to_nobody(tmp_path: Path) -> None:
    """Its telemetry keeps an identifier of the machine and a database of what to send in the home directory."""
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnx")
    # It keeps quiet by itself in what it takes for a test: none of the variables that say so may be left.
    environment = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}
    subprocess.run(
        [sys.executable, "-c", SESSION],
        cwd=Path(__file__).parents[2],
        env={**environment, "HOME": str(tmp_path)},
        check=True,
        timeout=60,
    )
    assert list(tmp_path.iterdir()) == []

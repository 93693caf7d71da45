"""models/ stands on its own, and importing it costs nothing."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

from models.backends import BACKENDS

ROOT = Path(__file__).parents[2]


def test_import_is_cheap() -> None:
    heavy = "{'torch', 'transformers', 'sympy', 'scipy'} & set(sys.modules)"
    program = f"import sys, models; print({heavy}); models.load(); print({heavy})"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=True)
    # None of the libraries that would double its time to start; torch only where the 8-bit kernels cannot run.
    needed = "set()" if BACKENDS["int8-avx512"].why_not() is None else "{'torch'}"
    assert done.stdout.split("\n") == ["set()", needed, ""]


def test_models_import_no_other_room() -> None:
    for file in (ROOT / "models").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names.append(node.module or "")
            rooms = {name.split(".")[0] for name in names}
            assert not rooms & {"streams", "detectors", "kafka", "aiokafka", "faust"}, file

"""models/ stands on its own, and importing it costs nothing."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_import_is_cheap() -> None:
    program = "import sys, models; print(sorted({'torch', 'transformers', 'tokenizers', 'scipy'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.strip() == "[]"


def test_bundled_model_needs_no_transformers() -> None:
    program = "import sys, models.bundled; print('transformers' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.strip() == "False"


def test_models_import_no_other_room() -> None:
    for file in (ROOT / "models").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names.append(node.module or "")
            rooms = {name.split(".")[0] for name in names}
            assert not rooms & {"streams", "detectors", "kafka", "aiokafka", "faust"}, file

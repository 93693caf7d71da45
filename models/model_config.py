"""The configuration beside a model's weights: read, and checked against what this version of Tocsin knows."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from models.errors import ModelFileError


def read_config(
    file: Path, expected: Mapping[str, Any], *, use: str, remedy: str = "reinstall tocsin"
) -> dict[str, Any]:
    """What ``file`` says. Raises ``ModelFileError`` where it cannot be read, with the ``remedy``, or where it says
    something else than ``expected``, with what to ``use`` instead.
    """
    try:
        config = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ModelFileError(f"cannot read {file}: {error.strerror}; {remedy}") from error
    except ValueError as error:
        raise ModelFileError(f"{file} is not JSON ({error}); reinstall tocsin") from error
    if not isinstance(config, dict):
        raise ModelFileError(f"{file} holds no JSON object; {remedy}")
    for key, value in expected.items():
        if config.get(key) != value:
            raise ModelFileError(
                f"{file}: {key} is {config.get(key)!r}, but this version of tocsin reads {value!r}; use {use} trained "
                "with this version"
            )
    return config


def finite(value: Any, name: str, above: float = -math.inf) -> float:
    """A number of a configuration, larger than ``above``. Raises ``TypeError`` or ``ValueError``."""
    number = float(value)
    if not above < number < math.inf:
        least = "" if above == -math.inf else f" above {above:g}"
        raise ValueError(f"{name} is {value!r}, not a finite number{least}")
    return number

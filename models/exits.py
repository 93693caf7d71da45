"""Exits: where a text leaves the network early because its tone is clear already.

After some layers a small head of its own looks at what the text has become, and where it is sure enough, what it says
is the tone and the layers that follow are spared ("early exiting": Teerapittayanon et al., 2016, BranchyNet; Xin et
al., 2020, DeeBERT). Which texts leave is decided by their own numbers alone. Exits are learned from what the whole
network says (models.train_exits), and change nothing of it: they are an approximation, as 8-bit integers are, made by
backends that gain from it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from models.architecture import CLASSES, HIDDEN, LAYERS
from models.base import sha256_of
from models.errors import ModelFileError
from models.whole_file import whole_file

FILE: Final = "exits.safetensors"
AFTER: Final = (0, 1, 2, 3, 4)
"""Layers after which there is an exit, of six; 0: before the first, where a text is no more than words in a row."""
WIDTH: Final = 64
QUERIES: Final = 4
"""Means that an exit takes of a text's hidden states, each weighted by the softmax of their products with a query that
it has learned ("attention pooling"): so it looks at the words that carry a tone.
"""
FEATURES: Final = QUERIES * HIDDEN
"""The means, one behind the other."""


@dataclass(frozen=True)
class Exit:
    """The head after so many ``layers``: probabilities softmax(output tanh(dense features)).

    ``queries`` (QUERIES, HIDDEN), ``dense`` (WIDTH, FEATURES) and ``dense_bias`` (WIDTH,), ``output`` (CLASSES, WIDTH)
    and ``output_bias`` (CLASSES,), all float32. A text leaves if its largest probability is at least ``sure``.
    """

    layers: int
    queries: NDArray[np.float32]
    dense: NDArray[np.float32]
    dense_bias: NDArray[np.float32]
    output: NDArray[np.float32]
    output_bias: NDArray[np.float32]
    sure: float


_SHAPES: Final = {
    "queries": (QUERIES, HIDDEN),
    "dense": (WIDTH, FEATURES),
    "dense_bias": (WIDTH,),
    "output": (CLASSES, WIDTH),
    "output_bias": (CLASSES,),
}


def save_exits(exits: Sequence[Exit], directory: Path) -> dict[str, Any]:
    """Write the heads to ``directory`` in half precision, all or nothing; returns what ``config.json`` is to say of
    them.
    """
    from safetensors.numpy import save_file

    tensors = {f"{e.layers}.{name}": getattr(e, name).astype(np.float16) for e in exits for name in _SHAPES}
    with whole_file(directory / FILE) as part:
        save_file(tensors, part)
    return {"sha256": sha256_of(directory / FILE), "sure": {str(e.layers): e.sure for e in exits}}


def read_exits(directory: Path, config: dict[str, Any]) -> tuple[Exit, ...]:
    """The exits that the ``config`` of an adapter in ``directory`` tells of, by layers; none where it tells of none.

    Raises ``ModelFileError`` for a file that is missing or another one, and for whatever in it or in what is told of it
    is missing or makes no sense.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    told = config.get("exits")
    if told is None:
        return ()
    try:
        content = (directory / FILE).read_bytes()
        found = hashlib.sha256(content).hexdigest()
        if found != told["sha256"]:
            raise ValueError(f"its SHA-256 is {found}, config.json expects {told['sha256']}")
        stored = load(content)
        return tuple(_exit(stored, layers, told["sure"][layers]) for layers in sorted(told["sure"]))
    except OSError as error:
        raise _unusable(directory, error.strerror or str(error)) from error
    except KeyError as error:
        raise _unusable(directory, f"{error.args[0]} is missing") from error
    except (AttributeError, TypeError, ValueError, SafetensorError) as error:
        raise _unusable(directory, str(error)) from error


def _exit(stored: Mapping[str, NDArray[Any]], layers: str, sure: float) -> Exit:
    """Raises ``KeyError``, ``TypeError`` or ``ValueError``."""
    if layers not in map(str, range(LAYERS)):
        raise ValueError(f"an exit is after 0 to {LAYERS - 1} layers, not {layers!r}")
    # Above 1 nobody leaves, which is what texts that an exit knows nothing of come to.
    if not 0 < float(sure) < 2:
        raise ValueError(f"an exit is sure from a probability between 0 and 1 on, not {sure!r}")
    arrays = {name: stored[f"{layers}.{name}"].astype(np.float32) for name in _SHAPES}
    for name, shape in _SHAPES.items():
        if arrays[name].shape != shape:
            raise ValueError(f"{layers}.{name} has the shape {arrays[name].shape}, not {shape}")
        if not np.isfinite(arrays[name]).all():
            raise ValueError(f"{layers}.{name} holds what is no number")
    return Exit(int(layers), **arrays, sure=float(sure))


def _unusable(directory: Path, why: str) -> ModelFileError:
    return ModelFileError(
        f"the exits in {directory / FILE} cannot be used: {why}; reinstall tocsin, or, for a model of your own, learn "
        f"them anew: python -m models.train_exits {directory} --help"
    )

"""The bundled network in 8-bit integers as a backend: see ``models.int8_kernels``."""

from __future__ import annotations

import platform
import threading
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.architecture import CLASSES
from models.int8_kernels import KERNELS, translate
from models.int8_layout import DEPTH_LANE, MOST_TOKENS
from models.int8_weights import SIZES, Int8Weights, Table, scratch
from models.merged import EncoderFiles
from models.vector_code import LANES

NAME: Final = "int8-avx512"

_NEEDED: Final = ("avx512f", "avx512bw", "avx512dq", "avx512vl", "avx512vnni", "fma")

GROUP_TOKENS: Final = 576
"""Tokens that start through the layers together, up to a text more: few enough for the caches, enough to use each
matrix well while it is there, also when most texts have left. Changes no bit.
"""


def why_not() -> str | None:
    """Why this processor or installation cannot run the code; ``None`` where it can."""
    if platform.machine().lower() not in {"x86_64", "amd64"}:
        return f"the processor is {platform.machine()}, not x86-64"
    try:
        import llvmlite.binding as llvm
    except (ImportError, OSError) as error:
        return f"llvmlite cannot be imported: {error}"
    features = llvm.get_host_cpu_features()
    missing = [name for name in _NEEDED if not features.get(name)]
    return f"the processor lacks {', '.join(missing)}" if missing else None


class Int8Network:
    """A :class:`models.network.Network` that takes any shape: rows are packed, and nothing is computed for padding."""

    any_shape = True

    def __init__(self, files: EncoderFiles, tiles: bool | None = None) -> None:
        """``tiles``: whether by the matrix unit, see :func:`models.int8_kernels.translate`."""
        self._weights = Int8Weights(files.arrays(), files.temperature, files.exits)
        self._code = translate(SIZES, tiles)
        self._forward = self._code.function("forward", 11)
        self._rooms = threading.local()

    @property
    def description(self) -> str:
        """See ``models.network.Network``: the arithmetic is exact or rounded as IEEE 754 says, so neither processor nor
        LLVM is part of it.
        """
        return f"{NAME} kernels {KERNELS} weights {self._weights.checksum}"

    def __call__(self, ids: NDArray[np.int64], lengths: NDArray[np.int64]) -> NDArray[np.float32]:
        """See ``models.network.Network``."""
        return np.ascontiguousarray(self._results(ids, lengths)[:, :CLASSES])

    def layers_passed(self, ids: NDArray[np.int64], lengths: NDArray[np.int64]) -> NDArray[np.int64]:
        """After how many layers each text leaves, (rows,): arguments as of a call."""
        return self._results(ids, lengths)[:, DEPTH_LANE].astype(np.int64)

    def _results(self, ids: NDArray[np.int64], lengths: NDArray[np.int64]) -> NDArray[np.float32]:
        ids, lengths = np.ascontiguousarray(ids, np.int64), np.ascontiguousarray(lengths, np.int64)
        rows, width = ids.shape
        # Nothing below looks again: a wrong number would read foreign memory.
        if not rows or len(lengths) != rows or lengths.min() < 1 or lengths.max() > min(width, MOST_TOKENS):
            raise ValueError(f"lengths must be from 1 to {min(width, MOST_TOKENS)}, one for each of {rows} rows")
        if ids.min() < 0 or ids.max() >= self._weights.vocabulary:
            raise ValueError(f"token ids must be from 0 to {self._weights.vocabulary - 1}")
        starts, totals = _groups(lengths)
        tones = np.empty((rows, LANES), np.float32)
        self._forward(
            self._weights.model.address,
            self._weights.layers.address,
            self._weights.depth,
            self._room().address,
            ids.ctypes.data,
            width,
            lengths.ctypes.data,
            tones.ctypes.data,
            len(totals),
            starts.ctypes.data,
            totals.ctypes.data,
        )
        return tones

    def _room(self) -> Table:
        room: Table | None = getattr(self._rooms, "room", None)
        if room is None:
            room = self._rooms.room = scratch(GROUP_TOKENS + MOST_TOKENS)
        return room


def _groups(lengths: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First row of each group and the number of rows, and tokens of each group; all of about the same size."""
    begins = np.cumsum(lengths) - lengths
    tokens = int(begins[-1] + lengths[-1])
    groups = -(-tokens // GROUP_TOKENS)
    starts = np.append(np.searchsorted(begins * groups // tokens, np.arange(groups)), len(lengths))
    return starts, np.diff(np.append(begins, tokens)[starts])

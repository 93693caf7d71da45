"""Torch on the processor as a backend: precision, threads, and what of the machine can change a bit."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.architecture import HIDDEN
from models.encoder import ToneNetwork
from models.errors import ModelError
from models.tone import LABELS

BACKENDS: Final = ("auto", "torch-bf16", "torch-fp32")
"""Names for the setting: ``auto`` is ``torch-bf16`` where the processor multiplies bfloat16 (about three times as
fast), else ``torch-fp32``.
"""

# Small float32 products take other routes below four rows; the head costs nothing, so it never sees fewer than this.
_HEAD_ROWS: Final = 8
# Settings of the libraries below torch that pick other instructions.
_ENVIRONMENT: Final = (
    "ONEDNN_MAX_CPU_ISA",
    "DNNL_MAX_CPU_ISA",
    "ONEDNN_DEFAULT_FPMATH_MODE",
    "MKL_CBWR",
    "MKL_ENABLE_INSTRUCTIONS",
)


def _capabilities() -> dict[str, Any]:
    """What torch knows of the processor; nothing where it is too old to be asked."""
    ask = getattr(torch.cpu, "get_capabilities", None)
    return dict(ask()) if ask is not None else {}


def multiplies_bfloat16() -> bool:
    """Whether the processor has bfloat16 matrix instructions (AVX512-BF16 or AMX); without them bfloat16 is emulated
    and slow.
    """
    capabilities = _capabilities()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))


def fastest_autocast() -> torch.autocast:
    """A context for training and for what need not repeat its bits elsewhere: bfloat16 where the processor multiplies
    it, float32 where it would be emulated, which takes 3.7 times as long as float32.
    """
    return torch.autocast("cpu", dtype=torch.bfloat16, enabled=multiplies_bfloat16())


def precision(backend: str) -> torch.dtype:
    """The number format of a backend named as in ``BACKENDS``.

    A rule on the processor rather than a race against the clock: two workers on equal machines must not choose
    differently, or one text would get two tones. Raises ``ModelError`` for an unknown name.
    """
    if backend not in BACKENDS:
        raise ModelError(f"unknown tone backend {backend!r}; allowed: {', '.join(BACKENDS)}")
    if backend == "torch-fp32" or (backend == "auto" and not multiplies_bfloat16()):
        return torch.float32
    return torch.bfloat16


def backend_name(dtype: torch.dtype) -> str:
    """The name in ``BACKENDS`` of a number format."""
    return "torch-bf16" if dtype == torch.bfloat16 else "torch-fp32"


def describe(dtype: torch.dtype) -> str:
    """Everything about library and processor that may change a bit: kernels are chosen by instruction set and blocked
    by cache size.
    """
    capabilities = _capabilities()
    flags = ("avx2", "avx512_f", "avx512_bf16", "amx_bf16", "avx512_vnni")
    parts = [
        backend_name(dtype),
        torch.__version__,
        platform.machine(),
        torch.backends.cpu.get_cpu_capability(),
        *(flag for flag in flags if capabilities.get(flag)),
        f"caches {capabilities.get('l1d_cache_size')}/{capabilities.get('l2_cache_size')}",
        *(f"{name}={os.environ[name]}" for name in _ENVIRONMENT if name in os.environ),
    ]
    return " ".join(parts)


def one_thread() -> None:
    """Make torch work on the calling thread alone.

    A product split over threads may sum in another order, so the number of threads must never reach the kernels;
    parallelism is several batches at once instead. Torch and OpenMP keep this per thread but hand new threads the
    latest value, and MKL has one value for the process: hence called anew before each batch (a microsecond), whatever
    other code in the process has set meanwhile.
    """
    torch.set_num_threads(1)


class TorchNetwork:
    """A torch function from (ids, lengths) to logits (rows, 3), with a temperature and a softmax, as a backend."""

    any_shape = False

    def __init__(
        self, logits: Callable[[Tensor, Tensor], Tensor], dtype: torch.dtype, temperature: float = 1.0
    ) -> None:
        self._logits = logits
        self._temperature = temperature
        self.dtype = dtype

    @property
    def description(self) -> str:
        """See ``models.network.Network``."""
        return describe(self.dtype)

    def __call__(self, ids: NDArray[np.int64], lengths: NDArray[np.int64]) -> NDArray[np.float32]:
        """See ``models.network.Network``."""
        return self.unrounded(ids, lengths)[:, len(LABELS) :].copy()

    def unrounded(self, ids: NDArray[np.int64], lengths: NDArray[np.int64]) -> NDArray[np.float32]:
        """See ``models.network.Unrounded``."""
        one_thread()
        with torch.inference_mode():
            logits = self._logits(torch.from_numpy(ids), torch.from_numpy(lengths)).float()
            both: NDArray[np.float32] = torch.cat((logits, torch.softmax(logits / self._temperature, 1)), 1).numpy()
        return both


def tone_logits(network: ToneNetwork, dtype: torch.dtype) -> Callable[[Tensor, Tensor], Tensor]:
    """The bundled network ready to serve: encoder in ``dtype``, pooling and head in float32, head never on fewer than
    ``_HEAD_ROWS`` rows.
    """
    network.eval().requires_grad_(False)
    for part in (network.words, network.positions, network.kinds, network.embedding_norm, network.layers):
        part.to(dtype)

    def logits(ids: Tensor, lengths: Tensor) -> Tensor:
        features = network.pooled(ids, lengths)
        rows = features.shape[0]
        if rows < _HEAD_ROWS:
            features = torch.cat((features, features.new_zeros(_HEAD_ROWS - rows, HIDDEN)))
        result: Tensor = network.head(features)
        return result[:rows]

    return logits

"""The numeric backends of the bundled encoders by name: whether each can run here, and how it is made."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from models.errors import ModelError
from models.merged import EncoderFiles
from models.network import Network

AUTO: Final = "auto"
REFERENCE: Final = "torch-fp32"
"""What the others are held against; always there."""


# Where Linux shows the cards of NVIDIA, of AMD, and of Windows below it.
_CARDS: Final = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg")
_NVIDIA: Final = Path("/proc/driver/nvidia/gpus")  # a folder for each card
_HIDING: Final = ("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES")


@dataclass(frozen=True)
class Backend:
    """A way to compute the bundled model.

    ``why_not`` says why it cannot run here (``None`` where it can), ``make`` loads it for so many threads, and
    ``libraries`` are the distributions whose versions count.
    """

    why_not: Callable[[], str | None]
    make: Callable[[EncoderFiles, int], Network]
    libraries: tuple[str, ...]


def _int8_why_not() -> str | None:
    if find_spec("llvmlite") is None:
        return "llvmlite is not installed"
    from models.int8_network import why_not

    return why_not()


def _int8(files: EncoderFiles, threads: int) -> Network:  # noqa: ARG001
    from models.int8_network import Int8Network

    return Int8Network(files)


def _openvino_why_not(name: str) -> str | None:
    if find_spec("openvino") is None:
        return "openvino is not installed (pip install tocsin[openvino])"
    from models.openvino_network import why_not

    return why_not(name)


def _openvino(name: str, files: EncoderFiles, threads: int) -> Network:
    from models.openvino_network import OpenVinoNetwork

    return OpenVinoNetwork(files, name, threads)


def _onnx_why_not() -> str | None:
    if find_spec("onnxruntime") is None or find_spec("onnx") is None:
        return "onnxruntime and onnx are not installed (pip install tocsin[onnx])"
    return None


def _onnx(files: EncoderFiles, threads: int) -> Network:  # noqa: ARG001
    from models.onnx_network import OnnxNetwork

    return OnnxNetwork(files)


def cards() -> str:
    """The graphics cards that Linux shows, and what hides some of them from torch; found without importing it."""
    shown = [device for device in _CARDS if Path(device).exists()]
    models = sorted(_model_of(card) for card in _NVIDIA.glob("*/information"))
    hidden = [f"{name}={os.environ[name]}" for name in _HIDING if name in os.environ]
    return ", ".join([*shown, *models, *hidden]) or "-"


def _model_of(card: Path) -> str:
    try:
        lines = card.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("Model:")), "unknown")


def _torch_gpu_why_not() -> str | None:
    if sys.platform == "linux" and not any(Path(device).exists() for device in _CARDS):
        return "there is no graphics card"  # said without importing torch, which takes seconds
    from models.torch_gpu import why_not

    return why_not()


def _torch_gpu(files: EncoderFiles, threads: int) -> Network:  # noqa: ARG001
    from models.encoder import network_of
    from models.torch_gpu import GpuNetwork, precision
    from models.torch_network import tone_logits

    dtype = precision()
    return GpuNetwork(tone_logits(network_of(files.arrays()).cuda(), dtype), dtype, files.temperature)


def _torch_bf16_why_not() -> str | None:
    from models.torch_network import multiplies_bfloat16

    return None if multiplies_bfloat16() else "the processor has no bfloat16 instructions, so torch would emulate them"


def _torch(name: str, files: EncoderFiles, threads: int) -> Network:  # noqa: ARG001
    from models.encoder import network_of
    from models.torch_network import TorchNetwork, one_thread, precision, tone_logits

    # Torch's threads would wait for each other over small matrices: on a busy machine that makes loading slower.
    one_thread()
    dtype = precision(name)
    return TorchNetwork(tone_logits(network_of(files.arrays()), dtype), dtype, files.temperature)


BACKENDS: Final[dict[str, Backend]] = {
    "torch-gpu": Backend(_torch_gpu_why_not, _torch_gpu, ("torch",)),
    "int8-avx512": Backend(_int8_why_not, _int8, ("llvmlite", "numpy")),
    "openvino-bf16": Backend(
        partial(_openvino_why_not, "openvino-bf16"), partial(_openvino, "openvino-bf16"), ("openvino",)
    ),
    "torch-bf16": Backend(_torch_bf16_why_not, partial(_torch, "torch-bf16"), ("torch",)),
    "openvino-fp32": Backend(
        partial(_openvino_why_not, "openvino-fp32"), partial(_openvino, "openvino-fp32"), ("openvino",)
    ),
    "onnx-fp32": Backend(_onnx_why_not, _onnx, ("onnxruntime", "onnx")),
    REFERENCE: Backend(lambda: None, partial(_torch, REFERENCE), ("torch",)),
}
"""In the order in which they usually win."""


def checked_name(name: str) -> str:
    """``name`` if there is such a backend, or ``auto``. Raises ``ModelError`` that lists them."""
    if name != AUTO and name not in BACKENDS:
        raise ModelError(f"unknown tone backend {name!r}; allowed: {', '.join((AUTO, *BACKENDS))}")
    return name


def make(name: str, files: EncoderFiles, threads: int) -> Network:
    """Load a backend. Raises ``ModelError`` where it cannot run here, and says why."""
    backend = BACKENDS[checked_name(name)]
    reason = backend.why_not()
    if reason is not None:
        raise ModelError(f"tone backend {name} cannot run here: {reason}; set tone.backend to auto or to another one")
    return backend.make(files, threads)


def installed(names: tuple[str, ...]) -> str:
    """Versions of distributions, without importing them."""
    found = []
    for name in names:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            found.append(f"{name} -")
    return ", ".join(found)

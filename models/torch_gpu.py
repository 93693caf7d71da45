"""Torch on a graphics card as a backend, in half precision."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.tone import LABELS

NAME: Final = "torch-gpu"


def why_not() -> str | None:
    """Why no graphics card can be used; ``None`` where one can."""
    return None if torch.cuda.is_available() else "torch finds no graphics card (torch.cuda.is_available() is false)"


def precision() -> torch.dtype:
    """bfloat16 where the card has it, else float16."""
    return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16


class GpuNetwork:
    """A torch function from (ids, lengths) on the card to logits (rows, 3), with a temperature and a softmax, as a
    backend.

    Batches of one shape take one kernel, whatever is in them: fixed shapes keep "one text, one tone" here too. Several
    threads may call; the card works off their batches one after the other, and copies overlap.
    """

    any_shape = False

    def __init__(
        self, logits: Callable[[Tensor, Tensor], Tensor], dtype: torch.dtype, temperature: float = 1.0
    ) -> None:
        self._logits = logits
        self._dtype = dtype
        self._temperature = temperature
        # Sums in an order of its own choosing would differ from run to run.
        torch.backends.cuda.matmul.allow_bf16_reduced_precision_reduction = False
        torch.backends.cuda.matmul.allow_fp16_reduced_precision_reduction = False

    @property
    def description(self) -> str:
        """See ``models.network.Network``."""
        card = torch.cuda.get_device_properties()
        return " ".join(
            (
                NAME,
                str(self._dtype).removeprefix("torch."),
                torch.__version__,
                f"cuda {torch.version.cuda or torch.version.hip}",
                card.name,
                f"{card.major}.{card.minor}",
            )
        )

    def __call__(self, ids: NDArray[np.int64], lengths: NDArray[np.int64]) -> NDArray[np.float32]:
        """See ``models.network.Network``."""
        return self.unrounded(ids, lengths)[:, len(LABELS) :].copy()

    def unrounded(self, ids: NDArray[np.int64], lengths: NDArray[np.int64]) -> NDArray[np.float32]:
        """See ``models.network.Unrounded``."""
        with torch.inference_mode():
            logits = self._logits(torch.from_numpy(ids).cuda(), torch.from_numpy(lengths).cuda()).float()
            tones = torch.softmax(logits / self._temperature, dim=1)
            both: NDArray[np.float32] = torch.cat((logits, tones), 1).cpu().numpy()
        return both

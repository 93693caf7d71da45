"""What came in since the last snapshot and is not written yet."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from detectors.columns import Ints
from detectors.copies import First
from detectors.evidence import KEEP_MINUTES, Sample
from detectors.windows import LONGEST


class Unsaved:
    """Members since the last snapshot, as chunks; what `Engine.changes` writes into panes.

    Where it is not `wanted`, since nobody will ask for changes, nothing is to be put in.
    """

    def __init__(self, wanted: bool = True) -> None:
        self.wanted = wanted
        self.chunks: list[tuple[Ints, Ints, Ints, NDArray[np.uint64], NDArray[np.uint8]]] = []
        """Brand, tick, minute, author and flags (see windows.COUNTS_AS_MENTION) of members."""
        self.samples: dict[tuple[int, int], list[Sample]] = {}
        self.firsts: dict[tuple[int, int], list[First]] = {}
        self.sketches: dict[tuple[int, int], list[tuple[int, int, bytes]]] = {}
        """Of a state taken over whole: what is known by sketches alone (see windows.Windows.sketches)."""

    def forget(self, closed: int) -> None:
        """Drop what no window needs any more; without snapshots this bounds the memory."""
        self.chunks = [c for c in self.chunks if c[1][-1] > closed - LONGEST]
        for key in [key for key in self.samples if key[1] <= closed - KEEP_MINUTES]:
            del self.samples[key]
        for key in [key for key in self.firsts if key[1] <= closed - LONGEST]:
            del self.firsts[key]

    def take_over(self, other: Unsaved) -> None:
        """Add what another group of brands has not saved."""
        self.chunks.extend(other.chunks)
        self.samples.update(other.samples)
        self.firsts.update(other.firsts)
        self.sketches.update(other.sketches)

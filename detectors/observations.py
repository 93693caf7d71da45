"""What a detector sees: members of closed ticks, as columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

KINDS = ("post", "reply", "repost", "quote", "article", "review")
"""How a mention came to be; `Observations.kind` indexes this tuple."""


@dataclass(frozen=True, slots=True)
class Observations:
    """Members of closed ticks, sorted by (tick, total order). All columns (m,)."""

    tick: NDArray[np.int64]
    """Effective tick, minutes since 1970-01-01T00:00Z, non-decreasing."""
    minute: NDArray[np.int64]
    """The mention's own minute (<= tick; earlier means late)."""
    brand: NDArray[np.int32]
    """Index into `Engine.brands`."""
    author: NDArray[np.uint64]
    """Keyed hash; an unknown author is a hash of the mention id, so each is an author of its own."""
    negative: NDArray[np.bool_]
    """The tone's label is negative."""
    p_negative: NDArray[np.float32]
    kind: NDArray[np.uint8]
    reach: NDArray[np.float64]
    """Audience of the mention; nan where unknown."""
    id: Sequence[str]
    text: Sequence[str]
    url: Sequence[str | None]
    model: NDArray[np.uint64] | None = None
    """Code of the version of the tone model that read it; None: not told, the same for all."""
    models: Mapping[int, str] = field(default_factory=dict)
    """Name and version of each code."""

    def __len__(self) -> int:
        return len(self.tick)

    def validate(self, n_brands: int) -> None:
        """Raise ValueError unless the columns agree in length, are sorted by tick and name brands that exist."""
        m = len(self.tick)
        for name in ("minute", "brand", "author", "negative", "p_negative", "kind", "reach", "id", "text", "url"):
            if len(getattr(self, name)) != m:
                raise ValueError(f"column {name} has {len(getattr(self, name))} rows, tick has {m}")
        if self.model is not None and len(self.model) != m:
            raise ValueError(f"column model has {len(self.model)} rows, tick has {m}")
        if m == 0:
            return
        if np.any(np.diff(self.tick) < 0):
            raise ValueError("observations must be sorted by tick")
        if np.any(self.minute > self.tick):
            raise ValueError("a mention's own minute cannot be later than the tick it takes effect in")
        if int(self.brand.min()) < 0 or int(self.brand.max()) >= n_brands:
            raise ValueError(f"brand index outside 0..{n_brands - 1}")

    def rows(self, at: NDArray[np.int64]) -> Observations:
        """The rows at these positions, in that order."""
        where = at.tolist()
        return Observations(
            tick=self.tick[at],
            minute=self.minute[at],
            brand=self.brand[at],
            author=self.author[at],
            negative=self.negative[at],
            p_negative=self.p_negative[at],
            kind=self.kind[at],
            reach=self.reach[at],
            id=[self.id[i] for i in where],
            text=[self.text[i] for i in where],
            url=[self.url[i] for i in where],
            model=None if self.model is None else self.model[at],
            models=self.models,
        )

    @staticmethod
    def empty() -> Observations:
        """No observation at all: what a tick without members holds."""
        return Observations(
            tick=np.zeros(0, np.int64),
            minute=np.zeros(0, np.int64),
            brand=np.zeros(0, np.int32),
            author=np.zeros(0, np.uint64),
            negative=np.zeros(0, np.bool_),
            p_negative=np.zeros(0, np.float32),
            kind=np.zeros(0, np.uint8),
            reach=np.zeros(0, np.float64),
            id=(),
            text=(),
            url=(),
        )

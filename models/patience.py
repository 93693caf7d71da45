"""Stop a training once its judge has had enough: so many judgements in a row without a better figure. The best weights
are kept (Prechelt, 1998, "Early Stopping - But When?").
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from torch import Tensor

    from models.encoder import ToneNetwork


@dataclass(frozen=True)
class Patience:
    """A training stops after so many ``judgements`` in a row that brought nothing better; there is one after ``every``
    such share of a pass over the texts, and one at the end.

    Raises ``ValueError`` for numbers that make no sense.
    """

    judgements: int
    every: float = 1.0

    def __post_init__(self) -> None:
        if self.judgements < 1:
            raise ValueError(f"{self.judgements} is no number of judgements, 1 or more")
        if not 0 < self.every <= 1:
            raise ValueError(f"{self.every} is no share of a pass, above 0 and at most 1")

    def steps(self, steps: int, passes: int) -> list[int]:
        """After which of all ``steps`` of so many ``passes`` there is a judgement, in order; counted from 1."""
        length = steps / passes * self.every
        # A share of 0.1 ten times is a whole pass in spite of its rounding.
        times = int(passes / self.every + 1e-9)
        return sorted({max(1, round(length * time)) for time in range(1, times + 1)} | {steps})


class Judgement(NamedTuple):
    """After so many steps a network had this figure."""

    step: int
    figure: float


@dataclass(frozen=True)
class Judge:
    """Says how good a network is: ``figure``, the higher the better, named ``measure`` for the user."""

    patience: Patience
    figure: Callable[[ToneNetwork], float]
    measure: str


@dataclass
class Watch:
    """One training as its judge sees it: all judgements, and the ``best`` weights.

    ``steps`` is how many the training would take in all, over so many ``passes``.
    """

    judge: Judge
    steps: int
    passes: int
    judged: list[Judgement] = field(default_factory=list)
    best: list[Tensor] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.due = frozenset(self.judge.patience.steps(self.steps, self.passes))

    @property
    def kept(self) -> Judgement:
        """The best judgement, of equals the first: the others brought nothing better."""
        return max(self.judged, key=lambda one: (one.figure, -one.step))

    @property
    def in_vain(self) -> int:
        """Judgements since the best one."""
        return len(self.judged) - 1 - self.judged.index(self.kept) if self.judged else 0

    @property
    def over(self) -> bool:
        """Whether the judge's patience is."""
        return self.in_vain >= self.judge.patience.judgements

    def look(self, step: int, network: ToneNetwork, weights: list[Tensor]) -> None:
        """Judge ``network`` after this step. Its ``weights`` are copied if they are the best so far."""
        self.judged.append(Judgement(step, self.judge.figure(network)))
        if not self.in_vain:
            self.best = [value.detach().clone() for value in weights]

    def state(self) -> dict[str, Any]:
        """For a checkpoint: tensors and numbers."""
        return {"judged": [list(one) for one in self.judged], "best": self.best}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from what :meth:`state` gave."""
        self.judged = [Judgement(*one) for one in state["judged"]]
        self.best = state["best"]

    def outcome(self) -> dict[str, Any]:
        """For the record: what was judged, when, and which step's weights were kept."""
        return {
            "measure": self.judge.measure,
            "steps": self.steps,
            "stopped_at": self.judged[-1].step,
            "kept": self.kept.step,
            "figures": {str(step): figure for step, figure in self.judged},
        }

    def last_in_words(self) -> str:
        """The last judgement, for the user."""
        last, kept = self.judged[-1], self.kept
        told = f"{self.judge.measure} {last.figure:.2f} after step {last.step} of {self.steps}"
        if not self.in_vain:
            return f"{told}, the best so far"
        wanted = self.judge.patience.judgements
        return f"{told}, not above {kept.figure:.2f} after step {kept.step} ({self.in_vain} of {wanted} in vain)"

    def end_in_words(self) -> str:
        """How the training ended, for the user."""
        kept, last = self.kept, self.judged[-1]
        how = f"stops early at step {last.step} of {self.steps}" if last.step < self.steps else "ran to its end"
        return f"{how}; kept are the weights of step {kept.step}, {self.judge.measure} {kept.figure:.2f}"

"""How the bundled model is trained: every number that decides its weights, kept in ``config.json``."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Course:
    """How one network is trained.

    ``learning_rate`` is the highest one of the last layer; each layer below has ``layer_decay`` times the rate of the
    one above, the head ``head_rate``. The rate rises over the share ``warmup`` of all steps and falls to ``least_rate``
    times its highest. ``average`` is the decay of the running average of the weights, which is what is kept.
    """

    learning_rate: float = 1e-4
    head_rate: float = 5e-4
    layer_decay: float = 1.0
    epochs: int = 2
    batch: int = 32
    warmup: float = 0.06
    least_rate: float = 0.15
    average: float = 0.998
    dropout: float = 0.1
    weight_decay: float = 0.01


@dataclass(frozen=True)
class Recipe:
    """How the model is made.

    ``teacher`` is how the larger network was trained that the model learns from, if any, and ``teacher_held_out`` the
    part of the data that it was only asked about; ``trust`` is the share of its word in the loss, beside the labels.
    ``rank`` is that of the corrections kept. ``balance`` is the share of the classes' frequencies among the training
    texts that is taken out of the logits again (Menon et al., 2021, "Long-tail learning via logit adjustment"): brands
    in trouble do not have the negatives of a sample of all tweets. ``held_out`` names the part of the data left out, if
    any.
    """

    seed: int = 1
    rank: int = 40
    held_out: str | None = None
    trust: float = 0.7
    balance: float = 0.2
    student: Course = field(default_factory=Course)
    teacher: Course | None = None
    teacher_held_out: str | None = None

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Recipe:
        """Read what :meth:`to_config` wrote. Raises ``TypeError`` or ``KeyError`` for anything else."""
        teacher = config["teacher"]
        return cls(
            **(
                config
                | {"student": Course(**config["student"]), "teacher": None if teacher is None else Course(**teacher)}
            )
        )

    def to_config(self) -> dict[str, Any]:
        """As plain numbers and dictionaries."""
        return asdict(self)

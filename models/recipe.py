"""How the bundled model is trained: every number that decides its weights, kept in ``config.json``."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Final

from models.patience import Patience


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


_COURSES: Final = ("labels", "teacher", "answers")


@dataclass(frozen=True)
class Recipe:
    """How the model is made.

    ``labels`` is how the network is trained on the labels, ``teacher`` how a larger one is, if any. Both are then asked
    about texts that neither was trained on: so many ``unlabelled`` ones, and ``crossed`` ones, made of two labelled
    texts each. ``answers`` is how the network goes on with the weighted mean of what the two say, in which the larger
    one's log probabilities weigh ``teacher_share`` (Hinton et al., 2015, "Distilling the Knowledge in a Neural
    Network").

    The corrections kept take the space of ``rank`` in each matrix. ``balance`` is the share of the classes' log
    frequencies among the validation texts that is taken out of the calibrated logits again: brands in trouble do not
    have the negatives of a sample of all tweets. ``held_out`` names the part of the data left out, if any. With
    ``patience`` each network is judged on the way, and stops early if that helps; without, it takes all its steps.
    """

    seed: int = 1
    rank: int = 43
    held_out: str | None = None
    balance: float = 0.7
    labels: Course = field(default_factory=Course)
    teacher: Course | None = None
    teacher_share: float = 0.65
    unlabelled: int = 0
    crossed: int = 0
    answers: Course | None = None
    patience: Patience | None = None

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Recipe:
        """Read what :meth:`to_config` wrote. Raises ``TypeError`` or ``KeyError`` for anything else."""
        courses = {name: None if config[name] is None else Course(**config[name]) for name in _COURSES}
        patience = Patience(**config["patience"]) if "patience" in config else None
        return cls(**(config | courses | {"patience": patience}))

    def to_config(self) -> dict[str, Any]:
        """As plain numbers and dictionaries; without ``patience`` nothing is said of it, as before there was any."""
        config = asdict(self)
        if self.patience is None:
            del config["patience"]
        return config

"""The tone model that the settings name. A file of its own, so that ``tocsin classify`` imports nothing else."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from models import ToneModel
    from streams.settings_schema import ToneSettings


def load_tone_model(tone: ToneSettings, *, at_once: bool = True) -> ToneModel:
    """Load it; raises ``models.ModelError``. For ``at_once`` see ``models.load``."""
    from models import load

    tell_of_the_choice()
    return load(
        tone.model,
        revision=tone.revision,
        labels=tone.labels,
        threads=tone.threads,
        backend=tone.backend,
        cache_size=tone.cache_texts,
        at_once=at_once,
        neutral_forecasts=tone.neutral_forecasts,
    )


def tell_of_the_choice() -> None:
    """Let people know why the very first start on a machine takes so long: backends are compared, once."""
    choice = logging.getLogger("models.choice")
    choice.setLevel(logging.INFO)
    if not choice.hasHandlers():
        said = logging.StreamHandler(sys.stderr)
        said.setFormatter(logging.Formatter("%(message)s"))
        choice.addHandler(said)

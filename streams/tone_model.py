"""The tone model that the settings name. A file of its own, so that ``tocsin classify`` imports nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from models import ToneModel
    from streams.settings_schema import ToneSettings


def load_tone_model(tone: ToneSettings) -> ToneModel:
    """Load it; raises ``models.ModelError``."""
    from models import load

    return load(
        tone.model,
        revision=tone.revision,
        labels=tone.labels,
        threads=tone.threads,
        backend=tone.backend,
        cache_size=tone.cache_texts,
    )

"""Text to tone. ``load`` a model, ``predict`` texts; ``check`` it before you rely on it.

>>> from models import load
>>> model = load()  # doctest: +SKIP
>>> model.predict(["Thank you, you were a great help!"])  # (1, 3): negative, neutral, positive  # doctest: +SKIP

Importing this package is cheap: torch and transformers are imported when a model is loaded. It knows nothing of
streams, brands or Kafka.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from models.errors import LabelError, ModelError, ModelFileError
from models.tone import LABELS, ModelId, ToneModel

if TYPE_CHECKING:
    from models.checkup import Finding

__all__ = ["LABELS", "LabelError", "ModelError", "ModelFileError", "ModelId", "ToneModel", "check", "load"]

# Tokenising overlaps with computing already; a second pool of threads would fight for the same processors, and complain
# in forked children.
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")


def load(
    model: str = "bundled",
    *,
    revision: str | None = None,
    threads: int = 0,
    backend: str = "auto",
    labels: Sequence[str] | None = None,
    cache_size: int = 50_000,
    at_once: bool = True,
    neutral_forecasts: bool = True,
) -> ToneModel:
    """Load a tone model, verified.

    Parameters
    ----------
    model:
        ``"bundled"``, the folder of a Hugging Face sequence-classification model, or its name on the Hugging Face hub.
        A folder that ``tocsin train`` wrote stands in for the bundled model of its language.
        Weights must be in safetensors files; code that comes with a model is never run.
    revision:
        Commit, tag or branch of a model on the hub; name a commit to be sure to get the same model tomorrow.
    threads:
        Batches computed at once, 0 for as many as there are processors. Never changes a tone.
    backend:
        What computes: ``"auto"`` (the fastest that passes a check, remembered: ``models.choice``) or a name out of
        ``models.backends.BACKENDS``; other models know ``torch-...``. Part of the model's version.
    labels:
        Meaning of a foreign model's outputs in their order, out of ``LABELS``, for models that call them ``LABEL_0``
        and so on.
    cache_size:
        Texts whose tones are remembered (about 400 bytes each).
    at_once:
        Load the models of all languages now. Otherwise the files are verified, but the Russian encoder, which takes a
        second, is loaded when a text first needs it, or when somebody asks for the ``id``.
    neutral_forecasts:
        Reports of economic forecasts that the bundled models read as negative are neutral: who forecasts bad times is
        not to blame for them (``models.reported_forecast``). Part of the version. Other models are left as they are.

    Returns a model with, besides ``id`` and ``predict``, the counters ``cache_hits`` and ``cache_misses`` and
    ``close()``.

    Raises :class:`ModelError` (files: :class:`ModelFileError`, labels: :class:`LabelError`) saying what is wrong,
    where, and what to do.
    """
    from models.loading import load_model

    return load_model(
        model,
        revision=revision,
        threads=threads,
        backend=backend,
        labels=labels,
        cache_size=cache_size,
        at_once=at_once,
        neutral_forecasts=neutral_forecasts,
    )


def check(
    model: str = "bundled",
    *,
    revision: str | None = None,
    threads: int = 0,
    backend: str = "auto",
    labels: Sequence[str] | None = None,
    neutral_forecasts: bool = True,
) -> list[Finding]:
    """Findings on a model for ``tocsin doctor``: files, checksums, start-up, a few texts of obvious tone. Never raises
    a ``ModelError``; takes seconds.
    """
    from models.checkup import check_model

    return check_model(
        model,
        revision=revision,
        threads=threads,
        backend=backend,
        labels=labels,
        neutral_forecasts=neutral_forecasts,
    )

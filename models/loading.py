"""From the name in the settings to a model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from models.cache import DEFAULT_CACHE_SIZE
from models.classifier import Classifier
from models.errors import ModelError
from models.routed import RoutedModel


def load_model(
    model: str = "bundled",
    *,
    revision: str | None = None,
    threads: int = 0,
    backend: str = "auto",
    labels: Sequence[str] | None = None,
    cache_size: int = DEFAULT_CACHE_SIZE,
    at_once: bool = True,
    neutral_forecasts: bool = True,
) -> Classifier | RoutedModel:
    """Load ``"bundled"``, a folder or a hub name: see :func:`models.load`, which this carries out."""
    # What tocsin train wrote stands in for the bundled model of its language.
    trained_english = (Path(model) / "adapter.safetensors").is_file()
    trained_russian = (Path(model) / "ngrams.safetensors").is_file()
    if model == "bundled" or trained_english or trained_russian:
        if revision is not None or labels is not None:
            which = "the bundled tone model" if model == "bundled" else f"{model}, a model by tocsin train,"
            raise ModelError(
                f"{which} has neither revisions nor other labels; remove the settings revision and labels, or name "
                "another model"
            )
        from models.adapter import BUNDLED
        from models.bundled import chosen_backend, load_files
        from models.bundled_russian import load_russian
        from models.merged import bundled_files
        from models.russian import BUNDLED_RU

        files = bundled_files(Path(model) if trained_english else BUNDLED)
        # What computes one computes the other: the networks differ in depth and vocabulary alone.
        chosen = chosen_backend(files, backend, threads)
        # English first, which says at once where a backend that was named cannot run; Russian would do without it.
        english = load_files(files, chosen, threads, cache_size)
        try:
            russian = load_russian(
                Path(model) if trained_russian else BUNDLED_RU,
                backend=chosen,
                threads=threads,
                cache_size=cache_size,
                at_once=at_once,
            )
        except BaseException:
            english.close()
            raise
        return RoutedModel({"en": english, "ru": russian}, neutral_forecasts=neutral_forecasts)
    from models.hub import load_foreign

    return load_foreign(
        model, revision=revision, threads=threads, backend=backend, labels=labels, cache_size=cache_size
    )

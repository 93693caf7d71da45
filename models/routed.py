"""Several models as one: each text is read by the model that its script asks for."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from models.reported_forecast import FORECAST_RULES, with_neutral_reports
from models.script import SCRIPT_RULES, Reader, is_known, reader_of
from models.tone import LABELS, ModelId
from models.version import version_of

NAME: Final = "tocsin-en-ru"


class Reading(Protocol):
    """What a model must offer to be one of several: a :class:`models.tone.ToneModel` that counts and can be closed."""

    @property
    def id(self) -> ModelId:
        """Name and version."""

    @property
    def threads(self) -> int:
        """Batches computed at once."""

    @property
    def cache_hits(self) -> int:
        """Texts answered without computing."""

    @property
    def cache_misses(self) -> int:
        """Texts computed."""

    def predict(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """See :meth:`models.tone.ToneModel.predict`."""

    def close(self) -> None:
        """Stop what runs."""


class RoutedModel:
    """A :class:`models.tone.ToneModel` made of one model per language that scripts tell apart.

    The version covers all of them and the rules that choose, so a text has one tone under one version. Each model
    keeps a cache of its own; a text always meets the same one.

    Parameters
    ----------
    readers:
        The model for each answer of ``choose``.
    neutral_forecasts:
        Whether reports of economic forecasts that read as negative are neutral (:mod:`models.reported_forecast`).
    """

    def __init__(
        self,
        readers: Mapping[Reader, Reading],
        choose: Callable[[str], Reader] = reader_of,
        name: str = NAME,
        *,
        neutral_forecasts: bool = True,
    ) -> None:
        self._readers = dict(readers)
        self._choose = choose
        self._name = name
        self._neutral_forecasts = neutral_forecasts

    @functools.cached_property
    def id(self) -> ModelId:
        """Name and version of what decides the tones."""
        parts: dict[str, str] = {language: str(model.id) for language, model in sorted(self._readers.items())}
        rules = f"routed by script, rules {SCRIPT_RULES}"
        if self._neutral_forecasts:
            rules += f"; reported forecasts neutral, rules {FORECAST_RULES}"
        return ModelId(self._name, version_of(parts, rules))

    @property
    def readers(self) -> Mapping[Reader, Reading]:
        """The model of each language."""
        return self._readers

    @property
    def backend(self) -> str:
        """What computes the encoders among the models."""
        named = (getattr(model, "backend", None) for model in self._readers.values())
        return "; ".join(name for name in named if name is not None)

    @property
    def threads(self) -> int:
        """Batches computed at once, at most."""
        return max(model.threads for model in self._readers.values())

    @property
    def cache_hits(self) -> int:
        """Texts answered without computing, by all models."""
        return sum(model.cache_hits for model in self._readers.values())

    @property
    def cache_misses(self) -> int:
        """Texts computed, by all models."""
        return sum(model.cache_misses for model in self._readers.values())

    def predict(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """See :meth:`models.tone.ToneModel.predict`. Raises ``TypeError`` for an item that is no ``str``."""
        if isinstance(texts, str):
            raise TypeError("predict takes a sequence of texts, not one text; put it in a list")
        if not texts:
            return np.empty((0, len(LABELS)), dtype=np.float32)
        rows: dict[Reader, list[int]] = {}
        for row, text in enumerate(texts):
            if not isinstance(text, str):
                raise TypeError(f"predict takes texts, but item {row} is a {type(text).__name__}")
            rows.setdefault(self._choose(text), []).append(row)
        if len(rows) == 1:
            (language,) = rows
            return self._read(language, texts)
        tones = np.empty((len(texts), len(LABELS)), dtype=np.float32)
        for language, chosen in rows.items():
            tones[chosen] = self._read(language, [texts[row] for row in chosen])
        return tones

    def _read(self, language: Reader, texts: Sequence[str]) -> NDArray[np.float32]:
        tones = self._readers[language].predict(texts)
        return with_neutral_reports(tones, texts, language) if self._neutral_forecasts else tones

    def knows(self, text: str, lang: str | None = None) -> bool:
        """Whether the tone of ``text`` can be relied on: see :func:`models.script.is_known`."""
        return is_known(text, lang)

    def close(self) -> None:
        """Stop all models."""
        for model in self._readers.values():
            model.close()

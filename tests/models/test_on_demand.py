"""A model that is loaded when it is first needed: not before, once, and what keeps it away is told."""

from __future__ import annotations

import numpy as np
import pytest

from models import load
from models.classifier import Classifier
from models.errors import ModelError
from models.on_demand import OnDemand
from models.routed import Reading, RoutedModel

ENGLISH, RUSSIAN = ["Thank you!", "Late again."], ["Это ужас", "спасибо"]


def test_it_is_loaded_once_and_only_when_needed(bundled: Classifier, russian: Reading) -> None:
    loaded: list[Reading] = []

    def load_it() -> Reading:
        loaded.append(russian)
        return russian

    lazy = OnDemand(load_it, 2)
    model, there = (RoutedModel({"en": bundled, "ru": one}) for one in (lazy, russian))
    assert np.array_equal(model.predict(ENGLISH), there.predict(ENGLISH))
    assert (lazy.threads, lazy.cache_hits, lazy.cache_misses) == (2, 0, 0)
    lazy.close()
    assert not loaded
    assert np.array_equal(model.predict(RUSSIAN), there.predict(RUSSIAN))
    assert (model.id, model.backend) == (there.id, there.backend)
    assert lazy.cache_misses == russian.cache_misses > 0
    assert len(loaded) == 1


def test_what_keeps_it_away_is_told_to_whoever_needs_it(bundled: Classifier) -> None:
    def broken() -> Reading:
        raise ModelError("no such luck")

    model = RoutedModel({"en": bundled, "ru": OnDemand(broken, 2)})
    assert model.predict(ENGLISH).shape == (2, 3)
    for needs in (lambda: model.id, lambda: model.predict(RUSSIAN)):
        with pytest.raises(ModelError, match="no such luck"):
            needs()


def test_a_model_loaded_bit_by_bit_is_the_same_model(quick_check: None) -> None:
    now, later = load(threads=1, cache_size=0), load(threads=1, cache_size=0, at_once=False)
    texts = [*ENGLISH, *RUSSIAN]
    later.predict(ENGLISH)
    assert later.readers["ru"]._loaded is None  # type: ignore[attr-defined]
    assert np.array_equal(now.predict(texts), later.predict(texts))
    assert now.id == later.id
    now.close()  # type: ignore[attr-defined]
    later.close()  # type: ignore[attr-defined]

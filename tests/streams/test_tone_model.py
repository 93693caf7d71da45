"""The tone model is the one that the settings name."""

from __future__ import annotations

from typing import Any

import pytest

from streams.settings_schema import ToneSettings
from streams.tone_model import load_tone_model


def test_every_setting_of_the_model_reaches_it(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, Any] = {}
    monkeypatch.setattr("models.load", lambda model, **options: asked.update(options, model=model))
    tone = ToneSettings(
        model="org/other",
        revision="abc",
        labels=("negative", "positive"),
        backend="torch-fp32",
        neutral_forecasts=False,
        threads=3,
        cache_texts=7,
    )
    load_tone_model(tone, at_once=False)
    assert asked == {
        "model": "org/other",
        "revision": "abc",
        "labels": ("negative", "positive"),
        "backend": "torch-fp32",
        "neutral_forecasts": False,
        "threads": 3,
        "cache_size": 7,
        "at_once": False,
    }

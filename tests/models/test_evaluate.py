"""Figures are those of scikit-learn, per language too; the reliability plot is a page that stands alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import f1_score

from models.evaluate import by_language, figures, language_of, reliability
from models.reliability_plot import write_reliability


def _random(size: int = 400) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(3)
    return generator.integers(0, 3, size), generator.dirichlet((1, 1, 1), size)


def test_f1_agrees_with_scikit_learn() -> None:
    labels, tones = _random()
    found = figures(labels, tones)
    expected = f1_score(labels, tones.argmax(axis=1), average=None)
    assert found.f1 == pytest.approx(expected)
    assert found.f1_negative_positive == pytest.approx(expected[[0, 2]].mean())
    assert found.as_dict()["f1"]["negative"] == pytest.approx(100 * expected[0], abs=0.01)


def test_a_tone_that_does_not_occur_is_said_to_be_unknown_not_zero() -> None:
    found = figures(np.array([0, 0, 1]), np.array([[0.9, 0.1, 0.0], [0.2, 0.8, 0.0], [0.1, 0.9, 0.0]]))
    assert found.as_dict()["recall"]["positive"] is None
    assert found.as_dict()["f1"] == {"negative": 66.67, "neutral": 66.67, "positive": None}
    assert found.f1_negative_positive == pytest.approx(found.f1[0])
    missed = figures(np.array([0, 2]), np.array([[0.9, 0.1, 0.0], [0.9, 0.1, 0.0]]))
    assert missed.as_dict()["f1"] == {"negative": 66.67, "neutral": None, "positive": 0.0}
    assert missed.f1_negative_positive == pytest.approx(1 / 3)
    neither = figures(np.array([1]), np.array([[0.9, 0.1, 0.0]]))
    assert neither.as_dict()["f1_negative_positive"] is None


def test_each_language_has_figures_of_its_own() -> None:
    labels, tones = _random(6)
    texts = ["The app is down", "fine", "so late", "Не работает", "дорого", "הכל טוב"]
    found = by_language(labels, tones, [language_of(text) for text in texts])
    assert {name: one.texts for name, one in found.items()} == {"en": 3, "ru": 2, "other": 1}
    assert next(iter(found)) == "en"
    assert found["ru"].as_dict() == figures(labels[3:5], tones[3:5]).as_dict()
    assert language_of("Die App geht nicht", "de") == "other"


def test_reliability_holds_every_text_once() -> None:
    labels, tones = _random()
    bins = reliability(labels, tones)
    assert sum(one.texts for one in bins) == len(labels)
    right = sum(one.texts * one.accuracy for one in bins)
    assert right == pytest.approx((tones.argmax(axis=1) == labels).sum())
    assert all(1 / 3 <= one.confidence <= 1 for one in bins)
    sure = reliability(np.array([2]), np.array([[0.0, 0.0, 1.0]]))
    assert [(one.texts, one.confidence, one.accuracy) for one in sure] == [(1, 1.0, 1.0)]


def test_reliability_plot_needs_no_network(tmp_path: Path) -> None:
    labels, tones = _random()
    page = tmp_path / "plot.html"
    write_reliability(page, {"a.tsv": reliability(labels, tones)}, "Reliability of x@1")
    text = page.read_text(encoding="utf-8")
    assert "Reliability of x@1" in text
    assert "a.tsv" in text
    assert '<script src="http' not in text

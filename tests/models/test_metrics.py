"""Figures in the model card mean what they are called."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import precision_score, recall_score

from models.calibration import calibrate, fit_temperature, softmax
from models.labelled import read_labelled
from models.metrics import expected_calibration_error, macro_recall, precisions, recalls


def test_recall_and_precision_agree_with_scikit_learn() -> None:
    generator = np.random.default_rng(1)
    labels, predicted = generator.integers(0, 3, 500), generator.integers(0, 3, 500)
    assert recalls(labels, predicted) == pytest.approx(recall_score(labels, predicted, average=None))
    assert precisions(labels, predicted) == pytest.approx(precision_score(labels, predicted, average=None))
    assert macro_recall(labels, predicted) == pytest.approx(recall_score(labels, predicted, average="macro"))


def test_a_class_that_does_not_occur_is_left_out() -> None:
    labels, predicted = np.array([0, 0, 2]), np.array([0, 2, 2])
    assert np.isnan(recalls(labels, predicted)[1])
    assert macro_recall(labels, predicted) == pytest.approx(0.75)


def test_calibration_error_by_hand() -> None:
    # Nine tenths sure, half right: a gap of 0.4 for all.
    probabilities = np.tile([0.9, 0.05, 0.05], (10, 1))
    assert expected_calibration_error(np.array([0, 1] * 5), probabilities) == pytest.approx(0.4)


def test_temperature_undoes_overconfidence() -> None:
    generator = np.random.default_rng(2)
    honest = generator.normal(size=(20_000, 3))
    labels = (softmax(honest).cumsum(axis=1) > generator.random((20_000, 1))).argmax(axis=1)
    assert fit_temperature(2.5 * honest, labels) == pytest.approx(2.5, rel=0.05)


def test_calibration_undoes_shifts_and_overconfidence() -> None:
    generator = np.random.default_rng(2)
    honest = generator.normal(size=(20_000, 3)) + np.array([-1.0, 0.5, 0.5])
    labels = (softmax(honest).cumsum(axis=1) > generator.random((20_000, 1))).argmax(axis=1)
    shift = np.array([0.5, 0.3, -0.8])
    offsets, temperature = calibrate(2.5 * honest + shift, labels)
    assert temperature == pytest.approx(2.5, rel=0.05)
    assert offsets == pytest.approx(-shift, abs=0.15)
    balanced, same = calibrate(2.5 * honest + shift, labels, balance=0.5)
    rarer = -0.5 * temperature * np.log(np.bincount(labels) / len(labels))
    assert same == temperature
    assert balanced - offsets == pytest.approx(rarer - rarer.mean())
    assert balanced[0] > offsets[0]
    with pytest.raises(ValueError, match="lack a class"):
        calibrate(honest, np.where(labels == 2, 1, labels))


def test_labelled_file_errors_name_the_line(tmp_path: Path) -> None:
    file = tmp_path / "texts.tsv"
    file.write_text("positive\tfine\u2028still the same text\n\nhappy\tno such label\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"texts\.tsv, line 3: expected LABEL<TAB>TEXT"):
        read_labelled(file)
    file.write_text("positive\tfine\u2028still the same text\r\n", encoding="utf-8")
    assert read_labelled(file).texts == ["fine\u2028still the same text"]
    file.write_bytes(b"\xef\xbb\xbfpositive\tfine\n")
    assert read_labelled(file).texts == ["fine"], "a byte order mark was taken for a part of the label"
    packed = gzip.compress(b"positive\tfine\r\nnegative\tbad\rneutral\tday\n")
    file.write_bytes(packed)
    assert read_labelled(file).texts == ["fine", "bad", "day"]
    file.write_bytes(packed[:-9])
    with pytest.raises(ValueError, match=r"texts\.tsv: the gzip data is damaged: .*; fetch or pack the file again"):
        read_labelled(file)
    file.write_bytes(b"positive\tfine\nnegative\tna\xefve\n")
    with pytest.raises(ValueError, match=r"texts\.tsv, line 2: not UTF-8"):
        read_labelled(file)

"""Training can be repeated and resumed, and what it writes can be served."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from models import train
from models.adapter import Recipe, load_adapter
from models.base import sha256_of
from models.bundled import load_bundled
from models.tone import LABELS
from tests.models.texts import corpus

RUNNER = CliRunner()


@pytest.fixture
def labelled(tmp_path: Path) -> Path:
    """A small file of labelled texts."""
    file = tmp_path / "texts.tsv"
    lines = (f"{LABELS[index % 3]}\t{text}" for index, text in enumerate(corpus(48)))
    file.write_text("\n".join(lines), encoding="utf-8")
    return file


def _train(labelled: Path, out: Path, *more: str) -> None:
    arguments = ["--train", str(labelled), "--val", str(labelled), "--out", str(out), "--epochs", "1", "--batch", "8"]
    result = RUNNER.invoke(train.app, [*arguments, "--threads", "1", *more])
    assert result.exit_code == 0, result.output


@pytest.mark.usefixtures("quick_check")
def test_trained_adapter_can_be_served(labelled: Path, tmp_path: Path) -> None:
    _train(labelled, tmp_path / "a", "--seed", "5")
    adapter = load_adapter(tmp_path / "a")
    assert adapter.recipe.seed == 5
    assert adapter.metrics["texts"]["texts"] == 48
    assert not (tmp_path / "a" / "checkpoint.pt").exists()
    model = load_bundled(adapter_directory=tmp_path / "a", threads=1)
    assert model.predict(["fine"]).shape == (1, 3)
    model.close()


def test_resumed_training_equals_an_undisturbed_one(
    labelled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(train, "CHECKPOINT_STEPS", 3)
    _train(labelled, tmp_path / "whole")
    real = train.learning_rate

    def stop_at_step_4(step: int, steps: int, recipe: Recipe) -> float:
        if step == 4:
            raise KeyboardInterrupt
        return real(step, steps, recipe)

    monkeypatch.setattr(train, "learning_rate", stop_at_step_4)
    with pytest.raises(AssertionError):
        _train(labelled, tmp_path / "stopped")
    assert (tmp_path / "stopped" / "checkpoint.pt").exists()
    monkeypatch.setattr(train, "learning_rate", real)
    _train(labelled, tmp_path / "stopped")
    name = "adapter.safetensors"
    assert sha256_of(tmp_path / "whole" / name) == sha256_of(tmp_path / "stopped" / name)


def test_checkpoint_of_another_recipe_is_refused(
    labelled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(train, "CHECKPOINT_STEPS", 1)
    monkeypatch.setattr(train.Checkpoint, "resume", lambda *_: 0)
    monkeypatch.setattr(Path, "unlink", lambda *_, **__: None)
    _train(labelled, tmp_path / "a")
    monkeypatch.undo()
    arguments = ["--train", str(labelled), "--val", str(labelled), "--out", str(tmp_path / "a"), "--epochs", "2"]
    result = RUNNER.invoke(train.app, arguments)
    assert result.exit_code == 2
    assert "another recipe" in " ".join(result.output.split())


def test_batches_hold_each_text_once_and_repeat_with_the_seed() -> None:
    data = train.Tokenised([[0] * (1 + index % 7) for index in range(100)], np.zeros(100, dtype=np.int64))
    first = train.batches(data, 8, seed=1, epoch=0)
    assert sorted(np.concatenate(first).tolist()) == list(range(100))
    again, other = train.batches(data, 8, seed=1, epoch=0), train.batches(data, 8, seed=1, epoch=1)
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(first, other, strict=True))


def test_learning_rate_warms_up_and_decays_to_zero() -> None:
    recipe = Recipe(learning_rate=1.0, warmup=0.1)
    rates = [train.learning_rate(step, 100, recipe) for step in range(101)]
    assert max(rates) == pytest.approx(1.0)
    assert rates[:10] == sorted(rates[:10])
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[0] == pytest.approx(0.1)
    assert rates[100] == 0.0


def test_help_reads_like_a_manual() -> None:
    result = RUNNER.invoke(train.app, ["--help"])
    assert result.exit_code == 0
    assert "Example" in result.output

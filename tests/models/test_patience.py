"""Stopping early: never the default, the same after an interruption, and always the best weights that were judged."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from typer.testing import CliRunner

from models import fit, train
from models.adapter import load_adapter
from models.checkpoint import Checkpoint
from models.encoder import ToneNetwork
from models.patience import Judge, Patience, Watch
from models.recipe import Course, Recipe
from models.training_part import Part
from tests.models.texts import write_labelled

TEXTS = [[101, 2000 + index, 102] for index in range(16)]
ANSWERS = fit.certain(torch.arange(16).numpy() % 3)
COURSE = Course(epochs=6, batch=4, head_rate=1e-2)
"""Six passes of four steps."""


def _network() -> ToneNetwork:
    torch.manual_seed(1)
    network = ToneNetwork(layers=1, vocabulary=2016)
    for value in (network.words, network.positions, network.kinds):
        torch.nn.init.normal_(value.weight, std=0.1)
    return network


def _weights(network: ToneNetwork) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in fit.learned(network).items()}


def _equal(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return all(torch.equal(value, other[name]) for name, value in one.items())


def _checkpoint(directory: Path) -> Checkpoint:
    return Checkpoint(directory / "part.pt", {})


class _Script:
    """A judge whose figures are known beforehand, by what the network has learned: told apart by its weights."""

    def __init__(self, figures: list[float], patience: Patience) -> None:
        self.seen: list[dict[str, Tensor]] = []
        self._figures = figures
        self.judge = Judge(patience, self._figure, "luck")

    def _figure(self, network: ToneNetwork) -> float:
        network.eval()
        self.seen.append(_weights(network))
        return self._figures[len(self.seen) - 1]

    def watch(self) -> Watch:
        return Watch(self.judge, fit.steps_of(len(TEXTS), COURSE), COURSE.epochs)


def _steps(network: ToneNetwork, directory: Path, watch: Watch | None) -> Iterator[tuple[int, int, float]]:
    torch.manual_seed(2)
    return fit.fit(network, TEXTS, ANSWERS, COURSE, 1, _checkpoint(directory), watch)


@pytest.mark.parametrize(
    ("patience", "figures", "stopped", "kept"),
    [
        (1, [50.0, 60.0, 59.0], 12, 8),
        (2, [50.0, 60.0, 59.0, 61.0, 60.0, 60.5], 24, 16),
        (2, [50.0, 60.0, 59.0, 60.0], 16, 8),
        (9, [60.0, 50.0, 50.0, 50.0, 50.0, 50.0], 24, 4),
    ],
)
def test_it_stops_when_nothing_better_came_and_keeps_the_best(
    tmp_path: Path, patience: int, figures: list[float], stopped: int, kept: int
) -> None:
    network, script = _network(), _Script(figures, Patience(patience))
    watch = script.watch()
    steps = [step for step, _, _ in _steps(network, tmp_path, watch)]
    assert steps == list(range(1, stopped + 1))
    assert len(script.seen) == len(figures)
    assert _equal(_weights(network), script.seen[kept // 4 - 1])
    assert not _equal(_weights(network), script.seen[-1]) or stopped == kept
    told = watch.outcome()
    assert (told["steps"], told["stopped_at"], told["kept"]) == (24, stopped, kept)
    assert told["figures"] == {str(4 * place + 4): figure for place, figure in enumerate(figures)}


def test_judging_changes_no_step(tmp_path: Path) -> None:
    alone, watched = _network(), _network()
    # Better each time: what is kept is what a training without patience ends with.
    script = _Script([float(number) for number in range(24)], Patience(1, 0.25))
    losses = list(_steps(alone, tmp_path, None))
    assert list(_steps(watched, tmp_path, script.watch())) == losses
    assert _equal(_weights(watched), _weights(alone))


@pytest.mark.parametrize("stop", [2, 5, 7, 12])
def test_an_interrupted_training_stops_where_an_undisturbed_one_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop: int
) -> None:
    # Judged after 4, 8, 12 and 16 steps, kept after 3, 6, 9 and 12: between two judgements, and with one.
    monkeypatch.setattr(fit, "CHECKPOINT_STEPS", 3)
    figures = [50.0, 60.0, 59.0, 58.0]
    whole, script = _network(), _Script(figures, Patience(2))
    expected = script.watch()
    (tmp_path / "undisturbed").mkdir()
    assert len(list(_steps(whole, tmp_path / "undisturbed", expected))) == 16

    network = _network()
    stopped = _Script(figures, Patience(2))
    steps = _steps(network, tmp_path, stopped.watch())
    for _ in range(stop):
        next(steps)
    del steps
    done = stop // 3 * 3 // 4
    torch.manual_seed(77)
    again, resumed = _network(), _Script(figures[done:], Patience(2))
    watch = resumed.watch()
    steps_taken = [step for step, _, _ in _steps(again, tmp_path, watch)]
    assert steps_taken == list(range(stop // 3 * 3 + 1, 17))
    assert watch.outcome() == expected.outcome()
    assert _equal(_weights(again), _weights(whole))


def test_a_stop_after_the_last_judgement_trains_no_further(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fit, "CHECKPOINT_STEPS", 4)
    first, script = _network(), _Script([60.0, 59.0], Patience(1))
    steps = _steps(first, tmp_path, script.watch())
    for _ in range(8):
        next(steps)
    # Killed here: the checkpoint knows that the patience is over.
    again, resumed = _network(), _Script([], Patience(1))
    assert list(_steps(again, tmp_path, resumed.watch())) == []
    assert _equal(_weights(again), script.seen[0])


def test_what_was_judged_is_told_and_outlives_the_part(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    script = _Script([50.0, 60.0, 59.0], Patience(1))
    part = Part("labels", tmp_path, {}, script.judge)
    part.run(_network(), TEXTS, ANSWERS, COURSE, 1)
    printed = " ".join(capsys.readouterr().out.split())
    assert "labels: luck 60.00 after step 8 of 24, the best so far" in printed
    assert "labels: luck 59.00 after step 12 of 24, not above 60.00 after step 8 (1 of 1 in vain)" in printed
    assert "stops early at step 12 of 24; kept are the weights of step 8, luck 60.00" in printed
    again = Part("labels", tmp_path, {}, script.judge)
    again.run(_network(), TEXTS, ANSWERS, COURSE, 1)
    assert again.judged == part.judged
    assert len(script.seen) == 3, "judged again"


def test_too_much_patience_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    script = _Script([60.0, 59.0, 58.0, 57.0, 56.0, 55.0], Patience(6))
    Part("labels", tmp_path, {}, script.judge).run(_network(), TEXTS, ANSWERS, COURSE, 1)
    assert "6 judgements do not exhaust a patience of 6" in " ".join(capsys.readouterr().out.split())


@given(st.integers(1, 50), st.integers(1, 9), st.floats(0.01, 1.0))
def test_judgements_are_steps_and_the_last_step_is_one(length: int, passes: int, every: float) -> None:
    due = Patience(1, every).steps(length * passes, passes)
    assert due == sorted(set(due))
    assert 1 <= due[0] <= max(1, round(length * every))
    assert due[-1] == length * passes
    if every == 1.0:
        assert due == [length * number for number in range(1, passes + 1)]


def test_shares_that_rounding_spoils_still_meet_the_end_of_a_pass() -> None:
    assert Patience(1, 0.1).steps(100, 2) == list(range(5, 101, 5))


@pytest.fixture
def labelled(tmp_path: Path) -> Path:
    """A smaller file of labelled texts than other tests have."""
    return write_labelled(tmp_path / "texts.tsv", 24)


def _run(labelled: Path, out: Path, *more: str) -> Any:
    arguments = ["--train", str(labelled), "--val", str(labelled), "--out", str(out), "--epochs", "2", "--batch", "12"]
    return CliRunner().invoke(train.app, [*arguments, "--threads", "1", *more])


def test_the_adapter_tells_that_patience_was_used(labelled: Path, tmp_path: Path) -> None:
    result = _run(labelled, tmp_path / "a", "--patience", "1", "--judge-every", "0.5")
    assert result.exit_code == 0, result.output
    config = json.loads((tmp_path / "a" / "config.json").read_text())
    assert config["recipe"]["patience"] == {"judgements": 1, "every": 0.5}
    told = config["training"]["judged"]["labels"]
    assert told["measure"] == "macro-recall on texts"
    assert told["steps"] == 4
    assert str(told["kept"]) in told["figures"]
    adapter = load_adapter(tmp_path / "a")
    assert adapter.recipe.patience == Patience(1, 0.5)
    assert adapter.judged == config["training"]["judged"]


def test_without_patience_nothing_is_said_of_it() -> None:
    config = Recipe().to_config()
    assert "patience" not in config, "checkpoints and adapters of before would be taken for other ones"
    assert Recipe.from_config(config) == Recipe()


def test_other_judging_texts_are_another_training(labelled: Path, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    purpose = {"recipe": Recipe(labels=Course(batch=12), patience=Patience(1)).to_config(), "texts": [24, 0]}
    Checkpoint(tmp_path / "a" / "labels.pt", {**purpose, "judged_by": "other texts"}).save({})
    result = _run(labelled, tmp_path / "a", "--patience", "1")
    assert result.exit_code == 2
    assert "other data" in " ".join(result.output.split())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--patience", "0"), "greater than or equal to 1"),
        (("--patience", "1", "--judge-every", "0"), "0.0 is no share of a pass"),
        (("--patience", "1", "--judge-every", "1.5"), "1.5 is no share of a pass"),
        (("--patience", "1", "--judge-every", "nan"), "nan is no share of a pass"),
        (("--judge-every", "0.5"), "give --patience N too"),
    ],
)
def test_senseless_patience_is_refused(labelled: Path, tmp_path: Path, options: tuple[str, ...], message: str) -> None:
    result = _run(labelled, tmp_path / "a", *options)
    assert result.exit_code == 2
    assert message in " ".join(result.output.replace("│", "").split())
    assert not (tmp_path / "a").exists()

"""Exits learn what the network says, are sure as often as they may be, and can be given to any adapter."""

from __future__ import annotations

import copy
import dataclasses
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from typer.testing import CliRunner

from models import exit_training, train, train_exits
from models.adapter import BUNDLED, load_adapter
from models.architecture import HIDDEN, LAYERS
from models.batches import padded
from models.calibration import softmax
from models.encoder import ToneNetwork
from models.exit_choice import (
    LEAST_LEAVING,
    LEAST_SURE,
    Seen,
    chance_of_another,
    cooled,
    figures,
    least_sure,
    leave,
    logits_of,
    seen_cooled,
    temperatures,
    with_sure,
)
from models.exit_heads import Head
from models.exit_states import Passing
from models.exit_training import HELD_BACK, Learned, learn_exits
from models.exits import AFTER, FEATURES, FILE, QUERIES, WIDTH, Exit, read_exits
from tests.models.texts import corpus

RUNNER = CliRunner()
WAYS = np.random.default_rng(1).normal(size=(6, 3))


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """So small products are slower on several threads, and much slower on busy ones."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def _texts(count: int, seed: int) -> Seen:
    """Texts of which the network says what six numbers tell, and each exit sees them more clearly than the last."""
    rng = np.random.default_rng((seed, 7))
    numbers = rng.normal(size=(count, len(WAYS)))
    noises = np.linspace(1.0, 0.3, len(AFTER))
    said = [softmax((numbers + noise * rng.normal(size=numbers.shape)) @ WAYS / (1 + noise**2)) for noise in noises]
    return Seen(
        np.stack(said, axis=1).astype(np.float32),
        softmax(numbers @ WAYS).astype(np.float32),
        rng.integers(3, 60, count),
    )


def _exit(layers: int) -> Exit:
    """One of which nobody asks what it says."""
    nothing: NDArray[np.float32] = np.zeros(0, np.float32)
    return Exit(layers, nothing, nothing, nothing, nothing, nothing, 1.0)


HEADS = [_exit(layers) for layers in AFTER]


class Told(Passing):
    """Texts of three to five words, one of which, marked by a large number, holds six numbers that tell the tone; the
    others hold noise.
    """

    def __init__(self, count: int, seed: int) -> None:
        rng = np.random.default_rng((seed, 8))
        self.lengths = rng.integers(3, 6, count)
        self.texts = [[0] * length for length in self.lengths.tolist()]
        self._starts = np.cumsum(self.lengths) - self.lengths
        states = rng.normal(0, 0.3, (int(self.lengths.sum()), HIDDEN)).astype(np.float32)
        self.numbers = rng.normal(size=(count, len(WAYS)))
        telling = self._starts + rng.integers(0, self.lengths)
        states[telling, : len(WAYS)] = self.numbers
        states[:, len(WAYS)] = 0.0
        states[telling, len(WAYS)] = 8.0
        self._states = torch.from_numpy(states)
        self._batches = [np.arange(start, min(start + 64, count)) for start in range(0, count, 64)]

    @property
    def probabilities(self) -> NDArray[np.float32]:
        """What the network says."""
        return softmax(self.numbers @ WAYS).astype(np.float32)

    def scaled(self, scale: NDArray[np.float32], place: NDArray[np.float32]) -> Told:
        """The same with other units."""
        other = copy.copy(self)
        other._states = self._states * torch.from_numpy(scale) + torch.from_numpy(place)
        return other


def _head(texts: Told, seed: int = 1) -> Exit:
    head = Head(seed)
    for _ in head.fit(texts, texts.probabilities):
        pass
    return head.exit(2)


@pytest.fixture(scope="module")
def head() -> Exit:
    return _head(Told(5_000, 1))


def test_a_head_finds_the_word_that_tells(head: Exit) -> None:
    texts = Told(1_000, 2)
    said = texts.says(head)
    assert (said.argmax(axis=1) == texts.probabilities.argmax(axis=1)).mean() > 0.88
    assert np.abs(said - texts.probabilities).mean() < 0.06


def test_no_more_than_what_is_tolerated_leaves_with_another_tone() -> None:
    chosen_by, unseen = _texts(3_000, 3), _texts(20_000, 4)
    tolerated = 0.005
    exits = with_sure(HEADS, [chosen_by], tolerated)
    left = leave(exits, unseen)
    another = left.probabilities.argmax(axis=1) != unseen.tones
    shares = [(another & (left.layers == one.layers)).mean() for one in exits]
    assert max(shares) < 2 * tolerated
    assert np.mean(shares) < 1.3 * tolerated
    assert not another[left.layers == LAYERS].any()
    assert (left.layers < LAYERS).mean() > 0.2, "hardly anything leaves"
    # Without the choice it is far more.
    careless = leave([dataclasses.replace(one, sure=LEAST_SURE) for one in exits], unseen)
    assert (careless.probabilities.argmax(axis=1) != unseen.tones).mean() > 6 * tolerated


def test_the_choice_holds_in_each_group_of_texts() -> None:
    # Where the network says something else than the head can see, nothing may leave, however few those texts are.
    plain, strange = _texts(3_000, 3), _texts(300, 5)
    strange = dataclasses.replace(strange, probabilities=np.roll(strange.probabilities, 1, axis=1))
    alone, both = with_sure(HEADS, [plain], 0.005), with_sure(HEADS, [plain, strange], 0.005)
    assert all(one.sure < other.sure for one, other in zip(alone, both, strict=True))
    assert (leave(both, plain).layers < LAYERS).mean() < 0.1 * (leave(alone, plain).layers < LAYERS).mean()


def test_more_is_let_go_where_more_is_tolerated() -> None:
    texts = _texts(3_000, 3)
    left = [figures(with_sure(HEADS, [texts], share), texts, texts.tones)["layers_left"] for share in (0.001, 0.01)]
    assert left[1] < left[0] - 3


def test_the_chance_of_another_tone_is_found_again() -> None:
    rng = np.random.default_rng(1)
    confidence = rng.uniform(0.4, 0.99, 20_000)
    odds = np.log(confidence / (1 - confidence))
    expected = 1 / (1 + np.exp(0.3 + 1.5 * odds))
    found = chance_of_another(confidence, rng.random(20_000) < expected)
    assert found == pytest.approx(expected, abs=0.02)


def test_few_texts_do_not_prove_that_an_exit_is_never_wrong() -> None:
    confidence = np.linspace(0.4, 0.99, 50)
    assert chance_of_another(confidence, np.zeros(50, np.bool_)).max() > 0.02
    assert least_sure(confidence, np.zeros(50, np.bool_), 50, 0.001) > 0.8


def test_where_everything_is_wrong_nothing_leaves() -> None:
    confidence = np.array([0.7, 0.99, 1.0])
    assert least_sure(confidence, np.ones(3, np.bool_), 3) > 1
    assert least_sure(confidence[:0], np.ones(0, np.bool_), 3) == 1.0


def _promised_too_much(exits: list[Exit], texts: Seen, labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """By how much the texts that leave are promised to be right more often than they are, exit by exit."""
    left = leave(exits, texts)
    over = left.probabilities.max(axis=1) - (left.probabilities.argmax(axis=1) == labels)
    return np.array([over[left.layers == one.layers].mean() for one in exits])


def test_what_leaves_is_right_as_often_as_its_exit_promises() -> None:
    # Labels are drawn by what the network says; heads that are surer of it than it is promise too much.
    sure = np.linspace(1.2, 1.6, len(AFTER))
    texts, unseen = (seen_cooled(_texts(20_000, seed), (1 / sure).tolist()) for seed in (3, 4))
    rng = np.random.default_rng(1)
    drawn, others = (
        (rng.random((len(group), 1)) > group.probabilities.cumsum(axis=1)).sum(axis=1).clip(0, 2)
        for group in (texts, unseen)
    )
    exits = list(with_sure(HEADS, [texts], 0.005))
    assert _promised_too_much(exits, unseen, others).max() > 0.04
    by = temperatures(exits, texts, drawn)
    assert len(by) == len(AFTER)
    assert min(by) > 1
    exits = list(with_sure(HEADS, [seen_cooled(texts, by)], 0.005))
    assert np.abs(_promised_too_much(exits, seen_cooled(unseen, by), others)).max() < 0.035


def test_few_texts_that_leave_tell_no_temperature() -> None:
    texts = _texts(LEAST_LEAVING - 1, 3)
    exits = [dataclasses.replace(one, sure=LEAST_SURE) for one in HEADS]
    assert temperatures(exits, texts, (texts.tones + 1) % 3) == (1.0,) * len(AFTER)
    assert temperatures(exits, _texts(5_000, 3), np.zeros(5_000, np.int64))[0] > 1


def test_promises_are_never_made_larger() -> None:
    # Right always, and promised less than that.
    texts = seen_cooled(_texts(5_000, 3), [3.0] * len(AFTER))
    texts = dataclasses.replace(texts, probabilities=texts.said[:, -1])
    exits = [dataclasses.replace(one, sure=LEAST_SURE) for one in HEADS[-1:]]
    assert temperatures(exits, texts, texts.tones) == (1.0,)


def test_a_head_is_cooled_as_what_it_says_is(head: Exit) -> None:
    texts = Told(500, 2)
    said = texts.says(head)
    (cool,) = cooled([head], [1.3])
    assert texts.says(cool) == pytest.approx(softmax(logits_of(said) / 1.3), abs=2e-3)
    for array in (cool.output, cool.output_bias):
        assert np.array_equal(array, array.astype(np.float16).astype(np.float32))
    (same,) = cooled([head], [1.0])
    assert np.array_equal(texts.says(same), said)


def test_scale_and_place_of_what_heads_look_at_make_no_difference() -> None:
    texts, judged = Told(2_000, 1), Told(500, 2)
    rng = np.random.default_rng(1)
    scale, place = rng.uniform(0.7, 1.4, HIDDEN).astype(np.float32), rng.normal(size=HIDDEN).astype(np.float32)
    expected = judged.says(_head(texts))
    said = judged.scaled(scale, place).says(_head(texts.scaled(scale, place)))
    assert np.abs(said - expected).mean() < 0.05
    assert expected.std(axis=0).min() > 0.1


def test_a_head_repeats_with_its_seed() -> None:
    texts = Told(600, 1)
    first, again, other = _head(texts), _head(texts), _head(texts, seed=2)
    for name in ("queries", "dense", "output"):
        assert np.array_equal(getattr(first, name), getattr(again, name))
        assert not np.array_equal(getattr(first, name), getattr(other, name))


def test_heads_are_what_half_precision_holds(head: Exit) -> None:
    for array in (head.queries, head.dense, head.dense_bias, head.output, head.output_bias):
        assert np.array_equal(array, array.astype(np.float16).astype(np.float32))


def test_figures_count_layers_by_tokens() -> None:
    texts = dataclasses.replace(_texts(4, 6), tokens=np.array([10, 20, 30, 40]))
    confidence = texts.said[:, 1].max(axis=1)
    only = dataclasses.replace(HEADS[1], sure=float(confidence.max()))
    found = figures([only], texts, texts.tones)
    assert found["leave"] == {str(AFTER[1]): 25.0}
    spared = (LAYERS - AFTER[1]) / LAYERS * texts.tokens[int(confidence.argmax())] / texts.tokens.sum()
    assert found["layers_left"] == round(100 * (1 - spared), 1)


def _network() -> ToneNetwork:
    torch.manual_seed(1)
    network = ToneNetwork(layers=AFTER[-1], vocabulary=300)
    for value in (network.words, network.positions, network.kinds):
        torch.nn.init.normal_(value.weight, std=0.5)
    return network.eval()


def _ids(count: int, seed: int) -> list[list[int]]:
    rng = np.random.default_rng(seed)
    return [[1, *rng.integers(3, 300, rng.integers(1, 9)).tolist(), 2] for _ in range(count)]


def test_what_a_text_becomes_is_its_own() -> None:
    network, texts = _network(), _ids(150, 1)
    together = Passing(network, texts, "texts")
    rng = np.random.default_rng(1)
    queries, dense, dense_bias, output, output_bias = (
        rng.normal(0, 0.1, shape).astype(np.float32)
        for shape in ((QUERIES, HIDDEN), (WIDTH, FEATURES), (WIDTH,), (3, WIDTH), (3,))
    )
    leaving = Exit(2, queries, dense, dense_bias, output, output_bias, 1.0)
    for _ in range(2):
        together.step()
    said = together.says(leaving)
    for row in (0, 70, 149):
        # By hand, and alone.
        with torch.inference_mode():
            hidden = network.embedded(torch.tensor([texts[row]]))
            for layer in list(network.layers)[:2]:
                hidden = layer(hidden, torch.ones(1, 1, 1, len(texts[row]), dtype=torch.bool))
        mine, attended = together.of(np.array([row]))
        assert attended.all()
        assert mine.numpy() == pytest.approx(hidden.numpy(), abs=1e-4)
        states = hidden[0].numpy()
        features = [weights @ states for weights in softmax(leaving.queries @ states.T)]
        logits = leaving.output @ np.tanh(leaving.dense @ np.concatenate(features) + leaving.dense_bias)
        assert said[row] == pytest.approx(softmax((logits + leaving.output_bias)[None])[0], abs=1e-3)
    while together.passed < len(network.layers):
        together.step()
    ids, lengths = padded(texts)
    with torch.inference_mode():
        expected = torch.softmax(network(ids, lengths) / 1.3, dim=1).numpy()
    assert together.told(1.3) == pytest.approx(expected, abs=1e-5)


def _learned(validation: int, new: int) -> Learned | None:
    labels: NDArray[np.int64] = np.arange(validation) % 3
    return learn_exits(_network(), 1.2, _ids(100, 1), _ids(new, 2), _ids(validation, 3), labels, 1)


def test_exits_are_learned_from_a_network_which_stays_as_it_is() -> None:
    network = _network()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    first = learn_exits(network, 1.2, _ids(100, 1), _ids(50, 2), _ids(200, 3), np.arange(200) % 3, 1)
    assert first is not None
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert [one.layers for one in first.exits] == list(AFTER)
    assert all(one.sure >= LEAST_SURE for one in first.exits)
    assert first.told["texts"] == 100 + 90 + 45, "some of those without labels, and of the crossed ones, are held back"
    assert first.told["chosen_by"] == 200, "those held back are too few"
    assert first.told["figures"]["validation texts"]["texts"] == 200
    assert list(first.told["temperatures"]) == [str(layers) for layers in AFTER]
    again = _learned(200, 50)
    assert again is not None
    assert again.told == first.told
    assert all(np.array_equal(a.dense, b.dense) for a, b in zip(first.exits, again.exits, strict=True))


def test_too_few_texts_give_no_exits_and_say_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert _learned(199, 300) is None
    printed = " ".join(capsys.readouterr().out.split())
    assert "exits: none, every text goes through all layers: 199 texts to judge by and 40 held back" in printed
    assert "exits need 200 texts to judge by" in printed


def test_texts_held_back_do_where_there_are_enough() -> None:
    found = _learned(10, round(200 / HELD_BACK))
    assert found is not None
    assert found.told["chosen_by"] == 200


@pytest.fixture
def few_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if forty texts could tell what is rare."""
    monkeypatch.setattr(exit_training, "LEAST_TEXTS", 40)


@pytest.fixture
def adapter(tmp_path: Path) -> Path:
    """A copy of the bundled adapter without its exits."""
    copy = Path(shutil.copytree(BUNDLED, tmp_path / "weights"))
    (copy / FILE).unlink(missing_ok=True)
    config = json.loads((copy / "config.json").read_text())
    config.pop("exits", None)
    (copy / "config.json").write_text(json.dumps(config))
    return copy


@pytest.mark.usefixtures("few_do")
def test_an_adapter_that_exists_is_given_exits(adapter: Path, labelled: Path, tmp_path: Path) -> None:
    new = tmp_path / "new.txt"
    new.write_text("\n".join(corpus(30, seed=3)), encoding="utf-8")
    before = json.loads((adapter / "config.json").read_text())
    arguments = [str(adapter), "--train", str(labelled), "--val", str(labelled), "--unlabelled", str(new)]
    result = RUNNER.invoke(train_exits.app, [*arguments, "--drawn", "20", "--threads", "1"])
    assert result.exit_code == 0, result.output
    config = json.loads((adapter / "config.json").read_text())
    told = config.pop("exits")
    assert config == before
    assert told["figures"]["texts"]["texts"] == 48
    assert told["texts"] == 48 + 43 + 18
    exits = read_exits(adapter, {"exits": told})
    assert [one.layers for one in exits] == list(AFTER)
    assert load_adapter(adapter).exits == told


def test_an_adapter_stays_as_it_is_where_texts_are_too_few(adapter: Path, labelled: Path) -> None:
    before = (adapter / "config.json").read_bytes()
    result = RUNNER.invoke(train_exits.app, [str(adapter), "--train", str(labelled), "--val", str(labelled)])
    assert result.exit_code == 2
    assert "stays as it is: give 200 or more texts with --val or --unlabelled" in " ".join(result.output.split())
    assert (adapter / "config.json").read_bytes() == before
    assert not (adapter / FILE).exists()


def test_ctrl_c_leaves_the_adapter_as_it_is(adapter: Path, labelled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(train_exits, "learn_exits", interrupt)
    result = RUNNER.invoke(train_exits.app, [str(adapter), "--train", str(labelled), "--val", str(labelled)])
    assert result.exit_code == 130
    assert "stays as it is, and the same command again begins anew" in " ".join(result.output.split())
    assert not (adapter / FILE).exists()


@pytest.mark.usefixtures("few_do")
def test_a_training_ends_with_exits(labelled: Path, tmp_path: Path) -> None:
    out = tmp_path / "a"
    arguments = ["--train", str(labelled), "--val", str(labelled), "--out", str(out), "--epochs", "1", "--threads", "1"]
    result = RUNNER.invoke(train.app, arguments)
    assert result.exit_code == 0, result.output
    printed = " ".join(result.output.split())
    assert "exits: 91 texts to learn from: 0 without labels, 43 crossed, 48 labelled" in printed
    config = json.loads((out / "config.json").read_text())
    assert [one.layers for one in read_exits(out, config)] == list(AFTER)
    assert config["exits"]["figures"]["texts"]["texts"] == 48

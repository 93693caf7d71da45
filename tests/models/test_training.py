"""Training can be repeated and resumed, and what it writes can be served."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import typer
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from typer.testing import CliRunner

from models import fit, lora, teacher, torch_network, train, train_exits, train_russian
from models.adapter import load_adapter
from models.architecture import LAYERS
from models.base import sha256_of, verified_base
from models.batches import batches
from models.bundled import load_bundled
from models.calibration import softmax
from models.checkpoint import Checkpoint
from models.encoder import ToneNetwork, load_base
from models.errors import ModelFileError
from models.recipe import Course, Recipe
from tests.models.texts import corpus

RUNNER = CliRunner()


def _train(labelled: Path, out: Path, *more: str) -> None:
    arguments = ["--train", str(labelled), "--val", str(labelled), "--out", str(out), "--epochs", "1", "--batch", "8"]
    result = RUNNER.invoke(train.app, [*arguments, "--threads", "1", *more])
    assert result.exit_code == 0, result.output


@pytest.mark.usefixtures("quick_check")
def test_trained_adapter_can_be_served(labelled: Path, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "exits.safetensors").write_bytes(b"of an earlier training")
    _train(labelled, tmp_path / "a", "--seed", "5")
    adapter = load_adapter(tmp_path / "a")
    # Too few texts for exits, and none of another network may stay.
    assert adapter.exits == {}
    assert not (tmp_path / "a" / "exits.safetensors").exists()
    assert adapter.recipe.seed == 5
    assert adapter.metrics["texts"]["texts"] == 48
    assert not list((tmp_path / "a").glob("*.pt"))
    model = load_bundled(adapter_directory=tmp_path / "a", threads=1)
    assert model.predict(["fine"]).shape == (1, 3)
    model.close()


@contextmanager
def _interrupted_at_step_4() -> Iterator[None]:
    """As if somebody pressed Ctrl-C."""
    real = fit.rate_share

    def stop_at_step_4(step: int, steps: int, course: Course) -> float:
        if step == 4:
            raise KeyboardInterrupt
        return real(step, steps, course)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fit, "rate_share", stop_at_step_4)
        yield


def test_resumed_training_equals_an_undisturbed_one(
    labelled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fit, "CHECKPOINT_STEPS", 3)
    _train(labelled, tmp_path / "whole")
    with _interrupted_at_step_4(), pytest.raises(AssertionError):
        _train(labelled, tmp_path / "stopped")
    assert (tmp_path / "stopped" / "labels.pt").exists()
    _train(labelled, tmp_path / "stopped")
    name = "adapter.safetensors"
    assert sha256_of(tmp_path / "whole" / name) == sha256_of(tmp_path / "stopped" / name)


@pytest.fixture
def teacher_jar(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stands for the teacher's jar; the teacher is the base encoder here."""
    monkeypatch.setattr(train, "TEACHER_LAYERS", LAYERS)
    monkeypatch.setattr(train, "check_teacher", lambda _: None)
    monkeypatch.setattr(train, "load_teacher", lambda network, _: load_base(network, verified_base()))
    return tmp_path / "teacher.jar"


def test_training_with_a_teacher_resumes_in_each_part(
    labelled: Path, teacher_jar: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fit, "CHECKPOINT_STEPS", 3)
    mentions = tmp_path / "mentions.jsonl"
    mentions.write_text("\n".join(json.dumps({"text": text}) for text in corpus(60)), encoding="utf-8")
    more = ["--teacher", str(teacher_jar), "--unlabelled", str(mentions), "--drawn", "30", "--crossed", "14"]
    more += ["--answer-epochs", "1"]
    _train(labelled, tmp_path / "whole", *more)
    recipe = load_adapter(tmp_path / "whole").recipe
    assert (recipe.unlabelled, recipe.crossed) == (30, 14)
    assert recipe.answers is not None
    real, to_stop = fit.rate_share, True

    def stop_once_in_each_part(step: int, steps: int, course: Course) -> float:
        nonlocal to_stop
        if step == 4 and to_stop:
            to_stop = False
            raise KeyboardInterrupt
        to_stop = to_stop or step == 5
        return real(step, steps, course)

    monkeypatch.setattr(fit, "rate_share", stop_once_in_each_part)
    for part in ("labels", "teacher", "answers"):
        with pytest.raises(AssertionError):
            _train(labelled, tmp_path / "stopped", *more)
        assert (tmp_path / "stopped" / f"{part}.pt").exists()
    _train(labelled, tmp_path / "stopped", *more)
    name = "adapter.safetensors"
    assert sha256_of(tmp_path / "whole" / name) == sha256_of(tmp_path / "stopped" / name)
    assert not list((tmp_path / "stopped").glob("*.pt"))


def test_checkpoint_of_another_recipe_is_refused(labelled: Path, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    Checkpoint(tmp_path / "a" / "labels.pt", {"recipe": Recipe(seed=9).to_config(), "texts": [48, 0]}).save({})
    arguments = ["--train", str(labelled), "--val", str(labelled), "--out", str(tmp_path / "a")]
    result = RUNNER.invoke(train.app, arguments)
    assert result.exit_code == 2
    told = " ".join(result.output.split())
    assert "another recipe" in told
    assert "(recipe.seed 9 there, 1 here" in told


@pytest.mark.parametrize("change", ["text", "label"])
def test_checkpoint_of_as_many_other_texts_is_refused(
    labelled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    monkeypatch.setattr(fit, "CHECKPOINT_STEPS", 3)
    val = tmp_path / "val.tsv"
    val.write_bytes(labelled.read_bytes())
    arguments = ["--train", str(labelled), "--val", str(val), "--out", str(tmp_path / "a"), "--batch", "8"]
    with _interrupted_at_step_4():
        assert RUNNER.invoke(train.app, arguments).exit_code == 130
    assert (tmp_path / "a" / "labels.pt").exists()
    first, _, rest = labelled.read_text(encoding="utf-8").partition("\n")
    label, _, text = first.partition("\t")
    other = f"{label}\tnot {text}" if change == "text" else f"positive\t{text}"
    labelled.write_text(f"{other}\n{rest}", encoding="utf-8")
    result = RUNNER.invoke(train.app, arguments)
    assert result.exit_code == 2
    assert "other data (learned_from" in " ".join(result.output.split())


@pytest.mark.parametrize("content", [b"", b"junk\n", b"PK\x03\x04junk"])
@pytest.mark.parametrize("name", ["labels.pt", "labels-done.pt"])
def test_a_damaged_checkpoint_is_told(labelled: Path, tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / name).write_bytes(content)
    arguments = ["--train", str(labelled), "--val", str(labelled), "--out", str(tmp_path / "a")]
    result = RUNNER.invoke(train.app, arguments)
    assert result.exit_code == 2
    assert f"{name} is damaged or no checkpoint" in "".join(result.output.split("\n"))


@pytest.mark.parametrize("seed", ["-1", str(2**32)])
@pytest.mark.parametrize("app", [train.app, train_exits.app, train_russian.app])
def test_a_seed_that_cannot_be_is_told_by_its_option(app: typer.Typer, seed: str, tmp_path: Path) -> None:
    folder = [str(tmp_path)] if app is train_exits.app else []
    result = RUNNER.invoke(app, [*folder, "--seed", seed])
    assert result.exit_code == 2
    assert "--seed" in result.output
    assert "4294967295" in result.output if seed != "-1" else "to 0" in result.output


@pytest.mark.usefixtures("quick_check")
def test_held_out_origin_is_judged_and_not_learned(labelled: Path, tmp_path: Path) -> None:
    origins = tmp_path / "origins.txt"
    origins.write_text("\n".join(["old"] * 32 + ["new"] * 16), encoding="utf-8")
    _train(labelled, tmp_path / "a", "--origins", str(origins), "--hold-out", "new")
    adapter = load_adapter(tmp_path / "a")
    assert (adapter.texts, adapter.metrics["new"]["texts"], adapter.recipe.held_out) == (32, 16, "new")
    result = RUNNER.invoke(train.app, ["--train", str(labelled), "--val", str(labelled), "--hold-out", "newer"])
    assert result.exit_code == 2
    assert "no text is of origin 'newer'; known: texts" in " ".join(result.output.split())


def test_validation_texts_that_lack_a_tone_are_refused_before_the_training(labelled: Path, tmp_path: Path) -> None:
    val = tmp_path / "val.tsv"
    val.write_text("negative\tbad\nneutral\tso so\npositive\tgood\nneutral\tas ever\n", encoding="utf-8")
    arguments = ["--train", str(labelled), "--val", str(val), "--out", str(tmp_path / "a")]
    result = RUNNER.invoke(train.app, arguments)
    assert result.exit_code == 2
    told = " ".join(result.output.split())
    assert "every other text, from the first on, has to show each tone" in told
    assert "there is no neutral among these 2" in told
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--teacher", "texts.tsv"), "File is not a zip file"),
        (("--unlabelled", "texts.tsv"), "give --teacher too"),
        (("--train", "empty.tsv", "--crossed", "0"), "there is no text to learn from in empty.tsv"),
        (("--train", "latin.tsv"), "latin.tsv, line 2: not UTF-8"),
        (("--hold-out", "x", "--origins", "empty.tsv"), "empty.tsv has 0 lines for the 48 texts"),
    ],
)
def test_wrong_files_are_told_before_the_training(
    labelled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("empty.tsv").touch()
    Path("latin.tsv").write_bytes(b"negative\tbad\npositive\tna\xefve\n")
    train_file = () if "--train" in options else ("--train", labelled.name)
    result = RUNNER.invoke(train.app, [*train_file, "--val", labelled.name, "--out", "a", *options])
    assert result.exit_code == 2
    assert message in " ".join(result.output.replace("│", "").split())
    assert not Path("a").exists()


def test_ctrl_c_tells_how_to_go_on(labelled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> float:
        raise KeyboardInterrupt

    monkeypatch.setattr(fit, "rate_share", interrupt)
    result = RUNNER.invoke(train.app, ["--train", str(labelled), "--val", str(labelled), "--out", str(tmp_path / "a")])
    assert result.exit_code == 130
    assert "the same command again goes on from the last checkpoint" in result.output


def test_batches_hold_each_text_once_and_repeat_with_the_seed() -> None:
    texts = [[0] * (1 + index % 7) for index in range(100)]
    first = batches(texts, 8, seed=1, epoch=0)
    assert sorted(np.concatenate(first).tolist()) == list(range(100))
    again, other = batches(texts, 8, seed=1, epoch=0), batches(texts, 8, seed=1, epoch=1)
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(first, other, strict=True))


def test_learning_rate_warms_up_and_decays_to_its_least() -> None:
    course = Course(warmup=0.1, least_rate=0.2)
    shares = [fit.rate_share(step, 100, course) for step in range(101)]
    assert max(shares) == pytest.approx(1.0)
    assert shares[:10] == sorted(shares[:10])
    assert shares[10:] == sorted(shares[10:], reverse=True)
    assert shares[0] == pytest.approx(0.1)
    assert shares[100] == pytest.approx(0.2)


def test_agreement_is_the_mean_of_log_probabilities() -> None:
    network, teacher = np.array([[2.0, 0.0, -1.0]], np.float32), np.array([[0.0, 1.0, 3.0]], np.float32)
    assert train.agreed(network, teacher, 0.0) == pytest.approx(softmax(network))
    assert train.agreed(network, teacher, 1.0) == pytest.approx(softmax(teacher))
    expected = softmax(np.log(softmax(network)) * 0.25 + np.log(softmax(teacher)) * 0.75)
    assert train.agreed(network, teacher, 0.75) == pytest.approx(expected, abs=1e-6)
    assert train.agreed(network + 5, teacher, 0.75) == pytest.approx(expected, abs=1e-6)


def test_answers_are_learned() -> None:
    network = _small_network(1)
    texts = [[101, 2000 + index, 102] for index in range(16)]
    answers = np.tile(np.array([[0.7, 0.2, 0.1]], np.float32), (16, 1))
    course = Course(learning_rate=1e-3, head_rate=1e-2, epochs=40, batch=16, average=0.5, dropout=0.0)
    checkpoint = Checkpoint(Path("never written"), {})
    assert len(list(fit.fit(network, texts, answers, course, 1, checkpoint))) == 40
    assert softmax(fit.logits_of(network, texts)) == pytest.approx(answers, abs=0.03)


def _small_network(seed: int) -> ToneNetwork:
    torch.manual_seed(seed)
    network = ToneNetwork(layers=1)
    for value in (network.words, network.positions, network.kinds):
        torch.nn.init.normal_(value.weight, std=0.1)
    return network.eval()


def test_corrections_of_full_rank_give_the_trained_network_back() -> None:
    base, trained, served = _small_network(1), _small_network(1), _small_network(1)
    with torch.no_grad():
        for name, value in trained.named_parameters():
            if name in fit.learned(trained):
                value.add_(0.01 * torch.randn_like(value))
    ids, lengths = torch.tensor([[101, 2023, 102]]), torch.tensor([3])
    lora.merge(served, lora.corrections(trained, base, rank=384))
    with torch.inference_mode():
        assert served(ids, lengths).numpy() == pytest.approx(trained(ids, lengths).numpy(), abs=2e-3)
        assert served(ids, lengths).numpy() != pytest.approx(base(ids, lengths).numpy(), abs=2e-2)


def test_ranks_keep_what_is_largest_for_its_space() -> None:
    sizes = {"small": [3.0, 2.0, 1.0], "large": [4.0, 3.9, 0.1]}
    assert lora.ranks(sizes, {"small": 10, "large": 30}, 1) == {"small": 1, "large": 1}
    assert lora.ranks(sizes, {"small": 10, "large": 30}, 2) == {"small": 2, "large": 2}
    assert lora.ranks({"a": [9.0, 8.0], "b": [1.0, 0.5]}, {"a": 5, "b": 5}, 1) == {"a": 2, "b": 0}


@given(st.lists(st.lists(st.floats(0.01, 9.0), min_size=4, max_size=4), min_size=3, max_size=3), st.integers(1, 4))
def test_ranks_lose_no_more_than_the_same_rank_everywhere(values: list[list[float]], rank: int) -> None:
    sizes = {str(index): sorted(row, reverse=True) for index, row in enumerate(values)}
    chosen = lora.ranks(sizes, dict.fromkeys(sizes, 7), rank)
    assert sum(chosen.values()) == 3 * rank
    lost = sum(size**2 for name, row in sizes.items() for size in row[chosen[name] :])
    assert lost <= sum(size**2 for row in sizes.values() for size in row[rank:]) + 1e-9


def test_corrections_take_the_space_of_one_rank() -> None:
    base, trained = _small_network(1), _small_network(1)
    with torch.no_grad():
        dict(trained.named_parameters())["layers.0.query.weight"].add_(0.1)
    found = lora.corrections(trained, base, rank=2)
    numbers = sum(tensor.numel() for name, tensor in found.items() if name.endswith((".up", ".down")))
    assert numbers <= 2 * (4 * 2 * 384 + 2 * (384 + 1536))
    assert found["layers.0.query.up"].shape[0] == 384
    assert found["layers.0.query.up"].shape[1] == found["layers.0.query.down"].shape[0]


def test_training_attends_as_serving_does() -> None:
    network = _small_network(1)
    ids, lengths = torch.tensor([[101, 2023, 2003, 102], [101, 102, 0, 0]]), torch.tensor([4, 2])
    with torch.inference_mode():
        served = network(ids, lengths).numpy()
        assert network.train()(ids, lengths).numpy() == pytest.approx(served, abs=1e-5)


def test_foreign_teacher_is_refused(tmp_path: Path) -> None:
    jar = tmp_path / "teacher.jar"
    with pytest.raises(ModelFileError, match="by Maven"):
        teacher.read_jar(jar)
    with zipfile.ZipFile(jar, "w") as archive:
        archive.writestr(teacher.FILE, b"another model")
    with pytest.raises(ModelFileError, match="is not the teacher: its SHA-256 is"):
        teacher.read_jar(jar)


def test_teacher_is_read_out_of_its_export() -> None:
    from onnx import helper, numpy_helper

    rng = np.random.default_rng(1)
    stored: dict[str, NDArray[Any]] = {
        "embeddings.word_embeddings.weight_quantized": rng.integers(0, 256, (5, 4), dtype=np.uint8),
        "embeddings.word_embeddings.weight_scale": np.array(0.5, dtype=np.float32),
        "embeddings.word_embeddings.weight_zero_point": np.array(7, dtype=np.uint8),
        "embeddings.LayerNorm.weight": np.ones(4, dtype=np.float32),
        "onnx::MatMul_1_quantized": rng.integers(-128, 128, (4, 6), dtype=np.int8),
        "onnx::MatMul_1_scale": rng.random(6, dtype=np.float32),
        "onnx::MatMul_1_zero_point": np.zeros(6, dtype=np.int8),
        "encoder.layer.0.intermediate.dense.bias": np.arange(6, dtype=np.float32),
    }
    node = helper.make_node(
        "MatMulInteger",
        ["/encoder/layer.0/input_quantized", "onnx::MatMul_1_quantized"],
        ["out"],
        name="/encoder/layer.0/intermediate/dense/MatMul_quant",
    )
    initial = [numpy_helper.from_array(array, name) for name, array in stored.items()]
    graph = helper.make_graph([node], "teacher", [], [], initial)
    weights = teacher.weights_of(helper.make_model(graph).SerializeToString())
    words = 0.5 * (stored["embeddings.word_embeddings.weight_quantized"].astype(np.float32) - 7)
    matrix = (stored["onnx::MatMul_1_quantized"] * stored["onnx::MatMul_1_scale"]).T
    assert weights["embeddings.word_embeddings.weight"].numpy() == pytest.approx(words)
    assert weights["encoder.layer.0.intermediate.dense.weight"].numpy() == pytest.approx(matrix)
    assert weights["encoder.layer.0.intermediate.dense.bias"].tolist() == [0, 1, 2, 3, 4, 5]
    assert "embeddings.LayerNorm.weight" in weights
    assert len(weights) == 4


def test_help_reads_like_a_manual() -> None:
    result = RUNNER.invoke(train.app, ["--help"])
    assert result.exit_code == 0
    assert "Example" in result.output


@pytest.mark.parametrize(("has", "dtype"), [(True, torch.bfloat16), (False, torch.float32)])
def test_bfloat16_is_used_only_where_the_processor_multiplies_it(
    monkeypatch: pytest.MonkeyPatch, has: bool, dtype: torch.dtype
) -> None:
    monkeypatch.setattr(torch_network, "multiplies_bfloat16", lambda: has)
    seen: list[torch.dtype] = []
    network = ToneNetwork()
    network.layers[0].register_forward_hook(
        lambda _module, _inputs, _output: seen.append((torch.ones(1, 1) @ torch.ones(1, 1)).dtype)
    )
    fit.logits_of(network, [[101, 2204, 102]])
    assert seen == [dtype]

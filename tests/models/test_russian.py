"""The Russian model: what is trained is what is served, whole numbers give the same bits, files are guarded."""

from __future__ import annotations

import json
import math
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from models import train_russian
from models.errors import ModelFileError
from models.halves import best_offsets, halves
from models.labelled import LabelledTexts
from models.lexicon import Lexicon, beginning_key, beginnings, word_key, words_of
from models.metrics import f1_scores
from models.ngrams import BITS, features, fold
from models.russian import BUNDLED_RU, NgramModel, load_ngrams, load_ngrams_model
from models.tone import LABELS
from models.train_russian import Recipe, WordVectors, fit, scores_of

GOOD = ("спасибо, отличный банк", "все быстро и удобно, молодцы", "очень доволен обслуживанием)))")
BAD = ("ужасный банк, карта не работает", "опять сбой, позор((", "обман и хамство, никогда больше")
PLAIN = ("банк открыл новое отделение", "курс валют на сегодня", "совет директоров в среду")


def _texts(copies: int = 6) -> LabelledTexts:
    rows = [
        (f"{text} {word}", label)
        for word in ("москва", "вчера", "офис", "звонок", "карта", "утром")[:copies]
        for label, some in enumerate((BAD, PLAIN, GOOD))
        for text in some
    ]
    return LabelledTexts([text for text, _ in rows], np.asarray([label for _, label in rows]))


def _vectors(texts: list[str], *more: str) -> WordVectors:
    words = sorted({word for text in texts for word in words_of(fold(text))} | set(more))
    generator = np.random.default_rng(5)
    return WordVectors(words, generator.normal(size=(len(words), 16)).astype(np.float32), frozenset(more))


def test_obvious_texts() -> None:
    model = load_ngrams_model()
    tones = model.predict(
        [
            "Ужасное обслуживание, деньги украли и никто не отвечает!",
            "Спасибо огромное, очень быстро помогли, вы лучшие)))",
            "Сбербанк опубликовал отчетность за третий квартал",
        ]
    )
    assert [LABELS[index] for index in tones.argmax(axis=1)] == ["negative", "positive", "neutral"]


def test_russian_bank_mentions_of_a_year_it_has_not_seen(tone_data: Path) -> None:
    import gzip

    file = tone_data.parent / "replays" / "ru_banks_2015_gold.jsonl.gz"
    with gzip.open(file, "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    labels = np.asarray([LABELS.index(row["gold_tone"]) for row in rows])
    tones = load_ngrams_model().predict([row["text"] for row in rows])
    scores = f1_scores(labels, tones.argmax(axis=1))
    assert scores[[0, 2]].mean() >= 0.56


def test_served_scores_are_those_of_the_regression() -> None:
    from scipy.sparse import csr_matrix, hstack
    from sklearn.linear_model import LogisticRegression

    data, recipe = _texts(), Recipe()
    vectors = _vectors(data.texts)
    learned = fit(data, vectors, recipe)
    keys, _, ngrams = train_russian._ngram_features(data.texts)
    lexicon = train_russian._lexicon(data.texts, vectors, recipe.word_weight)
    machine = LogisticRegression(C=1.0, class_weight="balanced", max_iter=300, random_state=1)
    matrix = hstack([ngrams, csr_matrix(lexicon.features)]).tocsr()
    machine.fit(matrix, data.labels)
    assert np.array_equal(keys, learned.keys)
    assert scores_of(learned, data.texts) == pytest.approx(machine.decision_function(matrix), abs=2e-3)


@pytest.fixture
def trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A model trained by the command on a few texts, with made-up word vectors."""
    data = _texts()
    file = tmp_path / "texts.tsv"
    file.write_text(
        "".join(f"{LABELS[label]}\t{text}\n" for text, label in zip(data.texts, data.labels, strict=True)),
        encoding="utf-8",
    )
    monkeypatch.setattr(train_russian, "word_vectors", lambda texts, _: _vectors(texts))
    result = CliRunner().invoke(
        train_russian.app, ["--train", str(file), "--out", str(tmp_path / "out"), "--no-encoder"]
    )
    assert result.exit_code == 0, result.output
    return tmp_path / "out"


def test_trained_model_can_be_served_and_repeats(trained: Path, tmp_path: Path) -> None:
    model = load_ngrams_model(trained)
    tones = model.predict([*GOOD, *BAD])
    assert tones.argmax(axis=1).tolist() == [2, 2, 2, 0, 0, 0]
    config = json.loads((trained / "config.json").read_text())
    assert config["metrics"]["texts"]["texts"] == 54
    assert config["training"]["files"] == {"texts.tsv": 54}
    again = CliRunner().invoke(
        train_russian.app, ["--train", str(tmp_path / "texts.tsv"), "--out", str(tmp_path / "again"), "--no-encoder"]
    )
    assert again.exit_code == 0
    name = "ngrams.safetensors"
    assert (tmp_path / "again" / name).read_bytes() == (trained / name).read_bytes()


@given(text=st.text(alphabet=st.characters(codec=None, categories=None), max_size=60), number=st.integers(0, 5))
def test_features_of_a_text_are_the_same_in_any_company(text: str, number: int) -> None:
    folded = fold(text)
    alone = features([folded])
    company = [fold(some) for some in (*GOOD, "", *BAD)]
    company.insert(number, folded)
    rows, blocks, buckets = features(company)
    mine = rows == number
    assert np.array_equal(blocks[mine], alone[1])
    assert np.array_equal(buckets[mine], alone[2])
    assert len(np.unique(np.stack([blocks[mine], buckets[mine]]), axis=1).T) == mine.sum()
    assert not len(buckets) or buckets.max() < 1 << BITS


def test_folding_hides_brand_numbers_and_shouting() -> None:
    assert fold("СБЕРБАНК снял 1500 рублей!!!!!! Ёлки") == fold("втб снял 20 рублей!! елки")
    assert fold("опяяяять") == fold("опяять")


def test_unknown_forms_are_read_by_their_beginning() -> None:
    keys = sorted([word_key("карта"), beginning_key("карт"), word_key("мир")])
    lexicon = Lexicon(np.asarray(keys, dtype=np.uint32))
    assert lexicon.entry("карта") == keys.index(word_key("карта"))
    assert lexicon.entry("картой") == lexicon.entry("картами") == keys.index(beginning_key("карт"))
    assert lexicon.entry("картография") is None  # too much beyond the beginning to be an ending
    assert lexicon.entry("миры") is None  # three letters begin too many words
    assert list(beginnings("картой")) == ["картой", "карто", "карт"]
    rows, entries = lexicon.entries(["нет", "карта карта мир"])
    assert rows.tolist() == [1, 1]
    assert len(set(entries.tolist())) == 2


def test_only_words_that_were_there_are_known_to_a_trial() -> None:
    data = _texts()
    vectors = _vectors([*data.texts, "невиданное"], "обычное")
    learned = fit(data, vectors, Recipe())
    assert word_key("обычное") in learned.word_keys
    assert word_key("невиданное") not in learned.word_keys


def test_halves_are_in_order_and_offsets_are_found() -> None:
    first, second = halves(5)
    assert first.tolist() == [True, True, True, False, False]
    assert (first ^ second).all()
    labels = np.array([0] * 10 + [1] * 10 + [2] * 10)
    scores = np.zeros((30, 3))
    scores[np.arange(30), labels] = 0.35
    scores[:, 0] -= 0.65  # negative is never told
    offsets = best_offsets([LabelledTexts([""] * 30, labels)], [scores])
    assert ((scores + offsets).argmax(axis=1) == labels).all()


def test_corrupt_foreign_and_missing_files_are_refused(tmp_path: Path) -> None:
    copy = Path(shutil.copytree(BUNDLED_RU, tmp_path / "ru"))
    config, weights = copy / "config.json", copy / "ngrams.safetensors"
    original = config.read_text()
    for key, value in (("folding", 99), ("labels", ["a"]), ("bits", 3), ("format", 0)):
        config.write_text(json.dumps(json.loads(original) | {key: value}))
        with pytest.raises(ModelFileError, match=rf"config\.json: {key}"):
            load_ngrams(copy)
    senseless: list[tuple[str, object]] = [("bias", "much"), ("bias", [1.0]), ("bias", [0, 0, math.nan])]
    senseless += [("temperature", value) for value in (0, -1, math.nan, None)]
    for key, wrong in (*senseless, ("scale", math.inf)):
        config.write_text(json.dumps(json.loads(original) | {key: wrong}))
        with pytest.raises(ModelFileError, match=r"config\.json lacks or misstates .* reinstall"):
            load_ngrams(copy)
    config.write_text(original)
    with weights.open("r+b") as stream:
        stream.seek(-1, os.SEEK_END)
        stream.write(b"\x55" if weights.read_bytes()[-1:] != b"\x55" else b"\x56")
    with pytest.raises(ModelFileError, match=r"ngrams\.safetensors is not the file"):
        load_ngrams(copy)
    config.write_text("{")
    with pytest.raises(ModelFileError, match="not JSON"):
        load_ngrams(copy)
    config.unlink()
    with pytest.raises(ModelFileError, match="No such file"):
        load_ngrams(copy)


def test_weights_in_the_repository_stay_small() -> None:
    assert all(file.stat().st_size < 4_000_000 for file in BUNDLED_RU.iterdir())


def test_cache_answers_repeated_texts() -> None:
    model: NgramModel = load_ngrams_model(cache_size=10)
    texts = [*GOOD, GOOD[0], GOOD[0].upper()]
    first = model.predict(texts)
    assert (model.cache_hits, model.cache_misses) == (2, 3)
    assert np.array_equal(model.predict(texts), first)
    assert (model.cache_hits, model.cache_misses) == (7, 3)

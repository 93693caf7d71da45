"""Two models as one: each text by its own reader, in order, one tone under one version."""

from __future__ import annotations

import itertools
import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from models import load
from models.adapter import BUNDLED
from models.backends import BACKENDS
from models.bundled_russian import load_russian
from models.errors import ModelError
from models.routed import RoutedModel
from models.russian import BUNDLED_RU
from models.script import reader_of
from tests.models.test_hard_texts import HARD
from tests.models.texts import corpus

RUSSIAN = [
    "Сбербанк, банкомат съел карту, это ужас!!!",
    "спасибо @sberbank, все быстро решили, молодцы )))",
    "Газпромбанк повысил ставки по вкладам",
    "МТС опять не работает интернет((((",
    "кредит",
    "Ё",
]
TEXTS = [*corpus(40), *(f"{text} {number}" for number in range(8) for text in RUSSIAN), *RUSSIAN]
ROOT = Path(__file__).parents[2]


def test_a_backend_that_cannot_run_is_told_before_anything_is_loaded(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Nor does the Russian model say that it would do without it: nobody gets to see that model."""
    name = "int8-avx512"
    cannot = replace(BACKENDS[name], why_not=lambda: "the processor lacks avx512vnni")
    monkeypatch.setitem(BACKENDS, name, cannot)
    with pytest.raises(ModelError, match=f"{name} cannot run here: the processor lacks"):
        load(backend=name)
    assert not caplog.records


def test_what_was_trained_stands_in_for_the_bundled_model_of_its_language(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[str, Path] = {}

    def english(adapter: Path) -> None:
        asked["en"] = adapter

    def russian(directory: Path, **_: object) -> None:
        asked["ru"] = directory

    monkeypatch.setattr("models.merged.bundled_files", english)
    monkeypatch.setattr("models.bundled.chosen_backend", lambda *_: "torch-fp32")
    monkeypatch.setattr("models.bundled.load_files", lambda *_: None)
    monkeypatch.setattr("models.bundled_russian.load_russian", russian)
    monkeypatch.setattr("models.loading.RoutedModel", lambda models, **_: models)
    for file, expected in (
        ("adapter.safetensors", {"en": tmp_path / "adapter", "ru": BUNDLED_RU}),
        ("ngrams.safetensors", {"en": BUNDLED, "ru": tmp_path / "ngrams"}),
    ):
        folder = tmp_path / file.partition(".")[0]
        folder.mkdir()
        (folder / file).touch()
        load(str(folder))
        assert asked == expected
    with pytest.raises(ModelError, match="a model by tocsin train, has neither revisions nor other labels"):
        load(str(folder), labels=["negative", "neutral", "positive"])


@pytest.fixture(scope="module")
def alone(routed: RoutedModel) -> NDArray[np.float32]:
    """Tone of each text in a call of its own."""
    return np.concatenate([routed.predict([text]) for text in TEXTS])


def test_each_text_has_the_tone_of_its_reader(routed: RoutedModel) -> None:
    tones = routed.predict(TEXTS)
    readers = {reader_of(text) for text in TEXTS}
    assert readers == {"en", "ru"}
    for text, tone in zip(TEXTS, tones, strict=True):
        assert np.array_equal(routed.readers[reader_of(text)].predict([text])[0], tone)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_company_order_and_repetition_do_not_matter(
    routed: RoutedModel, alone: NDArray[np.float32], data: st.DataObject
) -> None:
    chosen = data.draw(st.lists(st.integers(0, len(TEXTS) - 1), min_size=1, max_size=40))
    cuts = sorted(data.draw(st.sets(st.integers(0, len(chosen)), max_size=4)) | {0, len(chosen)})
    parts = [routed.predict([TEXTS[i] for i in chosen[a:b]]) for a, b in itertools.pairwise(cuts)]
    assert np.array_equal(np.concatenate(parts), alone[chosen])


def test_another_process_gives_the_same_bits_and_version(routed: RoutedModel, alone: NDArray[np.float32]) -> None:
    program = (
        "import json, sys; from models import load; m = load(threads=1, cache_size=0); "
        "texts = json.load(sys.stdin); print(json.dumps([str(m.id), m.predict(texts[::-1]).tobytes().hex()]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], input=json.dumps(TEXTS), capture_output=True, text=True, cwd=ROOT, check=True
    )
    version, bits = json.loads(done.stdout)
    assert version == str(routed.id)
    assert bits == alone[::-1].tobytes().hex()


@pytest.mark.parametrize("text", HARD.values(), ids=HARD.keys())
def test_hard_text_gets_a_tone(routed: RoutedModel, text: str) -> None:
    for one in (text, f"ну {text} и ну"):
        tone = routed.predict([one])
        assert tone.shape == (1, 3)
        assert tone.dtype == np.float32
        assert np.isfinite(tone).all()
        assert tone.sum() == pytest.approx(1.0, abs=1e-6)
        assert routed.knows(one) in {True, False}


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    text=st.text(
        alphabet=st.one_of(
            st.characters(codec=None, categories=None), st.characters(min_codepoint=0x400, max_codepoint=0x460)
        ),
        max_size=60,
    )
)
def test_any_text_gets_a_tone(routed: RoutedModel, text: str) -> None:
    assert routed.predict([text]).sum() == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize("name", ["config.json", "encoder.json"])
def test_the_version_covers_all_models(routed: RoutedModel, tmp_path: Path, name: str) -> None:
    other = Path(shutil.copytree(BUNDLED_RU, tmp_path / "ru"))
    file = other / name
    file.write_text(json.dumps(json.loads(file.read_text()) | {"temperature": 2.0}))
    backend = routed.backend.partition(" ")[0]
    russian = load_russian(other, backend=backend, threads=1)
    changed = RoutedModel({**routed.readers, "ru": russian})
    assert changed.id.name == routed.id.name
    assert changed.id.version != routed.id.version
    russian.close()


@pytest.mark.usefixtures("quick_check")
def test_caches_answer_for_both_and_count_each_text_once(alone: NDArray[np.float32]) -> None:
    model = load(threads=1, cache_size=1000)
    assert np.array_equal(model.predict(TEXTS), alone)
    assert model.cache_hits + model.cache_misses == len(TEXTS)  # type: ignore[attr-defined]
    before = model.cache_misses  # type: ignore[attr-defined]
    assert np.array_equal(model.predict(TEXTS[::-1]), alone[::-1])
    assert model.cache_misses == before  # type: ignore[attr-defined]
    model.close()  # type: ignore[attr-defined]


def test_no_texts_no_tones(routed: RoutedModel) -> None:
    assert routed.predict([]).shape == (0, 3)


def test_what_is_no_list_of_texts_is_a_mistake(routed: RoutedModel) -> None:
    with pytest.raises(TypeError, match="put it in a list"):
        routed.predict("great")
    with pytest.raises(TypeError, match="item 1 is a NoneType"):
        routed.predict(["great", None])  # type: ignore[list-item]

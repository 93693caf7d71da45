"""Whatever arrives in a feed gets a tone: an exception here would stop a worker over one strange post."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.classifier import Classifier
from models.normalise import MAX_CHARACTERS, clean, normalise

HARD = {
    "empty": "",
    "white space": " \t\r\n\u3000",
    "one megabyte": "great service " * 75_000,
    "one megabyte without a space": "x" * 1_000_000,
    "one megabyte of handles": "@a " * 350_000,
    "one megabyte of entities": "&amp;" * 200_000,
    "one megabyte of pictures": "😂😡" * 120_000,
    "emoji only": "😡😡😡",
    "family and flag": "👨‍👩‍👧‍👦🇺🇸🏳️‍🌈",
    "right to left": "هذا سيء للغاية \u202eabc\u202c שלום",
    "control characters": "".join(map(chr, range(32))) + "\x7f\u200b\ufeff",
    "lone surrogates": "broken \ud83d pair \udc00",
    "surrogates from entities": "&#xD83D;&#xDE00;",
    "mixed scripts": "Супер 服务 très bien شكرا 😀",
    "combining marks": "Z̸̢̛͍͎a̶͚͊l̴͖̈́g̶̡̈́o̵͎͝" * 20,
    "special tokens": "[CLS] [SEP] [PAD] [MASK] [UNK]",
    "last code point": "\U0010ffff" * 10,
    "private use": "\ue000\uf8ff",
    "nul": "\0",
}


@pytest.mark.parametrize("text", HARD.values(), ids=HARD.keys())
def test_hard_text_gets_a_tone(bundled: Classifier, text: str) -> None:
    tone = bundled.predict([text])
    assert tone.shape == (1, 3)
    assert tone.dtype == np.float32
    assert np.isfinite(tone).all()
    assert tone.sum() == pytest.approx(1.0, abs=1e-6)


def test_no_texts_no_tones(bundled: Classifier) -> None:
    assert bundled.predict([]).shape == (0, 3)


def test_one_text_instead_of_a_list_is_a_mistake(bundled: Classifier) -> None:
    with pytest.raises(TypeError, match="put it in a list"):
        bundled.predict("great")


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(alphabet=st.characters(codec=None, categories=None), max_size=80))
def test_any_text_gets_a_tone(bundled: Classifier, text: str) -> None:
    assert bundled.predict([text]).sum() == pytest.approx(1.0, abs=1e-6)


@settings(max_examples=300)
@given(text=st.text(alphabet=st.characters(codec=None, categories=None)))
def test_normalised_text_can_be_encoded_and_has_no_stray_white_space(text: str) -> None:
    for tidy in (clean(text), normalise(text)):
        tidy.encode("utf-8")
        assert tidy == " ".join(tidy.split())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("@a @b, @c thanks!!!!!!!!", "@user thanks!!!"),
        ("mail me: x@example.com", "mail me: x@example.com"),
        ("see https://t.co/x?y=1 or www.x.org pic.twitter.com/abc", "see http or http http"),
        ("Tom &amp; Jerry &amp;quot;ok&amp;quot;", 'Tom & Jerry "ok"'),
        ("sooooo gooood", "soo good"),
        ("😂😂 😂 no 😂", "face with tears of joy no face with tears of joy"),
        ("👍🏽", "thumbs up sign"),
        ("1000000", "1000000"),
        ("a\n\n b", "a b"),
        ("x" + " " * MAX_CHARACTERS + "y", "x"),
    ],
)
def test_normalisation(text: str, expected: str) -> None:
    assert normalise(text) == expected


def test_pictures_carry_tone(bundled: Classifier) -> None:
    loving, raging = bundled.predict(["😍😍😍", "😡😡😡"])
    assert loving[2] > loving[0]
    assert raging[0] > raging[2]

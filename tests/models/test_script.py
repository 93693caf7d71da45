"""Who reads a text is told by its letters alone; what nobody knows is said to be unknown."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.script import is_known, reader_of

RUSSIAN = "Третий день не работает приложение, позор!"


@pytest.mark.parametrize(
    ("text", "reader"),
    [
        ("The app has been down for three days", "en"),
        (RUSSIAN, "ru"),
        (f"@sberbank https://example.org/a/long/address/in/latin/letters {RUSSIAN}", "ru"),
        ("Мой iPhone 6 Plus умер", "ru"),
        ("RT @user: Samsung Galaxy Note плохой", "ru"),
        ("The Russian word for thanks is спасибо, they told me at the hotel", "en"),
        ("&#1055;&#1086;&#1079;&#1086;&#1088;", "ru"),
        ("Шахтёр, ёлки!", "ru"),
        ("هذا سيء للغاية", "en"),
        ("", "en"),
        ("😡😡😡", "en"),
        ("12:30", "en"),
    ],
)
def test_reader(text: str, reader: str) -> None:
    assert reader_of(text) == reader


@pytest.mark.parametrize(
    ("text", "lang", "known"),
    [
        ("The app is down", None, True),
        ("The app is down", "en-GB", True),
        ("Die App geht seit Tagen nicht", "de", False),
        ("prilozhenie ne rabotaet", "ru", False),
        ("lol", "und", True),
        (RUSSIAN, None, True),
        (RUSSIAN, "ru", True),
        (RUSSIAN, "RU_ru", True),
        (RUSSIAN, "en", True),  # an account's setting: English is not written in Cyrillic
        (RUSSIAN, "bg", False),
        ("Третій день не працює застосунок, ганьба!", None, False),  # Ukrainian
        ("Апликација не ради већ три дана", None, False),  # Serbian
        ("Қосымша үш күн бойы жұмыс істемейді", None, False),  # Kazakh
        ("هذا سيء للغاية", None, False),
        ("アプリが三日も落ちている", None, False),
        ("แอปล่มมาสามวันแล้ว", None, False),
        ("Η εφαρμογή δεν λειτουργεί", None, False),
        ("האפליקציה לא עובדת", None, False),
        ("The Tokyo branch (東京) was very helpful today", None, True),
        ("iPhone 壊れた、最悪だ、もう買わない", None, False),
        ("", None, False),
        ("https://example.org/x @united", None, False),
        ("12:30 -- 14.5 %", None, False),
        ("😡😡😡", None, True),
        (":-(", None, True),
        ("@user ))))", None, True),
    ],
)
def test_known(text: str, lang: str | None, known: bool) -> None:
    assert is_known(text, lang) is known


@given(text=st.text(alphabet=st.characters(codec=None, categories=None)), lang=st.none() | st.text())
def test_any_text_has_a_reader_and_a_verdict(text: str, lang: str | None) -> None:
    assert reader_of(text) in {"en", "ru"}
    assert is_known(text, lang) in {True, False}


@given(text=st.text(), lang=st.text())
def test_a_declared_language_can_only_withdraw(text: str, lang: str) -> None:
    assert is_known(text) or not is_known(text, lang)


def test_a_megabyte_is_looked_at_as_far_as_it_is_read() -> None:
    assert reader_of("ужас " * 200_000) == "ru"
    assert not is_known("最悪" * 500_000)

"""Reports of economic forecasts are neutral; complaints, and forecasts of a company's own affairs, are left alone."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from models import load
from models.reported_forecast import reports_forecast, with_neutral_reports
from models.routed import RoutedModel
from models.script import Reader, reader_of
from models.tone import LABELS

REPORTS = [
    # Russian: who forecasts what.
    "Промбанк прогнозирует падение рубля",
    "Аналитики Промбанка предсказали новый обвал рубля к концу года http://example.org/1",
    "RT @agency: В Промбанке не исключают дальнейшего ослабления рубля",
    "#Промбанк ожидает резкого ускорения инфляции весной #экономика",
    "Новости дня: Промбанк предупредил о рецессии в России",
    "Эксперты «Альтаир Капитал» прогнозируют длительный спад мировой экономики",
    "Промбанк допустил падение рубля в конце года",
    "Промбанк ухудшил прогноз роста ВВП России на 2031 год",
    "Altair Research прогнозирует рост цен на нефть",
    "Глава Промбанка Иванов не исключает кризиса в мировой экономике",
    "Промбанк видит доллар по 90 к осени",
    "Промбанк предсказал падение рубля: курс доллара вырастет уже весной",
    "Промбанк прогнозирует падение рубля и рост курса доллара до 90 рублей",
    # Russian: who publishes, who says, in other orders.
    "Промбанк опубликовал макроэкономический прогноз, согласно которому рост инфляции продолжится",
    "Промбанк: российская экономика останется в рецессии ещё год",
    "Промбанк о рецессии: неглубокая, но долгая",
    "Новую волну падения рубля предсказал Промбанк",
    "Экономика России не вырастет до 2031 года — Промбанк",
    # English.
    "Alder Bank forecasts a mild US recession next year",
    "Alder Bank's chief economist Jane Roe expects inflation to rise sharply https://example.org/2",
    "Economists at Alder Bank predict a slump in the global economy",
    "RT @wire: Alder Securities warns of a deep economic downturn in Europe #economy",
    "Alder Bank sees the dollar falling further against the yen",
    "Alder Bank Predicts Recession in 2031",
    "Alder Bank cuts its forecast for China's economy",
    "Alder Bank predicts a sharp recession. Inflation will fall, says the bank",
    "Alder Bank: global economy will shrink again",
    "US recession is likely within a year, says Alder Bank",
    "Alder Bank says higher interest rates are likely",
    "Alder Bank expects oil prices to collapse in the second half",
]

OTHERS = [
    # The company's own affairs.
    "Промбанк прогнозирует снижение прибыли из-за падения рубля",
    "Промбанк ожидает роста просрочки по кредитам и рецессии",
    "Промбанк не исключает повышения ставок по ипотеке",
    "Промбанк ждёт обвал акций",
    "Промбанк предупредил о сокращении сотрудников",
    "Промбанк ожидает падения перевозок из-за курса рубля",
    "Промбанку предсказали рецессию",
    "Аналитики предсказали падение рубля после краха Промбанка",
    "Аналитики Альтаира предсказали кризис в экономике из-за Промбанка",
    "Промбанк допустил падение рубля",
    "Санкции против Промбанка: рост инфляции неизбежен",
    "Промбанк прогнозирует падение рубля и закрывает отделения",
    "Альтаир прогнозирует падение рубля. Промбанк закрывается",
    "Промбанк: курс доллара 95 рублей",
    "Промбанк: рецессия, а порядка никакого",
    "Ромашка: инфляция растёт, цены тоже",
    "Экономика в рецессии, кругом нищета — Промбанк",
    "Крах Промбанка: экономика России не выдержит",
    "Промбанк обвалил экономику России - Альтаир",
    "Alder Bank expects lower profit as the economy slows",
    "Alder Bank warns of layoffs ahead of a recession",
    "Alder Bank shares fall as it forecasts a recession",
    "Alder Bank raises mortgage rates, expects inflation to rise",
    "Analysts expect a recession after Alder Bank collapse",
    "Birch Research predicts Alder Bank crisis will slow the economy",
    "Alder Bank expected to slow the US economy",
    "Alder Oil expects oil to reach the beaches",
    "Alder Air predicts economy class will be full",
    "Alder Air: the economy cabin is a mess",
    "Birch Research predicts recession. Alder Bank closes",
    "Alder Bank wrecked the economy and predicts recession",
    "Alder Foods: inflation on every shelf",
    "Alder Foods: inflation will end, prices stay",
    "Another sign the economy is over - Alder Bank",
    "Alder Bank Crisis: US economy will shrink",
    # Complaints, insults, blame, mockery, questions.
    "Промбанк предсказал обвал рубля, а банкоматы третий день пустые",
    "Промбанк прогнозирует инфляцию, а у меня карту заблокировали",
    "Промбанк прогнозирует рост экономики, пока люди голодают",
    "Промбанк: экономика растёт, а зарплаты нет",
    "Промбанк предсказал рецессию, сам же её и вызвал",
    "Промбанк предсказал падение рубля, чтобы нажиться",
    "Промбанк предсказал падение рубля. Очередная глупость",
    "Промбанк предсказал падение рубля, народ в ярости",
    "Газнефть видит падение нефти в реку",
    "Эти клоуны из Промбанка предсказали падение рубля",
    "Промбанк прогнозирует падение рубля, идиоты",
    "Промбанк прогнозирует падение рубля((((",
    "Промбанк сам обвалил рубль и теперь предсказывает кризис в экономике",
    "Промбанк предсказывает рецессию? Серьёзно?",
    "@prombank вы прогнозируете падение рубля, а перевод не прошёл",
    "Промбанк опять не смог предсказать падение рубля",
    "промбанк прогнозирует падение рубля",
    "Вчера предсказали обвал рубля",
    "Эксперты прогнозируют рецессию",
    "I expect a recession but Alder Bank can't even open my account",
    "Alder Bank expects a recession of its own making",
    "Alder Bank forecasts recession, people furious",
    "Alder Bank warns of recession as its stock sinks",
    "Alder Bank warns of a global economic crisis of trust in Alder",
    "Alder Bank predicts the US economy will crash and takes the money",
    "Alder Bank says inflation is over, people laugh",
    "Alder Foods: inflation will make bread smaller",
    "Alder Bank says unemployment must rise to help bosses",
    "Alder Bank predicts a recession, what a bunch of clowns",
    "Alder Bank predicts recession while my card is blocked",
    "Alder Bank failed to predict the recession",
    "@alderbank predicts recession and never answers",
    "Alder Bank says the economy is fine while families starve",
    "Does Alder Bank expect a recession?",
    "Thanks Alder Bank for predicting the recession",
    "Alder Bank predicts a recession!!",
    "Economists predict a recession",
    # Nothing of the economy.
    "Промбанк прогнозирует рост числа отпусков",
    "Промбанк обещает доллар каждому",
    "Alder Bank predicts a warm summer",
    "Alder Burgers expects more guests for its dollar menu",
    "",
    "рубль",
    "recession",
]


@pytest.mark.parametrize("text", REPORTS)
def test_a_report_of_an_economic_forecast_is_known(text: str) -> None:
    assert reports_forecast(text, reader_of(text))


@pytest.mark.parametrize("text", OTHERS)
def test_what_is_no_report_is_left_alone(text: str) -> None:
    assert not reports_forecast(text, reader_of(text))


@pytest.mark.parametrize("text", [*REPORTS, *OTHERS])
def test_links_spaces_and_entities_around_it_do_not_matter(text: str) -> None:
    dressed = f"  {text}  https://example.org/a?b=1&amp;c=2 "
    assert reports_forecast(dressed, reader_of(text)) == reports_forecast(text, reader_of(text))


def test_a_long_post_is_no_report() -> None:
    assert not reports_forecast(REPORTS[0] + ". Так пишут газеты" * 20, "ru")


@pytest.mark.parametrize(
    "text",
    [
        "Alder Bank expects inflation " + "global growth " * 18 + "zz",
        "Alder Bank expects " + "the " * 60 + "zz",
        "Alder Bank expects inflation " + "_#_" * 90,
        "Alder's " * 37,
        "Промбанк ожидает инфляцию " + "падение рубля " * 18 + "ю",
        "Промбанк прогнозирует " + "падение " * 33,
        "падение рубля " * 21,
        "В " * 140 + "рубль",
    ],
)
def test_a_text_made_to_be_slow_is_not(text: str) -> None:
    text += " gdp рубль"
    reports_forecast(text[-300:], reader_of(text))  # expressions are compiled when first needed
    began = time.process_time()
    assert not reports_forecast(text[:300], reader_of(text))
    assert time.process_time() - began < 0.1


@given(st.text(), st.sampled_from(("en", "ru")))
def test_any_text_can_be_asked_about(text: str, reader: Reader) -> None:
    assert reports_forecast(text, reader) in {True, False}


@st.composite
def _tones_and_texts(draw: st.DrawFn) -> tuple[NDArray[np.float32], list[str], Reader]:
    reader: Reader = draw(st.sampled_from(("en", "ru")))
    known = st.sampled_from([text for text in (*REPORTS, *OTHERS) if reader_of(text) == reader])
    texts = draw(st.lists(st.one_of(known, st.text(max_size=20)), min_size=1, max_size=12))
    parts = st.tuples(*[st.integers(0, 1000)] * 3).filter(any)
    tones = np.asarray([draw(parts) for _ in texts], dtype=np.float32)
    return tones / tones.sum(axis=1, keepdims=True), texts, reader


@given(_tones_and_texts())
def test_only_negative_reports_change_and_what_was_negative_is_neutral(
    drawn: tuple[NDArray[np.float32], list[str], Reader],
) -> None:
    tones, texts, reader = drawn
    before = tones.copy()
    after = with_neutral_reports(tones, texts, reader)
    assert np.array_equal(tones, before)
    assert after.dtype == np.float32
    assert np.abs(after.sum(axis=1) - 1).max() <= 1e-6
    assert (after[:, 0] <= before[:, 0]).all()
    assert np.array_equal(after[:, 2], before[:, 2])
    assert np.array_equal(with_neutral_reports(after, texts, reader), after)
    for text, old, new in zip(texts, before, after, strict=True):
        if LABELS[old.argmax()] == "negative" and reports_forecast(text, reader):
            assert LABELS[new.argmax()] == "neutral"
            assert new[0] == 0
        else:
            assert np.array_equal(old, new)
        assert np.array_equal(with_neutral_reports(old[None], [text], reader)[0], new)


def test_the_bundled_models_read_no_report_as_negative_unless_told_to(routed: RoutedModel) -> None:
    plain = RoutedModel(routed.readers, neutral_forecasts=False)
    texts = [*REPORTS, *OTHERS]
    tones, untouched = routed.predict(texts), plain.predict(texts)
    negative = LABELS.index("negative")
    reports = len(REPORTS)
    # Something to put right in each language, or this shows nothing.
    wrong = {reader_of(REPORTS[row]) for row in np.flatnonzero(untouched[:reports].argmax(axis=1) == negative)}
    assert wrong == {"en", "ru"}
    assert not (tones[:reports].argmax(axis=1) == negative).any()
    assert np.array_equal(tones[reports:], untouched[reports:])
    for text, tone in zip(texts, untouched, strict=True):
        assert np.array_equal(routed.readers[reader_of(text)].predict([text])[0], tone)


def test_the_version_tells_whether_reports_are_neutral(routed: RoutedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = RoutedModel(routed.readers, neutral_forecasts=False)
    assert (plain.id.name, plain.id.version) != (routed.id.name, routed.id.version)
    monkeypatch.setattr("models.routed.FORECAST_RULES", 2)
    assert RoutedModel(routed.readers).id.version not in {routed.id.version, plain.id.version}
    assert RoutedModel(routed.readers, neutral_forecasts=False).id == plain.id


@pytest.mark.usefixtures("quick_check")
def test_loading_asks_for_it_or_not(routed: RoutedModel) -> None:
    model = load(threads=1, cache_size=0, neutral_forecasts=False)
    assert model.id == RoutedModel(routed.readers, neutral_forecasts=False).id
    model.close()  # type: ignore[attr-defined]


def test_a_model_of_ones_own_is_left_as_it_is(tiny: Path) -> None:
    # Its weights are random: in this order some of the texts read as negative.
    labels = ("positive", "neutral", "negative")
    neutral, plain = (
        load(str(tiny), threads=1, labels=labels, neutral_forecasts=asked).predict(REPORTS) for asked in (True, False)
    )
    assert np.array_equal(neutral, plain)
    assert (neutral.argmax(axis=1) == LABELS.index("negative")).any()

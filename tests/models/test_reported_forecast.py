"""Reports of economic forecasts are neutral; complaints, and forecasts of a company's own affairs, are left alone."""

from __future__ import annotations

import pytest

from models.reported_forecast import reports_forecast
from models.script import reader_of

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
    # Complaints, insults, blame, mockery, questions.
    "Промбанк предсказал обвал рубля, а банкоматы третий день пустые",
    "Промбанк прогнозирует инфляцию, а у меня карту заблокировали",
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
    "Alder Bank predicts a recession, what a bunch of clowns",
    "Alder Bank predicts recession while my card is blocked",
    "Alder Bank failed to predict the recession",
    "@alderbank predicts recession and never answers",
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

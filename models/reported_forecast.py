"""Who forecasts bad times is the source of the news, not its target: reports of economic forecasts are neutral.

"Acme's analysts expect a recession" is passed on by hundreds when it is news. It sounds gloomy, so a model of a text's
tone reads it as negative, but nobody blames Acme. The training texts hold too few of the kind to learn it from.

So it is a rule, in Russian and English, from the text alone. A text is such a report where all of this holds:

* it begins with a source, which is named ("Acme", "analysts at Acme"), and the source forecasts something of the
  economy at large: between the verb and "rouble", "inflation" or "economy" stand only words of movement, time, place
  and degree, so that the economy is what the sentence is about. Or the source is set off by a colon or a dash, and
  what it says of the economy is one clause of the present or future;
* what goes on behind the forecast is of the economy too, so that no comment on it follows;
* nobody else is named: the news may be what the economy has to fear from them;
* there is no word of a company's own affairs or its customers' (profit, shares, loans, staff, cards, outages, fines),
  of blame, insult or mistake; nobody speaks of themselves or to somebody; nothing is asked.

A hidden crisis costs more than a page too many, so in doubt a text is no report.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.forecast_english import ENGLISH
from models.forecast_grammar import Grammar
from models.forecast_russian import RUSSIAN
from models.normalise import MAX_CHARACTERS, clean, unescaped
from models.script import Reader
from models.tone import LABELS

FORECAST_RULES: Final = 1
"""Version of these rules and their words; part of the routed model's version."""

_GRAMMARS: Final[Mapping[Reader, Grammar]] = {"en": ENGLISH, "ru": RUSSIAN}
_NEGATIVE, _NEUTRAL = LABELS.index("negative"), LABELS.index("neutral")


def reports_forecast(text: str, reader: Reader) -> bool:
    """Whether ``text``, in the language of ``reader``, reports an economic forecast of somebody named in it."""
    grammar = _GRAMMARS[reader]
    # Cleaning takes letters out; entities alone bring some in.
    read = unescaped(text) if "&" in text else text[:MAX_CHARACTERS]
    return grammar.may_report(read) and grammar.reports(clean(text))


def with_neutral_reports(tones: NDArray[np.float32], texts: Sequence[str], reader: Reader) -> NDArray[np.float32]:
    """``tones`` (n, 3) of ``texts``; of those that read as negative but report a forecast, the probability of negative
    is neutral's, so that neutral is what they are.
    """
    negative = np.flatnonzero(tones.argmax(axis=1) == _NEGATIVE).tolist()
    rows = [row for row in negative if reports_forecast(texts[row], reader)]
    if not rows:
        return tones
    result = tones.copy()
    result[rows, _NEUTRAL] += result[rows, _NEGATIVE]
    result[rows, _NEGATIVE] = 0
    return result

"""Which output of a foreign model means which tone."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from models.errors import LabelError
from models.tone import LABELS

_NAMES: Final = {
    "negative": "negative",
    "neg": "negative",
    "neutral": "neutral",
    "neu": "neutral",
    "positive": "positive",
    "pos": "positive",
}


def columns_of(names: Mapping[int, str], explicit: Sequence[str] | None, where: str) -> list[int]:
    """Index in ``LABELS`` of each output of a model.

    Parameters
    ----------
    names:
        The model's own name of each output (``id2label``).
    explicit:
        Meaning of the outputs in their order, given by the user; overrules ``names``.
    where:
        What to call the model in an error.

    Raises ``LabelError`` unless there are two or three outputs that map one to one, negative and positive among them.
    """
    own = [names[index] for index in sorted(names)]
    if len(own) not in {2, len(LABELS)}:
        outputs = "output" if len(own) == 1 else "outputs"
        raise LabelError(
            f"{where} has {len(own)} {outputs} ({', '.join(own)}); tocsin reads models of three "
            f"({', '.join(LABELS)}) or two (negative, positive): choose such a one"
        )
    if explicit is not None and len(explicit) != len(own):
        raise LabelError(
            f"{where} has {len(own)} outputs ({', '.join(own)}), but {len(explicit)} labels are given "
            f"({', '.join(explicit)}); name one per output"
        )
    given = list(own if explicit is None else explicit)
    tones = [_NAMES.get(name.strip().lower()) for name in given]
    known = [tone for tone in tones if tone is not None]
    if len(known) == len(given) and len(set(known)) == len(given) and {"negative", "positive"} <= set(known):
        return [LABELS.index(tone) for tone in known]
    advice = (
        "tell their meaning by the labels setting, in order, such as negative, neutral, positive"
        if all(re.fullmatch(r"LABEL_\d+", name) for name in given)
        else (
            "choose a model that tells negative and positive, and optionally neutral, or tell the outputs' meaning "
            "by the labels setting"
        )
    )
    raise LabelError(f"{where}: cannot read the labels {', '.join(given)} as tones ({', '.join(LABELS)}); {advice}")

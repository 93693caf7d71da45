"""Learn the exits of a network that is trained already; it stays as it is, bit for bit."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from models.encoder import ToneNetwork
from models.exit_choice import (
    LEAST_TEXTS,
    TOLERATED,
    Seen,
    cooled,
    figures,
    seen_cooled,
    temperatures,
    with_sure,
)
from models.exit_heads import Head
from models.exit_states import Passing
from models.exits import AFTER, Exit
from models.training_part import console, follow
from models.unlabelled import crossed

MOST_TEXTS: Final = 60_000
"""Texts that the network is asked about for its exits, those to judge by aside: more would take longer than they are
worth.
"""

MOST_NEW: Final = 30_000
"""Of these, texts that nobody labelled; labelled ones and crossed ones share the rest."""

HELD_BACK: Final = 0.1
"""Share of the texts without labels, and of the crossed ones, that no head learns from: they help to choose how sure is
sure. Labelled texts do not: the network knows them by heart, and is surer of them than of others.
"""

Ids = list[list[int]]


@dataclass(frozen=True)
class Learned:
    """Exits, and ``told``: what the configuration is to say of how they were learned and what they do."""

    exits: tuple[Exit, ...]
    told: dict[str, Any]


def _halved(texts: Ids, generator: np.random.Generator) -> tuple[Ids, Ids]:
    """The texts to learn from, and those held back."""
    back = set(generator.permutation(len(texts))[: round(HELD_BACK * len(texts))].tolist())
    return (
        [text for index, text in enumerate(texts) if index not in back],
        [texts[index] for index in sorted(back)],
    )


def learn_exits(
    network: ToneNetwork,
    temperature: float,
    known: Ids,
    new: Ids,
    validation: Ids,
    labels: NDArray[np.int64],
    seed: int,
    name: str = "validation texts",
) -> Learned | None:
    """The exits of ``network``, as it will be served with ``temperature``, learned from what it says in the end of the
    ``known`` texts, which it was trained on, ``new`` ones without labels, and made ones, crossed out of the known. How
    sure is sure is chosen by texts that no exit learned from, those to judge by among them: ``validation`` with its
    ``labels`` (n,), called ``name``. Texts are token ids; the rest follows from the ``seed``.

    Nothing where there are too few texts to choose by, and then the screen says so.
    """
    generator = np.random.default_rng((seed, 3))
    new = [new[index] for index in generator.permutation(len(new))[:MOST_NEW]]
    each = min(len(known), (MOST_TEXTS - len(new)) // 2)
    made = crossed(known, each, seed)
    known = [known[index] for index in generator.permutation(len(known))[:each]]
    (new, new_back), (made, made_back) = _halved(new, generator), _halved(made, generator)
    groups = [validation, *(group for group in (new_back, made_back) if len(group) >= LEAST_TEXTS)]
    enough = [len(group) >= LEAST_TEXTS for group in groups]
    if not any(enough):
        console.print(
            f"exits: none, every text goes through all layers: {len(validation)} texts to judge by and "
            f"{len(new_back) + len(made_back)} held back cannot tell how rare mistakes are; exits need {LEAST_TEXTS} "
            "texts to judge by"
        )
        return None
    learned_from = [*new, *made, *known]
    console.print(
        f"exits: {len(learned_from)} texts to learn from: {len(new)} without labels, {len(made)} crossed, {len(known)} "
        f"labelled; {sum(map(len, itertools.compress(groups, enough)))} others to choose by when a text may leave"
    )
    names = [name, *(f"{len(group)} held back" for group in groups[1:])]
    heads, seen = _look(network, temperature, learned_from, groups, names, seed)
    # Temperatures are for the texts that leave, and which do so is chosen for the first time for their sake.
    first = with_sure(heads, list(itertools.compress(seen, enough)))
    by = temperatures(first, seen[0], labels)
    seen = [seen_cooled(texts, by) for texts in seen]
    judged, unseen = seen[0], list(itertools.compress(seen, enough))
    exits = with_sure(cooled(heads, by), unseen)
    found = figures(exits, judged, labels)
    console.print(
        f"exits: on {name} {found['layers_left']} % of the layers are left to compute, {found['other_tone']} % of the "
        f"texts get another tone, macro-recall {' -> '.join(map(str, found['macro_recall']))}, calibration error "
        f"{' -> '.join(map(str, found['calibration_error']))}"
    )
    told = {
        "texts": len(learned_from),
        "chosen_by": sum(map(len, unseen)),
        "tolerated": TOLERATED,
        "temperatures": {str(one.layers): temperature for one, temperature in zip(exits, by, strict=True)},
        "seed": seed,
        "figures": {name: found},
    }
    return Learned(exits, told)


def _look(
    network: ToneNetwork, temperature: float, learned_from: Ids, groups: Sequence[Ids], names: Sequence[str], seed: int
) -> tuple[list[Exit], list[Seen]]:
    """Learn a head after each of ``AFTER``; and what they, and the network in the end, say of other texts.

    The texts to learn from go through the network twice, since what it says in the end must be known from the first
    layer on, and to hold what all layers make of them would take four times the memory.
    """
    wanted = _through(network, learned_from).told(temperature)
    learning = Passing(network, learned_from, f"{len(learned_from)} texts")
    others = [Passing(network, group, name) for group, name in zip(groups, names, strict=True)]
    exits: list[Exit] = []
    said: list[list[NDArray[np.float32]]] = [[] for _ in others]
    for layers in range(len(network.layers) + 1):
        for texts in (learning, *others) if layers <= AFTER[-1] else others:
            if layers:
                texts.step()
        if layers in AFTER:
            head = Head(seed + layers)
            follow(head.fit(learning, wanted), f"exit after layer {layers}")
            exits.append(head.exit(layers))
            for own, texts in zip(said, others, strict=True):
                own.append(texts.says(exits[-1]))
    return exits, [
        Seen(np.stack(own, axis=1), texts.told(temperature), texts.lengths)
        for own, texts in zip(said, others, strict=True)
    ]


def _through(network: ToneNetwork, texts: Ids) -> Passing:
    """Texts behind the last layer."""
    passing = Passing(network, texts, f"{len(texts)} texts")
    for _ in network.layers:
        passing.step()
    return passing

"""The conformance suite: every detector there is passes it, and each property can fail, with an example to read."""

from __future__ import annotations

import itertools
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np
import pytest

from detectors import Detector, Engine, Hour, Told, View
from detectors.built_in import BUILT_IN
from detectors.columns import Columns, Floats, column, ln
from detectors.conformance import ENGINE_PROPERTIES, PROPERTIES, ConformanceError, check, check_engine
from detectors.conformance.engine import World
from detectors.installed import installed, load
from tests.detectors.packages import install, manual

DETECTORS = (*BUILT_IN, *load(installed()))


@pytest.mark.parametrize("detector", DETECTORS, ids=lambda d: d.name)
def test_every_detector_there_is_keeps_its_promises(detector: Detector) -> None:
    check(detector, engine=detector not in BUILT_IN)


def test_the_engine_keeps_its_promises() -> None:
    check_engine(seeds=(1, 2, 3))


def test_the_engines_world_is_worth_running() -> None:
    """It holds tickets and pages, amendments, and a detector's own state."""
    decisions, _ = World.of(1, (Learner(),)).expected()
    assert {"ticket", "page"} <= {d.notify for d in decisions}
    assert {"opened", "amended", "escalated", "resolved"} <= {d.type for d in decisions}
    assert any("topic" in d.detectors for seed in (1, 2, 3) for d in World.of(seed, ()).expected()[0])


@dataclass
class Seen(Columns):
    """Fading counts of hours and of negative authors."""

    hours: Floats = field(metadata=column(np.float64))
    negative: Floats = field(metadata=column(np.float64))


class Good(Detector):
    name = "good"

    def score(self, view: View) -> Floats:
        return ln((view.negative[1] + 2.0) / (view.negative_expected[1] + 2.0))


class Learner(Good):
    name = "learner"
    learns: ClassVar[type[Columns] | None] = Seen

    def score(self, view: View) -> Floats:
        usual = (view.learned.negative + 1.0) / (view.learned.hours + 1.0)
        return ln((view.negative[1] + 2.0) / (usual[:, None] + 2.0))

    def learn(self, hour: Hour) -> None:
        hour.learned.hours[:] = 0.99 * hour.learned.hours + hour.observed
        hour.learned.negative[:] = 0.99 * hour.learned.negative + hour.observed * hour.negative[1]


@pytest.mark.parametrize("detector", [Good(), Learner()])
def test_good_ones_pass(detector: Detector) -> None:
    begin = time.perf_counter()
    check(detector)
    assert time.perf_counter() - begin < 20, "people wait for it"


def test_the_manuals_example_passes_as_the_manual_says(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    code, use = manual("python")
    install(tmp_path, "acme_manual", {"flood": "acme_manual:Flood"}, code)
    space: dict[str, Any] = {}
    exec(use.replace("acme_tocsin", "acme_manual"), space)
    (test,) = [thing for name, thing in space.items() if name.startswith("test_")]
    test()


# -- each property can fail


class Nameless(Good):
    name = "No Name"


class Wordless(Good):
    def reason(self, told: Told) -> str:
        return ""


class WordlessOfATopic(Good):
    def reason(self, told: Told) -> str:
        return "" if told.topic else "many people"


class OneForAll(Good):
    def score(self, view: View) -> Floats:
        return np.zeros(view.shape[0])


class Whole(Good):
    def score(self, view: View) -> Floats:
        return np.zeros(view.shape, np.int64)


class Raises(Good):
    def score(self, view: View) -> Floats:
        return super().score(view)[[3]]


class Unprepared(Learner):
    """Works once it has learned, not before."""

    def score(self, view: View) -> Floats:
        if view.learned.hours.min(initial=1.0) == 0.0:
            raise RuntimeError("nothing is known yet")
        return super().score(view)


class Writes(Good):
    """Around the view's protection."""

    def score(self, view: View) -> Floats:
        base = view.negative.base
        assert base is not None
        base += 1
        return super().score(view)


class WritesInView(Good):
    def score(self, view: View) -> Floats:
        view.negative[0] = 0
        return super().score(view)


class LearnsWhileScoring(Learner):
    def score(self, view: View) -> Floats:
        view.learned.hours.base[:] += 1.0
        return super().score(view)


class Remembers(Good):
    def __init__(self) -> None:
        self.seen = 0

    def score(self, view: View) -> Floats:
        self.seen += len(view.ticks)
        return super().score(view)


COUNTER = itertools.count()


class Moody(Good):
    """Keeps its memory where nobody looks."""

    def score(self, view: View) -> Floats:
        return super().score(view) + next(COUNTER) % 7


class Ratio(Good):
    """Divides by an expectation that may be nothing."""

    def score(self, view: View) -> Floats:
        with np.errstate(all="ignore"):
            return np.asarray(np.log(view.negative[1] / view.negative_expected[1]), np.float64)


class Unbounded(Good):
    def score(self, view: View) -> Floats:
        return np.asarray(view.negative[1] - view.negative_expected[1], np.float64)


class Peak(Good):
    """The largest of the hour, known before it has come."""

    def score(self, view: View) -> Floats:
        score = super().score(view)
        return np.asarray(np.broadcast_to(score.max(axis=1, keepdims=True, initial=-9.0), score.shape), np.float64)


class SoFar(Good):
    """The largest since the block began, wherever that is."""

    def score(self, view: View) -> Floats:
        return np.maximum.accumulate(super().score(view), axis=1)


class AmongOthers(Good):
    """How a brand stands among the brands that happen to share the engine."""

    def score(self, view: View) -> Floats:
        score = super().score(view)
        return np.asarray(score - score.sum(axis=0) / max(len(score), 1), np.float64)


class Endless(Good):
    """As much as the topic is worth, which is without bounds."""

    def score(self, view: View) -> Floats:
        return np.asarray(view.topic, np.float64)


class TopicToCome(Good):
    """The topic of the hour, known before anybody names it."""

    def score(self, view: View) -> Floats:
        most = view.topic.max(axis=1, keepdims=True, initial=0.0)
        return np.asarray(np.minimum(np.broadcast_to(most, view.shape), 40.0), np.float64)


class LearnsInItself(Learner):
    def __init__(self) -> None:
        self.hours = 0

    def learn(self, hour: Hour) -> None:
        super().learn(hour)
        self.hours += 1


class LearnsByMood(Learner):
    def learn(self, hour: Hour) -> None:
        super().learn(hour)
        hour.learned.negative[:] += next(COUNTER) % 3


class LearnsFromOthers(Learner):
    def learn(self, hour: Hour) -> None:
        hour.learned.hours[:] += 1.0
        hour.learned.negative[:] += hour.negative[1].mean()


class LearnsAround(Learner):
    """Puts numbers of another kind in place of the column, which are cut when they are saved."""

    def learn(self, hour: Hour) -> None:
        hour.learned.hours = np.repeat(hour.learned.hours[..., None] + 1.0, 2, axis=1)[:, :1]
        hour.learned.negative[:] = hour.negative[1]

    def score(self, view: View) -> Floats:
        return ln((view.negative[1] + 2.0) / (view.learned.negative[:, None] + 2.0))


@dataclass
class Forgetful(Columns):
    """Saves less than it knows."""

    hours: Floats = field(metadata=column(np.float64))
    negative: Floats = field(metadata=column(np.float64))

    def row(self, i: int) -> dict[str, bytes]:
        return {**super().row(i), "hours": np.round(self.hours[i : i + 1]).tobytes()}


class SavesHalf(Learner):
    learns = Forgetful


class KeepsAll(Learner):
    def learn(self, hour: Hour) -> None:
        hour.learned.hours = np.append(hour.learned.hours, 1.0)


BAD: dict[str, list[tuple[Detector, str]]] = {
    "it says what it must": [
        (Nameless(), "the name of Nameless"),
        (Wordless(), "one line of text, not ''"),
        (WordlessOfATopic(), "one line of text, not ''.* topic=True"),
    ],
    "one float for each brand and tick": [
        (OneForAll(), r"an array \(1,\) of float64, not an array \(1, 1\)"),
        (Whole(), "of int64"),
        (Raises(), r"raised IndexError: .*\n?brand 0 of 1, tick 0 of 1"),
    ],
    "scoring before learning works": [(Unprepared(), "raised RuntimeError: nothing is known yet")],
    "scoring changes nothing": [
        (Writes(), "changed negative of the view"),
        (WritesInView(), "read-only"),
        (LearnsWhileScoring(), "changed what was learned"),
        (Remembers(), r"the detector itself \(seen\)"),
    ],
    "scoring is pure": [(Moody(), "when asked again: brand 0 of 1, tick 0 of 1")],
    "scores are finite, whatever the counts": [
        (Ratio(), r"the score is -?(inf|nan).*\n(.*\n)*.*negative_expected"),
        (Unbounded(), "not a number within 40 of 0"),
        (Endless(), r"the score is 350.*\n(.*\n)*.*topic"),
    ],
    "no look-ahead": [
        (Peak(), "with another future from tick 1 on: brand 0 of 1, tick 0 of 2"),
        (TopicToCome(), "with another future from tick 1 on"),
    ],
    "grouping of ticks does not matter": [(SoFar(), "cut before tick 1: brand . of ., tick 1 of .; in windows")],
    "order and company of brands do not matter": [(AmongOthers(), "of the brand alone: brand 0 of 1")],
    "learning changes only what is learned": [
        (LearnsInItself(), r"the detector itself \(hours\) in hour 0"),
        (LearnsByMood(), "two that learn from the same hours differ after hour"),
    ],
    "each brand learns alone": [(LearnsFromOthers(), "when it is alone")],
    "what is learned survives saving": [(SavesHalf(), "after saving")],
    "memory is bounded": [
        (KeepsAll(), r"the learned hours is \(\(3,\)"),
        (LearnsAround(), r"the learned hours is \(\(2, 1\)"),
    ],
}


def test_every_property_has_a_detector_that_fails_it() -> None:
    assert set(BAD) == set(PROPERTIES)


@pytest.mark.parametrize(
    ("broken", "detector", "example"),
    [(broken, detector, example) for broken, bad in BAD.items() for detector, example in bad],
    ids=lambda thing: thing if isinstance(thing, str) and thing in BAD else type(thing).__name__,
)
def test_a_bad_detector_is_told_what_it_breaks(broken: str, detector: Detector, example: str) -> None:
    with pytest.raises(ConformanceError) as caught:
        check(detector, only=[broken])
    assert caught.value.broken == broken
    head, _, shown = str(caught.value).partition("\n")
    assert head == f"detector {detector.name} breaks: {broken}"
    assert re.search(example, shown), shown
    with pytest.raises(ConformanceError):
        check(detector)


class Forgets(Engine):
    """Loses what it has learned with each snapshot, but for the brands that it saves last."""

    def restore(self, items: Any) -> None:
        super().restore([])

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict({**state, "items": []})


class ByCall(Engine):
    """Moves a threshold with each call."""

    def advance(self, upto: int, observations: Any, clock_ticks: Any = ()) -> Any:
        for core in self._cores:
            core.budget.page *= 1.0001
        return super().advance(upto, observations, clock_ticks)


class ByPosition(Engine):
    """Prefers the brand that is named first."""

    def advance(self, upto: int, observations: Any, clock_ticks: Any = ()) -> Any:
        first = observations.brand == 0
        return super().advance(upto, replace(observations, negative=observations.negative | first), clock_ticks)


class Foresees(Engine):
    """Decides by the last thing it is given."""

    def advance(self, upto: int, observations: Any, clock_ticks: Any = ()) -> Any:
        late = observations.tick > upto - 600
        return super().advance(upto, replace(observations, negative=observations.negative | late), clock_ticks)


class Overwrites(Engine):
    def advance(self, upto: int, observations: Any, clock_ticks: Any = ()) -> Any:
        observations.reach[:] = 0.0
        return super().advance(upto, observations, clock_ticks)


class Hoards(Engine):
    _hoard: Any = ()

    def advance(self, upto: int, observations: Any, clock_ticks: Any = ()) -> Any:
        self._hoard = [*self._hoard, observations]
        return super().advance(upto, observations, clock_ticks)

    def nbytes(self) -> int:
        return super().nbytes() + sum(int(o.tick.nbytes) for o in self._hoard)


BAD_ENGINES: dict[str, type[Engine]] = {
    "engine: grouping of ticks does not matter": ByCall,
    "engine: order and company of brands do not matter": ByPosition,
    "engine: no look-ahead": Foresees,
    "engine: snapshots do not matter": Forgets,
    "engine: state survives saving": Forgets,
    "engine: inputs are not changed": Overwrites,
    "engine: memory is bounded": Hoards,
}


@pytest.fixture
def engine_of(monkeypatch: pytest.MonkeyPatch) -> Callable[[type[Engine]], None]:
    return lambda kind: monkeypatch.setattr("detectors.conformance.engine.Engine", kind)


def test_every_property_of_an_engine_has_one_that_fails_it() -> None:
    assert set(BAD_ENGINES) == set(ENGINE_PROPERTIES)


@pytest.mark.parametrize("broken", BAD_ENGINES)
def test_a_bad_engine_is_told_what_it_breaks(broken: str, engine_of: Any) -> None:
    engine_of(BAD_ENGINES[broken])
    with pytest.raises(ConformanceError, match=re.escape(f"(the built-in ones) breaks: {broken}")):
        check_engine(only=[broken])


def test_a_property_that_there_is_not() -> None:
    with pytest.raises(ValueError, match="no property is called speed; there are: it says"):
        check(Good(), only=["speed"])

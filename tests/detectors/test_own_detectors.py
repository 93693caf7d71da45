"""A user's own detector: found in installed packages, held to the budget, told in events, kept in the state."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from detectors import Decision, Detector, DetectorError, Engine, Hour, Observations, StateVersionError, Told, View
from detectors.built_in import BUILT_IN
from detectors.columns import Columns, Floats, column
from detectors.detector_set import DetectorSet
from detectors.installed import installed, load, unknown
from detectors.plot import figure
from detectors.recording import Recording
from detectors.story import Story
from detectors.view import row_of
from tests.detectors.packages import install, manual
from tests.detectors.worlds import QUICK, START, profiles, run, span, world

END = START + 60 * 60
BUILT = len(BUILT_IN)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder on the path, to install packages into."""
    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if name.startswith("acme"):
            del sys.modules[name]


@pytest.fixture
def flood(site: Path) -> Detector:
    """The manual's example, installed as the manual says."""
    offers = dict(re.findall(r'^(\w+) = "(.*)"$', manual("toml")[0], re.MULTILINE))
    install(site, "acme_tocsin", offers, manual("python")[0])
    (detector,) = load(["flood"])
    return detector


def shouting() -> Observations:
    """A calm brand of 30 hours in which, 25 hours in, six negative people post and post."""
    rng = np.random.default_rng(4)
    calm = np.sort(rng.integers(START, START + 1800, 900))
    storm = np.repeat(np.arange(START + 1500, START + 1560), 4)
    tick = np.concatenate([calm, storm])
    people = np.concatenate([rng.integers(1, 2**62, len(calm)), 1 + np.arange(len(storm)) % 6]).astype(np.uint64)
    negative = np.concatenate([rng.random(len(calm)) < 0.2, np.ones(len(storm), np.bool_)])
    order = np.argsort(tick, kind="stable")
    m = len(tick)
    return Observations(
        tick=tick[order],
        minute=tick[order],
        brand=np.zeros(m, np.int32),
        author=people[order],
        negative=negative[order],
        p_negative=negative[order].astype(np.float32),
        kind=np.zeros(m, np.uint8),
        reach=np.full(m, np.nan),
        id=[str(j) for j in range(m)],
        text=[f"number {j}" for j in range(m)],
        url=[None] * m,
    )


@dataclass
class Seen(Columns):
    seen: Floats = field(metadata=column(np.float64))


class Loud(Detector):
    """Opens a ticket as soon as it may."""

    name = "loud"
    learns = Seen
    cold_ticket = 1.0

    def score(self, view: View) -> Floats:
        return np.full(view.shape, 30.0)

    def learn(self, hour: Hour) -> None:
        hour.learned.seen += 1.0


class Half(Detector):
    """Half as excited as the built-in one, and as often right: enough to see where a detector shows."""

    name = "half"
    version = "2"
    asks_for = "page"

    def score(self, view: View) -> Floats:
        return np.asarray(view.joint[row_of(self.window) - 1] / 2, np.float64)


@dataclass
class OtherColumns(Columns):
    """Of another form than what Flood learns."""

    posts: Floats = field(metadata=column(np.float64))


def test_the_manuals_example_finds_what_the_others_do_not(flood: Detector) -> None:
    observations = shouting()
    without = Engine(profiles(1), QUICK).advance(START + 1700, span(observations, 0, START + 1700))
    engine = Engine(profiles(1), QUICK, detectors=[flood])
    decisions = engine.advance(START + 1700, span(observations, 0, START + 1700))
    assert [d.type for d in without] != [d.type for d in decisions]
    (first, *_) = [d for d in decisions if d.detector == "flood"]
    assert first.notify == "ticket"
    assert first.detectors == ("flood",)
    assert first.reason.startswith("few people post much: ")
    assert first.detector_version.endswith("+flood@1")
    assert first.data()["why"]["detector"] == "flood"
    assert engine.levels().detectors[-1] == "flood"


def test_an_engine_without_own_detectors_decides_as_before_whatever_another_scores() -> None:
    """A detector that never fires changes no number of the others."""

    class Calm(Detector):
        name = "calm"

        def score(self, view: View) -> Floats:
            return np.zeros(view.shape)

    observations = world(5)
    plain = run(Engine(profiles(3), QUICK), observations, END)
    beside = run(Engine(profiles(3), QUICK, detectors=[Calm()]), observations, END)
    assert plain
    assert [without_version(d) for d in beside] == [without_version(d) for d in plain]


def without_version(decision: Decision) -> dict[str, object]:
    data = decision.data()
    del data["versions"]
    return data


def test_scores_of_all_are_recorded_by_name() -> None:
    seen: list[Recording] = []
    run(
        Engine(profiles(3), QUICK, recorder=seen.append, detectors=[Half()]),
        span(world(1), 0, START + 600),
        START + 600,
    )
    assert {r.detectors for r in seen} == {("fast", "mid", "slow", "tone", "count", "topic", "day", "surge", "half")}
    assert all(r.scores.shape[0] == r.page.shape[1] == len(r.detectors) for r in seen)


def test_nan_is_no_score_and_too_much_is_cut() -> None:
    class Odd(Half):
        def score(self, view: View) -> Floats:
            out = np.full(view.shape, 1e9)
            out[view.authors[1] % 2 == 0] = np.nan
            return out

    engine = Engine(profiles(3), QUICK, detectors=[Odd()])
    run(engine, world(2), END)
    levels = engine.levels()
    assert set(np.unique(levels.score[:, -1][~np.isnan(levels.score[:, -1])])) <= {40.0}
    assert np.isfinite(levels.score[:, 0]).all()


@pytest.mark.parametrize("value", [np.zeros(3), "none", None])
def test_a_score_of_another_shape_stops_with_the_detectors_name(value: object) -> None:
    class Broken(Half):
        def score(self, view: View) -> Floats:
            return value  # type: ignore[return-value]

    with pytest.raises(DetectorError, match=r"detector half: score\(\)"):
        run(Engine(profiles(3), QUICK, detectors=[Broken()]), world(2), END)


@pytest.mark.parametrize(
    ("attribute", "value", "message"),
    [
        ("name", "My Detector", "the name of Half must be"),
        ("name", "fast", "detectors of the same name: fast"),
        ("version", "", "version must be"),
        ("title", "two\nlines", "title must be a line of at most 60 characters"),
        ("title", None, "title must be a line"),
        ("window", 30, "window must be one of 10, 60, 180, 360, 1440 minutes, not 30"),
        ("confirmed_by", 60, "confirmed_by must be a window shorter than 60"),
        ("asks_for", "call", "asks_for must be info or ticket or page, not 'call'"),
        ("counts", "mentions", "counts must be negative or authors"),
        ("floor", 0.0, "floor must be above 0"),
        ("usual_scale", float("nan"), "usual_scale must be above 0"),
        ("usual_scale", (0.4, float("nan"), 0.4, 0.4, 0.4), "usual_scale must be above 0"),
        ("usual_scale", (0.4, 0.4, 0.4, 0.4, float("inf")), "usual_scale must be above 0 and at most 40"),
        ("usual_scale", ("a", 0.4, 0.4, 0.4, 0.4), "usual_scale must be above 0"),
        ("usual_scale", (), "usual_scale must have 5 numbers, not 0"),
        ("least_scale", -1.0, "least_scale must be at least 0 and at most 40, not -1.0"),
        ("cold_page", -1, "cold_page must be above 0"),
        ("learns", dict, "learns must be a dataclass"),
        ("usual_location", ("a",) * 5, "usual_location must be None or 5 numbers"),
        ("usual_location", 1.0, "usual_location must be None or 5 numbers"),
        ("heading", lambda: 1 / 0, "heading() failed: ZeroDivisionError"),
        ("heading", lambda: None, "heading() must return a line of text, not None"),
    ],
)
def test_what_a_detector_does_not_say_right_is_said(attribute: str, value: object, message: str) -> None:
    detector = Half()
    setattr(detector, attribute, value)
    with pytest.raises(DetectorError, match=re.escape(message)):
        DetectorSet([detector])


@pytest.mark.parametrize("method", ["score", "learn", "reason"])
def test_what_fails_in_a_detector_stops_with_its_name_and_the_line(method: str) -> None:
    class Failing(Loud):
        pass

    def fails(self: Failing, given: object) -> Floats:
        raise KeyError("no such thing")

    setattr(Failing, method, fails)
    with pytest.raises(
        DetectorError, match=rf"detector loud: {method}\(\) failed: KeyError: .*test_own_detectors.py:\d+"
    ):
        run(Engine(profiles(3), QUICK, detectors=[Failing()]), world(2), END)


def test_a_reason_that_is_none_stops_with_the_detectors_name() -> None:
    class Silent(Loud):
        def reason(self, told: Told) -> str:
            return None  # type: ignore[return-value]

    with pytest.raises(DetectorError, match=r"detector loud: reason\(\) must return one line of text, not None"):
        run(Engine(profiles(3), QUICK, detectors=[Silent()]), world(2), END)


def test_a_reason_can_be_written() -> None:
    class Odd(Loud):
        def reason(self, told: Told) -> str:
            return "two\nlines \ud83d"

    decided = run(Engine(profiles(3), QUICK, detectors=[Odd()]), world(2), END)
    assert {d.reason for d in decided if d.detector == "loud" and d.type == "opened"} == {"two lines ?"}


def test_a_detector_that_learns_of_other_brands_is_stopped() -> None:
    class Wide(Loud):
        def learn(self, hour: Hour) -> None:
            hour.learned.seen = np.zeros(17)

    with pytest.raises(DetectorError, match=r"detector loud: learn\(\) made 17 rows of seen"):
        run(Engine(profiles(3), QUICK, detectors=[Wide()]), world(2), END)


def test_names_that_nobody_offers_are_refused_with_those_that_are(site: Path) -> None:
    assert unknown([]) is None
    assert "'storm' (none is installed)" in str(unknown(["storm"]))
    install(site, "acme_calm", {"calm": "acme_calm:Calm", "fine": "acme_calm:Calm"})
    with pytest.raises(DetectorError, match=r"'storm' \(installed: calm, fine\)"):
        load(["calm", "storm"])
    assert unknown(["calm", "calm"]) == "calm is named twice"


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("import nothing_of_that_name", "cannot be loaded: ModuleNotFoundError"),
        ("class Calm: pass", "is no detector"),
        ("def Calm(): pass", "is no detector"),
        ("from tests.detectors.test_own_detectors import Half as Calm", "offers detector 'half' under the name 'calm'"),
    ],
)
def test_a_package_that_cannot_be_used_is_named(site: Path, code: str, message: str) -> None:
    install(site, "acme_calm", {"calm": "acme_calm:Calm"}, code)
    with pytest.raises(DetectorError, match=f"acme_calm 1.0.*{re.escape(message)}|{re.escape(message)}"):
        load(["calm"])


def test_two_packages_with_detectors_of_one_name(site: Path) -> None:
    install(site, "acme_calm", {"calm": "acme_calm:Calm"})
    install(site, "acme_other", {"calm": "acme_other:Calm"})
    with pytest.raises(DetectorError, match=r"acme_calm 1.0 .*acme_other 1.0 .*uninstall one"):
        installed()


def carried_over(before: Sequence[Detector], after: Sequence[Detector], seed: int = 5) -> tuple[Engine, Engine]:
    """An engine in the middle of things, and one of other detectors that goes on from its state."""
    middle = START + 50 * 60
    first = Engine(profiles(3), QUICK, detectors=before)
    run(first, span(world(seed), 0, middle), middle)
    second = Engine(profiles(3), QUICK, detectors=after)
    second.restore([(k, v) for k, v in first.changes().items() if v is not None])
    return first, second


def test_a_detector_that_is_switched_on_leaves_the_others_thresholds_alone() -> None:
    first, second = carried_over([], [Half()])
    before, after = first.levels(), second.levels()
    assert (before.quiet_days >= 1).any()
    np.testing.assert_array_equal(after.threshold[:, :BUILT], before.threshold)
    np.testing.assert_array_equal(after.score[:, :BUILT], before.score)
    assert np.isnan(after.score[:, BUILT]).all()
    assert second.advance(END, span(world(5), START + 50 * 60, END)) is not None


def test_switching_off_and_on_again_and_other_versions() -> None:
    newer = Half()
    newer.version = "3"
    for before, after in (([Half()], []), ([Half()], [newer]), ([Half()], [Half()])):
        first, second = carried_over(before, after)
        a, b = first.levels(), second.levels()
        np.testing.assert_array_equal(b.score[:, :BUILT], a.score[:, :BUILT])
        if after == [newer]:
            assert np.isnan(b.score[:, BUILT]).all(), "another version's numbers are not its own"
        elif after:
            np.testing.assert_array_equal(b.score, a.score)
            np.testing.assert_array_equal(b.threshold, a.threshold)


def test_who_agreed_to_an_open_incident_is_kept_by_name() -> None:
    class Loud(Half):
        name = "loud"

        def score(self, view: View) -> Floats:
            return np.where(view.negative[1] >= 3, 9.0, 0.0)

    loud, half = Loud(), Half()
    for seed in range(10):
        first, second = carried_over([loud], [half, loud], seed)
        agreed = [d for d in ([i.detectors for i in first._cores[0].incidents.values()]) if d >> BUILT & 1]
        if agreed:
            now = [i.detectors for c in second._cores for i in c.incidents.values()]
            assert any(d >> (BUILT + 1) & 1 for d in now)
            assert not any(d >> BUILT & 1 for d in now)
            return
    pytest.fail("no incident in which the detector agreed")


def test_what_was_learned_is_kept_by_version_and_never_misread(flood: Detector) -> None:
    observations = shouting()
    half_way = START + 1000
    first = Engine(profiles(1), QUICK, detectors=[flood])
    out = first.advance(half_way, span(observations, 0, half_way))
    stored = [(k, v) for k, v in first.changes().items() if v is not None]
    assert flood.learns is not None
    second = Engine(profiles(1), QUICK, detectors=[flood])
    second.restore(stored)
    whole = Engine(profiles(1), QUICK, detectors=[flood])
    rest = span(observations, half_way, START + 1700)
    expected = whole.advance(START + 1700, span(observations, 0, START + 1700))
    assert out + second.advance(START + 1700, rest) == expected
    assert any(d.detector == "flood" for d in expected)

    renamed = type("Renamed", (type(flood),), {"learns": OtherColumns})()
    with pytest.raises(StateVersionError, match="detector flood has learned was saved in another form"):
        Engine(profiles(1), QUICK, detectors=[renamed]).restore(stored)
    plain = Engine(profiles(1), QUICK)
    plain.restore(stored)
    assert plain.levels().detectors == tuple(d.name for d in BUILT_IN)


def test_state_of_an_older_layout_is_refused() -> None:
    engine = Engine(profiles(1), QUICK)
    with pytest.raises(StateVersionError, match="version 1, this release reads"):
        engine.load_state_dict({"version": 1, "items": []})


def test_it_has_a_panel_of_its_own_in_the_report() -> None:
    story = Story([p.name for p in profiles(3)])
    engine = Engine(profiles(3), QUICK, recorder=story.add, detectors=[Half()])
    decisions = engine.advance(END, span(world(5), 0, END))
    tick, values = story.series(0, 200)
    assert {"half", "page_half", "ticket_half", "surge", "ticket_fast"} <= set(values)
    picture = figure(story, 0, decisions, points=200)
    (line,) = [trace for trace in picture["data"] if trace.get("name") == "score half"]
    np.testing.assert_allclose(line["y"], np.maximum(values["half"], 0.0))
    assert len(tick) == len(line["y"])
    titles = [note["text"] for note in picture["layout"]["annotations"]]
    assert "<b>Half</b>, 1 hour" in titles, "made of its name and window"
    assert {
        "<b>Score</b>, 1 hour; dashed: page, dotted: ticket",
        "<b>Score</b>, 3 hours",
        "<b>Score</b>, 6 hours",
        "<b>Share alone</b>, 6 hours",
        "<b>Score</b>, 24 hours; a ticket at most",
        "<b>Any tone</b>, 1 hour; an info at most",
    } <= set(titles)


@pytest.mark.parametrize(("title", "shown"), [("", "x half, 1 hour"), ("BBC alone", "BBC alone"), ("a, b", "a, b")])
def test_its_title_is_what_people_read(title: str, shown: str) -> None:
    one = type("Titled", (Half,), {"name": "x_half", "title": title})()
    assert DetectorSet([one]).titles[-1] == shown

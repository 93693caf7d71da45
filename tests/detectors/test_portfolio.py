"""Portfolios: an outage of a platform is one page, a brand's own crisis still pages, and a crash changes nothing."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors import Decision, Engine, Observations
from detectors.backtest import count, portfolio_counts, report
from detectors.config import BrandProfile
from detectors.portfolio import KEY, incident_id, scaled
from detectors.records import StateVersionError
from tests.detectors.worlds import QUICK, START, only, run, span, world

N = 8
HOURS = 60
END = START + HOURS * 60
OUTAGE = START + 40 * 60
seeds = st.integers(0, 10_000)


def members(n: int = N, portfolio: str | None = "shops", budget: float | None = None) -> list[BrandProfile]:
    return [BrandProfile(f"brand {i}", budget=4.0, portfolio=portfolio, portfolio_budget=budget) for i in range(n)]


def story(seed: int, hot: dict[int, float], n: int = N, length: int = 240) -> Observations:
    """Calm brands of 20 mentions an hour; from OUTAGE on, some have so many times as many, most of them negative."""
    rng = np.random.default_rng(seed)
    rows = []
    for b in range(n):
        for m in range(HOURS * 60):
            bad = b in hot and OUTAGE <= START + m < OUTAGE + length
            many = int(rng.poisson(20 / 60 * (1 + hot[b] if bad else 1)))
            people = rng.integers(1, 2**62, many).tolist()
            rows += [(START + m, b, who, bool(rng.random() < (0.8 if bad else 0.2)), bad) for who in people]
    m = len(rows := sorted(rows))
    tick, brand, author, negative, hours = zip(*rows, strict=True)
    return Observations(
        tick=np.array(tick, np.int64),
        minute=np.array(tick, np.int64),
        brand=np.array(brand, np.int32),
        author=np.array(author, np.uint64),
        negative=np.array(negative),
        p_negative=np.where(np.array(negative), 0.9, 0.1).astype(np.float32),
        kind=np.zeros(m, np.uint8),
        reach=np.full(m, np.nan),
        id=[f"m{i}" for i in range(m)],
        text=["checkout fails again" if bad else "parcel came late" for bad in hours],
        url=[None] * m,
    )


def pages(decisions: list[Decision]) -> list[str]:
    return [d.brand for d in decisions if d.pages and d.tick >= OUTAGE]


def keyed(decisions: list[Decision]) -> dict[tuple[str, int], str]:
    """As text, since equal dictionaries may differ in the order of their keys, and events are bytes."""
    return {(d.incident_id, d.revision): json.dumps(d.data()) for d in decisions}


@pytest.fixture(scope="module")
def outage() -> Observations:
    return story(1, dict.fromkeys(range(N), 6.0))


def test_an_outage_of_the_platform_is_one_page_instead_of_one_for_each_brand(outage: Observations) -> None:
    alone = run(Engine(members(portfolio=None), QUICK), outage, END)
    assert len(pages(alone)) >= N, "without a portfolio everybody is woken for each brand"
    together = run(Engine(members(), QUICK), outage, END)
    woken = pages(together)
    assert woken.count("shops") == 1
    assert len(woken) <= 3, "two brands may page before the third shows that it is not them"
    own = [d for d in together if d.brand == "shops"]
    assert own[0].type == "opened"
    assert own[-1].type == "resolved"
    assert [d.revision for d in own] == list(range(1, len(own) + 1))
    assert {d.incident_id for d in own} == {incident_id("shops", own[0].tick)}
    assert own[0].tick - OUTAGE < 60
    largest = max(own, key=lambda d: len(d.portfolio))
    assert set(largest.portfolio) == {f"brand {i}" for i in range(N)}
    muted = [d for d in together if d.muted_by]
    assert muted
    for d in muted:
        assert (d.notify, d.pages, d.muted_by) == ("ticket", False, own[0].incident_id)
        assert d.data()["muted_by"] == own[0].incident_id
    paging = next(d for d in own if d.pages)
    assert "checkout" in {t["term"] for t in paging.top_terms}
    assert paging.negative_authors > 3 * paging.negative_expected
    assert paging.data()["portfolio"] == list(paging.portfolio)


def test_decisions_about_brands_are_otherwise_the_same(outage: Observations) -> None:
    alone = run(Engine(members(portfolio=None), QUICK), outage, END)
    together = [d for d in run(Engine(members(), QUICK), outage, END) if d.brand != "shops"]
    assert len(alone) == len(together)
    for a, b in zip(alone, together, strict=True):
        assert a == dataclasses.replace(b, notify=a.notify, pages=a.pages, muted_by=None)


def test_a_crisis_of_one_brand_in_a_portfolio_pages_as_ever() -> None:
    observations = story(2, {3: 6.0})
    alone = run(Engine(members(portfolio=None), QUICK), observations, END)
    together = run(Engine(members(), QUICK), observations, END)
    assert pages(alone) == pages(together) == ["brand 3"]
    assert together == alone


def test_a_brand_far_above_the_others_still_pages_in_an_outage() -> None:
    observations = story(3, {**dict.fromkeys(range(N), 4.0), 5: 60.0})
    together = run(Engine(members(), QUICK), observations, END)
    woken = pages(together)
    assert "shops" in woken
    assert "brand 5" in woken
    assert len(woken) <= 4


def test_brands_of_other_portfolios_and_of_none_are_left_alone(outage: Observations) -> None:
    mixed = [
        dataclasses.replace(p, portfolio="shops" if i < 4 else "banks" if i < 6 else None)
        for i, p in enumerate(members())
    ]
    made = run(Engine(mixed, QUICK), outage, END)
    woken = pages(made)
    assert woken.count("shops") == 1
    assert "banks" not in woken, "two brands never make a portfolio's incident"
    assert {"brand 4", "brand 5", "brand 6", "brand 7"} <= set(woken)


def test_order_of_brands_does_not_matter(outage: Observations) -> None:
    expected = run(Engine(members(), QUICK), outage, END)
    turned = list(range(N))[::-1]
    everyone = members()
    assert run(Engine([everyone[b] for b in turned], QUICK), only(outage, turned), END) == expected


@settings(max_examples=6, deadline=None)
@given(seed=seeds, data=st.data())
def test_grouping_of_ticks_does_not_matter(seed: int, data: st.DataObject) -> None:
    observations = world(seed, n_brands=4)
    expected = run(Engine(members(4), QUICK), observations, END)
    cuts = data.draw(st.lists(st.integers(START, END), max_size=30))
    assert run(Engine(members(4), QUICK), observations, END, cuts) == expected


def restarted(observations: Observations, n: int, cuts: list[int], data: st.DataObject) -> dict[tuple[str, int], str]:
    """Decisions of engines that die at each cut, in the middle of writing their state or after it."""
    stored: dict[bytes, bytes] = {}
    got: dict[tuple[str, int], str] = {}
    engine = Engine(members(n), QUICK)
    at = confirmed = START - 1
    for cut in cuts:
        for stop in sorted({(at + cut) // 2, cut}):
            if stop > at:
                for key, said in keyed(engine.advance(stop, span(observations, at, stop))).items():
                    assert got.setdefault(key, said) == said, "what is decided again is told again, byte for byte"
                at = stop
                written = list(engine.changes().items())
                dies = data.draw(st.booleans())
                for name, value in written[: data.draw(st.integers(0, len(written))) if dies else len(written)]:
                    if value is None:
                        stored.pop(name, None)
                    else:
                        stored[name] = value
                if dies:
                    break
                confirmed = at
        engine = Engine(members(n), QUICK)
        engine.restore(stored.items())
        at = confirmed
    for key, said in keyed(engine.advance(END, span(observations, at, END))).items():
        assert got.setdefault(key, said) == said
    return got


@settings(max_examples=12, deadline=None)
@given(data=st.data())
def test_crashes_in_an_outage_change_nothing(data: st.DataObject, outage: Observations) -> None:
    """The state may have been written in part only: brands then stand before their portfolio, and decide again."""
    expected = keyed(run(Engine(members(), QUICK), outage, END))
    near = st.integers(OUTAGE - 60, OUTAGE + 600)
    cuts = sorted(set(data.draw(st.lists(near, min_size=1, max_size=8))))
    assert restarted(outage, N, cuts, data) == expected


@settings(max_examples=6, deadline=None)
@given(seed=seeds, data=st.data())
def test_crashes_in_any_world_change_nothing(seed: int, data: st.DataObject) -> None:
    observations = world(seed, n_brands=4)
    expected = keyed(run(Engine(members(4), QUICK), observations, END))
    cuts = sorted(set(data.draw(st.lists(st.integers(START, END - 1), min_size=1, max_size=6))))
    assert restarted(observations, 4, cuts, data) == expected


def test_a_state_carried_over_goes_on_alike(outage: Observations) -> None:
    expected = run(Engine(members(), QUICK), outage, END)
    first = Engine(members(), QUICK)
    cut = OUTAGE + 40
    out = first.advance(cut, span(outage, 0, cut))
    assert any(d.brand == "shops" for d in out)
    second = Engine(members(), QUICK)
    second.load_state_dict(first.state_dict())
    third = Engine(members(), QUICK)
    third.restore([(k, v) for k, v in second.changes().items() if v is not None])
    for engine in (second, third):
        assert keyed(out + engine.advance(END, span(outage, cut, END))) == keyed(expected)


def test_state_of_another_version_is_refused_and_of_another_portfolio_left_out(outage: Observations) -> None:
    import msgspec

    engine = Engine(members(), QUICK)
    engine.advance(OUTAGE + 60, span(outage, 0, OUTAGE + 60))
    saved = {k: v for k, v in engine.changes().items() if v is not None}
    key = KEY + b"shops"
    assert next(iter(saved)) == key, "the portfolio is written before its brands"
    Engine(members(portfolio="others"), QUICK).restore(saved.items())
    other = msgspec.msgpack.encode({**msgspec.msgpack.decode(saved[key]), "version": 99})
    with pytest.raises(StateVersionError, match="portfolio shops has version 99"):
        Engine(members(), QUICK).restore({**saved, key: other}.items())
    with pytest.raises(StateVersionError, match="portfolio shops is damaged"):
        Engine(members(), QUICK).restore({**saved, key: b"\xc1"}.items())


def test_the_state_stays_small() -> None:
    """A portfolio whose brands alarm for ever."""
    observations = world(4, n_brands=4, hours=24 * 6, rate=6.0)
    engine = Engine(members(4), QUICK)
    at, size = START - 1, 0
    for stop in range(START + 600, START + 24 * 6 * 60, 600):
        engine.advance(stop, span(observations, at, stop))
        at = stop
        size = max([size, *(len(v) for k, v in engine.changes().items() if k.startswith(KEY) and v is not None)])
    assert 0 < size < 40_000


def test_budgets_fit_into_the_portfolios() -> None:
    lowered = scaled([*members(4, budget=2.0), BrandProfile("free", budget=3.0)])
    assert [b.budget for b in lowered] == [0.5, 0.5, 0.5, 0.5, 3.0]
    assert scaled(members(4, budget=50.0)) == members(4, budget=50.0), "a brand never gets more than its own"
    assert scaled(members(4)) == members(4)


def test_a_portfolio_named_as_a_brand_is_refused() -> None:
    with pytest.raises(ValueError, match="must not be named as a brand: brand 0"):
        Engine([dataclasses.replace(p, portfolio="brand 0") for p in members(3)])


def test_the_report_has_a_row_for_what_a_portfolio_costs(outage: Observations) -> None:
    brands = members(budget=2.0)
    made = run(Engine(scaled(brands), QUICK), outage, END)
    counts = count(outage, brands)
    (whole,) = portfolio_counts(counts, brands)
    assert (whole.mentions, whole.budget, len(whole.of)) == (len(outage), 2.0, N)
    *_, line = report(made, [*counts, whole])
    assert line.brand == "shops"
    assert line.pages == sum(d.pages for d in made)
    assert portfolio_counts(counts, members(portfolio=None)) == []

"""Portfolios: an outage of a platform is one page, a brand's own crisis still pages, and a crash changes nothing."""

from __future__ import annotations

import dataclasses
import json

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors import Command, Decision, Engine, Observations
from detectors.backtest import report
from detectors.brand_counts import count, portfolio_counts
from detectors.config import BrandProfile
from detectors.ledger import Account
from detectors.portfolio.budgets import scaled
from detectors.portfolio.incident import incident_id
from detectors.portfolio.state import KEY
from detectors.records import StateVersionError
from tests.detectors.worlds import QUICK, START, only, run, span, world

N = 8
HOURS = 60
END = START + HOURS * 60
OUTAGE = START + 40 * 60
seeds = st.integers(0, 10_000)


def members(n: int = N, portfolio: str | None = "shops", budget: float | None = None) -> list[BrandProfile]:
    return [BrandProfile(f"brand {i}", budget=4.0, portfolio=portfolio, portfolio_budget=budget) for i in range(n)]


def story(
    seed: int,
    hot: dict[int, float],
    n: int = N,
    length: int = 240,
    hours: int = HOURS,
    starts: tuple[int, ...] = (OUTAGE,),
) -> Observations:
    """Calm brands of 20 mentions an hour; from OUTAGE on, some have so many times as many, most of them negative."""
    rng = np.random.default_rng(seed)
    rows = []
    for b in range(n):
        for m in range(hours * 60):
            bad = b in hot and any(start <= START + m < start + length for start in starts)
            many = int(rng.poisson(20 / 60 * (1 + hot[b] if bad else 1)))
            people = rng.integers(1, 2**62, many).tolist()
            rows += [(START + m, b, who, bool(rng.random() < (0.8 if bad else 0.2)), bad) for who in people]
    m = len(rows := sorted(rows))
    tick, brand, author, negative, hot_ones = zip(*rows, strict=True)
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
        text=["checkout fails again" if bad else "parcel came late" for bad in hot_ones],
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


def restarted(
    observations: Observations,
    n: int,
    cuts: list[int],
    data: st.DataObject,
    end: int = END,
    commands: tuple[Command, ...] = (),
) -> tuple[dict[tuple[str, int], str], list[Account]]:
    """Decisions of engines that die at each cut, in the middle of writing their state or after it; the last ledger."""
    stored: dict[bytes, bytes] = {}
    got: dict[tuple[str, int], str] = {}
    engine = Engine(members(n), QUICK)
    engine.tell(commands)
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
        engine.tell(commands)
        engine.restore(stored.items())
        at = confirmed
    for key, said in keyed(engine.advance(end, span(observations, at, end))).items():
        assert got.setdefault(key, said) == said
    return got, engine.ledger()


@settings(max_examples=12, deadline=None)
@given(data=st.data())
def test_crashes_in_an_outage_change_nothing(data: st.DataObject, outage: Observations) -> None:
    """The state may have been written in part only: brands then stand before their portfolio, and decide again."""
    expected = keyed(run(Engine(members(), QUICK), outage, END))
    near = st.integers(OUTAGE - 60, OUTAGE + 600)
    cuts = sorted(set(data.draw(st.lists(near, min_size=1, max_size=8))))
    assert restarted(outage, N, cuts, data)[0] == expected


@settings(max_examples=6, deadline=None)
@given(seed=seeds, data=st.data())
def test_crashes_in_any_world_change_nothing(seed: int, data: st.DataObject) -> None:
    observations = world(seed, n_brands=4)
    expected = keyed(run(Engine(members(4), QUICK), observations, END))
    cuts = sorted(set(data.draw(st.lists(st.integers(START, END - 1), min_size=1, max_size=6))))
    assert restarted(observations, 4, cuts, data)[0] == expected


# -- what becomes of muted pages

DAYS = 6
LATER = OUTAGE + 54 * 60
LONG_END = START + DAYS * 1440


def two_outages() -> Observations:
    """The second more than a day after the pages of the first could have become false. One brand's page is let through
    once the first is over."""
    return story(8, {0: 14.0, 1: 9.0, 2: 6.0, 3: 6.0}, n=4, hours=24 * DAYS, starts=(OUTAGE, LATER))


@pytest.fixture(scope="module")
def outages() -> Observations:
    return two_outages()


def one_engine(observations: Observations, commands: tuple[Command, ...] = (), cuts: tuple[int, ...] = ()) -> Engine:
    engine = Engine(members(4), QUICK)
    engine.tell(commands)
    run(engine, observations, LONG_END, list(cuts))
    return engine


def verdicts(observations: Observations) -> tuple[Command, ...]:
    """On the portfolio's incidents and on brands' of which the page was muted, soon and late."""
    decisions = run(Engine(members(4), QUICK), observations, LONG_END)
    own = [d for d in decisions if d.brand == "shops" and d.pages]
    muted = {d.incident_id: d for d in decisions if d.muted_by}
    some = [d for d in muted.values() if d.tick < LATER][:2]
    assert own
    assert len(some) == 2
    return (
        Command("1", "shops", "confirm", own[0].tick + 7, incident=own[0].incident_id),
        Command("2", some[0].brand, "false", some[0].tick + 3, incident=some[0].incident_id),
        Command("3", some[1].brand, "false", some[1].tick + 2000, incident=some[1].incident_id),
        Command("4", "shops", "mute", OUTAGE, begin=OUTAGE, until=OUTAGE + 60),
    )


def test_pages_that_were_muted_or_let_through_later_count_as_they_were_sent(outages: Observations) -> None:
    engine = Engine(members(4), QUICK)
    decisions = run(engine, outages, LONG_END)
    assert sum(d.muted_by is not None for d in decisions) >= 4
    assert any(d.pages and d.type == "updated" for d in decisions), "one was let through later"
    for account in engine.ledger():
        sent = [d for d in decisions if d.brand == account.brand and d.pages]
        assert sorted(page for case in account.cases for page in case.pages) == [d.tick for d in sent]
        assert (account.pages, account.false + account.waiting) == (len(sent), len(sent))
    shops = engine.ledger()[-1]
    assert shops.brand == "shops"
    assert shops.pages >= 1
    assert shops.months == max(a.months for a in engine.ledger()), "watched since the first of its brands"
    assert engine.levels().accounts == tuple(engine.ledger())
    for d in decisions:
        late = [e.tick for e in decisions if e.brand == d.brand and e.pages and e.tick <= d.tick - 1440]
        assert d.false_pages == len(late), "events tell the same"


def test_a_muted_page_is_in_no_account_from_its_tick_on(outages: Observations) -> None:
    engine, decisions = Engine(members(4), QUICK), list[Decision]()
    closed, seen = START - 1, 0
    for upto in [*range(OUTAGE - 30, OUTAGE + 360, 7), OUTAGE + 1500]:
        decisions += engine.advance(upto, span(outages, closed + 1, upto))
        closed = upto
        saved = msgspec.msgpack.encode(engine.state_dict())
        for account in engine.levels().accounts:
            sent = [d.tick for d in decisions if d.brand == account.brand and d.pages]
            assert (account.pages, account.false + account.waiting) == (len(sent), len(sent))
        assert msgspec.msgpack.encode(engine.state_dict()) == saved, "looking changes nothing"
        seen += sum(d.muted_by is not None and d.tick // 1440 == upto // 1440 for d in decisions)
    assert seen, "some was muted on a day that was not over"


def test_muted_pages_do_not_make_a_brand_harder_to_page(outages: Observations) -> None:
    first = [d for d in run(Engine(members(4), QUICK), outages, OUTAGE + 60) if d.muted_by]
    somebody_speaks = tuple(Command("1", d.brand, "false", OUTAGE + 60, incident=d.incident_id) for d in first)
    alone = Engine(members(4, portfolio=None), QUICK)
    alone.tell(somebody_speaks)
    run(alone, outages, LONG_END)
    before, after = alone.ledger(), one_engine(outages, somebody_speaks).ledger()
    pairs = [(a, b) for a, b in zip(before, after, strict=False) if a.pages > b.pages]
    assert pairs
    assert all(b.offset <= a.offset for a, b in pairs)
    assert sum(b.offset < a.offset for a, b in pairs) >= 2


def test_words_on_a_portfolios_incident_are_kept_and_change_nothing_of_its_brands(outages: Observations) -> None:
    said = verdicts(outages)
    plain = run(Engine(members(4), QUICK), outages, LONG_END)
    engine = Engine(members(4), QUICK)
    engine.tell(c for c in said if c.brand == "shops")
    told = run(engine, outages, LONG_END)
    assert [d for d in plain if d.brand != "shops"] == [d for d in told if d.brand != "shops"]
    account = engine.ledger()[-1]
    assert account.confirmed >= 1
    after = [d for d in told if d.incident_id == said[0].incident and d.tick >= said[0].due]
    assert after
    assert all(d.response and d.response["verdict"] == "crisis" for d in after)
    applied = {one.command.id: one for one in engine.applied()}
    assert applied["1"].problem is None
    assert not applied["1"].late
    assert "plan and mute its brands" in (applied["4"].problem or "")
    engine.tell([Command("5", "shops", "false", OUTAGE, incident="none")])
    engine.advance(LONG_END + 1, span(outages, LONG_END, LONG_END + 1))
    (late,) = engine.applied()
    assert late.late
    assert "remembered" in (late.problem or "")


@settings(max_examples=4, deadline=None)
@given(data=st.data())
def test_neither_grouping_nor_order_of_brands_changes_what_counts(data: st.DataObject, outages: Observations) -> None:
    said = verdicts(outages)
    expected = one_engine(outages, said).ledger()
    cuts = data.draw(st.lists(st.integers(START, LONG_END), max_size=20))
    assert one_engine(outages, said, tuple(cuts)).ledger() == expected
    turned = data.draw(st.permutations(range(4)))
    engine = Engine([members(4)[b] for b in turned], QUICK)
    engine.tell(reversed(said))
    run(engine, only(outages, list(turned)), LONG_END, cuts)
    assert sorted(engine.ledger(), key=lambda a: a.brand) == sorted(expected, key=lambda a: a.brand)


@settings(max_examples=10, deadline=None)
@given(data=st.data())
def test_crashes_on_the_days_of_verdicts_change_nothing(data: st.DataObject, outages: Observations) -> None:
    said = verdicts(outages)
    engine = Engine(members(4), QUICK)
    engine.tell(said)
    expected = keyed(run(engine, outages, LONG_END))
    midnight = OUTAGE + 60
    near = st.integers(OUTAGE - 60, LONG_END - 1) | st.integers(-70, 70).map(lambda m: midnight + m + 1440 * (m % 3))
    cuts = sorted(set(data.draw(st.lists(near, min_size=1, max_size=8))))
    assert restarted(outages, 4, cuts, data, LONG_END, said) == (expected, engine.ledger())


def test_what_counts_is_the_same_however_often_the_state_is_written(outages: Observations) -> None:
    """Also of brands that fall silent, whose records stay behind while what was made of their events is forgotten."""
    silent = outages.rows(np.nonzero((outages.tick < OUTAGE + 200) | (outages.brand >= 2))[0])
    expected = one_engine(silent).ledger()
    assert any(case.notify == 3 for account in expected[:2] for case in account.cases)
    stored: dict[bytes, bytes] = {}
    engine, at = Engine(members(4), QUICK), START - 1
    stops = [*range(OUTAGE, OUTAGE + 150, 9), *range(OUTAGE + 150, LONG_END, 333), LONG_END]
    for number, stop in enumerate(stops):
        engine.advance(stop, span(silent, at, stop))
        at = stop
        for key, value in engine.changes().items():
            stored.pop(key, None)
            if value is not None:
                stored[key] = value
        if number % 3 == 2:
            engine = Engine(members(4), QUICK)
            engine.restore(stored.items())
    engine = Engine(members(4), QUICK)
    engine.restore(stored.items())
    engine.advance(LONG_END + 1, span(silent, LONG_END, LONG_END + 1))
    settled = [[case.pages for case in account.cases] for account in engine.ledger()]
    assert settled == [[case.pages for case in account.cases] for account in expected]


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

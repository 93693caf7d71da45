"""The ledger put together from events and commands says what the detector's own says, portfolios among it."""

from __future__ import annotations

import dataclasses
import json
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from detectors import Command, Engine
from streams.command_follower import CommandFollower
from streams.commands.tell import about_brand
from streams.crisis_commands import CommandError, CrisisCommand, encode_command, unknown_name
from streams.crisis_events import Links, crisis_event
from streams.errors import UserError
from streams.ledger import accounts
from streams.records import partition_of
from streams.settings import load
from tests.detectors.test_portfolio import LONG_END, members, two_outages
from tests.detectors.worlds import QUICK, run


def test_it_is_that_of_the_detector() -> None:
    brands = [dataclasses.replace(b, portfolio_runbook_url="https://runbook.example/shops") for b in members(4)]
    observations = two_outages()
    first = run(Engine(brands, QUICK), observations, LONG_END)
    page = next(d for d in first if d.brand == "shops" and d.pages)
    muted = next(d for d in first if d.muted_by)
    said = [
        Command("1", "shops", "confirm", page.tick + 9, incident=page.incident_id),
        Command("2", muted.brand, "false", muted.tick + 9, incident=muted.incident_id),
    ]
    engine = Engine(brands, QUICK)
    engine.tell(said)
    decisions = run(engine, observations, LONG_END)
    assert any(d.pages and d.type == "updated" for d in decisions), "pages are let through by other events too"
    events = [json.loads(crisis_event(d, Links()).value) for d in decisions]
    assert {e["data"]["links"]["runbook"] for e in events if e["data"]["brand"] == "shops"} == {
        "https://runbook.example/shops"
    }
    budgets = {a.brand: a.budget for a in engine.ledger()}
    told = ("brand", "budget", "pages", "false", "marked", "confirmed", "waiting", "rate")
    got = [[getattr(a, name) for name in told] for a in accounts(events, said, budgets, LONG_END)]
    assert got == [[getattr(a, name) for name in told] for a in engine.ledger()]
    assert got[-1][:1] == ["shops"]
    np.testing.assert_allclose(
        [a.months for a in accounts(events, said, budgets, LONG_END)], [a.months for a in engine.ledger()], atol=2e-3
    )


def test_a_worker_takes_words_on_its_portfolios_incidents(tmp_path: Path) -> None:
    path = tmp_path / "tocsin.yaml"
    brands = [{"name": f"Shop {n}", "keywords": [f"shop{n}"], "portfolio": "shops"} for n in range(3)]
    content = {"brands": brands, "portfolios": [{"name": "shops", "runbook_url": "https://runbook.example"}]}
    path.write_text(json.dumps(content))
    settings = load(path, {})
    follower = CommandFollower(settings)
    at = datetime(2026, 3, 12, 20, tzinfo=UTC)
    given = [
        CrisisCommand(id="1", at=at, kind="confirm", brand="shops", incident="i"),
        CrisisCommand(id="2", at=at, kind="unmute", brand="shops"),
        CrisisCommand(id="3", at=at, kind="unmute", brand="shop"),
        CrisisCommand(id="4", at=at, kind="unmute", brand="Shop 1"),
    ]
    for command in given:
        follower._take(encode_command(command))
    assert "did you mean 'shops'" in unknown_name("shop", ["shops", "Shop 1"])
    home = partition_of("shops", settings.topics.partitions)
    assert [one.id for one in follower.known(home)] == ["1", "4"]
    assert (follower.taken, follower.refused) == (2, 2)
    with pytest.raises(CommandError, match="unmute: 'shops' is a portfolio"):
        about_brand(settings, "unmute", "shops", at=None, by=None, remark=None)
    with pytest.raises(UserError, match="did you mean 'Shop 1'"):
        about_brand(settings, "unmute", "Shop1", at=None, by=None, remark=None)

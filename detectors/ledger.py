"""Ledger: how a brand's pages turned out, beside the budget. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from detectors.casebook import CRISIS, FALSE, KEEP_CASES, Case, Casebook, Plan
from detectors.incidents import NOTIFY, instant
from detectors.poisson import poisson_interval
from detectors.tables import table

MONTH = 30.0 * 1440
LEAST_MONTHS = 1.0
"""Months before a rate is told: a page on the first day is no 30 pages a month."""


@dataclass(frozen=True, slots=True)
class Account:
    """A brand's pages of the last year (or of as much of it as is remembered)."""

    brand: str
    budget: float
    """False pages a month."""
    months: float
    """Of 30 days, that the account covers."""
    pages: int
    false: int
    """Marked as false, or not confirmed within 24 hours."""
    marked: int
    """Of these: marked."""
    confirmed: int
    waiting: int
    """Pages younger than 24 hours without a verdict."""
    offset: float
    """By how many scales of the daily maxima the controller has moved the page thresholds."""
    cases: tuple[Case, ...]
    plans: tuple[Plan, ...]
    """Planned events and mutes that are not over."""

    @property
    def rate(self) -> float | None:
        """Realised false pages a month; None in the first month."""
        return round(self.false / self.months, 4) if self.months >= LEAST_MONTHS else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """Exact 95 % interval of the rate; None before anything was watched."""
        return poisson_interval(self.false, self.months) if self.months > 0 else None


def account(brand: str, budget: float, start: int | None, tick: int, book: Casebook | None, offset: float) -> Account:
    """The account of a brand first heard at tick `start` (None: never), at closed tick `tick`."""
    book = book or Casebook()
    since = tick if start is None else max(start, tick - KEEP_CASES + 1)
    if book.complete_from is not None:
        since = max(since, book.complete_from)
    months = max(tick + 1 - since, 0) / MONTH if start is not None else 0.0
    paged = [case for case in book.cases if case.pages and case.pages[-1] >= since]
    return Account(
        brand=brand,
        budget=budget,
        months=months,
        pages=_count(page >= since for case in paged for page in case.pages),
        false=sum(case.false_pages(tick, since - 1) for case in paged),
        marked=sum(case.false_pages(tick, since - 1) for case in paged if case.verdict < 0),
        confirmed=_count(page >= since for case in paged if case.verdict == CRISIS for page in case.pages),
        waiting=sum(case.open_pages(tick, since - 1) for case in paged),
        offset=offset,
        cases=tuple(book.cases),
        plans=tuple(plan for plan in book.plans if plan.until > tick),
    )


def render(accounts: Sequence[Account]) -> str:
    """The ledger as plain text, a line for each brand."""
    head = ["brand", "months", "pages", "false", "of them marked", "crises", "no verdict yet"]
    rows = [[*head, "false a month", "95 %", "budget", "offset"]]
    for one in accounts:
        low, high = one.interval or (0.0, 0.0)
        rows.append(
            [
                one.brand,
                f"{one.months:.1f}",
                str(one.pages),
                str(one.false),
                str(one.marked),
                str(one.confirmed),
                str(one.waiting),
                "-" if one.rate is None else f"{one.rate:.2f}",
                "-" if one.rate is None else f"{low:.2f} to {high:.2f}",
                f"{one.budget:g}",
                f"{one.offset:+.2f}",
            ]
        )
    return table(rows)


def render_cases(one: Account) -> str:
    """A brand's incidents and plans as plain text, newest first."""
    rows = [["incident", "opened", "closed", "asked for", "pages", "verdict", "acknowledged", "statement"]]
    for case in reversed(one.cases):
        verdict = {CRISIS: "crisis", FALSE: "false alarm"}.get(case.verdict, "none")
        times = [_time(case.acknowledged), _time(case.statement)]
        closed = "open" if case.closed is None else instant(case.closed)
        rows.append([case.id, instant(case.opened), closed, NOTIFY[case.notify], str(len(case.pages)), verdict, *times])
    text = table(rows) if one.cases else "no ticket and no page yet"
    if one.plans:
        rows = [["command", "what", "from", "until", "note"]]
        for plan in one.plans:
            what = "mute" if plan.mutes else f"{plan.factor:g} times the usual"
            rows.append([plan.id, what, instant(plan.begin), instant(plan.until), plan.note or ""])
        text += "\n\n" + table(rows)
    return text


def _time(tick: int | None) -> str:
    return "-" if tick is None else instant(tick)


def _count(which: Iterable[bool]) -> int:
    return sum(map(bool, which))

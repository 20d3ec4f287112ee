"""The broker's cash beside the book's: what is on its way is no difference, what stays is one, and nobody guesses what it was."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ib_async import AccountValue
from tests.scenarios.paper import Day
from tests.scenarios.test_paper_people import HOLD, asked
from tests.scenarios.test_paper_replay import again

from cli.paper import CASH_KINDS
from cli.paper.compose import fees_of
from cli.paper.shown import compared
from ledger.book import N_KIND
from ledger.journal import Journal
from ledger.vocabulary import EventKind
from live.broker.cash import CENT_E8, KINDS, LAG_NS, Cash
from live.ib import Gateway
from live.link import State

DOLLARS = 10**8
TOLD = st.one_of(st.none(), st.sampled_from((0, 0, 0, 500, -1, 1)))
LOOKS = st.lists(st.tuples(st.integers(0, LAG_NS), TOLD, st.integers(0, CENT_E8 // 2 - 1)), min_size=1, max_size=12)


def heard(looks: list[tuple[int, int | None, int]]) -> tuple[Cash, list[tuple[int, int | None]]]:
    """Feed looks (seconds after the one before, cents that the broker has more or None, the book's fraction of a cent)."""
    cash, now_ns, gaps = Cash("USD"), 0, list[tuple[int, int | None]]()
    for later_ns, more, fraction in looks:
        now_ns += later_ns
        book_e8 = 100_000 * DOLLARS + fraction
        told = None if more is None else Decimal(10_000_000 + more).scaleb(-2)
        cash.heard(book_e8, told, now_ns)
        is_told = more is not None and abs(more * CENT_E8 - fraction) >= CENT_E8
        gaps.append((now_ns, None if more is None else more * CENT_E8 if is_told else 0))
    return cash, gaps


@given(LOOKS)
def test_a_difference_is_one_only_when_it_has_been_about_the_same_for_longer_than_the_broker_lags(looks: list[tuple[int, int | None, int]]) -> None:
    cash, gaps = heard(looks)
    now_ns, gap = gaps[-1]
    since = next((later for (later, _), (_, other) in zip(reversed(gaps), list(reversed(gaps))[1:], strict=False) if other != gap), gaps[0][0])
    if cash.gap_e8():
        assert cash.gap_e8() == gap and now_ns - since >= LAG_NS
        assert "the broker has" in (cash.differs() or "")
    else:
        assert cash.differs() is None


@pytest.mark.parametrize(("rows", "cash"), [
    ("", None), ("TotalCashBalance USD 5, TotalCashBalance BASE 9", "5"), ("TotalCashBalance BASE 9, TotalCashBalance USD 5", "5"),
    ("TotalCashBalance BASE 9, NetLiquidation USD 9", "9"), ("TotalCashBalance BASE 9, NetLiquidation EUR 9", None),
    ("TotalCashBalance EUR 9, NetLiquidation EUR 9", None), ("TotalCashBalance USD 0.00, TotalCashBalance BASE 9, NetLiquidation EUR 9", "0"),
])  # fmt: skip
def test_only_cash_in_the_book_s_currency_is_its_cash(rows: str, cash: str | None) -> None:
    gateway = Gateway(print, print, print, lambda: 0)
    told = [row.split() for row in rows.split(", ") if row]
    gateway._ib.accountValues = lambda account="": [AccountValue("DU1", tag, value, currency, "") for tag, currency, value in told]  # type: ignore[method-assign]
    assert gateway.cash("DU1", "USD") == (None if cash is None else Decimal(cash))


@given(LOOKS, st.sampled_from((500, -700)), st.lists(st.integers(0, LAG_NS), min_size=1, max_size=5))
def test_a_difference_that_stays_is_told_as_soon_as_it_is_older_than_the_broker_lags(
    before: list[tuple[int, int | None, int]], more: int, after: list[int]
) -> None:
    looks = [*before, (0, 0, 0), *((later, more, 0) for later in after)]
    cash, gaps = heard(looks)
    since = gaps[len(before) + 1][0]
    assert cash.gap_e8() == (more * CENT_E8 if gaps[-1][0] - since >= LAG_NS else 0)


def test_what_the_broker_never_told_is_unknown_and_no_difference() -> None:
    cash = Cash("USD")
    for now_ns in (0, 2 * LAG_NS):
        cash.heard(5 * DOLLARS, None, now_ns)
    assert cash.broker() is None and cash.gap_e8() == 0 and cash.differs() is None
    cash.heard(5 * DOLLARS, Decimal("NaN"), 3 * LAG_NS)
    assert cash.broker() is None


def paid(day: Day, cents: int, kind: EventKind = EventKind.INTEREST) -> None:
    """Let the simulated broker pay or take cash."""
    day.world.gateway.desk.account.record("USD", kind, time_ns=day.clock.now_ns(), cash_e8=cents * CENT_E8)


def apart(day: Day) -> int:
    """Return by how much the book's cash and the broker's own differ; a half cent that the broker rounded off may be booked as one."""
    return abs(day.book().valuation().cash - day.broker()["cash"])


@pytest.mark.parametrize(("cents", "kind", "event", "wrong"), [
    (1234, "interest", EventKind.INTEREST, "withdrawal"), (-550, "withdrawal", EventKind.WITHDRAWAL, "deposit"),
    (500_000, "deposit", EventKind.DEPOSIT, "borrow-fee"), (-3, "adjustment", EventKind.ADJUST_CASH, "bribe"),
])  # fmt: skip
def test_cash_that_comes_or_goes_is_said_once_and_booked_in_a_person_s_name(
    cents: int, kind: str, event: EventKind, wrong: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    day = Day(monkeypatch, tmp_path, **HOLD)

    async def story() -> None:
        runner = day.begin()
        await asyncio.sleep(400)
        assert await asked(day, "cash", kind=kind) == (False, "cash does not differ, or not for as long as the broker may take to tell it (200 s)")
        paid(day, cents)
        await asyncio.sleep(1300)
        said = [line for line in day.lines if "CASH DIFFERS" in line]
        assert len(said) == 1 and abs(runner.cash.gap_e8() - cents * CENT_E8) <= CENT_E8
        assert f"{abs(runner.cash.gap_e8()) / 1e8:,.2f} USD {'more' if cents > 0 else 'less'}" in said[0]
        state = runner.state()
        assert state["gates"] == [] == state["closed"] and state["reconciled"]["cash_differs"] in said[0]
        assert any("DIFFER" in str(text) for _, text in compared(state["reconciled"]))
        assert await asked(day, "cash", kind=wrong) == (False, f"{state['reconciled']['cash_differs']}, which is no {wrong}")
        assert (await asked(day, "cash", kind=kind)) == (True, f"{state['reconciled']['cash_differs']}; it is booked as {kind}")
        await asyncio.sleep(700)
        assert runner.state()["reconciled"]["cash_differs"] is None and runner.link.state is State.READY
        await day.end(runner)

    day.run(story)
    assert apart(day) <= CENT_E8
    with Journal.read(day.config.book) as journal:
        session = journal.sessions()[-1].id
        assert journal.verify(session).ok
    assert event in day.book().entries[:, N_KIND]


def test_a_dividend_is_booked_to_its_instrument_and_replays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    day = Day(monkeypatch, tmp_path, fee_of=fees_of("ibkr-fixed"), **HOLD)

    async def story() -> None:
        runner = day.begin()
        runner.fees = "ibkr-fixed"
        await asyncio.sleep(400)
        paid(day, 4_321)
        await asyncio.sleep(1300)
        assert (await asked(day, "cash", kind="dividend"))[1].startswith("say with --symbol whose dividend it is; AAPL, MSFT are")
        assert (await asked(day, "cash", "NOPE", kind="interest"))[0] is False
        assert (await asked(day, "cash", "MSFT", kind="dividend"))[0] is True
        await day.end(runner)

    day.run(story)
    assert apart(day) <= CENT_E8
    replayed = again(day.config.book, tmp_path)
    assert replayed.recorded_digest == replayed.replayed_digest and replayed.divergence is None and not replayed.stopped
    assert day.book().entries[-1, N_KIND] == EventKind.DIVIDEND


def test_ablation_without_a_person_s_word_the_book_does_not_follow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    day = Day(monkeypatch, tmp_path, **HOLD)

    async def story() -> None:
        runner = day.begin()
        await asyncio.sleep(400)
        paid(day, 4_321)
        await asyncio.sleep(3000)
        await day.end(runner)

    day.run(story)
    assert apart(day) == 4_321 * CENT_E8


def test_the_command_knows_every_kind() -> None:
    assert tuple(KINDS) == CASH_KINDS


def found(**more: Any) -> dict[str, Any]:
    """Return a comparison in which nothing else differs."""
    rest = dict.fromkeys(("missing", "differs", "in_doubt", "not_ours", "foreign_orders"), [])
    return {"time_ns": 0, "complete": True, **rest, **more}


@pytest.mark.parametrize(("more", "word"), [({"cash_differs": "book 1, broker 2"}, "DIFFER"), ({"cash_differs": None}, "agree"), ({}, "agree")])
def test_a_state_of_an_older_runner_says_nothing_of_cash(more: dict[str, Any], word: str) -> None:
    rows = dict(compared(found(**more)))
    assert str(rows["compared"]).endswith(word) and ("cash differs" in rows) is (word == "DIFFER")

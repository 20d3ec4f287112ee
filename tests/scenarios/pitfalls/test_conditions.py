"""The tables of what can go wrong with a connection, an order, data and executions, one row a scenario.

A row is data: what happens, and what the runner must be afterwards. The codes are those of `live.broker.codes`; a code
that is added there without a row here fails.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from tests.scenarios.paper import Day
from tests.scenarios.wired import Wired

from ledger.book import I_GATES, I_POSITION
from ledger.vocabulary import Gate, OrderStatus
from live.broker.codes import DATA, LINK, ORDER
from live.config import ConfigError
from live.link import State
from live.ops.obey import obey
from sim.gateway.faults.plan import plan

LOW = 1_000_000
S, K = State, OrderStatus


def say(day: Day, code: int, text: str = "The test says so.", number: int = -1) -> None:
    host = day.world.host
    host.begin()
    for session in list(day.world.gateway.sessions.values()):
        session.error(number, code, text)
    host.finish()


# Connectivity: code -> (state at once, state after 40 s, data stale at once).
LINK_ROWS: dict[int, tuple[State, State, bool]] = {
    1100: (S.DEGRADED, S.DEGRADED, False),
    2110: (S.DEGRADED, S.DEGRADED, False),
    1101: (S.READY, S.READY, False),  # compared within the second
    1102: (S.READY, S.READY, False),
    1300: (S.READY, S.READY, False),  # connected anew within the second
    100: (S.HALTED, S.HALTED, False),
    326: (S.READY, S.READY, False),
    2103: (S.READY, S.READY, True),
    2105: (S.READY, S.READY, True),
    2157: (S.READY, S.READY, True),
    10197: (S.READY, S.READY, True),
    **dict.fromkeys((2104, 2106, 2158, 2107, 2108, 2119, 2109, 2100, 2148), (S.READY, S.READY, False)),
}


@pytest.mark.parametrize("code", sorted(LINK))
def test_each_code_about_the_link_has_its_reaction(code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    at_once, later, stale = LINK_ROWS[code]
    day = Day(monkeypatch, tmp_path)

    async def story() -> None:
        runner = day.begin()
        await asyncio.sleep(62.5)
        assert runner.link.state is S.READY
        say(day, code)
        await asyncio.sleep(3.0)
        assert (runner.link.state, runner.link.data_stale) == (at_once, stale)
        assert sum(line.startswith(f"DATA STALE: {code} ") for line in day.lines) == stale, "who reads the log is told why there are no bars"
        await asyncio.sleep(40)
        assert runner.link.state is later
        say(day, 1102)
        await asyncio.sleep(40)
        assert runner.link.state is (S.HALTED if later is S.HALTED else S.READY)
        await day.end(runner)

    day.world.loop.run_until_complete(story())
    day.world.host.stop()
    day.agree()


# What the broker may say of an order: code -> (an order nobody acknowledged, a live order).
ORDER_ROWS: dict[int, tuple[OrderStatus, OrderStatus]] = {
    **dict.fromkeys((110, 200, 201, 203, 382, 383, 388, 434, 460), (K.REJECTED, K.SUBMITTED)),
    202: (K.CANCELED, K.CANCELED),
    **dict.fromkeys((104, 105, 161, 404, 10148, 399, 2109, 10349, 10167), (K.SENDING, K.SUBMITTED)),
    **dict.fromkeys((135, 10147, 10149, 103, 320, 321, 322), (K.SENDING, K.SUBMITTED)),
    10329: (K.SENDING, K.SUBMITTED),  # nobody listed it
    99999: (K.SENDING, K.SUBMITTED),
}


@pytest.mark.parametrize("code", sorted({*ORDER, 10329, 99999}))
def test_each_code_about_an_order_closes_it_only_where_it_proves_that(code: int, wired: Any) -> None:
    unanswered, working = ORDER_ROWS[code]
    w: Wired = wired({"name": "error", "message": "placeOrder", "code": code, "nth": 1})

    async def story() -> None:
        await w.connect()
        lost = w.want(10, LOW)
        await asyncio.sleep(1)
        assert w.status(lost) == unanswered and w.working() == 0
        if unanswered != K.SENDING:
            live = w.want(20, LOW)
            await asyncio.sleep(1)
            w.say_error(w.trader._order_ids[live], code)
            await asyncio.sleep(1)
            assert w.status(live) == working and w.working() == 1

    w.run(story)


@pytest.mark.parametrize("code", sorted({*ORDER, 10329, 99999}))
def test_no_code_but_202_closes_an_order_that_the_broker_works(code: int, wired: Any) -> None:
    w: Wired = wired()

    async def story() -> None:
        await w.connect()
        live = w.want(10, LOW)
        await asyncio.sleep(1)
        w.say_error(w.trader._order_ids[live], code)
        await asyncio.sleep(1)
        assert w.status(live) == ORDER_ROWS[code][1] and w.working() == 1

    w.run(story)


# Orders: the fault, what it must come to (position in shares of 10 wanted), and words of the line that is said.
STORIES: list[tuple[str, dict[str, Any], OrderStatus, int, str]] = [
    ("rejected, then Inactive", {"name": "rejected-201", "inactive": "after"}, K.REJECTED, 0, ""),
    ("Inactive, then rejected", {"name": "rejected-201", "inactive": "before"}, K.REJECTED, 0, ""),
    ("rejected, nothing else", {"name": "rejected-201", "inactive": "never"}, K.REJECTED, 0, ""),
    ("rejected after a part", {"name": "rejected-after-partial"}, K.REJECTED, 5, ""),
    ("never acknowledged, filled", {"name": "ack-never"}, K.FILLED, 10, ""),
    ("acknowledged late", {"name": "ack-delay", "seconds": 20.0}, K.FILLED, 10, ""),
    ("execution first", {"name": "exec-first"}, K.FILLED, 10, ""),
    ("Submitted never told", {"name": "no-submitted"}, K.FILLED, 10, ""),
    ("told twice", {"name": "exec-twice"}, K.FILLED, 10, ""),
    ("in parts", {"name": "partial-fills", "parts": 4, "seconds": 3.0}, K.FILLED, 10, ""),
    ("in fractions", {"name": "fractional-fills"}, K.FILLED, 10, ""),
    ("out of order", {"name": "shuffled"}, K.FILLED, 10, ""),
    ("canceled by the broker", {"name": "broker-cancel", "seconds": 1.0}, K.FILLED, 10, ""),
    ("waits for shares to borrow", {"name": "locate", "seconds": 20.0}, K.FILLED, 10, ""),
    ("corrected price", {"name": "corrected-price", "seconds": 2.0}, K.FILLED, 10, ""),
    ("told by lists only", {"name": "fill-untold"}, K.FILLED, 10, ""),
    ("a note", {"name": "warning", "code": 399}, K.FILLED, 10, ""),
    ("one fill, two ids", {"name": "exec-two-ids"}, K.FILLED, 20, "OVERFILL"),
]


@pytest.mark.parametrize(("fault", "status", "shares", "said"), [row[1:] for row in STORIES], ids=[row[0] for row in STORIES])
def test_each_story_of_an_order_ends_as_it_must(fault: dict[str, Any], status: OrderStatus, shares: int, said: str, wired: Any) -> None:
    w: Wired = wired(fault)

    async def story() -> None:
        await w.connect()
        key = w.want(10)
        await asyncio.sleep(45)
        w.look(await w.snapshot())
        assert (w.status(key), w.held()) == (status, shares * 10_000)
        assert said in "\n".join(w.alerts) and len(w.world.gateway.desk.by_perm) == 1
        blocked = bool(w.session.book.instruments[1, I_GATES] & Gate.BLOCKED)
        assert blocked == (w.held() != w.at_broker()), "a difference closes the instrument, and nothing else does"

    w.run(story)


CANCELS = [
    ("canceled", {}, K.CANCELED, 0),
    ("filled before", {"name": "cancel-race"}, K.FILLED, 10),
    ("not found", {"name": "cancel-refused", "code": 10147}, K.SUBMITTED, 0),
    ("cannot be canceled", {"name": "cancel-refused", "code": 10148}, K.SUBMITTED, 0),
    ("cannot be found", {"name": "cancel-refused", "code": 135}, K.SUBMITTED, 0),
    ("not now", {"name": "cancel-refused", "code": 161}, K.SUBMITTED, 0),
    ("no answer", {"name": "cancel-unanswered"}, K.SUBMITTED, 0),
]


@pytest.mark.parametrize(("fault", "status", "shares"), [row[1:] for row in CANCELS], ids=[row[0] for row in CANCELS])
def test_each_answer_to_a_cancel_is_believed_as_far_as_it_goes(fault: dict[str, Any], status: OrderStatus, shares: int, wired: Any) -> None:
    w: Wired = wired(*([fault] if fault else []))

    async def story() -> None:
        from tests.scenarios.wired import READY

        await w.connect()
        key = w.want(10, LOW)
        await asyncio.sleep(1)
        assert w.trader.cancel(key)
        w.trader.pump(READY)
        await asyncio.sleep(600)
        w.look(await w.snapshot())
        assert (w.status(key), w.held()) == (status, shares * 10_000)
        assert w.working() == (status == K.SUBMITTED)

    w.run(story)


# Data: what a question is answered with -> how the start goes on.
DATA_ROWS = [
    (162, {"name": "no-data"}, S.READY, "NO HISTORY"),
    (162, {"name": "pacing", "times": 2}, S.READY, "trying again in 60 s"),
    (354, {"name": "error", "message": "reqRealTimeBars", "code": 354}, S.READY, "NO DATA: AAPL: 354"),
    (10089, {"name": "error", "message": "reqRealTimeBars", "code": 10089}, S.READY, "NO DATA: MSFT: 10089"),
    (10090, {"name": "error", "message": "reqRealTimeBars", "code": 10090}, S.READY, "NO DATA"),
    (10168, {"name": "error", "message": "reqRealTimeBars", "code": 10168}, S.READY, "NO DATA"),
    (10186, {"name": "error", "message": "reqRealTimeBars", "code": 10186}, S.READY, "NO DATA"),
    (10167, {"name": "error", "message": "reqRealTimeBars", "code": 10167}, S.READY, "DELAYED DATA: AAPL"),
    (366, {"name": "notice", "code": 366, "after": 60}, S.READY, "READY"),
    (300, {"name": "notice", "code": 300, "after": 60}, S.READY, "READY"),
]


@pytest.mark.parametrize(("code", "fault", "state", "said"), DATA_ROWS, ids=[f"{row[0]} {row[1]['name']}" for row in DATA_ROWS])
def test_each_code_about_data_is_said_and_leads_on(
    code: int, fault: dict[str, Any], state: State, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    day = Day(monkeypatch, tmp_path, faults=plan([fault], seed=7))

    async def story() -> None:
        runner = day.begin()
        await asyncio.sleep(200)
        assert runner.link.state is state and said in "\n".join(day.lines), day.lines
        if "NO DATA" in said:
            assert set(runner.state()["no_data"]) == {"AAPL", "MSFT"} and not any(line.startswith("SENT") for line in day.lines)
        await day.end(runner)

    day.run(story)
    assert code in {*DATA, 300, 366}


def test_a_stock_that_nobody_knows_ends_the_start_with_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    day = Day(monkeypatch, tmp_path, symbols=("AAPL", "NOSUCH"))

    async def story() -> None:
        day.begin()
        await asyncio.sleep(30)
        assert day.task is not None
        with pytest.raises(ConfigError, match="NOSUCH: the gateway does not know this stock"):
            await day.task

    day.run(story)


# Executions and lists: the fault, and whether broker and book agree, or the instrument is closed and shown.
LIST_ROWS = [
    ("commission late", {"name": "commission-late", "seconds": 180.0}, "agree"),
    ("commission first", {"name": "commission-first"}, "agree"),
    ("executions told by lists only", {"name": "fill-untold"}, "agree"),
    ("nothing told for a while", {"name": "callbacks-lost", "after": 120, "until": 400}, "closed"),
    ("told twice", {"name": "exec-twice"}, "agree"),
    ("corrected price", {"name": "corrected-price"}, "agree"),
    ("corrected quantity", {"name": "corrected-quantity"}, "closed"),
    ("no executions after midnight", {"name": "midnight"}, "agree"),
    ("an order of somebody else", {"name": "foreign-order", "after": 300}, "closed"),
    ("one fill, two ids", {"name": "exec-two-ids", "nth": 1}, "closed"),
]


@pytest.mark.parametrize(("fault", "ends"), [row[1:] for row in LIST_ROWS], ids=[row[0] for row in LIST_ROWS])
def test_each_fault_of_executions_and_lists_ends_equal_or_closed_and_shown(
    fault: dict[str, Any], ends: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    day = Day(monkeypatch, tmp_path, faults=plan([fault], seed=7))

    async def story() -> None:
        runner = day.begin()
        await asyncio.sleep(900)
        assert runner.trader is not None
        obey(runner, wish_of("flat"))
        await asyncio.sleep(5)
        obey(runner, wish_of("halt"))
        await asyncio.sleep(700)
        await day.end(runner)

    day.run(story)
    book, broker = day.book(), day.broker()
    held = [int(lots) for lots in book.instruments[1:, I_POSITION]]
    if ends == "agree":
        assert held == [broker["positions"].get(symbol, 0) for symbol in ("AAPL", "MSFT")]
        assert not any(book.instruments[1:, I_GATES] & Gate.BLOCKED)
    else:
        assert any(book.instruments[1:, I_GATES] & Gate.BLOCKED), "the instrument is closed"
        assert any(word in line for line in day.lines for word in ("POSITION DIFFERS", "FOREIGN", "OVERFILL", "BLOCKED"))


def wish_of(word: str) -> Any:
    from live.control import Wish

    return Wish(word, "the test", "a row of the table")


def test_every_listed_code_has_its_row() -> None:
    assert set(LINK_ROWS) == set(LINK) and set(ORDER_ROWS) - {10329, 99999} == set(ORDER)
    assert set(DATA) - {code for code, *_ in DATA_ROWS} == {200}, "200 has a test of its own"

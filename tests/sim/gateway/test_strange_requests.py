"""Requests that can be read and make little sense: answered or refused, never a crash, and the account stays whole."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.gateway.wire import requests
from sim.gateway.wire.table import Field, Many, Switch, When
from tests.sim.gateway.peer import Peer, fresh, names

NUMBERS = st.sampled_from([None, *map(Decimal, ("0", "1", "100", "0.01", "100.005", "-5", "229.4", "1e9", "1e12", "1e20", "-1e15", "0.0001", "Infinity"))])
WHOLE = st.sampled_from([None, 0, 1, 2, 3, 7, -1, 265598, 416904, 12087792, 10**9, 2**31 - 2, -(2**31), 2**62])
TIMES = ["", "20260302 09:30:00", "20260302-15:00:00", "20260302 15:30:00 US/Eastern", "20260302 15:30:00 Mars/Base", "00000000", "99999999 99:99:99", "20260302"]
LIKELY = {
    "conId": st.sampled_from([0, 265598, 416904, 12087792, 5]), "symbol": st.sampled_from(["AAPL", "SPX", "EUR", "ES", "ZZZZ", ""]),
    "secType": st.sampled_from(["STK", "IND", "CASH", "FUT", "OPT", "BAG", "CONTFUT", ""]), "currency": st.sampled_from(["USD", "JPY", ""]),
    "exchange": st.sampled_from(["SMART", "", "CBOE", "NOWHERE"]), "action": st.sampled_from(["BUY", "SELL", "SSHORT", ""]),
    "right": st.sampled_from(["C", "P", ""]), "lastTradeDateOrContractMonth": st.sampled_from(["", "202603", "20260320", "abc"]),
    "strike": st.sampled_from([None, Decimal(0), Decimal(230), Decimal(5700)]), "parentId": st.sampled_from([0, 1, 2, 99]),
    "orderType": st.sampled_from(["MKT", "LMT", "STP", "STP LMT", "TRAIL", "TRAIL LIMIT", "MOC", "LOC", "MOO", "LOO", "MIT", "LIT", "REL", ""]),
    "tif": st.sampled_from(["", "DAY", "GTC", "IOC", "FOK", "GTD", "OPG", "ZZZZ"]), "ocaGroup": st.sampled_from(["", "a"]),
    "barSizeSetting": st.sampled_from(["1 day", "1 hour", "5 secs", "1 secs", "1 week", "1 month", "2 min"]),
    "durationStr": st.sampled_from(["1 D", "900 S", "2 W", "3 M", "1 Y", "999999 Y", "0 D", "x"]), "orderId": st.integers(-1, 6),
    "whatToShow": st.sampled_from(["TRADES", "MIDPOINT", "BID_ASK", "SCHEDULE", "X"]), "tickType": st.sampled_from(["Last", "BidAsk", "MidPoint", "X"]),
    "transmit": st.sampled_from([True, True, False]), "scanCode": st.sampled_from(["TOP_PERC_GAIN", "X"]), "instrument": st.just("STK"),
    "filterOptions": st.sampled_from(["", "priceAbove=5;", "priceAbove=x;", "=;=;"]), "ocaType": st.integers(0, 4),
    "reqId": st.integers(-1, 4), "clientId": st.just(1), "algoStrategy": st.just(""), "account": st.sampled_from(["", "DU1000001", "U1"]),
}  # fmt: skip


@st.composite
def likely(draw, parts, version=178):
    """Draw values that mean something more often than not."""
    found = {}
    for part in parts:
        if isinstance(part, Field) and part.kind is not None:
            kind = part.kind.name
            anything = {"num": NUMBERS, "dmax": NUMBERS, "int": WHOLE, "imax": WHOLE, "bool": st.booleans()}.get(kind, st.sampled_from(["", "x", *TIMES]))
            found[part.name] = draw(LIKELY.get(part.name, anything))
        elif isinstance(part, Many):
            found[part.name] = draw(st.lists(likely(part.parts), max_size=2))
        elif isinstance(part, When) and part.test(found.get(part.name)):
            found.update(draw(likely(part.parts)))
        elif isinstance(part, Switch):
            found[part.name] = draw(st.sampled_from(sorted(part.cases)))
            found.update(draw(likely(part.cases[found[part.name]])))
    return found


PRICES = st.sampled_from([*map(Decimal, ("100", "229", "229.43", "235", "300", "1")), *map(Decimal, ("0.01", "100.005", "-5", "1e12"))])
KINDS = ("MKT", "LMT", "STP", "STP LMT", "TRAIL", "TRAIL LIMIT", "MOC", "LOC", "MOO", "LOO", "MIT", "LIT")


@st.composite
def sensible(draw):
    """Draw an order that is mostly right: a valid one, with now and then a field that is not."""
    found = {
        "orderId": draw(st.integers(1, 6)), "conId": draw(st.sampled_from([265598, 265598, 272093])),
        "action": draw(st.sampled_from(["BUY", "SELL"])), "totalQuantity": draw(st.sampled_from([*map(Decimal, (1, 7, 100, 350, 5000))])),
        "orderType": draw(st.sampled_from(KINDS)), "lmtPrice": draw(PRICES), "auxPrice": draw(PRICES), "transmit": draw(st.integers(0, 4)) > 0,
        "tif": draw(st.sampled_from(["DAY", "GTC", "GTC", "IOC", "FOK"])), "outsideRth": draw(st.booleans()),
        "parentId": draw(st.sampled_from([0, 0, 0, 1, 2])), "ocaGroup": draw(st.sampled_from(["", "", "a", "b"])), "ocaType": draw(st.integers(0, 3)),
    }  # fmt: skip
    if draw(st.integers(0, 5)) == 0:
        strange = draw(likely(requests.BY_NAME["placeOrder"].parts))
        for name in draw(st.lists(st.sampled_from(sorted(strange)), max_size=4)):
            found[name] = strange[name]
    return found


def whole(gateway):
    """Demand that positions and reservations are what executions and open orders say."""
    desk, done = gateway.desk, {}
    for execution in desk.trader.filler.executions:
        done[execution.contract.con_id] = done.get(execution.contract.con_id, 0) + execution.side * execution.lots
    assert {h.contract.con_id: h.lots for h in desk.account.holdings()} == {k: v for k, v in done.items() if v}
    live = [order for order in desk.by_perm.values() if not order.done]
    assert desk.margins.reserved_e8 == sum(order.reserved_e8 for order in live)
    assert all(order.reserved_e8 == 0 for order in desk.by_perm.values() if order.done)
    assert all(0 <= order.filled <= order.lots for order in desk.by_perm.values())
    for ladder in desk.trader.ladders.values():
        for queue in (*ladder.limits.values(), *ladder.stops.values()):
            assert len(queue) == sum(1 for order in queue if not order.done)


@pytest.mark.parametrize("always", [True, False])
@settings(max_examples=120, deadline=None)
@given(data=st.data())
def test_strange_orders_are_answered_and_leave_the_desk_whole(always, data):
    peer = Peer(fresh(always_open=always, liquidity=data.draw(st.sampled_from(["", "30"]))))
    peer.look()
    for _ in range(data.draw(st.integers(1, 10))):
        name = data.draw(st.sampled_from(["placeOrder"] * 5 + ["cancelOrder", "reqGlobalCancel", "reqOpenOrders", "reqAllOpenOrders"]))
        fields = sensible() if name == "placeOrder" else likely(requests.BY_NAME[name].parts)
        said = peer.ask(name, **data.draw(fields))
        peer.wait(data.draw(st.sampled_from([0, 1, 3, 8000])))
        assert name != "reqOpenOrders" or names(said)[-1] == "openOrderEnd"
        whole(peer.gateway)
    peer.ask("reqGlobalCancel")
    whole(peer.gateway)
    assert peer.gateway.desk.margins.reserved_e8 == 0
    for name in ("reqExecutions", "reqCompletedOrders", "reqPositions"):
        assert peer.ask(name, reqId=1, time="", acctCode="", symbol="", secType="", exchange="", side="")


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_strange_requests_are_answered_and_never_break_the_session(data):
    peer = Peer(fresh(always_open=data.draw(st.booleans())))
    peer.order(90, "BUY", "10")
    for _ in range(data.draw(st.integers(1, 5))):
        table = data.draw(st.sampled_from(requests.REQUESTS))
        peer.ask(table.name, **data.draw(likely(table.parts)))
        peer.wait(data.draw(st.sampled_from([0, 1, 6])))
    assert "currentTime" in names(peer.ask("reqCurrentTime"))
    peer.session.closed()
    assert peer.gateway.answers.subscriptions == {} and not peer.gateway.sessions

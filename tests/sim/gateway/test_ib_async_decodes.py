"""Every frame the gateway sends is decoded by ib_async without an error, at every server version."""

from __future__ import annotations

import datetime
import types

import pytest
from ib_async.decoder import Decoder

from sim.gateway.wire import responses
from sim.gateway.wire.table import NEWEST, OLDEST
from tests.sim.gateway.peer import AAPL, Peer, fresh
from tests.sim.gateway.world import decoder_errors

EURO, SPX = {"conId": 12087792}, {"conId": 416904}
OPTION = {"symbol": "SPX", "secType": "OPT", "lastTradeDateOrContractMonth": "20260320", "strike": "5700", "right": "C", "exchange": "SMART"}
BARS = {"barSizeSetting": "1 hour", "durationStr": "2 D", "whatToShow": "TRADES", "useRTH": True}


class Anything:
    """Takes every call that a decoder makes."""

    def __init__(self):
        self.called = set()
        self.ib = types.SimpleNamespace(TimezoneTWS="US/Eastern")
        self.defaultTimezone = datetime.UTC

    def __getattr__(self, name):
        self.called.add(name)
        return lambda *_, **__: None


SCRIPT = [
    ("reqMarketDataType", {"marketDataType": 1}), ("reqMktData", {"reqId": 1, **AAPL, "genericTickList": "233"}), ("reqMktData", {"reqId": 2, **OPTION}),
    ("reqMktDepth", {"reqId": 3, **AAPL, "numRows": 5}), ("reqMktDepth", {"reqId": 4, **EURO, "numRows": 5}),
    ("reqRealTimeBars", {"reqId": 5, **AAPL, "barSize": 5, "whatToShow": "TRADES"}), ("reqHistoricalData", {"reqId": 6, **AAPL, **BARS, "formatDate": 1}),
    ("reqHistoricalData", {"reqId": 7, **AAPL, **BARS, "formatDate": 2, "keepUpToDate": True}), ("reqHistoricalData", {"reqId": 8, **AAPL, **BARS, "whatToShow": "SCHEDULE"}),
    *[("reqHistoricalTicks", {"reqId": n, **AAPL, "numberOfTicks": 20, "whatToShow": what, "endDateTime": "20260302-14:30:00"})
      for n, what in ((9, "TRADES"), (10, "BID_ASK"), (11, "MIDPOINT"))],
    *[("reqTickByTickData", {"reqId": n, **AAPL, "tickType": kind}) for n, kind in ((12, "Last"), (13, "AllLast"), (14, "BidAsk"), (15, "MidPoint"))],
    ("reqContractDetails", {"reqId": 16, **AAPL}), ("reqContractDetails", {"reqId": 17, **OPTION}), ("reqContractDetails", {"reqId": 18, "symbol": "ES", "secType": "FUT"}),
    ("reqMatchingSymbols", {"reqId": 19, "pattern": "A"}), ("reqSecDefOptParams", {"reqId": 20, "underlyingConId": 416904}), ("reqMktDepthExchanges", {}),
    ("reqSmartComponents", {"reqId": 21}), ("reqMarketRule", {"marketRuleId": 26}), ("reqHeadTimeStamp", {"reqId": 22, **AAPL, "formatDate": 1}),
    ("reqHistogramData", {"reqId": 23, **AAPL, "useRTH": True}), ("reqScannerParameters", {}), ("reqNewsProviders", {}), ("reqFamilyCodes", {}),
    ("reqScannerSubscription", {"reqId": 24, "instrument": "STK", "scanCode": "TOP_PERC_GAIN"}), ("reqSoftDollarTiers", {"reqId": 25}),
    ("calculateOptionPrice", {"reqId": 26, **OPTION, "volatility": "0.2", "underPrice": "5700"}), ("reqUserInfo", {"reqId": 27}), ("queryDisplayGroups", {"reqId": 28}),
    ("reqCurrentTime", {}), ("reqIds", {"numIds": 1}), ("reqManagedAccts", {}), ("reqAccountUpdates", {"subscribe": True}), ("reqPnL", {"reqId": 29}),
    ("reqAccountSummary", {"reqId": 30, "groupName": "All", "tags": "NetLiquidation"}), ("reqAccountUpdatesMulti", {"reqId": 31}), ("reqPositions", {}),
    ("reqPnLSingle", {"reqId": 32, **AAPL}), ("subscribeToGroupEvents", {"reqId": 33, "groupId": 1}), ("reqHistoricalNews", {"reqId": 34}),
]  # fmt: skip
LISTS = [("reqOpenOrders", {}), ("reqExecutions", {"reqId": 40}), ("reqCompletedOrders", {}), ("reqPositionsMulti", {"reqId": 41}), ("reqFundamentalData", {"reqId": 42})]
NEVER_SENT = {
    "receiveFA", "fundamentalData", "tickGeneric", "tickNews", "newsArticle", "historicalNews", "rerouteMktDataReq", "rerouteMktDepthReq",
    "orderBound", "replaceFAEnd", "wshMetaData", "wshEventData", "tickSnapshotEnd",
}  # fmt: skip
"""Tables for recorded frames of real gateways; the simulator has nothing to say there, or says it elsewhere."""


@pytest.mark.parametrize("version", range(OLDEST, NEWEST + 1))
def test_every_frame_of_a_busy_session_is_decoded(version):
    gateway = fresh()
    heard = []
    gateway.listeners.append(lambda _, __, direction, fields: heard.append(fields) if direction == "<" else None)
    peer = Peer(gateway, offer=f"v157..{version}")
    for name, values in SCRIPT:
        peer.ask(name, **values)
    peer.wait(1)
    peer.order(1)
    peer.order(2, kind="LMT", lmtPrice="1", orderRef="a|b", ocaGroup="g")
    peer.order(3, conId=0, action="SELL", kind="LMT", lmtPrice="900", symbol="AAPL", secType="STK")
    peer.order(4, whatIf=True)
    peer.order(5, kind="REL")
    for name, values in LISTS:
        peer.ask(name, **values)
    peer.wait(11)
    peer.ask("cancelOrder", orderId=2)
    wrapper = Anything()
    decoder = Decoder(wrapper, version)
    with decoder_errors() as errors:
        for fields in heard[1:]:
            decoder.interpret(list(fields))  # ib_async takes fields out of the list it is given
    assert errors == []
    sent = {fields[0] for fields in heard[1:]}
    unsent = {table.name for number, table in responses.BY_NUMBER.items() if number not in sent}
    assert unsent == NEVER_SENT | ({"historicalSchedule"} if version < 165 else set())

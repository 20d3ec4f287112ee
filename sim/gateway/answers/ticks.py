"""Ticks: market data, tick by tick, ticks of the past, option figures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sim.gateway.answers.registry import Answers, Values, answer
from sim.gateway.core.config import SECOND_NS
from sim.gateway.desk import checks
from sim.gateway.desk.amounts import text
from sim.gateway.desk.contracts import Contract
from sim.gateway.feed.market import Greeks, Quote, black_scholes

if TYPE_CHECKING:
    from sim.gateway.core.session import Session

LINES_MAX = 100
LIVE, FROZEN, DELAYED, DELAYED_FROZEN = 1, 2, 3, 4
DELAY_NS = 900 * SECOND_NS
PRICES = {"bid": (1, 66), "ask": (2, 67), "last": (4, 68), "high": (6, 72), "low": (7, 73), "close": (9, 75), "open": (14, 76)}
SIZES = {"bidSize": (0, 69), "askSize": (3, 70), "lastSize": (5, 71), "volume": (8, 74)}
STAMP, FIGURES = (45, 88), {"bid": (10, 80), "ask": (11, 81), "last": (12, 82), "model": (13, 83)}
"""Tick types by name: (live, delayed)."""
SIZED = {"bid": "bidSize", "ask": "askSize", "last": "lastSize"}
TICK_KINDS = {"Last": 1, "AllLast": 2, "BidAsk": 3, "MidPoint": 4}


@answer("reqMarketDataType")
def data_type(answers: Answers, session: Session, values: Values) -> None:
    """Choose what later subscriptions get."""
    if values["marketDataType"] in (LIVE, FROZEN, DELAYED, DELAYED_FROZEN):
        session.data_type = values["marketDataType"]
    else:
        session.error(-1, 321, "Error validating request: the market data type must be 1, 2, 3 or 4.")


def granted(answers: Answers, session: Session, number: int, contract: Contract) -> int:
    """Return the data type that a subscription gets, 0 after an error."""
    asked, mine = session.data_type, answers.gateway.config.subscriptions
    if LIVE in mine:
        closed = not answers.gateway.market.open(contract, answers.now_ns, outside=True)
        return FROZEN if asked in (FROZEN, DELAYED_FROZEN) and closed else LIVE
    if asked in (DELAYED, DELAYED_FROZEN) and DELAYED in mine:
        session.error(number, 10167, "Requested market data is not subscribed. Displaying delayed market data.")
        return asked
    session.error(number, 354 if DELAYED in mine else 10186, "Requested market data is not subscribed.")
    return 0


def shown(answers: Answers, contract: Contract, kind: int) -> dict[str, str]:
    """Return the tick values of a moment as text, by name; an index has no bid, ask or volume."""
    market = answers.gateway.market
    now = answers.now_ns - (DELAY_NS if kind >= DELAYED else 0)
    quote, exp = market.quote(contract, now), contract.price_exp
    found = {"last": text(quote.last, exp), "lastSize": str(quote.last_size)}
    if contract.sec_type != "IND":
        found |= {"bid": text(quote.bid, exp), "ask": text(quote.ask, exp), "bidSize": str(quote.bid_size), "askSize": str(quote.ask_size)}
    else:
        found["lastSize"] = "0"
    if contract.sec_type == "CASH":
        del found["last"], found["lastSize"]
    if not contract.under_id:
        series = market.series(contract)
        today = series.today(now)
        found |= {"high": text(today.high, exp), "low": text(today.low, exp), "open": text(today.open, exp)}
        found["close"] = text(series.last_close(now), exp)
        if contract.sec_type != "CASH":
            found["volume"] = str(today.volume)
    return found


def _send(session: Session, number: int, fresh: dict[str, str], kind: int, now_ns: int) -> None:
    """Send the ticks that changed: prices with their sizes, sizes, the time of the last trade."""
    late = 1 if kind >= DELAYED else 0
    for name, value in fresh.items():
        if name in PRICES:
            size = fresh.get(SIZED.get(name, ""), "0")
            mask = 1 if name in SIZED else 0
            session.send("tickPrice", {"reqId": number, "tickType": PRICES[name][late], "price": value, "size": size, "attrMask": mask})
    for name, value in fresh.items():
        if name in SIZES:
            session.send("tickSize", {"reqId": number, "tickType": SIZES[name][late], "size": value})
    if "last" in fresh:
        session.send("tickString", {"reqId": number, "tickType": STAMP[late], "value": str(now_ns // SECOND_NS)})


def _send_figures(answers: Answers, session: Session, number: int, contract: Contract, kind: int) -> None:
    """Send an option's greeks at its bid, ask, last and model price."""
    market, now = answers.gateway.market, answers.now_ns
    under = answers.gateway.catalogue.by_id[contract.under_id]
    greeks = market.greeks(contract, market.quote(under, now).last, now)
    for types in FIGURES.values():
        told = types[1 if kind >= DELAYED else 0]
        session.send("tickOptionComputation", {"reqId": number, "tickType": told, "tickAttrib": 0, **figures(greeks)})


def figures(greeks: Greeks) -> Values:
    """Return greeks as the table names them."""
    return {
        "impliedVol": f"{greeks.volatility:.6f}", "delta": f"{greeks.delta:.8f}", "optPrice": f"{greeks.price:.6f}", "pvDividend": "0",
        "gamma": f"{greeks.gamma:.8f}", "vega": f"{greeks.vega:.8f}", "theta": f"{greeks.theta:.8f}", "undPrice": f"{greeks.under:.4f}",
    }  # fmt: skip


@answer("reqMktData")
def market_data(answers: Answers, session: Session, values: Values) -> None:
    """Send ticks now, and what changes once a second; a snapshot sends them once."""
    number = values["reqId"] or 0
    contract = answers.contract(session, values)
    if contract is None:
        return
    if answers.count(session, "ticks") >= LINES_MAX:
        session.error(number, 101, "Max number of tickers has been reached")
        return
    if answers.has(session, "ticks", number):
        session.error(number, 322, "Error processing request: Duplicate ticker id")
        return
    kind = granted(answers, session, number, contract)
    if not kind:
        return
    venue = "" if contract.sec_type == "IND" else "9c0001"
    session.send("tickReqParams", {"reqId": number, "minTick": contract.min_tick, "bboExchange": venue, "snapshotPermissions": 3})
    session.send("marketDataType", {"reqId": number, "marketDataType": kind})
    last: dict[str, str] = {}
    trades = "233" in values["genericTickList"].split(",")

    def send() -> None:
        now = shown(answers, contract, kind)
        fresh = {name: value for name, value in now.items() if last.get(name) != value}
        last.update(now)
        _send(session, number, fresh, kind, answers.now_ns)
        if contract.under_id and fresh:
            _send_figures(answers, session, number, contract, kind)
        if trades and "last" in now:
            row = f"{now['last']};{now['lastSize']};{answers.now_ns // 1_000_000};{now.get('volume', '0')};{now['last']};true"
            session.send("tickString", {"reqId": number, "tickType": 48, "value": row})

    send()
    if values["snapshot"]:
        session.send("tickSnapshotEnd", {"reqId": number})
    else:
        answers.subscribe(session, "ticks", number, send)


@answer("cancelMktData")
def cancel_market_data(answers: Answers, session: Session, values: Values) -> None:
    """End it."""
    number = values["reqId"] or 0
    if not answers.unsubscribe(session, "ticks", number):
        session.error(number, 300, f"Can't find EId with tickerId:{number}")


def by_tick(kind: int, number: int, contract: Contract, quote: Quote) -> Values:
    """Return the values of `tickByTick`."""
    exp = contract.price_exp
    return {
        "reqId": number, "tickType": kind, "time": quote.time_ns // SECOND_NS, "price": text(quote.last, exp),
        "size": str(quote.last_size), "mask": 0, "exchange": contract.primary or contract.exchange, "specialConditions": "",
        "bidPrice": text(quote.bid, exp), "askPrice": text(quote.ask, exp), "bidSize": str(quote.bid_size),
        "askSize": str(quote.ask_size), "midPoint": text((quote.bid + quote.ask) * 5, exp + 1),
    }  # fmt: skip


@answer("reqTickByTickData")
def tick_by_tick(answers: Answers, session: Session, values: Values) -> None:
    """Send a tick a second."""
    number = values["reqId"] or 0
    contract, kind = answers.contract(session, values), TICK_KINDS.get(values["tickType"])
    if contract is None:
        return
    if kind is None or (kind < 3 and contract.sec_type == "CASH"):
        session.error(number, 10189, "Failed to request tick-by-tick data: no such data for this contract.")
        return

    def send() -> None:
        session.send("tickByTick", by_tick(kind, number, contract, answers.gateway.market.quote(contract, answers.now_ns)))

    if answers.subscribe(session, "tickByTick", number, send):
        send()
    else:
        session.error(number, 322, "Error processing request: Duplicate ticker id")


@answer("cancelTickByTickData")
def cancel_tick_by_tick(answers: Answers, session: Session, values: Values) -> None:
    """End it."""
    number = values["reqId"] or 0
    if not answers.unsubscribe(session, "tickByTick", number):
        session.error(number, 300, f"Can't find EId with tickerId:{number}")


@answer("reqHistoricalTicks")
def historical_ticks(answers: Answers, session: Session, values: Values) -> None:
    """Send up to a thousand ticks, one a second, before an end or from a start."""
    number, count = values["reqId"] or 0, min(max(values["numberOfTicks"] or 0, 1), 1000)
    contract = answers.contract(session, values)
    if contract is None:
        return
    start, end = (checks.moment(words) if (words := values[name]) else 0 for name in ("startDateTime", "endDateTime"))
    if start is None or end is None:
        session.error(number, 10187, "Failed to request historical ticks: the time or its zone is invalid.")
        return
    last = min(end or answers.now_ns, answers.now_ns) // SECOND_NS
    first = start // SECOND_NS if start else last - count
    market = answers.gateway.market
    seconds = range(first, min(first + count, last)) if start else range(last - count, last)
    outside = not values["useRth"]
    quotes = [market.quote_at(contract, second) for second in seconds if market.open(contract, second * SECOND_NS, outside)]
    name, rows = _tick_rows(values["whatToShow"], contract, quotes)
    session.send(name, {"reqId": number, "ticks": rows, "done": True})


def _tick_rows(what: str, contract: Contract, quotes: list[Quote]) -> tuple[str, list[Values]]:
    exp = contract.price_exp
    if what == "BID_ASK":
        return "historicalTicksBidAsk", [
            {
                "time": q.time_ns // SECOND_NS, "mask": 0, "priceBid": text(q.bid, exp), "priceAsk": text(q.ask, exp),
                "sizeBid": str(q.bid_size), "sizeAsk": str(q.ask_size),
            }
            for q in quotes
        ]  # fmt: skip
    if what == "MIDPOINT":
        middle = [(q, text((q.bid + q.ask) * 5, exp + 1)) for q in quotes]
        return "historicalTicks", [{"time": q.time_ns // SECOND_NS, "price": price, "size": "0"} for q, price in middle]
    venue = contract.primary or contract.exchange
    return "historicalTicksLast", [
        {
            "time": q.time_ns // SECOND_NS, "mask": 0, "price": text(q.last, exp), "size": str(q.last_size), "exchange": venue,
            "specialConditions": "",
        }
        for q in quotes
    ]  # fmt: skip


@answer("calculateOptionPrice", "calculateImpliedVolatility")
def calculate(answers: Answers, session: Session, values: Values) -> None:
    """Send what a volatility prices an option at, or which volatility a price implies (by halving)."""
    contract = answers.contract(session, values)
    if contract is None or not contract.under_id:
        if contract is not None:
            session.error(values["reqId"] or 0, 321, "Error validating request: the contract is no option.")
        return
    spot, years = float(values["underPrice"] or 0), answers.gateway.market.years(contract, answers.now_ns)
    strike, call = float(contract.strike), contract.right == "C"
    if spot <= 0:
        session.error(values["reqId"] or 0, 321, "Error validating request: the underlying price must be above zero.")
        return
    if "volatility" in values:
        volatility = float(values["volatility"] or 0)
    else:
        volatility = _implied(spot, strike, years, float(values["optionPrice"] or 0), call)
    greeks = black_scholes(spot, strike, years, max(volatility, 1e-4), call)
    session.send("tickOptionComputation", {"reqId": values["reqId"], "tickType": 53, "tickAttrib": 0, **figures(greeks)})


def _implied(spot: float, strike: float, years: float, price: float, call: bool) -> float:
    low, high = 1e-4, 10.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if black_scholes(spot, strike, years, middle, call).price < price else (low, middle)
    return (low + high) / 2

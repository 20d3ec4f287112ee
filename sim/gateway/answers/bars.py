"""Bars: of five seconds, of the past, and how far back they go."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sim.gateway.answers.registry import Answers, Values, answer
from sim.gateway.answers.ticks import DELAY_NS, DELAYED, granted
from sim.gateway.core.config import SECOND_NS
from sim.gateway.desk import checks, words
from sim.gateway.desk.amounts import text
from sim.gateway.desk.contracts import Contract
from sim.gateway.desk.hours import local, minute_ns, trades_on
from sim.gateway.feed.history import DAY_S, Span, Timed, bars, size_of, span_of

if TYPE_CHECKING:
    from sim.gateway.core.session import Session

FIVE_NS = 5 * SECOND_NS
MOVES = {"BID": -1, "ASK": 1}
SHOWN = ("TRADES", "MIDPOINT", "BID", "ASK", "BID_ASK", "ADJUSTED_LAST", "AGGTRADES", "SCHEDULE", "HISTORICAL_VOLATILITY",
         "OPTION_IMPLIED_VOLATILITY", "FEE_RATE")  # fmt: skip
NO_DATA = "Historical Market Data Service error message:HMDS query returned no data: {}"


def numbers(contract: Contract, each: Timed, what: str) -> Values:
    """Return a bar's prices as text; bids and asks lie one step beside the trades."""
    exp, bar = contract.price_exp, each.bar
    move = MOVES.get(what, 0) * contract.step
    prices = {name: text(price + move, exp) for name, price in zip(("open", "high", "low", "close"), bar[:4])}
    if what == "BID_ASK":
        prices = {"open": text(bar.open - contract.step, exp), "high": text(bar.high + contract.step, exp),
                  "low": text(bar.low - contract.step, exp), "close": text(bar.close + contract.step, exp)}  # fmt: skip
    quoted = what in ("MIDPOINT", "BID", "ASK", "BID_ASK")
    middle = (bar.open + bar.high + bar.low + bar.close) * 25 + move * 100
    return {
        **prices, "volume": "-1" if quoted else str(bar.volume), "wap": "-1" if quoted else text(middle, exp + 2),
        "barCount": -1 if quoted else max(1, bar.volume // 100),
    }  # fmt: skip


def written(each: Timed, contract: Contract, size_s: int, form: int, version: int) -> str:
    """Return when a bar began: a date, a local time, or seconds since 1970."""
    here = local(each.time_ns, contract.zone)
    if size_s >= DAY_S:
        return f"{here:%Y%m%d}"
    return str(each.time_ns // SECOND_NS) if form == 2 else words.stamp(each.time_ns, version, contract.zone)


@answer("reqHistoricalData")
def historical(answers: Answers, session: Session, values: Values) -> None:
    """Send bars up to an end; with keepUpToDate also the running bar every five seconds."""
    number = values["reqId"] or 0
    contract = answers.contract(session, values)
    if contract is None:
        return
    size, span, what = size_of(values["barSizeSetting"]), span_of(values["durationStr"]), values["whatToShow"]
    end = checks.moment(values["endDateTime"]) if values["endDateTime"] else answers.now_ns
    if size is None or span is None or end is None or what not in SHOWN or (values["keepUpToDate"] and values["endDateTime"]):
        session.error(number, 321, "Error validating request: bar size, duration, end or what to show is not valid.")
        return
    if what == "SCHEDULE":
        _schedule(answers, session, number, contract, end, span)
        return
    if contract.sec_type == "CASH" and what in ("TRADES", "AGGTRADES", "ADJUSTED_LAST"):
        session.error(number, 162, NO_DATA.format(f"{contract.local}@{contract.exchange} Trades"))
        return
    market = answers.gateway.market
    found = bars(market, contract, min(end, answers.now_ns), span, size, values["useRTH"])
    if not found:
        reason = NO_DATA.format(f"{contract.local}@{contract.exchange}") if found is not None else "Time length exceed max."
        session.error(number, 162, reason)
        return
    form, version = values["formatDate"] or 1, session.version
    rows = [{**numbers(contract, each, what), "date": written(each, contract, size, form, version)} for each in found]
    span_texts = (words.stamp(found[0].time_ns, version, contract.zone), words.stamp(min(end, answers.now_ns), version, contract.zone))
    session.send("historicalData", {"reqId": number, "start": span_texts[0], "end": span_texts[1], "bars": rows})

    def send() -> None:
        for each in (bars(market, contract, answers.now_ns, Span(seconds=2 * size), size, values["useRTH"]) or [])[-1:]:
            row = {**numbers(contract, each, what), "date": written(each, contract, size, form, version)}
            session.send("historicalDataUpdate", {**row, "reqId": number})

    if values["keepUpToDate"] and not answers.subscribe(session, "history", number, send, FIVE_NS):
        session.error(number, 322, "Error processing request: Duplicate ticker id")


def _schedule(answers: Answers, session: Session, number: int, contract: Contract, end_ns: int, span: Span) -> None:
    """Send the sessions of the last days."""
    hours = answers.gateway.market.hours(contract)
    last = local(end_ns, hours.zone).date()
    days = range(last.toordinal() - (span.sessions or span.calendar or 1) * 2, last.toordinal() + 1)
    rows = []
    for day in [day for day in days if trades_on(hours, day)][-(span.sessions or span.calendar or 1) :]:
        begins, ends = (local(minute_ns(hours.zone, day, minute), hours.zone) for minute in (hours.open, hours.close))
        rows.append({"start": f"{begins:%Y%m%d-%H:%M:%S}", "end": f"{ends:%Y%m%d-%H:%M:%S}", "refDate": f"{begins:%Y%m%d}"})
    if session.version < 165 or not rows:
        session.error(number, 162, NO_DATA.format("schedule"))
        return
    session.send(
        "historicalSchedule",
        {"reqId": number, "start": rows[0]["start"], "end": rows[-1]["end"], "timeZone": hours.zone, "sessions": rows},
    )


@answer("cancelHistoricalData")
def cancel_historical(answers: Answers, session: Session, values: Values) -> None:
    """End the running bar."""
    number = values["reqId"] or 0
    if answers.unsubscribe(session, "history", number):
        session.error(number, 162, f"Historical Market Data Service error message:API historical data query cancelled: {number}")
    else:
        session.error(number, 366, f"No historical data query found for ticker id:{number}")


@answer("reqRealTimeBars")
def real_time(answers: Answers, session: Session, values: Values) -> None:
    """Send a bar every five seconds, on whole multiples of five."""
    number, what = values["reqId"] or 0, values["whatToShow"]
    contract = answers.contract(session, values)
    if contract is None:
        return
    if what not in ("TRADES", "MIDPOINT", "BID", "ASK") or (contract.sec_type == "CASH" and what == "TRADES"):
        session.error(number, 420, "Invalid Real-time Query: no such bars for this contract.")
        return
    market, kind = answers.gateway.market, granted(answers, session, number, contract)
    if not kind:
        return
    delay_ns = DELAY_NS if kind >= DELAYED else 0

    def send() -> None:
        now_ns = answers.now_ns - delay_ns
        if not market.open(contract, now_ns - FIVE_NS, outside=not values["useRTH"]):
            return
        for each in (bars(market, contract, now_ns, Span(seconds=5), 5, values["useRTH"]) or [])[-1:]:
            row = numbers(contract, each, what)
            session.send("realtimeBar", {**row, "reqId": number, "time": each.time_ns // SECOND_NS, "count": row["barCount"]})

    if not answers.subscribe(session, "bars", number, send, FIVE_NS):
        session.error(number, 322, "Error processing request: Duplicate ticker id")


@answer("cancelRealTimeBars")
def cancel_real_time(answers: Answers, session: Session, values: Values) -> None:
    """End them."""
    number = values["reqId"] or 0
    if not answers.unsubscribe(session, "bars", number):
        session.error(number, 300, f"Can't find EId with tickerId:{number}")


@answer("reqHeadTimeStamp")
def head(answers: Answers, session: Session, values: Values) -> None:
    """Send when the data begin."""
    contract = answers.contract(session, values)
    if contract is None:
        return
    series = answers.gateway.market.series(contract)
    begins = minute_ns(series.hours.zone, series.first_day, series.hours.open)
    told = str(begins // SECOND_NS) if values["formatDate"] == 2 else f"{local(begins, 'UTC'):%Y%m%d-%H:%M:%S}"
    session.send("headTimestamp", {"reqId": values["reqId"], "time": told})


@answer("reqHistogramData")
def histogram(answers: Answers, session: Session, values: Values) -> None:
    """Send today's volume by price, minute by minute."""
    contract = answers.contract(session, values)
    if contract is None:
        return
    found = bars(answers.gateway.market, contract, answers.now_ns, Span(sessions=1), 60, values["useRTH"]) or []
    counts: dict[int, int] = {}
    for each in found:
        counts[each.bar.close] = counts.get(each.bar.close, 0) + each.bar.volume
    rows = [{"price": text(price, contract.price_exp), "size": size} for price, size in sorted(counts.items())]
    session.send("histogramData", {"reqId": values["reqId"], "items": rows})

"""Market depth and scans."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from sim.gateway.answers.registry import Answers, Values, answer
from sim.gateway.core.chance import below, key_of
from sim.gateway.core.config import SECOND_NS
from sim.gateway.desk.amounts import text
from sim.gateway.desk.contracts import Contract

if TYPE_CHECKING:
    from sim.gateway.core.session import Session

INSERT, UPDATE = 0, 1
BOOKS_MAX = 3
SCAN_PERIOD_NS = 30 * SECOND_NS


@answer("reqMktDepth")
def market_depth(answers: Answers, session: Session, values: Values) -> None:
    """Send the rows of an order book around the quote, then once a second what changed."""
    number, rows = values["reqId"] or 0, min(max(values["numRows"] or 5, 1), 20)
    contract = answers.contract(session, values)
    if contract is None:
        return
    if contract.sec_type == "IND" or answers.count(session, "depth") >= BOOKS_MAX:
        code = 10092 if contract.sec_type == "IND" else 309
        session.error(number, code, "Deep market data is not supported for this contract, or too many are asked for.")
        return
    last: dict[tuple[int, int], tuple[str, str]] = {}

    def send() -> None:
        for key, row in _rows(answers, contract, rows).items():
            if last.get(key) != row:
                operation, last[key] = UPDATE if key in last else INSERT, row
                _row(session, number, contract, values["isSmartDepth"], operation, key, row)

    if answers.subscribe(session, "depth", number, send):
        send()
    else:
        session.error(number, 322, "Error processing request: Duplicate ticker id")


def _rows(answers: Answers, contract: Contract, count: int) -> dict[tuple[int, int], tuple[str, str]]:
    """Return {(side, position): (price, size)}; side 1 bids, 0 asks."""
    quote = answers.gateway.market.quote(contract, answers.now_ns)
    key = key_of("depth", answers.gateway.config.seed, contract.con_id)
    found = {}
    for side, best, size, move in ((1, quote.bid, quote.bid_size, -1), (0, quote.ask, quote.ask_size, 1)):
        for position in range(count):
            price = max(contract.step, best + move * position * contract.step)
            more = size * below(key, price // contract.step * 2 + side, 5) if position else 0
            found[side, position] = (text(price, contract.price_exp), str(size + more))
    return found


def _row(
    session: Session, number: int, contract: Contract, smart: bool, operation: int, key: tuple[int, int], row: tuple[str, str]
) -> None:
    values: Values = {"reqId": number, "position": key[1], "operation": operation, "side": key[0], "price": row[0], "size": row[1]}
    if contract.sec_type == "STK":
        session.send("updateMktDepthL2", {**values, "marketMaker": contract.primary, "isSmartDepth": smart})
    else:
        session.send("updateMktDepth", values)


@answer("cancelMktDepth")
def cancel_depth(answers: Answers, session: Session, values: Values) -> None:
    """End it."""
    number = values["reqId"] or 0
    if not answers.unsubscribe(session, "depth", number):
        session.error(number, 310, f"Can't find the subscribed market depth with tickerId:{number}")


Score = Callable[[Answers, Contract], float]


def _gain(answers: Answers, contract: Contract) -> float:
    last = answers.gateway.market.series(contract).last_close(answers.now_ns)
    return answers.gateway.market.quote(contract, answers.now_ns).last / last - 1


def _volume(answers: Answers, contract: Contract) -> float:
    return float(answers.gateway.market.series(contract).today(answers.now_ns).volume)


def _loss(answers: Answers, contract: Contract) -> float:
    return -_gain(answers, contract)


SCANS: dict[str, tuple[Score, str]] = {
    "TOP_PERC_GAIN": (_gain, "Top % Gainers"),
    "TOP_PERC_LOSE": (_loss, "Top % Losers"),
    "MOST_ACTIVE": (_volume, "Most Active"),
    "HOT_BY_VOLUME": (_volume, "Hot Contracts by Volume"),
}
FILTERS = ("priceAbove", "priceBelow", "volumeAbove", "changePercAbove", "changePercBelow")


def parameters() -> str:
    """Return what can be scanned for, as XML."""
    codes = "".join(
        f"<ScanType><displayName>{name}</displayName><scanCode>{code}</scanCode></ScanType>" for code, (_, name) in SCANS.items()
    )
    fields = "".join(f"<RangeFilter><id>{name}</id><AbstractField><code>{name}</code></AbstractField></RangeFilter>" for name in FILTERS)
    return (
        '<?xml version="1.0" encoding="UTF-8"?><ScanParameterResponse>'
        "<InstrumentList><Instrument><name>US Stocks</name><type>STK</type></Instrument></InstrumentList>"
        "<LocationTree><Location><displayName>US Stocks</displayName><locationCode>STK.US.MAJOR</locationCode></Location></LocationTree>"
        f"<ScanTypeList>{codes}</ScanTypeList><FilterList>{fields}</FilterList></ScanParameterResponse>"
    )


@answer("reqScannerParameters")
def scanner_parameters(answers: Answers, session: Session, values: Values) -> None:
    """Send what can be scanned for."""
    session.send("scannerParameters", {"xml": parameters()})


def _bounds(values: Values) -> dict[str, float] | None:
    """Return the numbers a scan is bounded by, None when one is no number."""
    given = dict(part.split("=", 1) for part in values["filterOptions"].split(";") if "=" in part)
    given |= {"priceAbove": values["abovePrice"]} if values["abovePrice"] is not None else {}
    given |= {"priceBelow": values["belowPrice"]} if values["belowPrice"] is not None else {}
    given |= {"volumeAbove": values["aboveVolume"]} if values["aboveVolume"] is not None else {}
    try:
        return {name: float(value) for name, value in given.items() if name in FILTERS}
    except ValueError:
        return None


def scan(answers: Answers, code: str, bounds: dict[str, float], rows: int) -> list[Values]:
    """Return the rows of a scan, best first."""
    score = SCANS[code][0]
    found = []
    for contract in answers.gateway.catalogue.all():
        if contract.sec_type != "STK":
            continue
        price = answers.gateway.market.quote(contract, answers.now_ns).last / pow(10.0, contract.price_exp)
        change, volume = _gain(answers, contract) * 100, _volume(answers, contract)
        if (
            bounds.get("priceAbove", 0) <= price <= bounds.get("priceBelow", price)
            and bounds.get("changePercAbove", change) <= change <= bounds.get("changePercBelow", change)
            and volume >= bounds.get("volumeAbove", 0)
        ):
            found.append((-score(answers, contract), contract.symbol, contract))
    return [
        {**contract.fields(), "rank": rank, "marketName": contract.trading_class}
        for rank, (_, _, contract) in enumerate(sorted(found)[:rows])
    ]


@answer("reqScannerSubscription")
def scanner(answers: Answers, session: Session, values: Values) -> None:
    """Send a scan now and every thirty seconds."""
    number, bounds = values["reqId"] or 0, _bounds(values)
    if values["scanCode"] not in SCANS or values["instrument"] not in ("STK", "STK.US") or bounds is None:
        session.error(number, 162, "Historical Market Data Service error message:the scan is not configured.")
        return
    asked = values["numberOfRows"] if values["numberOfRows"] is not None else -1
    rows = min(asked, 50) if asked > 0 else 50

    def send() -> None:
        session.send("scannerData", {"reqId": number, "rows": scan(answers, values["scanCode"], bounds, rows)})

    if answers.subscribe(session, "scan", number, send, SCAN_PERIOD_NS):
        send()
    else:
        session.error(number, 322, "Error processing request: Duplicate ticker id")


@answer("cancelScannerSubscription")
def cancel_scanner(answers: Answers, session: Session, values: Values) -> None:
    """End it."""
    if not answers.unsubscribe(session, "scan", values["reqId"] or 0):
        session.error(values["reqId"] or 0, 165, "Historical Market Data Service query message:no such scan.")

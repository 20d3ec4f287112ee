"""Reference data: contracts, price rules, option chains, symbols."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from sim.gateway.answers.registry import NO_CONTRACT, Answers, Values, answer
from sim.gateway.desk.amounts import qty_text
from sim.gateway.desk.contracts import ORDER_TYPES, PRICE_RULES, Contract, venues
from sim.gateway.desk.hours import written

if TYPE_CHECKING:
    from sim.gateway.core.session import Session

MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")


def details(answers: Answers, contract: Contract) -> Values:
    """Return the values of `contractDetails`."""
    market, now = answers.gateway.market, answers.now_ns
    hours, places = market.hours(contract), venues(contract)
    stock = contract.sec_type == "STK"
    month = MONTHS[int(contract.expiry[4:6]) - 1] + contract.expiry[2:4] if contract.expiry else ""
    under = answers.gateway.catalogue.by_id.get(contract.under_id)
    step = Decimal(qty_text(contract.qty_step))
    return {
        **contract.fields(), "marketName": contract.trading_class, "minTick": contract.min_tick, "orderTypes": ORDER_TYPES,
        "validExchanges": ",".join(places), "priceMagnifier": 1, "underConId": contract.under_id, "longName": contract.name,
        "primaryExch": contract.primary, "contractMonth": f"20{month[3:]}{contract.expiry[4:6]}" if month else "",
        "industry": contract.industry, "category": contract.category, "subcategory": contract.category,
        "timeZoneId": contract.zone, "tradingHours": written(hours, now, False), "liquidHours": written(hours, now, True),
        "evRule": "", "evMultiplier": 0, "aggGroup": 1, "underSymbol": under.symbol if under else "",
        "underSecType": under.sec_type if under else "", "marketRuleIds": ",".join([str(contract.rule)] * len(places)),
        "realExpirationDate": contract.expiry, "stockType": "COMMON" if stock else "", "minSize": step, "sizeMinTick": step,
        "sizeIncrement": step, "suggestedSizeIncrement": 100 if stock else step,
    }  # fmt: skip


@answer("reqContractDetails")
def contract_details(answers: Answers, session: Session, values: Values) -> None:
    """Send everything known of each contract that fits."""
    found = answers.gateway.catalogue.find(values)
    if not found:
        session.error(values["reqId"] or 0, 200, NO_CONTRACT)
        return
    for contract in found:
        session.send("contractDetails", {**details(answers, contract), "reqId": values["reqId"]})
    session.send("contractDetailsEnd", {"reqId": values["reqId"]})


@answer("reqMarketRule")
def market_rule(answers: Answers, session: Session, values: Values) -> None:
    """Send the price steps of a rule."""
    rule = PRICE_RULES.get(values["marketRuleId"] or 0)
    if rule is None:
        session.error(-1, 321, f"Error validating request: market rule {values['marketRuleId']} is not known.")
        return
    rows = [{"lowEdge": edge, "increment": step} for edge, step in rule]
    session.send("marketRule", {"marketRuleId": values["marketRuleId"], "increments": rows})


@answer("reqMatchingSymbols")
def matching(answers: Answers, session: Session, values: Values) -> None:
    """Send the contracts whose symbol or name begins with a pattern."""
    rows = [
        {
            "conId": c.con_id, "symbol": c.symbol, "secType": c.sec_type, "primaryExchange": c.primary, "currency": c.currency,
            "derivatives": [{"secType": kind} for kind in ("CFD", "OPT", "WAR")], "description": c.name, "issuerId": "",
        }
        for c in answers.gateway.catalogue.matching(values["pattern"])
    ]  # fmt: skip
    session.send("symbolSamples", {"reqId": values["reqId"], "samples": rows})


@answer("reqSecDefOptParams")
def chains(answers: Answers, session: Session, values: Values) -> None:
    """Send the option chain of an underlying, once for each venue."""
    chain = answers.gateway.catalogue.chain(values["underlyingConId"] or 0)
    for venue in ("SMART", "CBOE"):
        if chain is None:
            break
        session.send(
            "securityDefinitionOptionParameter",
            {
                "reqId": values["reqId"], "exchange": venue, "underlyingConId": values["underlyingConId"],
                "tradingClass": chain.trading_class, "multiplier": "100",
                "expirations": [{"value": day} for day in chain.expirations], "strikes": [{"value": strike} for strike in chain.strikes],
            },
        )  # fmt: skip
    session.send("securityDefinitionOptionParameterEnd", {"reqId": values["reqId"]})


@answer("reqMktDepthExchanges")
def depth_exchanges(answers: Answers, session: Session, values: Values) -> None:
    """Send the venues with an order book."""
    rows = [
        {"exchange": venue, "secType": kind, "listingExch": "", "serviceDataType": service, "aggGroup": None}
        for venue, kind, service in (
            ("NASDAQ", "STK", "Deep2"), ("ARCA", "STK", "Deep"), ("NYSE", "STK", "Deep"), ("BATS", "STK", "Deep"),
            ("IEX", "STK", "Deep"), ("IDEALPRO", "CASH", "Deep"), ("CME", "FUT", "Deep"), ("CBOE", "IND", "Deep"),
        )
    ]  # fmt: skip
    session.send("mktDepthExchanges", {"descriptions": rows})


@answer("reqSmartComponents")
def smart_components(answers: Answers, session: Session, values: Values) -> None:
    """Send the letters of venues."""
    rows = [{"bitNumber": n, "exchange": venue, "exchangeLetter": letter} for n, (venue, letter) in enumerate(VENUE_LETTERS)]
    session.send("smartComponents", {"reqId": values["reqId"], "components": rows})


VENUE_LETTERS = (("NASDAQ", "Q"), ("ARCA", "P"), ("NYSE", "N"), ("BATS", "Z"), ("IEX", "V"))

"""The account: values, summary, portfolio, positions, profit and loss."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sim.gateway.answers.registry import Answers, Values, answer
from sim.gateway.core.config import SECOND_NS
from sim.gateway.desk import words
from sim.gateway.desk.account import Holding
from sim.gateway.desk.amounts import money_text, qty_text, text
from sim.gateway.desk.contracts import Contract
from sim.gateway.desk.hours import local
from sim.gateway.desk.words import Execution

if TYPE_CHECKING:
    from sim.gateway.core.session import Session

THREE_MINUTES_NS = 180 * SECOND_NS


def figures(answers: Answers) -> list[tuple[str, str, str]]:
    """Return (tag, value, currency) of the account, positions valued at their last prices."""
    desk = answers.gateway.desk
    margins, account, own = desk.margins, desk.account, answers.gateway.config.currency
    margins.mark_all()
    equity, gross = margins.equity_e8(), margins.gross_e8()
    initial, maintenance = margins.initial_e8(), margins.maintenance_e8()
    cash = sum(margins.in_own(book.valuation().cash, currency) for currency, book in account.books.items())
    free = equity - initial - margins.reserved_e8
    held = account.holdings(closed=True)
    unrealized = sum(margins.in_own(h.unrealized_e8, h.contract.currency) for h in held)
    realized = sum(margins.in_own(h.realized_e8, h.contract.currency) for h in held)
    amounts = {
        "NetLiquidation": equity, "TotalCashValue": cash, "SettledCash": cash, "AccruedCash": 0, "EquityWithLoanValue": equity,
        "PreviousEquityWithLoanValue": equity, "GrossPositionValue": gross, "RegTEquity": equity, "RegTMargin": initial,
        "InitMarginReq": initial, "MaintMarginReq": maintenance, "AvailableFunds": free, "ExcessLiquidity": equity - maintenance,
        "FullInitMarginReq": initial, "FullMaintMarginReq": maintenance, "FullAvailableFunds": free,
        "FullExcessLiquidity": equity - maintenance, "LookAheadInitMarginReq": initial, "LookAheadMaintMarginReq": maintenance,
        "LookAheadAvailableFunds": free, "LookAheadExcessLiquidity": equity - maintenance,
        "BuyingPower": free * answers.gateway.config.leverage_percent // 100,
    }  # fmt: skip
    rows = [("AccountType", "INDIVIDUAL", ""), ("AccountReady", "true", ""), ("Cushion", "1", ""), ("LookAheadNextChange", "0", "")]
    rows += [(tag, money_text(amount), own) for tag, amount in amounts.items()]
    for currency, book in account.books.items():
        value = book.valuation()
        rows += [
            ("CashBalance", money_text(value.cash), currency), ("TotalCashBalance", money_text(value.cash), currency),
            ("StockMarketValue", money_text(value.positions or 0), currency),
            ("NetLiquidationByCurrency", money_text(value.cash + (value.positions or 0)), currency),
            ("ExchangeRate", f"{margins.rate(currency):.6f}", currency), ("RealCurrency", currency, currency),
            ("Currency", currency, currency),
        ]  # fmt: skip
    base = {"CashBalance": cash, "TotalCashBalance": cash, "NetLiquidationByCurrency": equity, "UnrealizedPnL": unrealized,
            "RealizedPnL": realized}  # fmt: skip
    rows += [(tag, money_text(amount), "BASE") for tag, amount in base.items()]
    rows += [("UnrealizedPnL", money_text(unrealized), own), ("RealizedPnL", money_text(realized), own)]
    return rows


def _known(answers: Answers, session: Session, number: int, account: str) -> bool:
    """Say whether an account is ours; else say error 321."""
    if account in ("", "All", answers.gateway.config.account):
        return True
    session.error(number, 321, f"Error validating request: the account code {account!r} is not one of yours.")
    return False


def _send_account(answers: Answers, session: Session) -> None:
    own = answers.gateway.config.account
    for key, value, currency in figures(answers):
        session.send("updateAccountValue", {"key": key, "value": value, "currency": currency, "account": own})
    for holding in answers.gateway.desk.account.holdings(closed=True):
        session.send("updatePortfolio", words.portfolio(holding, own))
    session.send("updateAccountTime", {"timeStamp": f"{local(answers.now_ns, words.ZONE):%H:%M}"})


@answer("reqAccountUpdates")
def account_updates(answers: Answers, session: Session, values: Values) -> None:
    """Send the account's values and portfolio now and every three minutes; or end that."""
    if not values["subscribe"]:
        answers.unsubscribe(session, "account", 0)
        return
    if not _known(answers, session, -1, values["acctCode"]):
        return
    _send_account(answers, session)
    session.send("accountDownloadEnd", {"account": answers.gateway.config.account})
    answers.subscribe(session, "account", 0, lambda: _send_account(answers, session), THREE_MINUTES_NS)


@answer("reqAccountUpdatesMulti")
def account_multi(answers: Answers, session: Session, values: Values) -> None:
    """Send the values of the account under a request id, now and every three minutes."""
    number, own = values["reqId"] or 0, answers.gateway.config.account
    if not _known(answers, session, number, values["account"]):
        return

    def send() -> None:
        for key, value, currency in figures(answers):
            session.send(
                "accountUpdateMulti",
                {"reqId": number, "account": own, "modelCode": values["modelCode"], "key": key, "value": value, "currency": currency},
            )

    send()
    session.send("accountUpdateMultiEnd", {"reqId": number})
    answers.subscribe(session, "multi", number, send, THREE_MINUTES_NS)


@answer("cancelAccountUpdatesMulti")
def cancel_multi(answers: Answers, session: Session, values: Values) -> None:
    """End it."""
    answers.unsubscribe(session, "multi", values["reqId"] or 0)


@answer("reqAccountSummary")
def summary(answers: Answers, session: Session, values: Values) -> None:
    """Send chosen values now and every three minutes."""
    number, own = values["reqId"] or 0, answers.gateway.config.account
    asked = {tag.strip() for tag in values["tags"].split(",") if tag.strip()}
    ledger = {tag for tag in asked if tag.startswith("$LEDGER")}
    if not _known(answers, session, number, values["groupName"]):
        return

    def send() -> None:
        for key, value, currency in figures(answers):
            by_currency = currency == "BASE" or key in ("CashBalance", "ExchangeRate", "NetLiquidationByCurrency")
            if not asked or (key in asked and currency != "BASE") or (ledger and by_currency):
                session.send("accountSummary", {"reqId": number, "account": own, "tag": key, "value": value, "currency": currency})

    send()
    session.send("accountSummaryEnd", {"reqId": number})
    answers.subscribe(session, "summary", number, send, THREE_MINUTES_NS)


@answer("cancelAccountSummary")
def cancel_summary(answers: Answers, session: Session, values: Values) -> None:
    """End it."""
    answers.unsubscribe(session, "summary", values["reqId"] or 0)


@answer("reqPositions")
def positions(answers: Answers, session: Session, values: Values) -> None:
    """Send the positions, and from now on their changes."""
    for holding in answers.gateway.desk.account.holdings():
        session.send("position", words.position(holding, answers.gateway.config.account))
    session.send("positionEnd", {})
    session.state["positions"] = True


@answer("cancelPositions")
def cancel_positions(answers: Answers, session: Session, values: Values) -> None:
    """End their changes."""
    session.state.pop("positions", None)


@answer("reqPositionsMulti")
def positions_multi(answers: Answers, session: Session, values: Values) -> None:
    """Send the positions under a request id."""
    number = values["reqId"] or 0
    if not _known(answers, session, number, values["account"]):
        return
    for holding in answers.gateway.desk.account.holdings():
        row = words.position(holding, answers.gateway.config.account)
        session.send("positionMulti", {**row, "reqId": number, "modelCode": values["modelCode"]})
    session.send("positionMultiEnd", {"reqId": number})


@answer("cancelPositionsMulti")
def cancel_positions_multi(answers: Answers, session: Session, values: Values) -> None:
    """Nothing runs on, so nothing ends."""


def executed(answers: Answers, execution: Execution) -> None:
    """Tell everyone who follows positions or the portfolio what an execution changed."""
    gateway = answers.gateway
    holding: Holding | None = None
    for session in list(gateway.sessions.values()):
        follows, portfolio = session.state.get("positions"), answers.has(session, "account")
        if not (follows or portfolio):
            continue
        holding = holding or gateway.desk.account.holding(execution.contract)
        if follows:
            session.send("position", words.position(holding, gateway.config.account))
        if portfolio:
            session.send("updatePortfolio", words.portfolio(holding, gateway.config.account))


def _daily_e8(answers: Answers, holding: Holding) -> int:
    """Return today's profit of one position: its worth, less what it was worth yesterday, less what today's trades cost."""
    gateway, contract = answers.gateway, holding.contract
    desk = gateway.desk
    last = gateway.market.series(contract).last_close(answers.now_ns) if not contract.under_id else holding.mark
    lots, spent = holding.lots, 0
    for done in desk.trader.filler.today():
        if done.contract.con_id == contract.con_id:
            lots -= done.side * done.lots
            spent += done.side * desk.account.notional(contract, done.lots, done.price) + done.fee_e8
    before = desk.account.notional(contract, abs(lots), last) * (1 if lots >= 0 else -1)
    return holding.value_e8 - before - spent


@answer("reqPnL")
def pnl(answers: Answers, session: Session, values: Values) -> None:
    """Send the account's profit and loss, now and when it changes, at most once a second."""
    number = values["reqId"] or 0
    if not _known(answers, session, number, values["account"]):
        return
    last: list[Values] = [{}]

    def send() -> None:
        margins = answers.gateway.desk.margins
        margins.mark_all()
        held = answers.gateway.desk.account.holdings(closed=True)

        def total(amounts: list[tuple[int, Contract]]) -> str:
            return money_text(sum(margins.in_own(amount, contract.currency) for amount, contract in amounts))

        row = {
            "reqId": number, "dailyPnL": total([(_daily_e8(answers, h), h.contract) for h in held]),
            "unrealizedPnL": total([(h.unrealized_e8, h.contract) for h in held]),
            "realizedPnL": total([(h.realized_e8, h.contract) for h in held]),
        }  # fmt: skip
        if row != last[0]:
            last[0] = row
            session.send("pnl", row)

    send()
    answers.subscribe(session, "pnl", number, send)


@answer("reqPnLSingle")
def pnl_single(answers: Answers, session: Session, values: Values) -> None:
    """Send one position's profit and loss, now and when it changes, at most once a second."""
    number = values["reqId"] or 0
    gateway = answers.gateway
    if not _known(answers, session, number, values["account"]):
        return
    contract = gateway.catalogue.by_id.get(values["conId"] or 0)
    if contract is None:
        session.error(number, 200, "No security definition has been found for the request")
        return
    last: list[Values] = [{}]

    def send() -> None:
        gateway.desk.margins.mark_all()
        holding = gateway.desk.account.holding(contract)
        row = {
            "reqId": number, "position": qty_text(holding.lots), "dailyPnL": money_text(_daily_e8(answers, holding)),
            "unrealizedPnL": money_text(holding.unrealized_e8), "realizedPnL": money_text(holding.realized_e8),
            "value": text(holding.value_e8, 8),
        }  # fmt: skip
        if row != last[0]:
            last[0] = row
            session.send("pnlSingle", row)

    send()
    answers.subscribe(session, "pnlSingle", number, send)


@answer("cancelPnL")
def cancel_pnl(answers: Answers, session: Session, values: Values) -> None:
    """End it."""
    answers.unsubscribe(session, "pnl", values["reqId"] or 0)


@answer("cancelPnLSingle")
def cancel_pnl_single(answers: Answers, session: Session, values: Values) -> None:
    """End it."""
    answers.unsubscribe(session, "pnlSingle", values["reqId"] or 0)

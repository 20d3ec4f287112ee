"""Buying power: what an order holds, whether it is affordable, and how a what-if answers.

Theory of operation. Equity is the core's valuation of the account's books, all currencies turned into
the account's own at the quote of their pair. The initial requirement is the gross worth of all
positions, and of what open orders would add, divided by the leverage. An order that only
closes needs nothing. Money is integers; only the rate between currencies is a float.
"""

from __future__ import annotations

from sim.gateway.core.config import Config
from sim.gateway.core.schedule import Schedule
from sim.gateway.desk.account import Account
from sim.gateway.desk.amounts import money_text
from sim.gateway.desk.checks import Refusal
from sim.gateway.desk.contracts import Contract
from sim.gateway.desk.orders import Order
from sim.gateway.desk.words import Values
from sim.gateway.feed.market import Market

MAINTENANCE_PERCENT = 25


class Margins:
    """What the account can afford."""

    def __init__(self, config: Config, account: Account, market: Market, schedule: Schedule) -> None:
        self.config, self.account, self.market, self.schedule = config, account, market, schedule
        self.reserved_e8 = 0

    def rate(self, currency: str) -> float:
        """Return what one unit of a currency is worth in the account's."""
        own = self.config.currency
        if currency == own:
            return 1.0
        for base, quote, upside in ((currency, own, False), (own, currency, True)):
            for pair in self.market.catalogue.find({"symbol": base, "secType": "CASH", "currency": quote}):
                price = self.market.quote(pair, self.schedule.now_ns).last / pow(10.0, pair.price_exp)
                return 1 / price if upside else price
        return 1.0

    def in_own(self, amount_e8: int, currency: str) -> int:
        """Return an amount in the account's currency, e8."""
        return amount_e8 if currency == self.config.currency else round(amount_e8 * self.rate(currency))

    def mark_all(self) -> None:
        """Value every open position at its last price."""
        now = self.schedule.now_ns
        for holding in self.account.holdings():
            self.account.mark(holding.contract, self.market.quote(holding.contract, now).last, now)

    def equity_e8(self) -> int:
        """Return cash plus positions at their marks, in the account's currency."""
        total = 0
        for currency, book in self.account.books.items():
            value = book.valuation()
            total += self.in_own(value.cash + (value.positions or 0), currency)
        return total

    def gross_e8(self) -> int:
        """Return what all positions are worth, long and short added."""
        return sum(self.in_own(self.account.gross_e8(currency), currency) for currency in self.account.books)

    def initial_e8(self) -> int:
        """Return the initial requirement of the positions."""
        return self.gross_e8() * 100 // self.config.leverage_percent

    def reserve(self, order: Order) -> int:
        """Return the initial requirement of what an order would open, e8."""
        closing = max(0, -order.side * self.account.position(order.contract))
        opening = max(0, order.left - closing)
        if opening == 0:
            return 0
        worth = self.account.notional(order.contract, opening, self._worst(order))
        return self.in_own(worth, order.contract.currency) * 100 // self.config.leverage_percent

    def _worst(self, order: Order) -> int:
        if order.limit > 0 and order.kind != "TRAIL LIMIT" and order.side > 0:
            return order.limit
        return max(order.stop if order.side > 0 else 0, self.last(order.contract))

    def last(self, contract: Contract) -> int:
        """Return a contract's last price."""
        return self.market.quote(contract, self.schedule.now_ns).last

    def affords(self, reserve_e8: int) -> bool:
        """Say whether the account can open this much more."""
        return reserve_e8 == 0 or self.initial_e8() + self.reserved_e8 + reserve_e8 <= self.equity_e8()

    def refusal(self, order: Order) -> Refusal:
        """Return the words for an order that is not affordable."""
        need = money_text(self.initial_e8() + self.reserved_e8 + self.reserve(order))
        have = money_text(self.equity_e8())
        return Refusal(
            201, f"Order rejected - reason:Equity with loan value {have} {self.config.currency} is below the initial margin "
            f"{need} {self.config.currency} that the position would need.",
        )  # fmt: skip

    def preview(self, order: Order) -> Values:
        """Return the margin fields of a what-if."""
        self.mark_all()
        equity, before, added = self.equity_e8(), self.initial_e8(), self.reserve(order)
        price = order.limit if order.limit > 0 else self.last(order.contract)
        fee = self.account.next_fee(order.contract, None, order.side, order.lots, price)
        maint, more = self.maintenance_e8(), added * self.config.leverage_percent * MAINTENANCE_PERCENT // 10_000
        texts = {
            "initMarginBefore": before, "initMarginChange": added, "initMarginAfter": before + added,
            "maintMarginBefore": maint, "maintMarginChange": more, "maintMarginAfter": maint + more,
            "equityWithLoanBefore": equity, "equityWithLoanChange": -fee, "equityWithLoanAfter": equity - fee,
        }  # fmt: skip
        return {
            **{name: money_text(amount) for name, amount in texts.items()},
            "commission": money_text(fee), "commissionCurrency": order.contract.currency,
        }  # fmt: skip

    def maintenance_e8(self) -> int:
        """Return the maintenance requirement of the positions."""
        return self.gross_e8() * MAINTENANCE_PERCENT // 100

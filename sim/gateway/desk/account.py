"""The account: the same exact book that a backtest keeps, one for each currency.

Theory of operation. Every execution of the desk is applied to a `ledger` book as a FILL and every
commission as a COMMISSION, so cash, positions, lots and realized profit are those of
the core and nothing is summed a second time. A book holds one currency; a contract
priced in another currency has a book of its own, which begins empty and may owe. Lots
are averaged, as the broker shows its costs. The only figure kept beside the book is
which part of the fees belongs to open positions; tests hold it against the core's own
sharing of fees. Positions are valued at marks that the desk sets from quotes.
"""

from __future__ import annotations

from typing import NamedTuple

from ledger.book import I_MARK, I_OPEN_COST, I_POSITION, I_REALIZED, I_VALUE, Book, Capacity, event
from ledger.core import apply
from ledger.kernels.fees import fee_shares
from ledger.units import MONEY_EXP, money, muldiv, try_muldiv
from ledger.vocabulary import EventKind, Limit, Method, Outcome
from sim.costs import NOTHING, ZERO, Charged, CostModel, next_fill_commission, parse
from sim.gateway.core.config import Config
from sim.gateway.desk.amounts import LOT, QTY_EXP
from sim.gateway.desk.contracts import Contract

OPTION_COSTS = ZERO._replace(tier_rates_e8=(65_000_000,) * 5, minimum_e8=100_000_000, minimum_fraction_e8=100_000_000)
FUTURE_COSTS = ZERO._replace(tier_rates_e8=(225_000_000,) * 5)
FOREX_COSTS = ZERO._replace(rate_e8=2_000, minimum_e8=200_000_000, minimum_fraction_e8=200_000_000)
"""IBKR's list prices: 0.65 an option with a minimum of 1.00; 2.25 a future; 0.2 basis points with a minimum of 2.00."""


class Holding(NamedTuple):
    """A position as the broker shows it; money at 1e-8 of the contract's currency."""

    contract: Contract
    lots: int
    average_cost_e8: int
    value_e8: int
    unrealized_e8: int
    realized_e8: int
    mark: int


class Filled(NamedTuple):
    """What an execution did; realized_e8 is None when it closed nothing."""

    fee_e8: int
    realized_e8: int | None


class Account:
    """Books by currency."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.costs = parse(config.commission)
        self.books: dict[str, Book] = {}
        self.numbers: dict[int, tuple[str, int]] = {}
        self.contracts: dict[int, Contract] = {}
        self._open_fees: dict[int, int] = {}
        self._executions: dict[str, tuple[int, int]] = {}
        self.realized_e8: dict[int, int] = {}
        self.book(config.currency)
        self.record(config.currency, EventKind.DEPOSIT, time_ns=config.start_ns, cash_e8=money(config.cash))

    def book(self, currency: str) -> Book:
        """Return the book of a currency; it begins empty."""
        known = self.books.get(currency)
        if known is None:
            known = self.books[currency] = Book(method=Method.AVERAGE, capacity=Capacity(orders=16))
            self.record(currency, EventKind.LIMIT, reason=Limit.ALLOW_SHORT, cash_e8=1)
        return known

    def record(self, currency: str, kind: EventKind, **columns: int) -> None:
        """Apply a fact.

        Raises:
            RuntimeError: the book refused it, which is a bug of the desk.
        """
        outcome = apply(self.book(currency), event(kind, **columns))
        if outcome not in (Outcome.APPLIED, Outcome.SUPERSEDED):
            raise RuntimeError(f"the account's book answered {Outcome(outcome).name} to {kind.name} {columns}")

    def _number(self, contract: Contract) -> tuple[str, int]:
        known = self.numbers.get(contract.con_id)
        if known is None:
            book = self.book(contract.currency)
            known = self.numbers[contract.con_id] = (contract.currency, len(book.instruments))
            self.contracts[contract.con_id] = contract
            self.record(
                contract.currency, EventKind.INSTRUMENT, instrument=known[1], revision=contract.price_exp, order_type=QTY_EXP,
                price_ticks=contract.step, qty_lots=1, target_lots=contract.multiplier,
            )  # fmt: skip
        return known

    def cost_model(self, contract: Contract) -> CostModel:
        """Return what trading a contract costs."""
        if contract.sec_type == "STK":
            return self.costs
        return {"OPT": OPTION_COSTS, "FUT": FUTURE_COSTS, "CASH": FOREX_COSTS}.get(contract.sec_type, self.costs)

    def notional(self, contract: Contract, lots: int, price: int) -> int:
        """Return the worth of a quantity at a price, e8, rounded half-even once; the desk has bounded both."""
        worth, finer = price * contract.multiplier * lots, contract.price_exp + QTY_EXP - MONEY_EXP
        return try_muldiv(worth, 1, 10**finer) if finer > 0 else worth * 10**-finer

    def next_fee(self, contract: Contract, charged: Charged | None, side: int, lots: int, price: int) -> int:
        """Return the commission of an order's next fill, e8."""
        value = self.notional(contract, lots, price)
        return int(next_fill_commission(self.cost_model(contract), charged or NOTHING, side, lots, price, value, LOT))

    def fill(self, contract: Contract, side: int, lots: int, price: int, time_ns: int, exec_id: str, revision: int) -> None:
        """Book an execution, or a correction of one (higher revision; 0 lots take it back)."""
        currency, number = self._number(contract)
        known = self._executions.get(exec_id)
        if known is None:
            known = self._executions[exec_id] = (number, len(self._executions) + 1)
        self.record(
            currency, EventKind.FILL, time_ns=time_ns, instrument=number, side=side, qty_lots=lots, price_ticks=price,
            exec_id=known[1], revision=revision,
        )  # fmt: skip
        if int(self.books[currency].instruments[number, I_MARK]) == 0:
            self.mark(contract, price, time_ns)

    def trade(self, contract: Contract, side: int, lots: int, price: int, time_ns: int, exec_id: str, fee_e8: int) -> Filled:
        """Book a new execution with its commission; return what it cost and realized, after all fees that belong to it."""
        currency, number = self._number(contract)
        book = self.books[currency]
        before = int(book.instruments[number, I_POSITION])
        realized = int(book.instruments[number, I_REALIZED])
        self.fill(contract, side, lots, price, time_ns, exec_id, 1)
        self.record(currency, EventKind.COMMISSION, exec_id=self._executions[exec_id][1], fee_e8=fee_e8)
        gained = int(book.instruments[number, I_REALIZED]) - realized
        return Filled(fee_e8, self._share_fee(contract.con_id, side, lots, before, fee_e8, gained))

    def _share_fee(self, con_id: int, side: int, lots: int, before: int, fee_e8: int, gained: int) -> int | None:
        """Move fees between open and closed; return the realized profit after fees, None when nothing was closed."""
        closed = min(lots, max(0, -side * before))
        held = self._open_fees.get(con_id, 0)
        if closed == 0:
            self._open_fees[con_id] = held + fee_e8
            return None
        released = int(muldiv(held, closed, abs(before)))
        closing = int(muldiv(fee_e8, closed, lots))
        self._open_fees[con_id] = held - released + fee_e8 - closing
        net = gained - released - closing
        self.realized_e8[con_id] = self.realized_e8.get(con_id, 0) + net
        return net

    def recount(self, contract: Contract) -> None:
        """Share the fees of a contract anew, as the core does; needed after a correction changed what was booked before."""
        currency, number = self._number(contract)
        book = self.books[currency]
        opened, closed, waiting = fee_shares(book.arena, number)
        self._open_fees[contract.con_id] = int(waiting.sum())
        realized = int(book.instruments[number, I_REALIZED]) - int(opened.sum()) - int(closed.sum())
        self.realized_e8[contract.con_id] = realized

    def mark(self, contract: Contract, price: int, time_ns: int) -> None:
        """Value a contract at a price."""
        currency, number = self._number(contract)
        if int(self.books[currency].instruments[number, I_MARK]) != price:
            self.record(currency, EventKind.MARK, time_ns=time_ns, instrument=number, price_ticks=max(1, price))

    def position(self, contract: Contract) -> int:
        """Return the position in lots."""
        known = self.numbers.get(contract.con_id)
        return int(self.books[known[0]].instruments[known[1], I_POSITION]) if known else 0

    def holding(self, contract: Contract) -> Holding:
        """Return a position as the broker shows it."""
        currency, number = self._number(contract)
        row = self.books[currency].instruments[number]
        lots = int(row[I_POSITION])
        cost = int(row[I_OPEN_COST]) + self._open_fees.get(contract.con_id, 0)
        average = int(muldiv(abs(cost), LOT, abs(lots))) if lots else 0
        value = int(row[I_VALUE])
        realized = self.realized_e8.get(contract.con_id, 0)
        return Holding(contract, lots, average, value, value - cost if lots else 0, realized, int(row[I_MARK]))

    def holdings(self, closed: bool = False) -> list[Holding]:
        """Return the positions that are open; with `closed` also those that were."""
        found = [self.holding(contract) for contract in list(self.contracts.values())]
        return [holding for holding in found if holding.lots or closed]

    def gross_e8(self, currency: str) -> int:
        """Return what all positions of a currency are worth, long and short added, e8."""
        return int(abs(self.book(currency).instruments[:, I_VALUE]).sum())

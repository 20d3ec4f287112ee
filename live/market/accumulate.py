"""Once-a-day purchases: a rule buys a little each trading day, and whether it has run stands in the book.

Theory of operation. The key of such an order is made of the rule and the day alone: accumulator,
instrument, day, place of the rule. The gate knows every key for ever, so a fresh runner, a second
attempt or a crash between two lines cannot buy twice in a day, and nothing beside the book
has to be remembered. An order that was claimed is the day's, whatever became of it; one that
the gate refused is tried again, because nothing was bought. What is bought belongs to the
accumulator and to no strategy, which neither sells it nor counts it as its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, time
from zoneinfo import ZoneInfo

from ledger.book import (
    E_FEE,
    E_FLAGS,
    E_PRICE,
    E_TARGET,
    I_DIVIDE,
    I_MARK,
    I_MULTIPLY,
    I_POSITION,
    I_STEP,
    I_WORKING,
    event,
)
from ledger.keys import make
from ledger.vocabulary import EventKind, OrderFlag, Outcome, Purpose
from live.broker.fold import Contract
from live.config import Accumulate
from live.market.holdings import order_of
from live.market.prices import worst
from live.market.wishes import FeeOf
from live.trader import Trader
from strategies.sizing import Size, full_lots, parse_rule

ACCUMULATOR = 500
"""The strategy id in keys of accumulating orders; strategies are numbered from 1."""
ONE_E6 = 1_000_000
AGAIN_NS = 300 * 10**9
"""How long after a refusal a rule is tried again."""


class Accumulator:
    """The rules of a session."""

    def __init__(self, rules: Sequence[Accumulate], fee_of: FeeOf, zone: ZoneInfo, say: Callable[[str], None]) -> None:
        self._rules, self._fee_of, self._zone, self._say = tuple(rules), fee_of, zone, say
        self._sizes: list[Size] = [parse_rule(rule.size).size(1) for rule in self._rules]
        self._at = [time.fromisoformat(rule.at) for rule in self._rules]
        self._next_ns = [0] * len(self._rules)

    def step(self, trader: Trader, contract: Contract, price_ticks: int, now_ns: int) -> None:
        """Run the rules of an instrument that are due; the market is open and the link is READY.

        Args:
            price_ticks: the last price, 0 when none is known.
        """
        for place, rule in enumerate(self._rules):
            if rule.symbol == contract.symbol and price_ticks > 0 and now_ns >= self._next_ns[place]:
                self._run(trader, contract, place, price_ticks, now_ns)

    def key(self, contract: Contract, place: int, now_ns: int) -> int:
        """Return the key of a rule's order of the day that a moment is on."""
        day = datetime.fromtimestamp(now_ns // 10**9, self._zone).date()
        midnight = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())
        return make(ACCUMULATOR, contract.number, Purpose.ACCUMULATE, midnight, place)

    def _run(self, trader: Trader, contract: Contract, place: int, price_ticks: int, now_ns: int) -> None:
        book, key = trader.session.book, self.key(contract, place, now_ns)
        here = datetime.fromtimestamp(now_ns // 10**9, self._zone).time()
        row = book.instruments[contract.number]
        if here < self._at[place] or order_of(book, key) is not None or row[I_MARK] == 0:
            return
        numbers = (price_ticks, int(row[I_MULTIPLY]), int(row[I_DIVIDE]), int(row[I_STEP]))
        lots = int(full_lots(self._sizes[place], 0, ONE_E6, 0, 0, *numbers))
        self._next_ns[place] = now_ns + AGAIN_NS
        if lots <= 0:
            self._say(f"ACCUMULATE: {contract.symbol}: {self._rules[place].size} buys less than one share now")
            return
        line = event(EventKind.SIGNAL, time_ns=now_ns, instrument=contract.number, key=key)
        line[E_FLAGS], line[E_PRICE] = OrderFlag.PYRAMID, worst(price_ticks, 1)
        line[E_TARGET] = int(row[I_POSITION] + row[I_WORKING]) + lots
        line[E_FEE] = self._fee_of(contract.number, 1, lots, int(line[E_PRICE]))
        outcome = trader.on_wish(line)
        if outcome != Outcome.APPLIED:
            self._say(f"ACCUMULATE: {contract.symbol}: refused: {outcome.name}; tried again in {AGAIN_NS // 10**9} s")

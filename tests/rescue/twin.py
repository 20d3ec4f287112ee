"""FIFO in Decimal, the slow obvious way: what the rescue's figures are held against. It shares nothing with `ledger`."""

from __future__ import annotations

from collections import defaultdict, deque
from decimal import Decimal
from typing import NamedTuple


class Deal(NamedTuple):
    """A trade as somebody would write it down; side is BUY, SELL, SELL_SHORT or BUY_TO_COVER."""

    time: str
    side: str
    symbol: str
    qty: Decimal
    price: Decimal
    fee: Decimal = Decimal(0)

    @property
    def sign(self) -> int:
        return 1 if self.side.startswith("BUY") else -1


class Closed(NamedTuple):
    """What a deal closed: profit before fees, and the quantity that found no lot."""

    profit: Decimal
    quantity: Decimal
    missing: Decimal


def fifo(deals: list[Deal], may_short: bool = False) -> tuple[list[Closed], dict[str, deque]]:
    """Return what each deal closed, and the open lots (sign x quantity, price) of each symbol."""
    lots: dict[str, deque] = defaultdict(deque)
    results = []
    for deal in deals:
        queue, left, profit, closed = lots[deal.symbol], deal.qty, Decimal(0), Decimal(0)
        while left and queue and queue[0][0] * deal.sign < 0:
            held, price = queue[0]
            part = min(left, abs(held))
            profit += part * (deal.price - price) * -deal.sign
            left, closed = left - part, closed + part
            queue[0] = (held + part * deal.sign, price)
            if not queue[0][0]:
                queue.popleft()
        shorts = may_short or deal.side in ("SELL_SHORT", "BUY_TO_COVER")
        if left and (deal.sign > 0 or shorts):
            queue.append((left * deal.sign, deal.price))
            left = Decimal(0)
        results.append(Closed(profit, closed, left if deal.sign < 0 else Decimal(0)))
    return results, lots

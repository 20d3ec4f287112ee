"""What most bots do: look at a position, wait a little, buy. The control group of the disasters."""

from __future__ import annotations

import asyncio
from typing import Any

import ib_async


class Naive:
    """A bot with a guard in memory; `memory` is what it believes it has bought."""

    def __init__(self, ib: Any, memory: set[str] | None = None) -> None:
        self.ib, self.memory = ib, set() if memory is None else memory

    async def want(self, symbol: str, pause: float = 0.01) -> None:
        """Buy ten unless something says that they are there."""
        held = any(held.contract.symbol == symbol for held in self.ib.positions())
        if held or symbol in self.memory:
            return
        await asyncio.sleep(pause)  # a quote, a model, a slow write
        self.ib.placeOrder(ib_async.Stock(symbol, "SMART", "USD"), ib_async.MarketOrder("BUY", 10))
        self.memory.add(symbol)

"""Guards of one process that were meant to stop a second buy, and do not.

Theory of operation. Each function is one life of a bot: it makes its memory, loads what
it loads, and handles a burst of signals. The hole is in its docstring. Everything else
is done right, so that nothing but the hole can be found.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

from sim.fuzz.ports import Busy, Desk, Rejected

QTY = 100


async def no_lock(desk: Desk, symbols: list[str]) -> None:
    """Eight tasks look at positions, wait for a price, and each buys: nothing holds the look and the order together."""
    positions = await desk.database.all("position")

    async def handle(symbol: str) -> None:
        if symbol not in positions:
            await desk.quote(symbol)
            await desk.broker.place(symbol, QTY)
            positions[symbol] = QTY
            await desk.database.put("position", symbol, QTY)

    await desk.burst(handle, symbols)


async def check_outside_lock(desk: Desk, symbols: list[str]) -> None:
    """There is a lock, but the look happens before it."""
    positions, lock = await desk.database.all("position"), asyncio.Lock()

    async def handle(symbol: str) -> None:
        if symbol in positions:
            return
        async with lock:
            await desk.broker.place(symbol, QTY)
            positions[symbol] = QTY
            await desk.database.put("position", symbol, QTY)

    await desk.burst(handle, symbols)


async def fresh_lock(desk: Desk, symbols: list[str]) -> None:
    """The lock belongs to a runner, and every signal makes a new runner."""
    positions = await desk.database.all("position")

    class Runner:
        def __init__(self) -> None:
            self.lock = asyncio.Lock()

        async def buy(self, symbol: str) -> None:
            async with self.lock:
                if symbol not in positions:
                    await desk.broker.place(symbol, QTY)
                    positions[symbol] = QTY
                    await desk.database.put("position", symbol, QTY)

    await desk.burst(lambda symbol: Runner().buy(symbol), symbols)


async def set_per_runner(desk: Desk, symbols: list[str]) -> None:
    """The set of bought symbols lives in a runner; the next cycle makes a new one before the last one's rows are written."""

    class Runner:
        def __init__(self, positions: dict[str, int]) -> None:
            self.bought = set(positions)

        async def buy(self, symbol: str) -> None:
            if symbol not in self.bought:
                self.bought.add(symbol)
                await desk.broker.place(symbol, QTY)
                await desk.database.put("position", symbol, QTY)

    async def cycle() -> None:
        runner = Runner(await desk.database.all("position"))
        await desk.burst(runner.buy, symbols)

    first = asyncio.create_task(cycle())
    await asyncio.sleep(5)
    await cycle()
    await first


async def cycle_set(desk: Desk, symbols: list[str]) -> None:
    """What was sent is remembered for a cycle; a cycle that takes too long is left behind and its set is cleared."""
    positions = await desk.database.all("position")
    sent: set[str] = set()

    async def handle(symbol: str) -> None:
        if symbol not in positions and symbol not in sent:
            sent.add(symbol)
            await desk.broker.place(symbol, QTY)
            positions[symbol] = QTY
            await desk.database.put("position", symbol, QTY)

    first = asyncio.create_task(desk.burst(handle, symbols))
    await asyncio.wait([first], timeout=5)
    sent.clear()
    await desk.burst(handle, symbols)
    await first


async def lagging_database(desk: Desk, symbols: list[str]) -> None:
    """The mark `pending` is cleared when the order is out, and the row it stands for is written in the background."""
    pending: set[str] = set()
    writes: list[asyncio.Task[None]] = []

    async def handle(symbol: str) -> None:
        if symbol in pending:
            return
        pending.add(symbol)
        if await desk.database.get("position", symbol) is None:
            await desk.broker.place(symbol, QTY)
            writes.append(asyncio.create_task(desk.database.put("position", symbol, QTY)))
        pending.discard(symbol)

    await desk.burst(handle, symbols)
    await asyncio.gather(*writes)


async def stale_snapshot(desk: Desk, symbols: list[str]) -> None:
    """Positions are asked for at the start of a long way, and used at its end."""
    pending: set[str] = set()

    async def handle(symbol: str) -> None:
        held = await desk.broker.positions()
        for _ in range(3):
            await desk.quote(symbol)
        if symbol in held or symbol in pending:
            return
        pending.add(symbol)
        number = await desk.broker.place(symbol, QTY)
        while any(order.number == number for order in await desk.broker.open_orders()):
            await asyncio.sleep(1)
        pending.discard(symbol)

    await desk.burst(handle, symbols)


async def retry_after_reject(desk: Desk, symbols: list[str]) -> None:
    """A rejected order is sent again after a pause, without looking again."""
    positions, pending = await desk.database.all("position"), set[str]()

    async def again(symbol: str) -> bool:
        try:
            await desk.broker.place(symbol, QTY)
        except Rejected:
            return False
        return True

    async def handle(symbol: str) -> None:
        if symbol in positions or symbol in pending:
            return
        pending.add(symbol)
        try:
            await desk.broker.place(symbol, QTY)
        except Rejected:
            pending.discard(symbol)
            await desk.quote(symbol)
            if not await again(symbol):
                return
        positions[symbol] = QTY
        pending.discard(symbol)
        await desk.database.put("position", symbol, QTY)

    await desk.burst(handle, symbols)


async def resend_on_timeout(desk: Desk, symbols: list[str]) -> None:
    """No answer within ten seconds is taken for no order."""
    seen: set[str] = set()

    async def handle(symbol: str) -> None:
        if symbol in seen:
            return
        seen.add(symbol)
        for _ in range(2):
            try:
                async with asyncio.timeout(10):
                    await desk.broker.place(symbol, QTY)
                    return
            except TimeoutError:
                continue

    await desk.burst(handle, symbols)


async def pending_expires(desk: Desk, symbols: list[str]) -> None:
    """A pending mark older than thirty seconds is taken for one that somebody forgot."""
    positions: set[str] = set(await desk.database.all("position"))
    pending: dict[str, int] = {}

    async def handle(symbol: str) -> None:
        now = desk.world.now_ns()
        if symbol in positions or now - pending.get(symbol, -(10**18)) < 30 * 10**9:
            return
        pending[symbol] = now
        await desk.broker.place(symbol, QTY)
        positions.add(symbol)
        del pending[symbol]

    first = asyncio.create_task(desk.burst(handle, symbols))
    await asyncio.sleep(31)
    await desk.burst(handle, symbols)
    await first


async def cancel_releases(desk: Desk, symbols: list[str]) -> None:
    """A cancelled task takes its mark back in `finally`, while its order is on the wire."""
    pending: set[str] = set()

    async def handle(symbol: str) -> None:
        if symbol in pending:
            return
        pending.add(symbol)
        done = False
        try:
            await desk.broker.place(symbol, QTY)
            done = True
        finally:
            if not done:
                pending.discard(symbol)

    await desk.burst(handle, symbols)


async def busy_swallowed(desk: Desk, symbols: list[str]) -> None:
    """A locked database is logged and forgotten; the row that would have stopped the next signal is missing."""
    lock = asyncio.Lock()

    async def handle(symbol: str) -> None:
        async with lock:
            if await desk.database.get("position", symbol) is not None:
                return
            with suppress(Busy):
                await desk.database.put("position", symbol, QTY)
            await desk.broker.place(symbol, QTY)

    await desk.burst(handle, symbols)


async def cash_check(desk: Desk, symbols: list[str]) -> None:
    """Every order is checked against the cash that is there now, and none against the orders under way."""
    pending: set[str] = set()

    async def handle(symbol: str) -> None:
        if symbol in pending:
            return
        pending.add(symbol)
        if await desk.broker.cash_left() >= QTY * desk.broker.price:
            await desk.broker.place(symbol, QTY)

    await desk.burst(handle, symbols)


async def sell_twice(desk: Desk, symbols: list[str]) -> None:
    """Stop loss and take profit each see the whole position and each sell it."""
    held = await desk.broker.positions()

    async def handle(symbol: str) -> None:
        if held.get(symbol, 0) > 0:
            await desk.quote(symbol)
            await desk.broker.place(symbol, held[symbol], side=-1)
            held[symbol] = 0

    await desk.burst(handle, symbols)

"""Guards that fail over crashes, second processes and what the broker repeats.

Theory of operation. As in `buying`: one function is one life, the hole is in its docstring.
"""

from __future__ import annotations

import asyncio

from sim.fuzz.ports import Busy, Desk, Fill

QTY = 100
LEASE_NS = 30 * 10**9


async def positions_not_loaded(desk: Desk, symbols: list[str]) -> None:
    """Lock and memory are right, and a restart begins with `positions = {}`."""
    positions: dict[str, int] = {}
    lock = asyncio.Lock()

    async def handle(symbol: str) -> None:
        async with lock:
            if symbol not in positions:
                positions[symbol] = QTY
                await desk.database.put("position", symbol, QTY)
                await desk.broker.place(symbol, QTY)

    await desk.burst(handle, symbols)


async def send_then_record(desk: Desk, symbols: list[str]) -> None:
    """The order is sent before it is written down; a crash in between forgets it."""
    lock, positions = asyncio.Lock(), await desk.database.all("position")

    async def handle(symbol: str) -> None:
        async with lock:
            if symbol not in positions:
                await desk.broker.place(symbol, QTY)
                positions[symbol] = QTY
                await desk.database.put("position", symbol, QTY)

    await desk.burst(handle, symbols)


async def two_processes(desk: Desk, symbols: list[str]) -> None:
    """Everything is right within one process, and nothing keeps a second one from starting."""
    lock, positions = asyncio.Lock(), await desk.database.all("position")

    async def handle(symbol: str) -> None:
        async with lock:
            if symbol not in positions:
                positions[symbol] = QTY
                await desk.database.put("position", symbol, QTY)
                await desk.broker.place(symbol, QTY)

    await desk.burst(handle, symbols)


async def lease_without_fence(desk: Desk, symbols: list[str]) -> None:
    """A lease row says who trades; one whose lease ran out while it waited still trades, beside its successor."""
    me = desk.world.here().letter

    def take(row: dict[str, object] | None) -> dict[str, object]:
        free = row is None or row["owner"] == me or int(str(row["until"])) <= desk.world.now_ns()
        return {"owner": me, "until": desk.world.now_ns() + LEASE_NS} if free or row is None else row

    async def handle(symbol: str) -> None:
        if await desk.database.get("position", symbol) is None:
            await desk.quote(symbol)
            await desk.broker.place(symbol, QTY)
            await desk.database.put("position", symbol, QTY)

    for _ in range(3):
        if (await desk.database.change("lease", 1, take))["owner"] == me:
            for symbol in dict.fromkeys(symbols):
                await handle(symbol)
            return
        await asyncio.sleep(31)


async def claiming(desk: Desk, symbols: list[str]) -> None:
    """The new build: a claim with a unique key in the database before each order, which also holds between processes."""

    async def handle(symbol: str) -> None:
        if await desk.database.add("claim", symbol):
            await desk.broker.place(symbol, QTY)

    await desk.burst(handle, symbols)


async def before_claims(desk: Desk, symbols: list[str]) -> None:
    """The old build beside it: it knows no claims."""
    bought: set[str] = set()

    async def handle(symbol: str) -> None:
        if symbol not in bought:
            bought.add(symbol)
            await desk.broker.place(symbol, QTY)

    await desk.burst(handle, symbols)


async def power_forgets(desk: Desk, symbols: list[str]) -> None:
    """The claim is right and committed, in a database that runs with synchronous=NORMAL: a power cut takes it back."""
    await claiming(desk, symbols)


async def fills_counted_twice(desk: Desk, symbols: list[str]) -> None:
    """Every report of a fill is added to the position; brokers repeat them."""
    held = desk.database.rows("book")

    def on_fill(fill: Fill) -> None:
        held[fill.symbol] = held.get(fill.symbol, 0) + fill.side * fill.qty

    desk.broker.on_fill(on_fill)
    await _buy_once(desk, symbols)


async def correction_is_a_fill(desk: Desk, symbols: list[str]) -> None:
    """Execution ids are remembered whole: a correction has another revision, and so looks like another fill."""
    held, seen = desk.database.rows("book"), desk.database.rows("execution")

    def on_fill(fill: Fill) -> None:
        if fill.exec_id not in seen:
            seen[fill.exec_id] = True
            held[fill.symbol] = held.get(fill.symbol, 0) + fill.side * fill.qty

    desk.broker.on_fill(on_fill)
    await _buy_once(desk, symbols)


async def executions_in_memory(desk: Desk, symbols: list[str]) -> None:
    """Seen execution ids are kept in memory; after a restart the broker's list is booked again."""
    held, seen = desk.database.rows("book"), set[str]()

    def on_fill(fill: Fill) -> None:
        if fill.base not in seen:
            seen.add(fill.base)
            held[fill.symbol] = held.get(fill.symbol, 0) + fill.side * fill.qty

    desk.broker.on_fill(on_fill)
    for fill in await desk.broker.executions():
        on_fill(fill)
    await _buy_once(desk, symbols)
    for fill in await desk.broker.executions():
        on_fill(fill)


async def last_report_wins(desk: Desk, symbols: list[str]) -> None:
    """The position is set to what the last report says; a report that was overtaken sets it back."""
    held = desk.database.rows("book")
    filled: dict[int, int] = {}

    def on_fill(fill: Fill) -> None:
        number = int(fill.base.rpartition("-")[2])
        filled[fill.order] = fill.qty if number == 0 else QTY
        held[fill.symbol] = filled[fill.order]

    desk.broker.on_fill(on_fill)
    await _buy_once(desk, symbols)


async def partial_is_resent(desk: Desk, symbols: list[str]) -> None:
    """A first fill of less than was ordered is answered with an order for the rest, which still works."""
    resent: list[asyncio.Task[int]] = []
    seen: set[int] = set()

    def on_fill(fill: Fill) -> None:
        if fill.order not in seen and fill.qty < QTY and not fill.ref:
            resent.append(asyncio.create_task(desk.broker.place(fill.symbol, QTY - fill.qty, ref="rest")))
        seen.add(fill.order)

    desk.broker.on_fill(on_fill)
    await _buy_once(desk, symbols)
    await asyncio.gather(*resent)


async def _buy_once(desk: Desk, symbols: list[str]) -> None:
    """Buy each symbol once, with a durable claim; wait until nothing works any more."""

    async def handle(symbol: str) -> None:
        for _ in range(3):
            try:
                if await desk.database.add("claim", symbol):
                    await desk.broker.place(symbol, QTY)
                return
            except Busy:
                continue

    await desk.burst(handle, symbols)
    await asyncio.sleep(1)
    while await desk.broker.open_orders():
        await asyncio.sleep(1)

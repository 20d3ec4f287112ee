"""A paper day in seconds: the unmodified runner, real ib_async, and the simulated gateway, in one process on virtual time.

Theory of operation. Prices are the simulated gateway's own for a seed, a day of minutes. The backtest gets them as
bars; the gateway gets the same bars and makes seconds, quotes and fills of them, so whatever differs in
the end was made by trading: other moments, the other side of the quote, a limit of the live account. Everything is
labelled SIMULATED; nothing is sent anywhere.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

SYMBOLS = ("AAPL", "MSFT")
STRATEGY, PARAMS, SIZE, CASH = "sma_cross", {"fast": 8, "slow": 30}, "percent:40", "100000"
MINUTES = 390
ORDERS_A_DAY = 24
"""Orders of the whole account: enough for most of the day, so that the gate has something to refuse."""
MINUTE_NS = 60 * 10**9


def start_ns() -> int:
    """Return the open of the demo's day: Monday 2026-03-02 09:30 in New York."""
    from sim.gateway.core.config import DEFAULT_START_NS

    return DEFAULT_START_NS


def histories(seed: int) -> list[Any]:
    """Return one session of one-minute bars for each symbol, by the simulated gateway's model of prices."""
    from sim.gateway.core.config import Config
    from sim.gateway.core.gateway import Gateway
    from sim.gateway.feed.history import Span, bars

    gateway = Gateway(Config(seed=seed, always_open=False))
    market, end = gateway.desk.market, start_ns() + MINUTES * MINUTE_NS
    found = []
    for symbol in SYMBOLS:
        contract = next(one for one in gateway.desk.catalogue.all() if one.symbol == symbol and one.sec_type == "STK")
        found.append(_history(symbol, contract, bars(market, contract, end, Span(sessions=1), 60, True) or []))
    return found


def _history(symbol: str, contract: Any, timed: list[Any]) -> Any:
    """Return bars of the gateway as a history in ten thousandths."""
    import numpy as np

    from sim.data import History

    table = np.array([(one.time_ns, *one.bar) for one in timed], np.int64)
    start, prices = table[:, 0], table[:, 1:5] * 10 ** (4 - contract.price_exp)
    day = np.full(len(table), 719_163 + start_ns() // 86_400 // 10**9, np.int64)
    opened, high, low, close = (np.ascontiguousarray(column) for column in prices.T)
    volume, sha256 = np.ascontiguousarray(table[:, 5]), hashlib.sha256(table.astype("<i8").tobytes()).hexdigest()
    return History(
        symbol, "simulated", "1m", "America/New_York", 4, np.ascontiguousarray(start), start + MINUTE_NS, day, opened, high, low,
        close, volume, np.ones(len(table)), (), (), sha256,
    )  # fmt: skip


def backtest(bars: list[Any], book: Path) -> int:
    """Run the day as a backtest, store it and return its session."""
    from sim.run import Setting, configuration, simulate, store
    from strategies import get
    from strategies.api import parse_params

    chosen = get(STRATEGY)
    setting = Setting(cash=CASH, size=SIZE, commission="ibkr-fixed")
    sim = simulate(bars, chosen, parse_params(chosen, [f"{name}={value}" for name, value in PARAMS.items()]), setting)
    return store(sim, book, configuration(sim, "simulated minutes", "adjusted"))


def paper(bars: list[Any], book: Path, seed: int, say: Callable[[str], None]) -> int:
    """Live through the day on paper, end the session and return it."""
    import msgspec

    from ledger.journal import Journal
    from live.config import PaperConfig, RiskLimits, Timeouts

    config = PaperConfig(
        strategy=STRATEGY, symbols=SYMBOLS, params=dict(PARAMS), bar="1m", size=SIZE, cash=CASH, host="127.0.0.1", port=4002,
        account=ACCOUNT, book=str(book), limits=msgspec.structs.replace(RiskLimits(), orders_per_day=ORDERS_A_DAY),
        timeouts=Timeouts(tick=20.0, code_check_every=10**6, state_every=10**6, heartbeat_every=3600.0, reconcile_every=7200.0),
    )  # fmt: skip
    _alone(_live, config, bars, seed, say)
    with Journal.open(book) as journal:
        session = [info.id for info in journal.sessions() if info.kind == "paper"][-1]
        journal.resume(session).end()
    return session


ACCOUNT = "DU9000001"


def _alone(function: Callable[..., None], *words: Any) -> None:
    """Call a function that runs a loop of its own; in a notebook, whose thread has a loop already, on another thread."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        function(*words)
        return
    with ThreadPoolExecutor(1) as other:
        other.submit(function, *words).result()


def _live(config: Any, bars: list[Any], seed: int, say: Callable[[str], None]) -> None:
    """Run gateway and runner on one virtual loop until the session has closed."""
    from cli.demo.clock import virtual
    from live.clock import LoopClock
    from live.runner import Runner
    from sim import costs
    from sim.gateway.core.config import Config
    from sim.gateway.core.gateway import Gateway
    from sim.gateway.feed.files import load_files
    from sim.gateway.transport.host import Host
    from sim.gateway.transport.simloop import SimLoop

    model = costs.parse("ibkr-fixed")

    def fee_of(_instrument: int, side: int, qty_lots: int, price_ticks: int) -> int:
        return int(costs.commission(model, side, qty_lots, price_ticks, qty_lots * price_ticks, 10_000))

    begin = start_ns() - MINUTE_NS
    files, loop = load_files(bars), SimLoop()
    asyncio.set_event_loop(loop)
    gateway = Gateway(
        Config(seed=seed, account=ACCOUNT, cash=CASH, start_ns=begin, always_open=False), None, None, files.extra, files.real
    )
    host = Host(gateway, loop)
    loop.listen("127.0.0.1", 4002, host.protocol)

    async def story() -> None:
        runner = Runner(config, "127.0.0.1", 4002, fee_of, say, clock=LoopClock(begin), simulated=True)
        task = asyncio.create_task(runner.run())
        await asyncio.sleep((MINUTES + 1) * 60 + 8.5)
        runner.stop()
        await task
        await asyncio.sleep(1)

    told = logging.getLogger("ib_async")  # it repeats in the log what the runner hears and the journal keeps
    level = told.level
    told.setLevel(logging.CRITICAL)
    try:
        with virtual(loop, begin):
            loop.run_until_complete(story())
    finally:
        told.setLevel(level)
        host.stop()
        loop.close()
        asyncio.set_event_loop(None)

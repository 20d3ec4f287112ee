"""Sweeps and single runs beside vectorbt: moving averages crossing, signal at the close, fill at the next open.

Theory of operation. Both sides get the same bars, 100 shares, 10 basis points. A figure is printed only after the number of
trades of every combination was equal, equity was equal to float noise, and sampled combinations had the
engine's digest. What is compared is timed in turns in one process, warm: processor time, the least of each, because others load the
machine. vectorbt gets some of the combinations at a time, because a thousand columns at once need 14 GB; its figure is per bar and
combination, and so is ours.
"""

from __future__ import annotations

import ctypes
import gc
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.measures import Line
from sim.data import History
from sim.run import Setting, simulate
from sim.sweep import SweepResult, sweep
from sim.sweep.core.account import S_FEES, S_FILLS, S_TRADES
from sim.sweep.core.kernels import Accounts, by_bars
from sim.sweep.core.market import deal
from sim.sweep.core.statistics import scratch
from sim.sweep.single import kernel_run
from sim.sweep.work import Bench, Case, empty
from sim.trades import Trades
from strategies import get

SETTING = Setting(cash="50000000", size="shares:100", commission="bps:10")
HOUR = 3600 * 10**9
ENGINES = ("numba", "rust")
COLUMNS = 20
"""Combinations that vectorbt gets at a time."""


def history(bars: int) -> History:
    """Return hourly bars of a random walk with a fixed seed; dear shares at 1e-4, so that no two averages are ever equal."""
    rng = np.random.default_rng(11)
    close = np.maximum(np.round(1e8 * np.exp(np.cumsum(rng.normal(0, 0.001, bars)))), 100).astype(np.int64)
    opens = np.concatenate([close[:1], close[:-1]]) + rng.integers(-300, 301, bars)
    start = np.arange(bars, dtype=np.int64) * HOUR - 60 * 365 * 24 * HOUR
    return History(
        "WALK", "made up", "1h", "UTC", 4, start, start + HOUR - 1, 700_000 + np.arange(bars, dtype=np.int64) // 24, opens,
        np.maximum(opens, close), np.minimum(opens, close), close, np.full(bars, 1000, np.int64), np.ones(bars), (), (), "0" * 64,
    )  # fmt: skip


def values(combos: int) -> dict[str, list[int]]:
    """Return a grid of so many combinations, a multiple of 25; 100 fast windows from 2,500 on."""
    if combos >= 2_500:
        return {"fast": list(range(5, 105)), "slow": list(range(110, 110 + 4 * (combos // 100), 4))}
    return {"fast": list(range(5, 30)), "slow": list(range(40, 40 + 4 * (combos // 25), 4))}


def ours(bars: History, combos: int, jobs: int = 1) -> SweepResult:
    """Sweep so many combinations."""
    return sweep(bars, "sma_cross", values(combos), SETTING, period="bar", jobs=jobs)


def _theirs(bars: History, pairs: list[tuple[int, int]], engine: str) -> tuple[np.ndarray, ...]:
    """Return (total return, drawdown, trades, Sharpe) of some combinations by vectorbt's API."""
    import pandas as pd
    import vectorbt as vbt

    index = pd.date_range("1970-01-01", periods=bars.close_ticks.size, freq="h")
    close, opens = (pd.Series(ticks / 1e4, index) for ticks in (bars.close_ticks, bars.open_ticks))
    fast, slow = (vbt.MA.run(close, [pair[place] for pair in pairs]) for place in (0, 1))
    above, known = fast.ma.to_numpy() > slow.ma.to_numpy(), ~np.isnan(slow.ma.to_numpy())
    buy, sell = np.zeros(above.shape, bool), np.zeros(above.shape, bool)
    buy[1:], sell[1:] = above[:-1], (~above & known)[:-1]
    portfolio = vbt.Portfolio.from_signals(
        close, buy, sell, price=opens, size=100, fees=0.001, init_cash=50_000_000, freq="h", engine=engine
    )  # fmt: skip
    figures = (portfolio.total_return(), portfolio.max_drawdown(), portfolio.trades.closed.count(), portfolio.sharpe_ratio())
    return tuple(np.asarray(figure, np.float64).ravel() for figure in figures)


def in_turns(rounds: int, *jobs: Callable[[], object], clock: Callable[[], float] = time.process_time) -> list[float]:
    """Return the least seconds of each job; the jobs are run in turns, so that all meet the same machine."""
    spent: list[list[float]] = [[] for _ in jobs]
    for _ in range(rounds):
        for job, times in zip(jobs, spent, strict=True):
            start = clock()
            job()
            times.append(clock() - start)
    return [min(times) for times in spent]


def require_equal(bars: History, found: SweepResult, rows: list[int], told: tuple[np.ndarray, ...]) -> str:
    """Compare with vectorbt's figures and, for one combination, with the engine's book."""
    table = found.table
    assert np.array_equal(table["trades"][rows], told[2]), "trades differ"
    assert np.allclose(table["total_return"][rows], told[0], rtol=0, atol=1e-9), "returns differ"
    assert np.allclose(table["max_drawdown"][rows], told[1], rtol=0, atol=1e-9), "drawdowns differ"
    deviation = table["sharpe"][rows] / told[3]
    assert np.allclose(deviation, deviation[0], rtol=1e-5), "Sharpe ratios differ by more than one common factor"
    strategy, params = get("sma_cross"), found.combos[0][rows[-1]]
    columns = [name for name in History._fields if isinstance(getattr(bars, name), np.ndarray)]
    short = bars._replace(**{name: getattr(bars, name)[:20_000] for name in columns})
    fast = kernel_run(short, strategy, params, SETTING)
    assert fast is not None and fast.book.digest() == simulate([short], strategy, params, SETTING).book.digest(), "books differ"
    return f"trades, returns, drawdowns of {len(rows)} combinations equal; digest of one equals the engine's"


def many(bars_count: int, combos: int, rounds: int = 3) -> list[Line]:
    """Time sweeps in turns with vectorbt's API; then ten times the bars, and ten times the combinations."""
    bars = history(bars_count)
    found = ours(bars, combos)
    rows = [int(row) for row in np.linspace(0, combos - 1, COLUMNS)]
    pairs = [(int(found.table["fast"][row]), int(found.table["slow"][row])) for row in rows]
    peers = [lambda engine=engine: _theirs(bars, pairs, engine) for engine in ENGINES]
    checked, _ = (require_equal(bars, found, rows, peer()) for peer in peers)
    assert ours(bars, combos, 2).digest == found.digest, "two threads give other figures"
    one, *theirs = in_turns(rounds, lambda: ours(bars, combos), *peers)
    alone, both = in_turns(rounds, lambda: ours(bars, combos), lambda: ours(bars, combos, 2), clock=time.perf_counter)
    cell = bars_count * combos
    each = [spent / (bars_count * COLUMNS) for spent in theirs]
    goals = ["300x" if peer == min(each) else "" for peer in each]
    what = f"{combos:,} combinations x {bars_count:,} bars"
    job = f"{what}: return, drawdown, trades, Sharpe, blocks; 1 thread, processor time"
    api = f"vectorbt's API ({{}}), {COLUMNS} at a time, processor time"
    return [
        Line(job, f"{one / cell * 1e9:.2f} ns", "1.2 ns", checked),
        Line(f"{what}; 2 threads, by the clock", f"{both / cell * 1e9:.2f} ns = {alone / both:.2f}x of 1", "", "same digest as with one"),
        *(
            Line(api.format(engine), f"{peer * 1e9:.0f} ns = {peer * cell / one:.0f}x of 1 thread", goal, checked)
            for engine, peer, goal in zip(ENGINES, each, goals, strict=True)
        ),
        *_linear(bars_count, combos, rounds),
    ]  # fmt: skip


def _linear(bars_count: int, combos: int, rounds: int) -> list[Line]:
    """Time ten times the bars and ten times the combinations beside the job itself, and look at memory."""
    few = max(25, combos // 10 // 25 * 25)
    small, long = history(bars_count // 10), history(bars_count)
    jobs = (lambda: ours(small, few), lambda: ours(long, few), lambda: ours(small, 10 * few))
    base, bars_more, combos_more = in_turns(3 * rounds, *jobs)
    huge = lambda: ours(long, 10 * combos)  # noqa: E731
    peak = _peak(huge)
    one, ten = in_turns(rounds, lambda: ours(long, combos), huge)
    what = f"{10 * combos:,} combinations x {bars_count:,} bars"
    figure = f"{ten:.2f} s = {ten / (10 * combos * bars_count) * 1e9:.2f} ns = {ten / one:.1f}x of {combos:,}"
    return [
        Line("ten times the bars", f"{bars_more / base:.1f}x the time", "10.5x", f"{few} x {bars_count // 10:,} in turns"),
        Line("ten times the combinations", f"{combos_more / base:.1f}x the time", "10.5x", f"{few} x {bars_count // 10:,} in turns"),
        Line(f"{what}; 1 thread, processor time", figure, "10.5x", "in turns"),
        Line(f"memory above the data, {what}", f"{peak / 2**20:.0f} MB", "100 MB", "sampled"),
    ]


def general(bars_count: int, combos: int = 25, rounds: int = 5) -> list[Line]:
    """Time the kernel that asks a compiled `on_bar` at every bar, its columns made beforehand; and `prepare` beside it."""
    bars, strategy = history(bars_count), get("sma_cross")
    found = ours(bars, 1_000)
    chosen = [found.combos[0][int(row)] for row in np.linspace(0, 999, combos)]
    bench = Bench(Case((bars,), replace(strategy, columnar=None), SETTING, 16, "bar"), chosen)
    columns = [np.ascontiguousarray(strategy.prepare(bench.bars, params)) for params in chosen]
    numbers, buffers = deal(bars, SETTING, short=False), scratch(1, 1)

    def asked() -> Accounts:
        accounts = empty(combos, 16)
        for c, params in enumerate(chosen):
            by_bars(bench.market, numbers, accounts, c, buffers, strategy.on_bar, bench.bars, columns[c], np.zeros(1), params)
        return accounts

    state, rows = asked().state, np.linspace(0, 999, combos).astype(int)
    for name, place in (("trades", S_TRADES), ("fees_e8", S_FEES), ("fills", S_FILLS)):
        assert np.array_equal(state[:, place], found.table[name][rows]), f"{name} differ between the kernels"
    kernel, prepared = in_turns(rounds, asked, lambda: [strategy.prepare(bench.bars, params) for params in chosen])
    cell = combos * bars_count / 1e9
    checked = f"fills, fees, trades of {combos} combinations equal the two-phase kernel's"
    what = f"general kernel, compiled on_bar, {combos} combinations x {bars_count:,} bars; processor time"
    where = "once a combination where columns are not declared"
    return [
        Line(what, f"{kernel / cell:.2f} ns", "4 ns", checked),
        Line("`prepare` of the same strategy, two averages", f"{prepared / cell:.2f} ns", "", where),
    ]


def _peak(work: Callable[[], object]) -> int:
    """Return by how many bytes the resident set rose at most while something ran."""
    page, done, highest = 4096, threading.Event(), [0]

    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * page

    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)  # what others freed before must not hide what this takes
    before = resident()

    def look() -> None:
        while not done.wait(0.005):
            highest[0] = max(highest[0], resident() - before)

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        work()
    finally:
        done.set()
        watcher.join()
    return highest[0]


def single(bars_count: int, rounds: int = 7) -> list[Line]:
    """Time one run, arrays in and equity curve and closed trades out, in turns with vectorbt's API."""
    import pandas as pd
    import vectorbt as vbt

    bars, strategy = history(bars_count), get("sma_cross")
    params = strategy.params(10, 30, 0)
    index = pd.date_range("1900-01-01", periods=bars_count, freq="h")
    close, opens = (pd.Series(ticks / 1e4, index) for ticks in (bars.close_ticks, bars.open_ticks))

    def mine() -> tuple[np.ndarray, Trades]:
        run = kernel_run(bars, strategy, params, SETTING)
        assert run is not None
        return run.equity_e8, run.trades

    def theirs(engine: str) -> tuple[np.ndarray, np.ndarray]:
        fast, slow = (vbt.MA.run(close, window).ma.to_numpy() for window in (10, 30))
        above, known = fast > slow, ~np.isnan(slow)
        buy, sell = np.zeros(bars_count, bool), np.zeros(bars_count, bool)
        buy[1:], sell[1:] = above[:-1], (~above & known)[:-1]
        made = vbt.Portfolio.from_signals(
            close, buy, sell, price=opens, size=100, fees=0.001, init_cash=50_000_000, freq="h", engine=engine
        )  # fmt: skip
        return made.value().to_numpy(), made.trades.values

    equity, trades = mine()
    for engine in ENGINES:
        value, records = theirs(engine)
        closed = records["status"] == 1
        assert np.allclose(trades.pnl_e8 / 1e8, records["pnl"][closed], rtol=0, atol=1e-6), "profit of a trade differs"
        assert np.allclose(equity / 1e8, value, rtol=1e-9), "equity differs"
    spent, *peers = in_turns(rounds, mine, *(lambda engine=engine: theirs(engine) for engine in ENGINES))
    checked = f"profit of {len(trades.pnl_e8):,} closed trades equal to 1e-6, equity of every bar to 1e-9"
    what = f"one run over {bars_count:,} bars, arrays in, equity curve and closed trades out; processor time"
    lines = [Line(what, f"{spent * 1e3:.1f} ms", "", checked)]
    for engine, peer in zip(ENGINES, peers, strict=True):
        goal = "10x" if peer == min(peers) else ""
        lines.append(Line(f"the same, vectorbt's API ({engine})", f"{peer * 1e3:.0f} ms = {peer / spent:.1f}x", goal, checked))
    return lines

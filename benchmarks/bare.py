"""The sweep beside vectorbt's bare kernels: its functions on arrays, without pandas, wrappers or caches.

Theory of operation. The job is that of `sweeps.many`: averages, signals, orders, cash, value, returns, drawdown, Sharpe ratio,
closed trades. Each engine gets some columns at a time and is called once before it counts, so that nothing is compiled while
it is timed. A figure is printed after the trades were equal and returns, drawdowns and Sharpe ratios equal to float noise.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from benchmarks import sweeps
from benchmarks.measures import Line
from sim.data import History

CASH, FEES, SIZE = 50_000_000.0, 0.001, 100.0


def beside_bare(bars_count: int, combos: int, rounds: int = 3) -> list[Line]:
    """Time our sweep and both engines' kernels in turns."""
    bars = sweeps.history(bars_count)
    found = sweeps.ours(bars, combos)
    rows = [int(row) for row in np.linspace(0, combos - 1, sweeps.COLUMNS)]
    pairs = [(int(found.table["fast"][row]), int(found.table["slow"][row])) for row in rows]
    jobs = {engine: job(bars, pairs, engine) for engine in sweeps.ENGINES}
    checked = [sweeps.require_equal(bars, found, rows, work()) for work in jobs.values()]
    ours, *theirs = sweeps.in_turns(rounds, lambda: sweeps.ours(bars, combos), *jobs.values())
    mine, lines = ours / (bars_count * combos), []
    for engine, spent, same in zip(sweeps.ENGINES, theirs, checked, strict=True):
        each = spent / (bars_count * len(pairs))
        what = f"vectorbt's bare kernels ({engine}), {len(pairs)} of {combos:,} combinations x {bars_count:,} bars; processor time"
        lines.append(Line(what, f"{each * 1e9:.0f} ns, ours {mine * 1e9:.2f} ns on 1 thread = {each / mine:.0f}x", "40x", same))
    return lines


def job(bars: History, pairs: list[tuple[int, int]], engine: str) -> Callable[[], tuple[np.ndarray, ...]]:
    """Return what computes (total return, drawdown, closed trades, Sharpe) of some combinations by one engine's kernels."""
    from vectorbt.generic import dispatch as generic
    from vectorbt.portfolio import dispatch as portfolio
    from vectorbt.records import dispatch as records
    from vectorbt.returns import dispatch as returns

    close, opens = bars.close_ticks[:, None] / 1e4, bars.open_ticks[:, None] / 1e4
    shape, cash = (len(close), len(pairs)), np.full(len(pairs), CASH)
    sequence = np.zeros(shape, np.int64)
    yearly = 365.0 * 24.0

    def run() -> tuple[np.ndarray, ...]:
        @cache
        def average(window: int) -> np.ndarray:
            return generic.rolling_mean(close, window, engine=engine)[:, 0]

        above, known = np.empty(shape, bool), np.empty(shape, bool)
        for place, (fast, slow) in enumerate(pairs):
            above[:, place], known[:, place] = average(fast) > average(slow), ~np.isnan(average(slow))
        buy, sell = np.zeros(shape, bool), np.zeros(shape, bool)
        buy[1:], sell[1:] = above[:-1], (~above & known)[:-1]
        orders, _ = portfolio.simulate_from_signals(
            shape, np.ones(shape[1], np.int64), cash, sequence, entries=buy, exits=sell, size=np.asarray(SIZE), price=opens,
            fees=np.asarray(FEES), close=close, use_stops=False, engine=engine,
        )  # fmt: skip
        columns = records.col_map(orders["col"], shape[1], engine=engine)
        held = portfolio.assets(portfolio.asset_flow(shape, orders, columns, 2, engine=engine), engine=engine)
        flow = portfolio.cash_flow(shape, orders, columns, False, engine=engine)
        value = portfolio.value(
            portfolio.cash(flow, cash, engine=engine), portfolio.asset_value(_wide(close, shape), held, engine=engine), engine=engine
        )  # fmt: skip
        steps = returns.returns(value, cash, engine=engine)
        closed = np.bincount(orders["col"][orders["side"] == 1], minlength=shape[1])
        depth = returns.max_drawdown(steps, engine=engine)
        sharpe = returns.sharpe_ratio(steps, yearly, engine=engine)
        return value[-1] / cash - 1.0, np.asarray(depth), closed.astype(float), np.asarray(sharpe)

    return run


def _wide(column: np.ndarray, shape: tuple[int, int]) -> Any:
    """Return one column as many, as the kernels want it."""
    return np.ascontiguousarray(np.broadcast_to(column, shape))

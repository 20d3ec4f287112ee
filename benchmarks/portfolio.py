"""Many symbols, one purse: 500 symbols x 5,000 days, monthly equal weight, whole shares, beside vectorbt's API.

Theory of operation. Both sides get the same arrays and must make the same orders and, to
float noise, the same equity of each day, before a figure is printed. They are timed in turns, in
one process, warm. vectorbt's engine is named; its simulation alone and the simulation with the equity
curve stand apart, because our kernel always makes both.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.measures import Line
from ledger.invariants import Invariant, check
from sim.rebalance import Rebalanced, book_of, rebalance
from sim.rebalance.kernel import F_DAY, F_SHARES, F_SYMBOL

CASH, EVERY = "10000000", 21


def market(days: int, symbols: int) -> np.ndarray:
    """Return closes in cents, int64[days, symbols], a random walk with a fixed seed."""
    rng = np.random.default_rng(3)
    walk = np.cumsum(rng.normal(0.0002, 0.015, (days, symbols)), axis=0)
    return np.maximum(100, np.round(10_000 * np.exp(walk))).astype(np.int64)


def rebalancing(days: int, symbols: int, rounds: int = 9) -> list[Line]:
    """Time our kernel and vectorbt's rust engine in turns, after their results were found equal."""
    close, when = market(days, symbols), np.arange(0, days, EVERY)
    weights = np.full((len(when), symbols), 950_000 // symbols)
    prices, size = close / 100, np.full(close.shape, np.nan)
    size[when] = weights / 1e6

    def ours() -> Rebalanced:
        return rebalance(close, when, weights, cash=CASH, commission="bps:10")

    run, portfolio = ours(), _vectorbt(prices, size)
    checked = _require_equal(run, portfolio)
    mine, orders, curve = _in_turns(
        rounds, ours, lambda: _vectorbt(prices, size), lambda: np.ravel(_vectorbt(prices, size).value())
    )
    what = f"{symbols} symbols x {days:,} days, monthly equal weight, whole shares, FIFO lots"
    return [
        Line(f"{what}: orders, lots, equity curve", f"{mine * 1e3:.1f} ms", "", _same_book(run)),
        Line("the same job, vectorbt (rust), orders and equity curve", f"{curve * 1e3:.0f} ms = {curve / mine:.0f}x", "40x", checked),
        Line("the same job, vectorbt (rust), orders alone", f"{orders * 1e3:.0f} ms = {orders / mine:.0f}x", "", checked),
    ]


def _vectorbt(prices: np.ndarray, size: np.ndarray) -> Any:
    import vectorbt as vbt

    return vbt.Portfolio.from_orders(
        close=prices, size=size, size_type="targetpercent", fees=0.001, init_cash=float(CASH), cash_sharing=True, group_by=True,
        size_granularity=1.0, engine="rust",
    )  # fmt: skip


def _in_turns(rounds: int, *jobs: Callable[[], object]) -> list[float]:
    """Return the median seconds of each job; the jobs are run in turns, so that all meet the same machine."""
    spent: list[list[float]] = [[] for _ in jobs]
    for _ in range(rounds):
        for job, times in zip(jobs, spent, strict=True):
            start = time.perf_counter()
            job()
            times.append(time.perf_counter() - start)
    return [sorted(times)[len(times) // 2] for times in spent]


def _require_equal(run: Rebalanced, portfolio: Any) -> str:
    records = portfolio.order_records
    theirs = np.column_stack([records["idx"], records["col"], np.where(records["side"] == 0, 1, -1) * records["size"]])
    mine = run.fills[:, [F_DAY, F_SYMBOL, F_SHARES]]
    assert np.array_equal(theirs[np.lexsort(theirs[:, 1::-1].T)], mine[np.lexsort(mine[:, 1::-1].T)]), "orders must be equal"
    apart = np.max(np.abs(np.ravel(portfolio.value()) / (run.equity / 1e8) - 1))
    assert apart < 1e-12, "equity must be equal to float noise"
    return f"same {len(mine):,} orders, equity of every day within {apart:.0e}"


def _same_book(run: Rebalanced) -> str:
    """Replay the run's events through gate and ledger and compare what they leave."""
    book = book_of(run)
    worth = book.valuation()
    assert check(book) == Invariant.HOLDS and (worth.cash, worth.equity, worth.realized) == (run.cash[-1], run.equity[-1], run.realized)
    return f"replayed through gate and ledger: digest {book.digest()[:12]}, same cash, worth and profit to the last unit"

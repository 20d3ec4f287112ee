"""What a run was worth: every figure, its definition beside it, unknown when undefined.

Theory of operation. `measure` takes the record of one finished run (backtest, fuzz or
paper alike) and returns a plain dict. Money stays int at 1e-8 of the currency; ratios
are floats, because they are statistics. A figure that is not defined for this run is
None and never 0, NaN or infinity: a dashboard that shows 0 for "unknown" is a lie.

Two clocks. Drawdown and exposure look at every bar. Everything annualised looks at
days: the last equity of each day against the last equity of the day before, the first
day against the start. So a minute strategy and a daily one are comparable.

Anyone may dispute a definition; nobody has to guess it. `DEFINITIONS` is what the
report and the app print beside each figure.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ledger.book import H_FEES, N_FLAGS, N_KIND, N_VALUE, Book
from ledger.units import decimal_text
from ledger.vocabulary import EntryFlag, EventKind
from sim.trades import closed_trades

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Figure = int | float | None
Figures = dict[str, Figure]

DAYS_PER_YEAR = 252
DAY_NS = 86_400 * 10**9

# Ratios of equity near 1 carry rounding of about 1e-16 and a money grain of 1e-8 on
# accounts from $100 up; a daily deviation below this is grain and not risk.
DEVIATION_MIN = 1e-12

DEFINITIONS: dict[str, str] = {
    "final_equity": "Equity at the last bar: cash plus positions at the close.",
    "total_return": "Final equity / start equity - 1.",
    "cagr": "(Final equity / start equity) ^ (252 / days) - 1, days = trading days in the record.",
    "volatility": "Standard deviation (n - 1) of the daily returns, times the square root of 252.",
    "sharpe": "Mean / standard deviation (n - 1) of the daily returns, times the square root of 252; "
    "risk-free rate 0.",
    "sortino": "Mean of the daily returns / root of the mean of min(return, 0) squared over all days, "
    "times the square root of 252; target 0.",
    "calmar": "CAGR / size of the maximum drawdown.",
    "max_drawdown": "Least equity / greatest equity so far - 1, over all bars; 0 or negative.",
    "max_drawdown_duration": "Most consecutive bars with equity below its greatest value so far.",
    "max_drawdown_days": "Most calendar days from a peak to the bar that regains it, or to the last bar.",
    "exposure": "Share of bars that ended with an open position.",
    "turnover": "Value of all fills, buys and sells, / mean equity over the bars; whole run, not per year.",
    "trades": "Number of closed trades.",
    "winning_trades": "Closed trades with P&L above 0, after fees.",
    "losing_trades": "Closed trades with P&L below 0, after fees.",
    "win_rate": "Winning trades / closed trades; a trade of exactly 0 counts as closed, not as won.",
    "profit_factor": "Sum of winning P&L / size of the sum of losing P&L; unknown without a loss.",
    "expectancy": "Mean P&L of a closed trade, rounded half to even at 1e-8.",
    "avg_win": "Mean P&L of the winning trades, rounded half to even at 1e-8.",
    "avg_loss": "Mean P&L of the losing trades (negative), rounded half to even at 1e-8.",
    "best_trade": "Greatest P&L of a closed trade.",
    "worst_trade": "Least P&L of a closed trade.",
    "avg_holding_days": "Mean time from open to close of a closed trade, in days of 24 hours.",
    "fees": "Sum of all commissions and fees.",
}

MONEY = frozenset({"final_equity", "expectancy", "avg_win", "avg_loss", "best_trade", "worst_trade", "fees"})
COUNTS = frozenset(
    {"max_drawdown_duration", "max_drawdown_days", "trades", "winning_trades", "losing_trades"}
)
PERCENT = frozenset({"total_return", "cagr", "volatility", "max_drawdown", "exposure", "win_rate"})


def decimal_string(amount_e8: int) -> str:
    """Return money as exact decimal text, at least two decimals: 123450000000 is 1234.50."""
    return decimal_text(amount_e8)


def measure(
    equity_e8: Ints,
    time_ns: Ints,
    days: Ints,
    invested: NDArray[np.bool_],
    *,
    start_e8: int,
    traded_e8: int,
    fees_e8: int,
    pnl_e8: Ints,
    open_ns: Ints,
    close_ns: Ints,
) -> Figures:
    """Return every figure of DEFINITIONS for one run; None where it is undefined.

    Args:
        equity_e8: int64[T], money after each bar. time_ns: int64[T], rising.
        days: int64[T], ordinal of the exchange's calendar day of each bar, never falling.
        invested: bool[T], a position was open after the bar.
        start_e8: money put in before the first bar.
        traded_e8: sum of the values of all fills, each positive. fees_e8: sum of fees.
        pnl_e8, open_ns, close_ns: int64[n], one a closed trade; P&L after fees.
    Raises:
        ValueError: arrays of different lengths, or time that runs backwards.
    """
    _check(equity_e8, time_ns, days, invested, pnl_e8, open_ns, close_ns)
    figures: Figures = dict.fromkeys(DEFINITIONS)
    figures["fees"] = int(fees_e8)
    figures |= _trade_figures(pnl_e8, open_ns, close_ns)
    if equity_e8.size == 0:
        return figures
    figures["final_equity"] = int(equity_e8[-1])
    figures["exposure"] = float(np.count_nonzero(invested)) / equity_e8.size
    mean_equity = exact_sum(equity_e8) / equity_e8.size
    figures["turnover"] = traded_e8 / mean_equity if mean_equity > 0 else None
    if start_e8 > 0:
        figures["total_return"] = int(equity_e8[-1]) / int(start_e8) - 1.0
        figures |= _drawdown_figures(equity_e8, days, start_e8)
        figures |= _annual_figures(equity_e8, days, start_e8)
        figures["calmar"] = _calmar(figures["cagr"], figures["max_drawdown"])
    return figures


def daily_returns(equity_e8: Ints, days: Ints, start_e8: int) -> Floats | None:
    """Return float64[number of days], or None when a day begins with nothing or less.

    A return on a base of zero is undefined and one on a negative base has the wrong sign.
    """
    closing = equity_e8[last_of_day(days)].astype(np.float64)
    base = np.concatenate(([float(start_e8)], closing[:-1]))
    if (base <= 0).any():
        return None
    returns: Floats = closing / base - 1.0
    return returns


def measure_book(book: Book, values: Ints, start_e8: int) -> Figures:
    """Return every figure of DEFINITIONS for a book and its equity curve, with `orders` and `fills` counted from it.

    Args:
        values: int64[T, 6] of time, day (ordinal), cash, positions, positions without a price, positions held.
        start_e8: money put in before the first bar.
    """
    entries, trades = book.entries, closed_trades(book)
    fills = (entries[:, N_KIND] == EventKind.FILL) & (entries[:, N_FLAGS] & EntryFlag.SUPERSEDED == 0)
    measured = measure(
        values[:, 2] + values[:, 3], values[:, 0], values[:, 1], values[:, 5] > 0,
        start_e8=start_e8, traded_e8=exact_sum(entries[fills, N_VALUE]), fees_e8=int(book.arena[H_FEES]),
        pnl_e8=trades.pnl_e8, open_ns=trades.open_ns, close_ns=trades.close_ns,
    )  # fmt: skip
    return measured | {"orders": len(book.orders), "fills": int(fills.sum())}


def last_of_day(days: Ints) -> Ints:
    """Return the index of the last bar of each day, int64[number of days]."""
    found: Ints = np.flatnonzero(np.diff(days, append=days[-1] + 1)) if days.size else np.empty(0, np.int64)
    return found


def exact_sum(values: Ints) -> int:
    """Return the sum of an int64 array without wrapping: high and low halves apart."""
    high, low = values >> 32, values & 0xFFFFFFFF
    return (int(high.sum()) << 32) + int(low.sum())


def drawdown(equity_e8: Ints, start_e8: int) -> Floats:
    """Return float64[T]: equity over its greatest value so far (the start included) - 1."""
    peak = np.maximum.accumulate(np.maximum(equity_e8, start_e8))
    depth: Floats = equity_e8.astype(np.float64) / peak.astype(np.float64) - 1.0
    return depth


def _drawdown_figures(equity_e8: Ints, days: Ints, start_e8: int) -> Figures:
    """Return depth and length of the drawdowns.

    The peak of a stretch under water is the bar before it; a stretch that begins on bar
    0 fell from the start, which has no bar, so its days count from bar 0.
    """
    peak = np.maximum.accumulate(np.maximum(equity_e8, start_e8))
    under = np.concatenate(([False], equity_e8 < peak, [False]))
    edges = np.flatnonzero(np.diff(under))
    first, after = edges[::2], edges[1::2]  # bars first..after-1 are under water
    days_down = days[np.minimum(after, days.size - 1)] - days[np.maximum(first - 1, 0)]
    return {
        "max_drawdown": float(drawdown(equity_e8, start_e8).min()) if first.size else 0.0,
        "max_drawdown_duration": int((after - first).max(initial=0)),
        "max_drawdown_days": int(days_down.max(initial=0)),
    }


def _annual_figures(equity_e8: Ints, days: Ints, start_e8: int) -> Figures:
    """Return what is computed from daily returns; all None when the returns are."""
    returns = daily_returns(equity_e8, days, start_e8)
    if returns is None:
        return {}
    figures: Figures = {"cagr": _cagr(int(equity_e8[-1]) / int(start_e8), returns.size)}
    mean, root = float(returns.mean()), math.sqrt(DAYS_PER_YEAR)
    deviation = float(returns.std(ddof=1)) if returns.size > 1 else None
    if deviation is not None:
        figures["volatility"] = deviation * root
        figures["sharpe"] = mean / deviation * root if deviation > DEVIATION_MIN else None
    downside = math.sqrt(float(np.square(np.minimum(returns, 0.0)).mean()))
    if returns.size > 1 and downside > DEVIATION_MIN:
        figures["sortino"] = mean / downside * root
    return figures


def _cagr(growth: float, days: int) -> float | None:
    """Return the yearly growth - 1; None when ruined or beyond what a float can hold."""
    if growth <= 0:
        return None
    try:
        return math.expm1(math.log(growth) * DAYS_PER_YEAR / days)
    except OverflowError:
        return None


def _calmar(cagr: Figure, depth: Figure) -> float | None:
    return cagr / -depth if cagr is not None and depth else None


def _trade_figures(pnl_e8: Ints, open_ns: Ints, close_ns: Ints) -> Figures:
    """Return the figures over closed trades; with none of them only the counts are known."""
    count = pnl_e8.size
    wins, losses = pnl_e8[pnl_e8 > 0], pnl_e8[pnl_e8 < 0]
    figures: Figures = {"trades": count, "winning_trades": wins.size, "losing_trades": losses.size}
    if count == 0:
        return figures
    return figures | {
        "win_rate": wins.size / count,
        "profit_factor": exact_sum(wins) / -exact_sum(losses) if losses.size else None,
        "expectancy": _mean(pnl_e8),
        "avg_win": _mean(wins),
        "avg_loss": _mean(losses),
        "best_trade": int(pnl_e8.max()),
        "worst_trade": int(pnl_e8.min()),
        "avg_holding_days": exact_sum(close_ns - open_ns) / count / DAY_NS,
    }


def _mean(amounts: Ints) -> int | None:
    """Return the mean of money, rounded half to even; None of nothing."""
    if amounts.size == 0:
        return None
    whole, rest = divmod(exact_sum(amounts), amounts.size)
    twice = 2 * rest
    return whole + (twice > amounts.size or (twice == amounts.size and whole & 1))


def _check(equity: Ints, time_ns: Ints, days: Ints, invested: Any, *trades: Ints) -> None:
    """Refuse arrays that cannot be one record, before any figure is computed from them."""
    bars = {equity.size, time_ns.size, days.size, invested.size}
    if len(bars) > 1:
        raise ValueError(
            f"equity, time, days and invested must have one entry a bar; got sizes {sorted(bars)}"
        )
    closed = {column.size for column in trades}
    if len(closed) > 1:
        raise ValueError(f"P&L, open and close must have one entry a trade; got sizes {sorted(closed)}")
    if (np.diff(time_ns) <= 0).any() or (np.diff(days) < 0).any():
        raise ValueError("time must rise and days must not fall; sort the record before measuring it")

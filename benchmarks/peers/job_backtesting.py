"""The first job in backtesting.py, run in its own environment: `python job_backtesting.py bars.npz result.npz`.

Theory of operation. Reads open, high, low, close as doubles; goes long 100 shares when the
fast average stands above the slow one at a close, flat otherwise; fills at the next
open; charges 10 bps. Writes fills [n, 3] of (bar, signed shares, price), the equity of each bar,
and the seconds of the run alone, after one run to warm up.
"""

from __future__ import annotations

import sys
import time
import warnings

import numpy as np
import pandas as pd
from backtesting import Backtest, Strategy

TIE = 1e-9


def average(close: object, window: int) -> np.ndarray:
    """Return the simple moving average, NaN before it exists."""
    return pd.Series(close).rolling(window).mean().to_numpy()


class Cross(Strategy):
    """Long while the fast average is above the slow one."""

    def init(self) -> None:
        """Make the two averages."""
        self.fast, self.slow = self.I(average, self.data.Close, 10), self.I(average, self.data.Close, 30)

    def next(self) -> None:
        """Decide at a close."""
        fast, slow = self.fast[-1], self.slow[-1]
        above = fast - slow > TIE * max(abs(fast), abs(slow))
        if above and not self.position:
            self.buy(size=100)
        elif not above and self.position:
            self.position.close()


def run(frame: pd.DataFrame) -> tuple[object, float]:
    """Return the statistics and the seconds of one run."""
    start = time.perf_counter()
    result = Backtest(frame, Cross, cash=1_000_000, commission=0.001, finalize_trades=False).run()
    return result, time.perf_counter() - start


def main(source: str, target: str) -> None:
    """Run the job twice and write the second run."""
    warnings.simplefilter("ignore")
    with np.load(source) as bars:
        index = pd.to_datetime(bars["time_ns"])
        frame = pd.DataFrame({name.capitalize(): bars[name] for name in ("open", "high", "low", "close")}, index=index)
    run(frame)
    result, seconds = run(frame)
    trades = result["_trades"]
    fills = [(bar, size, price) for bar, size, price in zip(trades.EntryBar, trades.Size, trades.EntryPrice)]
    fills += [(bar, -size, price) for bar, size, price in zip(trades.ExitBar, trades.Size, trades.ExitPrice)]
    np.savez(target, fills=np.array(sorted(fills), float), equity=result["_equity_curve"]["Equity"].to_numpy(), seconds=seconds)


if __name__ == "__main__":
    main(*sys.argv[1:3])

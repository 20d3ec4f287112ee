"""The first job in backtrader, run in its own environment: `python job_backtrader.py bars.npz result.npz`.

Theory of operation. The same rules and the same result as `job_backtesting`; backtrader's
event loop calls `next` for each bar, and its broker fills market orders at the next open.
"""

from __future__ import annotations

import sys
import time

import backtrader as bt
import numpy as np
import pandas as pd

TIE = 1e-9


class Cross(bt.Strategy):
    """Long while the fast average is above the slow one; keeps fills and equity as it goes."""

    def __init__(self) -> None:
        self.fast, self.slow = bt.ind.SMA(self.data.close, period=10), bt.ind.SMA(self.data.close, period=30)
        self.fills: list[tuple[float, float, float]] = []
        self.equity: list[float] = []

    def prenext(self) -> None:
        """Keep the equity of a bar without averages."""
        self.equity.append(self.broker.getvalue())

    def next(self) -> None:
        """Decide at a close."""
        self.equity.append(self.broker.getvalue())
        fast, slow = self.fast[0], self.slow[0]
        above = fast - slow > TIE * max(abs(fast), abs(slow))
        if above and not self.position:
            self.buy(size=100)
        elif not above and self.position:
            self.close()

    def notify_order(self, order: object) -> None:
        """Keep a fill; it is told before the bar's own decision."""
        if order.status == order.Completed:
            self.fills.append((len(self) - 1, order.executed.size, order.executed.price))


def main(source: str, target: str) -> None:
    """Run the job and write what it did."""
    with np.load(source) as bars:
        index = pd.to_datetime(bars["time_ns"])
        frame = pd.DataFrame({name: bars[name] for name in ("open", "high", "low", "close")} | {"volume": 1.0}, index=index)
    start = time.perf_counter()
    engine = bt.Cerebro(stdstats=False)
    engine.adddata(bt.feeds.PandasData(dataname=frame))
    engine.addstrategy(Cross)
    engine.broker.setcash(1_000_000)
    engine.broker.setcommission(commission=0.001)
    (done,) = engine.run()
    seconds = time.perf_counter() - start
    np.savez(target, fills=np.array(done.fills, float), equity=np.array(done.equity), seconds=seconds)


if __name__ == "__main__":
    main(*sys.argv[1:3])

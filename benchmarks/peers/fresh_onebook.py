"""A first small run in a fresh process: `python fresh_onebook.py bars.npz` prints closed trades and final equity.

Theory of operation. Everything is paid here: the import, reading or compiling of kernels, the run, its equity and its trades.
"""

import json
import sys

import numpy as np

from sim import backtest
from sim.data import History


def main(source: str) -> None:
    """Run the crossover over stored bars and print what came of it."""
    with np.load(source) as stored:
        columns = [stored[name] for name in ("start", "end", "day", "open", "high", "low", "close", "volume")]
    history = History("WALK", "made up", "1h", "UTC", 4, *columns, np.ones(len(columns[0])), (), (), "0" * 64)
    run = backtest(history, "sma_cross", fast=10, slow=30, cash="50000000", size="shares:100", commission="bps:10").simulation
    print(json.dumps([len(run.trades.pnl_e8), run.equity_e8[-1] / 1e8]))


if __name__ == "__main__":
    main(sys.argv[1])

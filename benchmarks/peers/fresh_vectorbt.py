"""The same first run by vectorbt: `python fresh_vectorbt.py bars.npz rust` prints closed trades and final equity."""

import json
import sys

import numpy as np
import pandas as pd
import vectorbt as vbt


def main(source: str, engine: str) -> None:
    """Run the crossover over stored bars and print what came of it."""
    with np.load(source) as stored:
        index = pd.to_datetime(stored["start"])
        close, opens = (pd.Series(stored[name] / 1e4, index) for name in ("close", "open"))
    fast, slow = (vbt.MA.run(close, window).ma.to_numpy() for window in (10, 30))
    above, known = fast > slow, ~np.isnan(slow)
    buy, sell = np.zeros(above.shape, bool), np.zeros(above.shape, bool)
    buy[1:], sell[1:] = above[:-1], (~above & known)[:-1]
    made = vbt.Portfolio.from_signals(close, buy, sell, price=opens, size=100, fees=0.001, init_cash=50_000_000, freq="h", engine=engine)
    print(json.dumps([int((made.trades.values["status"] == 1).sum()), float(made.value().iloc[-1])]))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])

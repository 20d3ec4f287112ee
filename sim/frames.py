"""DataFrames at the border: bars that come in, and tables of a run that go out.

Theory of operation. A DataFrame of bars takes the road of a Parquet file, so every rule of
`sim.data` judges it too. Tables of a run are read off its book; quantities, prices and
money are float there, for people and for statistics. The book itself stays exact.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ledger.book import (
    A_CLOSE, A_COST, A_INSTRUMENT, A_LOT, A_PROCEEDS, A_QTY, A_SIDE, A_VERSION, I_PRICE_EXP, I_QTY_EXP, I_VERSION, L_ENTRY,
    N_FEE, N_FLAGS, N_INSTRUMENT, N_KIND, N_ORDER, N_PRICE, N_QTY, N_SIDE, N_TIME, O_FILLED, O_INSTRUMENT, O_KEY, O_PRICE,
    O_QTY, O_SIDE, O_STATUS, O_STOP, O_TIME, O_TYPE,
)  # fmt: skip
from ledger.kernels.fees import fee_shares
from ledger.keys import purpose_of
from ledger.vocabulary import EntryFlag, EventKind, OrderStatus, OrderType, Purpose
from sim.data import DataError, History, load

if TYPE_CHECKING:
    import pandas as pd

    from sim.periods import Period
    from sim.run import Simulation

SIDES = {1: "buy", -1: "sell"}


def from_frame(frame: Any, symbol: str, **reading: Any) -> History:
    """Return the validated history of a DataFrame with open, high, low, close, volume and a time index or column.

    Args:
        reading: as `sim.data.load` takes it: timezone, repairs, start, end, bar, ...
    Raises:
        DataError: not a DataFrame, or a rule of `sim.data` broken.
    """
    import pandas as pd

    if not isinstance(frame, pd.DataFrame):
        raise DataError("bars are a pandas DataFrame or a History", value=type(frame).__name__, fix="pass one of the two")
    if isinstance(frame.index, pd.DatetimeIndex):
        frame = frame.rename_axis("time").reset_index()
    frame = frame.rename(columns=str)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"{symbol}.parquet")
        frame.to_parquet(path, index=False, engine="pyarrow", compression=None, use_dictionary=False)
        return load(str(path), **reading)[0]._replace(source="DataFrame")


def times(ns: Any) -> pd.DatetimeIndex:
    """Return UTC times of int64[n] ns; `pandas.to_datetime` takes fifty times as long, one number after the other."""
    import pandas as pd

    return pd.DatetimeIndex(np.ascontiguousarray(ns, np.int64).view("M8[ns]"), tz="UTC")


def _symbols(sim: Simulation, numbers: Any) -> Any:
    return np.array(["", *sim.symbols], object)[numbers]


def _scaled(sim: Simulation, numbers: Any, values: Any, column: int) -> Any:
    """Return integers of each instrument's own grid as floats."""
    return values / 10.0 ** sim.book.instruments[numbers, column]


def fills(sim: Simulation) -> pd.DataFrame:
    """Return one row a fill, in order of time."""
    import pandas as pd

    entries = sim.book.entries
    rows = entries[(entries[:, N_KIND] == EventKind.FILL) & (entries[:, N_FLAGS] & EntryFlag.SUPERSEDED == 0)]
    who, keys = rows[:, N_INSTRUMENT], sim.book.orders[rows[:, N_ORDER], O_KEY]
    return pd.DataFrame(
        {
            "time": times(rows[:, N_TIME]), "symbol": _symbols(sim, who),
            "side": [SIDES[int(side)] for side in rows[:, N_SIDE]], "purpose": [Purpose(purpose_of(int(key))).name for key in keys],
            "qty": _scaled(sim, who, rows[:, N_QTY], I_QTY_EXP), "price": _scaled(sim, who, rows[:, N_PRICE], I_PRICE_EXP),
            "fee": rows[:, N_FEE] / 1e8, "key": keys,
        }
    )  # fmt: skip


def orders(sim: Simulation) -> pd.DataFrame:
    """Return one row an order, in order of its claim; prices of 0 mean none."""
    import pandas as pd

    rows = sim.book.orders
    who, limited = rows[:, O_INSTRUMENT], np.isin(rows[:, O_TYPE], (OrderType.LIMIT, OrderType.STOP_LIMIT))
    return pd.DataFrame(
        {
            "time": times(rows[:, O_TIME]), "symbol": _symbols(sim, who),
            "purpose": [Purpose(purpose_of(int(key))).name for key in rows[:, O_KEY]],
            "type": [OrderType(int(kind)).name for kind in rows[:, O_TYPE]], "side": [SIDES[int(side)] for side in rows[:, O_SIDE]],
            "qty": _scaled(sim, who, rows[:, O_QTY], I_QTY_EXP), "filled": _scaled(sim, who, rows[:, O_FILLED], I_QTY_EXP),
            "limit": _scaled(sim, who, np.where(limited, rows[:, O_PRICE], 0), I_PRICE_EXP),
            "stop": _scaled(sim, who, rows[:, O_STOP], I_PRICE_EXP),
            "status": [OrderStatus(int(status)).name for status in rows[:, O_STATUS]], "key": rows[:, O_KEY],
        }
    )  # fmt: skip


def trades(sim: Simulation) -> pd.DataFrame:
    """Return one row an allocation: what one closing fill took of one lot, its profit before and after fees."""
    import pandas as pd

    book = sim.book
    opening, closing, _ = fee_shares(book.arena)
    current = book.allocations[:, A_VERSION] == book.instruments[book.allocations[:, A_INSTRUMENT], I_VERSION]
    rows, fee = book.allocations[current], (opening + closing)[current]
    who, entries = rows[:, A_INSTRUMENT], book.entries
    gross = rows[:, A_SIDE] * (rows[:, A_PROCEEDS] - rows[:, A_COST])
    return pd.DataFrame(
        {
            "symbol": _symbols(sim, who), "side": ["long" if side > 0 else "short" for side in rows[:, A_SIDE]],
            "qty": _scaled(sim, who, rows[:, A_QTY], I_QTY_EXP),
            "opened": times(entries[book.lots[rows[:, A_LOT], L_ENTRY], N_TIME]), "closed": times(entries[rows[:, A_CLOSE], N_TIME]),
            "cost": rows[:, A_COST] / 1e8, "proceeds": rows[:, A_PROCEEDS] / 1e8,
            "fees": fee / 1e8, "pnl": (gross - fee) / 1e8, "pnl_e8": gross - fee,
        }
    )  # fmt: skip


def periods(found: list[Period]) -> pd.DataFrame:
    """Return one row a period, named by it: until, equity, profit, return, drawdown, fills, fees, trades, realized profit."""
    import pandas as pd

    def money(name: str) -> Any:
        return np.array([np.nan if (amount := getattr(one, name)) is None else amount / 1e8 for one in found])

    index = pd.Index([one.label for one in found], name="period")
    return pd.DataFrame(
        {
            "until": times(np.array([one.until_ns for one in found], np.int64)),
            "equity": money("equity_e8"), "profit": money("profit_e8"),
            "return": np.array([one.change for one in found], np.float64),
            "drawdown": np.array([one.drawdown for one in found], np.float64),
            "fills": [one.fills for one in found], "fees": money("fees_e8"), "trades": [one.closed for one in found],
            "realized": money("realized_e8"),
        },
        index=index,
    )  # fmt: skip

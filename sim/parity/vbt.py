"""vectorbt's door: the only file that imports it.

Theory of operation. vectorbt takes seconds to import, so it is imported inside each
function here. Engines are always named: `auto` takes rust where the wheel is installed,
and the two give different trades on some settings. Nothing of vectorbt's types leaves this
file but the Portfolio and the accessor a caller asked for: its records come out as arrays.

Licence of vectorbt: Apache 2.0 with the Commons Clause.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sim.parity.cases import Case

ENGINES = ("numba", "rust")


class VectorbtError(RuntimeError):
    """vectorbt or one of its engines is not installed; the message says how to get it."""


class Theirs(NamedTuple):
    """vectorbt's side of a case: one row for every order it was asked for, in its order."""

    bar: NDArray[np.int64]
    column: NDArray[np.int64]
    reason: NDArray[np.int64]
    side: NDArray[np.int64]
    size: NDArray[np.float64]
    price: NDArray[np.float64]
    fee: NDArray[np.float64]
    cash: NDArray[np.float64]
    records: int
    value: list[float]


def versions() -> dict[str, str | None]:
    """Return the versions of vectorbt and its engines; None for what is not installed."""
    from importlib.metadata import PackageNotFoundError, version

    def of(name: str) -> str | None:
        try:
            return version(name)
        except PackageNotFoundError:
            return None

    return {"vectorbt": of("vectorbt"), "numba": of("numba"), "rust": of("vectorbt-rust")}


def require(engine: str) -> None:
    """Check that an engine can be used.

    Raises:
        VectorbtError: it is not installed.
    """
    found = versions()
    if found["vectorbt"] is None:
        raise VectorbtError("vectorbt is not installed; install it with `pip install vectorbt==1.2.0`")
    if engine == "rust" and found["rust"] is None:
        raise VectorbtError(
            f"vectorbt's rust engine is not installed; install vectorbt-rust=={found['vectorbt']}, or choose --engine numba"
        )


def run(case: Case, fees: NDArray[np.float64], engine: str) -> Theirs:
    """Run a case through vectorbt's API on one engine.

    Args:
        fees: [bars, columns], the fixed fee of each order. engine: numba or rust.
    Raises:
        VectorbtError: the engine is not installed.
    """
    require(engine)
    import vectorbt as vbt

    terms = case.terms
    shared: dict[str, Any] = {
        "close": case.close, "size": case.size, "size_type": int(case.kind), "price": case.price, "fees": terms.rate,
        "fixed_fees": fees, "slippage": terms.slippage, "min_size": terms.least, "max_size": terms.most,
        "size_granularity": terms.step, "allow_partial": terms.partial, "raise_reject": False, "log": True,
        "val_price": case.val_price, "init_cash": case.cash, "update_value": case.update_value, "engine": engine,
        "ffill_val_price": True, "lock_cash": False, "reject_prob": 0.0, "freq": "1D", "call_seq": case.sequence,
    }  # fmt: skip
    if case.shared:
        shared |= {"cash_sharing": True, "group_by": True}
    if case.signals is None:
        portfolio = vbt.Portfolio.from_orders(**shared, direction=int(case.way))
    else:
        portfolio = vbt.Portfolio.from_signals(**shared, **_signals(case))
    return _theirs(portfolio)


def _signals(case: Case) -> dict[str, Any]:
    """Return what from_signals takes beside from_orders."""
    signals, modes = case.signals, case.modes
    assert signals is not None
    sides: dict[str, Any] = {"entries": signals.entries, "exits": signals.exits}
    if signals.four:
        sides |= {"short_entries": signals.short_entries, "short_exits": signals.short_exits}
    else:
        sides |= {"direction": int(signals.way)}
    return sides | {
        "open": case.open, "high": case.high, "low": case.low, "sl_stop": signals.loss, "sl_trail": signals.trail,
        "tp_stop": signals.take, "accumulate": int(modes.accumulate), "upon_long_conflict": int(modes.long_conflict),
        "upon_short_conflict": int(modes.short_conflict), "upon_dir_conflict": int(modes.clash),
        "upon_opposite_entry": int(modes.opposite), "stop_entry_price": int(modes.base),
        "stop_exit_price": int(modes.exit_price), "upon_stop_exit": int(modes.stop_exit),
        "upon_stop_update": int(modes.stop_update), "use_stops": True,
    }  # fmt: skip


def _theirs(portfolio: Any) -> Theirs:
    log = portfolio.logs.values
    side = np.where(log["res_side"] == 0, 1, np.where(log["res_side"] == 1, -1, 0))
    value = np.asarray(portfolio.value(), np.float64)
    return Theirs(
        log["idx"].astype(np.int64), log["col"].astype(np.int64), log["res_status_info"].astype(np.int64),
        side.astype(np.int64), log["res_size"], log["res_price"], log["res_fees"], log["new_cash"],
        len(portfolio.order_records), value[-1].reshape(-1).tolist(),
    )  # fmt: skip


def granularity(engine: str) -> float:
    """Return the size an engine fills of one share asked for in steps of 0.1: 0.9 by numba, 1.0 by rust in 1.2.0."""
    require(engine)
    import vectorbt as vbt

    portfolio = vbt.Portfolio.from_orders(
        close=np.array([10.0, 10.0]), size=np.array([1.0, np.nan]), size_granularity=0.1, init_cash=100.0, engine=engine
    )
    return float(portfolio.order_records["size"][0])


def portfolio(
    moments: NDArray[np.int64], symbols: tuple[str, ...], close: NDArray[np.float64], orders: Any, cash: float, frequency: str
) -> Any:
    """Return a Portfolio of finished order records; see `sim.parity.portfolio`.

    Args:
        moments: UTC ns of the bars. close: [bars, symbols]. orders: portfolio.Orders, in the order of booking.
        cash: at the start, one purse for all symbols. frequency: bar length as pandas writes it.
    Raises:
        VectorbtError: vectorbt is not installed.
    """
    require("numba")
    import pandas as pd
    import vectorbt as vbt
    from vectorbt.portfolio.enums import log_dt, order_dt

    frame = pd.DataFrame(close, index=pd.to_datetime(moments, utc=True), columns=list(symbols))
    by_column = np.lexsort((np.arange(len(orders.bar)), orders.bar, orders.column))
    records = np.zeros(len(by_column), order_dt)
    records["id"] = np.arange(len(by_column))
    for name, values in (
        ("col", orders.column), ("idx", orders.bar), ("size", orders.size), ("price", orders.price), ("fees", orders.fee),
        ("side", orders.side),
    ):  # fmt: skip
        records[name] = values[by_column]
    several = len(symbols) > 1
    prices = frame if several else frame.iloc[:, 0]  # vectorbt plots orders and trades of a Series only
    wrapper = vbt.ArrayWrapper.from_obj(prices, freq=frequency, group_by=True if several else None)
    return vbt.Portfolio(
        wrapper=wrapper, close=prices, order_records=records, log_records=np.zeros(0, log_dt), init_cash=np.array([cash]),
        cash_sharing=several, engine="numba",
    )  # fmt: skip


def returns(moments: NDArray[np.int64], equity: NDArray[np.float64], start: float, frequency: str) -> Any:
    """Return vectorbt's returns accessor over an equity curve, the first return measured from `start`.

    A year has 252 days of trading here, as in our own figures; vectorbt's default is 365.

    Raises:
        VectorbtError: vectorbt is not installed.
    """
    require("numba")
    import pandas as pd
    import vectorbt as vbt  # noqa: F401  # registers the accessor

    before = np.concatenate(([start], equity[:-1]))
    series = pd.Series(equity / before - 1.0, index=pd.to_datetime(moments, utc=True), name="return")
    return series.vbt.returns(freq=frequency, year_freq="252 days", engine="numba")

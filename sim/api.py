"""The front door for notebooks: `from sim import backtest; result = backtest(bars, "sma_cross", fast=10, slow=30)`.

Theory of operation. `backtest` brings whatever bars a person has into validated
histories, runs them and returns a Result. What a kernel can have (`sim.sweep.single`) it gets, for that takes
milliseconds where `sim.run.simulate` takes seconds; the book is the same, digest for digest. A Result only reads what the run left:
the book, its event log and the equity curve. Money in its tables is float, for
display and for statistics; the exact integers stand beside it under names that end in `_e8`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ledger.book import Book
from ledger.units import decimal_text
from sim import run as runs
from sim.data import DataError, History, load
from strategies import get
from strategies.api import Strategy, checked, is_compiled, known_name

if TYPE_CHECKING:
    import pandas as pd

    from sim.engine.drive.worlds import Interval
    from sim.output.sheet import Sheet

Ints = NDArray[np.int64]
SHOWN = ("final_equity", "total_return", "cagr", "sharpe", "max_drawdown", "exposure", "orders", "fills", "trades", "win_rate", "fees")


def backtest(
    bars: Any = None,
    strategy: str | Strategy = "sma_cross",
    *,
    data: str | Path | None = None,
    symbols: Sequence[str] = (),
    prices: str = "adjusted",
    reading: Mapping[str, Any] | None = None,
    setting: runs.Setting | None = None,
    also: Sequence[str] = (),
    **words: Any,
) -> Result:
    """Run a strategy over bars and return what the run left.

    Args:
        bars: a pandas DataFrame of open, high, low, close and volume with a time index, a History, a list of
            either, or a dict from symbol to DataFrame. Leave it out and name `data` instead.
        strategy: a name of the registry, the path of a file, or a Strategy.
        data, symbols, prices, reading: as `sim.data.load` takes them (`reading`: start, end, bar, repairs, ...).
        setting: the whole Setting; or single fields of it as words (cash="50000", commission="zero").
        also: further strategies that share the account, as `rsi_reversion` or `sma_cross fast=5 slow=20`.
        words: fields of Setting, and parameters of the strategy (fast=10).
    Raises:
        StrategyError, DataError, UnitError: what was asked for does not exist or is no number.
        sim.run.BacktestError: the run had to stop.
    """
    chosen = strategy if isinstance(strategy, Strategy) else get(strategy)
    fields = {name: words.pop(name) for name in runs.Setting._fields if name in words}
    setting = (setting or runs.Setting())._replace(**{name: _text(value) for name, value in fields.items()})
    for name in words:
        known_name(f"parameter of {chosen.name} or field of Setting", name, [*chosen.params._fields, *runs.Setting._fields])
    params = checked(chosen, chosen.params(**words))
    histories = _histories(bars, data, symbols, prices, dict(reading or {}))
    return Result(_simulation(histories, chosen, params, setting, [runs.member(text) for text in also]))


def _simulation(
    histories: Sequence[History], strategy: Strategy, params: Any, setting: runs.Setting, also: Sequence[tuple[Strategy, Any]]
) -> runs.Simulation:
    """Return the run by a kernel where one can have it, else by the engine."""
    # A strategy in plain Python goes to the engine, whose remark says that it is not compiled.
    if len(histories) == 1 and not also and strategy.columnar is not None and is_compiled(strategy):
        from sim.sweep.single import kernel_run  # Here, because `sim.sweep` needs what `sim` opens.

        found = kernel_run(histories[0], strategy, params, setting)
        if found is not None:
            return found
    return runs.simulate(histories, strategy, params, setting, also)


def _text(value: Any) -> Any:
    """Return a setting as text where a person wrote a number; enums and texts stay."""
    return str(value) if type(value) in (int, float) and not isinstance(value, bool) else value


def _histories(bars: Any, data: str | Path | None, symbols: Sequence[str], prices: str, reading: dict[str, Any]) -> list[History]:
    """Return validated histories of whatever bars came in."""
    if (bars is None) == (data is None):
        raise DataError("give bars or data, one of the two", column="bars", fix="pass a DataFrame, or data='sp500'")
    if isinstance(bars, str | Path):
        bars, data = None, bars
    if data is not None:
        return load(str(data), symbols, prices=prices, **reading)
    if isinstance(bars, History):
        return [bars]
    if isinstance(bars, Mapping):
        return [_history(frame, str(symbol), reading) for symbol, frame in bars.items()]
    if isinstance(bars, list | tuple):
        return [one if isinstance(one, History) else _history(one, f"BARS{at}", reading) for at, one in enumerate(bars, 1)]
    return [_history(bars, "BARS", reading)]


def _history(frame: Any, symbol: str, reading: dict[str, Any]) -> History:
    """Return the validated history of one DataFrame; every rule of a file holds for it too."""
    from sim.frames import from_frame

    return frame if isinstance(frame, History) else from_frame(frame, symbol, **reading)


@dataclass(frozen=True)
class Result:
    """What a run left, for reading; the book and the log are exact, the tables are for people."""

    simulation: runs.Simulation

    @property
    def book(self) -> Book:
        """The exact book."""
        return self.simulation.book

    @property
    def log(self) -> Ints:
        """int64[n, 20]: every event of the run; replayed, it gives the same book."""
        return self.simulation.log

    @property
    def equity_e8(self) -> Ints:
        """int64[m]: equity at each moment, at 1e-8 of the currency."""
        return self.simulation.equity_e8

    @property
    def interval(self) -> Interval | None:
        """Least and greatest final equity over all ways through the ambiguous bars; None when `worlds` was 0."""
        return self.simulation.interval

    @cached_property
    def equity(self) -> pd.Series:
        """Equity at each moment in the currency, as float, for display; UTC index."""
        import pandas as pd

        from sim import frames

        return pd.Series(self.equity_e8 / 1e8, index=frames.times(self.simulation.times_ns), name="equity")

    @cached_property
    def figures(self) -> dict[str, Any]:
        """Every figure of `sim.metrics.DEFINITIONS`; None where it is not defined."""
        return runs.figures(self.simulation)

    @cached_property
    def fills(self) -> pd.DataFrame:
        """One row a fill: time, symbol, side, quantity, price, fee, key of its order."""
        from sim import frames

        return frames.fills(self.simulation)

    @cached_property
    def orders(self) -> pd.DataFrame:
        """One row an order: time, symbol, purpose, type, side, quantity, filled, status, key."""
        from sim import frames

        return frames.orders(self.simulation)

    @cached_property
    def trades(self) -> pd.DataFrame:
        """One row an allocation: what one closing fill took of one lot, and its profit after fees."""
        from sim import frames

        return frames.trades(self.simulation)

    def periods(self, by: str = "month") -> pd.DataFrame:
        """Return what each period earned: "5min", "1h" ..., "session", "week", "month", "quarter" or "year"; unknown is NaN."""
        from sim import frames
        from sim.output.periods import periods

        return frames.periods(periods(self.sheet, by))

    def save(self, path: Path | str, source: str = "bars") -> int:
        """Write the run into the journal at `path` and return its session id."""
        return runs.store(self.simulation, Path(path), runs.configuration(self.simulation, source, "as given"))

    # One-line methods of other modules stand here: each imports its module when it is called.

    @cached_property
    def sheet(self) -> Sheet:
        """The record that tables, pictures, pages and exports are made from."""
        return runs.sheet(self.simulation, self.figures)

    def html(self, path: Path | str | None = None) -> str:
        """Return the page with interactive charts, needing no network; with a path also write it there."""
        from sim.output import export, page

        text = page.html(self.sheet)
        if path is not None:
            export.whole_file(Path(path), text.encode())
        return text

    def plot(self, width: int = 1500, height: int = 900) -> Any:
        """Return the equity and drawdown picture for a notebook."""
        from sim.output import picture

        return picture.Picture(picture.png(self.sheet, width, height))

    def to_csv(self, folder: Path | str, *tables: str) -> dict[str, Path]:
        """Write the tables (all, or those named) as CSV files with exact decimals and return them by name."""
        return self._write(folder, "csv", tables)

    def to_parquet(self, folder: Path | str, *tables: str) -> dict[str, Path]:
        """Write the tables (all, or those named) as Parquet files with decimal128 and return them by name."""
        return self._write(folder, "parquet", tables)

    def to_json(self, folder: Path | str, *tables: str) -> dict[str, Path]:
        """Write the run as one JSON document with exact decimal text and return it by name."""
        return self._write(folder, "json", tables)

    def _write(self, folder: Path | str, kind: str, tables: Sequence[str]) -> dict[str, Path]:
        from sim.output import export

        return export.write(self.sheet, Path(folder), "run", (kind,), tables)

    def to_vectorbt(self) -> Any:
        """Return a `vectorbt.Portfolio` of this run's fills, for its stats and plots; see `sim.parity.portfolio`."""
        from sim.parity.portfolio import to_vectorbt

        return to_vectorbt(self)

    def to_returns(self) -> Any:
        """Return vectorbt's returns accessor over the equity curve; it works where `to_vectorbt` must refuse."""
        from sim.parity.portfolio import to_returns

        return to_returns(self)

    def _shown(self) -> list[tuple[str, str]]:
        figures = self.figures
        texts = {"final_equity", "fees"}

        def text(name: str) -> str:
            value = figures.get(name)
            if value is None:
                return "unknown"
            if name in texts:
                return decimal_text(int(value))
            return f"{value:,.4f}" if isinstance(value, float) else f"{value:,}"

        interval = [("ambiguity", sentence) for sentence in runs.ambiguity(self.simulation)]
        return [(name.replace("_", " "), text(name)) for name in SHOWN] + interval

    def _title(self) -> str:
        sim = self.simulation
        given = ", ".join(f"{name}={value}" for name, value in sim.params._asdict().items())
        return f"{sim.strategy.name}({given}) on {', '.join(sim.symbols[:4])}{', ...' if len(sim.symbols) > 4 else ''}"

    def __repr__(self) -> str:
        rows = "\n".join(f"  {name:<14} {value}" for name, value in self._shown())
        return f"{self._title()}\n{rows}"

    def _repr_html_(self) -> str:
        from html import escape

        rows = "".join(
            f"<tr><td style='text-align:left'>{escape(name)}</td><td>{escape(value)}</td></tr>" for name, value in self._shown()
        )
        return f"<table><caption>{escape(self._title())}</caption>{rows}</table>"

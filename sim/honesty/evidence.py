"""What is known of a finished run: read from its journal, or from the run itself.

Theory of operation. Judges of a run (the linter, the report of overfitting) look at one
Evidence and never ask where it came from. Everything in it follows from the events of the
session and its config. The bars a strategy saw are not stored; they are read again from
their source and used only when their SHA-256 is the one that the session kept.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from ledger import views
from ledger.book import E_INSTRUMENT, E_KIND, E_PRICE, E_QTY, E_SIDE, E_TIME, I_QTY_EXP, Book
from ledger.units import money
from ledger.vocabulary import EventKind, Method
from sim import metrics
from sim import run as runs
from sim.data import DataError, History, load
from sim.data.errors import REPAIRS
from sim.honesty.trials import family_of
from sim.honesty.windows import HonestyError
from sim.trades import Trades, closed_trades

if TYPE_CHECKING:
    from ledger.journal import Journal, SessionInfo

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
NS = 10**9
KINDS = (EventKind.FILL, EventKind.SPLIT, EventKind.MARK)
COLUMNS = (E_KIND, E_TIME, E_INSTRUMENT, E_SIDE, E_QTY, E_PRICE)
_ROWS = (
    "SELECT kind, time_ns, instrument, side, qty_lots, price_ticks FROM event"
    " WHERE session_id = ? AND kind IN (?, ?, ?) ORDER BY seq"
)


class Track(NamedTuple):
    """One instrument through the run, at each of its m marks, and its n fills."""

    symbol: str
    time_ns: Ints  # [m]
    close: Floats  # [m] the mark in ticks, earlier ones brought to the terms after every split
    side: Floats  # [m] -1, 0 or 1: the position held at the mark
    raw_close: Ints  # [m] the mark as it was
    fill_ns: Ints  # [n]
    fill_lots: Ints  # [n]
    fill_after: Ints  # [n] how many marks came before the fill
    qty_exp: int

    def returns(self) -> Floats:
        """Return float64[m - 1]: from one mark to the next."""
        return np.asarray(np.diff(self.close) / self.close[:-1], np.float64)


@dataclass(frozen=True)
class Evidence:
    """A finished run, for judges. `histories` is None when the bars cannot be had again; `missing` says why."""

    config: Mapping[str, Any]
    values: Ints  # int64[m, 6], as a run leaves it
    start_e8: int
    book: Book
    trades: Trades
    tracks: tuple[Track, ...]
    figures: metrics.Figures
    histories: tuple[History, ...] | None
    missing: str

    @property
    def equity_e8(self) -> Ints:
        """int64[m]: equity after each bar."""
        return self.values[:, 2] + self.values[:, 3]

    @property
    def returns(self) -> Floats | None:
        """Daily returns; None when the account was at or below nothing."""
        return metrics.daily_returns(self.equity_e8, self.values[:, 1], self.start_e8) if len(self.values) else None

    @property
    def family(self) -> str | None:
        """The family whose trials the run competes with."""
        return family_of(self.config)

    def held_returns(self) -> Floats | None:
        """Daily returns of holding every instrument, equally weighted at the first bar, over the days of the equity curve."""
        if not self.tracks or not len(self.values):
            return None
        worth = np.zeros(len(self.values))
        for track in self.tracks:
            at = np.searchsorted(track.time_ns, self.values[:, 0], side="right") - 1
            first = int(np.clip(at[0], 0, None))
            worth += np.where(at >= first, track.close[np.clip(at, first, None)] / track.close[first], 1.0)
        closing = worth[np.flatnonzero(np.diff(self.values[:, 1], append=self.values[-1, 1] + 1))]
        base = np.concatenate(([float(len(self.tracks))], closing[:-1]))
        return np.asarray(closing / base - 1.0, np.float64)


def of_run(sim: runs.Simulation, config: Mapping[str, Any] | None = None) -> Evidence:
    """Return the evidence of a run that was just made."""
    told = runs.configuration(sim, "bars", "as given") if config is None else config
    rows = sim.log[np.isin(sim.log[:, E_KIND], KINDS)][:, COLUMNS]
    return Evidence(
        told, sim.values, money(sim.setting.cash), sim.book, closed_trades(sim.book), _tracks(rows, sim.book, sim.symbols),
        runs.figures(sim), sim.histories, "",
    )  # fmt: skip


def of_session(journal: Journal, info: SessionInfo, *, bars: bool = True) -> Evidence:
    """Return the evidence of a stored backtest; with `bars` its prices are read again if they can be.

    Raises:
        HonestyError: the session is no backtest, or did not end.
    """
    if info.kind != "backtest" or info.status != "done":
        raise HonestyError(f"session {info.id} is {info.kind}, {info.status}; only a backtest that is done can be judged")
    config = json.loads(info.config)
    points = views.equity(journal, info.id)
    # What a point holds is not stored; a position is worth something exactly while there is one.
    rows = [(p.time_ns, p.day + runs.EPOCH_DAY, p.cash_e8, p.positions_e8 or 0, p.unmarked, int(bool(p.positions_e8))) for p in points]
    values, book = np.array(rows, np.int64).reshape(len(rows), 6), journal.book(info.id)
    found = journal.connection.execute(_ROWS, (info.id, *(int(kind) for kind in KINDS))).fetchall()
    symbols = [row["symbol"] for row in config["instruments"]]
    histories, missing = bars_again(config) if bars else (None, "the bars were not read again")
    nothing: Any = None
    setting = setting_of(config)
    sim = runs.Simulation(book, nothing, values, (), nothing, nothing, setting)
    return Evidence(
        config, values, money(setting.cash), book, closed_trades(book),
        _tracks(np.array(found, np.int64).reshape(len(found), len(COLUMNS)), book, symbols), runs.figures(sim), histories, missing,
    )  # fmt: skip


def setting_of(config: Mapping[str, Any]) -> runs.Setting:
    """Return the Setting a session was made with; what an older release did not know is as it is by default."""
    told = {name: value for name, value in config["setting"].items() if name in runs.Setting._fields}
    return runs.Setting(**told | {"method": Method[told["method"]]})


def _tracks(rows: Ints, book: Book, symbols: Sequence[str]) -> tuple[Track, ...]:
    """Return each instrument's way through the run from rows int64[k, 6] in the order of COLUMNS."""
    parts = (rows[rows[:, 2] == number] for number in range(1, len(symbols) + 1))
    exponents = book.instruments[1:, I_QTY_EXP].tolist()
    return tuple(_track(*each) for each in zip(parts, symbols, exponents[: len(symbols)], strict=True))


def _track(rows: Ints, symbol: str, qty_exp: int) -> Track:
    position, ratio = 0, 1.0
    marks: list[tuple[int, int, int, float]] = []
    fills: list[tuple[int, int, int]] = []
    for kind, time_ns, _, side, qty, price in rows.tolist():
        if kind == EventKind.FILL:
            position += side * qty
            fills.append((time_ns, qty, len(marks)))
        elif kind == EventKind.SPLIT:
            # `qty` new shares for `price` old ones; the position's sign is all that is needed of it.
            position, ratio = position * qty // price, ratio * qty / price
        else:
            marks.append((time_ns, price, (position > 0) - (position < 0), ratio))
    columns = np.array(marks, np.float64).reshape(len(marks), 4)
    times, ticks = (np.array([mark[at] for mark in marks], np.int64) for at in (0, 1))
    filled = np.array(fills, np.int64).reshape(len(fills), 3)
    return Track(symbol, times, ticks * columns[:, 3], columns[:, 2], ticks, filled[:, 0], filled[:, 1], filled[:, 2], qty_exp)


def bars_again(config: Mapping[str, Any]) -> tuple[tuple[History, ...] | None, str]:
    """Return the histories a session was made from, or None and the reason why they cannot be had."""
    rows = config["instruments"]
    if any("start_ns" not in row for row in rows):
        return None, "the session does not say which dates it read"
    if not Path(config["data"]).exists() and config["data"] not in ("sp500", "nasdaq"):
        return None, f"{config['data']} is not there any more"
    try:
        found = load(config["data"], [row["symbol"] for row in rows], prices=config["prices"], **_reading(config, rows))
    except DataError as error:
        return None, f"{config['data']} cannot be read again: {error}"
    same = [(h.sha256, int(h.end_ns.size)) == (row["sha256"], row["bars"]) for h, row in zip(found, rows, strict=True)]
    return (tuple(found), "") if all(same) else (None, f"{config['data']} holds other bars than it did")


def _reading(config: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return how the bars were read; a run that was not made from words says it by its first and last bar."""
    if "reading" in config:
        return dict(config["reading"])
    zone = ZoneInfo(rows[0]["timezone"])
    first, last = (datetime.fromtimestamp(ns // NS, zone).date() for ns in _span(rows))
    repairs = {repair["name"] for row in rows for repair in row["repairs"]} & REPAIRS.keys()
    return {"start": first, "end": last, "bar": rows[0]["bar"], "repairs": sorted(repairs)}


def _span(rows: Sequence[Mapping[str, Any]]) -> tuple[int, int]:
    """Return the first moment and the last one before the end of all bars, ns."""
    return min(row["start_ns"] for row in rows), max(row["end_ns"] for row in rows) - 1

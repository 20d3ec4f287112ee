"""Real prices for the feed: histories of the data room as days and minutes of contracts.

Theory of operation. A History is validated already. Its bars are taken onto the contract's price
grid, daily bars as days, shorter ones as minutes of their day, with the day joined from
them. Bars longer than a minute stand at their first minute; the minutes up to the next
one repeat the close. A symbol that the catalogue knows keeps its contract; any other
becomes a stock. What is in a file happened on its dates, so the gateway's clock should start there.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

import numpy as np

from sim.data import History
from sim.gateway.core.config import SECOND_NS, Config
from sim.gateway.desk.contracts import Catalogue, Contract, stock
from sim.gateway.desk.hours import MINUTE_NS, SESSIONS, minute_ns
from sim.gateway.feed.paths import Bar, Ints, joined
from sim.gateway.feed.series import Real

OPENING = SESSIONS["stock"][0]
OPENING_ALWAYS = 0


class Files(NamedTuple):
    """What the gateway is given: contracts that only the files know, prices by contract, and the span of time."""

    extra: tuple[Contract, ...]
    real: dict[int, Real]
    first_ns: int
    last_ns: int


def contract_of(history: History, catalogue: Catalogue) -> Contract:
    """Return the contract that a history is about."""
    known = [c for c in catalogue.all() if c.symbol == history.symbol and c.sec_type in ("STK", "IND")]
    return known[0] if known else stock(history.symbol)


def prices(history: History, contract: Contract) -> Ints:
    """Return int64[n, 5]: the history's bars on the contract's grid."""
    columns = (history.open_ticks, history.high_ticks, history.low_ticks, history.close_ticks)
    scale = 10.0 ** (contract.price_exp - history.price_exp) / contract.step
    rows = np.empty((history.day.size, 5), np.int64)
    for at, column in enumerate(columns):
        rows[:, at] = np.maximum(np.rint(column * scale).astype(np.int64), 1) * contract.step
    rows[:, 4] = history.volume
    return rows


def real_of(history: History, contract: Contract) -> Real:
    """Return a history as days, and as minutes where its bars are shorter than a day."""
    rows = prices(history, contract)
    if history.bar.endswith("d"):
        return Real({int(day): Bar(*map(int, row)) for day, row in zip(history.day, rows, strict=True)}, {})
    days: dict[int, Bar] = {}
    minutes: dict[int, Ints] = {}
    for day in np.unique(history.day).tolist():
        mine = history.day == day
        begins = minute_ns(contract.zone, day, 0)
        first = (history.start_ns[mine] - begins) // MINUTE_NS
        days[day] = joined(rows[mine])
        minutes[day] = np.column_stack((first, rows[mine]))
    return Real(days, minutes)


def load_files(histories: Sequence[History]) -> Files:
    """Return everything the gateway needs of histories."""
    catalogue = Catalogue(date(2026, 1, 1))
    contracts = [contract_of(history, catalogue) for history in histories]
    extra = tuple(c for c in contracts if c.con_id not in catalogue.by_id)
    real = {c.con_id: real_of(history, c) for c, history in zip(contracts, histories, strict=True)}
    first = min(minute_ns("US/Eastern", min(each.days), OPENING) for each in real.values())
    last = max(minute_ns("US/Eastern", max(each.days), OPENING) for each in real.values())
    return Files(extra, real, first, last)


def start_of(files: Files, config: Config) -> int:
    """Return when a gateway that replays files begins if nobody says: the opening of their last day."""
    return files.last_ns // SECOND_NS * SECOND_NS

"""The events of a rebalancing, and the book they make in the gate and the ledger.

Theory of operation. What the kernel did is told again as claims, acknowledgements,
executions and fees. Replaying them decides every claim once more, on the ledger's own book, and
allocates every sale anew: a kernel that spent money it did not have, or took another lot,
would be found out here.
"""

from __future__ import annotations

import numpy as np

from ledger.book import (
    E_CASH, E_EXEC, E_FEE, E_INSTRUMENT, E_KEY, E_KIND, E_PRICE, E_QTY, E_REASON, E_SIDE, E_TARGET, E_TIME, EVENT_WIDTH, Book,
    Capacity, event,
)  # fmt: skip
from ledger.core import replay
from ledger.keys import pack
from ledger.units import MONEY_EXP
from ledger.vocabulary import EventKind, Purpose
from sim.rebalance.kernel import Ints
from sim.rebalance.run import QTY_EXP, Rebalanced

DAY_NS = 86_400 * 10**9
CLOSE_NS = 21 * 3600 * 10**9
"""Time of day at which the events of `log` happen, when no times are given."""


def log(run: Rebalanced, times_ns: Ints | None = None) -> Ints:
    """Return int64[n, EVENT_WIDTH]: the events that the gate and the ledger would have made of a run.

    Each rebalancing day marks every symbol at its close, then each order is claimed, acknowledged, filled and
    charged; the last day is marked too. Instruments are numbered from 1, in the order of the columns.

    Args:
        times_ns: int64[days], UTC, rising; None is 21:00 of one calendar day after the other from 1970.
    """
    times = np.arange(len(run.close), dtype=np.int64) * DAY_NS + CLOSE_NS if times_ns is None else times_ns
    rows = np.concatenate([_setup(run, int(times[0])), _marks(run, times), _orders(run, times)])
    return rows[np.argsort(rows[:, E_TIME], kind="stable")]  # of one moment: set-up, then marks, then orders


def _setup(run: Rebalanced, first: int) -> Ints:
    """Return the rows that define the instruments and bring the cash."""
    rows = [
        event(
            EventKind.INSTRUMENT, time_ns=first, instrument=number, revision=run.price_exp, order_type=QTY_EXP, price_ticks=1,
            qty_lots=10**QTY_EXP, target_lots=1, ref=number,
        )
        for number in range(1, run.close.shape[1] + 1)
    ]  # fmt: skip
    return np.array([*rows, event(EventKind.DEPOSIT, time_ns=first, cash_e8=run.start_cash)], np.int64)


def _marks(run: Rebalanced, times: Ints) -> Ints:
    """Return a MARK of every symbol on every rebalancing day and on the last day."""
    days, symbols = np.union1d(run.days, [len(run.close) - 1]), run.close.shape[1]
    rows = np.zeros((len(days) * symbols, EVENT_WIDTH), np.int64)
    rows[:, E_KIND], rows[:, E_TIME] = EventKind.MARK, np.repeat(times[days], symbols)
    rows[:, E_INSTRUMENT], rows[:, E_PRICE] = np.tile(np.arange(1, symbols + 1), len(days)), run.close[days].ravel()
    return rows


def _orders(run: Rebalanced, times: Ints) -> Ints:
    """Return four rows a fill: claim, acknowledgement, execution, fee."""
    day, symbol, shares, fee = run.fills.T
    side, lots, price = np.sign(shares), np.abs(shares) * 10**QTY_EXP, run.prices
    moments = times[day]
    keys = np.array([pack(1, int(j) + 1, Purpose.TARGET, int(t) // 10**9, 0) for j, t in zip(symbol, moments, strict=True)], np.int64)
    rows = np.zeros((len(day), 4, EVENT_WIDTH), np.int64)
    rows[:, :, E_TIME], rows[:, :, E_INSTRUMENT] = moments[:, None], symbol[:, None] + 1
    rows[:, :, E_KIND] = EventKind.CLAIM, EventKind.SUBMITTED, EventKind.FILL, EventKind.COMMISSION
    rows[:, :3, E_KEY] = keys[:, None]
    rows[:, 0, E_SIDE], rows[:, 0, E_QTY], rows[:, 0, E_PRICE], rows[:, 0, E_FEE] = side, lots, price, fee
    rows[:, 0, E_TARGET] = _positions_after(symbol, shares) * 10**QTY_EXP
    worth = np.abs(shares) * price * 10 ** (MONEY_EXP - run.price_exp)
    rows[:, 0, E_CASH], rows[:, 0, E_REASON] = np.where(side > 0, worth + fee, 0), side > 0
    rows[:, 2, E_SIDE], rows[:, 2, E_QTY], rows[:, 2, E_PRICE] = side, lots, price
    rows[:, 2:, E_EXEC], rows[:, 3, E_FEE] = np.arange(1, len(day) + 1)[:, None], fee
    return rows.reshape(-1, EVENT_WIDTH)


def _positions_after(symbol: Ints, shares: Ints) -> Ints:
    """Return the shares held of a fill's symbol after it."""
    order = np.argsort(symbol, kind="stable")
    running = np.cumsum(shares[order])
    first = np.searchsorted(symbol[order], symbol[order])
    before = np.where(first > 0, running[first - 1], 0)
    after = np.empty_like(shares)
    after[order] = running - before
    return after


def book_of(run: Rebalanced, times_ns: Ints | None = None) -> Book:
    """Return the book of a run: its log replayed through the gate and the ledger.

    Raises:
        RuntimeError: the ledger refused an event, so the kernel and the ledger disagree.
    """
    events, count = log(run, times_ns), len(run.fills)
    room = Capacity(run.close.shape[1] + 1, count + 1, count + 2, len(run.lots) + 1, len(run.allocations) + run.close.shape[1] + 64)
    result = Book(capacity=room)
    done = replay(result.arena, events, 0)
    if done < len(events):
        kind = EventKind(int(events[done, E_KIND])).name
        raise RuntimeError(f"the ledger refused event {done} of a rebalancing, {kind}; please report it")
    return result

"""Trades that look like the same decision made twice.

Theory of operation. Rows without an order id can only be suspected. A cluster is a run of trades of one symbol and side,
each within WINDOW of the one before, with no trade of the other side between. A later row of the same
quantity is a suspect; a row of another quantity is a look-alike: a part of one order, or a planned addition. Where nothing else
speaks against them, only equal rows within seconds, or many in a run, are suspects: a plan may buy each minute, too. Rows that
share an order id are parts of one order and are never suspects. The stored position decides how sure it is: shares that are
recorded and not held were never bought.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from ledger.rescue.audit.finding import ERROR, LIKELY, SUSPECTED, SUSPICION, Case, Finding, text, total
from ledger.rescue.audit.positions import held_by_symbol
from ledger.rescue.legacy import Int64s, grouped
from ledger.rescue.times import time_text
from ledger.units import decimal_text

WINDOW_NS = 120 * 10**9
"""The longest pause between two purchases of a loop that buys again on each cycle."""
QUICK_NS = 10 * 10**9
"""The longest pause between parallel tasks that act on one decision."""
MANY = 4
"""Equal trades in one run from which on a loop is likelier than a plan."""


class Suspects(NamedTuple):
    """The suspects of one symbol and their look-alikes, as places among the trades."""

    symbol: int
    again: Int64s
    quick: Int64s
    """Of these, the ones within QUICK_NS of an equal one, or in a run of MANY."""
    beyond_first: Int64s
    alike: Int64s
    clusters: int


def suspects(case: Case) -> Iterator[Suspects]:
    """Yield the symbols that have suspects, with all rows in question."""
    trades, order = case.legacy.trades, case.legacy.in_order()
    for symbol, part in grouped(trades.symbol[order]):
        at = order[part]
        if len(at) < 2:
            continue
        starts = np.ones(len(at), bool)
        starts[1:] = (np.diff(trades.side[at]) != 0) | (np.diff(trades.time_ns[at]) > WINDOW_NS)
        if starts.all():
            continue
        run = np.cumsum(starts)
        found = _of_runs(case, at, run, starts)
        if len(found[1]):
            yield Suspects(symbol, *found)


def _of_runs(case: Case, at: Int64s, run: Int64s, starts: np.ndarray) -> tuple[Int64s, Int64s, Int64s, Int64s, int]:
    """Return (rows of a quantity seen before in their run, the quick ones of them, all rows but the first of a run, look-alikes, runs)."""
    trades = case.legacy.trades
    keys = np.column_stack([run, trades.qty_e8[at]])
    _, first, inverse, counts = np.unique(keys, axis=0, return_index=True, return_inverse=True, return_counts=True)
    group = inverse.reshape(-1)
    again = first[group] != np.arange(len(at))
    quick = (counts[group] >= MANY) | (_pauses(trades.time_ns[at], group) <= QUICK_NS)
    if trades.order is not None:
        one = [trades.order[place] for place in at.tolist()]
        parts = np.array([n > 0 and one[n] != "" and one[n] == one[n - 1] for n in range(len(one))])
        again, starts = again & ~parts, starts | parts
    beyond = at[~starts]
    runs = len(np.unique(run[~starts]))
    return at[again], at[again & quick], beyond, np.setdiff1d(beyond, at[again]), runs


def _pauses(time_ns: Int64s, group: Int64s) -> Int64s:
    """Return how long before each row the last one of its group was; the first of a group has no such row."""
    order = np.lexsort((np.arange(len(group)), group))
    pauses = np.full(len(group), 2**62, np.int64)
    same = np.diff(group[order]) == 0
    pauses[order[1:][same]] = np.diff(time_ns[order])[same]
    return pauses


def duplicates(case: Case) -> Iterator[Finding]:
    """Find purchases and sales that look like repeats, and say how likely that is."""
    trades, held = case.legacy.trades, held_by_symbol(case)
    for found in suspects(case):
        excess = None if held is None else int(case.truth.position_e8[found.symbol]) - held.get(found.symbol, 0)
        rows, severity, sure, why = _judged(case, found, excess)
        if not len(rows):
            continue
        amount = total(case.truth.value_e8[rows])
        qty = total(trades.qty_e8[rows])
        first, last = trades.time_ns[rows].min(), trades.time_ns[rows].max()
        label = case.legacy.label(found.symbol)
        alike = (
            f" Look-alikes that are not counted: {', '.join(trades.rows(found.alike[:10]))} (other quantities)."
            if len(found.alike)
            else ""
        )
        yield Finding(
            "duplicate-suspected",
            severity,
            f"{label}: {len(rows)} trades of {decimal_text(qty, 8, 0)} shares look like repeats",
            amount,
            trades.rows(rows),
            f"{found.clusters} runs of one side with at most {WINDOW_NS // 10**9} s between, from "
            f"{time_text(int(first))} to {time_text(int(last))}; "
            f"the amount {text(amount)} is price x quantity of the repeats. {why}{alike}",
            sure,
            label,
            SQL,
        )


def _judged(case: Case, found: Suspects, excess: int | None) -> tuple[Int64s, str, str, str]:
    """Return (rows, severity, how sure, why): what the stored position says about the suspects."""
    side, qty = case.legacy.trades.side, case.legacy.trades.qty_e8
    if excess:
        for rows in (found.again, found.beyond_first):
            if total(side[rows].astype(np.int64) * qty[rows]) == excess:
                return rows, ERROR, LIKELY, "Without them the trades add up to the stored position exactly."
    if excess and excess > 0:
        rows = found.again if len(found.again) else found.beyond_first
        return (
            rows,
            ERROR,
            LIKELY,
            "The stored position is smaller than the trades add up to, so some were recorded and never held.",
        )
    if excess == 0:
        why = "The stored position holds these shares, so the orders were executed: a decision made twice, or a planned addition."
        return found.quick, SUSPICION, SUSPECTED, why
    why = "No stored position says whether they were held; a planned addition, or parts of one order, look the same."
    return found.quick, SUSPICION, SUSPECTED, why


SQL = (
    "SELECT b.* FROM trades a JOIN trades b ON b.symbol = a.symbol AND b.side = a.side AND b.quantity = a.quantity "
    "AND b.id > a.id "
    "WHERE (julianday(b.timestamp) - julianday(a.timestamp)) * 86400 BETWEEN 0 AND 120"
)

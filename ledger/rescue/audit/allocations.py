"""BotTrader's own matching: allocations, parents and inline profits against the orders.

Theory of operation. An allocation takes a part of a purchase for a sale. Parts of one purchase must not exceed it, parts
of one sale must be the sale, and no sale may take a later purchase. A sale's parent that other sales had used up is an
error; one that is merely old is not, because FIFO takes the oldest that is left, and a gap of more than a day is a note.
The inline engine matched what had been imported by then: where a purchase came in later, it took an older lot.
Only the newest version of a sale's allocations is looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from ledger.rescue.amounts import to_e8, worth
from ledger.rescue.audit.finding import CERTAIN, ERROR, LIKELY, WARNING, Case, Finding, text, total
from ledger.rescue.legacy import Allocations, Bools, Int64s
from ledger.rescue.times import UNKNOWN
from ledger.units import MONEY_EXP, decimal_text

DUST_E8 = 10
"""A ten-millionth of a coin: sums of doubles leave less."""
GAP_NS = 86_400 * 10**9


def newest(allocations: Allocations) -> Bools:
    """Say which rows are of the newest version of their sale."""
    most: dict[str, int] = {}
    for sell, version in zip(allocations.sell_id, allocations.version.tolist(), strict=True):
        most[sell] = max(version, most.get(sell, version))
    return np.array(
        [
            version == most[sell]
            for sell, version in zip(allocations.sell_id, allocations.version.tolist(), strict=True)
        ],
        bool,
    )


def _sum_at(places: Int64s, amounts: Int64s, size: int) -> Int64s:
    sums = np.zeros(size, np.int64)
    np.add.at(sums, places[places >= 0], amounts[places >= 0])
    return sums


def over_allocated(case: Case) -> Iterator[Finding]:
    """Find purchases of which more was allocated than was bought, and sales whose parts are not the sale."""
    allocations, trades = case.legacy.allocations, case.legacy.trades
    if allocations is None:
        return
    use = newest(allocations)
    qty = np.where(use, allocations.qty_e8, 0)
    bought, sold = _sum_at(allocations.buy, qty, len(trades)), _sum_at(allocations.sell, qty, len(trades))
    over = np.flatnonzero(bought > trades.qty_e8 + DUST_E8)
    for at in over.tolist():
        excess = int(bought[at] - trades.qty_e8[at])
        amount = worth(excess, int(trades.price_e8[at]), 10**MONEY_EXP)
        rows = allocations.rows(np.flatnonzero(use & (allocations.buy == at)))
        yield Finding(
            "allocated-twice",
            ERROR,
            f"{trades.row(at)}: {decimal_text(int(bought[at]))} allocated of {decimal_text(int(trades.qty_e8[at]))} "
            f"bought",
            amount,
            rows,
            f"{decimal_text(excess)} too many at the purchase price {text(int(trades.price_e8[at]))} = {text(amount)}",
            CERTAIN,
            case.legacy.label(int(trades.symbol[at])),
            "SELECT buy_order_id, SUM(allocated_size) FROM fifo_allocations GROUP BY buy_order_id",
        )
    sells = case.booked & (trades.side < 0)
    short = np.flatnonzero(sells & (np.abs(sold - trades.qty_e8) > DUST_E8))
    if len(short):
        lost = total(np.abs(trades.qty_e8[short] - sold[short]))
        none = int((sold[short] == 0).sum())
        yield Finding(
            "allocation-incomplete",
            ERROR,
            f"{len(short)} sales are not covered by their allocations",
            -total(case.truth.gross_e8[short][sold[short] == 0]),
            trades.rows(short),
            f"{decimal_text(lost)} units differ between size and allocations; {none} sales have none at all, as "
            f"after an import of old orders that no run booked "
            "again; the amount is the true profit of these, with its sign turned: what reports over allocations miss",
            CERTAIN,
            sql="SELECT sell_order_id, SUM(allocated_size) FROM fifo_allocations GROUP BY sell_order_id",
        )


def later_buys(case: Case) -> Iterator[Finding]:
    """Find allocations of a sale to a purchase that was made after it."""
    allocations = case.legacy.allocations
    if allocations is None:
        return
    buy = _times(case, allocations.buy, allocations.buy_time_ns)
    sell = _times(case, allocations.sell, allocations.sell_time_ns)
    late = np.flatnonzero(newest(allocations) & (buy != UNKNOWN) & (sell != UNKNOWN) & (buy > sell))
    if len(late):
        amount = total(allocations.pnl_e8[late])
        yield Finding(
            "sold-before-bought",
            ERROR,
            f"{len(late)} sales are matched with later purchases",
            amount,
            allocations.rows(late),
            f"the purchase came up to {int((buy[late] - sell[late]).max()) // 10**9} s after the sale; their stored "
            f"profit is {text(amount)}",
            CERTAIN,
            sql="SELECT * FROM fifo_allocations WHERE buy_time > sell_time",
        )


def _times(case: Case, places: Int64s, stored: Int64s) -> Int64s:
    """Return the times of orders; where an order is not in the file, as the allocation has it."""
    return np.where(places >= 0, case.legacy.trades.time_ns[np.maximum(places, 0)], stored)


def allocated_profits(case: Case) -> dict[int, int]:
    """Return, by place, what the newest allocations of each sale say that it earned, e8."""
    allocations = case.legacy.allocations
    if allocations is None:
        return {}
    use = newest(allocations) & allocations.pnl_known & (allocations.sell >= 0)
    stored = _sum_at(allocations.sell, np.where(use, allocations.pnl_e8, 0), len(case.legacy.trades))
    return {int(place): int(stored[place]) for place in np.unique(allocations.sell[use])}


def profit(case: Case) -> Iterator[Finding]:
    """Find sales whose allocated profit is not the booked one."""
    allocations, trades, truth = case.legacy.allocations, case.legacy.trades, case.truth
    if allocations is None:
        return
    use = newest(allocations) & allocations.pnl_known
    stored = _sum_at(allocations.sell, np.where(use, allocations.pnl_e8, 0), len(trades))
    covered = np.zeros(len(trades), bool)
    covered[allocations.sell[use & (allocations.sell >= 0) & (allocations.buy >= 0)]] = True
    covered &= truth.closers & (truth.unmatched_e8 == 0)
    allowed = 100 + truth.value_e8 // 10**9
    meanings = (truth.gross_e8 - truth.open_fee_e8 - truth.close_fee_e8, truth.gross_e8)
    true = min(meanings, key=lambda one: int((covered & (np.abs(stored - one) > allowed)).sum()))
    wrong = covered & (np.abs(stored - true) > allowed)
    at = np.flatnonzero(wrong)
    if len(at):
        amount = total(stored[at] - true[at])
        yield Finding(
            "allocation-profit-differs",
            ERROR,
            f"{len(at)} sales have another profit in fifo_allocations than their lots gave",
            amount,
            trades.rows(at),
            f"allocated {text(total(stored[at]))}, true {text(total(true[at]))} (FIFO)",
            CERTAIN,
            detail=tuple(
                {
                    "row": trades.row(n),
                    "symbol": case.legacy.label(int(trades.symbol[n])),
                    "stored": text(int(stored[n])),
                    "true": text(int(true[n])),
                }
                for n in at[:50].tolist()
            ),
        )


def engines(case: Case) -> Iterator[Finding]:
    """Find sales for which the inline engine and the allocations say different profits."""
    allocations, trades = case.legacy.allocations, case.legacy.trades
    if allocations is None or not trades.has_pnl:
        return
    use = newest(allocations) & allocations.pnl_known
    stored = _sum_at(allocations.sell, np.where(use, allocations.pnl_e8, 0), len(trades))
    both = np.zeros(len(trades), bool)
    both[allocations.sell[use & (allocations.sell >= 0)]] = True
    both &= trades.pnl_known
    at = np.flatnonzero(both & (np.abs(stored - trades.pnl_e8) > np.maximum(10**6 // 2, case.truth.value_e8 // 10**9)))
    if len(at):
        inline, fifo = total(trades.pnl_e8[at]), total(stored[at])
        yield Finding(
            "books-disagree",
            ERROR,
            f"{len(at)} sales have two profits",
            inline - fifo,
            trades.rows(at),
            f"the inline engine says {text(inline)}, the allocations {text(fifo)}; booked FIFO they give "
            f"{text(total(case.truth.gross_e8[at]))} before fees",
            CERTAIN,
            sql="SELECT t.order_id, t.pnl_usd, SUM(a.pnl_usd) FROM trade_records t "
            "JOIN fifo_allocations a ON a.sell_order_id = t.order_id GROUP BY 1, 2",
        )


def parents(case: Case) -> Iterator[Finding]:
    """Find sales whose parent purchase had nothing left, and remaining sizes that are not what the sales left."""
    trades = case.legacy.trades
    names = trades.extra.get("parent_id")
    if names is None:
        return
    known = {ident: at for at, ident in enumerate(trades.ident)}
    order = case.legacy.in_order()
    rank = np.zeros(len(trades), np.int64)
    rank[order] = np.arange(len(order))
    left, exhausted, spent = trades.qty_e8.copy(), [], _spent(case, rank)
    for at in order.tolist():
        parent = known.get(str(names[at])) if names[at] is not None else None
        if trades.side[at] > 0 or parent is None or trades.side[parent] < 0:
            continue
        if left[parent] <= DUST_E8 or rank[parent] > rank[at] or spent(parent, at):
            exhausted.append(at)
        left[parent] = max(0, left[parent] - trades.qty_e8[at])
    if exhausted:
        stored = total(trades.pnl_e8[exhausted])
        true = total(case.truth.gross_e8[exhausted])
        yield Finding(
            "parent-exhausted",
            ERROR,
            f"{len(exhausted)} sales are matched with a purchase that had nothing left, or came later",
            stored - true,
            trades.rows(exhausted),
            f"inline profit {text(stored)}, true {text(true)} (FIFO, before fees); the sale was imported before its "
            f"purchase, or remaining_size was not kept",
            CERTAIN,
            detail=tuple(
                {
                    "row": trades.row(n),
                    "parent": str(names[n]),
                    "stored": text(int(trades.pnl_e8[n])),
                    "true": text(int(case.truth.gross_e8[n])),
                }
                for n in exhausted[:50]
            ),
        )


def _spent(case: Case, rank: Int64s) -> Callable[[int, int], bool]:
    """Return what says whether, first in first out, earlier sales had used up a purchase."""
    uses: dict[int, list[tuple[int, int]]] = {}
    for opener, closer, qty, _ in case.truth.lots.tolist():
        uses.setdefault(opener, []).append((int(rank[closer]), qty))

    def spent(buy: int, sale: int) -> bool:
        before = sum(qty for when, qty in uses.get(buy, ()) if when < rank[sale])
        return before >= int(case.legacy.trades.qty_e8[buy]) - DUST_E8

    return spent


def remaining(case: Case) -> Iterator[Finding]:
    """Find purchases whose remaining_size is not what the booked sales left of them."""
    trades = case.legacy.trades
    values = trades.extra.get("remaining_size")
    if values is None:
        return
    stored = to_e8(values)
    used = np.zeros(len(trades), np.int64)
    lots = case.truth.lots
    np.add.at(used, lots[:, 0], lots[:, 2])
    left = trades.qty_e8 - used
    at = np.flatnonzero(case.booked & (trades.side > 0) & stored.known & (np.abs(stored.units - left) > DUST_E8))
    if len(at):
        units = total(stored.units[at] - left[at])
        amount = sum(worth(int(stored.units[n] - left[n]), int(trades.price_e8[n]), 10**MONEY_EXP) for n in at.tolist())
        yield Finding(
            "remaining-size",
            WARNING,
            f"{len(at)} purchases have a remaining_size that their sales do not leave",
            amount,
            trades.rows(at),
            f"{decimal_text(units)} units in all, {text(amount)} at purchase prices; a size that was not written "
            f"makes the next sale match a used-up lot",
            LIKELY,
        )


def gaps(case: Case) -> str | None:
    """Return a note on sales whose parent is more than a day older; an old lot that is not used up is right."""
    trades = case.legacy.trades
    names = trades.extra.get("parent_id")
    if names is None:
        return None
    known = {ident: at for at, ident in enumerate(trades.ident)}
    pairs = [
        (at, known[str(name)])
        for at, name in enumerate(names)
        if name is not None and str(name) in known and trades.side[at] < 0
    ]
    old = [at for at, parent in pairs if trades.time_ns[at] - trades.time_ns[parent] > GAP_NS]
    return (
        f"{len(old)} sales have a parent more than 24 hours older; that is no fault while the parent has quantity left"
        if old
        else None
    )

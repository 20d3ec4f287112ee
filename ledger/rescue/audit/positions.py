"""Stored positions against the trades: shares that are recorded and not held, held and not recorded, and their cost.

Theory of operation. A position is the signed sum of its trades. Where the stored row says less, shares were recorded that
nobody has, and the cash that was taken for them is phantom: what the recorded lots cost, less what the stored
position cost. A symbol without a row is flat, because these programs delete the row of a flat position.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ledger.rescue.amounts import decimals, worth
from ledger.rescue.audit.finding import CENT_E8, CERTAIN, ERROR, LIKELY, WARNING, Case, Finding, slack, text, total
from ledger.rescue.legacy import StoredPosition
from ledger.units import MONEY_SCALE, decimal_text
from ledger.vocabulary import Method


def held_by_symbol(case: Case) -> dict[int, int] | None:
    """Return the stored quantity of each symbol, e8; None when the file has no table of positions."""
    if case.legacy.positions is None:
        return None
    held: dict[int, int] = {}
    for position in case.legacy.positions:
        held[position.symbol] = held.get(position.symbol, 0) + position.qty_e8
    return held


def stored_cost(case: Case, position: StoredPosition) -> int | None:
    """Return what a stored position says that it cost."""
    if position.avg_cost_e8 is None:
        return None
    return worth(position.avg_cost_e8, position.qty_e8, MONEY_SCALE) * case.legacy.multiplier.get(position.symbol, 1)


def footing(case: Case) -> Iterator[Finding]:
    """Find positions that are not the sum of their trades: orders, shares bought, shares held, phantom cash."""
    held = held_by_symbol(case)
    if held is None:
        return
    costs = {position.symbol: stored_cost(case, position) for position in case.legacy.positions or []}
    trades, truth = case.legacy.trades, case.truth
    for symbol in range(len(case.legacy.symbols)):
        stored, summed = held.get(symbol, 0), int(truth.position_e8[symbol])
        if stored == summed:
            continue
        at = np.flatnonzero(case.booked & (trades.symbol == symbol))
        buys, sells = at[trades.side[at] > 0], at[trades.side[at] < 0]
        cost = costs.get(symbol, 0 if stored == 0 else None)
        amount = None if cost is None else int(truth.open_cost_e8[symbol]) - cost
        label = case.legacy.label(symbol)
        unmatched = total(truth.unmatched_e8[at])
        detail = {
            "symbol": label,
            "orders": len(buys),
            "bought": _shares(total(trades.qty_e8[buys])),
            "sold": _shares(total(trades.qty_e8[sells])),
            "held": _shares(stored),
            "phantom_shares": _shares(summed - stored),
            "phantom_cash": None if amount is None else decimal_text(amount),
        }
        more = f"; {_shares(unmatched)} were sold without a lot" if unmatched else ""
        yield Finding(
            "position-does-not-foot",
            ERROR,
            f"{label}: trades add up to {_shares(summed)}, the stored position is {_shares(stored)}",
            amount,
            trades.rows(at),
            f"{len(buys)} purchases of {detail['bought']} less {len(sells)} sales of {detail['sold']} are "
            f"{_shares(summed)}{more}; "
            f"stored {_shares(stored)}. Phantom cash {text(amount)} = cost of the recorded lots "
            f"{text(int(truth.open_cost_e8[symbol]))} "
            f"- cost of the stored position {text(cost)}.",
            CERTAIN,
            label,
            "SELECT symbol, SUM(CASE WHEN side IN ('BUY','BUY_TO_COVER') THEN quantity ELSE -quantity END) FROM "
            "trades GROUP BY symbol",
            (detail,),
        )


def _shares(qty_e8: int) -> str:
    return decimal_text(int(qty_e8), 8, 0)


def cost(case: Case) -> Iterator[Finding]:
    """Find positions of the right size whose average cost is neither that of the open lots nor the running average."""
    held = held_by_symbol(case) or {}
    for position in case.legacy.positions or []:
        stored, qty = stored_cost(case, position), position.qty_e8
        if stored is None or qty == 0 or held[position.symbol] != int(case.truth.position_e8[position.symbol]):
            continue
        true = int(case.truth.open_cost_e8[position.symbol])
        allowed = _allowed(case, position, qty)
        if any(abs(stored - one) <= allowed for one in costs_of(case, position.symbol)):
            continue
        label = case.legacy.label(position.symbol)
        yield Finding(
            "position-cost",
            WARNING,
            f"{label}: the stored cost is no cost of these shares",
            stored - true,
            [position.row],
            f"stored {_shares(qty)} x {text(position.avg_cost_e8)} = {text(stored)}; the open lots cost "
            f"{text(true)} (FIFO). "
            "The running average gives another amount, too.",
            LIKELY,
            label,
        )


def costs_of(case: Case, symbol: int) -> Iterator[int]:
    """Yield what a symbol's open shares can be said to cost: FIFO or running average, without fees and with them."""
    for method in (Method.FIFO, Method.AVERAGE):
        truth = case.under(method)
        yield int(truth.open_cost_e8[symbol])
        yield int(truth.open_cost_e8[symbol] + truth.open_fees_e8[symbol])


def _allowed(case: Case, position: StoredPosition, qty_e8: int) -> int:
    """Return the difference that the rounding of an average explains: half its last decimal on each share."""
    places = decimals(np.array([position.avg_cost_e8 or 0], np.int64))
    half = 0 if places > 6 else MONEY_SCALE // 10**places // 2 if places > 1 else CENT_E8 // 2
    return slack(stored_cost(case, position) or 0) + abs(worth(half, qty_e8, MONEY_SCALE))

"""Stored profits against the booked ones, closer by closer.

Theory of operation. Each trade that closes something has one true profit: its proceeds less the cost of the lots that it took.
A stored profit may be before fees, after the closing fee, or after both; which of the three a program means is
told by most of its rows. A wrong value is then explained where it can be: an average over all purchases
ever made, sold or not, is recognised in its three usual forms. A stored profit of a sale that has no lot
is made up, whatever it says. If every stored profit is that of another lot method, the program uses that method, and that is a
note and no finding.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from ledger.rescue.audit.finding import CERTAIN, ERROR, LIKELY, Case, Finding, text, total
from ledger.rescue.legacy import Bools, Int64s, grouped
from ledger.rescue.truth import Truth
from ledger.units import MONEY_EXP, decimal_text
from ledger.vocabulary import Method

OTHER_METHODS = (Method.AVERAGE, Method.LIFO, Method.HIFO)


class Conventions(NamedTuple):
    """The true profits in the meaning of the stored ones, and what that meaning is."""

    name: str
    true_e8: Int64s
    wrong: Bools
    slack_e8: Int64s


def slack_each(case: Case) -> Int64s:
    """Return the difference that rounding explains in each stored profit: half its last decimal, and the noise of doubles."""
    places = case.legacy.trades.pnl_decimals
    last = 10 ** (MONEY_EXP - places) if places <= 4 else 100
    half = max(last // 2, 1) + (10**6 // 2 if places <= 2 else 0)
    result: Int64s = half + case.truth.value_e8 // 10**10
    return result


def compared(case: Case, truth: Truth | None = None) -> Conventions:
    """Compare stored profits with a book's; the meaning that most rows have counts."""
    truth = truth or case.truth
    trades, allowed = case.legacy.trades, slack_each(case)
    asked = truth.closers & trades.pnl_known & (truth.unmatched_e8 == 0)
    meanings = {
        "before fees": truth.gross_e8,
        "after the closing fee": truth.gross_e8 - truth.close_fee_e8,
        "after fees": truth.gross_e8 - truth.close_fee_e8 - truth.open_fee_e8,
    }
    if case.legacy.facts.get("stored_is_net"):
        meanings = {"after fees": meanings["after fees"]}
    found = [
        Conventions(name, true, asked & (np.abs(trades.pnl_e8 - true) > allowed), allowed)
        for name, true in meanings.items()
    ]
    return min(found, key=lambda one: int(one.wrong.sum()))


def method_used(case: Case) -> Method:
    """Return the lot method whose profits the file keeps: FIFO, unless all of them are another one's."""
    if "profit" not in case.methods:
        fits = not compared(case).wrong.any()
        others = () if fits else OTHER_METHODS
        found = (method for method in others if not compared(case, case.under(method)).wrong.any())
        case.methods["profit"] = next(found, Method.FIFO)
    return case.methods["profit"]


class Group(NamedTuple):
    """Closers whose stored profit is wrong in one way."""

    audit: str
    rows: Bools
    why: str
    sure: str


def groups(case: Case, found: Conventions) -> Iterator[Group]:
    """Sort the wrong stored profits by the way in which they came about."""
    trades, left = case.legacy.trades, found.wrong.copy()
    guesses = averages(case) if left.any() else {}
    while guesses:
        hits = {name: left & _near(trades.pnl_e8, guess, found) for name, guess in guesses.items()}
        name = max(hits, key=lambda one: int(hits[one].sum()))
        del guesses[name]
        # One fitting row among many may be chance; a form that explains few of them is not the one.
        if hits[name].sum() >= max(1, int(left.sum()) // 4):
            yield Group("pnl-average-of-all-buys", hits[name], f"Each is the profit against {name}.", LIKELY)
            left &= ~hits[name]
    zero = left & (trades.pnl_e8 == 0)
    if zero.any():
        yield Group("pnl-fabricated", zero, "The stored value is 0, which nobody worked out.", LIKELY)
    if (left := left & ~zero).any():
        yield Group("pnl-differs", left, _reason(case, left, found), CERTAIN)


def _near(stored: Int64s, guess: Int64s, found: Conventions) -> Bools:
    near: Bools = np.abs(stored - guess) <= np.maximum(found.slack_e8, 10**6)
    return near


def wrong(case: Case) -> Iterator[Finding]:
    """Find stored profits that are not the true ones, by the way in which they came about."""
    if not case.legacy.trades.has_pnl or method_used(case) != Method.FIFO:
        return
    found = compared(case)
    for group in groups(case, found):
        yield _finding(case, found, group.rows, group.audit, group.why, group.sure)


def _finding(case: Case, found: Conventions, rows: Bools, audit: str, why: str, sure: str) -> Finding:
    trades, at = case.legacy.trades, np.flatnonzero(rows)
    stored, true = total(trades.pnl_e8[at]), total(found.true_e8[at])
    everything = int((case.truth.closers & trades.pnl_known).sum())
    return Finding(
        audit,
        ERROR,
        f"{len(at)} of {everything} stored profits are not what the lots gave",
        stored - true,
        trades.rows(at),
        f"stored {text(stored)}, true {text(true)} ({found.name}, FIFO), difference {text(stored - true)}. {why}",
        sure,
        sql="SELECT id, symbol, quantity, price, pnl FROM trades WHERE pnl IS NOT NULL",
        detail=tuple(
            {
                "row": trades.row(n),
                "symbol": case.legacy.label(int(trades.symbol[n])),
                "stored": text(int(trades.pnl_e8[n])),
                "true": text(int(found.true_e8[n])),
            }
            for n in at[np.argsort(-np.abs(trades.pnl_e8[at] - found.true_e8[at]), kind="stable")][:50].tolist()
        ),
    )


def _reason(case: Case, rows: Bools, found: Conventions) -> str:
    flipped = rows & (np.abs(case.legacy.trades.pnl_e8 + found.true_e8) <= found.slack_e8)
    if flipped.any():
        return f"{int(flipped.sum())} have the true size and the wrong sign."
    return "No known rule gives the stored values: look at which lots they were matched with."


def averages(case: Case) -> dict[str, Int64s]:
    """Return the profit of each closer against averages over purchases, whether sold since or not, before fees."""
    trades, value, order = case.legacy.trades, case.truth.value_e8, case.legacy.in_order()
    result = {
        name: np.full(len(trades), 2**62, np.int64)
        for name in (
            "the average of all purchases so far",
            "the average of all purchases ever",
            "the plain mean of all purchase prices",
        )
    }
    running, overall, plain = result.values()
    for _, part in grouped(trades.symbol[order]):
        at = order[part]
        buys, closes = trades.side[at] > 0, case.truth.closers[at] & (trades.side[at] < 0)
        if not buys.any() or not closes.any():
            continue
        spent, bought = np.cumsum(np.where(buys, value[at], 0)), np.cumsum(np.where(buys, trades.qty_e8[at], 0))
        mean = int(trades.price_e8[at[buys]].sum()) // int(buys.sum())
        for n in np.flatnonzero(closes).tolist():
            place, qty = int(at[n]), int(trades.qty_e8[at[n]])
            own = int(value[place])
            if bought[n]:
                running[place] = own - int(spent[n]) * qty // int(bought[n])
            overall[place] = own - int(spent[-1]) * qty // int(bought[-1])
            plain[place] = own - mean * qty // 10**MONEY_EXP
    return result


def missing(case: Case) -> Iterator[Finding]:
    """Find closers whose profit is NULL: reports that add the column leave them out."""
    trades = case.legacy.trades
    if not trades.has_pnl:
        return
    at = np.flatnonzero(case.truth.closers & ~trades.pnl_known)
    if len(at):
        true, closers = total(case.truth.gross_e8[at]), int(case.truth.closers.sum())
        yield Finding(
            "pnl-null",
            ERROR,
            f"{len(at)} of {closers} closing trades have no profit",
            -true,
            trades.rows(at),
            f"their true profit is {text(true)} (FIFO, before fees), so a sum over the column is wrong by "
            f"{text(-true)}",
            CERTAIN,
            sql="SELECT * FROM trades WHERE side IN ('SELL','BUY_TO_COVER') AND pnl IS NULL",
        )


def without_basis(case: Case) -> Iterator[Finding]:
    """Find sales of shares that were never bought in this file; a profit stored for one is made up."""
    trades, truth = case.legacy.trades, case.truth
    at = np.flatnonzero(truth.unmatched_e8 > 0)
    if not len(at):
        return
    claimed = at[trades.pnl_known[at]]
    amount = total(trades.pnl_e8[claimed]) if len(claimed) else None
    shares = decimal_text(total(truth.unmatched_e8[at]), MONEY_EXP, 0)
    says = (
        f"{len(claimed)} of them carry a stored profit, {text(amount)} in all, which nobody can know"
        if len(claimed)
        else "none carries a profit"
    )
    yield Finding(
        "sell-without-basis",
        ERROR,
        f"{len(at)} sales of {shares} shares have no lot",
        amount,
        trades.rows(at),
        f"the file has no purchase left for them: it begins too late, or purchases were deleted or never written; "
        f"{says}",
        CERTAIN,
        detail=tuple(
            {
                "row": trades.row(int(n)),
                "symbol": case.legacy.label(int(trades.symbol[n])),
                "without_lot": decimal_text(int(truth.unmatched_e8[n]), MONEY_EXP, 0),
            }
            for n in at[:50]
        ),
    )

"""Rebalancing as a person calls it: checks what came in, runs the kernel, hands out what it did."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ledger.kernels.gate import VALUE_MAX
from ledger.units import MONEY_EXP, UnitError, money
from sim import costs
from sim.rebalance.kernel import (
    A_FILL, A_LOT, A_QTY, COUNTS, F_DAY, F_FEE, F_SYMBOL, L_FILL, N_ALLOCS, N_CUT, N_FILLS, N_LOTS, N_NONE, ONE_E6, Ints, Output, Plan,
    run,
)  # fmt: skip

QTY_EXP = 4
"""Of the instruments in the events of a run; with at most four decimals of price every product is exact."""


class Rebalanced(NamedTuple):
    """What a run did. Money at 1e-8 of the currency, quantities in whole shares; all int64.

    fills: [n, 4] day, symbol, shares (+ bought, - sold), fee, in the order of trading. lots: [m, 3] opening fill, shares
    still open, next open lot of the symbol + 1. allocations: [k, 3] lot, closing fill, shares. equity, cash: [days], after
    the day's trades. position: [symbols]. cut: purchases that cash cut short; unpaid: purchases it did not cover at all.
    """

    fills: Ints
    lots: Ints
    allocations: Ints
    equity: Ints
    cash: Ints
    position: Ints
    cut: int
    unpaid: int
    close: Ints
    days: Ints
    start_cash: int
    price_exp: int

    @property
    def prices(self) -> Ints:
        """int64[n]: the price of each fill in ticks."""
        return np.asarray(self.close[self.fills[:, F_DAY], self.fills[:, F_SYMBOL]], np.int64)

    @property
    def profits(self) -> Ints:
        """int64[k]: what each allocation made before fees, e8; first in, first out."""
        bought = self.lots[self.allocations[:, A_LOT], L_FILL]
        gained = self.prices[self.allocations[:, A_FILL]] - self.prices[bought]
        return np.asarray(gained * self.allocations[:, A_QTY] * 10 ** (MONEY_EXP - self.price_exp), np.int64)

    @property
    def realized(self) -> int:
        """Profit of everything closed, before fees, e8."""
        return int(self.profits.sum())

    @property
    def fees(self) -> int:
        """All fees, e8."""
        return int(self.fills[:, F_FEE].sum())


def rebalance(
    close_ticks: Ints,
    when: Ints,
    weights_e6: Ints | None = None,
    *,
    price_exp: int = 2,
    cash: str = "1000000",
    commission: str = "zero",
) -> Rebalanced:
    """Bring a portfolio back to its weights on chosen days, at their closes, in whole shares.

    Args:
        close_ticks: int64[days, symbols], every price >= 1 (a gap is the caller's to fill). when: int64[k], rising
            indices of days. weights_e6: int64[k, symbols], parts of a million of the account, each row at most a
            million; None is equal weights of the whole account. price_exp: price = ticks / 10**price_exp, at most 8.
        cash: as text. commission: as `sim.costs.parse` reads it; tiers by the month are refused.
    Raises:
        ValueError: shapes, days, prices or weights that are none. UnitError: cash or commission that is no number.
        OverflowError: a position would be worth more than the ledger can hold.
    """
    close, days = np.ascontiguousarray(close_ticks, np.int64), np.ascontiguousarray(when, np.int64)
    weights = _weights(weights_e6, len(days), close.shape[1] if close.ndim == 2 else 0)
    model, cash_e8 = costs.parse(commission), money(cash)
    _require(close, days, weights, price_exp, cash_e8)
    if model.tier_tops != costs.ZERO.tier_tops:
        raise UnitError(f"commission {commission!r} has tiers by the month, which rebalancing does not follow; use ibkr-fixed")
    plan = Plan(cash_e8, 10 ** (MONEY_EXP - price_exp), model == costs.ZERO._replace(rate_e8=model.rate_e8), model.rate_e8, 0)
    plan = plan._replace(most=VALUE_MAX // plan.scale // close.shape[1])
    out = _output(len(close), close.shape[1], len(days), plan.most)
    day = run(close, days, weights, plan, model, out)
    if day < len(close):
        raise _unworthy(close[day], day)
    sizes = out.counts
    return Rebalanced(
        out.fills[: sizes[N_FILLS]], out.lots[: sizes[N_LOTS]], out.allocs[: sizes[N_ALLOCS]], out.equity, out.cash, out.position,
        int(sizes[N_CUT]), int(sizes[N_NONE]), close, days, cash_e8, price_exp,
    )  # fmt: skip


def _unworthy(close: Ints, day: int) -> Exception:
    """Return what to raise for a day that cannot be valued."""
    if close.min() < 1:
        symbol = int(close.argmin())
        return ValueError(f"day {day}, column {symbol}: a close of {close[symbol]} ticks; fill gaps before, or leave the symbol out")
    return OverflowError(f"on day {day} the positions are worth more than a ledger can hold; begin with less cash")


def _weights(weights: Ints | None, turns: int, symbols: int) -> Ints:
    if weights is None:
        return np.full((turns, symbols), ONE_E6 // max(1, symbols), np.int64)
    return np.ascontiguousarray(weights, np.int64)


def _require(close: Ints, days: Ints, weights: Ints, price_exp: int, cash_e8: int) -> None:
    """Check what a caller passed.

    Raises:
        ValueError: naming what is wrong. UnitError: no cash.
    """
    if close.ndim != 2 or close.size == 0:
        raise ValueError("close_ticks must be int64[days, symbols], with at least one of each")
    if not 0 <= price_exp <= MONEY_EXP - QTY_EXP:
        raise ValueError(f"price_exp {price_exp} must be 0 to {MONEY_EXP - QTY_EXP}: then every product is exact")
    if days.ndim != 1 or (days.size and (days[0] < 0 or days[-1] >= len(close) or np.any(np.diff(days) <= 0))):
        raise ValueError("when must hold indices of days, rising, each once")
    if weights.shape != (days.size, close.shape[1]):
        raise ValueError(f"weights_e6 must be int64[{days.size}, {close.shape[1]}], a row for each day of when")
    if weights.size and (weights.min() < 0 or weights.sum(axis=1).max() > ONE_E6):
        raise ValueError("weights must be 0 or more and add to at most a million a row: there is no credit here")
    if not 0 < cash_e8 <= VALUE_MAX:
        raise UnitError(f"the cash must be above 0 and at most {VALUE_MAX // 10**MONEY_EXP}")


def _output(days: int, symbols: int, turns: int, most: int) -> Output:
    """Return the arrays of the kernel; a sale closes at most all lots there are, and each lot is closed up once."""
    rows = turns * symbols

    def zeros(count: int) -> Ints:
        return np.zeros(count, np.int64)

    return Output(
        fills=np.empty((rows, 4), np.int64), lots=np.empty((rows, 3), np.int64), allocs=np.empty((2 * rows, 3), np.int64),
        equity=zeros(days), cash=zeros(days), position=zeros(symbols), roof=np.full(symbols, most), first=zeros(symbols),
        last=zeros(symbols), want=np.zeros((symbols + 1, 2), np.int64), counts=zeros(COUNTS),
    )  # fmt: skip

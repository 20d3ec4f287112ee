"""The kernel of rebalancing: days in, fills, lots and allocations out, on int64.

Theory of operation. Each day is valued; on a rebalancing day every symbol above its weight
is sold down, then those below it are bought as far as the cash goes. Sales take the oldest lots.
Only what does not follow from something else is written: a fill's price is that day's close,
an allocation's profit the difference of two fills. Nothing is allocated here.

Bounds. Each position has a roof: the price at which it is worth its share of VALUE_MAX. A
price above its roof, or below one tick, stops the run at that day; what is traded is never
more than the account's worth, so no product or sum can pass int64.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ledger.kernel import inlined, kernel
from sim import costs

Ints = NDArray[np.int64]
ONE_E6 = 1_000_000
ONE, HALF_E8, ONE_E8 = np.uint64(1), np.uint64(50_000_000), np.uint64(100_000_000)

# Columns of the fills (shares signed), lots and allocations that the kernel writes: nothing that follows from another.
F_DAY, F_SYMBOL, F_SHARES, F_FEE = range(4)
L_FILL, L_OPEN, L_NEXT = range(3)
A_LOT, A_FILL, A_QTY = range(3)
COUNTS = 6
N_FILLS, N_LOTS, N_ALLOCS, N_CUT, N_NONE, N_BUYERS = range(COUNTS)


class Plan(NamedTuple):
    """The numbers of a run."""

    cash: int  # e8
    scale: int  # e8 in one tick of one share
    rate_only: bool  # a fee is rate_e8 of the value and nothing else
    rate_e8: int
    most: int  # ticks that a position may be worth


class Output(NamedTuple):
    """What the kernel writes into; all int64."""

    fills: Ints
    lots: Ints
    allocs: Ints
    equity: Ints
    cash: Ints
    position: Ints
    roof: Ints
    first: Ints
    last: Ints
    want: Ints
    counts: Ints


@inlined
def rate_fee(rate: int, value: int) -> int:
    """Return rate x value / 1e8, rounded half-even, in products that fit: what `muldiv` gives, without 128 bits."""
    whole = np.uint64(value) // ONE_E8
    small = np.uint64(rate) * (np.uint64(value) - whole * ONE_E8)
    part = small // ONE_E8
    fee, over = np.uint64(rate) * whole + part, small - part * ONE_E8
    up = over > HALF_E8 or (over == HALF_E8 and fee & ONE == ONE)
    return np.int64(fee) + (1 if up else 0)


@inlined
def _fee(plan: Plan, model: costs.CostModel, side: int, qty: int, value: int) -> int:
    """Return the fee of an order, e8; most models are a rate alone, and need one product of ten."""
    if plan.rate_only:
        return rate_fee(plan.rate_e8, value)
    return costs.commission(model, side, qty, 0, value, 1)


@kernel
def _payable(plan: Plan, model: costs.CostModel, cash: int, price: int, want: int) -> int:
    """Return how many of `want` shares the cash covers with their fee, by halving: the fee never falls with size."""
    if want * price + _fee(plan, model, 1, want, want * price) <= cash:
        return want
    least, most = 0, min(want, cash // price + 1)
    while most - least > 1:
        middle = (least + most) >> 1
        if middle * price + _fee(plan, model, 1, middle, middle * price) <= cash:
            least = middle
        else:
            most = middle
    return least


@inlined
def _write_fill(out: Output, most: int, day: int, symbol: int, shares: int, fee: int) -> int:
    """Append a fill, and note the price up to which the new position can be valued (modified in place); return its number."""
    number = out.counts[N_FILLS]
    line = out.fills[number]
    line[F_DAY], line[F_SYMBOL], line[F_SHARES], line[F_FEE] = day, symbol, shares, fee
    out.counts[N_FILLS] = number + 1
    held = out.position[symbol] + shares
    out.position[symbol] = held
    out.roof[symbol] = np.int64(np.uint64(most) // np.uint64(max(1, held)))
    return int(number)


@inlined
def _open(out: Output, symbol: int, fill: int, qty: int) -> None:
    """Append a lot at the end of the symbol's open ones (modified in place)."""
    number = out.counts[N_LOTS]
    line = out.lots[number]
    line[L_FILL], line[L_OPEN], line[L_NEXT] = fill, qty, 0
    if out.first[symbol] == 0:
        out.first[symbol] = number + 1
    else:
        out.lots[out.last[symbol] - 1, L_NEXT] = number + 1
    out.last[symbol] = number + 1
    out.counts[N_LOTS] = number + 1


@inlined
def _close(out: Output, symbol: int, fill: int, qty: int) -> None:
    """Take shares out of the symbol's oldest lots (modified in place)."""
    while qty > 0:
        number = out.first[symbol] - 1
        lot = out.lots[number]
        take = min(qty, lot[L_OPEN])
        line = out.allocs[out.counts[N_ALLOCS]]
        line[A_LOT], line[A_FILL], line[A_QTY] = number, fill, take
        out.counts[N_ALLOCS] += 1
        lot[L_OPEN] -= take
        qty -= take
        if lot[L_OPEN] == 0:
            out.first[symbol] = lot[L_NEXT]


@kernel
def _sell(out: Output, plan: Plan, model: costs.CostModel, close: Ints, weights: Ints, day: int, cash: int, held: int) -> int:
    """Sell what is above its weight and note what is below it in `out.want` (modified in place); return the cash."""
    equity, buyers = cash + held, 0
    parts, rest = equity // ONE_E6, equity % ONE_E6
    for symbol in range(close.shape[0]):
        price, small = close[symbol] * plan.scale, rest * weights[symbol]
        money_e8 = parts * weights[symbol] + small // ONE_E6
        target = np.int64(np.uint64(money_e8) // np.uint64(price))
        more = target - out.position[symbol]
        if more < 0:
            # Down to the next whole share that is not below the weight.
            exact = target * price == money_e8 and small % ONE_E6 == 0
            qty = -more if exact else -more - 1
            if qty > 0:
                fee = _fee(plan, model, -1, qty, qty * price)
                _close(out, symbol, _write_fill(out, plan.most, day, symbol, -qty, fee), qty)
                cash += qty * price - fee
        out.want[buyers, 0], out.want[buyers, 1] = symbol, more
        buyers += 1 if more > 0 else 0
    out.counts[N_BUYERS] = buyers
    return cash


@kernel
def _buy(out: Output, plan: Plan, model: costs.CostModel, close: Ints, day: int, cash: int) -> int:
    """Buy what `out.want` says as far as the cash goes (modified in place); return the cash that is left."""
    for number in range(out.counts[N_BUYERS]):
        symbol, want = out.want[number, 0], out.want[number, 1]
        price = close[symbol] * plan.scale
        qty = _payable(plan, model, cash, price, want)
        if qty < want:
            out.counts[N_CUT if qty > 0 else N_NONE] += 1
        if qty > 0:
            fee = _fee(plan, model, 1, qty, qty * price)
            _open(out, symbol, _write_fill(out, plan.most, day, symbol, qty, fee), qty)
            cash -= qty * price + fee
    return cash


@kernel
def _worth(close: Ints, position: Ints, roof: Ints, scale: int) -> int:
    """Return what all shares are worth, e8, or -1 for a price below one tick or above what its position allows."""
    total, wrong = np.int64(0), np.int64(0)
    for symbol in range(close.shape[0]):
        price = close[symbol]
        wrong |= price | (price - 1) | (roof[symbol] - price)  # negative when one of them is
        total += price * position[symbol]
    return total * scale if wrong >= 0 else np.int64(-1)


@kernel
def run(close: Ints, when: Ints, weights: Ints, plan: Plan, model: costs.CostModel, out: Output) -> int:
    """Go through the days (out modified in place); return their number, or the day whose worth cannot be held."""
    cash, turn = plan.cash, 0
    for day in range(close.shape[0]):
        held = _worth(close[day], out.position, out.roof, plan.scale)
        if held < 0:
            return day
        if turn < when.shape[0] and when[turn] == day:
            cash = _sell(out, plan, model, close[day], weights[turn], day, cash, held)
            cash = _buy(out, plan, model, close[day], day, cash)
            held = _worth(close[day], out.position, out.roof, plan.scale)
            turn += 1
        out.equity[day], out.cash[day] = cash + held, cash
    return close.shape[0]

"""From a wish to working orders: compare, cancel, size, claim.

Theory of operation. A wish is acted upon when what it asks for differs from the last one
that was accepted, or when what was asked for is gone (refused, expired, stopped out): so
equity that drifts does not trade, and a refused wish is tried again at the next bar. Acting
goes in parts, each decided on the book after the last: judge, cancel the slot's own working
order, cancel its guards when the order takes the position down, claim, bring the guards in line.

Here prices of a strategy, floats in its adjusted currency, become ticks: a limit is rounded
to the side that is harder to fill, a stop to the side that fills later and dearer.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from ledger.book import (
    E_FEE, E_FLAGS, E_KEY, E_PRICE, E_STOP, E_TARGET, E_TRAIL, E_TYPE, I_POSITION, I_QTY_EXP, I_TICK, I_WORKING, Arena,
)  # fmt: skip
from ledger.kernel import kernel
from ledger.keys import pack
from ledger.vocabulary import EventKind, OrderFlag, Outcome, Purpose
from sim.engine.account import UNSIZED, Terms, lots_for, worst_fee, write_credit
from sim.engine.exchange import Rules, against, slipped, volume_lots, worst_price
from sim.engine.guards import clear_signal, find_live, forget, submit, sync, write_cancel
from sim.engine.layout import (
    BAD_PRICE, BAD_TARGET, C_DETAIL, C_PROBLEM, GUARD_SHARED, NO_TARGET, ORDER_TYPE, P_BEST, P_FRACTION, P_HELD, P_SIDE,
    P_SIZED, P_STOP, P_STOP_NS, P_STOPPED, P_TAKE, P_TRAIL, Memory, Tape,
)  # fmt: skip
from sim.engine.signals import (
    W_FROM_FILL, W_LIMIT, W_STOP, W_STOP_LOSS, W_TAKE_PROFIT, W_TARGET, W_TIF, W_TRAIL, W_TYPE,
)  # fmt: skip
from strategies.api import AT_CLOSE, AT_OPEN, GTC, LIMIT, MARKET, STOP, STOP_LIMIT, TRAIL
from strategies.sizing import fraction_e6

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
TICKS_MAX = 2.0**52
NEAR = 1e-6
JUDGE, CANCEL_OWN, CANCEL_GUARDS, CLAIM, SYNC = range(5)


@kernel
def tick_of(price: float, side: int, tick: int) -> int:
    """Return a price, in ticks as a float, on the tick grid: up for side 1, down for side -1; 0 when it is none.

    A float that misses a tick by less than a millionth of one is that tick: 101.25 is not 101.2501.
    """
    if not price > 0.0:
        return np.int64(0)
    nearest = math.floor(price + 0.5)
    if abs(price - nearest) > NEAR + 1e-12 * price:
        nearest = math.floor(price) + (1 if side > 0 else 0)
    return against(max(np.int64(nearest), np.int64(1)), side, tick)


@kernel
def _none(price: float) -> bool:
    return not price > 0.0


@kernel
def _same(x: float, y: float) -> bool:
    """Say whether two prices of a wish mean the same; NaN, 0 and less all mean none."""
    return x == y or (_none(x) and _none(y))


@kernel
def same_order(wish: Floats, last: Floats) -> bool:
    """Say whether two wishes of one target ask for the same order."""
    trailing = wish[W_TYPE] == TRAIL
    return (
        wish[W_TYPE] == last[W_TYPE]
        and wish[W_TIF] == last[W_TIF]
        and _same(wish[W_LIMIT], last[W_LIMIT])
        and _same(wish[W_STOP], last[W_STOP])
        and (not trailing or _same(wish[W_TRAIL], last[W_TRAIL]))
    )


@kernel
def same_guards(wish: Floats, last: Floats) -> bool:
    """Say whether two wishes bring the same guards."""
    return (
        _same(wish[W_STOP_LOSS], last[W_STOP_LOSS])
        and _same(wish[W_TAKE_PROFIT], last[W_TAKE_PROFIT])
        and _same(wish[W_TRAIL], last[W_TRAIL])
        and wish[W_FROM_FILL] == last[W_FROM_FILL]
    )


@kernel
def _malformed(wish: Floats, scale: float, alone: bool) -> int:
    """Return the problem with a wish that has an opinion, 0 = none."""
    kind = wish[W_TYPE]
    if kind != math.floor(kind) or kind < MARKET or kind > TRAIL:
        return ORDER_TYPE
    if wish[W_TIF] < GTC or wish[W_TIF] > AT_CLOSE or (kind > LIMIT and wish[W_TIF] >= AT_OPEN):
        return ORDER_TYPE
    if not -1.0 <= wish[W_TARGET] <= 1.0:
        return BAD_TARGET
    for column in (W_LIMIT, W_STOP, W_STOP_LOSS, W_TAKE_PROFIT, W_TRAIL):
        if wish[column] * scale > TICKS_MAX:
            return BAD_PRICE
    if (kind in (LIMIT, STOP_LIMIT) and _none(wish[W_LIMIT])) or (kind in (STOP, STOP_LIMIT) and _none(wish[W_STOP])):
        return BAD_PRICE
    if kind == TRAIL and (_none(wish[W_TRAIL]) or wish[W_FROM_FILL] != 0.0):
        return BAD_PRICE
    guards = not (_none(wish[W_STOP_LOSS]) and _none(wish[W_TAKE_PROFIT]) and (_none(wish[W_TRAIL]) or kind == TRAIL))
    return GUARD_SHARED if guards and not alone else 0


@kernel
def keep_guards(slot: Ints, wish: Floats, target_e6: int, scale: float, tick: int, close: int) -> None:
    """Keep a wish's guards in the slot's row (modified in place), as ticks or as fractions of the entry at 1e-6.

    A trail that a position did not have before follows the price from here on, as a broker's would.
    """
    trailed = slot[P_TRAIL] > 0
    side = 1 if target_e6 > 0 else -1 if target_e6 < 0 else 0
    slot[P_SIDE], slot[P_FRACTION] = side, 1 if wish[W_FROM_FILL] != 0.0 else 0
    slot[P_STOP] = slot[P_TAKE] = slot[P_TRAIL] = 0
    if side == 0:
        return
    trail = 0.0 if wish[W_TYPE] == TRAIL else wish[W_TRAIL]
    if slot[P_FRACTION]:
        slot[P_STOP], slot[P_TAKE] = tick_of(wish[W_STOP_LOSS] * 1e6, 1, 1), tick_of(wish[W_TAKE_PROFIT] * 1e6, 1, 1)
        slot[P_TRAIL] = tick_of(trail * 1e6, 1, 1)
    else:
        # A seller's stop down and his target up, a buyer's the other way: later and dearer for the trader.
        slot[P_STOP], slot[P_TAKE] = tick_of(wish[W_STOP_LOSS] * scale, -side, tick), tick_of(wish[W_TAKE_PROFIT] * scale, side, tick)
        slot[P_TRAIL] = tick_of(trail * scale, 1, tick)
    if slot[P_TRAIL] > 0 and not trailed and slot[P_HELD] != 0:
        slot[P_BEST] = close


@kernel
def judge(
    a: Arena, memory: Memory, tape: Tape, account: Terms, rules: Rules, wish: Floats, at: int, instrument: int, number: int,
    bar: int, reducing: bool,
) -> int:  # fmt: skip
    """Decide what a wish asks for now; the size goes into the slot's row (modified in place).

    Args:
        reducing: act only when it takes the position down (the first of two rounds).
    Returns:
        The next part of acting: CANCEL_OWN, SYNC (guards alone), or JUDGE when there is nothing to do.
    """
    slot, last = memory.slot[at], memory.wish[at]
    if math.isnan(wish[W_TARGET]):
        if slot[P_STOPPED]:
            forget(memory, at)
        return JUDGE
    if rules.reenter and slot[P_STOPPED]:
        if slot[P_STOP_NS] == tape.end_ns[bar]:
            return JUDGE
        forget(memory, at)
    scale, tick = tape.scale[bar], a[instrument + I_TICK]
    fresh = memory.last_target[at] == NO_TARGET
    target_same = not fresh and wish[W_TARGET] == last[W_TARGET]
    if target_same and same_order(wish, last) and same_guards(wish, last):
        return JUDGE
    problem = _malformed(wish, scale, memory.slot.shape[0] == memory.taken.shape[0])
    if problem:
        memory.cursor[C_PROBLEM], memory.cursor[C_DETAIL] = problem, number
        return JUDGE
    target_e6 = fraction_e6(wish[W_TARGET])
    if target_same and same_order(wish, last):
        if reducing:
            return JUDGE
        for column in range(wish.shape[0]):
            last[column] = wish[column]
        keep_guards(slot, wish, target_e6, scale, tick, tape.close[bar])
        return SYNC
    lots = lots_for(a, account, tape, instrument, number, bar, target_e6, tape.close[bar])
    if lots == UNSIZED:
        return JUDGE
    held = slot[P_HELD]
    if reducing and not ((held > 0 and lots < held) or (held < 0 and lots > held)):
        return JUDGE
    slot[P_SIZED] = lots
    for column in range(wish.shape[0]):
        last[column] = wish[column]
    memory.last_target[at] = target_e6
    return CANCEL_OWN


@kernel
def _price_order(signal: Ints, rules: Rules, wish: Floats, tape: Tape, bar: int, side: int, tick: int, scale: int) -> int:
    """Set type, prices and flags of an order in the signal's row (modified in place); return the best price of a trail."""
    kind, close, factor = int(wish[W_TYPE]), tape.close[bar], tape.scale[bar]
    signal[E_TYPE] = kind
    if kind == MARKET:
        now = rules.at_close and wish[W_TIF] != AT_OPEN and wish[W_TIF] != AT_CLOSE
        lots = abs(signal[E_TARGET])
        signal[E_PRICE] = (
            slipped(rules, close, side, lots, volume_lots(tape.volume[bar], scale), tick)
            if now
            else worst_price(close, side, rules.worst_bps)
        )
        return 0
    signal[E_FLAGS] |= OrderFlag.GTC if wish[W_TIF] == GTC else 0
    if kind == STOP or kind == STOP_LIMIT:
        signal[E_STOP] = tick_of(wish[W_STOP] * factor, side, tick)
    elif kind == TRAIL:
        signal[E_TRAIL] = tick_of(wish[W_TRAIL] * factor, 1, tick)
        signal[E_STOP] = against(close + side * signal[E_TRAIL], side, tick)
    if kind == LIMIT or kind == STOP_LIMIT:
        signal[E_PRICE] = tick_of(wish[W_LIMIT] * factor, -side, tick)
    else:
        signal[E_PRICE] = against(worst_price(signal[E_STOP], side, rules.worst_bps), side, tick)
    return close if kind == TRAIL else 0


@kernel
def claim(
    a: Arena, log: Ints, memory: Memory, tape: Tape, account: Terms, rules: Rules, at: int, instrument: int, number: int, bar: int
) -> int:
    """Claim the order of a slot's accepted wish, sized before; a refused wish is forgotten, to be tried again.

    Returns:
        The next part of acting: SYNC, or CLAIM again when the account's credit must be booked first.
    """
    slot, wish, time_ns = memory.slot[at], memory.wish[at], tape.end_ns[bar]
    strategy, tick, scale = at // memory.taken.shape[0], a[instrument + I_TICK], 10 ** a[instrument + I_QTY_EXP]
    lots, held = slot[P_SIZED], slot[P_HELD]
    alone = memory.slot.shape[0] == memory.taken.shape[0]
    keep_guards(slot, wish, memory.last_target[at], tape.scale[bar], tick, tape.close[bar])
    slot[P_STOPPED] = 0
    if lots == held:
        return SYNC
    side = 1 if lots > held else -1
    clear_signal(memory, time_ns, number)
    signal = memory.signal
    signal[E_KEY] = pack(strategy + 1, number, Purpose.TARGET, time_ns // 1_000_000_000, 0)
    signal[E_FLAGS] = 0 if alone else OrderFlag.PYRAMID
    signal[E_TARGET] = lots
    best = _price_order(signal, rules, wish, tape, bar, side, tick, scale)
    if not alone:
        signal[E_TARGET] = a[instrument + I_POSITION] + a[instrument + I_WORKING] + lots - held
    if write_credit(a, log, memory, account, instrument, time_ns, signal[E_TARGET], signal[E_PRICE]):
        return CLAIM
    signal[E_FEE] = worst_fee(a, account, instrument, side, abs(lots) + abs(held), signal[E_PRICE])
    answer = submit(a, log, memory, at, int(wish[W_TIF]), best)
    if answer != Outcome.APPLIED and not (answer == Outcome.AT_TARGET and alone):
        forget(memory, at)
    return SYNC


@kernel
def _takes_down(slot: Ints) -> bool:
    """Say whether the sized order takes some of the slot's position away."""
    held, lots = slot[P_HELD], slot[P_SIZED]
    return (held > 0 and lots < held) or (held < 0 and lots > held)


@kernel
def act(
    a: Arena, log: Ints, memory: Memory, tape: Tape, account: Terms, rules: Rules, wish: Floats, at: int, instrument: int,
    number: int, bar: int, stage: int, reducing: bool,
) -> int:  # fmt: skip
    """Write the next part of acting on a wish; return the stage to go on with once it is booked, JUDGE = finished."""
    strategy, time_ns = at // memory.taken.shape[0], tape.end_ns[bar]
    if stage == JUDGE:
        stage = judge(a, memory, tape, account, rules, wish, at, instrument, number, bar, reducing)
    if stage == CANCEL_OWN:
        link = find_live(a, instrument, strategy, 0)
        if link > 0:
            write_cancel(a, log, memory, link, number, time_ns, EventKind.CANCELED)
            return CANCEL_GUARDS
        stage = CANCEL_GUARDS
    if stage == CANCEL_GUARDS:
        if _takes_down(memory.slot[at]):
            for which in range(1, 4):
                link = find_live(a, instrument, strategy, which)
                if link > 0:
                    write_cancel(a, log, memory, link, number, time_ns, EventKind.CANCELED)
        return CLAIM
    if stage == CLAIM:
        return claim(a, log, memory, tape, account, rules, at, instrument, number, bar)
    if stage == SYNC and sync(a, log, memory, instrument, number, at, time_ns):
        return SYNC
    return JUDGE

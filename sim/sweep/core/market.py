"""What a kernel reads: the prices of one instrument, its periods and blocks, and the numbers of a deal.

Theory of operation. A Market is cut from a History once and shared, read only, by every
combination and every thread. Returns are counted between period ends (the last bar of each
day, or every bar), so a strategy on minutes has the same Sharpe ratio here as in `sim.metrics`.
A Deal is a Setting as integers.

Not every run can be computed here. `refusal` names the first reason why one cannot; such a
run goes through `sim.run.simulate`. What cannot be known beforehand (an account beyond
half a billion, a position in more lots than a row has room for) a kernel reports, and the same happens.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ledger.kernel import kernel
from ledger.keys import EPOCH_1900, SECONDS_MAX
from ledger.units import UnitError, money
from ledger.vocabulary import Method
from sim import costs
from sim.costs.model import NO_TIERS, ZERO, CostModel
from sim.data import History
from sim.engine.account import QTY_EXP
from sim.run import Setting
from strategies.sizing import EDGE, Size, parse_rule

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

AMOUNT_CAP = 2**56
"""Largest amount of money a kernel works with, e8 (720 million); far enough from int64 that no sum of its can wrap."""
LOTS_CAP = 2**48
"""Largest position: times the finest fraction of a price, 10^4, it is still far from 2^63."""
STEP = 10**QTY_EXP
SECOND = 1_000_000_000
PAD = 16
"""Bars of padding, so that whole vectors may be read and written."""
KNOWN = frozenset({"cash", "size", "commission", "worst_bps", "method"})
"""Fields of a Setting that a Deal can express; any other must have its default."""
FEES = frozenset(
    {"tier_rates_e8", "per_order_e8", "rate_e8", "minimum_e8", "minimum_fraction_e8", "cap_rate_e8", "cap_spares_minimum"}
)
"""Numbers of a CostModel that a Deal can express; any other must be that of the model `zero`."""


class Market(NamedTuple):
    """One instrument for kernels: T bars, N periods, S blocks."""

    open: Ints  # [T] ticks
    close: Ints  # [T] ticks
    price: Floats  # [T + PAD] the close once more; empty when nobody wants figures
    period_of: Ints  # [T + 1] period ends before bar t
    period_end: Ints  # [N] last bar of each period
    edges: Ints  # [S + 1] first period of each block, and N


class Deal(NamedTuple):
    """The numbers of a run; money at 1e-8, rates at 1e-8 of the value."""

    cash: int
    kind: int  # SHARES, VALUE or EQUITY
    amount: int  # lots, money, or weight at 1e-6
    per_share: int
    per_order: int
    rate: int
    minimum: int
    minimum_fraction: int
    cap_rate: int
    cap_spares: int  # 1: the minimum holds whatever the cap says
    worst_bps: int
    multiply: int  # value = price x lots x multiply / divide
    divide: int
    short: int  # 1: may sell short
    lots_cap: int  # beyond this a kernel gives up


class Survey(NamedTuple):
    """What one pass over the bars of a history finds out."""

    unusual: str  # why no kernel can have its times or opens, or ""
    dearest: int  # greatest price, ticks
    steady: bool  # every close is above 0, and one factor leads from every price to what a strategy sees


def market(history: History, blocks: int, period: str = "day") -> Market:
    """Return the Market of a history.

    Args:
        blocks: S, the number of equal stretches of time whose moments are kept apart.
        period: "day" (returns between the last bars of days) or "bar".
    Raises:
        ValueError: another word, or no block.
    """
    if period not in ("day", "bar") or blocks < 1:
        raise ValueError(f"period {period!r} is 'day' or 'bar', and there is at least one block; got {blocks}")
    day, close = history.day, history.close_ticks
    if period == "day":
        ends = np.flatnonzero(np.append(day[1:] != day[:-1], True))
        before = np.searchsorted(ends, np.arange(close.size + 1)).astype(np.int64)
    else:
        ends, before = np.arange(close.size), np.arange(close.size + 1)
    edges = np.arange(blocks + 1, dtype=np.int64) * int(before[-1]) // blocks
    prices = [np.ascontiguousarray(column, np.int64) for column in (history.open_ticks, close)]
    price = np.concatenate([close, np.zeros(PAD)])
    return Market(prices[0], prices[1], price, before, ends, edges)


def bare(history: History) -> Market:
    """Return a Market for decisions alone; kernels make no figures over it, whatever the accounts have room for."""
    none = np.empty(0, np.int64)
    prices = [np.ascontiguousarray(column, np.int64) for column in (history.open_ticks, history.close_ticks)]
    return Market(prices[0], prices[1], np.empty(0), none, none, none)


def refusal(history: History, setting: Setting, found: Survey | None = None) -> str:
    """Return why a run over this history cannot be computed by a kernel, or "".

    Args:
        found: what `survey` says of the history, where that is known already.
    """
    default = Setting()
    strange = [name for name in Setting._fields if name not in KNOWN and getattr(setting, name) != getattr(default, name)]
    if strange:
        return f"{strange[0]}={getattr(setting, strange[0])!r} is not the default"
    if setting.method != Method.FIFO:
        return f"lots are closed by {setting.method.name}"
    if history.actions:
        return "the prices are raw and have splits or dividends"
    rule = parse_rule(setting.size, QTY_EXP)
    if rule.statistical or rule.buffer_bps or rule.with_fee or rule.size(1).kind == EDGE:
        return f"the size {setting.size} changes with the bars or keeps a buffer"
    if not _flat(costs.parse(setting.commission)):
        return f"the commission {setting.commission} depends on the month, the side or third parties"
    return (found or survey(history)).unusual


def _flat(fees: CostModel) -> bool:
    """Say whether a cost model is no more than per order, per share, per value, minimum and cap."""
    same = all(getattr(fees, name) == getattr(ZERO, name) for name in CostModel._fields if name not in FEES)
    return same and fees.tier_tops == NO_TIERS and len(set(fees.tier_rates_e8)) == 1


class Look(NamedTuple):
    """The columns of a history that are judged, [T] each, and what was found so far."""

    start: Ints
    end: Ints
    open: Ints
    high: Ints
    low: Ints
    close: Ints
    factor: Floats
    found: Ints  # [FOUND]


WRONG, NEAR, OUTSIDE, UNSTEADY, DEAREST = range(5)
FOUND = 5
"""Whether a bar overlaps the one before it; two end less than a second apart; one opens outside its range, or its range is not
above 0; a close is not above 0, or a factor differs from the first; and the greatest price."""


def look(history: History) -> Look:
    """Return the columns of a history that has bars, and that nothing is found yet."""
    columns = [getattr(history, name) for name in ("start_ns", "end_ns", "open_ticks", "high_ticks", "low_ticks", "close_ticks")]
    start, end, opens, high, low, close = (np.ascontiguousarray(column, np.int64) for column in columns)
    factor = np.ascontiguousarray(history.signal_factor, np.float64)
    return Look(start, end, opens, high, low, close, factor, np.zeros(FOUND, np.int64))


@kernel
def judge(bars: Look, begins: int, ends: int) -> None:
    """Pass once over bars begins..ends-1, for prices are read from memory and that is what it costs (found modified in place)."""
    start, end, opens, high, low, close, factor, found = bars
    if begins == 0:
        found[OUTSIDE] = np.int64(opens[0] < low[0]) | np.int64(opens[0] > high[0]) | np.int64(low[0] < 1)
        found[UNSTEADY] = np.int64(close[0] < 1) | np.int64(factor[0] != factor[0])
        found[DEAREST] = max(high[0], close[0])
    wrong, near, outside, other = found[WRONG], found[NEAR], found[OUTSIDE], found[UNSTEADY]
    dearest, least, first, base = found[DEAREST], np.int64(1), factor[0], np.uint64(max(begins, 1) - 1)
    for i in range(np.uint64(ends - max(begins, 1))):
        t, before = base + np.uint64(1) + i, base + i
        wrong |= np.int64(start[t] < end[before]) | np.int64(end[t] <= end[before])
        near |= np.int64(end[t] - end[before] < SECOND)
        outside |= np.int64(opens[t] < low[t]) | np.int64(opens[t] > high[t]) | np.int64(low[t] < 1)
        dearest, least = max(dearest, high[t], close[t]), min(least, close[t])
        other |= np.int64(factor[t] != first)
    found[WRONG], found[NEAR], found[OUTSIDE], found[DEAREST] = wrong, near, outside, dearest
    found[UNSTEADY] = other | np.int64(least < 1)


@kernel
def _share_a_second(end: Ints) -> bool:
    """Say whether two bars end in one second; only ends less than a second apart can, and only then divisions are needed."""
    wrong = np.int64(0)
    for t in range(1, end.shape[0]):
        wrong |= np.int64(end[t] // SECOND <= end[t - 1] // SECOND)
    return bool(wrong != 0)


def survey(history: History) -> Survey:
    """Return what one pass over a history finds out."""
    if history.end_ns.size == 0:
        return Survey("there are no bars", 0, False)
    bars = look(history)
    judge(bars, 0, history.end_ns.size)
    return surveyed(history, bars)


def surveyed(history: History, bars: Look) -> Survey:
    """Return what was found out, in words, after every bar was judged."""
    unusual = ""
    if bars.found[WRONG] or (bars.found[NEAR] and _share_a_second(bars.end)):
        unusual = "bars overlap or share a second"
    elif bars.end[0] // SECOND < -EPOCH_1900 or bars.end[-1] // SECOND >= SECONDS_MAX - EPOCH_1900:
        unusual = "a bar is outside the years 1900 to 2172"
    elif bars.found[OUTSIDE] or history.day[0] < 1:
        unusual = "a bar opens outside its range"
    return Survey(unusual, int(bars.found[DEAREST]), not bars.found[UNSTEADY])


def deal(history: History, setting: Setting, short: bool, found: Survey | None = None) -> Deal:
    """Return the numbers of a run that `refusal` lets through.

    Args:
        found: what `survey` says of the history, where that is known already.
    Raises:
        UnitError: a text of the setting that is no number, or cash of 0 or less.
    """
    cash = money(setting.cash)
    if cash <= 0:
        raise UnitError(f"cash {setting.cash} must be above 0")
    size: Size = parse_rule(setting.size, QTY_EXP).size(1)
    fees = costs.parse(setting.commission)
    excess = history.price_exp + QTY_EXP - 8
    multiply, divide = 10 ** max(0, -excess), 10 ** max(0, excess)
    dearest = found.dearest if found else int(max(history.high_ticks.max(), history.close_ticks.max()))
    worst = dearest + dearest * setting.worst_bps // 10_000 + 1
    lots = min(AMOUNT_CAP * divide // (worst * multiply), LOTS_CAP)
    per_share = fees.tier_rates_e8[0]
    if per_share > 0:
        lots = min(lots, AMOUNT_CAP // per_share * STEP)
    return Deal(
        cash, size.kind, size.amount, per_share, fees.per_order_e8, fees.rate_e8, fees.minimum_e8, fees.minimum_fraction_e8,
        fees.cap_rate_e8, fees.cap_spares_minimum, setting.worst_bps, multiply, divide, int(short), lots,
    )  # fmt: skip

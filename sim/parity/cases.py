"""Cases: random configurations of vectorbt's three simulations, each named by two numbers.

Theory of operation. A case is everything both sides need, as plain doubles and modes,
drawn from (seed, run). Prices are whole cents, or a window of a user's own bars; sizes and
fees are what whole shares and our cost models give. Only what neither engine nor a book
can hold is left out: fractions of a share, infinite short sales, and steps like 0.1 on
which vectorbt's own engines differ.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sim.parity import signals as sg
from sim.parity.draws import Draws
from sim.parity.rules import INF, NAN, Kind, Terms, Way

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Shape = tuple[int, int]
FAMILIES = ("orders", "shared", "signals")


class Market(NamedTuple):
    """Prices as doubles [bars, columns]."""

    open: Floats
    high: Floats
    low: Floats
    close: Floats


class Signals(NamedTuple):
    """The signals of a case, bool [bars, columns], and its stops as fractions [bars, columns], NaN for none.

    `way` says which positions entries and exits mean; `four`: they are long, and short ones come beside them.
    """

    entries: Flags
    exits: Flags
    short_entries: Flags
    short_exits: Flags
    way: Way
    four: bool
    loss: Floats
    trail: Flags
    take: Floats

    def at(self, bar: int, column: int) -> sg.Signs:
        """Return the four signals of a bar."""
        into, out = bool(self.entries[bar, column]), bool(self.exits[bar, column])
        if self.four:
            return sg.Signs(into, out, bool(self.short_entries[bar, column]), bool(self.short_exits[bar, column]))
        if self.way == Way.BOTH:
            return sg.Signs(into, False, out, False)
        return sg.Signs(into, out, False, False) if self.way == Way.LONG else sg.Signs(False, False, into, out)

    def stops(self, bar: int, column: int) -> sg.Stops:
        """Return the stops a fill on that bar sets."""
        return sg.Stops(float(self.loss[bar, column]), bool(self.trail[bar, column]), float(self.take[bar, column]))


class Case(NamedTuple):
    """One configuration; see the fields of `Terms`, `Modes` and `Signals`."""

    name: str
    family: str
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    cash: float
    shared: bool
    sequence: str
    size: Floats
    kind: Kind
    way: Way
    price: Floats
    val_price: float
    terms: Terms
    update_value: bool
    costs: str
    shorts: bool
    modes: sg.Modes
    signals: Signals | None


def draw(seed: int, run: int, market: Market | None = None) -> Case:
    """Return case `run` of a seed; the families take turns.

    Args:
        market: prices to draw a window from; None draws prices as well.
    """
    draws, family = Draws(seed, run), FAMILIES[run % len(FAMILIES)]
    bars = draws.between(40, 160)
    prices = _window(draws, market, bars) if market is not None else _prices(draws, bars, draws.between(1, 4))
    common = _common(draws, f"{seed}:{run}", family, prices)
    return {"orders": _orders, "shared": _shared, "signals": _signals}[family](draws, common)


def _window(draws: Draws, market: Market, bars: int) -> Market:
    """Return some bars of some columns of a market, in their order."""
    rows, columns = int(market.close.shape[0]), int(market.close.shape[1])
    first = draws.between(0, max(0, rows - bars))
    count = draws.between(1, min(4, columns))
    at = draws.between(0, columns - count)
    return Market(*(np.ascontiguousarray(side[first : first + bars, at : at + count]) for side in market))


def _prices(draws: Draws, bars: int, columns: int) -> Market:
    """Return a walk in whole cents, with gaps between bars."""
    cents = np.zeros((4, bars, columns), np.int64)
    for column in range(columns):
        close, step = draws.between(500, 30_000), draws.pick((40, 150, 400))
        for bar in range(bars):
            opened = _moved(draws, close, step) if draws.chance(60) else close
            close = _moved(draws, opened, step)
            high, low = max(opened, close), min(opened, close)
            cents[:, bar, column] = opened, _moved(draws, high, step, 1), _moved(draws, low, step, -1), close
    return Market(*(side / 100 for side in cents))


def _moved(draws: Draws, cents: int, step: int, sign: int = 0) -> int:
    """Return a price moved by at most `step` basis points, up, down or either way; never below 10 cents."""
    move = draws.between(0 if sign > 0 else -step, 0 if sign < 0 else step)
    return max(10, cents + cents * move // 10_000 if sign == 0 else cents + sign * (cents * abs(move) // 10_000))


def _common(draws: Draws, name: str, family: str, market: Market) -> Case:
    """Return a case with what all families share; sizes and signals are still missing."""
    if family != "shared" and draws.chance(25):
        market = _with_gaps(draws, market)
    return Case(
        name=name, family=family, open=market.open, high=market.high, low=market.low, close=market.close,
        cash=float(draws.pick((10_000, 100_000, 1_000_000))), shared=False, sequence="default", size=np.zeros((0, 0)),
        kind=Kind.AMOUNT, way=Way.LONG, price=np.full(market.close.shape, INF), val_price=INF,
        terms=Terms(
            rate=draws.pick((0.0, 0.0, 0.0005, 0.001)), slippage=draws.pick((0.0, 0.0, 0.0, 0.0005)),
            least=draws.pick((1e-8, 1e-8, 1.0, 5.0)), most=draws.pick((INF, INF, INF, 300.0)),
            partial=draws.chance(75),
        ),
        update_value=draws.chance(20), costs=draws.pick(("ibkr-fixed", "zero", "per-share:0.005", "bps:5")), shorts=False,
        modes=sg.Modes(), signals=None,
    )  # fmt: skip


def _with_gaps(draws: Draws, market: Market) -> Market:
    """Return a market in which some bars have no prices; the first bar keeps its own."""
    sides = [side.copy() for side in market]
    for column in range(market.close.shape[1]):
        for bar in range(1, market.close.shape[0]):
            if draws.chance(4):
                for side in sides:
                    side[bar, column] = NAN
    return Market(*sides)


def _sizes(draws: Draws, case: Case, percent: int) -> Floats:
    """Return whole shares worth up to that part of the cash at the first price; the signs are the caller's."""
    most = [max(1, int(case.cash * percent / 100 / first)) for first in np.ravel(case.close[:1]).tolist()]
    sizes = np.zeros(case.close.shape)
    for bar in range(len(sizes)):
        sizes[bar] = [draws.between(1, limit) for limit in most]
    return sizes


def _explicit(draws: Draws, case: Case) -> Floats:
    """Return order prices: the close, the close before, or any side of the bar, element by element."""
    mode = draws.pick(("close", "before", "bar"))
    if mode != "bar":
        return np.full(case.close.shape, INF if mode == "close" else -INF)
    sides, price = (case.open, case.high, case.low, case.close), np.zeros(case.close.shape)
    for at in np.ndindex(price.shape):
        price[at] = draws.pick(sides)[at]
    return price


def _orders(draws: Draws, case: Case) -> Case:
    """Add orders of shares, targets and values, each column with its own purse."""
    way = draws.pick((Way.LONG, Way.LONG, Way.BOTH, Way.SHORT))
    kind = draws.pick((Kind.AMOUNT, Kind.AMOUNT, Kind.TARGET_AMOUNT, Kind.VALUE, Kind.TARGET_VALUE, Kind.TARGET_PERCENT))
    if way == Way.LONG and draws.chance(15):
        kind = Kind.PERCENT
    size = _sizes(draws, case, draws.pick((20, 60, 150)))
    for at in np.ndindex(size.shape):
        size[at] = _signed(draws, case, kind, way, float(size[at]))
    step = draws.pick((1.0, 1.0, 10.0)) if kind not in (Kind.AMOUNT, Kind.TARGET_AMOUNT) or case.terms.partial else NAN
    if step != step:  # without steps, `as much as there is` would be no whole number
        size[np.isinf(size)] = NAN
    terms = case.terms._replace(step=step)
    return case._replace(
        size=size, kind=kind, way=way, price=_explicit(draws, case), terms=terms, shorts=way != Way.LONG,
        val_price=draws.pick((INF, INF, -INF)),
    )  # fmt: skip


def _signed(draws: Draws, case: Case, kind: Kind, way: Way, shares: float) -> float:
    """Return one element's size: NaN for no order, its sign by chance, its unit by kind."""
    if draws.chance(30):
        return NAN
    if kind in (Kind.AMOUNT, Kind.VALUE) and draws.chance(3):
        return INF if way == Way.LONG else 0.0
    sign = -1.0 if draws.chance(45) else 1.0
    if kind in (Kind.TARGET_AMOUNT, Kind.TARGET_VALUE, Kind.TARGET_PERCENT):
        sign = sign if way == Way.BOTH else 1.0
    if kind in (Kind.VALUE, Kind.TARGET_VALUE):
        return sign * draws.between(100, max(200, int(case.cash)))
    if kind in (Kind.PERCENT, Kind.TARGET_PERCENT):
        return sign * draws.between(1, 100) / 100
    return sign * shares


def _shared(draws: Draws, case: Case) -> Case:
    """Add weights of a shared purse: on rebalancing bars, each column's percent of the account's value."""
    rows, columns = case.close.shape
    every, reach = draws.pick((1, 2, 5, 21)), draws.pick((60, 100, 140))
    size = np.full((rows, columns), NAN)
    for bar in range(0, rows, every):
        raw = [draws.between(0, 100) for _ in range(columns)]
        size[bar] = [part * reach / 100 / max(1, sum(raw)) for part in raw]
        if draws.chance(10):
            size[bar, draws.between(0, columns - 1)] = NAN
    sequence = draws.pick(("auto", "auto", "auto", "default", "reversed"))
    return case._replace(
        size=size, kind=Kind.TARGET_PERCENT, shared=columns > 1, sequence=sequence if columns > 1 else "default",
        price=_explicit(draws, case) if draws.chance(30) else case.price, terms=case.terms._replace(partial=True),
    )  # fmt: skip


def _signals(draws: Draws, case: Case) -> Case:
    """Add signals, stops and modes."""
    shape = (case.close.shape[0], case.close.shape[1])
    four, way = draws.chance(35), draws.pick((Way.LONG, Way.LONG, Way.BOTH, Way.SHORT))
    four = four and way == Way.BOTH
    modes = _modes(draws)
    only = way == Way.LONG and draws.chance(70)
    if only:
        modes = modes._replace(stop_exit=draws.pick((sg.StopExit.CLOSE, sg.StopExit.CLOSE_REDUCE)))
    often = draws.pick((5, 12, 30))
    into, out, short_into, short_out = (_flags(draws, shape, often) for _ in range(4))
    trail = _flags(draws, shape, draws.pick((0, 50, 100)))
    signals = Signals(into, out, short_into, short_out, way, four, _stops(draws, shape), trail, _stops(draws, shape))
    size, kind, terms = _sizes(draws, case, draws.pick((30, 100, 130))), Kind.AMOUNT, case.terms
    if only and draws.chance(30):
        size = np.full(shape, INF)
    elif draws.chance(25):
        kind, size = Kind.VALUE, np.round(size * np.nan_to_num(case.close[0], nan=10.0))
    elif only and draws.chance(20):
        kind, size = Kind.PERCENT, np.full(shape, draws.between(5, 100) / 100)
    case = case._replace(size=size, kind=kind, way=way, terms=terms, shorts=not only, modes=modes, signals=signals)
    whole = not np.isnan(case.close).any()
    if shape[1] > 1 and whole and draws.chance(35):
        case = case._replace(shared=True, sequence=draws.pick(("auto", "default", "reversed")))
    return case._replace(price=_explicit(draws, case))


def _modes(draws: Draws) -> sg.Modes:
    """Return any choice of modes; accumulation more often off than on."""
    return sg.Modes(
        accumulate=sg.Accumulate.NO if draws.chance(40) else draws.pick(tuple(sg.Accumulate)),
        long_conflict=draws.pick(tuple(sg.Conflict)),
        short_conflict=draws.pick(tuple(sg.Conflict)),
        clash=draws.pick(tuple(sg.Clash)),
        opposite=draws.pick(tuple(sg.Opposite)),
        base=draws.pick(tuple(sg.Base)),
        exit_price=draws.pick(tuple(sg.ExitPrice)),
        stop_exit=draws.pick(tuple(sg.StopExit)),
        stop_update=draws.pick(tuple(sg.StopUpdate)),
    )


def _flags(draws: Draws, shape: Shape, percent: int) -> Flags:
    return np.array([[draws.chance(percent) for _ in range(shape[1])] for _ in range(shape[0])], np.bool_)


def _stops(draws: Draws, shape: Shape) -> Floats:
    """Return stops in whole percents, the same for all bars of a column or drawn anew; none in a third of the cases."""
    mode = draws.pick(("none", "column", "bar"))
    if mode == "none":
        return np.full(shape, NAN)
    if mode == "column":
        return np.tile([draws.between(1, 12) / 100 for _ in range(shape[1])], (shape[0], 1))
    table = [[draws.between(1, 12) / 100 if draws.chance(80) else NAN for _ in range(shape[1])] for _ in range(shape[0])]
    return np.array(table)

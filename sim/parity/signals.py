"""The profile `vectorbt`, signals: from entries, exits and stops to one wish a bar.

Theory of operation. A column is a `Guard` (its stops) and a position. Each bar goes
through one pipe: is a stop hit? then it is the bar's only signal. Otherwise the bar's
own signals are freed of contradictions: entry against exit, long against short, entry
against the position held. What is left becomes a signed size. After a fill the guard
is set, moved or cleared. The trailing stop moves to a bar's high after that bar was
tested, so a new high protects from the next bar on, and a stop set by a fill is never
tested on the bar of that fill.

Source of the rules: vectorbt 1.2.0, its documentation and observed behaviour of both engines.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

from sim.parity.rules import NAN, Kind, Way, Wish


class Accumulate(IntEnum):
    """Whether entries add to a position and exits take only their size off it."""

    NO = 0
    BOTH = 1
    ADD = 2
    REMOVE = 3


class Conflict(IntEnum):
    """Which of an entry and an exit of one side on the same bar counts."""

    NEITHER = 0
    ENTRY = 1
    EXIT = 2
    ADJACENT = 3  # to the position held: the entry
    OPPOSITE = 4  # the exit


class Clash(IntEnum):
    """Which of a long and a short entry on the same bar counts."""

    NEITHER = 0
    LONG = 1
    SHORT = 2
    ADJACENT = 3
    OPPOSITE = 4


class Opposite(IntEnum):
    """What an entry against the position held does."""

    NOTHING = 0
    CLOSE = 1
    CLOSE_REDUCE = 2
    REVERSE = 3
    REVERSE_REDUCE = 4


class Base(IntEnum):
    """The price that stops are measured from."""

    VAL_PRICE = 0
    PRICE = 1
    FILL_PRICE = 2
    CLOSE = 3


class ExitPrice(IntEnum):
    """The price a stop is filled at."""

    STOP_LIMIT = 0  # the stop's, without slippage
    STOP_MARKET = 1
    PRICE = 2
    CLOSE = 3


class StopExit(IntEnum):
    """What a stop does with the position."""

    CLOSE = 0
    CLOSE_REDUCE = 1
    REVERSE = 2
    REVERSE_REDUCE = 3


class StopUpdate(IntEnum):
    """What becomes of the stops when a position grows."""

    KEEP = 0
    OVERRIDE = 1
    OVERRIDE_NAN = 2


class Modes(NamedTuple):
    """The choices of a case; vectorbt's defaults."""

    accumulate: Accumulate = Accumulate.NO
    long_conflict: Conflict = Conflict.NEITHER
    short_conflict: Conflict = Conflict.NEITHER
    clash: Clash = Clash.NEITHER
    opposite: Opposite = Opposite.REVERSE_REDUCE
    base: Base = Base.CLOSE
    exit_price: ExitPrice = ExitPrice.STOP_LIMIT
    stop_exit: StopExit = StopExit.CLOSE
    stop_update: StopUpdate = StopUpdate.OVERRIDE


class Signs(NamedTuple):
    """The four signals of a bar."""

    long_in: bool
    long_out: bool
    short_in: bool
    short_out: bool


class Candle(NamedTuple):
    """One bar's prices."""

    open: float
    high: float
    low: float
    close: float


class Stops(NamedTuple):
    """The stops a bar's fill would set, as fractions of the base; NaN for none."""

    loss: float
    trail: bool
    take: float


@dataclass
class Guard:
    """The stops of one position; NaN where there is none. Mutable."""

    loss_base: float = NAN
    loss: float = NAN
    trail: bool = False
    take_base: float = NAN
    take: float = NAN

    def hit(self, position: float, candle: Candle) -> float:
        """Return the price at which a stop was met, the stop loss first, or NaN; then move the trailing base."""
        price = _met(position, self.loss_base, self.loss, candle, below=position > 0)
        if math.isnan(price):
            price = _met(position, self.take_base, self.take, candle, below=position < 0)
        if self.trail and not math.isnan(self.loss):
            if position > 0:
                self.loss_base = max(self.loss_base, candle.high)
            elif position < 0:
                self.loss_base = min(self.loss_base, candle.low)
        return price

    def after(self, before: float, now: float, base: float, stops: Stops, update: StopUpdate) -> None:
        """Set, keep or clear the stops after a fill took the position from `before` to `now`."""
        if now == 0:
            self.__init__()  # type: ignore[misc]
            return
        fresh = before * now <= 0
        if not fresh and abs(now) <= abs(before):
            return
        if fresh or _replaces(stops.loss, update):
            self.loss_base, self.loss, self.trail = base, stops.loss, stops.trail
        if fresh or _replaces(stops.take, update):
            self.take_base, self.take = base, stops.take


def _replaces(stop: float, update: StopUpdate) -> bool:
    return update == StopUpdate.OVERRIDE_NAN or (update == StopUpdate.OVERRIDE and not math.isnan(stop))


def _met(position: float, base: float, stop: float, candle: Candle, below: bool) -> float:
    """Return the price at which a level is met: the open when the bar began beyond it."""
    if math.isnan(stop) or position == 0:
        return NAN
    level = base * (1 - stop) if below else base * (1 + stop)
    if candle.open <= level if below else level <= candle.open:
        return candle.open
    return level if candle.low <= level <= candle.high else NAN


def complete(open_: float, high: float, low: float, close: float) -> Candle:
    """Return a bar whose missing prices follow from the others."""
    open_ = close if math.isnan(open_) else open_
    return Candle(
        open_, max(open_, close) if math.isnan(high) else high, min(open_, close) if math.isnan(low) else low, close
    )


def stop_signs(position: float, mode: StopExit, accumulate: Accumulate) -> tuple[Signs, Accumulate]:
    """Return the signals a stop stands for, and how they accumulate."""
    out, long = mode in (StopExit.CLOSE, StopExit.CLOSE_REDUCE), position > 0
    signs = Signs(long_in=not out and not long, long_out=out and long, short_in=not out and long, short_out=out and not long)
    return signs, (Accumulate.NO if mode in (StopExit.CLOSE, StopExit.REVERSE) else accumulate)


def clean(position: float, signs: Signs, modes: Modes) -> tuple[Signs, Accumulate]:
    """Free a bar's signals of contradictions; return them and how they accumulate."""
    if not (signs.long_in or signs.short_in):
        return signs, modes.accumulate
    long_in, long_out = _one(position, signs.long_in, signs.long_out, modes.long_conflict)
    short_in, short_out = _one(position, signs.short_in, signs.short_out, modes.short_conflict)
    if long_in and short_in:
        adjacent, opposite = modes.clash == Clash.ADJACENT, modes.clash == Clash.OPPOSITE
        long_in = modes.clash == Clash.LONG or (adjacent and position > 0) or (opposite and position < 0)
        short_in = modes.clash == Clash.SHORT or (adjacent and position < 0) or (opposite and position > 0)
    signs = Signs(long_in, long_out, short_in, short_out)
    against = short_in if position > 0 else long_in if position < 0 else False
    return _against(position, signs, modes) if against else (signs, modes.accumulate)


def _one(position: float, entry: bool, exit_: bool, mode: Conflict) -> tuple[bool, bool]:
    if not (entry and exit_):
        return entry, exit_
    held = position != 0
    return (
        mode == Conflict.ENTRY or (mode == Conflict.ADJACENT and held),
        mode == Conflict.EXIT or (mode == Conflict.OPPOSITE and held),
    )


def _against(position: float, signs: Signs, modes: Modes) -> tuple[Signs, Accumulate]:
    """Say what an entry against the position does."""
    mode, long = modes.opposite, position > 0
    if mode in (Opposite.NOTHING, Opposite.CLOSE, Opposite.CLOSE_REDUCE):
        closes = mode != Opposite.NOTHING
        if long:
            signs = signs._replace(short_in=False, long_out=signs.long_out or closes)
        else:
            signs = signs._replace(long_in=False, short_out=signs.short_out or closes)
    alone = mode in (Opposite.CLOSE, Opposite.REVERSE)
    return signs, (Accumulate.NO if alone else modes.accumulate)


def sized(
    position: float, signs: Signs, size: float, kind: Kind, accumulate: Accumulate, mark: float
) -> tuple[float, Kind, Way]:
    """Return signals as a signed size, what it counts, and the way it may go; 0 for no order."""
    if position == 0:
        return (size if signs.long_in else -size if signs.short_in else 0.0), kind, Way.BOTH
    side = 1.0 if position > 0 else -1.0
    against, out, along = (
        (signs.short_in, signs.long_out, signs.long_in) if position > 0 else (signs.long_in, signs.short_out, signs.short_in)
    )
    own = Way.LONG if position > 0 else Way.SHORT
    reduces = accumulate in (Accumulate.BOTH, Accumulate.REMOVE)
    if against:
        if reduces:
            return -side * size, kind, Way.BOTH
        more = size / mark if kind == Kind.VALUE else size
        return -side * (abs(position) + more), Kind.AMOUNT, Way.BOTH
    if out:
        return (-side * size, kind, own) if reduces else (-side * abs(position), Kind.AMOUNT, own)
    adds = along and accumulate in (Accumulate.BOTH, Accumulate.ADD)
    return (side * size if adds else 0.0), kind, own


def stop_price(met: float, price: float, close: float, slippage: float, mode: ExitPrice) -> tuple[float, float]:
    """Return the price and the slippage of an order that a stop made."""
    if mode == ExitPrice.STOP_LIMIT:
        return met, 0.0
    if mode == ExitPrice.STOP_MARKET:
        return met, slippage
    return (close if mode == ExitPrice.CLOSE else price), slippage


def base_price(mode: Base, mark: float, wish: Wish, fill: float, close: float) -> float:
    """Return the price that the stops of a new position are measured from."""
    return {Base.VAL_PRICE: mark, Base.PRICE: wish.price, Base.FILL_PRICE: fill, Base.CLOSE: close}[mode]

"""What a strategy is: bars in, a signal out, and nothing else.

Theory of operation. A strategy never sees money, positions or orders. It sees the
history of one instrument up to bar `t` and answers with a Signal: the position it
would like to have, as a fraction of full size. Sizing turns the fraction into lots
and `ledger.core.decide` turns lots into an order or a named refusal. So the same two
functions run unchanged in the backtest kernel, in the fuzzer and in paper trading.

`prepare` computes columns once over all bars; `on_bar` reads bars and columns at
`t` or earlier and never later. `strategies.causality` re-runs both on truncated
prefixes and names the first bar whose signal changes.

Floats live here because indicators are statistics. They stop at the border:
`sizing.fraction_e6` makes the target an integer before any money is touched.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, NamedTuple, get_type_hints

import numpy as np
from numpy.typing import NDArray

from ledger.kernel import jit, kernel

# FIX tag 40 words. Plain integers, because kernels cannot hold an Enum cheaply.
MARKET = 0
LIMIT = 1
STOP = 2
STOP_LIMIT = 3
TRAIL = 4
ORDER_TYPES = ("MARKET", "LIMIT", "STOP", "STOP_LIMIT", "TRAIL")

# FIX tag 59 words: how long an order works, or at which moment alone.
GTC = 0
DAY = 1
IOC = 2
AT_OPEN = 3
AT_CLOSE = 4
TIMES_IN_FORCE = ("GTC", "DAY", "IOC", "AT_OPEN", "AT_CLOSE")

ROOM = 16
"""Values behind the end of a part of a history that read as unknown."""
WHOLE = re.compile(r"[+-]?[0-9]{1,18}")


class StrategyError(ValueError):
    """A strategy or one of its parameters is not what the caller thinks it is."""


class Bars(NamedTuple):
    """What a strategy may see: one instrument, adjusted prices, oldest bar first."""

    time_ns: NDArray[np.int64]  # [T] UTC nanoseconds at which the bar is complete
    open: NDArray[np.float64]  # [T]
    high: NDArray[np.float64]  # [T]
    low: NDArray[np.float64]  # [T]
    close: NDArray[np.float64]  # [T]
    volume: NDArray[np.float64]  # [T] shares or contracts


class Signal(NamedTuple):
    """A wish, never an order. Prices are in the adjusted currency; 0.0 means none.

    Make one with `market`, `limit`, `stop`, `stop_limit`, `trailing`, `at_open`, `at_close` and put guards
    on it with `guarded` or `guarded_from_fill`; nobody needs to know the order of these fields.
    """

    target: float  # -1..1 of full size; 0 = flat; NaN = no opinion, keep what is
    order_type: int  # MARKET, LIMIT, STOP, STOP_LIMIT or TRAIL
    limit: float  # price of a LIMIT or STOP_LIMIT order
    stop_loss: float  # price, or fraction of the entry price: see from_fill
    take_profit: float  # price, or fraction of the entry price
    trail: float  # distance from the best price since entry, or fraction; of a TRAIL order: its distance
    stop: float  # price that wakes a STOP or STOP_LIMIT order
    time_in_force: int  # GTC, DAY, IOC, AT_OPEN or AT_CLOSE
    from_fill: int  # 1: stop_loss, take_profit and trail are fractions of the price the position was opened at


Prepare = Callable[[Bars, Any], NDArray[np.float64]]
PrepareUniverse = Callable[[tuple[Bars, ...], Any], tuple[NDArray[np.float64], ...]]
OnBar = Callable[[Bars, NDArray[np.float64], int, NDArray[np.float64], Any], Signal]


@dataclass(frozen=True)
class Strategy:
    """Everything the other rooms need to know about one strategy."""

    name: str
    params: Any  # a NamedTuple class of int and float fields, each with a default
    prepare: Prepare  # (bars, params) -> float64[k, T]; row k, value known at bar T
    on_bar: OnBar  # (bars, columns, t, state, params) -> Signal; causal
    warmup: Callable[[Any], int]  # bars before the first opinion; live loads this many
    state_size: int  # length of the float64 workspace, zeros at the start of a run
    summary: str  # one sentence for people who choose a strategy
    allow_short: bool  # False: no parameter can ever make this strategy go short
    pyramiding: bool = False  # True: may add to a position that is already open
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)  # inclusive
    check: Callable[[Any], str] | None = None  # "" when the parameters fit together
    prepare_universe: PrepareUniverse | None = None  # in place of prepare: sees every instrument at once
    symbols: tuple[int, int] = (1, 1_000_000)  # how few and how many instruments it can trade together
    columnar: Callable[[Any], tuple[Any, ...]] | None = None  # the same wishes as tests of columns; see strategies.columnar


@kernel
def market(target: float) -> Signal:
    """Return the plainest signal: reach `target` with a market order."""
    return Signal(target, MARKET, 0.0, 0.0, 0.0, 0.0, 0.0, GTC, 0)


@kernel
def no_opinion() -> Signal:
    """Return the signal that leaves position and working orders as they are."""
    return Signal(np.nan, MARKET, 0.0, 0.0, 0.0, 0.0, 0.0, GTC, 0)


@kernel
def limit(target: float, price: float, time_in_force: int = DAY) -> Signal:
    """Reach `target` at `price` or better."""
    return Signal(target, LIMIT, price, 0.0, 0.0, 0.0, 0.0, time_in_force, 0)


@kernel
def stop(target: float, price: float, time_in_force: int = GTC) -> Signal:
    """Reach `target` with a market order that wakes when the market trades at `price` or beyond it."""
    return Signal(target, STOP, 0.0, 0.0, 0.0, 0.0, price, time_in_force, 0)


@kernel
def stop_limit(target: float, stop_price: float, limit_price: float, time_in_force: int = GTC) -> Signal:
    """Reach `target` with a limit order that wakes when the market trades at `stop_price` or beyond it."""
    return Signal(target, STOP_LIMIT, limit_price, 0.0, 0.0, 0.0, stop_price, time_in_force, 0)


@kernel
def trailing(target: float, distance: float, time_in_force: int = GTC) -> Signal:
    """Reach `target` with a stop that follows the best price at `distance`."""
    return Signal(target, TRAIL, 0.0, 0.0, 0.0, distance, 0.0, time_in_force, 0)


@kernel
def at_open(target: float, price: float = 0.0) -> Signal:
    """Reach `target` in the next opening auction: market on open, or limit on open when a price is given."""
    return Signal(target, LIMIT if price > 0.0 else MARKET, price, 0.0, 0.0, 0.0, 0.0, AT_OPEN, 0)


@kernel
def at_close(target: float, price: float = 0.0) -> Signal:
    """Reach `target` in the next closing auction: market on close, or limit on close when a price is given."""
    return Signal(target, LIMIT if price > 0.0 else MARKET, price, 0.0, 0.0, 0.0, 0.0, AT_CLOSE, 0)


@kernel
def guarded(wish: Signal, stop_loss: float, take_profit: float, trail: float) -> Signal:
    """Return the wish with guards of the position it makes: prices, and a trailing distance; 0.0 means none.

    The guards are working orders of their own (one cancels the others), as large as the position.
    """
    return Signal(
        wish.target, wish.order_type, wish.limit, stop_loss, take_profit, trail, wish.stop, wish.time_in_force, 0
    )  # fmt: skip


@kernel
def guarded_from_fill(wish: Signal, stop_loss: float, take_profit: float, trail: float) -> Signal:
    """Return the wish with guards as fractions of the price at which the position is opened: 0.05 is five percent."""
    return Signal(
        wish.target, wish.order_type, wish.limit, stop_loss, take_profit, trail, wish.stop, wish.time_in_force, 1
    )  # fmt: skip


@kernel
def first_column(
    bars: Bars, columns: NDArray[np.float64], t: int, state: NDArray[np.float64], params: Any
) -> Signal:
    """Return the wish that stands in columns[0]: the `on_bar` of a strategy that decides in `prepare`."""
    return market(columns[0, t])


@jit
def no_columns(bars: Bars, params: Any) -> NDArray[np.float64]:
    """Return float64[0, T]: the `prepare` of a strategy that needs no indicators."""
    return np.empty((0, bars.close.shape[0]), np.float64)


def alone(prepare_universe: PrepareUniverse) -> Prepare:
    """Return the `prepare` of a strategy that has a `prepare_universe`: a universe of one instrument."""
    return lambda bars, params: prepare_universe((bars,), params)[0]


def columns_of(strategy: Strategy, universe: Sequence[Bars], params: Any) -> tuple[NDArray[np.float64], ...]:
    """Return the prepared columns of every instrument, float64[k, T_j], contiguous, in the order given.

    This is the one place that chooses between `prepare` and `prepare_universe`, so that
    backtest, check and paper trading cannot choose differently.

    Args:
        universe: the bars of each instrument, each with its own times; aligning them is the strategy's work.
    Raises:
        StrategyError: more or fewer instruments than the strategy can trade, or columns of a wrong shape.
    """
    fewest, most = strategy.symbols
    if not fewest <= len(universe) <= most:
        wanted = f"exactly {fewest}" if fewest == most else f"at least {fewest}" if len(universe) < fewest else f"at most {most}"
        raise StrategyError(f"{strategy.name}: {len(universe)} instruments given; it trades {wanted} together")
    if strategy.prepare_universe is not None:
        blocks = strategy.prepare_universe(tuple(universe), params)
    else:
        blocks = tuple(strategy.prepare(bars, params) for bars in universe)
    whole = tuple(np.ascontiguousarray(block, np.float64) for block in blocks)
    shapes = [block.shape for block in whole]
    if [shape[1:] for shape in shapes] != [bars.close.shape for bars in universe] or len({shape[0] for shape in shapes}) > 1:
        lengths = ", ".join(str(bars.close.size) for bars in universe)
        raise StrategyError(f"{strategy.name}: prepare gave columns of shapes {shapes} for bars of lengths {lengths}")
    return whole


def is_compiled(strategy: Strategy) -> bool:
    """Tell whether `on_bar` is a compiled function; a plain Python one runs too, slower."""
    return hasattr(strategy.on_bar, "py_func")


def as_bars(time_ns: Any, opens: Any, high: Any, low: Any, close: Any, volume: Any) -> Bars:
    """Return Bars of contiguous, writable arrays, whatever array-likes came in.

    A pandas column may be strided or read-only. A kernel would be compiled anew for each
    such kind of array, so there is one kind, made here.

    Raises:
        StrategyError: the columns have different lengths.
    """
    stamps = np.array(time_ns, np.int64, order="C")
    prices = [np.array(column, np.float64, order="C") for column in (opens, high, low, close, volume)]
    if any(column.shape != (stamps.size,) for column in prices):
        shapes = ", ".join(str(column.shape) for column in (stamps, *prices))
        raise StrategyError(f"bars need six columns of one length; got shapes {shapes}")
    return Bars(stamps, *prices)


def part(bars: Bars, first: int, last: int) -> Bars:
    """Return bars first..last-1, as far as there are, as contiguous copies: this part of the history and nothing else.

    Behind the last bar lies room that reads NaN: compiled code that looks past the end of its
    arrays finds no price there, and no memory of somebody else's.
    """
    last = min(last, bars.close.shape[0])
    count = max(last - first, 0)
    stamps = np.full(count + ROOM, np.iinfo(np.int64).max)
    stamps[:count] = bars.time_ns[first:last]
    prices = [np.full(count + ROOM, np.nan) for _ in bars[1:]]
    for copy, column in zip(prices, bars[1:], strict=True):
        copy[:count] = column[first:last]
    return Bars(stamps[:count], *(copy[:count] for copy in prices))


def head(bars: Bars, count: int) -> Bars:
    """Return the first `count` bars as a `part`: the past and nothing else."""
    return part(bars, 0, count)


def may_short(strategy: Strategy, params: Any) -> bool:
    """Tell whether these parameters can ask for a negative target at all."""
    return strategy.allow_short and bool(getattr(params, "allow_short", 1))


def known_name(kind: str, name: str, known: Iterable[str]) -> str:
    """Return `name` if it is known; otherwise raise and list near names first."""
    names = sorted(known)
    if name in names:
        return name
    near = get_close_matches(name, names, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}? " if near else ""
    raise StrategyError(f"unknown {kind} {name!r}; {hint}known: {', '.join(names) or 'none'}")


def parse_params(strategy: Strategy, texts: Iterable[str]) -> Any:
    """Build the parameters of `strategy` from texts such as `fast=10`.

    Args:
        strategy: whose `params` class gives names, types and defaults.
        texts: one `name=value` each; a name left out keeps its default.
    Returns:
        An instance of `strategy.params`, checked alone and together.
    Raises:
        StrategyError: names the parameter, the value, the expected type and range.
    """
    types = get_type_hints(strategy.params)
    values: dict[str, int | float] = {}
    for text in texts:
        name, equals, raw = (part.strip() for part in text.partition("="))
        if not equals or not name:
            raise StrategyError(f"{strategy.name}: {text!r} is not of the form name=value, as in fast=10")
        known_name(f"parameter of {strategy.name}", name, types)
        if name in values:
            raise StrategyError(f"{strategy.name}: parameter {name} is given twice; keep one")
        values[name] = _number(strategy, name, raw, types[name])
    return checked(strategy, strategy.params(**values))


def checked(strategy: Strategy, params: Any) -> Any:
    """Return `params` unchanged, or raise StrategyError if a value or a pair is wrong."""
    for name, value in params._asdict().items():
        low, high = strategy.ranges.get(name, (-math.inf, math.inf))
        if not low <= value <= high:
            raise StrategyError(_expected(strategy, name, value, get_type_hints(strategy.params)[name]))
    complaint = strategy.check(params) if strategy.check else ""
    if complaint:
        raise StrategyError(f"{strategy.name}: {complaint}")
    return params


def _number(strategy: Strategy, name: str, raw: str, kind: type) -> int | float:
    """Read one value; int() alone would take `1_0` and float() alone would take `nan`."""
    if kind is int:
        if WHOLE.fullmatch(raw):
            return int(raw)
    else:
        try:
            value = float(raw)
        except ValueError:
            value = math.nan
        if math.isfinite(value):
            return value
    raise StrategyError(_expected(strategy, name, raw, kind))


def _expected(strategy: Strategy, name: str, value: object, kind: type) -> str:
    noun = "a whole number" if kind is int else "a number"
    text = f"{strategy.name}: parameter {name}={value} is wrong; expected {noun}"
    if name not in strategy.ranges:
        return text
    low, high = strategy.ranges[name]
    return f"{text} from {low:g} to {high:g}"

"""Asking a strategy for its wish at every bar: the one loop, compiled or not.

Theory of operation. `ask` calls `on_bar` once a bar with one workspace and writes the
fields of each Signal into a row. The loop is compiled for every strategy whose `on_bar`
is; a strategy in plain Python is asked by the same function, uncompiled, and so is one
that numba was told to compile and cannot: it runs, slower, and a warning says so. A runner
that lives through its bars one at a time asks by `ask_on`: the same function once more.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ledger.kernel import CannotCompile, jit
from strategies.api import Bars, Signal, Strategy, is_compiled

Floats = NDArray[np.float64]
WISH = len(Signal._fields)
W_TARGET, W_TYPE, W_LIMIT, W_STOP_LOSS, W_TAKE_PROFIT, W_TRAIL, W_STOP, W_TIF, W_FROM_FILL = range(WISH)


class NotCompiledWarning(UserWarning):
    """A strategy runs in plain Python although it asked for the compiler."""


@jit
def _ask(on_bar: Any, bars: Bars, columns: Floats, state: Floats, params: Any, first: int, wishes: Floats) -> None:
    """Ask for every bar from `first` on; wishes float64[T, WISH] and state are modified in place."""
    for t in range(first, wishes.shape[0]):
        wish = on_bar(bars, columns, t, state, params)
        line = wishes[t]
        line[W_TARGET], line[W_TYPE], line[W_LIMIT] = wish.target, wish.order_type, wish.limit
        line[W_STOP_LOSS], line[W_TAKE_PROFIT], line[W_TRAIL] = wish.stop_loss, wish.take_profit, wish.trail
        line[W_STOP], line[W_TIF], line[W_FROM_FILL] = wish.stop, wish.time_in_force, wish.from_fill


def ask(strategy: Strategy, bars: Bars, columns: Floats, params: Any) -> Floats:
    """Return float64[T, WISH]: the strategy's signal at every bar of one instrument.

    Args:
        columns: float64[k, T] of `columns_of`, contiguous.
    """
    wishes = np.empty((bars.close.shape[0], WISH))
    state = np.zeros(max(1, strategy.state_size))
    plain = getattr(_ask, "py_func", _ask)
    if not is_compiled(strategy):
        plain(strategy.on_bar, bars, columns, state, params, 0, wishes)
        return wishes
    try:
        _ask(strategy.on_bar, bars, columns, state, params, 0, wishes)
    except CannotCompile as error:
        reason = str(error).strip().splitlines()[0]
        message = f"{strategy.name}: numba cannot compile on_bar, so it runs in plain Python, slower: {reason}"
        warnings.warn(message, NotCompiledWarning, stacklevel=2)
        plain(strategy.on_bar.py_func, bars, columns, state, params, 0, wishes)  # type: ignore[attr-defined]
    return wishes


def ask_on(strategy: Strategy, bars: Bars, columns: Floats, params: Any, state: Floats, first: int) -> list[Signal]:
    """Return the signals of the bars from `first` on, by the loop of `ask`; state is modified in place.

    Args:
        columns: as for `ask`. state: what the bars before `first` left behind.
    """
    wishes = np.empty((bars.close.shape[0], WISH))
    getattr(_ask, "py_func", _ask)(strategy.on_bar, bars, columns, state, params, first, wishes)
    return [signal_of(line) for line in wishes[first:]]


def signal_of(line: Floats) -> Signal:
    """Return a row of `ask` as the Signal it was."""
    numbers = [float(number) for number in line]
    for whole in (W_TYPE, W_TIF, W_FROM_FILL):
        numbers[whole] = int(numbers[whole])
    return Signal(*numbers)

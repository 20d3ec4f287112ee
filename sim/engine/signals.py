"""What strategies see, and their answers for every bar: the wishes.

Theory of operation. A strategy never sees money, positions or orders, so its answers do
not depend on the run: they are asked for before the loop and lie in one array,
float64[bars, WISH], laid out like the tape. The loop is therefore compiled once for all
strategies, and only the small function that asks is compiled for each. A strategy that
numba cannot compile is asked by Python, one call a bar; everything else stays compiled.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ledger.kernel import jit
from sim.data.history import History
from strategies.api import Bars, Signal, Strategy, as_bars, columns_of, is_compiled

Floats = NDArray[np.float64]
WISH = len(Signal._fields)
W_TARGET, W_TYPE, W_LIMIT, W_STOP_LOSS, W_TAKE_PROFIT, W_TRAIL, W_STOP, W_TIF, W_FROM_FILL = range(WISH)


def seen(history: History) -> Bars:
    """Return what a strategy may see of a history: adjusted floats."""
    factor = history.signal_factor / 10.0**history.price_exp
    return as_bars(
        history.end_ns, history.open_ticks * factor, history.high_ticks * factor, history.low_ticks * factor,
        history.close_ticks * factor, history.volume,
    )  # fmt: skip


@jit
def _ask(on_bar: Any, bars: Bars, columns: Floats, state: Floats, params: Any, first: int, wishes: Floats) -> None:
    """Ask for every bar from `first` on; wishes float64[T, WISH] and state are modified in place."""
    for t in range(first, wishes.shape[0]):
        wish = on_bar(bars, columns, t, state, params)
        line = wishes[t]
        line[W_TARGET], line[W_TYPE], line[W_LIMIT] = wish.target, wish.order_type, wish.limit
        line[W_STOP_LOSS], line[W_TAKE_PROFIT], line[W_TRAIL] = wish.stop_loss, wish.take_profit, wish.trail
        line[W_STOP], line[W_TIF], line[W_FROM_FILL] = wish.stop, wish.time_in_force, wish.from_fill


def wishes(strategy: Strategy, histories: Sequence[History], params: Any) -> Floats:
    """Return float64[bars of all histories, WISH]: the strategy's signal at every bar."""
    bars = [seen(history) for history in histories]
    answers = []
    for one, block in zip(bars, columns_of(strategy, bars, params), strict=True):
        answer = np.empty((one.close.size, WISH))
        _asker(strategy)(strategy.on_bar, one, block, np.zeros(max(1, strategy.state_size)), params, 0, answer)
        answers.append(answer)
    return np.concatenate(answers)


def _asker(strategy: Strategy) -> Any:
    """Return the loop that asks: compiled, or the same function in Python for a strategy that is not compiled."""
    return _ask if is_compiled(strategy) else getattr(_ask, "py_func", _ask)

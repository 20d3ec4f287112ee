"""Does a strategy see the future? Run it on cut histories and compare its wishes.

Theory of operation. `signals` prepares once and asks for every bar, as every runner does.
`differences` does so on the whole history and again on prefixes of it. A causal strategy answers every
bar of the prefix exactly as before; a strategy whose columns look ahead does not.
Signals are compared and not fills, because fills also depend on cash and on other
instruments.

Floats are compared by their bits: two NaN are the same wish, and a difference in the
last place is a difference, since it is enough to flip a comparison one day. `check.py`
does the same for people, on chosen cuts, and says what it found in words.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from strategies.api import Bars, Signal, Strategy, columns_of, head
from strategies.asking import ask

Rows = NDArray[np.float64]


class Difference(NamedTuple):
    """One bar on which a cut history gave another wish."""

    cut: int  # how many bars the prefix had
    bar: int
    whole: Signal
    prefix: Signal


def universe_signals(strategy: Strategy, universe: Sequence[Bars], params: Any) -> tuple[Rows, ...]:
    """Return the rows of `ask` of every instrument, prepared together."""
    blocks = columns_of(strategy, universe, params)
    return tuple(ask(strategy, bars, block, params) for bars, block in zip(universe, blocks, strict=True))


def signals(strategy: Strategy, bars: Bars, params: Any) -> Rows:
    """Return float64[T, fields of Signal] of one instrument, in the order of Signal."""
    return universe_signals(strategy, (bars,), params)[0]


def differences(strategy: Strategy, bars: Bars, params: Any, cuts: Iterable[int]) -> list[Difference]:
    """Return the first differing bar of every prefix that disagrees; empty means causal.

    Args:
        cuts: prefix lengths in bars, each 0..T.
    """
    whole = signals(strategy, bars, params)
    found = []
    for cut in cuts:
        prefix = signals(strategy, head(bars, cut), params)
        unlike = (prefix.view(np.int64) != whole[:cut].view(np.int64)).any(axis=1)
        if unlike.any():
            bar = int(unlike.argmax())
            found.append(Difference(cut, bar, as_signal(whole[bar]), as_signal(prefix[bar])))
    return found


def as_signal(row: NDArray[np.float64]) -> Signal:
    """Return one row of `signals` as a Signal."""
    words = {"order_type", "time_in_force", "from_fill"}
    return Signal(*(int(value) if name in words else float(value) for name, value in zip(Signal._fields, row, strict=True)))

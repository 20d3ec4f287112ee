"""Windows of time for walk-forward, and histories that end where a window ends.

Theory of operation. Windows are counted in trading days (any day on which an instrument
has a bar), so they mean the same for daily and for minute bars. What a window may know
is enforced by cutting: `cut` takes the later bars and corporate actions away, and what is
not there cannot leak.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sim.data.history import History, frozen

Ints = NDArray[np.int64]


class HonestyError(ValueError):
    """A question about luck that cannot be asked like this: the message says what to change."""


class Window(NamedTuple):
    """Learn on learn_from..test_from, test on test_from..test_until; ordinals of days, ends exclusive."""

    learn_from: int
    test_from: int
    test_until: int


def trading_days(histories: Sequence[History]) -> Ints:
    """Return the sorted ordinals of all days on which any instrument has a bar."""
    return np.unique(np.concatenate([history.day for history in histories]))


def windows(days: Ints, learn: int, test: int, *, anchored: bool = False) -> list[Window]:
    """Return the windows of a walk-forward, tests end to end; the last test may be shorter.

    Args:
        days: sorted ordinals. learn, test: trading days. anchored: every window learns from the first day on.
    Raises:
        HonestyError: a window without days, or more days to learn from than there are.
    """
    if learn < 2 or test < 1:
        raise HonestyError(f"a window learns on at least 2 days and tests on at least 1; got {learn} and {test}")
    if days.size <= learn:
        raise HonestyError(f"{days.size} trading days leave nothing to test after learning on {learn}; use fewer, or more data")
    ends = [*days.tolist(), int(days[-1]) + 1]
    return [
        Window(ends[0 if anchored else at - learn], ends[at], ends[min(at + test, days.size)])
        for at in range(learn, days.size, test)
    ]


def cut(histories: Sequence[History], until: int) -> list[History]:
    """Return the histories without what is on day `until` or later.

    Raises:
        HonestyError: an instrument has no bar before that day.
    """
    return [_cut(history, until) for history in histories]


def _cut(history: History, until: int) -> History:
    count = int(np.searchsorted(history.day, until))
    if count == 0:
        raise HonestyError(f"{history.symbol} has no bar before {date.fromordinal(until)}; start later, or leave it out")
    columns = ("start_ns", "end_ns", "day", "open_ticks", "high_ticks", "low_ticks", "close_ticks", "volume")
    factor = np.array(history.signal_factor[:count], np.float64)
    factor.setflags(write=False)
    parts: dict[str, Any] = {name: frozen(getattr(history, name)[:count]) for name in columns}
    actions = tuple(action for action in history.actions if action.day < until)
    return history._replace(**parts, signal_factor=factor, actions=actions)


def row_days(histories: Sequence[History]) -> Ints:
    """Return the day of every bar, laid out like the wishes of a run: instrument after instrument."""
    return np.concatenate([history.day for history in histories])

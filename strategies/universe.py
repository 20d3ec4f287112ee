"""Several instruments on one clock: which bar of each is the newest at a moment.

Theory of operation. Instruments have bars at different times: one was listed later, one
did not trade that day, one closes in another time zone. The moments of a universe are
all times at which any instrument's bar ended, sorted. At a moment an instrument's newest
bar is the last one that had ended by then, and its age is how many moments of the
universe have passed since. An age says more than a value that was filled forward:
what has not traded for days has no price today.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from strategies.api import Bars

Ints = NDArray[np.int64]


class Clock(NamedTuple):
    """The moments of a universe and where each instrument's bars stand among them."""

    moments_ns: Ints  # [M] UTC ns, strictly rising
    at: tuple[Ints, ...]  # per instrument int64[T_j]: the moment of each of its bars


def clock_of(universe: tuple[Bars, ...]) -> Clock:
    """Return the clock of a universe; one that has no bar at all has no moments."""
    moments = np.unique(np.concatenate([bars.time_ns for bars in universe]))
    return Clock(moments, tuple(np.searchsorted(moments, bars.time_ns) for bars in universe))


def newest(clock: Clock, instrument: int, moments: Ints, oldest: int) -> Ints:
    """Return int64[m]: the instrument's newest bar at each of these moments; -1 where none is young enough.

    Args:
        moments: indices into clock.moments_ns; a negative one is before the history and has no bar.
        oldest: how many moments ago the bar may have ended; 0: at this moment exactly.
    """
    at = clock.at[instrument]
    bar = np.searchsorted(at, moments, side="right") - 1
    known = (moments >= 0) & (bar >= 0)
    fresh = np.zeros(moments.size, bool)
    fresh[known] = moments[known] - at[bar[known]] <= oldest
    return np.where(fresh, bar, -1)

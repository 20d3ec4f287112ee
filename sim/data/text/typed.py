"""Columns that came as numbers or times are taken as such; writing a million of them out and reading them again takes seconds.

Theory of operation. The text of a column is what all rules judge, so a number is taken only where its text could say nothing
else. A float x is t / 10**scale when that division gives x back and t has at most 15 digits: every decimal of 15 digits
survives float64 and back, so t / 10**scale is the shortest decimal that means x, which is what its text is. A column with one
value that is not (missing, infinite, too fine, too large) is text, and so is every other type.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sim.data.history import Int64Array
from sim.data.text.table import Known

if TYPE_CHECKING:
    import pyarrow

SCALES = (0, 2, 4, 6, 8)
EXACT_MAX = 10**15
WHOLE_MAX = 10**18
PROBE = 1_000
YEARS = ("1800-01-01", "2200-01-01")


def known(role: str, values: pyarrow.ChunkedArray) -> Known | None:
    """Return what a column says, or None when its text must be judged."""
    from pyarrow import types

    if values.null_count or not len(values) or role == "symbol":
        return None
    if role == "time":
        return _times(values) if types.is_timestamp(values.type) else None
    if types.is_float64(values.type):
        return decimals(values.to_numpy())
    return _whole(values) if types.is_integer(values.type) else None


def decimals(values: NDArray[np.float64]) -> Known | None:
    """Return float64[n] as exact decimals of the smallest scale that holds them all, or None when none does."""
    with np.errstate(over="ignore", invalid="ignore"):
        for scale in SCALES:
            if _ticks(values[:PROBE], scale) is not None and (ticks := _ticks(values, scale)) is not None:
                return Known(ticks.astype(np.int64), scale, "number")
    return None


def _ticks(values: NDArray[np.float64], scale: int) -> NDArray[np.float64] | None:
    ticks = np.rint(values * 10.0**scale)
    exact = (ticks / 10.0**scale == values) & (np.abs(ticks) < EXACT_MAX)
    return ticks if bool(exact.all()) else None


def _whole(values: pyarrow.ChunkedArray) -> Known | None:
    numbers = values.to_numpy()
    if int(numbers.max()) >= WHOLE_MAX or int(numbers.min()) <= -WHOLE_MAX:
        return None
    return Known(numbers.astype(np.int64), 0, "number")


def _times(values: pyarrow.ChunkedArray) -> Known | None:
    """Return timestamps as ns, or None when a year is none that a bar can have."""
    import pyarrow

    try:
        ns: Int64Array = values.cast(pyarrow.timestamp("ns", values.type.tz)).cast(pyarrow.int64()).to_numpy()
    except pyarrow.ArrowInvalid:  # beyond what nanoseconds of 64 bits can say
        return None
    first, last = (int(np.datetime64(day, "ns").astype(np.int64)) for day in YEARS)
    if int(ns.min()) < first or int(ns.max()) >= last:
        return None
    return Known(ns, 0, "naive" if values.type.tz is None else "instant")

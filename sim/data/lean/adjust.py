"""Factors applied to bars: adjusted prices, or raw prices with their actions.

Theory of operation. Adjusted: price x price factor x split factor, exact in
rational numbers, rounded once half-even to 1e-8; the factors are positive and
rounding is monotone, so low <= open, close <= high survives. Volumes are divided
by the split factor, so that price x volume stays the money that changed hands
(dividends aside). Raw: nothing is touched, `signal_factor` and `actions` are filled.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from fractions import Fraction

import numpy as np

from sim.data.errors import DataError, repair_hint
from sim.data.gate import Gate
from sim.data.history import Float64Array, History, Int64Array, frozen
from sim.data.lean.factors import Factor, actions_of, row_of
from sim.data.text.decimals import scale_exact

ADJUSTED_EXP = 8
REFERENCE_ERROR = Fraction(1, 100)  # references are rounded to a cent
FOREIGN = "the reference price of the factor file is not the close of its day: bars and factors belong to different instruments"


def signal_factor(factors: Sequence[Factor], day: Int64Array) -> Float64Array:
    """Return price factor x split factor of each day as float64[T]: for signals, never for money."""
    if not factors:
        return np.ones(len(day), np.float64)
    values = np.array([float(row.price * row.split) for row in factors], dtype=np.float64)
    result: Float64Array = values[row_of(factors, day)]
    return result


def check_references(raw: History, factors: Sequence[Factor], gate: Gate) -> None:
    """Hold each reference price against the close of its day; refuse factors of another company's bars.

    A reference is the close rounded to a cent. Tickers are used again: only this comparison shows
    that a file under the right name holds somebody else's prices. Hours end with the same close.
    """
    rows = [row for row in factors if row.reference > 1]  # 0 and 1 mark the ends of the file
    last = np.append(np.diff(raw.day) > 0, True)
    days, closes = raw.day[last], raw.close_ticks[last]
    for row in rows:
        at = int(np.searchsorted(days, row.day))
        if raw.bar == "1m" or at == len(days) or days[at] != row.day:
            continue
        close = Fraction(int(closes[at]), 10**raw.price_exp)
        if abs(close - row.reference) > REFERENCE_ERROR and not gate.allows("allow-reference", 1, 0, FOREIGN):
            raise DataError(
                FOREIGN,
                file=gate.file,
                column="close",
                value=f"{date.fromordinal(row.day)}: {float(close)} and {float(row.reference)}",
                fix=repair_hint("allow-reference", "check the map file"),
            )


def with_actions(raw: History, factors: Sequence[Factor]) -> History:
    """Return raw prices with their splits and dividends."""
    return raw._replace(actions=actions_of(factors, raw.day, raw.start_ns))


def adjusted(raw: History, factors: Sequence[Factor]) -> History:
    """Return prices times both factors on a grid of 1e-8, volumes divided by the split factor."""
    ones = np.ones(len(raw.day), np.float64)
    ones.setflags(write=False)
    grid = 10 ** (ADJUSTED_EXP - raw.price_exp)
    names = ("open_ticks", "high_ticks", "low_ticks", "close_ticks", "volume")
    columns = {name: np.empty(len(raw.day), np.int64) for name in names}
    rows: list[Factor | None] = [*factors] or [None]
    index = row_of(factors, raw.day) if factors else np.zeros(len(raw.day), np.int64)
    for at, row in enumerate(rows):
        # Days rise, so the bars of one factor row are one slice.
        part = slice(*np.searchsorted(index, [at, at + 1]).tolist())
        price = row.price * row.split * grid if row is not None else Fraction(grid)
        shares = 1 / row.split if row is not None else Fraction(1)
        for name in names:
            values: Int64Array = getattr(raw, name)
            columns[name][part] = scale_exact(values[part], shares if name == "volume" else price)
    opens, highs, lows, closes, volume = (frozen(columns[name]) for name in names)
    return raw._replace(
        price_exp=ADJUSTED_EXP,
        signal_factor=ones,
        open_ticks=opens,
        high_ticks=highs,
        low_ticks=lows,
        close_ticks=closes,
        volume=volume,
    )

"""Weights of equity from statistics of past bars: volatility target, ATR risk, Kelly, inverse volatility.

Theory of operation. A weight is the share of equity that a full position takes. Each
statistic looks at the last n bars, bar t included, and at nothing else: the value is
the same wherever the history starts, so live trading, which loads a short history, gets
the weights of the backtest, and no weight sees the future. Statistics are floats;
a weight leaves here as an integer at 1e-6, rounded down, and UNKNOWN_WEIGHT where the
bars are too few or not all known.

    volatility T:        min(max, T / volatility) / symbols         annualised, of log returns
    atr R, multiple k:   min(max / symbols, R * close / (k * ATR))   a move of k ATR costs R of equity
    kelly f:             f * mean / variance of returns, within +-max, / symbols; the sign is the side it favours
    inverse-volatility P: P * (1 / volatility) / sum over symbols of (1 / volatility)

The ATR is the plain mean of true ranges. Wilder's smoothing never forgets its first
bar, and a size may not depend on how much history was loaded.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from strategies.api import Bars
from strategies.indicators import sma, std
from strategies.sizing.lots import ONE_E6, UNKNOWN_WEIGHT, WEIGHT_MAX_E6
from strategies.sizing.rules import Rule

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

SESSIONS = 252
SESSION_MINUTES = 390
_LENGTH = re.compile(r"([1-9][0-9]{0,4})(m|h|d|w|mo)")
_MINUTES = {"m": 1, "h": 60}
_PER_YEAR = {"d": SESSIONS, "w": 52, "mo": 12}


def bars_per_year(bar: str) -> float:
    """Return how many bars of a length such as 1d, 1h, 5m, 1w a year has, by sessions of 6.5 hours, 252 a year.

    Raises:
        ValueError: the text is no bar length.
    """
    found = _LENGTH.fullmatch(bar)
    if not found:
        raise ValueError(f"bar length {bar!r} is not known; expected a number and one of m, h, d, w, mo, as in 5m")
    count, unit = int(found[1]), found[2]
    return SESSIONS * SESSION_MINUTES / (count * _MINUTES[unit]) if unit in _MINUTES else _PER_YEAR[unit] / count


def weights(rule: Rule, bars: Sequence[Bars], per_year: float, symbols: int = 0) -> list[Ints]:
    """Return int64[T] at 1e-6 of equity for each instrument; int64[0] for all when the rule never changes.

    Args:
        bars: of each instrument, adjusted prices. per_year: bars in a year, for annual volatility.
        symbols: how many full sizes share the account; 0: as many as there are instruments.
    """
    if not rule.statistical:
        return [np.zeros(0, np.int64) for _ in bars]
    if rule.kind == "inverse-volatility":
        return _inverse(rule, bars)
    share = 1.0 / max(1, symbols or len(bars))
    formula = {"volatility": _volatility, "atr": _atr, "kelly": _kelly}[rule.kind]
    return [_as_weights(formula(rule, one, per_year, share)) for one in bars]


def returns(close: Floats) -> Floats:
    """Return the log return of each bar against the one before; NaN for the first and where a price is not above 0."""
    out = np.full(close.size, np.nan)
    good = (close[1:] > 0) & (close[:-1] > 0)
    out[1:][good] = np.log(close[1:][good] / close[:-1][good])
    return out


def true_range(bars: Bars) -> Floats:
    """Return how far the price moved in each bar, from the close before on; NaN for the first bar."""
    out = np.full(bars.close.size, np.nan)
    before = bars.close[:-1]
    out[1:] = np.maximum(bars.high[1:], before) - np.minimum(bars.low[1:], before)
    return out


def _as_weights(weight: Floats) -> Ints:
    """Return weights at 1e-6, rounded toward zero; UNKNOWN_WEIGHT for NaN."""
    known = np.isfinite(weight)
    scaled = np.trunc(np.where(known, weight, 0.0) * ONE_E6)
    bounded = np.clip(scaled, -WEIGHT_MAX_E6, WEIGHT_MAX_E6).astype(np.int64)
    return np.where(known, bounded, np.int64(UNKNOWN_WEIGHT))


def _divided(above: Floats | float, below: Floats) -> Floats:
    """Return above / below, infinite where nothing moves: the cap decides there."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(below == 0.0, np.inf, above / below)


def _volatility(rule: Rule, bars: Bars, per_year: float, share: float) -> Floats:
    annual = std(returns(bars.close), rule.bars, 1) * math.sqrt(per_year)
    return np.minimum(rule.max_e6 / ONE_E6, _divided(rule.amount / ONE_E6, annual)) * share


def _atr(rule: Rule, bars: Bars, per_year: float, share: float) -> Floats:
    risk, multiple = rule.amount / ONE_E6, rule.multiple_e4 / 10_000
    wanted = _divided(risk * bars.close, multiple * sma(true_range(bars), rule.bars))
    return np.minimum(rule.max_e6 / ONE_E6 * share, wanted)


def _kelly(rule: Rule, bars: Bars, per_year: float, share: float) -> Floats:
    made = np.expm1(returns(bars.close))
    mean, variance = sma(made, rule.bars), std(made, rule.bars, 1) ** 2
    edge = np.where(mean == 0.0, 0.0 * variance, np.copysign(_divided(np.abs(mean), variance), mean))
    cap = rule.max_e6 / ONE_E6
    return np.clip(edge * (rule.amount / ONE_E6), -cap, cap) * share


def _inverse(rule: Rule, bars: Sequence[Bars]) -> list[Ints]:
    """Return weights that add to the percentage over the symbols whose volatility is known at that moment.

    A symbol counts with its newest bar at or before the moment. One that never moved has no finite
    calm, so it is left out until it moves.
    """
    calm = [_calm(std(returns(one.close), rule.bars, 1)) for one in bars]
    found = []
    for own, one in zip(calm, bars, strict=True):
        total = np.zeros(own.size)
        for other, them in zip(calm, bars, strict=True):
            at = np.searchsorted(them.time_ns, one.time_ns, side="right") - 1
            total += np.where(at >= 0, np.nan_to_num(other[np.maximum(at, 0)]), 0.0)
        found.append(_as_weights(rule.amount / ONE_E6 * own / np.where(total == 0.0, np.nan, total)))
    return found


def _calm(volatility: Floats) -> Floats:
    """Return 1 / volatility, NaN where that is unknown or nothing moved."""
    return 1.0 / np.where(volatility > 0.0, volatility, np.nan)

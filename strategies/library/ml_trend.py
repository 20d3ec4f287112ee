"""Long when a model that has only ever seen the past gives the next days a good chance of rising.

Theory of operation. Every `refit_days` (on a grid of the calendar, not of the history) a classifier is fitted on the last
`train` bars whose outcome is known: the features of bar i, and whether close[i + horizon] > close[i], for bars i with
i + horizon <= t. It is used from bar t on, until the next one is fitted. So no prediction was ever made by a model that had seen its
outcome, or any bar after it, and the same bar meets the same model wherever the history starts.

The probability becomes a target: above `enter` long, below `leave` flat (mirrored with `allow_short`), in between a latch
holds. Features (see `strategies/features.py`) are of the bars themselves and of longer bars of `higher_hours` that are complete.

Edges. Bars with an unknown feature are neither learnt from nor predicted. A window in which all outcomes are the same
teaches nothing but its rate, so the probability is that rate after Laplace, (ups + 1) / (n + 2). The model is a logistic
regression on standardised features, or with `forest` a random forest drawn from `seed`: equal bars, parameters and
library give equal signals. Nothing is loaded from files. Source: Lopez de Prado, "Advances in Financial Machine
Learning" (2018), chapters 3 and 7, for labels that are known before they are used.

numba compiles none of this, so it stays in `prepare`; `on_bar` only reads the target.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ledger.kernel import jit
from strategies.api import Bars, Strategy, StrategyError, first_column
from strategies.features import LONGER_LOOKBACK, LOOKBACK, features
from strategies.latch import latch
from strategies.timeframe import DAY_NS, HOUR_NS

Floats = NDArray[np.float64]
Model = Callable[[Floats], Floats]
MINUTE_NS = HOUR_NS // 60


class Params(NamedTuple):
    """Windows in bars, spans in hours and days, levels of the probability."""

    train: int = 750
    horizon: int = 5
    enter: float = 0.55
    leave: float = 0.5
    refit_days: int = 91
    higher_hours: int = 168
    bar_minutes: int = 1440  # the length of a bar; it decides how many bars the warm-up has
    forest: int = 0  # 1: a random forest instead of a logistic regression
    seed: int = 7
    allow_short: int = 0


def outcomes(close: Floats, horizon: int) -> Floats:
    """Return float64[T]: 1 where the close is higher `horizon` bars later, 0 where it is not, NaN where nobody knows."""
    out = np.full(close.size, np.nan)
    if close.size > horizon:
        later, now = close[horizon:], close[:-horizon]
        known = ~(np.isnan(later) | np.isnan(now))
        out[:-horizon][known] = (later > now)[known]
    return out


def fitted(x: Floats, y: Floats, params: Params) -> Model:
    """Return the model that rows x float64[n, k] and outcomes y teach: rows in, probabilities of rising out."""
    ups = int(y.sum())
    if ups in (0, y.size):
        rate = (ups + 1) / (y.size + 2)
        return lambda rows: np.full(rows.shape[0], rate)
    return _forest(x, y, params.seed) if params.forest else _logistic(x, y)


def _logistic(x: Floats, y: Floats) -> Model:
    """Return a logistic regression on standardised columns; a column that never changes says nothing."""
    from sklearn.linear_model import LogisticRegression

    mean, scale = x.mean(axis=0), x.std(axis=0)
    scale[scale == 0.0] = 1.0
    model = LogisticRegression(C=0.1, solver="newton-cholesky", max_iter=1_000).fit((x - mean) / scale, y)
    return lambda rows: _sigmoid((rows - mean) / scale, model.coef_[0], float(model.intercept_[0]))


@jit
def _sigmoid(rows: Floats, weights: Floats, intercept: float) -> Floats:
    """Return the probability of each row, one by one: a matrix product would round by the number of rows."""
    out = np.empty(rows.shape[0])
    for i in range(rows.shape[0]):
        total = intercept
        for k in range(rows.shape[1]):
            total += weights[k] * rows[i, k]
        out[i] = 1.0 / (1.0 + math.exp(-max(-500.0, min(500.0, total))))
    return out


def _forest(x: Floats, y: Floats, seed: int) -> Model:
    """Return a shallow random forest; one job, because several would add up in the order in which they finish."""
    from sklearn.ensemble import RandomForestClassifier

    model = RandomForestClassifier(50, max_depth=4, min_samples_leaf=20, random_state=seed, n_jobs=1).fit(x, y)
    return lambda rows: np.ascontiguousarray(model.predict_proba(rows)[:, 1])


def refits(time_ns: NDArray[np.int64], usable: NDArray[np.bool_], params: Params) -> NDArray[np.int64]:
    """Return the bars at which a model is fitted: the first of each calendar span that has `train` known outcomes behind it.

    Args:
        usable: bool[T], bars whose features are known.
    """
    span = (time_ns - 1) // (params.refit_days * DAY_NS)
    begins = np.flatnonzero(np.diff(span) != 0) + 1
    first = int(usable.argmax()) if usable.any() else usable.size
    return begins[begins >= first + params.train + params.horizon - 1]


def probabilities(bars: Bars, params: Params) -> Floats:
    """Return float64[T]: the chance of rising that the newest model gave each bar, NaN before the first model."""
    table = np.ascontiguousarray(features(bars, params.higher_hours * HOUR_NS).T)
    usable = np.asarray(np.isfinite(table).all(axis=1))
    label = outcomes(bars.close, params.horizon)
    out = np.full(bars.close.size, np.nan)
    starts = refits(bars.time_ns, usable, params)
    for begin, end in zip(starts, np.append(starts, bars.close.size)[1:], strict=True):
        window = slice(begin - params.horizon - params.train + 1, begin - params.horizon + 1)
        learnt = usable[window] & ~np.isnan(label[window])
        asked = np.flatnonzero(usable[begin:end]) + begin
        if learnt.any() and asked.size:
            out[asked] = fitted(table[window][learnt], label[window][learnt], params)(table[asked])
    return out


def prepare(bars: Bars, params: Params) -> Floats:
    """Return float64[2, T]: the target, the probability of rising.

    Raises:
        StrategyError: the bars are shorter than `bar_minutes`, so the declared warm-up would be too short.
    """
    if bars.time_ns.size > 1 and np.median(np.diff(bars.time_ns)) < 0.5 * params.bar_minutes * MINUTE_NS:
        minutes = float(np.median(np.diff(bars.time_ns))) / MINUTE_NS
        raise StrategyError(f"ml_trend: bars are {minutes:g} minutes apart; set bar_minutes={minutes:g} (now {params.bar_minutes})")
    chance = probabilities(bars, params)
    up, down = 1.0 - params.enter, 1.0 - params.leave
    target = latch(
        chance > params.enter, chance < params.leave, chance < up, chance > down, params.allow_short, warmup(params) - 1
    )
    return np.stack([target, chance])


def warmup(params: Params) -> int:
    """Return the bars of the features, of the training window and of one span between two fits."""
    longer = -(-params.higher_hours * 60 // params.bar_minutes) * (LONGER_LOOKBACK + 2)
    between = -(-params.refit_days * 1440 // params.bar_minutes)
    return max(LOOKBACK, longer) + params.train + params.horizon + between + 1


def check(params: Params) -> str:
    """Refuse levels in the wrong order and longer bars that are not longer."""
    if not 0.0 <= params.leave <= params.enter:
        return f"leave={params.leave:g} must not be above enter={params.enter:g}"
    if params.higher_hours * 60 <= params.bar_minutes:
        return f"higher_hours={params.higher_hours} must be longer than a bar of {params.bar_minutes} minutes"
    return ""


STRATEGY = Strategy(
    name="ml_trend",
    params=Params,
    prepare=prepare,
    on_bar=first_column,
    warmup=warmup,
    state_size=0,
    summary="Long when a model fitted on the past alone gives a rise good odds (scikit-learn).",
    allow_short=True,
    ranges={
        "train": (50, 100_000), "horizon": (1, 1_000), "enter": (0.5, 1), "leave": (0, 1), "refit_days": (1, 10_000),
        "higher_hours": (1, 10_000), "bar_minutes": (1, 1440), "forest": (0, 1), "seed": (0, 2**31 - 1), "allow_short": (0, 1),
    },
    check=check,
)  # fmt: skip

"""A strategy for endurance in every order type: each few bars another wish, drawn from the bar's own time, beside its close."""

from __future__ import annotations

import random
from typing import Any, NamedTuple

import strategies.api as api
from strategies.api import Bars, Signal, Strategy, no_columns


class Params(NamedTuple):
    """Which of the possible minds, and for how many bars it holds."""

    mind: int = 1
    bars: int = 3


def on_bar(bars: Bars, columns: Any, t: int, state: Any, params: Params) -> Signal:
    """Want something else every few bars: a type of order, a target, and guards as prices or fractions."""
    first = t - int(bars.time_ns[t] // 60_000_000_000 % params.bars)
    draw = random.Random(int(bars.time_ns[t] // 60_000_000_000 // params.bars) * 977 + params.mind)
    close, target = round(float(bars.close[max(first, 0)]), 2), draw.choice((0.0, 0.5, 1.0))
    away = close * draw.uniform(-0.0008, 0.0008)
    wish = draw.choice((
        api.market(target), api.market(target), api.limit(target, close + away, draw.choice((api.GTC, api.DAY, api.IOC))),
        api.stop(target, close + away), api.stop_limit(target, close + away, close + 2 * away), api.trailing(target, close * 0.0005),
    ))  # fmt: skip
    if target == 0.0 or wish.order_type == api.TRAIL:
        return wish
    prices = (close * (1 - draw.uniform(0.0004, 0.002)), close * (1 + draw.uniform(0.0004, 0.002)), close * 0.001)
    return draw.choice((wish, api.guarded(wish, *prices), api.guarded(wish, prices[0], 0.0, 0.0), api.guarded_from_fill(wish, 0.001, 0.001, 0.0)))


STRATEGY = Strategy(
    name="restless_orders", params=Params, prepare=no_columns, on_bar=on_bar, warmup=lambda params: 1, state_size=0,
    summary="Every order type in turn, drawn from the time.", allow_short=False,
)  # fmt: skip

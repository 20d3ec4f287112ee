"""Whole tapes played on the slow twin, and every way through their ambiguous bars."""

from __future__ import annotations

import copy
from fractions import Fraction
from typing import NamedTuple

from tests.sim.backtest.twin import TRAIL_GUARD, Exchange


class Outcome(NamedTuple):
    """What a run of the twin leaves."""

    exchange: Exchange
    ambiguous: int
    equity: Fraction


def run(bars, wishes, exchange: Exchange, size, choices=None) -> Outcome:
    """Play a tape; `choices` (True = the worse way) decide ambiguous bars in turn, the profile the rest."""
    ambiguous = 0
    for number, (bar, wish) in enumerate(zip(bars, wishes)):
        exchange.open_bar(number, bar)
        if exchange.profile.stop_first:
            exchange.once_a_bar(number, bar)
        low, high = copy.deepcopy(exchange), copy.deepcopy(exchange)
        low.walk(number, bar, True)
        high.walk(number, bar, False)
        exchange = low
        if low.state() != high.state():
            worse, better = (low, high) if low.worth(bar.close) <= high.worth(bar.close) else (high, low)
            choose_worse = choices[ambiguous] if choices and ambiguous < len(choices) else not exchange.profile.better
            exchange = worse if choose_worse else better
            ambiguous += 1
        if exchange.profile.stop_first and exchange.position and exchange.born_bar != number:
            exchange.best = max(exchange.best, bar.high) if exchange.position > 0 else min(exchange.best, bar.low)
            for order in exchange.orders:
                if order.guard == TRAIL_GUARD:
                    order.best = exchange.best
        exchange.close_bar(number, bar)
        exchange.decide(wish, number, bar, size)
        exchange.fill_at_close(number, bar)
    return Outcome(exchange, ambiguous, exchange.worth(bars[-1].close))


def every_way(bars, wishes, make, size, choices=()) -> list[Fraction]:
    """Return the final equity of every way through the ambiguous bars."""
    outcome = run(bars, wishes, make(), size, list(choices))
    if outcome.ambiguous <= len(choices):
        return [outcome.equity]
    return [e for way in (True, False) for e in every_way(bars, wishes, make, size, (*choices, way))]

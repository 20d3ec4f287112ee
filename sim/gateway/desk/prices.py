"""At what price an order trades in one second of the market.

Theory of operation. A second is a bar like any other, so these are the questions a backtest asks of
its bars. A buyer pays one step above the last price and a seller gets one step below,
so each side sees the bar moved by one step. The rules are next-to-worst on purpose: a
limit trades when the other side reaches it, at the limit or at the second's first price
when that is better; a stop, once touched, trades like a market order.
"""

from __future__ import annotations

from sim.gateway.feed.paths import Bar


def for_side(bar: Bar, side: int, step: int) -> Bar:
    """Return the bar as a buyer (+1) or a seller (-1) sees it."""
    move = side * step
    return Bar(bar.open + move, bar.high + move, bar.low + move, bar.close + move, bar.volume)


def market_price(side: int, bar: Bar) -> int:
    """Return the price of an order that takes what there is now."""
    return max(1, bar.close)


def limit_price(side: int, limit: int, bar: Bar) -> int | None:
    """Return the price at which a resting limit order trades within the bar, None if it does not."""
    if side > 0:
        return min(limit, bar.open) if bar.low <= limit else None
    return max(limit, bar.open) if bar.high >= limit else None


def taking_price(side: int, limit: int, bar: Bar) -> int | None:
    """Return the price of a limit order that arrives now: the other side's, if the limit allows it."""
    return bar.close if side * (limit - bar.close) >= 0 else None


def stop_touched(side: int, stop: int, bar: Bar) -> bool:
    """Say whether last prices reached a stop within the bar."""
    return bar.high >= stop if side > 0 else bar.low <= stop


def stop_price(side: int, stop: int, bar: Bar) -> int:
    """Return the price of a stop order touched within the bar (as its side sees it): the stop, or worse on a gap."""
    return max(stop, bar.open) if side > 0 else min(stop, bar.open)

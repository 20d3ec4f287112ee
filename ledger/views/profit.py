"""Profit, grouped: by day, symbol, strategy, purpose or source; and the leaderboard.

Theory of operation. A book's profit is the sum of its allocations, so every group is a sum of `pnl_trades`: all of
them, always. A fee that nobody reported yet makes the net profit of its group unknown. The leaderboard ranks by how
sure a mean profit is, not by how large; its formula is `FORMULA`, computed on integers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from math import isqrt
from typing import NamedTuple

from ledger import keys
from ledger.journal import Journal
from ledger.views import imported
from ledger.views.lists import Trade, orders, pnl_trades
from ledger.views.naming import strategy_names
from ledger.vocabulary import Purpose

GROUPS = ("day", "symbol", "strategy", "purpose", "source")
MINIMUM = 20
FORMULA = (
    "score = mean net profit of a trade / (standard deviation of the trades (n - 1) / square root of n); a trade is an allocation, net of "
    "its fees; fewer than {minimum} trades with known fees are not ranked"
)


class Profit(NamedTuple):
    """What was closed in one group. Net and fees are None while a fee of the group is not known."""

    name: str
    day: int | None
    """Days since 1970-01-01, where groups are days."""
    trades: int
    winners: int
    losers: int
    pnl_e8: int
    fees_e8: int | None
    net_e8: int | None
    fees_unknown: int
    best_e8: int
    worst_e8: int


class DayProfit(NamedTuple):
    """Profit closed on one trading day; net is None while a fee is not known."""

    day: int
    trades: int
    winners: int
    pnl_e8: int
    net_e8: int | None
    fees_unknown: int


class Rank(NamedTuple):
    """One line of the leaderboard. Rates in millionths; None = not defined for these trades."""

    name: str
    trades: int
    winners: int
    win_rate_e6: int | None
    net_e8: int
    mean_e8: int | None
    profit_factor_e6: int | None
    score_e3: int | None
    """Thousandths; None = fewer than the minimum, or all trades are equal."""
    ranked: bool
    fees_unknown: int
    """Trades that are left out because a fee of theirs is not known."""


def profit_by(journal: Journal, session_id: int, by: str) -> list[Profit]:
    """Return the profit of each group, in the order of their names; days in their order.

    Args:
        by: day, symbol, strategy (who opened), purpose (what made it close: the trigger) or source (who closed: an order of
            ours, a foreign fill).
    Raises:
        ValueError: another word. JournalError: no such session.
    """
    name_of = group_of(journal, session_id, by)
    groups: dict[tuple[int | None, str], list[Trade]] = {}
    for trade in pnl_trades(journal, session_id):
        groups.setdefault(name_of(trade), []).append(trade)
    return [_profit(name, day, trades) for (day, name), trades in sorted(groups.items(), key=lambda item: (item[0][0] or 0, item[0][1]))]


def pnl_days(journal: Journal, session_id: int) -> list[DayProfit]:
    """Return the profit of each trading day on which something was closed."""
    found = profit_by(journal, session_id, "day")
    return [DayProfit(row.day or 0, row.trades, row.winners, row.pnl_e8, row.net_e8, row.fees_unknown) for row in found]


def group_of(journal: Journal, session_id: int, by: str) -> Callable[[Trade], tuple[int | None, str]]:
    """Return what names a trade's group, as (day or None, name); imported trades are named by their rows in the file."""
    if by not in GROUPS:
        raise ValueError(f"profit by {by!r}: write one of {', '.join(GROUPS)}")
    if by == "day":
        return lambda trade: (trade.day, "")
    if by == "symbol":
        return lambda trade: (None, trade.symbol)
    if (named := imported.naming(journal, session_id, by)) is not None:
        return named
    if by == "source":
        return lambda trade: (None, "order" if trade.close_order >= 0 else "foreign fill or adjustment")
    by_number = {order.number: order.key for order in orders(journal, session_id).rows}
    if by == "purpose":
        return lambda trade: (None, _purpose(by_number.get(trade.close_order)))
    names = strategy_names(journal, session_id)
    return lambda trade: (None, _strategy(by_number.get(trade.open_order), names))


def _purpose(key: int | None) -> str:
    if key is None:
        return "no order"
    number = keys.purpose_of(key)
    return Purpose(number).name if number in set(Purpose) else str(number)


def _strategy(key: int | None, names: dict[int, str]) -> str:
    return "no order" if key is None else names.get(keys.strategy_of(key), f"#{keys.strategy_of(key)}")


def _profit(name: str, day: int | None, trades: Sequence[Trade]) -> Profit:
    pnl = [trade.pnl_e8 for trade in trades]
    net = [trade.net_e8 for trade in trades if trade.net_e8 is not None]
    known, total = len(net) == len(pnl), sum(pnl)
    return Profit(
        name, day, len(pnl), sum(one > 0 for one in pnl), sum(one < 0 for one in pnl), total, total - sum(net) if known else None,
        sum(net) if known else None, len(pnl) - len(net), max(pnl), min(pnl),
    )  # fmt: skip


def leaderboard(sources: Iterable[tuple[Journal, int]], by: str = "strategy", minimum: int = MINIMUM) -> list[Rank]:
    """Return strategies or symbols over all sources, best score first; those with too few trades last.

    Args:
        sources: sessions. by: a group as in `profit_by`. minimum: trades below which nothing is ranked, at least 2.
    """
    if minimum < 2:
        raise ValueError(f"minimum {minimum}: a spread needs at least two trades")
    groups: dict[str, list[Trade]] = {}
    for journal, session_id in sources:
        name_of = group_of(journal, session_id, by)
        for trade in pnl_trades(journal, session_id):
            day, name = name_of(trade)
            groups.setdefault(name if day is None else str(day), []).append(trade)
    ranks = [_rank(name, trades, minimum) for name, trades in groups.items()]
    return sorted(ranks, key=lambda rank: (rank.score_e3 is None, -(rank.score_e3 or 0), rank.name))


def _rank(name: str, trades: Sequence[Trade], minimum: int) -> Rank:
    net = [trade.net_e8 for trade in trades if trade.net_e8 is not None]
    count, total = len(net), sum(net)
    won, lost = sum(one for one in net if one > 0), -sum(one for one in net if one < 0)
    score = score_e3(net) if count >= minimum else None
    winners = sum(one > 0 for one in net)
    return Rank(
        name, count, winners, winners * 10**6 // count if count else None, total, _mean(total, count),
        won * 10**6 // lost if lost else None, score, score is not None, len(trades) - count,
    )  # fmt: skip


def _mean(total: int, count: int) -> int | None:
    if count == 0:
        return None
    quotient, rest = divmod(total, count)
    return quotient + (2 * rest > count or (2 * rest == count and quotient & 1 == 1))


def score_e3(net_e8: Sequence[int]) -> int | None:
    """Return mean / (standard deviation / root of n) in thousandths, towards 0; None for equal or fewer than two trades."""
    count, total = len(net_e8), sum(net_e8)
    spread = count * sum(one * one for one in net_e8) - total * total
    if count < 2 or spread == 0:
        return None
    size = isqrt(total * total * (count - 1) * 10**6 // spread)
    return size if total >= 0 else -size

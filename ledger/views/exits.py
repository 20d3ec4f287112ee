"""How good the decisions to leave were: for each trigger, what winners earned against what losers cost.

Theory of operation. A trade is an allocation, its trigger what made it close (`profit_by(..., "purpose")`). Reward to risk is
the mean winner over the size of the mean loser; a trigger without both has none. Break-even is the rate of winners at which
that ratio earns nothing: a trigger whose own rate is above it paid. All from net profits; a fee that is not known leaves a trade out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ledger.journal import Journal
from ledger.views.lists import Trade, pnl_trades
from ledger.views.profit import group_of

E6 = 10**6


class ExitQuality(NamedTuple):
    """One trigger. Rates in millionths; None = not defined for these trades."""

    name: str
    trades: int
    winners: int
    net_e8: int
    mean_win_e8: int | None
    mean_loss_e8: int | None
    reward_risk_e6: int | None
    win_rate_e6: int | None
    break_even_e6: int | None
    mean_holding_ns: int | None
    fees_unknown: int


def exit_quality(journal: Journal, session_id: int) -> list[ExitQuality]:
    """Return every trigger that closed something, in the order of their names.

    Raises:
        JournalError: no such session.
    """
    name_of = group_of(journal, session_id, "purpose")
    groups: dict[str, list[Trade]] = {}
    for trade in pnl_trades(journal, session_id):
        groups.setdefault(name_of(trade)[1], []).append(trade)
    return [_quality(name, trades) for name, trades in sorted(groups.items())]


def _quality(name: str, trades: Sequence[Trade]) -> ExitQuality:
    net = [trade.net_e8 for trade in trades if trade.net_e8 is not None]
    won, lost = [one for one in net if one > 0], [-one for one in net if one < 0]
    win, loss = _mean(won), _mean(lost)
    ratio = win * E6 // loss if win is not None and loss else None
    held = [trade.close_time_ns - trade.open_time_ns for trade in trades]
    return ExitQuality(
        name, len(net), len(won), sum(net), win, None if loss is None else -loss, ratio, len(won) * E6 // len(net) if net else None,
        loss * E6 // (win + loss) if win is not None and loss is not None else None, _mean(held), len(trades) - len(net),
    )  # fmt: skip


def _mean(amounts: Sequence[int]) -> int | None:
    return sum(amounts) // len(amounts) if amounts else None

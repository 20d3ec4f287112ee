"""`onebook book breakdown`: who earned it: symbols, strategies, triggers, sources, and how good the exits were.

Theory of operation. Groups, leaderboard and exits come from `ledger.views`; they work on every session, and on an import by
what its own rows say. Formulas stand beside the figures.
"""

from __future__ import annotations

from typing import Any

import click

from cli.common import leaf, stored
from cli.output import table, voice
from cli.settings import Settings

BY = ("symbol", "day", "strategy", "trigger", "source")


@click.command()
@click.option("--by", type=click.Choice(BY), default="symbol", show_default=True, help="What to group by.")
@click.option(
    "--minimum",
    type=click.IntRange(min=2),
    default=20,
    show_default=True,
    help="Trades that a group needs to be ranked.",
)
@stored
@leaf
def breakdown(settings: Settings, session_id: int | None, by: str, minimum: int) -> None:
    """Show profit by symbol, day, strategy, trigger or source, the leaderboard, and what each exit trigger was worth."""
    from cli.stored import document, open_session
    from ledger import views

    group = {"trigger": "purpose"}.get(by, by)
    with open_session(settings, session_id) as (journal, info):
        groups = [_profit(document(row)) for row in views.profit_by(journal, info.id, group)]
        ranks = [_rates(document(row)) for row in views.leaderboard([(journal, info.id)], group, minimum)]
        exits = [_exit(row, document) for row in views.exit_quality(journal, info.id)]
    formula = views.FORMULA.format(minimum=minimum)
    speaker = voice()
    speaker.document(
        {"session": info.id, "by": by, "groups": groups, "leaderboard": ranks, "formula": formula, "exits": exits}
    )
    columns = ("name", "trades", "winners", "pnl", "fees", "net", "best", "worst")
    speaker.show(_table(f"Profit by {by}, session {info.id}", columns, groups))
    speaker.show(
        _table(f"Leaderboard: {formula}", ("name", "trades", "win_rate", "mean", "profit_factor", "score"), ranks)
    )
    columns = ("name", "trades", "win_rate", "break_even", "mean_win", "mean_loss", "reward_risk", "net")
    speaker.show(
        _table("Exits: reward / risk = mean winner / mean loser; a win rate above break-even paid", columns, exits)
    )


def _table(title: str, columns: tuple[str, ...], rows: list[dict[str, Any]]) -> Any:
    return table(title, columns, [[row[column] for column in columns] for row in rows], numbers=columns[1:])


def _profit(document: dict[str, Any]) -> dict[str, Any]:
    """Return a group under one name, whether it is a day or a word."""
    return {**document, "name": document["name"] or document["day"]}


def _rates(document: dict[str, Any]) -> dict[str, Any]:
    """Return millionths and thousandths as decimal text."""
    from ledger.units import decimal_text

    found: dict[str, Any] = {}
    for name, value in document.items():
        places = {"_e6": 6, "_e3": 3}.get(name[-3:])
        if places is None:
            found[name] = value
        else:
            found[name[:-3]] = None if value is None else decimal_text(value, places)
    return found


def _exit(row: Any, document: Any) -> dict[str, Any]:
    """Return an exit trigger; a duration is no moment and stands in seconds."""
    held = None if row.mean_holding_ns is None else row.mean_holding_ns // 10**9
    found = _rates(document(row._replace(mean_holding_ns=None)))
    del found["mean_holding"]
    return {**found, "mean_holding_seconds": held}

"""P&L: by day on a calendar, by symbol, strategy, trigger and source; and why equity changed on any day."""

from __future__ import annotations

from datetime import date

import streamlit as st

from app.draw import bars, heat
from app.draw.theme import palette
from app.shell import answers, books, choice, parts, rows, text
from app.shell.books import Picked
from app.shell.parts import Card
from ledger import views
from ledger.explain import Explanation
from ledger.journal import SessionInfo
from sim.output.tables import Column, Frame

GROUPS = {
    "symbol": "Symbol",
    "strategy": "Strategy",
    "purpose": "Trigger",
    "source": "Source",
}
FIELDS = ("name", "trades", "winners", "losers", "pnl_e8", "fees_e8", "net_e8", "best_e8", "worst_e8", "fees_unknown")
HELPS = {
    "trades": "Allocations: each part of a lot that a closing execution took.",
    "winners": "Allocations with a profit above 0, before fees.",
    "pnl": "Profit of what was closed, before fees.",
    "fees": "Shares of the commissions of the opening and the closing execution; unknown while one was not reported.",
    "net": "Profit less fees; unknown while a fee was not reported.",
}
YEARS_SHOWN = 6
FOLDED = 200  # groups that are drawn as bars; the table has all


def card_list(days: list[views.Profit], currency: str) -> list[Card]:
    """Return the sums over all days, and the best and the worst."""
    known = all(row.net_e8 is not None for row in days)
    best, worst = max(days, key=lambda row: row.pnl_e8), min(days, key=lambda row: row.pnl_e8)
    fees = sum(row.fees_e8 or 0 for row in days) if known else None
    return [
        Card("Realized, before fees", text.money(sum(row.pnl_e8 for row in days), currency, signed=True), HELPS["pnl"]),
        Card("Fees", text.money(fees, currency), HELPS["fees"]),
        Card(
            "Net",
            text.money(sum(row.net_e8 or 0 for row in days) if known else None, currency, signed=True),
            HELPS["net"],
        ),
        Card(
            "Best day",
            text.money(best.pnl_e8, currency, signed=True),
            "Most realized on one trading day, before fees.",
            1,
            text.day(best.day),
        ),
        Card(
            "Worst day",
            text.money(worst.pnl_e8, currency, signed=True),
            "Least realized on one trading day, before fees.",
            -1,
            text.day(worst.day),
        ),
    ]


def draw() -> None:
    """Draw the page."""
    found = choice.chosen()
    if found is None:
        return
    info, at = found
    parts.header("P&L", "What was earned, by day and by cause.", info, at, answers.age(at).last_ns)
    days = answers.profit(at, "day")
    if not days:
        parts.empty("Nothing was closed yet, so no profit is realized. Explain a day below for what prices did.")
    else:
        parts.cards(card_list(days, books.currency(info)))
        _calendar(days)
        _groups(at)
    _explain(at, info, days)
    parts.command(["book", "pnl", "--by", "day", "--book", at.path, "--session", str(info.id)])


def _calendar(days: list[views.Profit]) -> None:
    """Draw the realized profit of every day; the last years first."""
    st.subheader(
        "By day", anchor=False, help="Realized profit before fees of each trading day on which something was closed."
    )
    years = sorted({text.day(row.day)[:4] for row in days}, reverse=True)
    shown = years[:YEARS_SHOWN]
    if len(years) > YEARS_SHOWN:
        shown = (
            st.pills("Years", years, selection_mode="multi", default=shown, key="years", label_visibility="collapsed")
            or shown
        )
    cells = [(text.day(row.day), row.pnl_e8 / 1e8) for row in days if text.day(row.day)[:4] in shown]
    option, tall = heat.calendar(cells, palette())
    st.echarts_chart(option, height=tall, key="calendar")


def _groups(at: Picked) -> None:
    """Draw the profit by the groups the reader chose; only these are asked for."""
    by = st.segmented_control(
        "By", list(GROUPS), default="symbol", format_func=GROUPS.__getitem__, key="pnl-by", label_visibility="collapsed"
    )
    found = sorted(answers.profit(at, by or "symbol"), key=lambda row: -row.pnl_e8)
    if 1 < len(found) <= FOLDED:
        option = bars.rows(
            [row.name for row in found], [row.pnl_e8 / 1e8 for row in found], palette(), "%,.2f", signed=True
        )
        st.echarts_chart(option, height=30 + 28 * len(found), key=f"pnl-{by}")
    parts.table(rows.frame(f"pnl-by-{by}", found, FIELDS), f"pnl-table-{by}", {"name": by or "symbol"}, HELPS)


def _explain(at: Picked, info: SessionInfo, days: list[views.Profit]) -> None:
    """Split the change of equity on a day by cause; the residual must be 0."""
    st.subheader(
        "Explain a day",
        anchor=False,
        help="Why equity changed between the end of the day before and the end of the day. What is left is 0.",
    )
    all_days = answers.days(at)
    if not all_days:
        parts.empty("The session has no event yet.")
        return
    first, last = (date.fromisoformat(text.day(day)) for day in (all_days[0], all_days[-1]))
    start = date.fromisoformat(text.day(days[-1].day)) if days else last
    chosen = st.date_input(
        "Trading day", value=min(max(start, first), last), min_value=first, max_value=last, key="explain-day"
    )
    if not isinstance(chosen, date):
        return
    told = answers.explained(at, chosen.toordinal() - text.EPOCH_ORDINAL)
    currency = books.currency(info)
    change = None if told.before_e8 is None or told.after_e8 is None else told.after_e8 - told.before_e8
    st.markdown(
        f"Equity {text.plain(text.money(told.before_e8, currency))} → {text.plain(text.money(told.after_e8, currency))}: "
        f"**{text.plain(text.money(change, currency, signed=True))}**, events {told.from_seq:,} to {told.to_seq:,}"
    )
    left, right = st.columns([3, 2])
    known = [part for part in told.parts if part.amount_e8]
    if known and change is not None:
        names, amounts = [part.name for part in known], [(part.amount_e8 or 0) / 1e8 for part in known]
        words = [text.money(part.amount_e8, currency, signed=True) for part in known]
        left.echarts_chart(
            bars.waterfall(names, amounts, [*words, text.money(change, currency, signed=True)], palette(), "change"),
            height=300,
            key="why",
        )
    with right:
        parts.table(explained_frame(told), "explained")


def explained_frame(told: Explanation) -> Frame:
    """Return the causes and the residual as a table."""
    import numpy as np

    amounts = [*(part.amount_e8 for part in told.parts), told.residual_e8]
    known = np.array([amount is not None for amount in amounts], np.bool_)
    return Frame(
        "explained",
        (
            Column("cause", "text", [*(part.name for part in told.parts), "residual"]),
            Column("amount", "decimal", np.array([amount or 0 for amount in amounts], np.int64), 8, known),
            Column("meaning", "text", [*(part.meaning for part in told.parts), "must be 0"]),
        ),
    )


if __name__ == "__main__":
    parts.guarded(draw)

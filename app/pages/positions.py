"""Positions & lots: what is held, what it is worth, how old its price is, and which lots it is made of."""

from __future__ import annotations

import streamlit as st

from app.draw import bars
from app.draw.theme import palette
from app.shell import answers, books, choice, parts, rows, text
from app.shell.books import Picked
from app.shell.parts import Card
from ledger import views
from ledger.journal import SessionInfo

FIELDS = (
    "symbol",
    "position_lots",
    "open_cost_e8",
    "mark_ticks",
    "mark_time_ns",
    "value_e8",
    "unrealized_e8",
    "realized_e8",
    "fees_e8",
    "income_e8",
    "working_lots",
    "unmatched_lots",
)
HELPS = {
    "position": "What is held; below 0 is short.",
    "open_cost": "What the open lots cost, before fees; negative for short positions.",
    "mark": "The last price the book was told; unknown until one comes.",
    "mark_time": "When that price was valid.",
    "value": "Position times mark; unknown without a mark.",
    "unrealized": "Value less open cost; unknown without a mark.",
    "realized": "Profit of what was closed, before fees.",
    "income": "Dividends received, less paid on short positions.",
    "working": "Ordered and not yet filled.",
    "unmatched": "Closed without a lot to close: profit nobody can know.",
}
LOTS = ("symbol", "number", "side", "qty_lots", "open_lots", "cost_e8", "open_time_ns")
CLOSERS = ("symbol", "number", "qty_lots", "value_e8", "reason", "time_ns")


def card_list(known: views.Totals | None, age: views.Age, currency: str) -> list[Card]:
    """Return the account's worth and its parts."""
    if known is None:
        return []
    old = f"oldest price {text.age(age.oldest_mark_ns)}" if age.oldest_mark_ns else ""
    return [
        Card(
            "Equity",
            text.money(known.equity_e8, currency),
            "Cash and positions; unknown while a position has no price.",
        ),
        Card("Cash", text.money(known.cash_e8, currency), "Money, proceeds of short sales included."),
        Card(
            "Positions",
            text.money(known.value_e8 if not known.unmarked else None, currency),
            "Worth of all positions at their marks.",
            0,
            old,
        ),
        Card(
            "Unrealized",
            text.money(known.unrealized_e8, currency, signed=True),
            "Worth of the positions less what they cost.",
        ),
        Card("Reserved", text.money(known.reserved_e8, currency), "Cash that working entries hold."),
    ]


def draw() -> None:
    """Draw the page."""
    found = choice.chosen()
    if found is None:
        return
    info, at = found
    held, age = answers.positions(at), answers.age(at)
    parts.header("Positions & lots", "What is held and what it is made of.", info, at, age.last_ns)
    parts.cards(card_list(answers.totals(at), age, books.currency(info)))
    _positions(held)
    _lots(at, info, held)


def _positions(held: list[views.Position]) -> None:
    flat = st.toggle("Flat instruments, too", value=False, key="flat")
    shown = [row for row in held if flat or row.position_lots or row.working_lots or row.unmatched_lots]
    if not shown:
        parts.empty("Nothing is held now." if held else "The session has no instrument yet.")
        return
    priced = [row for row in shown if row.position_lots and row.value_e8 is not None]
    unpriced = [row.symbol for row in shown if row.position_lots and row.value_e8 is None]
    if unpriced:
        st.warning(
            f"Without a price, and so of unknown worth: {text.plain(', '.join(unpriced))}", icon=":material/help:"
        )
    if len(priced) > 1:
        ordered = sorted(priced, key=lambda row: -abs(row.value_e8 or 0))[:20]
        option = bars.rows(
            [row.symbol for row in ordered],
            [(row.value_e8 or 0) / 1e8 for row in ordered],
            palette(),
            "%,.2f",
            signed=True,
        )
        st.echarts_chart(option, height=40 + 26 * len(ordered), key="exposure")
    parts.table(rows.frame("positions", shown, FIELDS), "positions", helps=HELPS)


def _lots(at: Picked, info: SessionInfo, held: list[views.Position]) -> None:
    st.subheader(
        "Open lots",
        anchor=False,
        help="What is left of each opening execution; a closer takes lots in the order of the method.",
    )
    open_lots, known = answers.lots(at), rows.exponents(held)
    if open_lots:
        parts.table(
            rows.frame("lots", open_lots, LOTS, known), "lots", {"open": "open quantity", "qty": "opened quantity"}
        )
    else:
        parts.empty("No lot is open.")
    if strays := answers.unmatched(at):
        st.subheader("Closers that found no lot", anchor=False)
        parts.table(rows.frame("unmatched", strays, CLOSERS, known), "unmatched")
    parts.command(["book", "positions", "--book", at.path, "--session", str(info.id)])


if __name__ == "__main__":
    parts.guarded(draw)

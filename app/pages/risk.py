"""Risk: every limit, how much of it is used, and what the gates say."""

from __future__ import annotations

import streamlit as st

from app.shell import answers, books, choice, parts, text
from app.shell.parts import Card
from ledger import views
from ledger.units import decimal_text
from ledger.vocabulary import Gate
from sim.output.tables import Column, Frame

GATE_WORDS = {
    Gate.HALTED: "the kill switch is on: nothing new may be ordered",
    Gate.NOT_RECONCILED: "broker and book were not compared yet, or differ",
    Gate.STALE_CODE: "the code on disk is not the code that runs",
    Gate.DISCONNECTED: "there is no connection to the broker",
    Gate.BLOCKED: "an instrument is closed until a person allows it",
    Gate.MARKET_CLOSED: "the market is closed",
}
NEAR, OVER = 800_000, 1_000_000


def shown_value(use: views.LimitUse, value: int | None, currency: str) -> str:
    """Return a limit's value, or what is used of it, with its unit."""
    if value is None:
        return "unknown"
    if use.unit == "e8":
        return text.money(value, currency)
    if use.unit == "lots":
        return decimal_text(value, use.qty_exp) if use.qty_exp is not None else f"{value:,} lots"
    if use.unit == "ns":
        return f"{value / 1e9:g} s"
    if use.unit == "switch":
        return "on" if value else "off"
    return f"{value:,} {use.unit}"


def frame(found: list[views.LimitUse], currency: str) -> Frame:
    """Return the limits as a table."""
    import numpy as np

    share = np.array([(use.share_e6 or 0) / 1e4 for use in found])
    return Frame(
        "limits",
        (
            Column("limit", "text", [use.limit.name for use in found]),
            Column("of", "text", [use.symbol or "the account" for use in found]),
            Column(
                "value",
                "text",
                ["no limit" if use.value is None else shown_value(use, use.value, currency) for use in found],
            ),
            Column(
                "used now", "text", ["–" if use.used is None else shown_value(use, use.used, currency) for use in found]
            ),
            Column("used, %", "number", share, 0, np.array([use.share_e6 is not None for use in found], np.bool_)),
        ),
    )


def card_list(known: views.Totals, currency: str) -> list[Card]:
    """Return what the account risks."""
    return [
        Card(
            "Exposure",
            text.money(known.value_e8 if not known.unmarked else None, currency),
            "Worth of all positions, short ones negative.",
        ),
        Card("Open instruments", f"{known.open_count:,}", "Instruments with a position or a live entry."),
        Card(
            "Reserved",
            text.money(known.reserved_e8, currency),
            "Cash that working entries hold: what they can cost at worst.",
        ),
        Card("Orders today", f"{known.day_orders:,}", "Claims of the trading day."),
        Card(
            "Overdrawn",
            "yes" if known.overdrawn else "no",
            "Cash went below what is reserved, by fills that could not be refused.",
            -known.overdrawn,
        ),
    ]


def draw() -> None:
    """Draw the page."""
    found = choice.chosen()
    if found is None:
        return
    info, at = found
    parts.header(
        "Risk",
        "Every limit, and how much of it is used. Now is the session's last event.",
        info,
        at,
        answers.age(at).last_ns,
    )
    known, currency = answers.totals(at), books.currency(info)
    if known is None:
        parts.empty("The session has no event yet.")
        return
    gates(known)
    parts.cards(card_list(known, currency))
    uses = answers.limits(at)
    set_ones = [use for use in uses if use.value is not None and use.share_e6 is not None]
    _bars(set_ones, currency)
    st.subheader("All limits", anchor=False, help="docs/outcomes.md says which refusal each limit causes.")
    only = st.toggle("Only limits that are set", value=True, key="set-only")
    parts.table(frame([use for use in uses if not only or use.value is not None], currency), "limits", blank="–")


def gates(known: views.Totals) -> None:
    """Say which gates keep orders in."""
    raised = [gate for gate in Gate if known.gates & gate]
    for gate in raised:
        (st.error if gate == Gate.HALTED else st.warning)(
            f"**{gate.name}**: {GATE_WORDS[gate]}", icon=":material/front_hand:"
        )
    if not raised:
        st.success("No gate of the account is raised: orders may leave.", icon=":material/check_circle:")


def _bars(uses: list[views.LimitUse], currency: str) -> None:
    """Draw how full each limit is, the fullest first."""
    if not uses:
        parts.empty(
            "No limit that can be used up is set. Limits of a paper session stand in its configuration; a backtest usually has none."
        )
        return
    for use in sorted(uses, key=lambda use: -(use.share_e6 or 0))[:12]:
        share = use.share_e6 or 0
        name, bar, amount = st.columns([2, 5, 2], vertical_alignment="center")
        tone = "red" if share >= OVER else "orange" if share >= NEAR else "gray"
        name.markdown(f"**{use.limit.name}**" + (f" · {text.plain(use.symbol)}" if use.symbol else ""))
        bar.progress(min(1.0, share / 1e6))
        words = f"{shown_value(use, use.used, currency)} of {shown_value(use, use.value, currency)}"
        amount.markdown(f":{tone}[{text.plain(words)}]")


if __name__ == "__main__":
    parts.guarded(draw)

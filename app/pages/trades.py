"""Trades: each part of a lot that was closed, on the candles it was traded on, with its excursions and fees."""

from __future__ import annotations

from datetime import UTC, date, datetime, time

import numpy as np
import streamlit as st

from app.draw import candles
from app.draw.candles import Mark
from app.draw.theme import CANDLES, palette
from app.shell import answers, books, choice, parts, rows, text
from app.shell.books import KEPT, Picked
from app.shell.parts import Card
from ledger import views
from ledger.views import rows as raw
from ledger.vocabulary import EventKind
from sim.excursions import DEFINITION, Excursion
from sim.output import prices
from sim.output.prices import Bars
from sim.output.tables import Frame

FIELDS = (
    "number",
    "symbol",
    "side",
    "qty_lots",
    "open_time_ns",
    "close_time_ns",
    "cost_e8",
    "proceeds_e8",
    "pnl_e8",
    "open_fee_e8",
    "close_fee_e8",
    "net_e8",
)
HELPS = {
    "number": "The allocation: what one closing execution took of one lot. A book's profit is the sum of these.",
    "cost": "What this part of the lot had cost, before fees.",
    "proceeds": "What closing it gave, before fees.",
    "pnl": "Proceeds less cost, after the sign of the side, before fees.",
    "open_fee": "Its share of the opening execution's commission; unknown while that was not reported.",
    "net": "Profit less both fees; unknown while one of them is.",
    "mae": DEFINITION,
    "mfe": DEFINITION,
}
AROUND = 0.6
"""Shares of a trade's time that are shown before and after it."""


@st.cache_resource(max_entries=KEPT, show_spinner="Reading prices ...")
def seen(at: Picked, instrument: int) -> prices.Seen:
    """Return the prices of an instrument of the session."""
    info = books.session(at.path, at.id)
    with books.opened(at.path) as journal:
        return prices.of_session(journal, info, instrument)


@st.cache_resource(max_entries=KEPT, show_spinner="Measuring trades ...")
def measured(at: Picked, instrument: int) -> tuple[list[views.Trade], list[Excursion]]:
    """Return the trades of an instrument and how far each went."""
    mine = [trade for trade in answers.trades(at) if trade.instrument == instrument]
    with books.opened(at.path) as journal:
        far = prices.trade_excursions(journal, at.id, seen(at, instrument), instrument)
    return mine, [far[trade.number] for trade in mine]


@st.cache_resource(max_entries=KEPT, show_spinner=False)
def fills(at: Picked, instrument: int, price_exp: int) -> list[Mark]:
    """Return the executions of an instrument that count."""
    with books.opened(at.path) as journal:
        found = raw.entries(journal, at.id)
    mine = [row for row in found if row.kind == EventKind.FILL and row.instrument == instrument]
    return [Mark(row.time_ns, row.price_ticks / 10**price_exp, row.side) for row in mine]


@answers.kept
def trades_table(at: Picked, instrument: int) -> parts.Prepared:
    """Return the trades of an instrument, ready for the screen."""
    return parts.prepared(frame(*measured(at, instrument)))


def frame(trades: list[views.Trade], far: list[Excursion]) -> Frame:
    """Return the trades with their excursions as a table."""
    return Frame(
        "trades", (*rows.frame("trades", trades, FIELDS).columns, *rows.frame("far", far, ("mae_e8", "mfe_e8")).columns)
    )


def card_list(trades: list[views.Trade], currency: str) -> list[Card]:
    """Return sums of the trades shown."""
    net = [trade.net_e8 for trade in trades]
    known = None not in net
    won = sum(trade.pnl_e8 > 0 for trade in trades)
    return [
        Card("Trades", f"{len(trades):,}", HELPS["number"]),
        Card(
            "Profit, before fees",
            text.money(sum(trade.pnl_e8 for trade in trades), currency, signed=True),
            HELPS["pnl"],
        ),
        Card("Net", text.money(sum(one or 0 for one in net) if known else None, currency, signed=True), HELPS["net"]),
        Card("Winners", f"{won:,} of {len(trades):,}", "Trades with a profit above 0, before fees."),
    ]


def draw() -> None:
    """Draw the page."""
    found = choice.chosen()
    if found is None:
        return
    info, at = found
    parts.header("Trades", "What was bought and sold, on the prices of the day.", info, at, answers.age(at).last_ns)
    held = answers.positions(at)
    traded = {trade.instrument for trade in answers.trades(at)} | {row.instrument for row in held if row.position_lots}
    if not held:
        parts.empty("The session has no instrument yet.")
        return
    names = {row.instrument: row.symbol for row in held if row.instrument in traded} or {
        row.instrument: row.symbol for row in held
    }
    instrument = (
        st.selectbox("Instrument", list(names), format_func=lambda number: names[number], key="instrument")
        if len(names) > 1
        else next(iter(names))
    )
    trades, _ = measured(at, instrument)
    parts.cards(card_list(trades, books.currency(info)), 4)
    place = st.container()
    chosen = _table(at, instrument, trades)
    with place:
        _candles(at, instrument, None if chosen is None else trades[chosen])
    parts.command(["book", "trades", "--book", at.path, "--session", str(info.id)])


def _table(at: Picked, instrument: int, trades: list[views.Trade]) -> int | None:
    st.subheader("Closed trades", anchor=False, help="Choose one to see it on the candles.")
    if not trades:
        parts.empty("Nothing of this instrument was closed yet.")
        return None
    labels = {"mae": "MAE", "mfe": "MFE", "open_time": "opened", "close_time": "closed"}
    return parts.table(
        trades_table(at, instrument), "trades", labels, HELPS, height=380, select=len(trades) <= parts.LAZY_ROWS
    )


def _candles(at: Picked, instrument: int, trade: views.Trade | None) -> None:
    """Draw the candles: all of them, a range, or those around the chosen trade."""
    known = seen(at, instrument)
    if known.prices is None:
        parts.empty(known.told)
        return
    shown = known.prices
    if trade is not None:
        around = int((trade.close_time_ns - trade.open_time_ns) * AROUND) + 5 * _length(shown)
        shown = candles.between(shown, trade.open_time_ns - around, trade.close_time_ns + around)
    else:
        shown = candles.between(shown, *_range(shown))
    if not len(shown.end_ns):
        parts.empty("No price lies in this range.")
        return
    marks = [
        mark for mark in fills(at, instrument, known.price_exp) if shown.start_ns[0] <= mark.time_ns <= shown.end_ns[-1]
    ]
    option, size = candles.chart(shown, known.price_exp, marks, palette())
    st.echarts_chart(option, height=candles.height(shown.volume is not None), key="candles")
    said = [known.told]
    if size > 1:
        said.append(
            f"{len(shown.end_ns):,} bars are drawn as candles of {size} bars each, at most {CANDLES:,} of them."
        )
        said.append("Choose a shorter range or a trade to see every bar.")
    if len(marks) > candles.MARKERS:
        said.append(f"The last {candles.MARKERS:,} fills of each side are marked.")
    st.caption(text.plain(" ".join(said)))


def _length(shown: Bars) -> int:
    return int(np.median(np.diff(shown.end_ns[:1000]))) if len(shown.end_ns) > 1 else text.SECOND_NS


def _range(shown: Bars) -> tuple[int, int]:
    """Let the reader choose days; everything by default."""
    first, last = (date.fromisoformat(text.moment(int(when))[:10]) for when in (shown.start_ns[0], shown.end_ns[-1]))
    if first == last:
        return int(shown.start_ns[0]), int(shown.end_ns[-1])
    chosen = st.date_input("Days", value=(first, last), min_value=first, max_value=last, key="days", width=280)
    if not isinstance(chosen, tuple) or len(chosen) != 2:
        return int(shown.start_ns[0]), int(shown.end_ns[-1])
    begin, end = (
        int(datetime.combine(day, clock, UTC).timestamp()) * text.SECOND_NS
        for day, clock in zip(chosen, (time.min, time.max), strict=True)
    )
    return begin, end


if __name__ == "__main__":
    parts.guarded(draw)

"""Overview: what the account is worth now, how the runner stands, and how old all of it is.

Theory of operation. A fragment looks twice a second whether the journal has a new event or the runner a new state, and
draws the figures again; nothing else on the page moves, so nothing flickers. The curve is drawn
anew only when events came. Whatever cannot be known is shown as unknown, with the time since when.
"""

from __future__ import annotations

import streamlit as st

from app.comparing import asking
from app.draw.lines import Curve, Panel, chart, height
from app.draw.theme import palette
from app.shell import answers, books, choice, parts, rows, text
from app.shell.books import Picked
from app.shell.parts import Card
from app.shell.runner import Runner, differences, runner_of
from ledger import views
from ledger.journal import SessionInfo
from ledger.vocabulary import Gate

REMARKS = ("time_ns", "level", "what", "symbol", "text", "seq")
RECENT = ("time_ns", "words", "symbol", "target_lots", "qty_lots", "filled_lots", "status")
LAST = 12
REFRESH_S = 1.0


def draw() -> None:
    """Draw the page."""
    found = choice.chosen()
    if found is None:
        return
    info, at = found
    last = None if at.open else answers.age(at).last_ns
    parts.header(
        "Overview", "What the account is worth, how the runner stands, and how old all of it is.", info, at, last
    )
    live = at.open
    paused = (
        st.toggle("Pause", value=False, key="pause", help="Keeps the page as it is; the runner goes on.")
        if live
        else True
    )
    st.fragment(run_every=None if paused else REFRESH_S, key="now")(_now)(info.id, at.path)
    parts.command(["book", "status", "--book", at.path, "--session", str(info.id)])


def _now(number: int, path: str) -> None:
    """Draw everything that changes; asked again and again while the session is open."""
    try:
        info, at = books.session(path, number), books.picked(path, number)
    except books.BookProblem as problem:
        st.warning(text.plain(problem))
        return
    runner = runner_of(path) if info.kind == "paper" else None
    runner = runner if runner and runner.session == number else None
    known, age = answers.totals(at), answers.age(at)
    banners(info, at, runner, known, age)
    if known is None:
        parts.empty("The session has no event yet.")
        return
    parts.cards(card_list(at, known, age, books.currency(info)), 5)
    _curve(at)
    left, right = st.columns([3, 2])
    with left:
        st.subheader("Last wishes", anchor=False, help="Claims and refusals, newest first; the page Orders has all.")
        last = answers.intents(at)[-LAST:][::-1]
        if last:
            parts.table(
                rows.frame("last-wishes", last, RECENT), "last-wishes", {"words": "answer", "qty": "ordered"}, blank="–"
            )
        else:
            parts.empty("No wish was recorded yet.")
    with right:
        st.subheader(
            "Needs a look",
            anchor=False,
            help="Gates, unknown and rejected orders, odd fills, adjustments; newest first.",
        )
        remarks = answers.remarks(at)[:LAST]
        if remarks:
            parts.table(rows.frame("remarks", remarks, REMARKS), "remarks", blank="–")
        else:
            parts.empty("Nothing.")


def banners(info: SessionInfo, at: Picked, runner: Runner | None, known: views.Totals | None, age: views.Age) -> None:
    """Say first what a person must not miss."""
    gates = [gate for gate in Gate if known is not None and known.gates & gate]
    if Gate.HALTED in gates:
        st.error(
            "**KILL SWITCH**: entries are refused, also after a restart, until `onebook paper resume`.",
            icon=":material/dangerous:",
        )
    if Gate.STALE_CODE in gates or (runner and runner.stale_code):
        st.error(
            "**STALE CODE**: the code on disk is not the code that runs; entries are refused. Restart the runner.",
            icon=":material/history:",
        )
    others = [gate.name for gate in gates if gate not in (Gate.HALTED, Gate.STALE_CODE)]
    if others:
        st.warning(f"Gates that keep orders in: **{', '.join(others)}**", icon=":material/front_hand:")
    for sentence in differences(runner):
        st.warning(f"Broker and book: {text.plain(sentence)}", icon=":material/difference:")
    if runner and runner.without_guard:
        st.warning(
            f"Without a protective order: {text.plain(', '.join(runner.without_guard))}", icon=":material/shield:"
        )
    st.caption(text.plain(standing(info, at, runner, age)))


def standing(info: SessionInfo, at: Picked, runner: Runner | None, age: views.Age) -> str:
    """Return in a line who writes the session, how it is connected and how old everything is."""
    said = []
    if not at.open:
        said.append(f"ended {text.age(info.ended_ns)}: {info.status}")
    elif info.kind != "paper":
        said.append("still open; who writes it is not known")
    elif runner is None:
        said.append("no runner has told how it stands")
    elif runner.stopped:
        said.append(f"the runner stopped {text.age(runner.written_ns)}; the account goes on with the next start")
    elif not runner.present:
        said.append(
            f"RUNNER SILENT: its last word, {runner.link}, is {text.age(runner.written_ns)} old".replace(
                " ago old", " old"
            )
        )
    else:
        said.append(f"runner {runner.link}: {runner.reason or 'no reason given'}")
        said.append("prices stale" if runner.data_stale else "prices live")
    said.append(f"last event {at.events:,} recorded {text.age(age.recorded_ns)}")
    if age.unpriced:
        said.append(f"{text.count(age.unpriced, 'position')} without a price")
    elif age.oldest_mark_ns:
        said.append(f"oldest price {text.age(age.oldest_mark_ns)}")
    return " · ".join(said)


def card_list(at: Picked, known: views.Totals, age: views.Age, currency: str) -> list[Card]:
    """Return the figures of the account."""
    losses = next((use.used for use in answers.limits(at) if use.limit.name == "DAILY_LOSS"), None)
    value = None if known.unmarked else known.value_e8
    since = f"unknown: {text.count(known.unmarked, 'position')} without a price" if known.unmarked else ""
    counts = answers.refusals(at)
    return [
        Card(
            "Equity",
            text.money(known.equity_e8, currency),
            "Cash and positions; unknown while a position has no price.",
            0,
            since,
        ),
        Card("Cash", text.money(known.cash_e8, currency), "Money, proceeds of short sales included."),
        Card(
            "Exposure",
            text.money(value, currency),
            "Worth of all positions, short ones negative; unknown while one has no price.",
        ),
        Card(
            "Open P&L",
            text.money(known.unrealized_e8, currency, signed=True),
            "Worth of the positions less what they cost.",
        ),
        Card(
            "Realized P&L",
            text.money(known.realized_e8, currency, signed=True),
            "Profit of everything that was closed, before fees.",
        ),
        Card(
            "Fees",
            text.money(known.fees_e8, currency),
            "Commissions and fees of executions, as far as they were reported.",
        ),
        Card(
            "Lost today",
            text.money(losses, currency),
            "How far equity is below its value at the start of the trading day, flows taken off; 0 when above.",
        ),
        Card("Orders today", f"{known.day_orders:,}", "Claims of the trading day."),
        Card("Fills", f"{known.fills:,}", "Executions booked."),
        Card(
            "Refused",
            f"{sum(row.times for row in counts):,}",
            "Wishes that the gate turned down; the page Orders has the reasons.",
        ),
    ]


def _curve(at: Picked) -> None:
    lines = asking.curves((at,))
    if lines.time_ns.size < 2:
        return
    colours = palette()
    panel = Panel(
        "Equity", 170, [Curve("equity", lines.equity_e8[0] / 1e8, colours.sessions[0], lines.known[0])], tip="%,.2f"
    )
    st.echarts_chart(chart(lines.time_ns, [panel], colours), height=height([panel]), key="overview-curve")


if __name__ == "__main__":
    parts.guarded(draw)

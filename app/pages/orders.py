"""Orders: every wish with its answer, every refusal with its reason, every order with its state."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import streamlit as st

from app.draw import bars
from app.draw.theme import palette
from app.shell import answers, choice, parts, rows, text
from app.shell.books import Picked
from app.shell.parts import Card
from ledger import compare, views
from ledger.vocabulary import LIVE_LAST, Outcome

INTENTS = (
    "time_ns",
    "words",
    "symbol",
    "strategy",
    "purpose",
    "outcome",
    "target_lots",
    "qty_lots",
    "filled_lots",
    "status",
    "leg",
    "seq",
)
ORDERS = (
    "number",
    "time_ns",
    "symbol",
    "strategy",
    "status",
    "order_type",
    "qty_lots",
    "filled_lots",
    "filled_value_e8",
    "target_lots",
    "price_ticks",
    "seq",
    "changed_seq",
)
COUNTS = ("words", "reason", "symbol", "times", "first_ns", "last_ns")
HELPS = {
    "words": "What the log says: CLAIMED, DUPLICATE ... BLOCKED, REFUSED.",
    "outcome": "APPLIED: claimed and its cash or quantity reserved. Anything else is the reason of the refusal; see docs/outcomes.md.",
    "target": "The position that was wished for, not the change.",
    "seq": "The event of the journal.",
}
DUPLICATES = (Outcome.DUP_KEY, Outcome.LIVE_ENTRY)


def card_list(every: Sequence[views.Order], counts: Sequence[views.RefusalCount]) -> list[Card]:
    """Return how many orders there are in which state, and how many wishes were refused."""
    states = Counter(order.status.name for order in every)
    live = sum(order.status <= LIVE_LAST for order in every)
    unknown = states["UNKNOWN"]
    refused = sum(row.times for row in counts)
    blocked = sum(row.times for row in counts if row.reason in DUPLICATES)
    return [
        Card("Orders", f"{len(every):,}", "Claims: wishes that passed the gate and became orders."),
        Card(
            "Working",
            f"{live:,}",
            "Orders that are not finished: claimed, sending, submitted, partially filled or unknown.",
        ),
        Card(
            "Unknown",
            f"{unknown:,}",
            "Orders of which nobody can say what became of them; they wait for evidence and are never sent again.",
            -unknown,
        ),
        Card("Refused", f"{refused:,}", "Wishes that the gate turned down. Each is stored with its reason."),
        Card(
            "Duplicates blocked",
            f"{blocked:,}",
            "Refusals by DUP_KEY or LIVE_ENTRY: the order would have been a second one.",
            blocked,
        ),
    ]


def draw() -> None:
    """Draw the page."""
    found = choice.chosen()
    if found is None:
        return
    info, at = found
    parts.header("Orders", "Every wish, and what became of it.", info, at, answers.age(at).last_ns)
    every, counts = answers.orders(at), answers.refusals(at)
    parts.cards(card_list(every, counts))
    _refused(at, counts)
    wishes, orders = st.tabs(["Wishes and answers", "Orders"])
    with wishes:
        _intents(at)
    with orders:
        _orders(at, every)
    parts.command(["book", "orders", "--book", at.path, "--session", str(info.id)])


def _refused(at: Picked, counts: list[views.RefusalCount]) -> None:
    """Draw refusals by reason."""
    if not counts:
        return
    st.subheader(
        "Refusals by reason", anchor=False, help="The same wish twice, no cash, a limit: docs/outcomes.md has them all."
    )
    left, right = st.columns([2, 3])
    sums: Counter[str] = Counter()
    for row in counts:
        sums[f"{row.words} · {row.reason.name}"] += row.times
    names, values = zip(*sums.most_common(12), strict=True)
    with left:
        st.echarts_chart(bars.rows(names, values, palette()), height=40 + 30 * len(names), key="refusals")
    with right:
        parts.table(
            rows.frame("refusals", counts, COUNTS),
            "refusals-table",
            {"words": "what the log says", "first": "first", "last": "last"},
            HELPS,
        )


@answers.kept
def wishes_table(at: Picked, words: tuple[str, ...]) -> parts.Prepared:
    """Return the wishes with these answers, or all of them, ready for the screen."""
    shown = [wish for wish in answers.intents(at) if not words or wish.words in words]
    return parts.prepared(rows.frame("wishes", shown, INTENTS))


@answers.kept
def orders_table(at: Picked, states: tuple[str, ...]) -> tuple[list[views.Order], parts.Prepared]:
    """Return the orders in these states, or all of them, ready for the screen."""
    shown = [order for order in answers.orders(at) if not states or order.status.name in states]
    return shown, parts.prepared(rows.frame("orders", shown, ORDERS, rows.exponents(answers.positions(at))))


def _intents(at: Picked) -> None:
    wishes = answers.intents(at)
    if not wishes:
        parts.empty("No wish was recorded yet. A wish for what is held already is no record: it changes nothing.")
        return
    words = sorted({wish.words for wish in wishes})
    only = st.pills("Show", words, selection_mode="multi", key="intent-words", label_visibility="collapsed")
    parts.table(
        wishes_table(at, tuple(only or ())),
        "intents",
        {"words": "answer", "qty": "ordered"},
        HELPS,
        blank="–",
        height=420,
    )


def _orders(at: Picked, every: list[views.Order]) -> None:
    if not every:
        parts.empty("No order was claimed yet.")
        return
    states = sorted({order.status.name for order in every})
    only = st.pills("State", states, selection_mode="multi", key="order-states", label_visibility="collapsed")
    shown, made = orders_table(at, tuple(only or ()))
    row = parts.table(made, "orders", helps=HELPS, height=420, select=len(shown) <= parts.LAZY_ROWS)
    if row is None:
        st.caption("Choose an order to read its story.")
        return
    _story(at, shown[row])


def _story(at: Picked, order: views.Order) -> None:
    """Tell the life of an order, event by event, down to the lots."""
    from app.comparing import asking, tables

    told: compare.Story = asking.story(at.path, at.id, order.key)
    st.subheader(text.plain(told.key), anchor=False)
    parts.table(tables.story(told), f"story-{order.number}")
    for line in told.allocations:
        st.caption(text.plain(line))


if __name__ == "__main__":
    parts.guarded(draw)

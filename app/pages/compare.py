"""Compare: two or three sessions side by side, why they differ, and the proof that nothing is left over."""

from __future__ import annotations

import streamlit as st

from app.comparing import asking, tables
from app.draw import bars
from app.draw.lines import Curve, Panel, chart, height
from app.draw.theme import Palette, palette
from app.shell import books, choice, parts, text
from app.shell.books import Picked
from app.shell.parts import Card
from ledger.compare import Comparison, Curves, Divergence, Leg, Row

EVERY_CAUSE = "every cause"


def draw() -> None:
    """Draw the page."""
    parts.header("Compare", "Do two sessions agree, and if not: since when, why, and what did each cause cost?")
    chosen = _chosen()
    if len(chosen) < 2:
        parts.empty("Choose two or three sessions. A backtest and a paper session of the same strategy tell the most.")
        return
    found = asking.comparisons(chosen)
    tabs = st.tabs([f"{one.a.info.id} → {one.b.info.id}" for one in found]) if len(found) > 1 else [st.container()]
    for place, (tab, one) in enumerate(zip(tabs, found, strict=True)):
        with tab:
            _answer(one, place)
    _curves(chosen, [found[0].a.info.id, *(one.b.info.id for one in found)])
    for place, one in enumerate(found):
        if len(found) > 1:
            st.subheader(f"{one.a.info.id} → {one.b.info.id}", anchor=False)
        _why(one, place, chosen[place + 1])
        _decisions(one, place, chosen[0], chosen[place + 1])
    parts.command(["compare", *(f"{one.path}#{one.id}" for one in chosen)])


def _chosen() -> tuple[Picked, ...]:
    """Let the reader choose sessions, of any book in the folder."""
    here = choice.book_path()
    others = [path for path in books.books() if str(path) != here]
    listed, problems = asking.candidates([*[path for path in books.books() if str(path) == here], *others])
    for problem in problems:
        st.caption(text.plain(problem))
    if not listed:
        return ()
    own = asking.suggested(books.sessions(here)) if any(one.path == here for one in listed) else []
    start = [one for number in own for one in listed if one.path == here and one.id == number]
    picked = st.multiselect(
        "Sessions, the first is what the others are held against",
        listed,
        default=start,
        max_selections=asking.MOST,
        key="compare-sessions",
        format_func=lambda one: one.label if len(others) else one.name,
    )
    return tuple(books.picked(one.path, one.id) for one in picked)


def card_list(found: Comparison, currency: str) -> list[Card]:
    """Return the figures of a comparison."""
    proof = found.certificate
    residual = "unknown" if found.residual_e8 is None else f"{found.residual_e8}"
    return [
        Card(
            f"Equity of {found.a.info.id}",
            text.money(found.a.equity_e8, currency),
            "Cash and worth of positions after the last event.",
        ),
        Card(
            f"Equity of {found.b.info.id}",
            text.money(found.b.equity_e8, currency),
            "Cash and worth of positions after the last event.",
        ),
        Card(
            "Difference",
            text.money(found.difference_e8, currency, signed=True),
            "Final equity of the second session less that of the first.",
        ),
        Card(
            "Decisions that differ",
            f"{proof.rows - proof.rows_equal:,} of {proof.rows:,}",
            "Orders, refusals, foreign fills and facts, joined by decision key.",
        ),
        Card(
            "Left unexplained",
            residual,
            "Difference less all parts, in units of 1e-8. It must be 0; anything else stops the comparison.",
        ),
    ]


def _answer(found: Comparison, place: int) -> None:
    currency = books.currency(found.a.info)
    good = found.certificate.equal
    sentence = text.plain(asking.verdict(found, currency))
    (st.success if good else st.info)(f"**{sentence}**", icon=":material/verified:" if good else ":material/balance:")
    parts.cards(card_list(found, currency))
    for note in found.notes:
        st.caption(f":material/priority_high: {text.plain(note)}")
    ends = [
        f"{side.label}: to event {side.seq:,}, {text.moment(side.last_ns)} ({text.age(side.last_ns)})"
        for side in (found.a, found.b)
    ]
    st.caption(text.plain(" · ".join(ends)))


def panels(lines: Curves, names: list[int], colours: Palette) -> list[Panel]:
    """Return equity, drawdown and difference of the sessions."""
    tones = colours.sessions
    equity = [
        Curve(f"session {n}", lines.equity_e8[at] / 1e8, tones[at], lines.known[at]) for at, n in enumerate(names)
    ]
    depth = [
        Curve(f"session {n}", lines.drawdown_e6[at] / 1e4, tones[at], lines.known[at], width=1.2)
        for at, n in enumerate(names)
    ]
    apart = [
        Curve(
            f"{n} less {names[0]}", lines.difference_e8[at] / 1e8, tones[at], lines.both_known[at], area=True, width=1.3
        )
        for at, n in enumerate(names)
        if at
    ]
    return [
        Panel("Equity", 230, equity, tip="%,.2f"),
        Panel("Drawdown", 90, depth, "{value} %", "%.2f %%", zero=True),
        Panel(f"Difference to session {names[0]}", 110, apart, tip="%,.2f", zero=True),
    ]


def _curves(chosen: tuple[Picked, ...], names: list[int]) -> None:
    lines = asking.curves(chosen)
    if not lines.time_ns.size:
        parts.empty("None of these sessions has an equity yet, so there is no curve.")
        return
    shown = panels(lines, names, palette())
    st.echarts_chart(chart(lines.time_ns, shown, palette()), height=height(shown), key="compare-curves")


def _why(found: Comparison, place: int, _other: Picked) -> None:
    """Draw the waterfall, the exact parts and the certificate."""
    currency = books.currency(found.a.info)
    left, right = st.columns([3, 2])
    with left:
        st.subheader(
            "Why",
            anchor=False,
            help="One thing after the other is swapped from the first session's to the second's; see ledger/compare/README.md.",
        )
        shown = [part for part in found.parts if part.amount_e8]
        if found.difference_e8 is not None and shown:
            words = [text.money(part.amount_e8, currency, signed=True) for part in shown]
            option = bars.waterfall(
                [part.cause.value for part in shown],
                [(part.amount_e8 or 0) / 1e8 for part in shown],
                [*words, text.money(found.difference_e8, currency, signed=True)],
                palette(),
                "difference",
            )
            st.echarts_chart(option, height=330, key=f"waterfall-{place}")
        parts.table(tables.parts(found), f"parts-{place}")
    with right:
        _certificate(found)


def _certificate(found: Comparison) -> None:
    """Show how equal the two are, and the first place at which they are not."""
    proof = found.certificate
    st.subheader(
        "Certificate", anchor=False, help="`onebook compare A B --assert-equal` leaves with 3 when this is not equal."
    )
    tone, word = ("green", "equal") if proof.equal else ("red", "not equal")
    st.badge(word, color=tone, icon=":material/verified:" if proof.equal else ":material/difference:")  # type: ignore[arg-type]
    facts = [
        ("Events equal from the start", f"{proof.events_equal:,} of {proof.events_a:,} and {proof.events_b:,}"),
        ("Decisions equal", f"{proof.rows_equal:,} of {proof.rows:,}"),
        ("Books equal by SHA-256", "yes" if proof.same_book else "no"),
        (f"Book of {found.a.info.id}", proof.digest_a[:16]),
        (f"Book of {found.b.info.id}", proof.digest_b[:16]),
    ]
    st.markdown("\n".join(["| | |", "| :-- | --: |", *(f"| {name} | {text.plain(value)} |" for name, value in facts)]))
    for name, where in (
        ("First event that differs", proof.first_event),
        ("First decision that differs", proof.first_row),
    ):
        _divergence(name, where)


def _divergence(name: str, where: Divergence | None) -> None:
    if where is None:
        st.markdown(f"**{name}**: none")
        return
    sides = f"{where.field}: {where.a if where.a is not None else 'absent'} against {where.b if where.b is not None else 'absent'}"
    st.markdown(f"**{name}**: {text.plain(where.place)}  \n{text.plain(sides)}  \n{text.plain(where.reason)}")


def _decisions(found: Comparison, place: int, first: Picked, second: Picked) -> None:
    """List the decisions; a chosen one opens both stories of its order."""
    st.subheader(
        "Decisions", anchor=False, help="Joined by decision key: strategy, symbol, purpose, decision bar, leg."
    )
    left, right = st.columns([1, 2], vertical_alignment="bottom")
    only = left.toggle("Only what differs", value=True, key=f"only-{place}")
    causes = [EVERY_CAUSE, *dict.fromkeys(row.cause.value for row in found.rows if row.cause)]
    cause = right.segmented_control(
        "Cause", causes, default=EVERY_CAUSE, key=f"cause-{place}", label_visibility="collapsed"
    )
    rows = chosen_rows(found, only, cause if cause and cause != EVERY_CAUSE else None)
    if not rows:
        parts.empty("No decision differs." if only else "Neither session decided anything yet.")
        return
    at = parts.table(tables.rows(found, rows), f"rows-{place}", height=360, select=True)
    if at is None:
        st.caption("Choose a row to read both stories of its order.")
        return
    row = rows[at]
    for column, picked, leg in zip(st.columns(2), (first, second), (row.a, row.b), strict=True):
        with column:
            _story(picked, leg, row)


def chosen_rows(found: Comparison, only_different: bool, cause: str | None) -> list[Row]:
    """Return the rows that the filters let through."""
    rows = found.different if only_different else found.rows
    return [row for row in rows if cause is None or (row.cause is not None and row.cause.value == cause)]


def _story(picked: Picked, leg: Leg | None, row: Row) -> None:
    st.markdown(f"**Session {picked.id}** · {text.plain(row.text)}")
    if leg is None or not leg.key:
        st.caption(text.plain(tables.outcome(leg) if leg is None else "A fact that no order of ours explains."))
        return
    told = asking.story(picked.path, picked.id, leg.key)
    parts.table(tables.story(told), f"story-{picked.id}-{leg.key}")
    for line in told.allocations:
        st.caption(text.plain(line))


if __name__ == "__main__":
    parts.guarded(draw)

"""Pieces of a page: title with its as-of line, cards of figures, tables, downloads, sentences where nothing is.

Theory of operation. A page is drawn by a function handed to `guarded`: what can go wrong with a book becomes
a sentence on the page, never a traceback. Tables are `sim.output` frames: integers with
what they are, so the screen, the download and the command line cannot disagree. A download
goes through `sim.output.export`, which takes the power out of formulas; the frame on the screen is
defused, too, because its own toolbar can save it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import streamlit as st

from app.shell import text
from app.shell.books import BookProblem, Picked, currency, is_simulated, title
from ledger.journal import JournalError, SessionInfo
from sim.output.export import csv_bytes, harmless
from sim.output.report import UNKNOWN
from sim.output.tables import Column, Frame

LAZY_ROWS = 20_000
"""Tables longer than this are sent piece by piece as they are scrolled."""


class Card(NamedTuple):
    """A figure: label, value as text, definition, and whether it is good, bad or neither."""

    label: str
    value: str
    help: str
    tone: int = 0
    note: str = ""


def guarded(draw: Callable[[], None]) -> None:
    """Draw a page; what a book lacks becomes a sentence."""
    try:
        draw()
    except (BookProblem, JournalError, OSError, sqlite3.Error) as problem:
        st.warning(text.plain(problem), icon=":material/info:")


def header(
    name: str, what: str, info: SessionInfo | None = None, at: Picked | None = None, as_of_ns: int | None = None
) -> None:
    """Say what the page is, which session it shows and how old that is."""
    st.header(name, anchor=False)
    if info is None or at is None:
        st.caption(what)
        return
    known = f"as of event {at.events:,}" + (f", {text.moment(as_of_ns)} ({text.age(as_of_ns)})" if as_of_ns else "")
    late = f"; {text.count(at.late, 'event')} recorded and not shown yet" if at.late else ""
    st.caption(f"{what}  \n{text.plain(title(info, at.path))} · {text.plain(known + late)}")
    if is_simulated(info, at.path):
        st.info(
            "**SIMULATED**: the session traded the embedded gateway. Prices are drawn; no market, no money.",
            icon=":material/science:",
        )


def cards(shown: Sequence[Card], columns: int = 5) -> None:
    """Draw figures in rows of cards."""
    for first in range(0, len(shown), columns):
        row = shown[first : first + columns]
        for place, card in zip(st.columns(columns), row, strict=False):
            place.metric(
                card.label,
                card.value,
                card.note or None,
                help=card.help,
                border=True,
                delta_arrow="off",
                delta_color="green" if card.tone > 0 else "red" if card.tone < 0 else "gray",
            )


class Prepared(NamedTuple):
    """A table that is ready for the screen; long ones are prepared once and kept."""

    frame: Frame
    data: Any


def prepared(frame: Frame) -> Prepared:
    """Return a table together with what the screen gets of it."""
    return Prepared(frame, pandas_of(frame))


def table(
    shown: Frame | Prepared,
    key: str,
    labels: Mapping[str, str] | None = None,
    helps: Mapping[str, str] | None = None,
    blank: str = UNKNOWN,
    height: Any = "auto",
    select: bool = False,
) -> int | None:
    """Draw a table with its download; return the selected row when rows can be selected.

    Args:
        labels, helps: headings and definitions by column. blank: what a cell without a value says; a dash only where nothing can be known
            because there is nothing.
    """
    labels, helps = labels or {}, helps or {}
    frame, data = shown if isinstance(shown, Prepared) else prepared(shown)
    settings = {
        column.name: _setting(column, labels.get(column.name), helps.get(column.name)) for column in frame.columns
    }
    lazy = None if not select and frame.size <= LAZY_ROWS else frame.size > LAZY_ROWS
    more: dict[str, Any] = (
        {"on_select": "rerun", "selection_mode": "single-row", "lazy": False} if select else {"lazy": lazy}
    )
    found: Any = st.dataframe(
        data, column_config=settings, hide_index=True, placeholder=blank, key=key, height=height, **more
    )
    download(frame, key)
    if not select:
        return None
    rows = found.selection.rows
    return int(rows[0]) if rows and rows[0] < frame.size else None


def download(frame: Frame, key: str) -> None:
    """Offer a table as CSV: exact decimals, and no cell that a spreadsheet would run."""
    st.download_button(
        f"CSV, {text.count(frame.size, 'row')}",
        lambda: csv_bytes(frame),
        f"{frame.name}.csv",
        "text/csv",
        key=f"{key}-csv",
        on_click="ignore",
        type="tertiary",
        icon=":material/download:",
        help="Every row with exact decimals. A text that begins like a formula gets an apostrophe in front.",
    )


def pandas_of(frame: Frame) -> Any:
    """Return a table for the screen: numbers as numbers, unknown as nothing, texts harmless."""
    import pandas as pd

    return pd.DataFrame({column.name: _values(column) for column in frame.columns})


def _values(column: Column) -> Any:
    import numpy as np
    import pandas as pd

    if column.kind == "text":
        return pd.Series([None if value is None else harmless(value) for value in column.cells()], dtype="object")
    if column.kind == "time":
        found: Any = pd.Series(pd.to_datetime(column.values, unit="ns", utc=True))
    elif column.kind == "decimal":
        found = pd.Series(column.values / np.power(10.0, column.exp))
    else:
        found = pd.Series(column.values)
    return found if column.known is None else found.where(column.known)


def _setting(column: Column, label: str | None, definition: str | None) -> Any:
    name = label or column.name.replace("_", " ")
    if column.kind == "time":
        return st.column_config.DatetimeColumn(name, help=definition, format="YYYY-MM-DD HH:mm:ss", timezone="UTC")
    if column.kind == "text":
        return st.column_config.TextColumn(name, help=definition)
    return st.column_config.NumberColumn(name, help=definition, format=_number_format(column))


def _number_format(column: Column) -> str:
    if column.kind == "count":
        return "localized"
    if column.kind == "number":
        return "%.4g"
    return "%,.2f" if column.name in MONEY_NAMES else "%.10g"


MONEY_NAMES = frozenset(
    (
        "pnl",
        "net",
        "fees",
        "fee",
        "cost",
        "proceeds",
        "value",
        "unrealized",
        "realized",
        "income",
        "amount",
        "cash",
        "positions",
        "equity",
        "effect",
        "total",
        "difference",
        "would_be",
        "was",
        "open_cost",
        "mae",
        "mean",
        "best",
        "worst",
        "mfe",
        "open_fee",
        "close_fee",
        "filled_value",
        "a fee",
        "b fee",
    )
)
"""Columns that are money and are shown in cents with thousands apart; the download has them whole."""


def empty(sentence: str) -> None:
    """Say that there is nothing, and how it comes to be."""
    st.info(text.plain(sentence), icon=":material/inbox:")


def command(words: Sequence[str], what: str = "The same on the command line") -> None:
    """Show the command line that prints what the page shows."""
    from shlex import join

    with st.expander(what, icon=":material/terminal:"):
        st.code(join(["onebook", *words]), language="bash")


def session_currency(info: SessionInfo) -> str:
    """Return the currency of a session, for labels."""
    return currency(info)

"""What a finished job's document says, drawn: figures, best combinations, windows, the overfitting panel.

Theory of operation. A document is what the command printed with --json; docs/cli.md explains every key. Nothing
is computed from it: texts are formatted, and a key that is missing or null is the word unknown.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st

from app.draw import bars, heat
from app.draw.theme import palette
from app.jobs import store
from app.jobs.store import Job
from app.shell import parts, text
from app.shell.parts import Card
from ledger.units import money
from sim.metrics import DEFINITIONS, MONEY
from sim.output.report import UNKNOWN, figure_text, label
from sim.output.tables import Column, Frame

FIRST = ("final_equity", "total_return", "sharpe", "max_drawdown", "trades")
PANEL: tuple[tuple[str, str, str], ...] = (
    (
        "Trials",
        "trials",
        "Configurations of this family that were ever tried; the best of many is judged as the best of many.",
    ),
    (
        "Deflated Sharpe",
        "deflated_sharpe",
        "Chance that the true ratio is above that of the luckiest try without skill; 95 % is usual.",
    ),
    ("Probabilistic Sharpe", "probabilistic_sharpe", "Chance that the true ratio is above 0."),
    ("Luckiest of all tries", "luckiest_sharpe", "Best ratio to expect of so many tries without skill."),
    ("Sharpe ratio", "sharpe", "Annualised, from daily returns."),
)
SHARES = frozenset({"deflated_sharpe", "probabilistic_sharpe"})


def show(job: Job) -> None:
    """Draw the document of a finished job."""
    told = store.document(job.folder)
    if told is None:
        st.write("The command ended well and left no document.")
        return
    SHOWN[job.kind](told, job)


def figure_cards(told: dict[str, Any], names: tuple[str, ...] = FIRST) -> list[Card]:
    """Return figures of a document; money in it is exact decimal text."""
    cards = []
    for name in names:
        value = told.get(name)
        known = money(value) if name in MONEY and isinstance(value, str) else value
        cards.append(Card(label(name), figure_text(name, known, "USD"), DEFINITIONS[name]))
    return cards


def backtest(told: dict[str, Any], job: Job) -> None:
    """Draw a backtest's first figures, its intrabar interval and the way to its pages."""
    parts.cards(figure_cards(told))
    low, high, count = told.get("equity_low"), told.get("equity_high"), told.get("ambiguous_bars")
    if count:
        proven = "" if told.get("interval_proven") else " (not proven: other ways through the bars may lead beyond)"
        span = f"{text.money(money(low))} to {text.money(money(high))}" if low and high else UNKNOWN
        said = f"Within {text.count(int(count), 'ambiguous bar')} the path is unknown: final equity lies in {span}{proven}."
        st.info(text.plain(said), icon=":material/unfold_more:")
    elif count == 0:
        st.caption("No bar was ambiguous: the order of high and low inside bars changed no fill.")
    open_session(told, job)


def paper(told: dict[str, Any], job: Job) -> None:
    """Say which session a demo wrote."""
    st.write(
        text.plain(f"SIMULATED session {told.get('session')} in {told.get('book')}, {told.get('bars')} bars seen.")
    )
    open_session(told, job)


def open_session(told: dict[str, Any], job: Job) -> None:
    """Offer the pages of the session that a job stored."""
    number = told.get("session")
    if not isinstance(number, int):
        return
    columns = st.columns([1, 1, 4])
    for column, word, page in ((columns[0], "Look at it", "performance"), (columns[1], "Compare it", "compare")):
        if column.button(
            f"{word}", key=f"{page}-{job.folder.name}", icon=":material/open_in_new:", help=f"Session {number}"
        ):
            st.session_state["go"] = number
            st.switch_page(str(Path(__file__).parent.parent / "pages" / f"{page}.py"))


def sweep(told: dict[str, Any], job: Job) -> None:
    """Draw a sweep's best combinations and maps over two parameters."""
    st.write(
        f"{told.get('combinations', 0):,} combinations, {told.get('left_out', 0):,} left out by the strategy's own check."
    )
    if lost := told.get("failures"):
        st.warning(text.plain(f"{told['failed']:,} could not be run and are unknown; the first: {lost[0]['reason']}"))
    rows = _table(Path(str(told.get("files", {}).get("table", ""))))
    if rows is None:
        parts.empty("The sweep's table is not there any more; start the sweep again.")
        return
    varied = [name for name in _parameters(told) if rows[name].nunique() > 1]
    figures = [
        name for name in ("sharpe", "total_return", "max_drawdown", "win_rate", "trades", "exposure") if name in rows
    ]
    best = rows.sort_values(str(told.get("by", "sharpe")), ascending=False).head(10)
    st.dataframe(best[[*varied, *figures]], hide_index=True, placeholder=UNKNOWN, key=f"best-{job.folder.name}")
    if len(varied) >= 2:
        _map(rows, varied, figures, job)
    elif varied:
        x = rows.sort_values(varied[0])
        shown = [None if value != value else float(value) for value in x["sharpe"]]
        st.echarts_chart(
            bars.columns([f"{value:g}" for value in x[varied[0]]], shown, palette(), "%.2f"),
            height=240,
            key=f"line-{job.folder.name}",
        )


def _parameters(told: dict[str, Any]) -> list[str]:
    best = (told.get("best") or [{}])[0]
    names = list(best)
    return (
        names[names.index("commission") + 1 : names.index("total_return")]
        if "commission" in names and "total_return" in names
        else []
    )


@st.cache_resource(max_entries=8, show_spinner="Reading the sweep ...")
def _read(path: str, _stamp: int) -> Any:
    import pandas as pd

    return pd.read_parquet(path)


def _table(path: Path) -> Any:
    return _read(str(path), path.stat().st_mtime_ns) if path.is_file() else None


def _map(rows: Any, varied: list[str], figures: list[str], job: Job) -> None:
    """Draw a slice over two parameters; the others are held at one value each."""
    one, two, three = st.columns(3)
    x = one.selectbox("Across", varied, key=f"x-{job.folder.name}")
    y = two.selectbox("Up", [name for name in varied if name != x], key=f"y-{job.folder.name}")
    figure = three.selectbox("Figure", figures, key=f"figure-{job.folder.name}")
    rest = [name for name in varied if name not in (x, y)]
    for name, column in zip(rest, st.columns(max(1, len(rest))), strict=False):
        held = column.selectbox(f"{name} held at", sorted(rows[name].unique()), key=f"{name}-{job.folder.name}")
        rows = rows[rows[name] == held]
    xs, ys = sorted(rows[x].unique()), sorted(rows[y].unique())
    slice_ = rows.drop_duplicates([x, y], keep="first")
    cells = [
        (xs.index(a), ys.index(b), round(float(value), 4))
        for a, b, value in zip(slice_[x], slice_[y], slice_[figure], strict=True)
        if value == value
    ]
    few = len(xs) * len(ys) <= 400
    option = heat.grid(
        [f"{value:g}" for value in xs],
        [f"{value:g}" for value in ys],
        cells,
        palette(),
        "%.2f",
        figure != "trades",
        few,
        (x, y),
    )
    st.echarts_chart(option, height=140 + 26 * min(24, max(6, len(ys))), key=f"map-{job.folder.name}")


def walkforward(told: dict[str, Any], job: Job) -> None:
    """Draw the windows of a walk-forward and what they came to."""
    efficiency = told.get("efficiency")
    own = [
        Card(
            "Efficiency",
            UNKNOWN if efficiency is None else f"{efficiency:.2f}",
            "The figure over all tests / its mean in sample; near 1 what was chosen held.",
        ),
        Card("Winning windows", text.percent(told.get("winning_windows")), "Share of the tests that earned something."),
    ]
    parts.cards([*figure_cards(told, ("total_return", "sharpe", "max_drawdown")), *own])
    windows = told.get("windows") or []
    names = [str(window.get("test_from")) for window in windows]
    changes = [
        None if window.get("total_return") is None else round(100 * window["total_return"], 2) for window in windows
    ]
    st.echarts_chart(
        bars.columns(names, changes, palette(), "%.2f %%", axis="{value} %"),
        height=220,
        key=f"windows-{job.folder.name}",
    )
    lines = [
        {
            "learns from": window.get("learn_from"),
            "tests from": window.get("test_from"),
            "chosen": "flat"
            if window.get("params") is None
            else ", ".join(f"{name}={value}" for name, value in window["params"].items()),
            "in sample": window.get("in_sample"),
            "test return, %": change,
            "test sharpe": window.get("sharpe"),
        }
        for window, change in zip(windows, changes, strict=True)
    ]
    st.dataframe(lines, hide_index=True, placeholder=UNKNOWN, key=f"walk-{job.folder.name}")
    open_session(told, job)


def overfit(told: dict[str, Any], job: Job) -> None:
    """Draw the overfitting panel."""
    cards = []
    for name, key, definition in PANEL:
        value = told.get(key)
        words = (
            UNKNOWN
            if value is None
            else text.percent(value)
            if key in SHARES
            else f"{value:,}"
            if key == "trials"
            else f"{value:.2f}"
        )
        cards.append(Card(name, words, definition))
    parts.cards(cards)
    contest = told.get("contest") or {}
    pbo, near = contest.get("pbo") or {}, contest.get("stability") or {}
    holding, rule, luck = (told.get(name) or {} for name in ("beats_holding", "rule_luck", "trade_luck"))
    shuffled = luck.get("shuffled_drawdown") or {}
    parts.cards(
        [
            Card(
                "Overfitting (PBO)",
                text.percent(pbo.get("pbo")),
                "Probability that the best of one half is below the median of the other; needs candidates (-p).",
            ),
            Card(
                "Neighbours / best",
                text.percent(near.get("share")),
                "A plateau is near 100 %, a needle is not; needs candidates (-p).",
            ),
            Card(
                "Beats holding, p",
                _p(holding.get("consistent")),
                "Chance to look so good against holding without an edge (SPA).",
            ),
            Card("Beats random entries, p", _p(rule.get("p_value")), "Same spells, other moments."),
            Card(
                "Drawdown in a bad order",
                text.percent(shuffled.get("low")),
                "The same trades reordered: one order in twenty is worse.",
            ),
        ]
    )
    span = told.get("sharpe_interval") or {}
    if span:
        st.caption(
            f"Sharpe ratio {span['value']:.2f}, at {100 * span['level']:.0f} % between {span['low']:.2f} and {span['high']:.2f}."
        )


def _p(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value:.3f}"


def fuzz(told: dict[str, Any], job: Job) -> None:
    """Say what a campaign found; its page shows the failures."""
    failures = told.get("failures") or []
    st.write(text.plain(f"{told.get('verdict')}: {told.get('schedules', 0):,} schedules, {len(failures)} failures"))
    open_session(told, job)


def audit(told: dict[str, Any], job: Job) -> None:
    """Draw the findings of an imported database: what is wrong, by how much, and how sure that is."""
    findings = told.get("findings") or []
    counts = {word: sum(one["severity"] == word for one in findings) for word in ("error", "warning", "suspicion")}
    parts.cards(
        [
            Card("Trades", f"{told.get('trades', 0):,}", "Rows of the file that are trades."),
            Card("Booked", f"{told.get('booked', 0):,}", "Trades that could be booked."),
            Card("Errors", f"{counts['error']:,}", "Certainly wrong.", -counts["error"]),
            Card("Warnings", f"{counts['warning']:,}", "Likely wrong.", -counts["warning"]),
            Card("Suspicions", f"{counts['suspicion']:,}", "May have an innocent reason, which is named."),
        ]
    )
    st.caption(text.plain(f"{told.get('file')}, read as {told.get('schema')} {told.get('generation') or ''}"))
    columns = ("severity", "audit", "title", "symbol", "amount", "sure", "derivation")
    words = [[str(one.get(name)) if one.get(name) is not None else "" for one in findings] for name in columns]
    there = [np.array([one.get(name) is not None for one in findings], np.bool_) for name in columns]
    shown = tuple(
        Column(name, "text", values, 0, known) for name, values, known in zip(columns, words, there, strict=True)
    )
    if findings:
        parts.table(
            Frame(
                "findings",
                (*shown, Column("rows", "count", np.array([one["rows_total"] for one in findings], np.int64))),
            ),
            f"audit-{job.folder.name}",
        )
    for note in told.get("notes") or []:
        st.caption(text.plain(note))


SHOWN = {
    "backtest": backtest,
    "paper": paper,
    "sweep": sweep,
    "walkforward": walkforward,
    "overfit": overfit,
    "fuzz": fuzz,
    "audit": audit,
}
"""What draws the document of each kind of job."""

__all__ = ["figure_cards", "show"]

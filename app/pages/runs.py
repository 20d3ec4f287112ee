"""Runs: every session of the book, newest first, with how it ended; pick one to look at, two to compare."""

from __future__ import annotations

import json

import numpy as np
import streamlit as st

from app.shell import books, choice, parts, text
from ledger.journal import SessionInfo
from sim.output.tables import Column, Frame


def frame(listed: list[SessionInfo]) -> Frame:
    """Return the sessions as a table."""
    told = [books.config(info) for info in listed]

    def texts(name: str, values: list[str | None]) -> Column:
        return Column(
            name,
            "text",
            [value or "" for value in values],
            0,
            np.array([value is not None for value in values], np.bool_),
        )

    ended = np.array([info.ended_ns or 0 for info in listed], np.int64)
    return Frame(
        "sessions",
        (
            Column("session", "count", np.array([info.id for info in listed], np.int64)),
            texts(
                "kind",
                ["SIMULATED paper" if books.is_simulated(info, choice.book_path()) else info.kind for info in listed],
            ),
            texts("strategy", [one.get("strategy") if isinstance(one.get("strategy"), str) else None for one in told]),
            texts(
                "parameters",
                [json.dumps(one["params"]).strip("{}").replace('"', "") if one.get("params") else None for one in told],
            ),
            texts("scope", [info.scope for info in listed]),
            texts("data", [one.get("data") if isinstance(one.get("data"), str) else None for one in told]),
            Column("started", "time", np.array([info.started_ns for info in listed], np.int64)),
            Column("ended", "time", ended, 0, ended > 0),
            texts("status", [info.status for info in listed]),
            Column("events", "count", np.array([info.events for info in listed], np.int64)),
            texts("digest", [info.digest[:16] if info.digest else None for info in listed]),
            texts("code", [f"{info.git_sha[:10] or 'unknown'}{'+changes' if info.dirty else ''}" for info in listed]),
        ),
    )


HELPS = {
    "kind": "backtest, fuzz, paper or import. SIMULATED: the embedded gateway, no market behind it.",
    "status": "open until the session is ended; then the word it ended with.",
    "events": "Rows of the journal. An open session may have more that the tables do not show yet.",
    "digest": "First 16 digits of the SHA-256 of the book. Equal digests are equal books.",
    "code": "Commit that wrote the session; +changes: files differed from it.",
}


def draw() -> None:
    """Draw the page."""
    path = choice.book_path()
    listed = books.sessions(path)
    parts.header("Runs", f"Every session of {text.plain(path)}, newest first.")
    if not listed:
        parts.empty(
            f"{path} has no session yet. The page Backtest makes one; so does `onebook backtest run sma_cross --book {path}`."
        )
        return
    kinds = sorted({info.kind for info in listed})
    wanted = (
        st.pills("Kind", kinds, selection_mode="multi", default=kinds, key="runs-kinds", label_visibility="collapsed")
        or kinds
    )
    shown = [info for info in listed if info.kind in wanted]
    row = parts.table(frame(shown), "runs", helps=HELPS, select=True)
    if row is not None:
        _details(shown[row])
    parts.command(["book", "status", "--book", path, *(["--session", str(shown[row].id)] if row is not None else [])])


def _details(info: SessionInfo) -> None:
    """Say how a session was made, and lead to it."""
    st.subheader(text.plain(books.title(info)), anchor=False)
    versions = json.loads(info.versions) if info.versions.startswith("{") else {"versions": info.versions}
    made = {
        "started": text.moment(info.started_ns),
        "ended": text.moment(info.ended_ns),
        "host": info.host,
        "pid": info.pid,
        "seed": info.seed,
        "source of all files, SHA-256": info.source_hash,
        "configuration, SHA-256": info.config_hash,
        "book, SHA-256": info.digest or "unknown",
    }
    left, right = st.columns(2)
    left.json({"made": made, "versions": versions})
    right.json(books.config(info) or {"configuration": "nothing was told"})


if __name__ == "__main__":
    parts.guarded(draw)

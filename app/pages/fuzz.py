"""Fuzz: campaigns, what they found, the schedule that breaks it as swim lanes, and which guard stops which disaster."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st

from app.draw import heat, lanes
from app.draw.theme import palette
from app.jobs import results, store, view, words
from app.shell import answers, books, choice, parts, text
from app.shell.parts import Card
from ledger.journal import SessionInfo
from sim.output.tables import Column, Frame

VERDICTS = {
    "failed": "a schedule breaks an invariant",
    "cut": "a sample found nothing, which proves nothing",
    "complete": "every schedule within the bound was tried, and every one held",
}


def card_list(report: dict[str, Any]) -> list[Card]:
    """Return what a campaign did."""
    verdict = str(report.get("verdict"))
    failures = report.get("failures") or []
    return [
        Card("Verdict", verdict, VERDICTS.get(verdict, "what the campaign says"), 0),
        Card("Failures", f"{len(failures):,}", "Distinct ones, each shrunk to the fewest moves.", -len(failures)),
        Card("Schedules", _known(report.get("schedules")), "Orders of the world's answers that were tried."),
        Card("Moves", _known(report.get("moves")), "Steps of all schedules; the invariants are checked after each."),
        Card("Rate", _known(report.get("per_second"), "/s"), "Schedules a second, in real time."),
    ]


def _known(number: float | None, unit: str = "") -> str:
    """Return a number, or the word for one that nobody counted."""
    return "unknown" if number is None else f"{number:,.0f}{unit}"


def draw() -> None:
    """Draw the page."""
    path = choice.book_path()
    parts.header("Fuzz", "Can it buy twice? Every order in which the world may answer, and the one that breaks it.")
    found = [info for info in books.sessions(path) if info.kind == "fuzz"] if Path(path).exists() else []
    campaigns, start = st.tabs(["Campaigns", "Start one"])
    with start:
        _start(path)
    with campaigns:
        if not found:
            with books.opened(path):
                pass
            parts.empty(
                f"No campaign is stored in {path}. Start one in the other tab, or with `onebook fuzz run zoo.no_lock --book {path}`."
            )
            return
        _campaign(found)


def _campaign(found: list[SessionInfo]) -> None:
    """Draw one campaign of the book."""
    path = choice.book_path()
    wanted = st.session_state.get("session_id")
    at = next((place for place, info in enumerate(found) if info.id == wanted), 0)
    info = st.selectbox(
        "Campaign",
        found,
        index=at,
        key="campaign",
        format_func=lambda one: f"#{one.id} · {one.scope} · {text.moment(one.started_ns)}",
    )
    report = answers.fuzz_report(books.picked(path, info.id))
    if report is None:
        parts.empty("This session has no report: the campaign was ended before it stored one.")
        return
    st.caption(text.plain(f"{report.get('bound', '')} · as of {text.moment(info.ended_ns or info.started_ns)}"))
    parts.cards(card_list(report))
    if failures := report.get("failures"):
        _failure(failures)
    if report.get("zoo"):
        _zoo(report["zoo"])
    if report.get("coverage"):
        _coverage(report["coverage"])
    if report.get("scenarios"):
        with st.expander("Scenarios"):
            st.dataframe(report["scenarios"], hide_index=True, key="scenarios")


def _failure(failures: list[dict[str, Any]]) -> None:
    """Draw one failure: what broke, its token, the lanes, and the state at each step."""
    st.subheader(
        "The schedule that breaks it",
        anchor=False,
        help="Shrunk: nothing can be taken out without the failure going away.",
    )
    names = [f"{one['scenario']} · {one['invariant']}: {one['message']}" for one in failures]
    place = (
        st.selectbox("Failure", range(len(names)), format_func=lambda at: names[at], key="failure")
        if len(names) > 1
        else 0
    )
    one = failures[int(place or 0)]
    st.error(f"**{text.plain(one['invariant'])}**: {text.plain(one['message'])}", icon=":material/bug_report:")
    before, after = one.get("before") or {}, one.get("after") or {}
    sizes = [
        f"{size.get('moves', 0)} moves of {text.count(int(size.get('signals', 0)), 'signal')}"
        for size in (before, after)
    ]
    found = text.count(int(one.get("found_after", 0)), "schedule")
    st.caption(f"Found after {found}; {sizes[0]} came down to {sizes[1]} in {one.get('reruns', 0)} runs.")
    st.code(f"onebook fuzz replay '{one['token']}'", language="bash", wrap_lines=True)
    told = one.get("lanes")
    if not told or not told.get("rows"):
        st.code(one.get("text") or "no lanes are stored", language=None)
        return
    last = min(len(told["rows"]), lanes.STEPS_MOST) - 1
    step = st.slider("Step", 0, last, last, key="step") if last else 0
    left, right = st.columns([4, 1])
    left.altair_chart(lanes.chart(told, palette(), step), width="stretch", key="lanes")
    with right:
        st.markdown(f"**State after step {step}**")
        state = told["rows"][step].get("state") or {}
        for name, value in state.items():
            st.markdown(f"{text.plain(name)}: **{text.plain(value)}**")
        if step == last:
            st.markdown(f":red[{text.plain(told.get('violation') or '')}]")
    with st.expander("As a sequence diagram, and as text"):
        st.mermaid_chart(lanes.sequence(told))
        st.code(one.get("text") or "", language=None)


def zoo_frame(rows: list[dict[str, Any]]) -> Frame:
    """Return the ablation table: which guard, which hole, how soon it is found."""

    def ints(name: str) -> Column:
        known = np.array([row.get(name) is not None for row in rows], np.bool_)
        return Column(name, "number", np.array([float(row.get(name) or 0) for row in rows]), 0, known)

    return Frame(
        "ablation",
        (
            Column("guard", "text", [row["guard"] for row in rows]),
            Column("is", "text", ["the real guard" if row["intact"] else "a hole" for row in rows]),
            Column("found", "text", [f"{row['found']} of {row['seeds']}" for row in rows]),
            ints("median"),
            ints("max"),
            Column("disaster", "text", [row["disaster"] for row in rows]),
            Column("token", "text", [row.get("token") or "–" for row in rows]),
        ),
    )


def _zoo(rows: list[dict[str, Any]]) -> None:
    st.subheader(
        "Ablation",
        anchor=False,
        help="Take a guard away and the fuzzer must find the disaster; leave it and nothing may be found.",
    )
    holes = [row for row in rows if not row["intact"]]
    missed = [row["guard"] for row in holes if row["found"] < row["seeds"]]
    fallen = [row["guard"] for row in rows if row["intact"] and row["found"]]
    if missed or fallen:
        st.error(
            text.plain(f"missed: {', '.join(missed) or 'none'}; real guards that fell: {', '.join(fallen) or 'none'}"),
            icon=":material/error:",
        )
    else:
        st.success(
            f"All {len(holes)} holes were found by every seed, and the real guard never fell.",
            icon=":material/verified:",
        )
    helps = {
        "median": "Schedules to the first failure.",
        "max": "Most schedules to the first failure.",
        "disaster": "What happens without the guard.",
    }
    parts.table(zoo_frame(rows), "zoo", helps=helps, blank="–")


def _coverage(rows: list[dict[str, Any]]) -> None:
    """Draw which fault struck which await; zeros are holes in the campaign."""
    st.subheader(
        "Which fault struck where",
        anchor=False,
        help="Counts over the campaign. A zero is a fault that never struck there.",
    )
    counts: dict[tuple[str, str], int] = {}
    for row in rows:
        place = (str(row["label"]), str(row["fault"]))
        counts[place] = counts.get(place, 0) + int(row["count"])
    labels, faults = sorted({label for label, _ in counts}), sorted({fault for _, fault in counts})
    cells = [(labels.index(label), faults.index(fault), float(count)) for (label, fault), count in counts.items()]
    option = heat.grid(labels, faults, cells, palette(), "%.0f", middle=False, labels=len(cells) <= 300)
    option["grid"]["left"] = 130
    st.echarts_chart(option, height=90 + 24 * max(4, len(faults)), key="coverage")


def _start(path: str) -> None:
    """Let the reader start a search."""
    from sim.fuzz.zoo.scenarios import ZOO

    place = store.folder_of(path)
    kind = (
        st.segmented_control("What", ["one guard", "ablation", "campaign"], default="one guard", key="fuzz-kind")
        or "one guard"
    )
    if kind == "one guard":
        name = st.selectbox(
            "Guard",
            list(ZOO),
            key="fuzz-guard",
            help="no_lock and the like are holes; real is the guard that onebook runs.",
        )
        schedules = st.number_input("Schedules", 1, 100_000, 2_000, key="fuzz-schedules")
        view.button("Search", "fuzz", lambda: words.fuzz_run(f"zoo.{name}", int(schedules), path), place, "run-fuzz")
    elif kind == "ablation":
        seeds = st.number_input("Seeds", 1, 100, 5, key="fuzz-seeds")
        view.button("Search every guard", "fuzz", lambda: words.fuzz_zoo(int(seeds), path), place, "run-zoo")
    else:
        minutes = st.number_input("Minutes", 0.1, 600.0, 0.5, key="fuzz-minutes")
        view.button(
            "Attack the real guard", "fuzz", lambda: words.fuzz_campaign(float(minutes), path), place, "run-campaign"
        )
    view.followed(place, ["fuzz"], results.show)


if __name__ == "__main__":
    parts.guarded(draw)

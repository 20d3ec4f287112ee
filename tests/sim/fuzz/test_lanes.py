"""Lanes fit into a terminal and leave no move out."""

from __future__ import annotations

import re
from html import unescape

from hypothesis import given
from hypothesis import strategies as st

from sim.fuzz.choices import Draw
from sim.fuzz.faults import KINDS
from sim.fuzz.show import terminal
from sim.fuzz.show.lanes import Column, Lanes, Row, words
from sim.fuzz.show.page import page

NAMES = ("A", "A1", "A2", "B", "B1", "C1", "D", "net.0", "facts.0", "venue.101", "m0")
ROWS = st.tuples(
    st.one_of(st.none(), st.integers(0, len(NAMES) - 1)), st.sampled_from(["effect", "answer", "report"]), st.text("abc ", max_size=30),
    st.sampled_from(["", "", "", "lost"]), st.booleans(), st.sampled_from([{}, {"cash": "7"}, {"held": "x y " * 40}]),
)  # fmt: skip


@given(st.lists(ROWS, max_size=120), st.integers(1, 5), st.sampled_from([1, 1, len(NAMES)]))
def test_no_line_of_the_lanes_is_wider_than_a_terminal_and_no_move_is_left_out(made: list, times: int, few: int) -> None:
    rows = []
    for column, kind, label, fault, chosen, state in made * times:
        at = None if column is None else column % few
        rows.append(Row(len(rows), at, "fault" if at is None else kind, label, fault, False, False, state, chosen))
    drawn = Lanes([Column(name, f"bot: {name}") for name in NAMES[:few]], rows, "cash: " + "much " * 50, {})
    lines = terminal.text(drawn).splitlines()
    assert max(map(len, lines)) <= terminal.WIDTH
    if not any(re.fullmatch(r" +\.\.\. [\d,]+ lines \.\.\.", line) for line in lines):
        spans = [match for line in lines if (match := re.fullmatch(r"(\d+)(?:-(\d+))?", line[: terminal.MARGIN - 2].strip()))]
        told_of = [step for match in spans for step in range(int(match[1]), int(match[2] or match[1]) + 1)]
        assert told_of == list(range(len(rows)))


def test_moves_that_repeat_themselves_are_told_once_and_a_choice_never() -> None:
    looks = [("ask", "answer"), ("list", "report"), ("ask", "answer"), ("other", "report")] * 20
    rows = [Row(at, 0, kind, label, "", False, False, {}, at == 41) for at, (label, kind) in enumerate(looks)]
    drawn = terminal.text(Lanes([Column("feed", "feed")], rows, "", {}))
    assert drawn.count("the same 4 moves") == 2 and f"> feed: {words(rows[41])}" in drawn and len(drawn.splitlines()) < 16


@given(st.lists(st.booleans(), min_size=1, max_size=30), st.lists(st.integers(0, 3), max_size=4))
def test_a_page_marks_every_move_that_was_chosen_and_says_what_was_drawn(chosen: list[bool], values: list[int]) -> None:
    rows = [Row(at, 0, "report", "ask", "", False, False, {}, by_choice) for at, by_choice in enumerate(chosen)]
    draws = tuple(Draw("wish <a>", 4, value) for value in values)
    html = page("lanes", [("fz3:token", Lanes([Column("feed", "feed")], rows, "", {}, draws))])
    marked = re.findall(r"<tr class='chosen'><td class='number'>&#9656; (\d+)</td>", html)
    assert marked == [str(at) for at, by_choice in enumerate(chosen) if by_choice]
    assert ("drawn: wish &lt;a&gt;" in html) == any(values)


@given(st.lists(st.sampled_from(sorted(KINDS)), max_size=6))
def test_every_fault_that_struck_is_told_once_by_what_it_stands_for(faults: list[str]) -> None:
    rows = [Row(at, 0, "report", "ask", fault, False, False, {}) for at, fault in enumerate(faults)]
    lanes = Lanes([Column("feed", "feed")], rows, "", {})
    told, html = " ".join(terminal.text(lanes).split()), unescape(page("lanes", [("fz3:token", lanes)]))
    for kind in KINDS:
        assert told.count(f"!! {kind}: {KINDS[kind].meaning}") == (kind in faults) == (f"{kind}: {KINDS[kind].meaning}" in html)

"""The documents say what the code does: each page is compared with it.

Theory of operation. A page about events, outcomes, states or commands is wrong as soon
as the code moves on, unless a test reads both. So these tests parse the tables and
hold them against the enums, the transition table and the columns that the handlers
of each event kind really read, found by walking their syntax trees.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from ledger.book import EVENT_COLUMNS
from ledger.vocabulary import EventKind, Gate, Limit, Outcome

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"

HANDLERS = {
    "INSTRUMENT": "_define", "LIMIT": "_set_limit", "GATE": "_set_gate", "DAY": "_begin_day", "SIGNAL": "size",
    "CLAIM": "_claim", "REFUSED": "_refuse", "CANCEL": "ask_cancel", "FILL": "fill", "COMMISSION": "commission",
    "ADJUST_POSITION": "adjust_position", "SPLIT": "split", "MARK": "mark",
    **dict.fromkeys(("RELEASED", "SENDING", "SUBMITTED", "CANCELED", "EXPIRED", "REJECTED", "UNKNOWN"), "apply_step"),
    **dict.fromkeys(("DEPOSIT", "WITHDRAWAL", "DIVIDEND", "INTEREST", "BORROW_FEE", "ADJUST_CASH"), "cash"),
}  # fmt: skip
COPIES = {"write_entry"}
"""Copies whole rows for readers of the entry; what a kind does not use it copies as 0."""
COLUMN_NAMES = {
    "E_TIME": "time_ns", "E_QTY": "qty_lots", "E_PRICE": "price_ticks", "E_CASH": "cash_e8", "E_FEE": "fee_e8",
    "E_EXEC": "exec_id", "E_TARGET": "target_lots", "E_TYPE": "order_type", "E_STOP": "stop_ticks",
    "E_TAKE": "take_ticks", "E_TRAIL": "trail_ticks",
}  # fmt: skip


def table_rows(page: str) -> list[list[str]]:
    """Return the cells of every table row of a page, headers and rulers left out."""
    lines = [line for line in (DOCS / page).read_text(encoding="utf-8").splitlines() if line.startswith("|")]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [row for at, row in enumerate(rows) if not set("".join(row)) <= set("-: ") and not _is_header(rows, at)]


def _is_header(rows: list[list[str]], at: int) -> bool:
    return at + 1 < len(rows) and set("".join(rows[at + 1])) <= set("-: ")


def functions() -> dict[str, ast.FunctionDef]:
    """Return the functions of the core, by name."""
    paths = [ROOT / "ledger" / "core.py", *sorted((ROOT / "ledger" / "kernels").glob("*.py"))]
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in paths]
    return {node.name: node for tree in trees for node in tree.body if isinstance(node, ast.FunctionDef)}


def columns_read(name: str, known: dict[str, ast.FunctionDef], seen: set[str]) -> set[str]:
    """Return the event columns that a function and everything it calls name."""
    if name in seen or name in COPIES or name not in known:
        return set()
    seen.add(name)
    found: set[str] = set()
    for node in ast.walk(known[name]):
        if isinstance(node, ast.Name) and node.id.startswith("E_"):
            found.add(COLUMN_NAMES.get(node.id, node.id[2:].lower()))
        if isinstance(node, ast.Call):
            called = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
            found |= columns_read(called, known, seen)
    return found


def test_every_event_kind_is_documented_with_columns_that_exist():
    rows = [row for row in table_rows("events.md") if len(row) == 3]
    assert {kind for kind, _, _ in rows} == {kind.name for kind in EventKind}
    assert {column for _, column, _ in rows} <= set(EVENT_COLUMNS)


@pytest.mark.parametrize("kind", sorted(HANDLERS))
def test_the_documented_columns_are_those_the_handler_reads(kind):
    documented = {column for name, column, _ in table_rows("events.md") if name == kind}
    read = columns_read(HANDLERS[kind], functions(), set()) - {"kind"}
    assert documented - {"time_ns"} == read - {"time_ns"}
    assert "time_ns" not in read or "time_ns" in documented


def test_every_kind_but_none_has_a_handler():
    assert HANDLERS.keys() | {"NONE"} == {kind.name for kind in EventKind}


def test_every_outcome_is_documented_with_its_number():
    rows = {row[0]: int(row[1]) for row in table_rows("outcomes.md")}
    assert rows == {outcome.name: int(outcome) for outcome in Outcome}


def test_every_limit_and_gate_stands_with_the_refusal_it_causes():
    text = (DOCS / "outcomes.md").read_text(encoding="utf-8")
    words = {limit.name for limit in Limit} | {gate.name for gate in Gate}
    assert {word for word in words if not re.search(rf"\b{word}\b", text)} == set()


def test_the_page_of_order_states_is_what_the_table_gives():
    from docs.make_order_states import PAGE, page

    assert PAGE.read_text(encoding="utf-8") == page(), "docs/order-states.md is out of date; run make docs"


def test_the_glossary_is_sorted_and_says_each_word_once():
    words = [row[0].lower() for row in table_rows("glossary.md")]
    assert words == sorted(set(words))


LINK = re.compile(r"\[[^\]]*\]\(([^)#\s]+)[^)]*\)")


@pytest.mark.parametrize("path", sorted(p.relative_to(ROOT).as_posix() for p in [*DOCS.glob("*.md"), *ROOT.glob("*.md"), *ROOT.glob("*/README.md")]))
def test_links_between_documents_lead_somewhere(path):
    page = ROOT / path
    targets = [target for target in LINK.findall(page.read_text(encoding="utf-8")) if "://" not in target]
    assert [target for target in targets if not (page.parent / target).exists()] == []


@pytest.mark.parametrize("path", sorted(p.relative_to(ROOT).as_posix() for p in ROOT.glob("*/README.md")))
def test_a_room_explains_itself_in_sixty_lines(path):
    assert len((ROOT / path).read_text(encoding="utf-8").splitlines()) <= 60


EXAMPLE = re.compile(r"```python\n((?!>>>).*?)```\n+```text\n(.*?)```", re.DOTALL)


@pytest.mark.parametrize("path", sorted(p.relative_to(ROOT).as_posix() for p in ROOT.glob("*/README.md")))
def test_the_examples_of_a_room_print_what_they_say(path, capsys):
    for code, output in EXAMPLE.findall((ROOT / path).read_text(encoding="utf-8")):
        exec(compile(code, path, "exec"), {})
        assert capsys.readouterr().out == output

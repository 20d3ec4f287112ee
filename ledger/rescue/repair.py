"""What would make the book of an import right: corrections with evidence, in a session of their own, never a deletion.

Theory of operation. The booked trades are right but for three things that only the file's other tables show. Shares that were
recorded and are not held: their purchases are taken back, the suspected repeats first and then the newest, by a revision of the
execution (quantity 0, or what is left of it), so that cash, lots and profit follow by themselves. Shares that are held and
were never recorded come in at their stored cost. Cash that deleted rows moved comes in as an adjustment. All else that an
audit finds (a wrong profit, an edited day) is a stored copy of something that the book works out, and needs no repair.
`plan` proposes, `apply_plan` records the import's events and then the steps into a new session whose parent is the
import. A question that nobody but the owner can answer stays a question.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ledger import explain
from ledger.book import EVENT_WIDTH, H_CASH, I_POSITION, N_ID, Book, event
from ledger.journal import Journal
from ledger.journal.names import KEPT
from ledger.journal.replay import session_row
from ledger.rescue.amounts import worth
from ledger.rescue.audit.cash import expected_cash
from ledger.rescue.audit.duplicates import Suspects, suspects
from ledger.rescue.audit.finding import Case, text
from ledger.rescue.audit.positions import held_by_symbol
from ledger.rescue.audit.rows import deleted
from ledger.rescue.booking import WORTH_MOST, Grid
from ledger.rescue.legacy import StoredPosition, name_text
from ledger.units import MONEY_SCALE, decimal_text
from ledger.vocabulary import EventKind, Method


class Step(NamedTuple):
    """One correction. `qty_e8` is what comes (+) or goes (-), `cash_e8` what it does to cash."""

    kind: str
    symbol: str | None
    row: str | None
    qty_e8: int
    price_e8: int
    cash_e8: int
    evidence: str
    place: int


class Plan(NamedTuple):
    """Steps, and what cannot be repaired without an answer."""

    steps: list[Step]
    questions: list[str]


class State(NamedTuple):
    """What a book says, beside what the file stored."""

    cash_e8: int
    positions: dict[str, int]


class Applied(NamedTuple):
    """A repaired session, and the book before and after."""

    session_id: int
    before: State
    after: State


def plan(case: Case) -> Plan:
    """Return the corrections that the file's own tables ask for."""
    steps, questions = list(_positions(case)), []
    repaired = {step.symbol for step in steps}
    steps += _cash(case)
    trades, truth = case.legacy.trades, case.truth
    for at in np.flatnonzero(truth.unmatched_e8 > 0).tolist():
        label = case.legacy.label(int(trades.symbol[at]))
        if label not in repaired:
            missing = decimal_text(int(truth.unmatched_e8[at]), 8, 0)
            questions.append(
                f"{trades.row(at)}: {missing} {label} were sold and never bought here; what did they cost, and when "
                f"were they bought?"
            )
    if case.legacy.positions is None:
        questions.append("the file has no positions: which shares are really held?")
    return Plan(steps, questions)


def _positions(case: Case) -> Iterator[Step]:
    """Yield the steps that bring each position to the stored one."""
    held = held_by_symbol(case)
    if held is None:
        return
    repeats = {found.symbol: found for found in suspects(case)}
    stored = {position.symbol: position for position in case.legacy.positions or []}
    for symbol in range(len(case.legacy.symbols)):
        excess = int(case.truth.position_e8[symbol]) - held.get(symbol, 0)
        if excess > 0:
            yield from _taken_back(case, symbol, excess, repeats.get(symbol))
        elif excess < 0:
            yield from _brought_in(case, symbol, -excess, stored.get(symbol))


def _taken_back(case: Case, symbol: int, excess: int, repeats: Suspects | None) -> Iterator[Step]:
    """Yield purchases to take back, wholly or in part, until the excess is gone."""
    trades, label = case.legacy.trades, case.legacy.label(symbol)
    mine = case.legacy.in_order()
    mine = mine[(trades.symbol[mine] == symbol) & (trades.side[mine] > 0)]
    first = repeats.beyond_first if repeats is not None else np.zeros(0, np.int64)
    order = [*first[::-1].tolist(), *(at for at in mine[::-1].tolist() if at not in set(first.tolist()))]
    for at in order:
        if excess <= 0:
            return
        qty = min(int(trades.qty_e8[at]), excess)
        excess -= qty
        whole = qty == int(trades.qty_e8[at])
        value = int(case.truth.value_e8[at]) if whole else worth(int(trades.price_e8[at]), qty, MONEY_SCALE)
        evidence = (
            f"{label}: the stored position is smaller than the trades by these shares; {trades.row(at)} was "
            f"recorded and "
            f"{'never held' if whole else 'held in part'}"
        )
        kind = "take back" if whole else "take back in part"
        yield Step(kind, label, trades.row(at), -qty, int(trades.price_e8[at]), value, evidence, at)


def _brought_in(case: Case, symbol: int, missing: int, stored: StoredPosition | None) -> Iterator[Step]:
    label = case.legacy.label(symbol)
    if stored is not None and 0 < worth(stored.avg_cost_e8 or 0, missing) < WORTH_MOST:
        evidence = (
            f"{label}: {stored.row} holds more than the trades add up to; the purchase is not in the file, its cost is"
        )
        evidence += " the stored one"
        yield Step("bring in", label, stored.row, missing, stored.avg_cost_e8 or 0, 0, evidence, symbol)


def _cash(case: Case) -> Iterator[Step]:
    """Yield the cash that deleted rows moved; other differences are of a stored copy, and the book's cash is right."""
    lost = list(deleted(case))
    for account in case.legacy.accounts if lost else []:
        amount = (account.cash_e8 or 0) - expected_cash(case, account.portfolio)
        if account.cash_e8 is not None and amount:
            left = text(expected_cash(case, account.portfolio))
            evidence = (
                f"{lost[0].title}; {account.row} says {text(account.cash_e8)}, the rows that are left give {left}"
            )
            yield Step("adjust cash", None, account.row, 0, 0, amount, evidence, -1)


def apply_plan(journal: Journal, session_id: int, case: Case, made: Plan, operator: str) -> Applied:
    """Record the import's events and then the plan's steps into a new session; return it with before and after.

    Args:
        operator: who repairs; part of each adjustment's evidence.
    """
    row = session_row(journal.connection, session_id)
    config = {
        **json.loads(row["config"]),
        "repair_of": session_id,
        "operator": operator,
        "steps": [step._asdict() for step in made.steps],
    }
    config["import"] = {**config["import"], "repaired": True}
    session = journal.begin(
        "import", f"{row['scope']}:repaired", config=config, parent=session_id, method=Method(row["method"])
    )
    known = journal.connection.execute(
        "SELECT text FROM name WHERE session_id = ? ORDER BY number", (session_id,)
    ).fetchall()
    session.names_of([name for (name,) in known])
    session.record_all(explain.events_of(journal, session_id))
    before = state_of(case, session.book)
    for step in made.steps:
        session.keep("repair", json.dumps(step._asdict()))
    events = _events(
        case, made, session.names_of([name_text(f"{operator}: {step.evidence}") for step in made.steps]), session.book
    )
    if len(events):
        session.record_all(events)
    after = state_of(case, session.book)
    session.end("repaired")
    return Applied(session.id, before, after)


def state_of(case: Case, book: Book) -> State:
    """Return cash and positions of a book, by the names of the file."""
    lots = Grid(case.legacy).qty
    held = {
        case.legacy.label(code): int(book.instruments[code + 1, I_POSITION]) * 10 ** (8 - int(lots[code]))
        for code in range(len(case.legacy.symbols))
    }
    return State(int(book.arena[H_CASH]), held)


def _events(case: Case, made: Plan, refs: list[int], book: Book) -> NDArray[np.int64]:
    """Return the events of the steps; adjustments get execution ids after every row's."""
    trades, grid = case.legacy.trades, Grid(case.legacy)
    last = int(book.entries[:, N_ID].max()) if len(book.entries) else KEPT
    end = int(trades.time_ns[trades.bookable].max()) + 1 if trades.bookable.any() else 0
    rows = []
    for number, (step, ref) in enumerate(zip(made.steps, refs, strict=True), 1):
        if step.kind == "adjust cash":
            rows.append(event(EventKind.ADJUST_CASH, cash_e8=step.cash_e8, exec_id=last + number, ref=ref, time_ns=end))
            continue
        symbol = int(trades.symbol[step.place]) if step.kind != "bring in" else step.place
        price = max(1, step.price_e8 // 10 ** (8 - int(grid.price[symbol])))
        scale = 10 ** (8 - int(grid.qty[symbol]))
        if step.kind == "bring in":
            came = {"side": 1, "qty_lots": step.qty_e8 // scale, "exec_id": last + number, "ref": ref, "time_ns": end}
            rows.append(event(EventKind.ADJUST_POSITION, instrument=symbol + 1, price_ticks=price, **came))
            continue
        left = (int(trades.qty_e8[step.place]) + step.qty_e8) // scale
        fill = {"exec_id": KEPT + int(trades.number[step.place]), "revision": 1, "side": 1, "qty_lots": left}
        rows.append(
            event(
                EventKind.FILL,
                instrument=symbol + 1,
                price_ticks=price,
                time_ns=int(trades.time_ns[step.place]),
                **fill,
            )
        )
    return np.array(rows, np.int64).reshape(len(rows), EVENT_WIDTH)

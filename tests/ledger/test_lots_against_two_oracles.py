"""Lots of the core against two independent books: the slow twin, and beancount's own FIFO and LIFO booking.

The fills go short, cross through zero, are fractional, come late and are
corrected afterwards. Both oracles get the executions as they were in the end,
in the order of their times; the core got them as they came.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import date, timedelta
from decimal import Decimal
from typing import NamedTuple

import numpy as np
import pytest
from beancount.core import data
from beancount.core.amount import Amount
from beancount.core.number import MISSING
from beancount.core.position import CostSpec
from beancount.parser import booking, options

from ledger import book as B
from ledger.book import Book, Capacity
from ledger.core import apply_all
from ledger.invariants import Invariant, check
from ledger.vocabulary import EventKind, Method
from tests.ledger.twin.comparison import row_of
from tests.ledger.twin.slow_lots import Lots

pytestmark = [pytest.mark.compiled, pytest.mark.slow]
SYMBOLS = 32


class Fill(NamedTuple):
    """An execution as it was in the end."""

    exec_id: int
    symbol: int
    side: int
    qty: int
    price: int


class Match(NamedTuple):
    """A part of an opening execution that a closing one took, in exact money."""

    opened: int
    closed: int
    side: int
    qty: int
    cost: int
    proceeds: int


def fills(count: int, seed: int) -> tuple[list[Fill], np.ndarray]:
    """Return executions in the order of their times, and event rows in the order of their arrival."""
    random = np.random.default_rng(seed)
    price, position = np.full(SYMBOLS + 1, 500_000), np.zeros(SYMBOLS + 1, np.int64)
    grid = {"kind": EventKind.INSTRUMENT, "revision": 4, "order_type": 4, "price_ticks": 1, "qty_lots": 1, "target_lots": 1}
    final, rows = [], [row_of(grid | {"instrument": n}) for n in range(1, SYMBOLS + 1)]
    late, corrected = [], []
    for exec_id in range(1, count + 1):
        symbol = int(random.integers(1, SYMBOLS + 1))
        price[symbol] = max(1, price[symbol] + random.integers(-5_000, 5_001))
        away = -int(np.sign(position[symbol])) or 1
        side = away if random.random() < 0.55 else -away
        qty = int(random.choice([10_000 * random.integers(1, 500), random.integers(1, 3_000_000), abs(position[symbol]) or 1]))
        position[symbol] += side * qty
        fill = Fill(exec_id, symbol, side, qty, int(price[symbol]))
        final.append(fill)
        first, dice = fill, random.random()
        if dice < 0.001:
            first = fill._replace(price=fill.price + 7, qty=fill.qty + 1)
            corrected.append(_event(fill, revision=1))
        (late if 0.001 < dice < 0.002 else rows).append(_event(first))
    return final, np.array(rows + late + corrected)


def _event(fill: Fill, revision: int = 0) -> np.ndarray:
    return row_of({
        "kind": EventKind.FILL, "instrument": fill.symbol, "side": fill.side, "qty_lots": fill.qty, "price_ticks": fill.price,
        "exec_id": fill.exec_id, "revision": revision, "time_ns": fill.exec_id * 1_000,
    })  # fmt: skip


def of_core(rows: np.ndarray, method: Method) -> tuple[dict[int, list[Match]], Book]:
    """Return the matches of each symbol in the order of booking, by the core."""
    book = Book(method=method, capacity=Capacity(64, 16, 2 * len(rows), 4 * len(rows), 8 * len(rows), 16))
    assert apply_all(book, rows) == len(rows)
    result = defaultdict(list)
    current = book.instruments[book.allocations[:, B.A_INSTRUMENT], B.I_VERSION] == book.allocations[:, B.A_VERSION]
    ids, lots = book.entries[:, B.N_ID].tolist(), book.lots[:, B.L_ENTRY].tolist()
    for lot, closed, symbol, side, qty, cost, proceeds, _ in book.allocations[current].tolist():
        result[symbol].append(Match(ids[lots[lot]], ids[closed], side, qty, cost, proceeds))
    return result, book


def of_twin(final: list[Fill], method: Method) -> dict[int, list[Match]]:
    """Return the same by the slow twin."""
    booked = {n: Lots(method) for n in range(1, SYMBOLS + 1)}
    for fill in final:
        booked[fill.symbol].trade(fill.exec_id, fill.side, fill.qty, fill.qty * fill.price)
    return {
        symbol: [Match(lots.lots[x.lot].entry, x.close, x.side, x.qty, x.cost, x.proceeds) for x in lots.allocations]
        for symbol, lots in booked.items() if lots.allocations
    }  # fmt: skip


def of_beancount(final: list[Fill], method: data.Booking) -> dict[int, list[Match]]:
    """Return the same by beancount: a crossing fill is two postings, and each lot has its own date and label."""
    accounts = [f"Assets:S{n}" for n in range(1, SYMBOLS + 1)]
    entries: list[data.Directive] = [data.Open(data.new_metadata("open", 0), date.min, name, None, method) for name in accounts]
    position, by_label = defaultdict(int), {}
    for fill in final:
        by_label[str(fill.exec_id)] = fill
        held = position[fill.symbol]
        closing = min(fill.qty, abs(held)) if held * fill.side < 0 else 0
        position[fill.symbol] += fill.side * fill.qty
        for qty, opens in ((closing, False), (fill.qty - closing, True)):
            if qty:
                entries.append(_transaction(fill, fill.side * qty, opens))
    booked, errors = booking.book(entries, options.OPTIONS_DEFAULTS.copy())
    assert not errors, errors[:3]
    result = defaultdict(list)
    for entry in booked[SYMBOLS:]:
        closed = by_label[entry.narration]
        for posting in entry.postings[:-1]:
            opened = by_label[posting.cost.label]
            if opened != closed:
                qty = abs(int(posting.units.number * 10_000))
                cost = int(posting.cost.number * 10_000) * qty
                result[closed.symbol].append(Match(opened.exec_id, closed.exec_id, opened.side, qty, cost, qty * closed.price))
    return result


def _transaction(fill: Fill, units: int, opens: bool) -> data.Transaction:
    day = date(1, 1, 1) + timedelta(days=fill.exec_id)
    price = Decimal(fill.price).scaleb(-4)
    spec = CostSpec(price if opens else MISSING, None, "USD", day if opens else None, str(fill.exec_id) if opens else None, False)
    meta = data.new_metadata("fills", fill.exec_id)
    stock = data.Posting(f"Assets:S{fill.symbol}", Amount(Decimal(units).scaleb(-4), f"S{fill.symbol}"), spec, None, None, meta)
    cash = data.Posting("Assets:Cash", MISSING, None, None, None, meta)
    return data.Transaction(meta, day, "*", None, str(fill.exec_id), frozenset(), frozenset(), [stock, cash])


def realized(matches: dict[int, list[Match]]) -> int:
    """Return the profit of all matches in e8."""
    return sum(m.side * (m.proceeds - m.cost) for of_symbol in matches.values() for m in of_symbol)


@pytest.fixture(scope="module")
def hundred_thousand() -> tuple[list[Fill], np.ndarray]:
    """Executions shared by all methods."""
    return fills(100_000, seed=712)


@pytest.mark.parametrize("method", Method, ids=lambda m: m.name)
def test_every_allocation_of_a_hundred_thousand_fills_is_the_twins_to_the_last_digit(
    hundred_thousand: tuple[list[Fill], np.ndarray], method: Method
) -> None:
    final, rows = hundred_thousand
    core, book = of_core(rows, method)
    twin = of_twin(final, method)
    assert core == twin
    assert book.valuation().realized == realized(twin)
    assert {m.side for matches in twin.values() for m in matches} == {-1, 1}
    assert int(book.instruments[:, B.I_VERSION].sum()) > 100, "corrections and late fills made new versions"
    assert check(book) == Invariant.HOLDS


def _against_beancount(count: int, method: str) -> None:
    final, rows = fills(count, seed=33)
    core, book = of_core(rows, Method[method])
    beancount = of_beancount(final, data.Booking[method])
    assert core == beancount
    assert book.valuation().realized == realized(beancount)


@pytest.mark.parametrize("method", ["FIFO", "LIFO"])
def test_beancount_books_the_same_lots_at_the_same_cost(method: str) -> None:
    _against_beancount(20_000, method)


@pytest.mark.soak
@pytest.mark.parametrize("method", ["FIFO", "LIFO"])
def test_beancount_books_a_hundred_thousand_fills_to_the_same_lots(method: str) -> None:
    _against_beancount(100_000, method)

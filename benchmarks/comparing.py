"""Two sessions of 100,000 trades each, compared: the whole answer, its curves, and one story.

Theory of operation. Both sessions follow one random walk; in the second every tenth order is filled a tick worse, every
fiftieth decision is left out and every thousandth is twice as large, so that the comparison has everything to do. Before a
figure is printed the parts must add up to the difference of the replayed books, and a session compared with itself must
be equal. Files are read as a user's would be: warm, by a process that has nothing else open.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.measures import Line
from ledger.book import E_FEE, E_KEY, E_PRICE, E_QTY, Book, Row, event
from ledger.compare import compare, curves, story
from ledger.core import apply, decide
from ledger.journal import Journal
from ledger.keys import make
from ledger.vocabulary import EventKind, OrderType, Outcome, Purpose

START, MINUTE = 1_700_000_000, 60


def history(trades: int, other: bool) -> np.ndarray:
    """Return the events of a session of `trades` round trips; `other` is the one that differs."""
    book, events = Book(), []

    def add(line: Row) -> None:
        assert apply(book, line) == Outcome.APPLIED
        events.append(line)

    add(event(EventKind.INSTRUMENT, instrument=1, revision=4, order_type=4, price_ticks=100, qty_lots=10_000, target_lots=1, ref=1))
    add(event(EventKind.DEPOSIT, cash_e8=10**16, time_ns=START * 10**9))
    draw = np.random.default_rng(5)
    prices = (1_000_000 + 100 * np.cumsum(draw.integers(-3, 4, 2 * trades))).clip(100_000).tolist()
    for at, price in enumerate(prices):
        now, opens = (START + MINUTE * at) * 10**9, at % 2 == 0
        add(event(EventKind.MARK, instrument=1, price_ticks=price, time_ns=now))
        if other and (at // 2) % 50 == 49:
            continue
        size = 20_000 if other and (at // 2) % 1_000 == 7 else 10_000
        _trade(book, add, at, now, size if opens else 0, price + (100 if other and at % 10 == 3 else 0))
    return np.array(events)


def _trade(book: Book, add: Callable[[Row], None], at: int, now: int, target: int, price: int) -> None:
    """Claim, fill and pay one order."""
    wish = event(
        EventKind.SIGNAL, key=make(1, 1, Purpose.TARGET, START + MINUTE * at), instrument=1, target_lots=target, price_ticks=price + 10_000,
        order_type=OrderType.MARKET, time_ns=now,
    )  # fmt: skip
    outcome, claim = decide(book, wish)
    assert outcome == Outcome.APPLIED
    add(claim)
    fill = event(EventKind.FILL, key=int(claim[E_KEY]), instrument=1, side=1 if target else -1, exec_id=at + 1, time_ns=now + 10**9)
    fill[E_QTY], fill[E_PRICE] = claim[E_QTY], price
    add(fill)
    paid = event(EventKind.COMMISSION, exec_id=at + 1, time_ns=now + 10**9)
    paid[E_FEE] = 10**8
    add(paid)


def sessions(place: Path, trades: int, rounds: int = 3) -> list[Line]:
    """Time `compare` and `curves` over two sessions in one file."""
    path = place / "compare.db"
    with Journal.open(path) as journal:
        for other in (False, True):
            session = journal.begin("backtest", "BENCH", config={"strategies": {"1": "walk"}})
            session.name("BENCH")
            session.record_all(history(trades, other))
            session.end()
    spent: list[list[float]] = [[], []]
    with Journal.read(path) as journal:
        for _ in range(rounds):
            start = time.perf_counter()
            found = compare(journal, 1, journal, 2)
            spent[0].append(time.perf_counter() - start)
            start = time.perf_counter()
            lines = curves([(journal, 1), (journal, 2)])
            spent[1].append(time.perf_counter() - start)
        ends = [journal.book(number).valuation().equity for number in (1, 2)]
        assert found.residual_e8 == 0 and None not in ends
        apart = (ends[1] or 0) - (ends[0] or 0)
        assert sum(part.amount_e8 or 0 for part in found.parts) == apart, "the parts must add up to the books' difference"
        assert found.difference_e8 == apart == int(lines.difference_e8[1][-1])
        assert compare(journal, 1, journal, 1).certificate.equal
        start = time.perf_counter()
        key = next(row.b.key for row in found.different if row.b is not None)
        steps = story(journal, 2, key).steps
        told = time.perf_counter() - start
    assert [step.what for step in steps] == ["CLAIM", "FILL", "COMMISSION"]
    middle = [sorted(times)[len(times) // 2] for times in spent]
    what = f"two sessions of {trades:,} trades"
    shown = f"{len(found.rows):,} decisions, {len(found.different):,} differ; parts add up to the replayed books' difference, residual 0"
    return [
        Line(f"`compare`, {what}", f"{middle[0]:.1f} s", "", shown),
        Line(f"`curves` of {what}, replayed", f"{middle[1]:.1f} s", "", f"{lines.time_ns.size:,} moments; ends are those of the books"),
        Line(f"`story` of one order of {what}", f"{told * 1e3:.0f} ms", "", "claim, fill, commission"),
    ]

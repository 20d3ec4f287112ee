"""Eight processes want the same thousand orders: each order is claimed once, the cap holds, nobody is turned away."""

from __future__ import annotations

import multiprocessing
import random
import sqlite3
import time
from pathlib import Path
from typing import Any

import numpy as np

from ledger.book import event
from ledger.journal import Journal
from ledger.vocabulary import EventKind, Limit, OrderFlag, Outcome
from tests.ledger.journal.journal_streams import opening, signal

PROCESSES, KEYS = 8, 1_000
_fork = multiprocessing.get_context("fork")


def _wish(number: int) -> np.ndarray:
    """Return the signal for key `number`; each wants one lot more than its key's number, so that none is at target."""
    wish = signal(1, 10_000 * (number + 1) + 10_000_000_000, number)
    wish[13] = OrderFlag.PYRAMID
    return wish


def _claim_all(path: Path, seed: int, answers: multiprocessing.SimpleQueue) -> None:  # type: ignore[type-arg]
    numbers = list(range(KEYS))
    random.Random(seed).shuffle(numbers)
    outcomes: list[int] = []
    longest = 0.0
    try:
        with Journal.open(path) as journal:
            session = journal.resume(1)
            for number in numbers:
                start = time.perf_counter()
                outcomes.append(int(session.gate(_wish(number)).outcome))
                longest = max(longest, time.perf_counter() - start)
        answers.put((outcomes, longest, ""))
    except Exception as error:
        answers.put((outcomes, longest, repr(error)))


def _race(path: Path) -> tuple[list[int], list[str], float]:
    answers = _fork.SimpleQueue()
    children = [_fork.Process(target=_claim_all, args=(path, seed, answers)) for seed in range(PROCESSES)]
    for child in children:
        child.start()
    told = [answers.get() for _ in children]
    for child in children:
        child.join()
    return [o for outcomes, _, _ in told for o in outcomes], [e for *_, e in told if e], max(t for _, t, _ in told)


def _journal(path: Path, cap: int) -> None:
    with Journal.open(path) as journal:
        session = journal.begin("fuzz", "shared", config={})
        session.record_all(np.array(opening()))
        session.record(event(EventKind.LIMIT, reason=Limit.DAILY_ORDERS, cash_e8=cap))
        session.record(event(EventKind.DEPOSIT, cash_e8=10**18))
        # Compile what the children will need: they are forked, so they inherit it.
        warm = journal.begin("fuzz", "warm", config={})
        warm.record_all(np.array(opening()))
        warm.gate(_wish(0))
        warm.gate(_wish(0))


def test_eight_processes_claim_a_thousand_keys_exactly_once(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    _journal(path, 10**6)
    outcomes, errors, _ = _race(path)
    assert errors == []
    assert outcomes.count(Outcome.APPLIED) == KEYS and len(outcomes) == PROCESSES * KEYS
    with Journal.read(path) as journal:
        book = journal.book(1)
        assert len(book.orders) == KEYS == len(set(book.orders[:, 0].tolist()))
        assert journal.verify(1).findings == []


def test_eight_processes_never_pass_a_cap(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    _journal(path, 137)
    outcomes, errors, _ = _race(path)
    assert errors == []
    assert outcomes.count(Outcome.APPLIED) == 137


def _check_then_insert(path: Path, seed: int, all_checked: Any) -> None:
    """The bots' way: look whether the order exists, then write it, without a constraint.

    Everybody looks for the first order before anybody writes it: what happens by chance in a bot happens here each time.
    """
    connection = sqlite3.connect(path, timeout=30, isolation_level=None)
    connection.execute("PRAGMA synchronous = OFF")
    numbers = list(range(KEYS))
    random.Random(seed // 4).shuffle(numbers)
    for number in numbers:
        if connection.execute("SELECT count(*) FROM bought WHERE key = ?", (number,)).fetchone()[0] == 0:
            if number == numbers[0]:
                all_checked.wait(60)
            connection.execute("INSERT INTO bought VALUES (?)", (number,))
    connection.close()


def test_checking_first_and_inserting_then_buys_twice(tmp_path: Path) -> None:
    path, all_checked = tmp_path / "bots.db", _fork.Barrier(PROCESSES)
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("CREATE TABLE bought (key INTEGER NOT NULL)")
    children = [_fork.Process(target=_check_then_insert, args=(path, seed, all_checked)) for seed in range(PROCESSES)]
    for child in children:
        child.start()
    for child in children:
        child.join()
    assert [child.exitcode for child in children] == [0] * PROCESSES
    assert connection.execute("SELECT count(*) FROM bought").fetchone()[0] > KEYS
    connection.close()

"""How long a foreign database takes to audit, from the shell, and how much memory.

Theory of operation. A robo_trader database is written with trades in the hours of the exchange and three faults of known
size: a profit that is off, a profit that is missing, and cash that was lost. The figure is printed only if the audit finds just
these, each with its exact amount. Time is of the whole command; processor time and memory are the child's own.
"""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

from benchmarks.measures import Line

ROOT = Path(__file__).resolve().parent.parent
SYMBOLS, DAY_S, FIRST = 200, 86_400, 1_577_977_200
"""Symbols; seconds of a day; Thursday 2020-01-02 15:00 UTC."""
A_DAY = 4_000
SCHEMA = """
CREATE TABLE trades(id INTEGER PRIMARY KEY AUTOINCREMENT, symbol TEXT NOT NULL, side TEXT NOT NULL, quantity INTEGER NOT NULL,
  price REAL NOT NULL, slippage REAL DEFAULT 0, commission REAL DEFAULT 0, timestamp DATETIME, pnl REAL);
CREATE TABLE positions(id INTEGER PRIMARY KEY AUTOINCREMENT, symbol TEXT UNIQUE, quantity INTEGER, avg_cost REAL, market_price REAL,
  timestamp DATETIME);
CREATE TABLE account(id INTEGER PRIMARY KEY, cash REAL, equity REAL, daily_pnl REAL, realized_pnl REAL, unrealized_pnl REAL,
  timestamp DATETIME);
"""
INSERT = (
    "INSERT INTO trades(symbol, side, quantity, price, commission, timestamp, pnl)"
    " VALUES (?, ?, ?, ?, ?, datetime(?, 'unixepoch'), ?)"
)
MOVED = (
    "SELECT sum(CASE side WHEN 'BUY' THEN -1 ELSE 1 END * quantity * cast(round(price * 100) AS INTEGER)) - 100 * count(*)"
    " FROM trades"
)


def _cents(symbol: int, round_: int) -> int:
    return 2_000 + 37 * symbol + round_ % 97


def _trades(count: int) -> Iterator[tuple[object, ...]]:
    """Yield rows: each symbol is bought and sold in turn, one trade every four seconds of a weekday's session."""
    for n in range(count):
        symbol, turn = n % SYMBOLS, n // SYMBOLS
        days = n // A_DAY + 1  # From Friday the 3rd on, five days a week.
        when = FIRST + (days + 2 * ((days + 3) // 5)) * DAY_S + n % A_DAY * 4
        qty, price, sold = 100 + symbol, _cents(symbol, turn), turn % 2
        profit = qty * (price - _cents(symbol, turn - 1)) / 100 if sold else None
        yield f"S{symbol}", "SELL" if sold else "BUY", qty, price / 100, 1.0, when, profit


def _database(path: Path, count: int) -> dict[str, Decimal]:
    """Write the database; return the amount of each fault."""
    connection = sqlite3.connect(path)
    connection.executescript(SCHEMA)
    connection.executemany(INSERT, _trades(count))
    cents = 10_000_000 + connection.execute(MOVED).fetchone()[0]
    gained = connection.execute("SELECT sum(cast(round(pnl * 100) AS INTEGER)) FROM trades").fetchone()[0]
    last = count - 1
    missing = connection.execute("SELECT pnl FROM trades WHERE id = ?", (last,)).fetchone()[0]
    connection.execute("UPDATE trades SET pnl = NULL WHERE id = ?", (last,))
    connection.execute("UPDATE trades SET pnl = pnl + 276.26 WHERE id = ?", (count,))
    cash = (cents - 182_130) / 100
    connection.execute("INSERT INTO account VALUES (1, ?, ?, 0, ?, 0, NULL)", (cash, cash, gained / 100))
    connection.commit()
    connection.close()
    lost = Decimal("-1821.30")
    return {
        "pnl-differs": Decimal("276.26"), "pnl-null": -Decimal(str(missing)), "cash-does-not-foot": lost, "phantom-cash": lost,
    }  # fmt: skip


def audit(folder: Path, count: int) -> list[Line]:
    """Return the line on auditing a database of so many trades, a multiple of 400."""
    path = folder / "trading_data.db"
    planted = _database(path, count)
    words = [sys.executable, str(ROOT / "onebook.py"), "book", "audit", str(path), "--json", "-q"]
    said = folder / "audit.json"
    started = time.perf_counter()
    with said.open("w") as stream:
        child = subprocess.Popen(words, stdout=stream, env={**os.environ, "PYTHONPATH": str(ROOT)})
        _, _, used = os.wait4(child.pid, 0)
    took = time.perf_counter() - started
    found = {one["audit"]: Decimal(one["amount"] or 0) for one in json.loads(said.read_text())["findings"]}
    assert found == planted, (found, planted)
    figure = f"{took:.1f} s, {used.ru_utime + used.ru_stime:.1f} s of them processor time; {used.ru_maxrss // 1024} MB"
    what = f"audit of a foreign SQLite database of {count:,} trades, from the shell"
    return [Line(what, figure, "30 s, 1 GB", f"{len(planted)} findings of 3 planted faults, each amount exact, no other")]

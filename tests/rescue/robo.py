"""A bot that writes robo_trader's databases, in every generation, correctly; disasters are done to it by the tests.

It keeps its own account in Decimal: cash, average cost, FIFO profit. A disaster is a change to `trades`, `positions`,
`account` or `days` before `save`, the same change that the real programs made.
"""

from __future__ import annotations

import sqlite3
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from tests.rescue.twin import Deal, fifo

GENERATIONS = ("G1", "G2", "G2a", "G3", "G4")
TABLES = {
    "trades": "id INTEGER PRIMARY KEY AUTOINCREMENT, symbol TEXT NOT NULL, {side} TEXT NOT NULL, quantity INTEGER NOT NULL, price REAL NOT NULL, "
    "slippage REAL DEFAULT 0, commission REAL DEFAULT 0, timestamp DATETIME DEFAULT CURRENT_TIMESTAMP",
    "positions": "id INTEGER PRIMARY KEY AUTOINCREMENT, symbol TEXT NOT NULL, quantity INTEGER NOT NULL, avg_cost REAL NOT NULL, market_price REAL, "
    "timestamp DATETIME DEFAULT CURRENT_TIMESTAMP",
    "account": "id INTEGER PRIMARY KEY, cash REAL NOT NULL, equity REAL NOT NULL, daily_pnl REAL, realized_pnl REAL, unrealized_pnl REAL, "
    "timestamp DATETIME DEFAULT CURRENT_TIMESTAMP",
    "equity_history": "id INTEGER PRIMARY KEY AUTOINCREMENT, date TEXT NOT NULL, equity REAL, cash REAL, positions_value REAL, realized_pnl REAL, "
    "unrealized_pnl REAL, timestamp DATETIME DEFAULT CURRENT_TIMESTAMP",
    "signals": "id INTEGER PRIMARY KEY AUTOINCREMENT, symbol TEXT, strategy TEXT, signal_type TEXT, strength REAL, metadata TEXT, timestamp DATETIME",
    "portfolios": "id TEXT PRIMARY KEY, name TEXT, starting_cash REAL, symbols TEXT, active INTEGER, max_position_pct REAL",
    "market_data": "id INTEGER PRIMARY KEY, symbol TEXT, close REAL, timestamp DATETIME",
    "fifo_accounting_epochs": "id INTEGER PRIMARY KEY, opened TEXT",
}


class Robo:
    """One account. `start` is cash before the first trade."""

    def __init__(self, generation: str = "G2", start: str = "100000") -> None:
        self.generation, self.start = generation, Decimal(start)
        self.deals: list[Deal] = []
        self.marks: dict[str, Decimal] = {}
        self.trades: list[dict] = []
        self.positions: list[dict] = []
        self.account: dict = {}
        self.days: list[dict] = []
        self.next_id = 1

    def trade(self, time: str, side: str, symbol: str, qty: int | str, price: str, fee: str = "0") -> Robo:
        """Do a trade at a UTC time, write it down, and value the symbol at its price."""
        self.deals.append(Deal(time, side, symbol, Decimal(qty), Decimal(price), Decimal(fee)))
        closed = fifo(self.deals)[0][-1]
        self.marks[symbol] = Decimal(price)
        self.trades.append(
            {"id": self.next_id, "symbol": symbol, "side": side, "quantity": int(qty), "price": float(price), "slippage": 0.0,
             "commission": float(fee), "timestamp": time, "pnl": float(closed.profit) if closed.quantity else None}
        )  # fmt: skip
        self.next_id += 1
        return self

    @property
    def cash(self) -> Decimal:
        return self.start - sum((d.sign * d.qty * d.price + d.fee for d in self.deals), Decimal(0))

    @property
    def realized(self) -> Decimal:
        return sum((closed.profit for closed in fifo(self.deals)[0]), Decimal(0))

    def value(self) -> Decimal:
        lots = fifo(self.deals)[1]
        return sum((sum(q for q, _ in queue) * self.marks[s] for s, queue in lots.items() if queue), Decimal(0))

    def close_day(self, day: str) -> Robo:
        """Write the day's row of the equity history, as of now."""
        row = {"date": day, "cash": float(self.cash), "positions_value": float(self.value()), "equity": float(self.cash + self.value()),
               "realized_pnl": float(self.realized), "unrealized_pnl": 0.0, "timestamp": f"{day} 21:05:00"}  # fmt: skip
        self.days.append(row)
        return self

    def settle(self) -> Robo:
        """Write positions and account as they are now; disasters come after this."""
        lots = fifo(self.deals)[1]
        self.positions = []
        for symbol, queue in lots.items():
            qty = sum(q for q, _ in queue)
            if qty:
                cost = sum(q * p for q, p in queue) / qty
                self.positions.append({"symbol": symbol, "quantity": int(qty), "avg_cost": float(cost), "market_price": float(self.marks[symbol])})
        self.account = {"id": 1, "cash": float(self.cash), "equity": float(self.cash + self.value()), "daily_pnl": 0.0,
                        "realized_pnl": float(self.realized), "unrealized_pnl": 0.0}  # fmt: skip
        return self

    def save(self, path: Path) -> Path:
        """Write the database."""
        side = "action" if self.generation == "G2a" else "side"
        newer = self.generation != "G1"
        many = self.generation in ("G3", "G4")
        connection = sqlite3.connect(path)
        for name, columns in TABLES.items():
            if (name == "equity_history" and not newer) or (name == "portfolios" and not many):
                continue
            if name == "fifo_accounting_epochs" and self.generation != "G4":
                continue
            columns = columns.format(side=side)
            if name == "trades" and newer:
                columns += ", pnl REAL"
            if name == "trades" and self.generation == "G2a":
                columns += ", notional REAL DEFAULT 0"
            if many and name in ("trades", "positions", "account", "equity_history", "signals"):
                columns += ", portfolio_id TEXT DEFAULT 'default'"
            connection.execute(f"CREATE TABLE {name} ({columns})")
        drop = () if newer else ("pnl",)
        self._put(connection, "trades", [{side if k == "side" else k: v for k, v in row.items() if k not in drop} for row in self.trades])
        self._put(connection, "positions", self.positions)
        self._put(connection, "account", [self.account] if self.account else [])
        if newer:
            self._put(connection, "equity_history", self.days)
        if many:
            self._put(connection, "portfolios", [{"id": "default", "name": "Default", "starting_cash": float(self.start), "active": 1}])
        connection.commit()
        connection.close()
        return path

    @staticmethod
    def _put(connection: sqlite3.Connection, table: str, rows: list[dict]) -> None:
        for row in rows:
            places = ", ".join("?" * len(row))
            connection.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({places})", list(row.values()))


def workdays(first: str, count: int) -> list[str]:
    """Return Mondays to Fridays from a day on."""
    day, found = date.fromisoformat(first), []
    while len(found) < count:
        if day.weekday() < 5:
            found.append(day.isoformat())
        day += timedelta(days=1)
    return found


def at(day: str, minutes: int) -> str:
    """Return a time of a session: minutes after 15:00 UTC, when New York is open in winter and summer."""
    return (datetime.fromisoformat(f"{day} 15:00:00") + timedelta(minutes=minutes)).strftime("%Y-%m-%d %H:%M:%S")


def clean(generation: str = "G2", days: int = 6, start: str = "100000") -> Robo:
    """Return a bot that traded some days in several symbols and made no mistake; it holds what it should."""
    bot = Robo(generation, start)
    symbols = {"AAPL": "182.13", "APLD": "16.68", "UPST": "66.48", "TEM": "77.86", "IXHL": "0.33"}
    for number, day in enumerate(workdays("2026-01-05", days)):
        worth = {s: Decimal(price) + Decimal(number * (place + 1)) / 100 for place, (s, price) in enumerate(symbols.items())}
        for place, (symbol, price) in enumerate(worth.items()):
            bot.trade(at(day, 10 * place), "BUY", symbol, 10 + 3 * place, str(price), "1.00")
        for place, (symbol, price) in enumerate(worth.items() if number % 2 else ()):
            bot.trade(at(day, 10 * place + 120), "SELL", symbol, 7 + place, str(price + Decimal("0.35")), "1.00")
        bot.close_day(day)
    return bot.settle()

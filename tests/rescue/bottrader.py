"""A bot that keeps BotTrader's tables correctly, and writes them as a SQLite copy, a PostgreSQL dump or a CSV."""

from __future__ import annotations

import csv
import sqlite3
from decimal import Decimal
from pathlib import Path
from typing import Any

from tests.rescue.twin import Deal, fifo

RECORD = ("order_id", "parent_id", "symbol", "side", "order_time", "price", "size", "pnl_usd", "total_fees_usd", "trigger", "status", "source",
          "remaining_size", "realized_profit", "ingest_via")  # fmt: skip
ALLOCATION = ("id", "sell_order_id", "buy_order_id", "symbol", "allocated_size", "buy_price", "sell_price", "pnl_usd", "buy_time", "sell_time",
              "allocation_version", "notes")  # fmt: skip
CASH = ("transaction_id", "transaction_date", "normalized_type", "amount_usd", "source")


class BotTrader:
    """Orders, their FIFO allocations and cash transactions; `orders` and `allocations` may be broken before writing."""

    def __init__(self) -> None:
        self.deals: list[Deal] = []
        self.orders: list[dict[str, Any]] = []
        self.cash: list[dict[str, Any]] = []

    def order(self, time: str, side: str, symbol: str, size: str, price: str, fee: str = "0", trigger: str = '{"trigger": "roc"}') -> BotTrader:
        """Fill an order at a UTC time."""
        self.deals.append(Deal(time, side.upper(), symbol, Decimal(size), Decimal(price), Decimal(fee)))
        closed = fifo(self.deals)[0][-1]
        profit = float(closed.profit) if closed.quantity else None
        self.orders.append(
            {"order_id": f"o-{len(self.orders) + 1:04d}", "parent_id": None, "symbol": symbol, "side": side, "order_time": f"{time}+00", "price": float(price),
             "size": float(size), "pnl_usd": profit, "total_fees_usd": float(fee), "trigger": trigger, "status": "filled", "source": "sighook",
             "remaining_size": None, "realized_profit": profit, "ingest_via": "websocket"}
        )  # fmt: skip
        return self

    def deposit(self, time: str, amount: str) -> BotTrader:
        self.cash.append({"transaction_id": f"c{len(self.cash)}", "transaction_date": f"{time}+00", "normalized_type": "deposit", "amount_usd": amount, "source": "bank"})
        return self

    def settle(self) -> BotTrader:
        """Match everything FIFO, as BotTrader's engine should: allocations, parents and remaining sizes."""
        lots: dict[str, list[list[Any]]] = {}
        self.allocations: list[dict[str, Any]] = []
        for place, (deal, order) in enumerate(zip(self.deals, self.orders, strict=True)):
            queue, left = lots.setdefault(deal.symbol, []), deal.qty
            if deal.sign > 0:
                queue.append([place, deal.qty])
                continue
            while left and queue:
                buy, part = queue[0][0], min(left, queue[0][1])
                order["parent_id"] = order["parent_id"] or self.orders[buy]["order_id"]
                self._allocate(place, buy, part)
                queue[0][1] -= part
                left -= part
                if not queue[0][1]:
                    queue.pop(0)
        for queue in lots.values():
            for place, rest in queue:
                self.orders[place]["remaining_size"] = float(rest)
        for deal, order in zip(self.deals, self.orders, strict=True):
            if deal.sign > 0 and order["remaining_size"] is None:
                order["remaining_size"] = 0.0
        return self

    def _allocate(self, sell: int, buy: int, part: Decimal) -> None:
        bought, sold = self.deals[buy], self.deals[sell]
        profit = part * (sold.price - bought.price)
        self.allocations.append(
            {"id": len(self.allocations) + 1, "sell_order_id": self.orders[sell]["order_id"], "buy_order_id": self.orders[buy]["order_id"], "symbol": sold.symbol,
             "allocated_size": str(part), "buy_price": str(bought.price), "sell_price": str(sold.price), "pnl_usd": str(profit),
             "buy_time": f"{bought.time}+00", "sell_time": f"{sold.time}+00", "allocation_version": 2, "notes": None}
        )  # fmt: skip

    def tables(self) -> dict[str, tuple[tuple[str, ...], list[dict[str, Any]]]]:
        return {"trade_records": (RECORD, self.orders), "fifo_allocations": (ALLOCATION, self.allocations), "cash_transactions": (CASH, self.cash)}

    def save_sqlite(self, path: Path) -> Path:
        connection = sqlite3.connect(path)
        for name, (columns, rows) in self.tables().items():
            connection.execute(f"CREATE TABLE {name} ({', '.join(columns)})")
            connection.executemany(f"INSERT INTO {name} VALUES ({', '.join('?' * len(columns))})", [[row[c] for c in columns] for row in rows])
        connection.commit()
        connection.close()
        return path

    def save_dump(self, path: Path, inserts: int = 0) -> Path:
        """Write what pg_dump writes: COPY blocks, or INSERT statements of so many rows."""
        lines = ["--", "-- PostgreSQL database dump", "--", ""]
        for name, (columns, rows) in self.tables().items():
            lines += [f"CREATE TABLE public.{name} (", *(f"    {c} text," for c in columns[:-1]), f"    {columns[-1]} text", ");", ""]
            if inserts:
                texts = [f"({', '.join(map(_literal, (row[c] for c in columns)))})" for row in rows]
                parts = [texts[n : n + inserts] for n in range(0, len(texts), inserts)]
                lines += [f"INSERT INTO public.{name} VALUES" + (" " if inserts == 1 else "\n\t") + ",\n\t".join(part) + ";" for part in parts]
            else:
                lines.append(f"COPY public.{name} ({', '.join(columns)}) FROM stdin;")
                lines += ["\t".join(_copied(row[c]) for c in columns) for row in rows]
                lines += ["\\.", ""]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return path

    def save_csv(self, path: Path) -> Path:
        with path.open("w", newline="", encoding="utf-8") as stream:
            writer = csv.DictWriter(stream, RECORD)
            writer.writeheader()
            writer.writerows(self.orders)
        return path


def _literal(value: Any) -> str:
    if value is None:
        return "NULL"
    return str(value) if isinstance(value, int | float) else "'" + str(value).replace("'", "''") + "'"


def _copied(value: Any) -> str:
    return "\\N" if value is None else str(value).replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n")


def clean() -> BotTrader:
    """Return a bot that bought and sold coins for some days and matched them rightly."""
    bot = BotTrader().deposit("2025-09-01 08:00:00", "5000.00")
    for n in range(6):
        bot.order(f"2025-09-{10 + n} 10:00:00.{n + 1:06d}", "buy", "SAPIEN-USD", "188.9", str(Decimal("0.17") + Decimal(n) / 1000), "0.35")
        bot.order(f"2025-09-{10 + n} 11:00:00", "buy", "AVAX-USD", "3.25", str(Decimal("29.41") + n), "0.9", '{"trigger": "it''s a \\\\ test"}')
        if n % 2:
            bot.order(f"2025-09-{10 + n} 15:30:00", "sell", "SAPIEN-USD", "200.1", str(Decimal("0.1799") + Decimal(n) / 1000), "0.4")
            bot.order(f"2025-09-{10 + n} 16:30:00", "sell", "AVAX-USD", "5.00000001", str(Decimal("30.02") + n), "0.9")
    return bot.settle()

"""Where the desk's state is kept between runs: a SQLite file, or nowhere.

Theory of operation. Orders, executions and the next order ids are rows; what changed in a turn is
written in one transaction before the turn's answers leave, so no client ever knows
more than the file. On load the executions are booked again, in their order, and give the same
positions and cash; open orders go back to the market.
"""

from __future__ import annotations

import json
import sqlite3
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from sim.gateway.desk.orders import HELD, PENDING, WORKING, Order
from sim.gateway.desk.words import Execution

if TYPE_CHECKING:
    from sim.gateway.core.gateway import Gateway

SCHEMA = (
    "CREATE TABLE IF NOT EXISTS orders (perm_id INTEGER PRIMARY KEY, body TEXT NOT NULL) STRICT",
    "CREATE TABLE IF NOT EXISTS execution (number INTEGER PRIMARY KEY, body TEXT NOT NULL) STRICT",
    "CREATE TABLE IF NOT EXISTS client (client_id INTEGER PRIMARY KEY, next_id INTEGER NOT NULL) STRICT",
    "CREATE TABLE IF NOT EXISTS account (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT",
)
PLAIN = ("client_id", "order_id", "perm_id", "side", "lots", "kind", "limit", "stop", "trail", "trail_bps", "tif", "status", "filled",
         "value", "last", "why_held", "commission_e8", "transmitted", "triggered", "due_ns", "ends_ns", "warning", "done_ns")  # fmt: skip


class StoreError(RuntimeError):
    """The file belongs to another account, or is no gateway's."""


class Store(Protocol):
    """What keeps the state."""

    def load(self, gateway: Gateway) -> None:
        """Put what is kept into a new gateway."""

    def save(self, gateway: Gateway) -> None:
        """Keep what changed."""

    def close(self) -> None:
        """Let go of the file."""


class NoStore:
    """Keeps nothing."""

    def load(self, gateway: Gateway) -> None:
        """Load nothing."""

    def save(self, gateway: Gateway) -> None:
        """Forget what changed."""
        gateway.desk.dirty.clear()
        gateway.desk.trader.filler.fresh.clear()

    def close(self) -> None:
        """Close nothing."""


def _default(value: Any) -> Any:
    return {"decimal": str(value)} if isinstance(value, Decimal) else None


def _hook(found: dict[str, Any]) -> Any:
    return Decimal(found["decimal"]) if len(found) == 1 and "decimal" in found else found


def dump(body: Any) -> str:
    """Return a value as JSON; a Decimal is kept as its text."""
    return json.dumps(body, default=_default, separators=(",", ":"))


def parse(text: str) -> Any:
    """Return what `dump` wrote."""
    return json.loads(text, object_hook=_hook)


class FileStore:
    """Keeps the state in a SQLite file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._connection = sqlite3.connect(path, isolation_level=None)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = NORMAL")
        for statement in SCHEMA:
            self._connection.execute(statement)
        self._ids: dict[int, int] = {}

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def save(self, gateway: Gateway) -> None:
        """Keep what changed, in one transaction."""
        desk = gateway.desk
        filler = desk.trader.filler
        fresh = [(place, filler.executions[place]) for place in sorted(filler.fresh)]
        ids = [(client, number) for client, number in gateway.next_ids.items() if self._ids.get(client) != number]
        if not (desk.dirty or fresh or ids):
            return
        connection = self._connection
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany("INSERT OR REPLACE INTO orders VALUES (?, ?)", [(o.perm_id, _order_text(o)) for o in desk.dirty])
        connection.executemany("INSERT OR REPLACE INTO execution VALUES (?, ?)", [(n, _execution_text(e)) for n, e in fresh])
        connection.executemany("INSERT OR REPLACE INTO client VALUES (?, ?)", ids)
        connection.execute("COMMIT")
        desk.dirty.clear()
        filler.fresh.clear()
        self._ids.update(ids)

    def load(self, gateway: Gateway) -> None:
        """Book the executions again and put the open orders back.

        Raises:
            StoreError: the file is another account's; it is closed.
        """
        config, desk = gateway.config, gateway.desk
        mine = {"account": config.account, "cash": config.cash, "currency": config.currency}
        kept = dict(self._connection.execute("SELECT name, value FROM account"))
        for name, value in mine.items():
            if kept.get(name, value) != value:
                self.close()
                raise StoreError(f"{self.path}: kept with {name} {kept[name]}, asked for {value}; use the same, or another file")
        self._connection.executemany("INSERT OR REPLACE INTO account VALUES (?, ?)", list(mine.items()))
        gateway.next_ids.update(self._connection.execute("SELECT client_id, next_id FROM client"))
        self._ids.update(gateway.next_ids)
        for (body,) in self._connection.execute("SELECT body FROM execution ORDER BY number"):
            _book_again(gateway, parse(body))
        orders = [parse(body) for (body,) in self._connection.execute("SELECT body FROM orders ORDER BY perm_id")]
        _orders_again(gateway, orders)
        desk.dirty.clear()
        desk.trader.filler.fresh.clear()


def _order_text(order: Order) -> str:
    body = {name: getattr(order, name) for name in PLAIN}
    body |= {"fields": order.fields, "contract": order.contract.fields(), "charged": list(order.charged)}
    return dump(body | {"parent": order.parent.perm_id if order.parent else 0})


def _execution_text(done: Execution) -> str:
    return dump({**done._asdict(), "contract": done.contract.fields()})


def _contract(gateway: Gateway, fields: dict[str, Any]) -> Any:
    known = gateway.catalogue.by_id.get(fields["conId"])
    found = [known] if known else gateway.catalogue.find({**fields, "conId": 0})
    if not found:
        raise StoreError(f"contract {fields['symbol']} {fields['secType']} {fields['lastTradeDateOrContractMonth']} is no longer known")
    return found[0]


def _book_again(gateway: Gateway, body: dict[str, Any]) -> None:
    done = Execution(**{**body, "contract": _contract(gateway, body["contract"])})
    account = gateway.desk.account
    account.trade(done.contract, done.side, done.lots, done.price, done.time_ns, done.exec_id, done.fee_e8)
    gateway.desk.trader.filler.keep(done)


def _orders_again(gateway: Gateway, bodies: list[dict[str, Any]]) -> None:
    desk = gateway.desk
    for body in bodies:
        parent, charged = body.pop("parent"), body.pop("charged")
        order = Order(**{**body, "contract": _contract(gateway, body["contract"])})
        order.charged = type(order.charged)(*charged)
        order.parent = desk.by_perm.get(parent)
        if order.parent is not None:
            order.parent.children.append(order)
        order.build_row(gateway.config.account)
        desk.add(order)
    for order in list(desk.by_perm.values()):
        if order.done or not order.transmitted:
            continue
        order.reserved_e8 = desk.margins.reserve(order) if order.parent is None else 0
        desk.margins.reserved_e8 += order.reserved_e8
        if order.status in (HELD, WORKING, PENDING):
            desk.trader.start(order)

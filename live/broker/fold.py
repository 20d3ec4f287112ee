"""From what the broker said to what the book is told: a fold that may be fed in any order and twice.

Theory of operation. Facts of one order arrive in no promised order, twice, late, and
some never. `Fold.add` takes one fact and returns the Reports that follow from it and
from all facts before. Reports say where an order stands, what was executed and
what it cost, and the book refuses what it knows already, so the book after
a set of facts is the same whatever order they came in.

Who is meant: the reference in the message first; then the order id within our client
id, which the journal holds from before the send; then the broker's permanent id. One
order may have several permanent ids over its life; that is said, because two working
orders under one reference would be a fault of the broker's side.

What closes an order: the status words of `codes.py`, a completed order, or a code
that proves a rejection while nothing had acknowledged the order. Executions come from
execDetails alone. A number that does not fit the instrument's grid is not bent: it is
alerted, and the reconciler's comparison keeps the instrument closed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import ROUND_HALF_EVEN, Decimal
from typing import NamedTuple

from ledger.port import Acknowledged, Alert, Charged, Ended, Executed, Fate, Report
from ledger.units import MONEY_EXP, UnitError, to_grid
from live.broker.codes import GONE_STATUS, IDLE_STATUS, LIVE_STATUS, OrderNews, order_news
from live.broker.facts import CommissionSeen, ExecutionSeen, Fact, MessageSeen, OrderSeen, StatusSeen
from live.broker.refs import is_other_book, key_of

Said = Report | Alert
SIDES = {"BOT": 1, "BUY": 1, "SLD": -1, "SELL": -1}
EIGHTH = Decimal(1).scaleb(-MONEY_EXP)


class Contract(NamedTuple):
    """What an instrument of the book is at the broker."""

    number: int
    symbol: str
    con_id: int
    price_exp: int
    qty_exp: int
    tick: int = 1
    """The step of the broker's order prices, in ticks of the book."""


class Fold:
    """The facts of one account so far, as far as later ones need them."""

    def __init__(self, tag: str, client_id: int, account: str, contracts: Iterable[Contract], since_ns: int = 0) -> None:
        """Begin a fold.

        Args:
            since_ns: when the book was begun; what was executed before that and is not its own is in the broker's positions already.
        """
        self._since_ns = since_ns
        self._tag, self._client_id, self._account = tag, client_id, account
        self._contracts = {contract.con_id: contract for contract in contracts}
        self._by_order_id: dict[int, int] = {}
        self._here: set[int] = set()
        self._by_perm_id: dict[int, int] = {}
        self._perm_ids: dict[int, set[int]] = {}
        self._alive: set[int] = set()
        self._idle: set[int] = set()
        self._rejected: dict[int, str] = {}
        self._waiting: dict[int, list[StatusSeen]] = {}
        self.foreign: dict[str, OrderSeen] = {}
        """Orders of other books, programs or people, by what names them."""

    def sent(self, order_id: int, key: int) -> list[Said]:
        """Remember under which order id a key was sent; facts that came before are worked off."""
        self._by_order_id[order_id] = key
        self._here.add(order_id)
        waiting = self._waiting.pop(order_id, [])
        return [said for fact in waiting for said in self.add(fact)]

    def connected(self) -> None:
        """Begin a connection: a message's number is an order's only if that order was named on it.

        Orders and questions draw from one counter, and a gateway may set it back.
        """
        self._here.clear()

    def order_ids(self) -> Mapping[int, int]:
        """Return the keys by order id."""
        return dict(self._by_order_id)

    def perm_ids(self, key: int) -> frozenset[int]:
        """Return every permanent id that was seen with a key."""
        return frozenset(self._perm_ids.get(key, ()))

    def add(self, fact: Fact) -> list[Said]:
        """Take one fact; return what follows from it."""
        if isinstance(fact, OrderSeen):
            return self._on_order(fact)
        if isinstance(fact, StatusSeen):
            return self._on_status(fact)
        if isinstance(fact, ExecutionSeen):
            return self._on_execution(fact)
        if isinstance(fact, CommissionSeen):
            return self._on_commission(fact)
        return self._on_message(fact) if isinstance(fact, MessageSeen) else []

    # Who is meant.

    def _key(self, ref: str, order_id: int, client_id: int, perm_id: int) -> int:
        """Return the key of the order a fact is about, 0 when it is none of this book's."""
        if ref:
            return key_of(ref, self._tag)
        key = self._by_order_id.get(order_id, 0) if client_id == self._client_id else 0
        return key or self._by_perm_id.get(perm_id, 0)

    def _link(self, key: int, order_id: int, client_id: int, perm_id: int) -> list[Said]:
        """Remember the broker's names of an order; alert when it has a second permanent id."""
        if client_id == self._client_id and order_id > 0:
            self._by_order_id[order_id] = key
            self._here.add(order_id)
        if perm_id <= 0:
            return []
        known = self._perm_ids.setdefault(key, set())
        second = bool(known) and perm_id not in known
        known.add(perm_id)
        self._by_perm_id[perm_id] = key
        return [Alert(f"SECOND PERMANENT ID: order {key} is {sorted(known)} at the broker; compare its working orders")] if second else []

    # What is said.

    def _on_order(self, fact: OrderSeen) -> list[Said]:
        key = self._key(fact.order_ref, fact.order_id, fact.client_id, fact.perm_id)
        if key == 0:
            return self._on_foreign(fact)
        said = self._link(key, fact.order_id, fact.client_id, fact.perm_id)
        if fact.client_id == self._client_id:
            said += [found for waiting in self._waiting.pop(fact.order_id, []) for found in self.add(waiting)]
        return said + self._stands(key, fact.time_ns, fact.status, f"{_source(fact)}: {fact.status} {fact.reason}".strip())

    def _on_foreign(self, fact: OrderSeen) -> list[Said]:
        """Keep an order that is not this book's; say so once while it works."""
        name = fact.order_ref or f"perm {fact.perm_id}"
        new = name not in self.foreign
        if fact.completed or fact.status in GONE_STATUS or fact.status == "Filled":
            self.foreign.pop(name, None)
            return []
        self.foreign[name] = fact
        whose = "another book's" if is_other_book(fact.order_ref, self._tag) else "somebody else's"
        line = f"FOREIGN ORDER: {fact.symbol} {fact.action} {fact.quantity} {fact.order_type}, {whose} ({name}), works on this account"
        return [Alert(line)] if new else []

    def _on_status(self, fact: StatusSeen) -> list[Said]:
        key = self._key("", fact.order_id, fact.client_id, fact.perm_id)
        if key == 0:
            if fact.client_id == self._client_id and fact.order_id > 0:
                self._waiting.setdefault(fact.order_id, []).append(fact)
            return []
        said = self._link(key, fact.order_id, fact.client_id, fact.perm_id)
        return said + self._stands(key, fact.time_ns, fact.status, f"orderStatus: {fact.status} {fact.why_held}".strip())

    def _stands(self, key: int, time_ns: int, status: str, evidence: str) -> list[Said]:
        """Return what a status word says of an order."""
        if status in LIVE_STATUS:
            self._alive.add(key)
            return [Acknowledged(time_ns, key, evidence)]
        if status in IDLE_STATUS:
            self._idle.add(key)
            return self._if_rejected(key, time_ns)
        if status in GONE_STATUS:
            rejected = self._rejected.get(key)
            return [Ended(time_ns, key, Fate.REJECTED, rejected) if rejected else Ended(time_ns, key, Fate.CANCELED, evidence)]
        return []

    def _if_rejected(self, key: int, time_ns: int) -> list[Said]:
        """Return the end of an order that a code rejected, once nothing speaks for its being alive."""
        text = self._rejected.get(key)
        if text is None or (key in self._alive and key not in self._idle):
            return []
        return [Ended(time_ns, key, Fate.REJECTED, text)]

    def _on_message(self, fact: MessageSeen) -> list[Said]:
        if fact.req_id <= 0:
            return []
        key = self._by_order_id.get(fact.req_id, 0) if fact.req_id in self._here else 0
        if key == 0:
            return []  # a request of ours; its own waiter hears of it
        evidence = f"error {fact.code}: {fact.text}"
        meaning = order_news(fact.code)
        if meaning is OrderNews.REJECTED:
            self._rejected[key] = evidence
            return self._if_rejected(key, fact.time_ns)
        if meaning is OrderNews.CANCELED:
            return [Ended(fact.time_ns, key, Fate.CANCELED, evidence)]
        if meaning in (OrderNews.NOTE, OrderNews.EXISTS):
            return []
        return [Alert(f"ORDER IN DOUBT: order {key}: {evidence} ({meaning.value}); its state is asked for")]

    def _on_execution(self, fact: ExecutionSeen) -> list[Said]:
        if fact.account != self._account:
            return []
        contract, side = self._contracts.get(fact.con_id), SIDES.get(fact.side, 0)
        if contract is None or side == 0:
            return [Alert(f"UNBOOKABLE EXECUTION: {fact.exec_id} {fact.side} {fact.shares} {fact.symbol}: not an instrument of this book")]
        key = self._key(fact.order_ref, fact.order_id, fact.client_id, fact.perm_id)
        if key == 0 and fact.time_ns < self._since_ns:
            return []
        said = self._link(key, fact.order_id, fact.client_id, fact.perm_id) if key else []
        try:
            qty = to_grid(fact.shares, contract.qty_exp, "shares")
            price = to_grid(fact.price, contract.price_exp, "price")
        except UnitError as error:
            return [*said, Alert(f"UNBOOKABLE EXECUTION: {fact.exec_id} of {contract.symbol}: {error}")]
        return [*said, Executed(fact.time_ns, fact.account, fact.exec_id, contract.number, side, qty, price, key)]

    def _on_commission(self, fact: CommissionSeen) -> list[Said]:
        if fact.commission is None:
            return []
        rounded = fact.commission.quantize(EIGHTH, rounding=ROUND_HALF_EVEN)
        return [Charged(fact.time_ns, self._account, fact.exec_id, to_grid(rounded, MONEY_EXP, "commission"))]


def _source(fact: OrderSeen) -> str:
    return "completedOrder" if fact.completed else "openOrder"

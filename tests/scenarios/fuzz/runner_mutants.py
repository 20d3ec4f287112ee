"""The runner with one guard taken away at a time, against the runner depth.

Theory of operation. A mutant replaces attributes of the real modules while schedules run, and puts them back. It is
killed by the number of the first schedule that violates something.

Guards whose work another one does when they are missing are no mutants: the fence of an owner that was replaced (a row's
number is taken already, so its write fails), and READY and the emptied outbox (the gate lets nothing new in, so next to
nothing waits when the line breaks; `tests/live` takes those away).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple

from ledger import oms
from ledger.book import E_KEY, O_FLAGS, O_INSTRUMENT, O_PARENT, O_PRICE, O_QTY, O_SIDE, O_STATUS, O_STOP, O_TAKE, O_TRAIL, O_TYPE
from ledger.book import O_KEY
from ledger.journal.store import leases
from ledger.journal.store.locks import FileLock
from ledger.journal.store.mark import Mark
from ledger.journal.transaction import Transaction
from ledger.oms import OrderManager
from ledger.port import Absent, Submit
from ledger.vocabulary import EventKind, Gate, OrderStatus
from live import trader
from live.broker.facts import ExecutionSeen
from live.broker.fold import Fold
from live.broker.reconcile import APART_NS, unlisted
from live.outbox import Outbox
from live.trader import Trader
from sim.fuzz import Kind, explore
from sim.fuzz.explore import Scenario
from tests.scenarios.fuzz import hands, runner
from tests.scenarios.fuzz.stage.standing import standing
from tests.scenarios.fuzz.stage.storage import replaced


class RunnerMutant(NamedTuple):
    """One guard of the runner that is missing: what is replaced, as (place, {name: value})."""

    name: str
    guard: str
    place: Any
    values: dict[str, Any]
    faults: dict[str, int] | None = None
    """The faults to search with, where all kinds together show it once in 1,500 schedules only."""
    scenario: Scenario = runner.scenario
    """What shows it: a guard against what people do by hand needs a person."""


def submit_of(manager: OrderManager, key: int) -> Submit:
    """Return the Submit of an order as if it had never been sent."""
    order = manager._order(key)
    names = (O_INSTRUMENT, O_SIDE, O_QTY, O_TYPE, O_PRICE, O_STOP, O_TAKE, O_TRAIL, O_PARENT)
    return Submit(key, *(int(order[name]) for name in names), int(order[O_FLAGS]) & 7)


def in_status(manager: OrderManager, status: OrderStatus) -> list[int]:
    """Return the keys of orders in a status."""
    return [int(order[O_KEY]) for order in manager._ledger.book.orders if order[O_STATUS] == status]


def _resend_on_start(self: OrderManager, time_ns: int, start: Any = OrderManager.on_start) -> Any:
    sent = in_status(self, OrderStatus.SENDING)
    return start(self, time_ns) + [submit_of(self, key) for key in sent]


def _resend_when_unlisted(self: Trader, now: Any, look: Any = Trader.look) -> Any:
    self._outbox._submits.extend(submit_of(self._oms, key) for key in unlisted(self.session.book, now, self.tag))
    return look(self, now)


def _send_before_record(self: OrderManager, key: int, time_ns: int) -> Any:
    if self._route is not None:
        self._route(key)
    return [submit_of(self, key)]


def _no_lock(database: Any, scope: str, connection: Any) -> FileLock:
    return FileLock(leases.lease_path(database, scope))


def _commit_sometimes(self: Transaction) -> None:
    s, journal = self._session, self._journal
    if s._raw:
        self._store_raw()
    if s._names.pending():
        s._names.store(journal.connection)
    journal.at("commit-before")
    if s._book.seq % 3 == 0:
        journal.connection.execute("COMMIT")
        journal.mark.write(Mark(s.id, s._book.seq, s._head))
    journal.at("commit-after")


def _begin_once(self: Transaction) -> None:
    if not self._journal.connection.in_transaction:
        self._journal.connection.execute("BEGIN IMMEDIATE")
    self._begun = True
    self._journal.at("begin")


def _without_gate(gate: Gate, side: int) -> Callable[..., Any]:
    def broken(self: OrderManager, which: Gate, way: Any, time_ns: int, evidence: str = "", raise_or_lower: Any = OrderManager._gate) -> Any:
        return None if which == gate and way == side else raise_or_lower(self, which, way, time_ns, evidence)

    return broken


def _absent_at_once(book: Any, before: Any, now: Any, tag: str, order_ids: Any) -> list[Any]:
    return [Absent(now.time_ns, key, "in no list") for key in unlisted(book, now, tag)]


def _absent_without_proof(book: Any, before: Any, now: Any, tag: str, order_ids: Any) -> list[Any]:
    if before is None or before.unanswered() or now.time_ns - before.time_ns < APART_NS:
        return []
    twice = set(unlisted(book, before, tag)) & set(unlisted(book, now, tag))
    return [Absent(now.time_ns, key, "in no list, twice") for key in sorted(twice)]


def _news_once_for_an_execution(self: Trader, fact: Any, is_news: Any = Trader._is_news) -> bool:
    if isinstance(fact, ExecutionSeen):
        base = oms.split_exec_id(fact.exec_id)[0]
        known = (ExecutionSeen, base) in self._heard
        self._heard[ExecutionSeen, base] = fact
        return not known
    return bool(is_news(self, fact))


class _NeverCleared(dict[Any, Any]):
    def clear(self) -> None:
        """Keep what was heard."""


def _heard_once(self: Trader, now: Any, look: Any = Trader.look) -> Any:
    self._heard = _NeverCleared(self._heard)
    try:
        return look(self, now)
    finally:
        self._heard = dict(self._heard)


def _ours_alone(self: Fold, fact: ExecutionSeen, on_execution: Any = Fold._on_execution) -> Any:
    return on_execution(self, fact) if self._key(fact.order_ref, fact.order_id, fact.client_id, fact.perm_id) else []


def _claims_kept(self: OrderManager, kind: Any, key: int, time_ns: int, evidence: str = "", record: Any = OrderManager._record) -> Any:
    return None if kind == EventKind.RELEASED and not evidence else record(self, kind, key, time_ns, evidence)


def _sent_with_each_wish(self: Trader, signal: Any, on_wish: Any = Trader.on_wish) -> Any:
    answer = on_wish(self, signal)
    if answer.name == "DUP_KEY":
        self._outbox._submits.append(submit_of(self._oms, int(signal[E_KEY])))
    return answer


MUTANTS = (
    RunnerMutant("resend on start", "what may have been sent is never sent again", OrderManager, {"on_start": _resend_on_start}),
    RunnerMutant("resend when unlisted", "what no list shows is in doubt, and not sent again", Trader, {"look": _resend_when_unlisted}),
    RunnerMutant("resend when wished again", "a wish that comes again sends nothing", Trader, {"on_wish": _sent_with_each_wish}),
    RunnerMutant("send before record", "SENDING is durable before the wire", OrderManager, {"_send": _send_before_record}),
    RunnerMutant("no account lock", "one process for an account", leases, {"lock_account": _no_lock}),
    RunnerMutant("acknowledged before the commit", "what is acknowledged is committed", Transaction, {"_finish": _commit_sometimes, "_begin": _begin_once}),
    RunnerMutant("open while disconnected", "no claim without a connection", OrderManager, {"_gate": _without_gate(Gate.DISCONNECTED, 1)}),
    RunnerMutant("open while comparing", "no claim before the lists agree", OrderManager, {"_gate": _without_gate(Gate.NOT_RECONCILED, 1)}),
    RunnerMutant("never opened", "entries open again when the lists agree", OrderManager, {"_gate": _without_gate(Gate.NOT_RECONCILED, -1)}),
    RunnerMutant("absent at once", "one look proves no absence", trader, {"absent": _absent_at_once}),
    RunnerMutant("absent without its id", "absence is proven by the broker's next order id", trader, {"absent": _absent_without_proof}),
    RunnerMutant("doubt for ever", "an order that was proven absent is released", trader, {"absent": lambda *_: []}),
    RunnerMutant("busted orders wait", "an order whose fill was taken back ends", trader, {"unfilled": lambda *_: []}),
    RunnerMutant("corrections are no news", "a correction is news", Trader, {"_is_news": _news_once_for_an_execution}),
    RunnerMutant("waiting orders are doubted", "an order that waits for its turn is in no doubt", Outbox, {"waiting": lambda _: set()}),
    RunnerMutant("revision is part of the id", "a correction replaces its execution", oms, {"split_exec_id": lambda text: (text, 0)}),
    RunnerMutant("lists are not booked", "a fill that was lost is booked from the list", trader, {"facts": lambda snapshot: []}),
    RunnerMutant("claims kept", "a claim that was never sent is released at the start", OrderManager, {"_record": _claims_kept}),
    RunnerMutant("order ids forgotten", "a restart knows the order ids of the process before it", Trader, {"_recall": lambda *_: None}),
    RunnerMutant("heard once", "while book and broker differ, everything is heard anew", Trader, {"look": _heard_once}, {"reorder": 6}),
    RunnerMutant("wishes are dropped", "what is answered is true of the book", Trader, {"on_wish": lambda self, _: self._oms.answered}),
    RunnerMutant("differences stay open", "a position that differs closes its instrument", Trader, {"_close": lambda *_: None}, None, hands.scenario),
    RunnerMutant("foreign fills left out", "what a person executed is booked", Fold, {"_on_execution": _ours_alone}, None, hands.scenario),
)


@contextmanager
def without_guard(mutant: RunnerMutant) -> Iterator[None]:
    """Take a guard away; the runners that stand ready when a schedule begins are made of the intact code."""
    standing()
    with ExitStack() as life:
        life.enter_context(replaced(mutant.place, **mutant.values))
        yield


def found_after(mutant: RunnerMutant | None, seed: int, budget: int) -> tuple[int, str]:
    """Return how many schedules it took to convict a mutant (0: it survived) and of what; None is the intact runner."""
    with ExitStack() as life:
        if mutant is not None:
            life.enter_context(without_guard(mutant))
        shown = mutant.scenario if mutant else hands.scenario
        found = explore(shown, seed=seed, schedules=budget, faults=mutant.faults if mutant else None)
    return (found.schedules, f"{found.failure.invariant}: {found.failure.message}") if found.kind is Kind.FAILED and found.failure else (0, "")

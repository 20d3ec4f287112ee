"""The tape: everything a session was handed, in order, so that a day can be lived through again.

Theory of operation. The public methods of the trader and the market through which the world reaches a book are `act`s.
The outermost act in progress is written to the tape with its moment, the number of events before it and what it was
handed; while it runs, the clock that trader and market read stands still at that moment. Notes follow the act they
belong to: an order id the wire gave, a write that failed. `live.ops.replay` calls the same methods with the same words.

Lines are kept in the journal as evidence under SOURCE: they become durable with the first write of their act, in the
same transaction, and cost no write of their own. What was handed in and never written with anything is lost in a crash,
together with the memory that it changed. A line is JSON: [name, time_ns, events before, word, word ...].
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, Protocol, TypeVar

from live.broker import facts
from live.broker.heard import HistoryBar
from live.broker.reconcile import Snapshot
from live.link import Link, State

if TYPE_CHECKING:
    from ledger.journal.session import Session
    from live.orders import Wire

SOURCE = "onebook.tape"
NOTES = ("id", "broke")
KINDS: dict[str, Any] = {
    kind.__name__: kind
    for kind in (
        facts.OrderSeen, facts.StatusSeen, facts.ExecutionSeen, facts.CommissionSeen, facts.MessageSeen, facts.PositionSeen,
        HistoryBar, Snapshot, Link,
    )
}  # fmt: skip
Words = ParamSpec("Words")
Answer = TypeVar("Answer")


class Taped(Protocol):
    """What has acts: the tape is None where nobody records."""

    tape: Tape | None


Actor = TypeVar("Actor", bound=Taped)


class Tape:
    """The tape of one process, and the clock that its acts read."""

    def __init__(self, now_ns: Callable[[], int]) -> None:
        self._now_ns, self._still_ns = now_ns, -1
        self._session: Session | None = None
        self._before: list[str] = []
        """Lines from before the book was open."""

    def now_ns(self) -> int:
        """Return UTC nanoseconds; inside an act always the moment it began."""
        return self._still_ns if self._still_ns >= 0 else self._now_ns()

    def onto(self, session: Session) -> None:
        """Write to a session's journal from now on; what was written before the book was open comes first."""
        self._session = session
        for line in self._before:
            session.keep(SOURCE, line, joined=True)
        self._before.clear()

    @contextmanager
    def act(self, name: str, *words: Any) -> Iterator[None]:
        """Write an act down and let time stand still until the block ends; inside another act do neither."""
        if self._still_ns >= 0:
            yield
            return
        now = self._now_ns()
        self._write([name, now, self._session.book.seq if self._session else 0, *map(plain, words)])
        self._still_ns = now
        try:
            yield
        finally:
            self._still_ns = -1

    def note(self, name: str, number: int) -> None:
        """Write down what the wire did in the act that is going on."""
        self._write([name, self.now_ns(), 0, number])

    def _write(self, line: list[Any]) -> None:
        text = json.dumps(line, separators=(",", ":"))
        if self._session is None:
            self._before.append(text)
        else:
            self._session.keep(SOURCE, text, joined=True)


def act(method: Callable[Concatenate[Actor, Words], Answer]) -> Callable[Concatenate[Actor, Words], Answer]:
    """Let a method of the trader or the market be written to its tape when it is called from outside."""

    @functools.wraps(method)
    def taped(self: Actor, *words: Words.args, **named: Words.kwargs) -> Answer:
        if self.tape is None:
            return method(self, *words, **named)
        with self.tape.act(method.__name__, *words, *named.values()):
            return method(self, *words, **named)

    return taped  # type: ignore[return-value]


class TapedWire:
    """A connection whose order ids and failures are noted."""

    def __init__(self, wire: Wire, tape: Tape) -> None:
        self._wire, self._tape = wire, tape

    def reserve_order_id(self) -> int:
        """Return the next order id."""
        number = self._wire.reserve_order_id()
        self._tape.note("id", number)
        return number

    def place(self, ticket: Any, contract: Any) -> None:
        """Write an order to the socket; ConnectionError when it is closed."""
        with self._noted(ticket.order_id):
            self._wire.place(ticket, contract)

    def cancel(self, order_id: int) -> None:
        """Ask for a cancel; ConnectionError when the socket is closed."""
        with self._noted(order_id):
            self._wire.cancel(order_id)

    @contextmanager
    def _noted(self, order_id: int) -> Iterator[None]:
        try:
            yield
        except ConnectionError:
            self._tape.note("broke", order_id)
            raise


def plain(word: Any) -> Any:
    """Return what an act was handed as JSON can hold it; of a trader or a connection it says that it was given."""
    if isinstance(word, tuple) and type(word).__name__ in KINDS:
        return {type(word).__name__: [plain(value) for value in word]}
    if isinstance(word, list | tuple):
        return [plain(value) for value in word]
    if isinstance(word, Decimal):
        return {"Decimal": str(word)}
    if isinstance(word, State):
        return {"State": word.value}
    return word if word is None or isinstance(word, int | str | dict) else {"Given": type(word).__name__}


def value(said: Any) -> Any:
    """Return what `plain` wrote."""
    if isinstance(said, list):
        return tuple(value(one) for one in said)
    if not isinstance(said, dict) or len(said) != 1:
        return said
    (name, held), *_ = said.items()
    if name in KINDS:
        return KINDS[name](*map(value, held))
    return {"Decimal": Decimal, "State": State}[name](held) if name in ("Decimal", "State") else said

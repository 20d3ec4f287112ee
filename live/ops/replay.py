"""A recorded paper session, lived through again: the same trader and market, the same words, time standing where it stood.

Theory of operation. The tape's lines are acts with their notes. A replay makes a fresh session in another journal, calls
each act's own method with the words it had, and stops where the asked day ends. In place of the connection stands a sink:
it gives the order ids that the wire gave, fails where the wire failed, and keeps what would have been sent. Nothing here
can reach a broker, and the recorded book is only read. Then the events of both are compared, number by number.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import date
from typing import TYPE_CHECKING, Any, NamedTuple
from zoneinfo import ZoneInfo

import msgspec
import numpy as np

from ledger.book import E_KIND, EVENT_COLUMNS, EVENT_WIDTH
from ledger.journal.days import trading_days, zone_of
from ledger.journal.replay import session_row, slices
from ledger.vocabulary import EventKind, Method
from live.config import ConfigError, PaperConfig
from live.market.hours import calendar_of
from live.market.market import Market
from live.ops.start import Start, strategy_hash, take_up
from live.pacer import Pacer
from live.tape import NOTES, SOURCE, Tape, value

if TYPE_CHECKING:
    from ledger.journal import Journal
    from live.market.wishes import FeeOf
    from live.trader import Trader

EPOCH_ORDINAL = 719_163
ZONE = ZoneInfo("America/New_York")


class Act(NamedTuple):
    """An act of the tape, and what the wire did in it."""

    name: str
    time_ns: int
    seq: int
    words: list[Any]
    ids: list[int]
    broke: list[int]


class Divergence(NamedTuple):
    """The first number in which two streams differ; None: this side has no such event."""

    event: int
    kind: str
    field: str
    recorded: int | None
    replayed: int | None


class Replayed(NamedTuple):
    """What came of a replay."""

    session: int
    day: int
    acts: int
    events: int
    """Events of the recorded session up to the end of the day."""
    recorded_digest: str
    replayed_digest: str
    sent: list[str]
    divergence: Divergence | None
    stopped: str
    """What ended the replay before the tape did, empty when nothing did."""


class Sink:
    """What stands where the connection stood."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.ids: list[int] = []
        self.broke: list[int] = []

    def reserve_order_id(self) -> int:
        """Return the order id that the wire gave.

        Raises:
            LookupError: the recorded session claimed no order here.
        """
        if not self.ids:
            raise LookupError("an order is claimed where the recorded session claimed none")
        return self.ids.pop(0)

    def place(self, ticket: Any, contract: Any) -> None:
        """Keep an order that would have been sent."""
        self._fail(ticket.order_id)
        self.sent.append(f"{ticket.action} {ticket.quantity.normalize():f} {ticket.order_type} {ticket.order_ref}")

    def cancel(self, order_id: int) -> None:
        """Keep a cancel that would have been sent."""
        self._fail(order_id)
        self.sent.append(f"CANCEL {order_id}")

    def _fail(self, order_id: int) -> None:
        if order_id in self.broke:
            raise ConnectionError("the recorded connection failed here")


class _Any(dict[int, Any]):
    """The broker's own contract objects, which nobody looks at here."""

    def __missing__(self, number: int) -> None:
        return None


class Stage:
    """The session that a replay writes, and who acts in it."""

    def __init__(self, journal: Journal, row: dict[str, Any], fee_of: Callable[[str], FeeOf]) -> None:
        self.session = journal.begin("paper", "replay", config=json.loads(row["config"]), method=Method(row["method"]))
        self.now_ns, self.sink, self._fee_of = 0, Sink(), fee_of
        self.trader: Trader | None = None
        self._early: list[int] = []

    def play(self, act: Act) -> None:
        """Do an act again; a connection that failed then fails again and nobody minds."""
        self.now_ns, self.sink.ids, self.sink.broke = act.time_ns, list(act.ids), act.broke
        if act.name == "early":
            self._early.append(act.time_ns)
        elif act.name == "start":
            self._start(Start(**act.words[0]))
        else:
            words = [self._given(word) for word in act.words]
            if act.name == "look":
                words = words[-1:]  # older tapes hold the look before it too
            one = self.trader if hasattr(type(self.trader), act.name) else self.market
            try:
                getattr(one, act.name)(*words)
            except ConnectionError:
                if not act.broke:
                    raise

    def _start(self, start: Start) -> None:
        config = msgspec.convert(start.config, PaperConfig)
        pacer = Pacer(config.messages_per_s, config.messages_per_s, start.born_ns)
        for time_ns in self._early:
            pacer.take(time_ns)
        self._early.clear()
        hours = calendar_of(config.calendar, start.simulated)
        self.market = Market(config, self._fee_of(start.fees), zone_of({}), _silent, hours)
        self.trader = take_up(self.session, config, start, pacer, _silent, Tape(lambda: self.now_ns))
        self.trader.tape, self.trader.handles = None, _Any()

    def _given(self, word: Any) -> Any:
        if isinstance(word, dict) and "Given" in word:
            return self.trader if word["Given"] == "Trader" else self.sink
        return value(word)


def _silent(_line: str) -> None:
    """Say nothing: what the runner said then, its log has."""


def acts(journal: Journal, session: int) -> Iterator[Act]:
    """Yield the acts of a session's tape in order; the journal may be open for reading only."""
    sql = "SELECT body FROM broker_event WHERE session_id = ? AND source = ? ORDER BY number"
    last: Act | None = None
    for (body,) in journal.connection.execute(sql, (session, SOURCE)):
        for name, time_ns, seq, *words in map(json.loads, body.splitlines()):
            if name in NOTES and last is not None:
                (last.ids if name == "id" else last.broke).append(words[0])
                continue
            if last is not None:
                yield last
            last = Act(name, time_ns, seq, words, [], [])
    if last is not None:
        yield last


def days_of(times_ns: list[int]) -> list[int]:
    """Return the trading day of each moment as an ordinal."""
    found: list[int] = (trading_days(np.array(times_ns, np.int64), ZONE) + EPOCH_ORDINAL).tolist()
    return found


def replay(
    recorded: Journal, session: int, day: int | None, target: Journal, fee_of: Callable[[str], FeeOf], *, accept_changes: bool = False
) -> Replayed:
    """Replay a session from its start to the end of a trading day (an ordinal; None: its last), and compare.

    Args:
        fee_of: what orders cost at most, by the words of the commission that the tape names.
    Raises:
        ConfigError: a session without a tape, a day that is not on it, or code that has changed and was not accepted.
    """
    with recorded.reading():
        return _replay(recorded, session, day, target, fee_of, accept_changes)


def _replay(
    recorded: Journal, session: int, day: int | None, target: Journal, fee_of: Callable[[str], FeeOf], accept_changes: bool
) -> Replayed:
    told = [act._replace(words=act.words if act.name == "start" else []) for act in acts(recorded, session)]
    first = next((act for act in told if act.name == "start"), None)
    if first is None or first.seq:
        raise ConfigError(f"session {session} was recorded without a tape from its first event on; only sessions with one can be replayed")
    days = days_of([act.time_ns for act in told])
    asked = max(days) if day is None else day
    if asked not in days:
        raise ConfigError(f"session {session} has nothing on that day; its tape goes from {_date(min(days))} to {_date(max(days))}")
    if not accept_changes:
        _require_code(act for act in told if act.name == "start")
    # What a process did before it opened the book does not know the book's events.
    later = [act.seq for act, its in zip(told, days, strict=True) if its > asked and act.name != "early"]
    upto = later[0] if later else recorded.book(session).seq
    stage, stopped = Stage(target, session_row(recorded.connection, session), fee_of), ""
    played = 0
    for act, its in zip(acts(recorded, session), days, strict=True):
        if its > asked:
            break
        try:
            stage.play(act)
            played += 1
        except (LookupError, RuntimeError) as error:
            stopped = f"{act.name} at {act.time_ns}: {error}"
            break
    return _compared(recorded, target, upto, stage, Replayed(session, asked, played, upto, "", "", stage.sink.sent, None, stopped))


def _date(day: int) -> str:
    return date.fromordinal(day).isoformat()


def _require_code(starts: Iterator[Act]) -> None:
    for act in starts:
        start = Start(**act.words[0])
        here = strategy_hash(msgspec.convert(start.config, PaperConfig))
        if here != start.code:
            raise ConfigError(
                f"the session was traded by other code: {start.code} then, {here} here. Go back to that code, or say --accept-changes "
                "to see what this code would have done"
            )


def _compared(recorded: Journal, target: Journal, upto: int, stage: Stage, found: Replayed) -> Replayed:
    book, copy = recorded.book(found.session, upto), stage.session.book
    one, other = _log(recorded, found.session, upto), _log(target, stage.session.id, copy.seq)
    stage.session.close()
    return found._replace(
        recorded_digest=book.digest(), replayed_digest=copy.digest(), divergence=first_difference(one, other)
    )


def _log(journal: Journal, session: int, upto: int) -> Any:
    tables = [table[:, -EVENT_WIDTH:] for table, _ in slices(journal.connection, session, 0, upto)]
    return np.concatenate([np.empty((0, EVENT_WIDTH), np.int64), *tables])


def first_difference(recorded: Any, replayed: Any) -> Divergence | None:
    """Return the first number in which two logs int64[n, EVENT_WIDTH] differ, None when they are equal."""
    both = min(len(recorded), len(replayed))
    rows, columns = np.nonzero(recorded[:both] != replayed[:both])
    if len(rows):
        at, column = int(rows[0]), int(columns[0])
        one, other = int(recorded[at, column]), int(replayed[at, column])
        return Divergence(at + 1, EventKind(int(recorded[at, E_KIND])).name, EVENT_COLUMNS[column], one, other)
    if len(recorded) == len(replayed):
        return None
    longer = recorded if len(recorded) > both else replayed
    kind = int(longer[both, E_KIND])
    one_side, other_side = (kind, None) if longer is recorded else (None, kind)
    return Divergence(both + 1, EventKind(kind).name, "kind", one_side, other_side)

"""Wishes and what became of them; refusals by reason; what a person should look at; how old all of it is."""

from __future__ import annotations

from typing import NamedTuple

from ledger import keys
from ledger.journal import Journal
from ledger.journal.replay import session_row
from ledger.views.lists import Page
from ledger.views.naming import strategy_names
from ledger.vocabulary import EntryFlag, EventKind, Gate, OrderStatus, Outcome, Purpose


class Intent(NamedTuple):
    """One recorded wish and its answer: a claim with its order, or a refusal with its reason."""

    seq: int
    time_ns: int
    key: int
    strategy: str | None
    instrument: int
    symbol: str | None
    purpose: Purpose | None
    bar_s: int | None
    leg: int | None
    target_lots: int
    outcome: Outcome
    """APPLIED = claimed; otherwise why it was refused."""
    words: str
    """What people look for: `BUY CLAIMED`, `DUPLICATE BUY BLOCKED`, `BUY REFUSED`."""
    order: int | None
    status: OrderStatus | None
    side: int
    qty_lots: int | None
    filled_lots: int | None
    price_exp: int | None
    qty_exp: int | None


class RefusalCount(NamedTuple):
    """How often one reason refused wishes for one instrument; newest and oldest."""

    reason: Outcome
    words: str
    instrument: int
    symbol: str | None
    times: int
    first_ns: int
    last_ns: int


class Remark(NamedTuple):
    """Something in the journal that a person should know."""

    seq: int
    time_ns: int
    level: str
    """info, warning or alert."""
    what: str
    symbol: str | None
    text: str


class Age(NamedTuple):
    """How old everything is. Times in ns UTC; None = it never happened."""

    events: int
    """Stored events: the journal sequence, which a page refreshes by."""
    shown: int
    """Events that the tables show."""
    first_ns: int | None
    last_ns: int | None
    """When the last event happened."""
    recorded_ns: int | None
    """When the last event was written."""
    heartbeat_ns: int | None
    """When the session's owner last said that it lives; None = no owner holds the account."""
    oldest_mark_ns: int | None
    """The oldest price of what is held; None = nothing is held, or something has no price."""
    unpriced: int
    """Instruments that are held and have no price."""


def intents(journal: Journal, session_id: int, page: int = 0, size: int | None = None) -> Page[Intent]:
    """Return every recorded wish with its outcome, oldest first: page `page` of `size`, or all of them.

    AT_TARGET ("already there") is no record: it is the usual answer and changes nothing.
    """
    if page < 0 or (size is not None and size < 1):
        raise ValueError(f"page {page} of size {size}: pages count from 0 and hold at least one row")
    names = strategy_names(journal, session_id)
    with journal.reading():
        total = int(journal.connection.execute(_COUNT, (session_id,)).fetchone()[0])
        bounds = (session_id, -1 if size is None else size, page * (size or 0))
        lines = journal.connection.execute(_INTENTS, bounds).fetchall()
    return Page([_intent(line, names) for line in lines], total)


_COUNT = (
    "SELECT (SELECT count(*) FROM \"order\" WHERE session_id = ?1) + (SELECT count(*) FROM event WHERE session_id = ?1 AND kind = 11)"
)
_INTENTS = (
    "SELECT w.seq, w.time_ns, w.key, w.instrument, i.symbol, w.target_lots, w.reason, w.number, w.status, w.side, w.qty_lots,"
    " w.filled_lots, i.price_exp, i.qty_exp FROM ("
    "SELECT session_id, seq, time_ns, key, instrument, target_lots, 0 AS reason, number, status, side, qty_lots, filled_lots"
    ' FROM "order" WHERE session_id = ?1 UNION ALL '
    "SELECT session_id, seq, time_ns, key, instrument, target_lots, reason, NULL, NULL, 0, NULL, NULL"
    " FROM event WHERE session_id = ?1 AND kind = 11) AS w"
    " LEFT JOIN instrument AS i ON i.session_id = w.session_id AND i.number = w.instrument ORDER BY w.seq LIMIT ?2 OFFSET ?3"
)


def _intent(line: tuple[int, ...], names: dict[int, str]) -> Intent:
    seq, time_ns, key, instrument, symbol, target, reason, number, status, side, qty, filled, price_exp, qty_exp = line
    try:
        parts = keys.unpack(key)
    except ValueError:
        parts = None
    outcome = Outcome(reason)
    words = f"{'BUY' if side > 0 else 'SELL'} CLAIMED" if outcome == Outcome.APPLIED else refusal_words(outcome, target)
    return Intent(
        seq, time_ns, key, names.get(keys.strategy_of(key)) if parts else None, instrument, symbol,  # type: ignore[arg-type]
        Purpose(parts.purpose) if parts else None, parts.bar_s if parts else None, parts.leg if parts else None, target, outcome,
        words, number, OrderStatus(status) if status is not None else None, side, qty, filled, price_exp, qty_exp,
    )  # fmt: skip


def refusal_words(reason: Outcome, target_lots: int) -> str:
    """Return the words that people look for in a log: `DUPLICATE BUY BLOCKED`, `BUY REFUSED`."""
    word = "BUY" if target_lots > 0 else "SELL" if target_lots < 0 else "EXIT"
    return f"DUPLICATE {word} BLOCKED" if reason in (Outcome.DUP_KEY, Outcome.LIVE_ENTRY) else f"{word} REFUSED"


def refusal_reasons(journal: Journal, session_id: int) -> list[RefusalCount]:
    """Return how often each reason refused wishes, by instrument and direction, the most frequent first."""
    session_row(journal.connection, session_id)
    sql = (
        "SELECT e.reason, sign(e.target_lots), e.instrument, i.symbol, count(*), min(e.time_ns), max(e.time_ns) FROM event AS e"
        " LEFT JOIN instrument AS i ON i.session_id = e.session_id AND i.number = e.instrument"
        " WHERE e.session_id = ? AND e.kind = 11 GROUP BY 1, 2, 3 ORDER BY 5 DESC, 1, 3"
    )
    return [
        RefusalCount(Outcome(reason), refusal_words(Outcome(reason), sign), *rest)
        for reason, sign, *rest in journal.connection.execute(sql, (session_id,))
    ]


_KINDS = (EventKind.GATE, EventKind.UNKNOWN, EventKind.REJECTED, EventKind.ADJUST_CASH, EventKind.ADJUST_POSITION)
_FLAGS = {
    EntryFlag.LATE: "filled after its order was closed", EntryFlag.OVERFILL: "more was filled than was ordered",
    EntryFlag.FOREIGN: "filled for no order of ours", EntryFlag.REBOOKED: "changed lots that were already booked",
}  # fmt: skip
_WATCHED = int(EntryFlag.LATE | EntryFlag.OVERFILL | EntryFlag.FOREIGN | EntryFlag.REBOOKED)


def remarks(journal: Journal, session_id: int) -> list[Remark]:
    """Return what a person should look at, newest first: gates, unknown and rejected orders, adjustments, odd fills."""
    session_row(journal.connection, session_id)
    with journal.reading():
        events = journal.connection.execute(_EVENTS, (session_id, *map(int, _KINDS))).fetchall()
        odd = journal.connection.execute(_ODD, (session_id, _WATCHED)).fetchall()
    found = [_of_event(*line) for line in events] + [_of_fill(*line) for line in odd]
    return sorted(found, key=lambda remark: -remark.seq)


_EVENTS = (
    "SELECT e.seq, e.time_ns, e.kind, i.symbol, e.side, e.reason, n.text FROM event AS e"
    " LEFT JOIN instrument AS i ON i.session_id = e.session_id AND i.number = CASE e.instrument WHEN 0 THEN (e.key >> 41) & 8191"
    " ELSE e.instrument END LEFT JOIN name AS n ON n.session_id = e.session_id AND n.number = e.ref"
    " WHERE e.session_id = ? AND e.kind IN (?, ?, ?, ?, ?) ORDER BY e.seq"
)
_ODD = (
    "SELECT x.seq, x.time_ns, i.symbol, x.flags FROM execution AS x LEFT JOIN instrument AS i"
    " ON i.session_id = x.session_id AND i.number = x.instrument"
    " WHERE x.session_id = ?1 AND x.kind = 20 AND (x.flags & ?2) <> 0 ORDER BY x.seq"
)


def _of_event(seq: int, time_ns: int, kind: int, symbol: str | None, side: int, reason: int, text: str | None) -> Remark:
    what, said = EventKind(kind), text or ""
    if what == EventKind.GATE:
        gates = ", ".join(gate.name for gate in Gate if reason & gate)
        level = "alert" if side > 0 and reason & Gate.HALTED else "warning" if side > 0 else "info"
        return Remark(seq, time_ns, level, "GATE", symbol, f"{gates} {'raised' if side > 0 else 'lowered'}{f': {said}' if said else ''}")
    level = "alert" if what == EventKind.UNKNOWN else "warning"
    plain = {
        EventKind.UNKNOWN: "nobody can say what became of an order", EventKind.REJECTED: "the broker rejected an order",
    }.get(what, "adjusted by an operator")  # fmt: skip
    return Remark(seq, time_ns, level, what.name, symbol, f"{plain}{f': {said}' if said else ''}")


def _of_fill(seq: int, time_ns: int, symbol: str | None, flags: int) -> Remark:
    told = "; ".join(sentence for flag, sentence in _FLAGS.items() if flags & flag)
    level = "alert" if flags & (EntryFlag.OVERFILL | EntryFlag.FOREIGN) else "warning"
    return Remark(seq, time_ns, level, "FILL", symbol, told)


def age(journal: Journal, session_id: int) -> Age:
    """Return how many events there are and how old the newest of everything is."""
    session_row(journal.connection, session_id)
    with journal.reading():
        last, first = (journal.connection.execute(sql, (session_id,)).fetchone() for sql in (_LAST, _FIRST))
        shown = journal.connection.execute("SELECT coalesce(max(seq), 0) FROM account WHERE session_id = ?", (session_id,)).fetchone()[0]
        beat = journal.connection.execute("SELECT heartbeat_ns FROM lease WHERE session_id = ?", (session_id,)).fetchone()
        marks = journal.connection.execute(_MARKS, (session_id,)).fetchone()
    seq, time_ns, recorded_ns = last or (0, None, None)
    oldest, unpriced = marks
    began, alive = first[0] if first else None, beat[0] if beat else None
    return Age(seq, shown, began, time_ns, recorded_ns, alive, None if unpriced else oldest, unpriced or 0)


_LAST = "SELECT seq, time_ns, recorded_ns FROM event WHERE session_id = ? ORDER BY seq DESC LIMIT 1"
_FIRST = "SELECT time_ns FROM event WHERE session_id = ? ORDER BY seq LIMIT 1"
_MARKS = (
    "SELECT min(CASE WHEN mark_ticks > 0 THEN mark_time_ns END), sum(mark_ticks = 0) FROM instrument"
    " WHERE session_id = ? AND position_lots <> 0"
)

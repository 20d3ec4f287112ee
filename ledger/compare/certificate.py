"""How equal two sessions are: digests, counts, and the first place where they part.

Theory of operation. Two questions. Are the books the same, event by event and by digest: that is what
a rerun must give. And do the sessions agree in what counts, decision by decision: that is what a paper session
can give, whose journal has sends and acknowledgements that a backtest does not. Numbers that
a session gave out itself (instruments, strategies, texts) are translated before events are compared;
execution ids of sessions with different texts are the broker's own and are left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import zip_longest

import numpy as np

from ledger.book import E_EXEC, E_INSTRUMENT, E_KEY, E_KIND, E_PARENT, E_REF, EVENT_COLUMNS, EVENT_WIDTH
from ledger.compare.model import Cause, Certificate, Divergence, Ints, Leg, Row
from ledger.compare.reading import Reading
from ledger.journal.replay import last_seq, slices
from ledger.units import decimal_text
from ledger.vocabulary import EventKind

_OWN = (1 << 41) - 1
_ABSENT = -2
SLICE = 5_000
_NONE = np.zeros((0, EVENT_WIDTH), np.int64)


def certify(a: Reading, b: Reading, rows: tuple[Row, ...], totals: Mapping[Cause, int], difference: int | None) -> Certificate:
    """Return the certificate of two sessions whose rows and totals are known."""
    digest_a, digest_b = _digest(a), _digest(b)
    equal, first_event = _compared(a, b)
    differing = [row for row in rows if row.differs]
    same = not differing and not any(totals.values()) and (difference == 0 or digest_a == digest_b)
    return Certificate(
        same, digest_a == digest_b, digest_a, digest_b, _last(a), _last(b), equal, len(rows), len(rows) - len(differing),
        first_event, _first_row(differing),
    )  # fmt: skip


def _digest(reading: Reading) -> str:
    return reading.info.digest or str(reading.journal.book(reading.id).digest())


def _last(reading: Reading) -> int:
    return last_seq(reading.journal.connection, reading.id)


def _slices(reading: Reading) -> Iterator[Ints]:
    """Yield the events of a session in slices of SLICE, int64[n, EVENT_WIDTH]; as few as are asked for."""
    connection, last = reading.journal.connection, _last(reading)
    for start in range(0, last, SLICE):
        for table, _ in slices(connection, reading.id, start, min(start + SLICE, last)):
            yield table[:, -EVENT_WIDTH:]


def _compared(a: Reading, b: Reading) -> tuple[int, Divergence | None]:
    """Return how many events agree from the start, and the first that does not; nothing behind it is read."""
    columns = list(range(EVENT_WIDTH))
    translated = (a.names, a.symbols, a.strategies) != (b.names, b.symbols, b.strategies)
    if translated:
        columns.remove(E_EXEC)
    done = 0
    for one, two in zip_longest(_slices(a), _slices(b), fillvalue=_NONE):
        theirs = _translated(a, b, two) if translated else two
        length = min(len(one), len(theirs))
        unequal = (one[:length][:, columns] != theirs[:length][:, columns]).any(axis=1)
        if unequal.any():
            at = int(unequal.argmax())
            column = next(c for c in (E_KIND, *columns) if one[at, c] != theirs[at, c])
            return done + at, _event_divergence(done + at + 1, EVENT_COLUMNS[column], int(one[at, column]), int(theirs[at, column]))
        if len(one) != len(theirs):
            longer, rest = (a, one) if len(one) > len(theirs) else (b, two)
            return done + length, _goes_on(longer, a, b, done + length, rest[length])
        done += length
    return done, None


def _goes_on(longer: Reading, a: Reading, b: Reading, done: int, line: Ints) -> Divergence:
    name = "the first session" if longer is a else "the second session"
    reason = f"{name} goes on with a {EventKind(int(line[E_KIND])).name} and the other one has ended"
    return Divergence(f"event {done + 1}", done + 1, done + 1, "events", str(_last(a)), str(_last(b)), reason)


def _event_divergence(seq: int, column: str, mine: int, theirs: int) -> Divergence:
    if column == "kind":
        one, two = EventKind(mine).name, EventKind(theirs).name
        reason = f"the first session has a {one} here and the second one a {two}"
    else:
        one, two = str(mine), str(theirs)
        reason = f"the same event with another {column}"
    return Divergence(f"event {seq}", seq, seq, column, one, two, reason)


def _translated(a: Reading, b: Reading, events: Ints) -> Ints:
    """Return b's events in a's numbers; a number whose name the first session does not have becomes one it cannot have."""
    found = events.copy()
    symbols = {symbol: number for number, symbol in a.symbols.items()}
    texts = {text: number for number, text in a.names.items()}
    strategies = {name: number for number, name in a.strategies.items()}
    instrument = {number: symbols.get(symbol, _ABSENT) for number, symbol in b.symbols.items()}
    strategy = {number: strategies.get(name, _ABSENT) for number, name in b.strategies.items()}
    found[:, E_INSTRUMENT] = _mapped(events[:, E_INSTRUMENT], instrument)
    found[:, E_REF] = _mapped(events[:, E_REF], {number: texts.get(text, _ABSENT) for number, text in b.names.items()})
    for column in (E_KEY, E_PARENT):
        keys = events[:, column]
        top = _mapped(keys >> 54, strategy), _mapped((keys >> 41) & 0x1FFF, instrument)
        unknown = (top[0] < 0) | (top[1] < 0)
        found[:, column] = np.where(unknown, _ABSENT, (np.maximum(top[0], 0) << 54) | (np.maximum(top[1], 0) << 41) | (keys & _OWN))
    return found


def _mapped(values: Ints, numbers: Mapping[int, int]) -> Ints:
    known, places = np.unique(values, return_inverse=True)
    return np.array([numbers.get(int(value), int(value)) for value in known], np.int64)[places] if values.size else values


def _first_row(rows: list[Row]) -> Divergence | None:
    """Return the first decision at which two sessions part."""
    if not rows:
        return None
    row = rows[0]
    field = row.differs[0]
    if field == "decision":
        has = "the first session" if row.a is not None else "the second session"
        told = row.reason or f"only {has} has it"
        return Divergence(row.text, None, None, field, _there(row.a), _there(row.b), told)
    return Divergence(row.text, None, None, field, leg_text(row.a, field), leg_text(row.b, field), row.reason or f"another {field}")


def _there(leg: Leg | None) -> str | None:
    return None if leg is None else "refused" if leg.number is None and leg.refused is not None else "there"


def leg_text(leg: Leg | None, field: str) -> str | None:
    """Return one field of a leg as text; None is unknown, or not there."""
    if leg is None:
        return None
    value = {
        "target": leg.target_lots, "status": leg.status.name if leg.status else None, "ordered": leg.ordered_lots,
        "refused": f"{leg.refused.name} x{leg.refusals}" if leg.refused is not None else "never", "filled": leg.filled_lots,
        "price": None if leg.price_e8 is None else decimal_text(leg.price_e8), "value": decimal_text(leg.value_e8),
        "executions": leg.executions, "time": f"{leg.first_ns} to {leg.last_ns}",
        "fee": None if leg.fee_e8 is None else decimal_text(leg.fee_e8),
    }[field]  # fmt: skip
    return None if value is None else str(value)

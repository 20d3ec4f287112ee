"""One cause of refusal a row, in the order in which they are promised: data for the table tests and the ablations.

The base book has a share at 100.00, a million in cash and a day begun, and the
base signal buys 100 shares with a limit of 100.00: it is APPLIED. A row adds one
reason why it must not be.
"""

from __future__ import annotations

from typing import NamedTuple

from ledger.book import Book, Capacity
from ledger.core import apply, decide
from ledger.keys import make
from ledger.units import AMOUNT_MAX
from ledger.vocabulary import EventKind, Gate, Limit, Outcome, Purpose
from tests.ledger.twin.comparison import Event, row_of

SHARE, TIME = 10_000, 10**18
KEY = make(1, 1, Purpose.TARGET, 60)
OTHER = make(1, 1, Purpose.TARGET, 120)
STOP = make(1, 1, Purpose.STOP_LOSS, 60)
NAMES = {
    "KEY": KEY, "OTHER": OTHER, "STOP": STOP, "LIQUIDATE": make(1, 1, Purpose.LIQUIDATE, 60), "MAX": AMOUNT_MAX, "LATER": TIME + 2 * 10**9,
    "FOREIGN": make(1, 2, Purpose.TARGET, 60), "BEYOND": AMOUNT_MAX + 1, "NEGATIVE": KEY - 2**63, "AIMLESS": KEY - (Purpose.TARGET << 37),
}  # fmt: skip
SIGNAL = "SIGNAL key=KEY instrument=1 target_lots=1000000 price_ticks=1000000 order_type=1 fee_e8=100000000"
BASE = """
INSTRUMENT instrument=1 revision=4 order_type=4 price_ticks=100 qty_lots=10000 target_lots=1
DEPOSIT cash_e8=100000000000000
"""
PRICED = """
MARK instrument=1 price_ticks=1000000
DAY revision=1
"""

# Name             expected          what changes in the signal          events before it (orders first)
TABLE = """
other_body       | KEY_CONFLICT     |                                  | SIGNAL target_lots=50000; CANCELED key=KEY
same_body        | DUP_KEY          |                                  | SIGNAL; CANCELED key=KEY
halted           | HALTED           |                                  | GATE reason=HALTED side=1
halted_one       | HALTED           |                                  | GATE reason=HALTED side=1 instrument=1
halted_exit      | HALTED           | target_lots=0                    | ADJUST_POSITION instrument=1 side=1 qty_lots=10000 ref=1; GATE reason=HALTED side=1
liquidate_opens  | HALTED           | key=LIQUIDATE                    | GATE reason=HALTED side=1
not_reconciled   | NOT_RECONCILED   |                                  | GATE reason=NOT_RECONCILED side=1
disconnected     | DISCONNECTED     |                                  | GATE reason=DISCONNECTED side=1
live_entry       | LIVE_ENTRY       |                                  | SIGNAL key=OTHER target_lots=500000
at_target        | AT_TARGET        |                                  | ADJUST_POSITION instrument=1 side=1 qty_lots=1000000 price_ticks=1 ref=1
working          | AT_TARGET        | flags=1                          | SIGNAL key=OTHER
guard_of_nothing | AT_TARGET        | key=STOP target_lots=0           |
off_tick         | OFF_GRID         | price_ticks=1000001              |
off_step         | OFF_GRID         | target_lots=1000001              |
guard_off_tick   | OFF_GRID         | key=STOP target_lots=0 price_ticks=1000001 | ADJUST_POSITION instrument=1 side=1 qty_lots=10000 ref=1
no_short         | NO_QTY           | target_lots=-1000000             |
guarded          | NO_QTY           | target_lots=0                    | ADJUST_POSITION instrument=1 side=1 qty_lots=10000 ref=1; SIGNAL key=STOP target_lots=0
guard_too_large  | NO_QTY           | key=STOP target_lots=-10000      | ADJUST_POSITION instrument=1 side=1 qty_lots=10000 ref=1
market_closed    | MARKET_CLOSED    |                                  | GATE reason=MARKET_CLOSED side=1
market_one       | MARKET_CLOSED    |                                  | GATE reason=MARKET_CLOSED side=1 instrument=1
collar           | PRICE_COLLAR     |                                  | MARK instrument=1 price_ticks=1100000; LIMIT reason=PRICE_COLLAR_BPS cash_e8=10
stale_code       | STALE_CODE       |                                  | GATE reason=STALE_CODE side=1
blocked          | BLOCKED          |                                  | GATE reason=BLOCKED side=1 instrument=1
blocked_all      | BLOCKED          |                                  | GATE reason=BLOCKED side=1
blocked_stale    | BLOCKED          |                                  | GATE reason=STALE_CODE side=1 instrument=1
no_price         | NO_PRICE         |                                  | LIMIT reason=STALE_QUOTE_NS cash_e8=1000000000
no_price_collar  | NO_PRICE         |                                  | LIMIT reason=PRICE_COLLAR_BPS cash_e8=10
stale_quote      | STALE_QUOTE      | time_ns=LATER                    | LIMIT reason=STALE_QUOTE_NS cash_e8=1000000000
max_position     | MAX_POSITION     |                                  | LIMIT reason=MAX_POSITION cash_e8=999999
max_notional     | MAX_NOTIONAL     |                                  | LIMIT reason=MAX_NOTIONAL cash_e8=999999999999
max_open         | MAX_OPEN         |                                  | LIMIT reason=MAX_OPEN cash_e8=0
daily_orders     | MAX_DAILY_ORDERS |                                  | LIMIT reason=DAILY_ORDERS cash_e8=0
symbol_orders    | MAX_DAILY_ORDERS |                                  | LIMIT reason=SYMBOL_DAILY_ORDERS cash_e8=0 instrument=1
repeated         | REPEATED         |                                  | LIMIT reason=MAX_REPEAT cash_e8=0
repeated_buy     | REPEATED         |                                  | SIGNAL key=OTHER target_lots=500000; FILL key=OTHER instrument=1 side=1 qty_lots=500000 price_ticks=1 exec_id=1; LIMIT reason=MAX_REPEAT cash_e8=1
daily_loss       | DAILY_LOSS       |                                  | LIMIT reason=DAILY_LOSS cash_e8=0
loss_unknown     | NO_PRICE         |                                  | LIMIT reason=DAILY_LOSS cash_e8=0
loss_of_unknown  | NO_PRICE         |                                  | ADJUST_POSITION instrument=1 side=1 qty_lots=10000 ref=1; DAY revision=1; MARK instrument=1 price_ticks=1000000; LIMIT reason=DAILY_LOSS cash_e8=1
burst_count      | BURST            |                                  | LIMIT reason=BURST_COUNT cash_e8=0
burst_notional   | BURST            |                                  | LIMIT reason=BURST_NOTIONAL cash_e8=999999999999
no_cash          | NO_CASH          |                                  | WITHDRAWAL cash_e8=98999900000001
cash_floor       | NO_CASH          |                                  | LIMIT reason=CASH_FLOOR cash_e8=98999900000001
unknown          | UNKNOWN_INSTRUMENT | instrument=2                   |
other_key        | BAD_EVENT        | key=FOREIGN                      |
bad_key          | BAD_EVENT        | key=NEGATIVE                     |
bad_purpose      | BAD_EVENT        | key=AIMLESS                      |
bad_time         | BAD_EVENT        | time_ns=BEYOND                   |
bad_flags        | BAD_EVENT        | flags=256                        |
bad_type         | BAD_EVENT        | order_type=5                     |
bad_price        | BAD_EVENT        | price_ticks=0                    |
huge_price       | BAD_EVENT        | price_ticks=BEYOND               |
bad_fee          | BAD_EVENT        | fee_e8=-1                        |
huge_fee         | BAD_EVENT        | fee_e8=BEYOND                    |
bad_stop         | BAD_EVENT        | stop_ticks=-1                    |
bad_take         | BAD_EVENT        | take_ticks=-1                    |
bad_trail        | BAD_EVENT        | trail_ticks=-1                   |
bad_parent       | BAD_EVENT        | parent=-1                        |
large_target     | OVERFLOW         | target_lots=MAX                  |
large_value      | OVERFLOW         | price_ticks=2000000000000        |
large_reserve    | OVERFLOW         | fee_e8=1152921504606846976       |
large_closing    | OVERFLOW         | target_lots=-10000 price_ticks=1100000 | ADJUST_POSITION instrument=1 side=1 qty_lots=1100000000000 ref=1; LIMIT reason=ALLOW_SHORT cash_e8=1
large_holding    | OVERFLOW         | target_lots=1100001000000 price_ticks=1100000 | ADJUST_POSITION instrument=1 side=1 qty_lots=1100000000000 ref=1
"""


class Cause(NamedTuple):
    """One row of the table."""

    name: str
    expected: Outcome
    change: str
    before: list[str]

    @property
    def unpriced(self) -> bool:
        return self.expected == Outcome.NO_PRICE


def causes() -> list[Cause]:
    """Return the rows of the table."""
    lines = [[cell.strip() for cell in line.split("|")] for line in TABLE.strip().splitlines()]
    return [Cause(name, Outcome[expected], change, [e for e in before.split("; ") if e]) for name, expected, change, before in lines]


def event_of(line: str) -> Event:
    """Return the event that a line of text says; a SIGNAL starts from the base signal."""
    kind, *pairs = line.split()
    event: Event = {"kind": EventKind[kind], "time_ns": TIME}
    if kind == "SIGNAL" and line != SIGNAL:
        event |= event_of(SIGNAL)
    words: dict[str, type] = {"GATE": Gate, "LIMIT": Limit}
    for pair in pairs:
        name, value = pair.split("=")
        named = words[kind][value] if name == "reason" else NAMES[value] if value in NAMES else int(value)
        event[name] = int(named)
    return event


def book_with(*rows: Cause) -> Book:
    """Return the base book with the events of these rows: first the orders and positions, then limits and gates."""
    book = Book(capacity=Capacity(4, 16, 16, 16, 16, 4))
    unpriced = any(row.unpriced for row in rows)
    lines = [line for line in (BASE if unpriced else BASE + PRICED).splitlines() if line]
    events = [line for row in rows for line in row.before]
    settings = [line for line in events if line.startswith(("GATE", "LIMIT", "WITHDRAWAL"))]
    lines += [line for line in events if line not in settings] + settings
    for line in lines:
        event = event_of(line)
        row = row_of(event)
        answer = apply(book, decide(book, row).event if event["kind"] == EventKind.SIGNAL else row)
        assert answer == Outcome.APPLIED, (line, answer)
    return book


def signal_with(*rows: Cause) -> Event:
    """Return the base signal with the changes of these rows."""
    return event_of("SIGNAL " + " ".join(row.change for row in rows))


def answer_to(*rows: Cause) -> Outcome:
    """Return what the base signal is answered when all these causes hold."""
    return decide(book_with(*rows), row_of(signal_with(*rows))).outcome

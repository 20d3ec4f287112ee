"""The words of onebook: what can happen, what an order can be, how an answer can read.

Theory of operation. Everything here is an IntEnum, because kernels, SQL rows and
people share the same numbers. A number, once given, is never used for something
else: journals of old releases must keep their meaning.
"""

from __future__ import annotations

from enum import IntEnum


class Side(IntEnum):
    """FIX Side, as a sign."""

    SELL = -1
    NONE = 0
    BUY = 1


class EventKind(IntEnum):
    """What an event row says. The columns each kind uses are in `docs/events.md`."""

    NONE = 0
    INSTRUMENT = 1  # an instrument is defined
    LIMIT = 2  # a limit is set
    GATE = 3  # a gate (kill switch, not reconciled, ...) is raised or lowered
    DAY = 4  # a trading day begins
    SIGNAL = 9  # a wish; read by `decide`, never applied
    CLAIM = 10  # an order intent is claimed and its cash or quantity reserved
    REFUSED = 11  # a signal was refused; `reason` is the Outcome
    RELEASED = 12  # a claim was given up, proven never sent
    SENDING = 13  # the next thing that happens is the send
    SUBMITTED = 14  # the broker acknowledged the order
    CANCEL = 15  # a cancel was asked for
    CANCELED = 16
    EXPIRED = 17
    REJECTED = 18
    UNKNOWN = 19  # nobody can say what became of the order
    FILL = 20  # an execution, or a correction of one (higher revision; quantity 0 = bust)
    COMMISSION = 21
    DEPOSIT = 22
    WITHDRAWAL = 23
    DIVIDEND = 24
    INTEREST = 25
    BORROW_FEE = 26
    ADJUST_CASH = 27
    ADJUST_POSITION = 28
    SPLIT = 29
    MARK = 30


class OrderStatus(IntEnum):
    """FIX OrdStatus, with the states before the broker has spoken."""

    NONE = 0
    CLAIMED = 1
    SENDING = 2
    SUBMITTED = 3
    PARTIALLY_FILLED = 4
    UNKNOWN = 5
    FILLED = 6
    CANCELED = 7
    EXPIRED = 8
    REJECTED = 9
    RELEASED = 10


class Outcome(IntEnum):
    """The answer of `decide` and `apply`. Everything but APPLIED changed nothing."""

    APPLIED = 0
    DUPLICATE = 1  # the same fact again
    SUPERSEDED = 2  # an older revision than the one we hold
    # Refusals of a signal, in the order in which they are checked.
    KEY_CONFLICT = 3
    DUP_KEY = 4
    HALTED = 5
    NOT_RECONCILED = 6
    DISCONNECTED = 7
    LIVE_ENTRY = 8
    AT_TARGET = 9
    OFF_GRID = 10
    NO_QTY = 11
    MARKET_CLOSED = 12
    PRICE_COLLAR = 13
    STALE_CODE = 14
    BLOCKED = 15
    NO_PRICE = 16
    STALE_QUOTE = 17
    MAX_POSITION = 18
    MAX_NOTIONAL = 19
    MAX_OPEN = 20
    MAX_DAILY_ORDERS = 21
    REPEATED = 22
    DAILY_LOSS = 23
    BURST = 24
    NO_CASH = 25
    # Events that cannot be applied.
    UNKNOWN_INSTRUMENT = 32
    UNKNOWN_KEY = 33
    UNKNOWN_EXECUTION = 34
    ILLEGAL_TRANSITION = 35
    NEEDS_EVIDENCE = 36
    LIVE_ORDERS = 37
    BAD_SPLIT = 38
    BAD_EVENT = 39
    OVERFLOW = 40
    BOOK_FULL = 41


OUTCOMES = 48
"""Room for refusal counters, one per Outcome number."""


class Purpose(IntEnum):
    """Why an order exists; part of its key."""

    TARGET = 1  # reach a wanted position
    ADD = 2  # pyramiding, declared by the strategy
    EXIT = 3
    STOP_LOSS = 4
    TAKE_PROFIT = 5
    TRAIL = 6
    LIQUIDATE = 7
    PASSIVE = 8
    ACCUMULATE = 9


class OrderType(IntEnum):
    """FIX OrdType."""

    MARKET = 0
    LIMIT = 1
    STOP = 2
    STOP_LIMIT = 3
    TRAIL = 4


class OrderFlag(IntEnum):
    """Bits of an order's flags: the first three are wishes, the others are what happened to it."""

    PYRAMID = 1
    GTC = 2
    OUTSIDE_RTH = 4
    OPENING = 256  # some part of it opens or adds to a position
    CANCEL_ASKED = 512
    LATE_FILL = 1024
    OVERFILL = 2048
    CORRECTED = 4096


class EntryFlag(IntEnum):
    """Bits of an entry (an execution or another fact that moves money)."""

    FEE_KNOWN = 1
    SUPERSEDED = 2
    LATE = 4  # its order was already closed
    OVERFILL = 8
    FOREIGN = 16  # no order of ours
    REBOOKED = 32  # it changed lots that were already booked


class Gate(IntEnum):
    """Bits of a gate, for the account or for one instrument."""

    HALTED = 1
    NOT_RECONCILED = 2
    STALE_CODE = 4
    DISCONNECTED = 8
    BLOCKED = 16
    MARKET_CLOSED = 32


class Limit(IntEnum):
    """Limits. The first ten may be set per instrument and fall back to the account's value."""

    MAX_POSITION = 0  # lots
    MAX_NOTIONAL = 1  # e8 of the currency, per instrument
    SYMBOL_DAILY_ORDERS = 2
    PRICE_COLLAR_BPS = 3
    STALE_QUOTE_NS = 4
    MAX_REPEAT = 5  # entries in a row, same instrument and side
    ALLOW_SHORT = 6  # 0 or 1
    SHORT_MARGIN_BPS = 7  # cash held per short notional on top of its proceeds
    MAX_OPEN = 10
    DAILY_ORDERS = 11
    DAILY_LOSS = 12  # e8, realized and unrealized
    BURST_COUNT = 13  # claims per window
    BURST_NOTIONAL = 14  # e8 per window
    BURST_WINDOW_NS = 15
    BURST_HALTS = 16  # 0 or 1: a burst trips the kill switch
    CASH_FLOOR = 17  # e8: cash no entry may use, as unsettled proceeds; below 0, how far entries may be on credit


INSTRUMENT_LIMITS = 10
LIMITS = 20


class Method(IntEnum):
    """Which lot a closing execution takes."""

    FIFO = 0
    LIFO = 1
    HIFO = 2
    AVERAGE = 3


class InstrumentFlag(IntEnum):
    """Bits of an instrument."""

    NO_NEGATIVE = 1  # the venue knows no short position: a sell beyond the lots is unmatched


class Unmatched(IntEnum):
    """Why a closer has no lot."""

    NO_LOT = 1


LIVE_LAST = int(OrderStatus.UNKNOWN)
"""Statuses 1..LIVE_LAST are live: their reservation holds."""

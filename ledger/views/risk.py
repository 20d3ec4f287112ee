"""Limits, and how much of each is used.

Theory of operation. The limits in force are the last LIMIT events; what is used is read from the account's and the
instruments' rows, and counted from orders where the book keeps no sum. "Now" is the session's last event, so the
answer is the same whoever asks and whenever.
"""

from __future__ import annotations

from typing import NamedTuple

from ledger.journal import Journal
from ledger.journal.replay import session_row
from ledger.units import AMOUNT_MAX
from ledger.views.lists import Totals, positions, totals
from ledger.vocabulary import INSTRUMENT_LIMITS, Limit

UNITS = {
    Limit.MAX_POSITION: "lots", Limit.MAX_NOTIONAL: "e8", Limit.SYMBOL_DAILY_ORDERS: "orders", Limit.PRICE_COLLAR_BPS: "bps",
    Limit.STALE_QUOTE_NS: "ns", Limit.MAX_REPEAT: "orders", Limit.ALLOW_SHORT: "switch", Limit.SHORT_MARGIN_BPS: "bps",
    Limit.MAX_OPEN: "instruments", Limit.DAILY_ORDERS: "orders", Limit.DAILY_LOSS: "e8", Limit.BURST_COUNT: "orders",
    Limit.BURST_NOTIONAL: "e8", Limit.BURST_WINDOW_NS: "ns", Limit.BURST_HALTS: "switch", Limit.CASH_FLOOR: "e8",
}  # fmt: skip
_START = {
    Limit.ALLOW_SHORT: 0, Limit.SHORT_MARGIN_BPS: 10_000, Limit.BURST_HALTS: 0, Limit.CASH_FLOOR: 0, Limit.BURST_WINDOW_NS: 60 * 10**9,
}  # fmt: skip
"""What a new book has; every other limit begins as no limit."""


class LimitUse(NamedTuple):
    """One limit, for the account or for one instrument."""

    limit: Limit
    instrument: int
    """0 = the account."""
    symbol: str | None
    value: int | None
    """In `unit`; None = no limit."""
    used: int | None
    """None = it is a rule and nothing is used up, or it cannot be known."""
    share_e6: int | None
    """used / value in millionths; None where either is."""
    unit: str
    """lots, e8, orders, instruments, bps, ns or switch."""
    qty_exp: int | None
    """Decimals of lots."""


def limits(journal: Journal, session_id: int) -> list[LimitUse]:
    """Return every limit of the account, and for each instrument those it has, with what is used now.

    MAX_POSITION, MAX_NOTIONAL and SYMBOL_DAILY_ORDERS are shown for each instrument that has a position or an order today.
    """
    session_row(journal.connection, session_id)
    with journal.reading():
        account = totals(journal, session_id)
        held = positions(journal, session_id)
        known: dict[tuple[int, int], int] = {}
        for instrument, limit, value in journal.connection.execute(_LIMITS, (session_id,)):
            known[instrument, limit] = value
        today = dict(journal.connection.execute(_TODAY, (session_id,)).fetchall())
        burst = _burst(journal, session_id, known.get((0, Limit.BURST_WINDOW_NS), _START[Limit.BURST_WINDOW_NS]))
    ordered = sorted(Limit, key=lambda limit: limit < INSTRUMENT_LIMITS)
    rows = [_use(limit, 0, None, _value(known, 0, limit), _account_use(limit, account, burst), None) for limit in ordered]
    for row in held:
        busy = row.position_lots or row.working_lots or today.get(row.instrument)
        for limit in (Limit.MAX_POSITION, Limit.MAX_NOTIONAL, Limit.SYMBOL_DAILY_ORDERS):
            own = known.get((row.instrument, limit), -1)
            if not busy and own == -1:
                continue
            used = {
                Limit.MAX_POSITION: abs(row.position_lots + row.working_lots),
                Limit.MAX_NOTIONAL: None if row.value_e8 is None else abs(row.value_e8),
                Limit.SYMBOL_DAILY_ORDERS: today.get(row.instrument, 0),
            }[limit]
            rows.append(_use(limit, row.instrument, row.symbol, _value(known, row.instrument, limit), used, row.qty_exp))
    return rows


# Kinds: 2 LIMIT, 4 DAY; flag 256: the order opens or adds.
_LIMITS = "SELECT instrument, reason, cash_e8 FROM event WHERE session_id = ? AND kind = 2 ORDER BY seq"
_TODAY = (
    'SELECT instrument, count(*) FROM "order" WHERE session_id = ?1 AND seq >'
    " coalesce((SELECT max(seq) FROM event WHERE session_id = ?1 AND kind = 4), 0) GROUP BY instrument"
)
_BURST = (
    'SELECT count(*), coalesce(sum(reserve_e8), 0) FROM "order" WHERE session_id = ?1 AND (flags & 256) <> 0 AND time_ns >'
    " (SELECT max(time_ns) FROM event WHERE session_id = ?1) - ?2"
)


def _burst(journal: Journal, session_id: int, window_ns: int) -> int:
    return int(journal.connection.execute(_BURST, (session_id, window_ns)).fetchone()[0])


def _value(known: dict[tuple[int, int], int], instrument: int, limit: Limit) -> int | None:
    own = known.get((instrument, limit), -1) if instrument else -1
    # A floor may be negative; every other -1 means "as the account has it".
    value = own if own != -1 else known.get((0, limit), _START.get(limit, AMOUNT_MAX))
    return None if value == AMOUNT_MAX else value


def _account_use(limit: Limit, account: Totals | None, burst: int) -> int | None:
    if account is None:
        return None
    if limit == Limit.MAX_OPEN:
        return account.open_count
    if limit == Limit.DAILY_ORDERS:
        return account.day_orders
    if limit == Limit.BURST_COUNT:
        return burst
    if limit == Limit.DAILY_LOSS and account.day_known and account.equity_e8 is not None:
        return max(0, account.day_equity_e8 + account.day_flows_e8 - account.equity_e8)
    return None


def _use(limit: Limit, instrument: int, symbol: str | None, value: int | None, used: int | None, qty_exp: int | None) -> LimitUse:
    share = used * 10**6 // value if used is not None and value is not None and value > 0 else None
    return LimitUse(limit, instrument, symbol, value, used, share, UNITS[limit], qty_exp)

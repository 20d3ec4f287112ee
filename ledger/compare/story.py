"""The story of one decision: what was wished, refused or claimed, sent, filled and paid, and which lots it became.

Theory of operation. Every step is an event of the journal, told in its order. A refusal is shown with
its name, a fill with its commission when one was reported, and lots from the
allocations, where profit lives. Nothing is inferred.
"""

from __future__ import annotations

from ledger import keys, views
from ledger.compare.model import Step, Story
from ledger.journal import Journal, JournalError
from ledger.units import decimal_text
from ledger.views import rows
from ledger.views.naming import execution_names, strategy_names
from ledger.views.rows import InstrumentRow, StoryRecord
from ledger.vocabulary import EventKind, OrderType, Outcome


def story(journal: Journal, session_id: int, key: int) -> Story:
    """Return everything that the journal knows of an order key of this session (`Leg.key`).

    Raises:
        JournalError: no such session, or nothing in it has this key.
    """
    with journal.reading():
        strategies = strategy_names(journal, session_id)
        records = rows.story(journal, session_id, key)
        if not records:
            raise JournalError(f"session {session_id} has no event with key {key}")
        names = rows.names(journal, session_id)
        executions = execution_names(journal, session_id, names)
        instruments = {row.number: row for row in rows.instruments(journal, session_id)}
        fees = rows.commissions(journal, session_id, key)
        allocations = rows.allocations(journal, session_id, key)
    grid = instruments.get(keys.instrument_of(key))
    symbols = {row.number: row.symbol for row in instruments.values()}
    steps = [Step(record.seq, record.time_ns, EventKind(record.kind).name, _detail(record, grid, names, executions)) for record in records]
    steps += [Step(seq, time_ns, "COMMISSION", f"{decimal_text(fee_e8)}") for seq, time_ns, fee_e8 in fees]
    told = tuple(_allocation(line, grid) for line in allocations)
    return Story(_key_text(key, strategies, symbols), tuple(sorted(steps, key=lambda step: step.seq)), told)


def _key_text(key: int, strategies: dict[int, str], symbols: dict[int, str]) -> str:
    try:
        return keys.text(key, strategies, symbols)
    except ValueError:
        return f"key {key}"


def _detail(record: StoryRecord, grid: InstrumentRow | None, names: dict[int, str], executions: dict[int, str]) -> str:
    price_exp, qty_exp = (grid.price_exp, grid.qty_exp) if grid else (0, 0)
    price, qty = decimal_text(record.price_ticks, price_exp), decimal_text(record.qty_lots, qty_exp)
    target = decimal_text(record.target_lots, qty_exp)
    word = {1: "buy", -1: "sell"}.get(record.side, "")
    kind = EventKind(record.kind)
    if kind == EventKind.REFUSED:
        name = Outcome(record.reason).name
        return f"{views.refusal_words(Outcome(record.reason), record.target_lots)} {name}: wished {target}"
    if kind == EventKind.CLAIM:
        at = f" at {price} at worst" if record.order_type == OrderType.MARKET else f" at {price}"
        reserved = decimal_text(record.cash_e8)
        return f"{word} {qty} to hold {target}, {OrderType(record.order_type).name}{at}; {reserved} reserved"
    if kind == EventKind.FILL:
        revised = f", revision {record.revision}" if record.revision else ""
        return f"{word} {qty} at {price}{revised} (execution {executions.get(record.exec_id, record.exec_id)})"
    return names.get(record.ref, "") if record.ref else ""


def _allocation(line: tuple[int, int, int, int, int, int], grid: InstrumentRow | None) -> str:
    lot, opens, qty, cost, proceeds, pnl = line
    shares = decimal_text(qty, grid.qty_exp if grid else 0)
    if opens:
        return f"opened lot {lot}: {shares} for {decimal_text(cost)}"
    return f"closed {shares} of lot {lot}: {decimal_text(cost)} became {decimal_text(proceeds)}, profit {decimal_text(pnl)}"
